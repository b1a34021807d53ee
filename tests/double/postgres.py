"""Real PostgreSQL servers behind RDS instances: what happens to the instance happens to the server.

An instance is bound by its resource id, so it stays bound when it is renamed. Clients reach the server through a
forwarder that the double owns: closing it is what a security group, a reboot or a rename does to them.
"""

import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from subprocess import DEVNULL, Popen, run
from tempfile import TemporaryFile

from .forwarder import Forwarder
from .programs import as_owner, dying_with_parent, program
from .world import WORLD

# An instance in one of these answers its clients.
SERVES = ("available", "backing-up", "modifying", "storage-optimization")
# The parameters that are put in force on the server.
APPLIED = ("default_transaction_read_only",)


class Server:
    """A server, and what may be done to it from within."""

    def __init__(self, host, port, data_directory=None, superuser="postgres"):
        self.host, self.port, self.data_directory, self.superuser = host, int(port), data_directory, superuser
        self.process = None

    def sql(self, *statements):
        """Runs statements one by one; what the last one printed."""
        command = [program("psql"), "-X", "-At", "-v", "ON_ERROR_STOP=1", "-h", self.host, "-p", str(self.port)]
        command += ["-U", self.superuser, "-d", "postgres"]
        for statement in statements:
            command += ["-c", statement]
        done = run(command, stdin=DEVNULL, capture_output=True, text=True, env={"PGCONNECT_TIMEOUT": "5"}, timeout=30)
        if done.returncode:
            raise RuntimeError(f"psql on port {self.port}: {done.stderr.strip()}")
        return done.stdout.strip().rsplit("\n", 1)[-1]

    def answers(self):
        """It takes connections."""
        try:
            return self.sql("select 1") == "1"
        except RuntimeError:
            return False


class Binding:
    """An instance's server, the way to it, and the groups that close that way."""

    def __init__(self, server, quarantine):
        self.server = server
        self.quarantine = set(quarantine)
        self.forwarder = Forwarder(server.host, server.port)
        # While it is built: the running copy.
        self.copy = None
        self.failure = None


class Postgres:
    """All bindings."""

    def __init__(self):
        self.bindings = {}
        # Servers for instances that are not there yet, by account, Region and name.
        self.prepared = {}
        self._databases = {}
        # One thread that lives as long as the process starts the children, which die with the thread that started them.
        self._starter = ThreadPoolExecutor(1, "starter")

    def bind(self, db, server, quarantine):
        """Puts a running server behind an instance."""
        self._release(db.dbi_resource_id)
        self.bindings[db.dbi_resource_id] = Binding(server, quarantine)
        self._databases[db.dbi_resource_id] = db

    def prepare(self, account, region, identifier, server, quarantine):
        """What a replica of that name will be built with."""
        self.prepared[account, region, identifier] = (server, quarantine)

    def endpoint(self, db):
        """Where clients reach it."""
        bound = self.bindings.get(db.dbi_resource_id)
        return bound and {"Address": "127.0.0.1", "Port": bound.forwarder.port}

    def promote(self, db):
        """Makes its server leave recovery; does not wait for it."""
        if bound := self.bindings.get(db.dbi_resource_id):
            bound.server.sql("select pg_promote(false)")

    def is_writer(self, db):
        """Its server has left recovery; true where there is none."""
        bound = self.bindings.get(db.dbi_resource_id)
        try:
            return bound is None or bound.server.sql("select pg_is_in_recovery()") == "f"
        except RuntimeError:
            return False

    def set_parameters(self, db, values):
        """Puts a group's values in force."""
        bound = self.bindings.get(db.dbi_resource_id)
        if bound is None:
            return
        statements = [
            f"alter system set {name} = '{values[name]}'"
            if values.get(name) is not None
            else f"alter system reset {name}"
            for name in APPLIED
        ]
        bound.server.sql(*statements, "select pg_reload_conf()")

    def build(self, replica, source):
        """Starts to copy the source's server for a replica that was prepared."""
        key = (replica.account_id, replica.region, replica.db_instance_identifier)
        origin = self.bindings.get(source.dbi_resource_id)
        if key not in self.prepared or origin is None:
            return
        server, quarantine = self.prepared.pop(key)
        self.bind(replica, server, quarantine)
        copy = [program("pg_basebackup"), "-h", origin.server.host, "-p", str(origin.server.port)]
        copy += ["-U", origin.server.superuser, "-D", server.data_directory, "-R", "-X", "stream", "-c", "fast"]
        self.bindings[replica.dbi_resource_id].copy = self._start(copy)

    def built(self, replica):
        """Whether its server follows the source, to be asked again and again; none where nothing is built."""
        bound = self.bindings.get(replica.dbi_resource_id)
        if bound is None:
            return None

        def ready():
            if bound.failure:
                return True
            if bound.server.process is None:
                return self._copied(bound)
            if bound.server.process.poll() is not None:
                return self._give_up(bound, bound.server.process)
            if not bound.server.answers():
                return False
            group = replica.db_parameter_groups()[0]
            self.set_parameters(replica, {n: p.get("ParameterValue") for n, p in group.parameters.items()})
            return True

        return ready

    def _copied(self, bound):
        if bound.copy.poll() is None:
            return False
        if bound.copy.returncode:
            return self._give_up(bound, bound.copy)
        server = bound.server
        bound.server.process = self._start(
            [program("postgres"), "-D", server.data_directory, "-p", str(server.port)]
            + ["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]
        )
        return False

    def _give_up(self, bound, process):
        process.log.seek(0)
        bound.failure = process.log.read().decode(errors="replace") or f"it ended with {process.returncode}"
        print(f"double: no replica on port {bound.server.port}: {bound.failure}", file=sys.stderr, flush=True)
        return True

    def failed(self, replica):
        """Its server could not be built."""
        bound = self.bindings.get(replica.dbi_resource_id)
        return bound is not None and bound.failure is not None

    def follow(self):
        """Opens and closes the ways to the servers, as the instances are now."""
        for resource, bound in self.bindings.items():
            db = self._databases[resource]
            bound.forwarder.set_open(db.status in SERVES and not bound.quarantine & set(db.vpc_security_group_ids))

    def _start(self, command):
        log = TemporaryFile()   # it lives as long as the process
        command = dying_with_parent(as_owner(command))
        process = self._starter.submit(Popen, command, stdin=DEVNULL, stdout=log, stderr=log, env={}, cwd="/").result()
        process.log = log
        return process

    def _release(self, resource):
        if bound := self.bindings.pop(resource, None):
            bound.forwarder.end()
            for process in (bound.copy, bound.server.process):
                if process and process.poll() is None:
                    # A fast shutdown: SIGTERM would wait for clients.
                    process.send_signal(signal.SIGINT)
                    process.wait(10)

    def reset(self):
        """Ends what the double started; servers that were bound go on."""
        for resource in list(self.bindings):
            self._release(resource)
        self.prepared.clear()
        self._databases.clear()


POSTGRES = Postgres()
WORLD.followers.append(POSTGRES.follow)
WORLD.resets.append(POSTGRES.reset)
