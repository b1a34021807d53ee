"""The process and its control API."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

from .harness import EAST, Contract, advance, client, control, look, start, status, until


class Control(Contract):
    def test_calls_are_listed_as_the_server_saw_them(self):
        self.create(self.east)
        control("DELETE", "calls")
        arn = look(self.east, "db-east")["DBInstanceArn"]
        self.east.add_tags_to_resource(ResourceName=arn, Tags=[{"Key": "a", "Value": "b"}])
        self.refused("InvalidDBInstanceState", self.east.promote_read_replica, DBInstanceIdentifier="db-east")
        tag, promote = control("GET", "calls")["calls"]
        self.assertEqual(
            (tag["operation"], tag["region"], tag["account"], tag["applied"]),
            ("AddTagsToResource", EAST, "123456789012", True),
        )
        self.assertEqual(tag["parameters"], {"ResourceName": arn, "Tags": [{"Key": "a", "Value": "b"}]})
        self.assertEqual((promote["applied"], promote["error"]), (False, "InvalidDBInstanceState"))
        self.assertTrue(promote["invocation"])
        self.assertEqual(
            control("GET", "counts"),
            {
                "rds:AddTagsToResource": {"applied": 1, "refused": 0},
                "rds:PromoteReadReplica": {"applied": 0, "refused": 1},
            },
        )

    def test_calls_of_other_services_are_listed_too(self):
        queue = client("sqs").create_queue(QueueName="q")["QueueUrl"]
        client("sqs").send_message(QueueUrl=queue, MessageBody="hello")
        topic = client("sns").create_topic(Name="t")["TopicArn"]
        client("sns").publish(TopicArn=topic, Message="hello")
        secret = client("secretsmanager")
        secret.create_secret(Name="s", SecretString="x")
        self.assertEqual(secret.get_secret_value(SecretId="s")["SecretString"], "x")
        self.assertEqual(
            [c["operation"] for c in control("GET", "calls")["calls"]],
            ["CreateQueue", "SendMessage", "CreateTopic", "Publish", "CreateSecret"],
        )

    def test_an_instance_is_what_a_test_says(self):
        self.create(self.east)
        infos = [{"StatusType": "read replication", "Normal": False, "Status": "error", "Message": "lost"}]
        control("POST", "rds/instance", region=EAST, id="db-east", status="storage-full", status_infos=infos)
        db = look(self.east, "db-east")
        self.assertEqual((db["DBInstanceStatus"], db["StatusInfos"]), ("storage-full", infos))

    def test_a_call_says_how_slow_what_it_starts_is(self):
        self.create(client("rds", slowness=0), "swift")
        self.assertEqual(status(self.east, "swift"), "available")
        client("rds", slowness=2).create_db_snapshot(DBInstanceIdentifier="swift", DBSnapshotIdentifier="s")
        advance(239)
        self.assertEqual(status(self.east, "swift"), "backing-up")
        advance(1)
        self.assertEqual(status(self.east, "swift"), "available")

    def test_durations_can_be_changed(self):
        control("POST", "durations", **{"rds.create": 1})
        self.east.create_db_instance(
            DBInstanceIdentifier="a",
            DBInstanceClass="c",
            Engine="mysql",
            AllocatedStorage=20,
            MasterUsername="root",
            MasterUserPassword="secret-secret",
            BackupRetentionPeriod=0,
        )
        control("POST", "clock", advance=1)
        self.assertEqual(status(self.east, "a"), "available")
        control("POST", "durations", **{"rds.create": 300})
        with self.assertRaises(AssertionError):
            control("POST", "durations", nonsense=1)

    def test_time_passes_by_itself_at_the_scale(self):
        self.create(self.east)
        self.east.reboot_db_instance(DBInstanceIdentifier="db-east")
        self.assertEqual(status(self.east, "db-east"), "rebooting")
        control("POST", "clock", stopped=False, scale=0.005)
        until(lambda: status(self.east, "db-east") == "available")

    def test_at_scale_0_nothing_takes_time(self):
        control("POST", "clock", scale=0)
        self.east.create_db_instance(
            DBInstanceIdentifier="a",
            DBInstanceClass="c",
            Engine="mysql",
            AllocatedStorage=20,
            MasterUsername="root",
            MasterUserPassword="secret-secret",
        )
        self.assertEqual(status(self.east, "a"), "available")

    def test_the_state_can_be_seen(self):
        self.create(self.east)
        self.assertEqual(control("GET", "state")["instances"][0]["id"], "db-east")
        self.assertTrue(any("double/state" in r for r in control("GET", "routes")["routes"]))

    def test_what_is_asked_wrongly_is_refused(self):
        with self.assertRaisesRegex(AssertionError, "no instance none"):
            control("POST", "rds/instance", region=EAST, id="none", status="available")
        with self.assertRaisesRegex(AssertionError, "double/routes"):
            control("GET", "nonsense")


class Process(Contract):
    def test_it_ends_with_its_parent(self):
        process, _ = start("--scale", "0")
        process.stdin.close()
        self.assertEqual(process.wait(10), 0)
        process.stdout.close()

    def test_it_lives_without_a_parent_that_holds_stdin_until_it_is_told_to_end(self):
        folder, silent = Path(__file__).resolve().parents[2], subprocess.DEVNULL
        process = subprocess.Popen(
            [sys.executable, "-m", "double"],
            cwd=folder,
            env={"PATH": os.environ["PATH"]},
            stdin=silent,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.addCleanup(process.stdout.close)
        address = process.stdout.readline().split()[-1]
        with urllib.request.urlopen(f"http://{address}/double/clock") as answer:
            self.assertEqual(json.load(answer)["scale"], 1.0)
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(10), 0)
