"""What alarms say when their state has changed: to a topic, and to EventBridge."""

import datetime
import functools
import json

import botocore.session


def stamp(instant):
    """Times as alarm messages have them: no RFC 3339."""
    return instant.strftime("%Y-%m-%dT%H:%M:%S.") + f"{instant.microsecond // 1000:03}+0000"


@functools.cache
def region_name(region):
    """A Region as people know it."""
    for partition in botocore.session.get_session().get_data("endpoints")["partitions"]:
        if region in partition["regions"]:
            return partition["regions"][region]["description"]
    return region


def state(alarm, value, timestamp):
    """A state with its time, under these names."""
    return {value: alarm.state_value, timestamp: stamp(alarm.state_transitioned_timestamp)}


def message(alarm, before, children):
    """What an alarm says when its state has changed."""
    said = {
        "AlarmName": alarm.name,
        "AlarmDescription": alarm.description,
        "AWSAccountId": alarm.account_id,
        "AlarmConfigurationUpdatedTimestamp": stamp(alarm.configuration_updated_timestamp),
        "NewStateValue": alarm.state_value,
        "NewStateReason": alarm.state_reason,
        "StateChangeTime": stamp(alarm.state_transitioned_timestamp),
        "Region": region_name(alarm.region_name),
        "AlarmArn": alarm.alarm_arn,
        "OldStateValue": before,
        "OKActions": alarm.ok_actions,
        "AlarmActions": alarm.alarm_actions,
        "InsufficientDataActions": alarm.insufficient_data_actions,
    }
    if alarm.rule is None:
        return json.dumps({**said, "Trigger": trigger(alarm)})
    del said["AlarmConfigurationUpdatedTimestamp"]
    rows = [{"Arn": c.alarm_arn, "State": state(c, "Value", "Timestamp")} for c in children]
    return json.dumps({**said, "AlarmRule": alarm.rule, "TriggeringChildren": rows})


def words(text):
    """`SampleCount` as messages have it: `SAMPLE_COUNT`."""
    return "".join("_" + c if c.isupper() and n else c for n, c in enumerate(text)).upper()


def dimensions(found):
    return [{"value": d.value, "name": d.name} for d in found]


def trigger(alarm):
    """What is measured, and from when it is too much."""
    limits = {
        "EvaluationPeriods": alarm.evaluation_periods,
        "DatapointsToAlarm": alarm.datapoints_to_alarm,
        "ComparisonOperator": alarm.comparison_operator,
        "Threshold": alarm.threshold,
        "TreatMissingData": alarm.treat_missing_data or "",
        "EvaluateLowSampleCountPercentile": alarm.evaluate_low_sample_count_percentile or "",
    }
    limits = {k: v for k, v in limits.items() if k != "DatapointsToAlarm" or v is not None}
    if alarm.metric_data_queries:
        return {**limits, "Metrics": [query(q) for q in alarm.metric_data_queries]}
    kind = "Statistic" if alarm.statistic else "ExtendedStatistic"
    return {
        "MetricName": alarm.metric_name,
        "Namespace": alarm.namespace,
        "StatisticType": kind,
        kind: words(alarm.statistic) if alarm.statistic else alarm.extended_statistic,
        "Unit": alarm.unit,
        "Dimensions": dimensions(alarm.dimensions),
        "Period": alarm.period,
        **limits,
    }


def query(asked):
    """One of the metrics of an alarm that computes with several."""
    row = {"Id": asked.id, "Label": asked.label, "ReturnData": asked.return_data is not False}
    if asked.metric_stat is None:
        return {**row, "Expression": asked.expression}
    metric, stat = asked.metric_stat.metric, asked.metric_stat
    named = {"MetricName": metric.metric_name, "Namespace": metric.namespace}
    measured = {"Metric": {**named, "Dimensions": dimensions(metric.dimensions)}, "Period": stat.period}
    return {**row, "MetricStat": {**measured, "Stat": stat.stat}}


def subject(alarm):
    """What stands above a message."""
    return f'{alarm.state_value}: "{alarm.name}" in {region_name(alarm.region_name)}'[:100]


def event(alarm, before):
    """The same for EventBridge; `before` is the state as it was."""
    configuration = {"description": alarm.description}
    if alarm.rule is None:
        configuration["metrics"] = [measure(alarm)]
    else:
        configuration["alarmRule"] = alarm.rule
    return {
        "version": "0",
        "detail-type": "CloudWatch Alarm State Change",
        "source": "aws.cloudwatch",
        "account": alarm.account_id,
        "time": alarm.state_transitioned_timestamp.replace(tzinfo=datetime.timezone.utc).timestamp(),
        "region": alarm.region_name,
        "resources": [alarm.alarm_arn],
        "detail": {
            "alarmName": alarm.name,
            "configuration": configuration,
            "previousState": before,
            "state": condition(alarm),
        },
    }


def condition(alarm):
    """A state as events have it."""
    said = {"value": alarm.state_value, "reason": alarm.state_reason, "reasonData": alarm.state_reason_data}
    at = {"timestamp": stamp(alarm.state_transitioned_timestamp)}
    return {k: v for k, v in {**said, **at}.items() if v is not None}


def measure(alarm):
    """What a metric alarm measures, as events have it."""
    named = {"namespace": alarm.namespace, "name": alarm.metric_name}
    metric = {**named, "dimensions": {d.name: d.value for d in alarm.dimensions}}
    stat = alarm.statistic or alarm.extended_statistic
    return {"id": "m1", "metricStat": {"metric": metric, "period": alarm.period, "stat": stat}, "returnData": True}
