"""One double for all contract tests; every test begins with an empty world in which time stands still."""

import json
import os
import subprocess
import sys
import time
import unittest
import urllib.request
from pathlib import Path

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

EAST, WEST = "us-east-1", "us-west-2"
ACCOUNT = "123456789012"
# Nothing of the machine's: no credentials, no configuration, no metadata service.
os.environ.update(
    AWS_ACCESS_KEY_ID="AKIAIOSFODNN7EXAMPLE",
    AWS_SECRET_ACCESS_KEY="example",
    AWS_EC2_METADATA_DISABLED="true",
    AWS_CONFIG_FILE="/dev/null",
    AWS_SHARED_CREDENTIALS_FILE="/dev/null",
)
_running = {}


def start(*arguments):
    """A double of its own, and its address; it ends when its stdin is closed, at the latest with this process."""
    environment = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}
    process = subprocess.Popen(
        [sys.executable, Path(__file__).resolve().parent.parent, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    line = process.stdout.readline()
    assert line.startswith("double: ready on "), f"not ready, but: {line!r}"
    return process, "http://" + line.split()[-1]


def url():
    """The address of the double of all tests."""
    if not _running:
        _running["process"], _running["url"] = start("--port", "0", "--scale", "0.01")
    return _running["url"]


def control(method, path, base=None, **body):
    """A call of the control API."""
    data = json.dumps(body).encode() if method == "POST" else None
    request = urllib.request.Request(f"{base or url()}/double/{path}", data, method=method)
    try:
        with urllib.request.urlopen(request, timeout=90) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        raise AssertionError(f"{method} {path}: {error.read().decode()}") from None


def client(service, region=EAST, account=None, slowness=None, **settings):
    """A client of the double, without retries."""
    made = boto3.client(
        service,
        region_name=region,
        endpoint_url=settings.pop("endpoint_url", url()),
        config=Config(retries={"total_max_attempts": 1}, **settings.pop("config", {})),
        **settings,
    )
    for header, value in (("x-moto-account-id", account), ("x-double-slowness", slowness)):
        if value is not None:
            made.meta.events.register(
                "before-sign", lambda request, h=header, v=str(value), **_: request.headers.add_header(h, v)
            )
    return made


def advance(seconds):
    """Lets nominal seconds pass."""
    control("POST", "clock", advance=seconds)


def until(look, limit=20):
    """Looks until it is true: for what happens in real time."""
    end = time.monotonic() + limit
    while not (seen := look()):
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.02)
    return seen


class Contract(unittest.TestCase):
    """Each test starts from nothing, and lets time pass itself."""

    def setUp(self):
        control("POST", "reset")
        control("POST", "clock", scale=0.01, stopped=True)
        self.east, self.west = client("rds", EAST), client("rds", WEST)

    def tearDown(self):
        self.assertEqual(control("GET", "clock")["failures"], [])

    def refused(self, code, call, *arguments, **parameters):
        """The call fails with that code; its message comes back."""
        with self.assertRaises(ClientError) as caught:
            call(*arguments, **parameters)
        self.assertEqual(caught.exception.response["Error"]["Code"], code)
        self.assertLess(caught.exception.response["ResponseMetadata"]["HTTPStatusCode"], 500)
        return caught.exception.response["Error"]["Message"]

    def create(self, rds, name="db-east", **settings):
        """An instance that is available."""
        given = dict(
            DBInstanceClass="db.m5.large",
            Engine="postgres",
            EngineVersion="15.4",
            AllocatedStorage=20,
            MasterUsername="root",
            MasterUserPassword="secret-secret",
            BackupRetentionPeriod=7,
        )
        rds.create_db_instance(DBInstanceIdentifier=name, **{**given, **settings})
        control("POST", "settle")
        return look(rds, name)

    def replica(self, name="db-west", source="db-east", **settings):
        """A replica in the other Region that is available."""
        arn = f"arn:aws:rds:{EAST}:{ACCOUNT}:db:{source}"
        self.west.create_db_instance_read_replica(DBInstanceIdentifier=name, SourceDBInstanceIdentifier=arn, **settings)
        control("POST", "settle")
        return look(self.west, name)


def look(rds, name):
    """An instance as it is now."""
    return rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0]


def status(rds, name):
    """Its status."""
    return look(rds, name)["DBInstanceStatus"]
