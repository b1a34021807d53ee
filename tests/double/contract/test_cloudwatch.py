"""CloudWatch: the protocol of the Rust SDK, and the series that tests give."""

import struct
import time
import urllib.request
from datetime import datetime, timedelta, timezone
from unittest import mock

from .harness import EAST, WEST, Contract, client, control, url

MINUTE = timedelta(minutes=1)


def text(value):
    return bytes([0x60 | len(value)] if len(value) < 24 else [0x78, len(value)]) + value.encode()


def pairs(*items):
    """A map of indefinite length, as the Rust SDK writes it."""
    return b"\xbf" + b"".join(text(k) + v for k, v in items) + b"\xff"


def several(*items):
    return b"\x9f" + b"".join(items) + b"\xff"


def number(value):
    return b"\x19" + struct.pack(">H", value)


def instant(value):
    return b"\xc1\xfb" + struct.pack(">d", value)


def post(operation, body, region=WEST, **headers):
    """A request as the Rust SDK makes it, byte by byte."""
    scope = f"AKIAIOSFODNN7EXAMPLE/20260101/{region}/monitoring/aws4_request"
    request = urllib.request.Request(
        f"{url()}/service/GraniteServiceVersion20100801/operation/{operation}",
        body,
        {
            "smithy-protocol": "rpc-v2-cbor",
            "Content-Type": "application/cbor",
            "Accept": "application/cbor",
            "Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0",
            **headers,
        },
    )
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


DIMENSION = several(pairs(("Name", text("DBInstanceIdentifier")), ("Value", text("db-west"))))
METRIC = pairs(("Namespace", text("AWS/RDS")), ("MetricName", text("ReplicaLag")), ("Dimensions", DIMENSION))


class Cbor(Contract):
    def question(self):
        now = time.time()
        stat = pairs(("Metric", METRIC), ("Period", number(60)), ("Stat", text("Average")))
        query = pairs(("Id", text("lag")), ("MetricStat", stat))
        return pairs(
            ("MetricDataQueries", several(query)), ("StartTime", instant(now - 600)), ("EndTime", instant(now))
        )

    def test_a_hand_made_request_is_answered_byte_by_byte(self):
        control("POST", "rds/metric", region=WEST, id="db-west", values=[None, 7.5], then=None)
        status, headers, body = post("GetMetricData", self.question())
        self.assertEqual(
            (status, headers["smithy-protocol"], headers["Content-Type"]), (200, "rpc-v2-cbor", "application/cbor")
        )
        self.assertIn(text("Values") + b"\x81\xfb" + struct.pack(">d", 7.5), body)
        self.assertIn(text("Timestamps") + b"\x81\xc1", body)

    def test_an_error_has_its_type_in_the_body(self):
        status, headers, body = post(
            "SetAlarmState", pairs(("AlarmName", text("x")), ("StateValue", text("OK")), ("StateReason", text("r")))
        )
        self.assertIn(status, (400, 404))
        self.assertEqual(headers["smithy-protocol"], "rpc-v2-cbor")
        self.assertIn(b"com.amazonaws.cloudwatch#ResourceNotFound", body)

    def test_boto_speaks_it_too(self):
        with mock.patch("botocore.model.PRIORITY_ORDERED_SUPPORTED_PROTOCOLS", ("smithy-rpc-v2-cbor",)):
            put = client("cloudwatch", EAST, config={"request_min_compression_size_bytes": 200})
            self.assertEqual(put.meta.service_model.resolved_protocol, "smithy-rpc-v2-cbor")
        now = datetime.now(timezone.utc)
        rows = [{"MetricName": "Depth", "Timestamp": now - MINUTE, "Value": float(v)} for v in (1, 2, 3)]
        put.put_metric_data(Namespace="lifeboat", MetricData=rows)
        found = put.get_metric_statistics(
            Namespace="lifeboat",
            MetricName="Depth",
            StartTime=now - 5 * MINUTE,
            EndTime=now,
            Period=60,
            Statistics=["Average", "Maximum"],
        )["Datapoints"]
        self.assertEqual([(p["Average"], p["Maximum"]) for p in found], [(2.0, 3.0)])
        listed = put.list_metrics(Namespace="lifeboat")["Metrics"]
        self.assertEqual(listed[0]["MetricName"], "Depth")


class Series(Contract):
    def give(self, **given):
        control("POST", "rds/metric", region=WEST, id="db-west", **given)

    def lag(self, region=WEST, name="db-west", metric="ReplicaLag", scan="TimestampAscending"):
        now = datetime.now(timezone.utc)
        query = {
            "Id": "m",
            "MetricStat": {
                "Period": 60,
                "Stat": "Average",
                "Metric": {
                    "Namespace": "AWS/RDS",
                    "MetricName": metric,
                    "Dimensions": [{"Name": "DBInstanceIdentifier", "Value": name}],
                },
            },
        }
        found = client("cloudwatch", region).get_metric_data(
            MetricDataQueries=[query], StartTime=now - 10 * MINUTE, EndTime=now, ScanBy=scan
        )["MetricDataResults"][0]
        return list(zip(found["Timestamps"], found["Values"]))

    def test_a_list_oldest_first_with_samples_missing(self):
        self.give(values=[3, None, "-1"], then=None)
        seen = self.lag()
        self.assertEqual([v for _, v in seen], [3.0, -1.0])
        self.assertEqual(self.lag(scan="TimestampDescending"), seen[::-1])

    def test_a_constant_and_nothing(self):
        self.give(values=2)
        self.assertGreater(len(self.lag()), 9)
        self.assertEqual({v for _, v in self.lag()}, {2.0})
        self.give(values=None)
        self.assertEqual(self.lag(), [])

    def test_at_full_length_samples_lie_on_the_minute_and_arrive_late(self):
        control("POST", "clock", scale=1)
        self.give(values=[5, 6, 7])
        seen = self.lag()
        self.assertEqual([v for _, v in seen], [5.0, 6.0, 7.0])
        self.assertEqual([t.second for t, _ in seen], [0, 0, 0])
        self.assertEqual(seen[1][0] - seen[0][0], MINUTE)
        self.assertGreaterEqual(datetime.now(timezone.utc) - seen[-1][0], MINUTE)

    def test_a_series_is_of_one_instance_region_and_metric(self):
        self.give(values=2)
        for other in (dict(region=EAST), dict(name="x"), dict(metric="OldestReplicationSlotLag")):
            self.assertEqual(self.lag(**other), [])

    def test_it_goes_on_under_a_new_name(self):
        self.create(self.west, "db-west")
        self.give(values=2)
        self.west.modify_db_instance(
            DBInstanceIdentifier="db-west", NewDBInstanceIdentifier="new", ApplyImmediately=True
        )
        control("POST", "settle")
        self.assertEqual((bool(self.lag(name="new")), self.lag()), (True, []))

    def test_the_older_call_too(self):
        self.give(values=[1, 4], then=None)
        now = datetime.now(timezone.utc)
        found = client("cloudwatch", WEST).get_metric_statistics(
            Namespace="AWS/RDS",
            MetricName="ReplicaLag",
            Dimensions=[{"Name": "DBInstanceIdentifier", "Value": "db-west"}],
            StartTime=now - 10 * MINUTE,
            EndTime=now,
            Period=60,
            Statistics=["Average"],
        )["Datapoints"]
        self.assertEqual([p["Average"] for p in found], [1.0, 4.0])
