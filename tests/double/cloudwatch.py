"""CloudWatch metrics of RDS instances: series that a test gives, sample by sample as time goes on.

A series has a sample for every 60 nominal seconds. Timestamps are real: with a scale below 1 samples lie closer than a
minute, and are answered one by one, so that a test in quick motion sees new samples as soon as it would see new states.
"""

import datetime
import time

from moto.cloudwatch.models import CloudWatchBackend, MetricDatum, Statistics

from .patching import around
from .rds import RENAMED
from .world import WORLD

PERIOD = 60
# The oldest sample that is made up for a series, in samples before the series was given.
OLDEST = 180
# Samples do not lie closer than that, in real seconds.
SHORTEST = 0.1
# By account, Region, instance and metric.
SERIES = {}
# The instance that stands for all that were given no series, also for those that are yet to be created.
ANY = "*"

WORLD.resets.append(SERIES.clear)


class Series:
    """Samples that were given, the last of them the newest that has arrived, and what comes after them."""

    def __init__(self, values, then):
        self.values, self.then = values, then
        self.step = max(PERIOD * WORLD.clock.scale, SHORTEST)
        arrival = WORLD.durations["metric.arrival"] * WORLD.clock.scale
        self.newest = (time.time() - arrival) // self.step * self.step
        self.arrival = arrival

    def samples(self, start, end):
        """Instants and values between two instants, as far as they have arrived."""
        arrived = min(end, time.time() - self.arrival)
        first = -OLDEST if len(self.values) == 1 else 1 - len(self.values)
        number = max(first, int((start - self.newest) // self.step))
        rows = []
        while (at := self.newest + number * self.step) < arrived:
            value = self._value(number)
            if at >= start and value is not None:
                rows.append((at, value))
            number += 1
        return rows

    def _value(self, number):
        if number > 0:
            return self.then
        return self.values[0] if len(self.values) == 1 else self.values[number - 1]


def give(account, region, identifier, metric, values, then):
    """Gives an instance a metric: one value for all times, a list (a null is a sample that is missing), or none."""
    values = values if isinstance(values, list) else [values]
    values = [None if v is None else float(v) for v in values] or [None]
    SERIES[account, region, identifier, metric] = Series(values, values[-1] if then == "same" else then)


def renamed(db, old_name):
    """Metrics go on under the new name."""
    for account, region, identifier, metric in list(SERIES):
        if (account, region, identifier) == (db.account_id, db.region, old_name):
            SERIES[account, region, db.db_instance_identifier, metric] = SERIES.pop(
                (account, region, identifier, metric)
            )


RENAMED.append(renamed)


def find(backend, namespace, metric, dimensions):
    """The series that is asked for, if a test gave one."""
    if namespace != "AWS/RDS" or len(dimensions) != 1 or dimensions[0]["Name"] != "DBInstanceIdentifier":
        return None
    place = backend.account_id, backend.region_name
    return SERIES.get((*place, dimensions[0]["Value"], metric)) or SERIES.get((*place, ANY, metric))


def seconds(instant):
    """An instant of moto, which are UTC without saying so."""
    return instant.replace(tzinfo=datetime.timezone.utc).timestamp()


def instant(at):
    """And back."""
    return datetime.datetime.fromtimestamp(at, datetime.timezone.utc).replace(tzinfo=None)


def on_the_minute(start):
    """CloudWatch's periods start on the minute, moto's at the start of the question."""
    return start.replace(second=0, microsecond=0)


@around(CloudWatchBackend, "get_metric_data")
def get_metric_data(original, self, queries, start_time, end_time, scan_by="TimestampAscending"):
    """Series that were given; all others as moto has them."""
    given, rows = {}, []
    for query in queries:
        metric = query.get("MetricStat", {}).get("Metric", {})
        series = find(self, metric.get("Namespace"), metric.get("MetricName"), metric.get("Dimensions", []))
        if series:
            given[query["Id"]] = series
            samples = series.samples(seconds(start_time), seconds(end_time))
            samples = samples[::-1] if scan_by == "TimestampDescending" else samples
            rows.append(
                {
                    "id": query["Id"],
                    "label": query.get("Label") or metric["MetricName"],
                    "timestamps": [instant(at) for at, _ in samples],
                    "values": [value for _, value in samples],
                    "status_code": "Complete",
                }
            )
    others = [q for q in queries if q["Id"] not in given]
    rows += original(self, others, on_the_minute(start_time), end_time, scan_by) if others else []
    asked = [q["Id"] for q in queries]
    return sorted(rows, key=lambda r: asked.index(r["id"]))


@around(CloudWatchBackend, "get_metric_statistics")
def get_metric_statistics(
    original, self, namespace, metric_name, start_time, end_time, period, stats, dimensions, unit=None
):
    """The same, by the older call."""
    wanted = [{"Name": d["Name"], "Value": d["Value"]} for d in dimensions or []]
    series = find(self, namespace, metric_name, wanted)
    if series is None:
        return original(
            self, namespace, metric_name, on_the_minute(start_time), end_time, period, stats, dimensions, unit
        )
    return [point(stats, at, value) for at, value in series.samples(seconds(start_time), seconds(end_time))]


def point(stats, at, value):
    """One sample as statistics of itself."""
    row = Statistics(stats, instant(at), "Seconds")
    row.metric_data = [MetricDatum("AWS/RDS", "", value, [], instant(at), "Seconds")]
    return row
