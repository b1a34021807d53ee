"""The process: one port, one line when it is ready, and an end with its parent's."""

import argparse
import logging
import os
import signal
import stat
import sys
import threading

from moto import backends
from moto.moto_api._internal import mock_random
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

# Each of these mends moto when it is imported.
from . import alarms, autoscaling, cloudwatch, parameters, rds, recorder, route53, sqs, stepfunctions  # noqa: F401
from .cbor import CborGate
from .control import ControlGate
from .postgres import POSTGRES
from .sns import CertificateGate
from .world import WORLD


# Otherwise the disk is asked twice a call which services there are: a tenth of its time.
SERVICES = tuple(backends.list_of_moto_modules())
backends.list_of_moto_modules = lambda: SERVICES


class QuietHandler(MotoRequestHandler):
    """Without a line per request."""

    def log_request(self, code="-", size="-"):
        pass


def end(*_):
    """Ends at once, with what was started; the threads of moto would take seconds."""
    with WORLD.lock:
        POSTGRES.reset()
    os._exit(0)


def watch_parent():
    """A pipe or socket at stdin ends when the parent does, however that ends. Another stdin says nothing."""
    mode = os.fstat(sys.stdin.fileno()).st_mode
    if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)):
        return

    def wait():
        while os.read(sys.stdin.fileno(), 4096):
            pass
        end()

    threading.Thread(target=wait, daemon=True).start()


def main(arguments=None):
    """Serves until it is told to end."""
    parser = argparse.ArgumentParser(prog="double", description=sys.modules["double"].__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0: any that is free")
    parser.add_argument(
        "--scale", type=float, default=1.0, help="real seconds per second of AWS; 0: nothing takes time"
    )
    given = parser.parse_args(arguments)
    # An execution that fails is a result, not this process's trouble.
    logging.getLogger("moto").addHandler(logging.NullHandler())
    WORLD.clock.set(scale=given.scale)
    mock_random.seed(0)
    application = ControlGate(CertificateGate(CborGate(DomainDispatcherApplication(create_backend_app))))
    server = make_server(given.host, given.port, application, threaded=True, request_handler=QuietHandler)
    # 650 images per Region that nobody asks for are most of a reset's time; any `ami-…` is taken without them.
    os.environ.setdefault("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
    # Where Step Functions sends its own calls; a proxy in front may have been named.
    os.environ.setdefault("MOTO_PORT", str(server.server_port))
    for number in (signal.SIGTERM, signal.SIGINT):
        # In a thread: the main one may hold the lock.
        signal.signal(number, lambda *_: threading.Thread(target=end, daemon=True).start())
    threading.Thread(target=WORLD.agenda.keep, args=(WORLD.follow,), daemon=True).start()
    watch_parent()
    print(f"double: ready on {given.host}:{server.server_port}", flush=True)
    server.serve_forever()
