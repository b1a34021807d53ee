"""PostgreSQL's programs: where they are, and as whom they run."""

import os
import shutil
from pathlib import Path


def program(name):
    """The path of a program, loudly where it is missing. Debian keeps all but the clients out of PATH."""
    newest = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda p: float(p.parts[4]))
    found = str(newest[-1]) if newest else shutil.which(name)
    if found is None:
        raise FileNotFoundError(f"no {name}: apt-get install postgresql")
    return found


def as_owner(command):
    """The command as whoever may run a server: PostgreSQL refuses root."""
    if os.geteuid() != 0:
        return command
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", *command]


def dying_with_parent(command):
    """The command such that it ends when the thread that started it ends. `setpriv` sets it after the change of user,
    which would forget it. SIGINT is a server's fast shutdown."""
    if command[0] != "setpriv":
        command = ["setpriv", *command]
    return [command[0], "--pdeathsig=INT", *command[1:]]
