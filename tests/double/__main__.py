"""Runs the double: `python -m double` from `tests`, or `python tests/double` from anywhere."""

import sys
from pathlib import Path

if not __package__:
    # Run by path: this folder is in front of the search path, its modules must be found as `double.…` alone.
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from double.server import main

main()
