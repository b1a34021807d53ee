"""Instances with real PostgreSQL servers behind them."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path

from double.programs import as_owner, dying_with_parent, program

from .harness import EAST, WEST, Contract, advance, control, look, until


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def sql(port, *statements):
    """What the last statement gives, or none where the server refuses."""
    command = [program("psql"), "-XAt", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", str(port), "-U", "postgres"]
    command += [word for s in statements for word in ("-c", s)]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=20)
    return None if done.returncode else done.stdout.strip().rsplit("\n", 1)[-1]


class Servers(Contract):
    """One server behind an instance in one Region; a replica's server is built in the other."""

    @classmethod
    def setUpClass(cls):
        cls.home = Path(tempfile.mkdtemp(prefix="double-"))
        cls.addClassCleanup(shutil.rmtree, cls.home)
        if os.geteuid() == 0:
            shutil.chown(cls.home, "postgres")
        home = str(cls.home / "east")
        initdb = [program("initdb"), "-D", home, "-U", "postgres", "--auth=trust", "--no-sync"]
        subprocess.run(as_owner(initdb), check=True, capture_output=True, cwd="/")
        cls.port = free_port()
        command = [program("postgres"), "-D", home, "-p", str(cls.port)]
        for setting in ("fsync=off", "listen_addresses=127.0.0.1", "unix_socket_directories="):
            command += ["-c", setting]
        silent = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
        cls.server = subprocess.Popen(dying_with_parent(as_owner(command)), cwd="/", **silent)
        cls.addClassCleanup(cls.server.wait)
        cls.addClassCleanup(cls.server.send_signal, signal.SIGINT)

    def setUp(self):
        super().setUp()
        # The double ends what it built before its folder goes.
        self.folder = self.home / self._testMethodName
        self.addCleanup(control, "POST", "reset")
        until(lambda: sql(self.port, "select 1") == "1")
        sql(self.port, "alter system reset all", "select pg_reload_conf()")
        until(lambda: sql(self.port, "drop table if exists t"))
        for rds in (self.east, self.west):
            rds.create_db_parameter_group(
                DBParameterGroupName="pg", DBParameterGroupFamily="postgres15", Description="d"
            )
        self.create(self.east, DBParameterGroupName="pg", VpcSecurityGroupIds=["sg-1"])
        quarantine = ["sg-quarantine"]
        control(
            "POST", "postgres/bind", region=EAST, id="db-east", port=self.port, quarantine_security_groups=quarantine
        )

    def way(self, rds, name):
        """The port that a client uses."""
        endpoint = look(rds, name)["Endpoint"]
        self.assertEqual(endpoint["Address"], "127.0.0.1")
        return endpoint["Port"]

    def set_frozen(self, value):
        parameter = dict(ParameterName="default_transaction_read_only", ApplyMethod="immediate")
        if value is None:
            self.east.reset_db_parameter_group(DBParameterGroupName="pg", Parameters=[parameter])
        else:
            self.east.modify_db_parameter_group(
                DBParameterGroupName="pg", Parameters=[{**parameter, "ParameterValue": value}]
            )
        advance(10)

    def build_replica(self):
        port = free_port()
        control("POST", "postgres/prepare", region=WEST, id="db-west", port=port, data_directory=str(self.folder))
        self.replica(DBParameterGroupName="pg")
        return self.way(self.west, "db-west")

    def test_a_frozen_group_refuses_writes_until_it_is_reset(self):
        way = self.way(self.east, "db-east")
        read_only = lambda: sql(way, "show default_transaction_read_only")
        self.assertEqual(sql(way, "create table t (n int)"), "CREATE TABLE")
        self.set_frozen("1")
        until(lambda: read_only() == "on")
        self.assertIsNone(sql(way, "insert into t values (1)"))
        self.set_frozen(None)
        until(lambda: read_only() == "off")
        self.assertEqual(sql(way, "insert into t values (1)"), "INSERT 0 1")

    def test_quarantine_cuts_and_refuses_connections_and_its_end_lets_them_in(self):
        way = self.way(self.east, "db-east")
        with contextlib.closing(socket.create_connection(("127.0.0.1", way))) as open_before:
            open_before.sendall(b"\0\0\0\x08\x04\xd2\x16\x2f")  # SSLRequest: one byte comes back
            self.assertEqual(open_before.recv(1), b"N")
            self.east.modify_db_instance(DBInstanceIdentifier="db-east", VpcSecurityGroupIds=["sg-quarantine"])
            self.assertEqual(open_before.recv(1), b"")
        with self.assertRaises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", way))
        advance(10)
        self.east.modify_db_instance(DBInstanceIdentifier="db-east", VpcSecurityGroupIds=["sg-1"])
        self.assertEqual(sql(way, "select 1"), "1")

    def test_a_rename_keeps_the_server_and_cuts_it_off_meanwhile(self):
        way = self.way(self.east, "db-east")
        self.east.modify_db_instance(
            DBInstanceIdentifier="db-east", NewDBInstanceIdentifier="db-old", ApplyImmediately=True
        )
        advance(5)
        self.assertIsNone(sql(way, "select 1"))
        advance(120)
        self.assertEqual(sql(self.way(self.east, "db-old"), "select 1"), "1")

    def test_a_replica_is_built_follows_and_is_promoted(self):
        east = self.way(self.east, "db-east")
        sql(east, "create table t (n int)", "insert into t values (1)")
        self.set_frozen("1")
        west = self.build_replica()
        self.assertEqual(sql(west, "select pg_is_in_recovery()"), "t")
        # It has a group of its own, which nobody froze.
        self.assertEqual(sql(west, "show default_transaction_read_only"), "off")
        self.set_frozen(None)
        until(lambda: sql(east, "insert into t values (2)"))
        until(lambda: sql(west, "select count(*) from t") not in ("1", None))
        self.assertIsNone(sql(west, "insert into t values (3)"))
        self.west.promote_read_replica(DBInstanceIdentifier="db-west")
        advance(5 + 60)
        self.assertIsNone(sql(west, "select 1"), "it reboots")
        control("POST", "settle")
        self.assertNotIn("ReadReplicaSourceDBInstanceIdentifier", look(self.west, "db-west"))
        self.assertEqual(sql(west, "insert into t values (3)"), "INSERT 0 1")

    def test_a_replica_that_cannot_be_built_fails(self):
        self.folder.mkdir()
        (self.folder / "file").touch()
        control(
            "POST", "postgres/prepare", region=WEST, id="db-west", port=free_port(), data_directory=str(self.folder)
        )
        self.assertEqual(self.replica()["DBInstanceStatus"], "failed")
