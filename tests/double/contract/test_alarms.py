"""CloudWatch alarms: states, composite alarms, and what reaches a queue behind a topic."""

import json
import re
import time
from datetime import datetime
from unittest import mock

from .harness import ACCOUNT, EAST, WEST, Contract, client

OTHER = "210987654321"
ZERO = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0000$")


def subscribed(region=EAST, raw=True, account=None, name="dr"):
    """A topic, and what arrives in a queue behind it: a function that takes it all."""
    sns, sqs = client("sns", region, account), client("sqs", region, account)
    topic = sns.create_topic(Name=name)["TopicArn"]
    url = sqs.create_queue(QueueName=f"{name}-{raw}")["QueueUrl"]
    queue = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    how = {"RawMessageDelivery": str(raw).lower()}
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue, Attributes=how)

    def arrived():
        found = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=0).get("Messages", [])
        for row in found:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=row["ReceiptHandle"])
        return [json.loads(row["Body"]) for row in found]

    return topic, arrived


class Alarms(Contract):
    def setUp(self):
        super().setUp()
        self.watch = client("cloudwatch", EAST)

    def put(self, name="a", watch=None, **given):
        usual = dict(
            MetricName="Errors",
            Namespace="lifeboat",
            Statistic="Sum",
            Period=60,
            EvaluationPeriods=3,
            DatapointsToAlarm=2,
            Threshold=5.0,
            ComparisonOperator="GreaterThanThreshold",
        )
        (watch or self.watch).put_metric_alarm(AlarmName=name, **({} if "Metrics" in given else usual), **given)

    def set(self, name="a", value="ALARM", reason="drill", watch=None, **given):
        (watch or self.watch).set_alarm_state(AlarmName=name, StateValue=value, StateReason=reason, **given)

    def look(self, name="a", watch=None):
        told = (watch or self.watch).describe_alarms(AlarmNames=[name], AlarmTypes=["MetricAlarm", "CompositeAlarm"])
        return (told["MetricAlarms"] + told["CompositeAlarms"])[0]

    def state(self, name="a"):
        return self.look(name)["StateValue"]

    def names(self, watch=None, **asked):
        told = (watch or self.watch).describe_alarms(**asked)
        return [a["AlarmName"] for a in told["MetricAlarms"] + told["CompositeAlarms"]]

    def compose(self, rule, name="both", **given):
        self.watch.put_composite_alarm(AlarmName=name, AlarmRule=rule, **given)


class States(Alarms):
    def test_a_new_alarm_knows_nothing_and_what_is_put_again_keeps_its_state(self):
        self.put()
        found = self.look()
        self.assertEqual((found["StateValue"], found["ActionsEnabled"]), ("INSUFFICIENT_DATA", True))
        self.assertEqual(found["AlarmArn"], f"arn:aws:cloudwatch:{EAST}:{ACCOUNT}:alarm:a")
        self.set()
        since = self.look()["StateTransitionedTimestamp"]
        self.put(Unit="Count")
        found = self.look()
        self.assertEqual((found["StateValue"], found["Unit"]), ("ALARM", "Count"))
        self.assertEqual(found["StateTransitionedTimestamp"], since)

    def test_the_transition_is_when_the_state_changed_the_update_when_it_was_set(self):
        self.put()
        self.set()
        first = self.look()
        time.sleep(0.01)
        self.set(reason="again", StateReasonData="{}")
        second = self.look()
        self.assertEqual(second["StateTransitionedTimestamp"], first["StateTransitionedTimestamp"])
        self.assertGreater(second["StateUpdatedTimestamp"], first["StateUpdatedTimestamp"])
        self.assertEqual((second["StateReason"], second["StateReasonData"]), ("again", "{}"))
        self.set(value="OK")
        self.assertGreater(self.look()["StateTransitionedTimestamp"], first["StateTransitionedTimestamp"])

    def test_an_alarm_is_of_one_region_and_account(self):
        west, other = client("cloudwatch", WEST), client("cloudwatch", EAST, OTHER)
        for watch in (self.watch, west, other):
            self.put(watch=watch)
        self.set()
        self.assertEqual(self.look(watch=west)["StateValue"], "INSUFFICIENT_DATA")
        self.assertEqual(self.look(watch=other)["StateValue"], "INSUFFICIENT_DATA")
        self.assertEqual(self.look(watch=other)["AlarmArn"], f"arn:aws:cloudwatch:{EAST}:{OTHER}:alarm:a")
        self.assertEqual(self.look(watch=west)["AlarmArn"], f"arn:aws:cloudwatch:{WEST}:{ACCOUNT}:alarm:a")

    def test_filters_hold_together_and_kinds_must_be_asked_for(self):
        for name in ("a", "b", "c"):
            self.put(name)
        self.set("a")
        self.set("b")
        self.compose("ALARM(a)")
        self.assertEqual(self.names(StateValue="ALARM"), ["a", "b"])
        self.assertEqual(self.names(StateValue="ALARM", AlarmNames=["b", "c", "none"]), ["b"])
        self.assertEqual(self.names(AlarmTypes=["CompositeAlarm"]), ["both"])
        self.assertEqual(self.names(AlarmNamePrefix="b", AlarmTypes=["MetricAlarm", "CompositeAlarm"]), ["b", "both"])
        self.assertEqual(self.names(AlarmNames=["none"]), [])

    def test_pages(self):
        for n in range(60):
            self.put(f"a{n:02}")
        self.assertEqual(len(self.names()), 50)
        pages = self.watch.get_paginator("describe_alarms").paginate(PaginationConfig={"PageSize": 25})
        found = [[a["AlarmName"] for a in page["MetricAlarms"]] for page in pages]
        self.assertEqual([len(page) for page in found], [25, 25, 10])
        self.assertEqual(sum(found, []), [f"a{n:02}" for n in range(60)])
        self.refused("ValidationError", self.watch.describe_alarms, AlarmNames=[f"a{n}" for n in range(101)])

    def test_the_protocol_of_the_rust_sdk_tells_the_same(self):
        with mock.patch("botocore.model.PRIORITY_ORDERED_SUPPORTED_PROTOCOLS", ("smithy-rpc-v2-cbor",)):
            cbor = client("cloudwatch", EAST)
            self.assertEqual(cbor.meta.service_model.resolved_protocol, "smithy-rpc-v2-cbor")
        self.put(watch=cbor, Dimensions=[{"Name": "n", "Value": "v"}])
        cbor.put_composite_alarm(AlarmName="both", AlarmRule="ALARM(a)")
        self.set(watch=cbor)
        for name in ("a", "both"):
            self.assertEqual(self.look(name, cbor), self.look(name))
            self.assertEqual(self.state(name), "ALARM")
        self.refused("ResourceNotFound", self.set, "none", watch=cbor)

    def test_refusals(self):
        self.refused("ResourceNotFound", self.set, "none")
        self.put()
        self.refused("ValidationError", self.set, value="FINE")
        self.refused("InvalidFormat", self.set, StateReasonData="{")
        away = f"arn:aws:sns:{WEST}:{ACCOUNT}:dr"
        self.assertIn(WEST, self.refused("ValidationError", self.put, AlarmActions=[away]))


class Composite(Alarms):
    def setUp(self):
        super().setUp()
        for name in ("a", "b"):
            self.put(name)

    def test_it_is_evaluated_when_it_is_put_and_when_a_child_changes(self):
        self.compose('ALARM("a") AND ALARM(b)')
        self.assertEqual(self.state("both"), "OK")
        self.set("a")
        self.assertEqual(self.state("both"), "OK")
        self.set("b")
        found = self.look("both")
        self.assertEqual((found["StateValue"], found["AlarmRule"]), ("ALARM", 'ALARM("a") AND ALARM(b)'))
        self.assertTrue(found["StateReason"].startswith(f"arn:aws:cloudwatch:{EAST}:{ACCOUNT}:alarm:b transitioned to"))
        (why,) = json.loads(found["StateReasonData"])["triggeringAlarms"]
        self.assertEqual((why["arn"][-8:], why["state"]["value"]), (":alarm:b", "ALARM"))
        self.set("a", "INSUFFICIENT_DATA")
        self.assertEqual(self.state("both"), "OK")

    def test_rules(self):
        self.set("a")
        for rule, state in (
            ("ALARM(a) OR ALARM(b)", "ALARM"),
            ("NOT ALARM(a)", "OK"),
            ("INSUFFICIENT_DATA(b) AND NOT OK(a)", "ALARM"),
            ("ALARM(b) AND ALARM(b) OR ALARM(a)", "ALARM"),
            ("ALARM(b) AND (ALARM(b) OR ALARM(a))", "OK"),
            (f'ALARM("arn:aws:cloudwatch:{EAST}:{ACCOUNT}:alarm:a")', "ALARM"),
            ("TRUE", "ALARM"),
            ("FALSE OR NOT TRUE", "OK"),
        ):
            self.compose(rule)
            self.assertEqual(self.state("both"), state, rule)
        for rule in (" ", "ALARM", "ALARM(a", "ALARM(a) ALARM(b)", "ALARM(a) AND", "alarm(a)", "ALARM(none)", 'OK("a)'):
            self.refused("ValidationError", self.compose, rule, "bad")

    def test_alarms_of_alarms_and_in_a_circle(self):
        self.compose("ALARM(a)")
        self.compose("ALARM(both)", "above")
        self.set("a")
        self.assertEqual(self.state("above"), "ALARM")
        self.compose("ALARM(a) AND NOT ALARM(above)")
        self.set("a", "OK")
        self.set("a")
        self.assertIn(self.state("above"), ("OK", "ALARM"))

    def test_what_is_set_by_hand_stays_until_a_child_changes(self):
        self.compose("ALARM(a)")
        self.set("both")
        self.set("b")
        self.assertEqual(self.state("both"), "ALARM")
        self.set("a", "OK")
        self.assertEqual(self.state("both"), "OK")

    def test_a_name_is_of_one_kind(self):
        self.refused("ValidationError", self.compose, "ALARM(b)", "a")
        self.compose("ALARM(b)")
        self.refused("ValidationError", self.put, "both")
        self.refused("NotImplementedInDouble", self.compose, "ALARM(b)", "c", ActionsSuppressor="a")


class Messages(Alarms):
    def test_a_metric_alarm_as_aws_tells_it(self):
        topic, arrived = subscribed()
        self.put(
            "orders-5xx",
            AlarmDescription="lifeboat:runbook=orders",
            AlarmActions=[topic],
            Dimensions=[{"Name": "LoadBalancer", "Value": "app/orders/abc"}],
            TreatMissingData="breaching",
        )
        self.set("orders-5xx", "OK")
        self.assertEqual(arrived(), [])
        self.set("orders-5xx", reason="Threshold Crossed")
        (told,) = arrived()
        self.assertRegex(told["AlarmConfigurationUpdatedTimestamp"], ZERO)
        self.assertRegex(told["StateChangeTime"], ZERO)
        since = datetime.strptime(told["StateChangeTime"], "%Y-%m-%dT%H:%M:%S.%f%z")
        self.assertLess(abs((since - self.look("orders-5xx")["StateTransitionedTimestamp"]).total_seconds()), 0.001)
        trigger = told.pop("Trigger")
        said = {k: v for k, v in told.items() if not k.endswith(("Timestamp", "Time"))}
        self.assertEqual(
            said,
            {
                "AlarmName": "orders-5xx",
                "AlarmDescription": "lifeboat:runbook=orders",
                "AWSAccountId": ACCOUNT,
                "NewStateValue": "ALARM",
                "NewStateReason": "Threshold Crossed",
                "Region": "US East (N. Virginia)",
                "AlarmArn": f"arn:aws:cloudwatch:{EAST}:{ACCOUNT}:alarm:orders-5xx",
                "OldStateValue": "OK",
                "OKActions": [],
                "AlarmActions": [topic],
                "InsufficientDataActions": [],
            },
        )
        self.assertEqual(
            trigger,
            {
                "MetricName": "Errors",
                "Namespace": "lifeboat",
                "StatisticType": "Statistic",
                "Statistic": "SUM",
                "Unit": None,
                "Dimensions": [{"value": "app/orders/abc", "name": "LoadBalancer"}],
                "Period": 60,
                "EvaluationPeriods": 3,
                "DatapointsToAlarm": 2,
                "ComparisonOperator": "GreaterThanThreshold",
                "Threshold": 5.0,
                "TreatMissingData": "breaching",
                "EvaluateLowSampleCountPercentile": "",
            },
        )

    def test_an_alarm_that_computes_has_all_its_metrics(self):
        topic, arrived = subscribed()
        stat = {"Metric": {"Namespace": "n", "MetricName": "m"}, "Period": 60, "Stat": "Sum"}
        metrics = [
            {"Id": "m1", "MetricStat": stat, "ReturnData": False},
            {"Id": "e1", "Expression": "m1 * 2", "Label": "twice", "ReturnData": True},
        ]
        usual = dict(EvaluationPeriods=1, Threshold=1, ComparisonOperator="LessThanThreshold")
        self.put(AlarmActions=[topic], Metrics=metrics, **usual)
        self.set()
        trigger = arrived()[0]["Trigger"]
        self.assertNotIn("MetricName", trigger)
        self.assertNotIn("DatapointsToAlarm", trigger)
        first, second = trigger["Metrics"]
        self.assertEqual((first["MetricStat"]["Metric"]["MetricName"], first["ReturnData"]), ("m", False))
        self.assertEqual((second["Expression"], second["Label"], second["ReturnData"]), ("m1 * 2", "twice", True))

    def test_each_state_has_its_topics_and_only_a_change_is_told(self):
        topics = {k: subscribed(name=k) for k in ("OKActions", "AlarmActions", "InsufficientDataActions")}
        self.put(**{k: [topic] for k, (topic, _) in topics.items()})
        states = {"ALARM": "AlarmActions", "INSUFFICIENT_DATA": "InsufficientDataActions", "OK": "OKActions"}
        for value, kind in states.items():
            self.set(value=value)
            self.set(value=value)
            told = {k: [m["NewStateValue"] for m in arrived()] for k, (_, arrived) in topics.items()}
            self.assertEqual(told, {**dict.fromkeys(topics, []), kind: [value]})

    def test_actions_that_are_off_tell_nobody(self):
        topic, arrived = subscribed()
        self.put(AlarmActions=[topic], ActionsEnabled=False)
        self.assertFalse(self.look()["ActionsEnabled"])
        self.set()
        self.assertEqual((self.state(), arrived()), ("ALARM", []))
        self.watch.enable_alarm_actions(AlarmNames=["a"])
        self.set(value="OK")
        self.set()
        self.assertEqual(len(arrived()), 1)
        self.watch.disable_alarm_actions(AlarmNames=["a"])
        self.set(value="OK")
        self.set()
        self.assertEqual(arrived(), [])

    def test_a_topic_that_is_gone_and_what_is_no_topic(self):
        gone = f"arn:aws:sns:{EAST}:{ACCOUNT}:gone"
        topic, arrived = subscribed()
        self.put(AlarmActions=[gone, f"arn:aws:automate:{EAST}:ec2:stop", topic])
        self.set()
        self.assertEqual(len(arrived()), 1)

    def test_a_composite_alarm_tells_its_rule_and_the_children(self):
        topic, arrived = subscribed()
        self.put("a")
        self.compose("ALARM(a)", AlarmActions=[topic], OKActions=[topic])
        (first,) = arrived()
        self.assertEqual((first["OldStateValue"], first["NewStateValue"]), ("INSUFFICIENT_DATA", "OK"))
        self.assertEqual(first["TriggeringChildren"], [])
        self.set("a")
        (told,) = arrived()
        self.assertNotIn("Trigger", told)
        self.assertNotIn("AlarmConfigurationUpdatedTimestamp", told)
        self.assertEqual((told["AlarmRule"], told["AlarmName"]), ("ALARM(a)", "both"))
        (child,) = told["TriggeringChildren"]
        self.assertEqual(child["Arn"], f"arn:aws:cloudwatch:{EAST}:{ACCOUNT}:alarm:a")
        self.assertEqual(child["State"]["Value"], "ALARM")
        self.assertRegex(child["State"]["Timestamp"], ZERO)

    def test_with_an_envelope_around_it(self):
        topic, arrived = subscribed(WEST, raw=False, account=OTHER)
        watch = client("cloudwatch", WEST, OTHER)
        self.put("orders", watch=watch, AlarmActions=[topic])
        self.set("orders", watch=watch)
        (told,) = arrived()
        self.assertEqual((told["Type"], told["TopicArn"]), ("Notification", topic))
        self.assertEqual(told["Subject"], 'ALARM: "orders" in US West (Oregon)')
        self.assertEqual(json.loads(told["Message"])["AWSAccountId"], OTHER)

    def test_a_rule_of_eventbridge_hears_of_it_whatever_the_actions(self):
        events, sqs = client("events"), client("sqs")
        url = sqs.create_queue(QueueName="events")["QueueUrl"]
        queue = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        pattern = {"source": ["aws.cloudwatch"], "detail-type": ["CloudWatch Alarm State Change"]}
        events.put_rule(Name="alarms", EventPattern=json.dumps(pattern))
        events.put_targets(Rule="alarms", Targets=[{"Id": "q", "Arn": queue}])
        self.put(ActionsEnabled=False)
        self.set(value="OK")
        sqs.purge_queue(QueueUrl=url)
        self.set()
        (row,) = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
        told = json.loads(row["Body"])
        self.assertEqual((told["account"], told["region"]), (ACCOUNT, EAST))
        self.assertEqual(told["resources"], [f"arn:aws:cloudwatch:{EAST}:{ACCOUNT}:alarm:a"])
        self.assertRegex(told["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        self.assertNotIn("ingestion-time", told)
        detail = told["detail"]
        self.assertEqual((detail["previousState"]["value"], detail["state"]["value"]), ("OK", "ALARM"))
        self.assertRegex(detail["state"]["timestamp"], ZERO)
        (metric,) = detail["configuration"]["metrics"]
        self.assertEqual(metric["metricStat"]["metric"]["name"], "Errors")
