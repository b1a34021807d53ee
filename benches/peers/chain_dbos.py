#!/usr/bin/env python3
"""A chain of durable steps that do nothing, by DBOS on SQLite: `chain_dbos.py STEPS` prints the microseconds a step
took. The first, short chain warms it up."""

import sys
import tempfile
import time

from dbos import DBOS


@DBOS.step()
def step(number):
    """Gives something to remember."""
    return number


@DBOS.workflow()
def chain(steps):
    """Each step is durable before the next begins."""
    for number in range(steps):
        step(number)


def measured(steps):
    """How many microseconds a step takes."""
    begun = time.perf_counter()
    chain(steps)
    return (time.perf_counter() - begun) * 1e6 / steps


with tempfile.TemporaryDirectory() as folder:
    DBOS(
        config={
            "name": "chain",
            "system_database_url": f"sqlite:///{folder}/dbos.sqlite",
            "run_admin_server": False,
            "log_level": "ERROR",
        }
    )
    DBOS.launch()
    chain(10)
    print(measured(int(sys.argv[1])))
    DBOS.destroy()
