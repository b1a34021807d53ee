"""CloudWatch alarms: their states as tests set them, what follows for composite alarms, and who is told.

Thresholds are not evaluated: an alarm stays as SetAlarmState left it (in AWS a metric alarm snaps back within seconds).
"""

import contextlib
import json

from moto.cloudwatch import exceptions
from moto.cloudwatch.models import Alarm, CloudWatchBackend
from moto.cloudwatch.responses import CloudWatchResponse
from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult
from moto.events.models import events_backends
from moto.moto_api._internal import mock_random
from moto.sns.models import sns_backends
from moto.utilities.arns import parse_arn

from .patching import add, around, replace
from .rules import Malformed, Rule
from .tidings import condition, event, message, state, subject
from .world import WORLD

STATES = ("OK", "ALARM", "INSUFFICIENT_DATA")
# How many alarms DescribeAlarms may name, and give in one answer; and how many it gives unasked.
MOST, USUAL = 100, 50


def refuse(code, message):
    """Answers as AWS does to what it does not take."""
    error = exceptions.CloudWatchException(message)
    error.code = code
    raise error


@around(Alarm, "__init__")
def new_alarm(original, self, **given):
    """A new alarm knows nothing yet; moto's is OK."""
    original(self, **given)
    self.account_id = given["account_id"]
    self.state_value, self.state_reason_data = "INSUFFICIENT_DATA", None
    self.state_transitioned_timestamp = self.state_updated_timestamp
    self.requirement = Rule(self.rule) if self.rule is not None else None


def actions(alarm):
    """Whom an alarm tells, by state."""
    return dict(zip(STATES, (alarm.ok_actions, alarm.alarm_actions, alarm.insufficient_data_actions)))


@around(CloudWatchBackend, "put_metric_alarm")
def put_alarm(original, self, name, rule=None, **given):
    """Both kinds. What is put again keeps its state; a composite alarm is evaluated at once."""
    for action in given["alarm_actions"] + (given["ok_actions"] or []) + (given["insufficient_data_actions"] or []):
        arn = action.split(":")
        if arn[2:3] == ["sns"] and arn[3] != self.region_name:
            refuse("ValidationError", f"Invalid region {arn[3]} specified. Only {self.region_name} is supported.")
    if rule is not None:
        check_rule(self, rule)
    with WORLD.lock:
        before = self.alarms.get(name)
        if before is not None and (before.rule is None) != (rule is None):
            refuse("ValidationError", f"Alarm {name} is of the other type.")
        alarm = original(self, name=name, rule=rule, **given)
        if before is not None:
            for kept in ("value", "reason", "reason_data", "updated_timestamp", "transitioned_timestamp"):
                setattr(alarm, f"state_{kept}", getattr(before, f"state_{kept}"))
        told = []
        if rule is not None:
            evaluate(self, alarm, None, told, ())
    tell(told)
    return alarm


def check_rule(backend, text):
    """Refuses what is no rule, and what depends on alarms that are not there."""
    try:
        children = Rule(text).children
    except Malformed as why:
        refuse("ValidationError", f"AlarmRule is not valid: {why}")
    missing = [name for name in children if find(backend, name) is None]
    if missing:
        refuse(
            "ValidationError",
            f"Could not save the composite alarm as alarms [{', '.join(missing)}] in the alarm rule do not exist",
        )


@add(CloudWatchResponse, "put_composite_alarm")
def put_composite_alarm(self):
    """As moto's own method would, which reads AlarmRule. Suppressed actions are not there."""
    if self._get_param("ActionsSuppressor"):
        raise NotImplementedError
    return self.put_metric_alarm()


def find(backend, name):
    """An alarm by its name or ARN."""
    return backend.alarms.get(name.split(":alarm:")[-1])


@replace(CloudWatchBackend, "set_alarm_state")
def set_alarm_state(self, alarm_name, reason, reason_data, state_value):
    """The state, and all that follows from it."""
    if state_value not in STATES:
        refuse("ValidationError", f"Value '{state_value}' at 'stateValue' failed to satisfy constraint: {STATES}")
    try:
        json.loads(reason_data or "{}")
    except ValueError:
        raise exceptions.InvalidFormat("StateReasonData is no JSON") from None
    told = []
    with WORLD.lock:
        alarm = self.alarms.get(alarm_name)
        if alarm is None:
            raise exceptions.ResourceNotFound("Unknown")
        change(self, alarm, state_value, (reason, reason_data), [], told, ())
    tell(told)


def change(backend, alarm, value, why, children, told, path):
    """Sets a state. Notes who is to be told, and goes on to those that depend on it."""
    before, condition_before = alarm.state_value, condition(alarm)
    alarm.update_state(*why, value)
    if value == before:
        return
    alarm.state_transitioned_timestamp = alarm.state_updated_timestamp
    told.append(to_rules(backend, event(alarm, condition_before)))
    if alarm.actions_enabled:
        told.extend(to_topic(a, message(alarm, before, children), subject(alarm)) for a in actions(alarm)[value])
    for other in list(backend.alarms.values()):
        depends = other.requirement and any(find(backend, n) is alarm for n in other.requirement.children)
        if depends and other.name not in path:
            evaluate(backend, other, alarm, told, (*path, alarm.name))


def evaluate(backend, alarm, child, told, path):
    """Sets the state of a composite alarm by its rule; `child` is why it is looked at, where there is one."""

    def state_of(name):
        found = find(backend, name)
        return found and found.state_value

    value = "ALARM" if alarm.requirement.holds(state_of) else "OK"
    if value == alarm.state_value:
        return
    children = [child] if child else []
    reason = f"Alarm rule evaluated to {value}"
    if child:
        at = child.state_transitioned_timestamp.strftime("%A %d %B, %Y %H:%M:%S UTC")
        reason = f"{child.alarm_arn} transitioned to {child.state_value} at {at}"
    data = {"triggeringAlarms": [{"arn": c.alarm_arn, "state": state(c, "value", "timestamp")} for c in children]}
    change(backend, alarm, value, (reason, json.dumps(data)), children, told, path)


def to_topic(action, text, title):
    """Publishes, where the action is a topic: other kinds do nothing here. Where it is gone nobody is told."""

    def go():
        arn = parse_arn(action)
        if arn.service == "sns":
            with contextlib.suppress(ServiceException):
                sns_backends[arn.account][arn.region].publish(text, arn=action, subject=title)

    return go


def to_rules(backend, said):
    """Hands an event to the rules of the default bus, whole: transformers of input do nothing here. Where a target is
    gone nobody is told."""

    def go():
        bus = events_backends[backend.account_id][backend.region_name].event_buses["default"]
        for rule in [r for r in bus.rules.values() if r.state == "ENABLED" and not r.scheduled_expression]:
            with contextlib.suppress(ServiceException):
                rule.send_to_targets({**said, "id": str(mock_random.uuid4())}, transform_input=False)

    return go


def tell(told):
    """Without the lock: who listens may ask the double at once."""
    for go in told:
        go()


@replace(CloudWatchResponse, "describe_alarms")
def describe_alarms(self):
    """All filters at once, page by page; without AlarmTypes metric alarms alone."""
    asked = self._get_params()
    names, kinds = asked.get("AlarmNames"), asked.get("AlarmTypes") or ["MetricAlarm"]
    most = asked.get("MaxRecords") or USUAL
    if len(names or []) > MOST or not 1 <= most <= MOST:
        refuse("ValidationError", f"At most {MOST} alarms may be asked for.")
    if names and asked.get("AlarmNamePrefix"):
        refuse("InvalidParameterCombination", "AlarmNames and AlarmNamePrefix exclude each other.")

    def meant(alarm):
        told = [action for some in actions(alarm).values() for action in some]
        return (
            ("MetricAlarm" if alarm.rule is None else "CompositeAlarm") in kinds
            and (not names or alarm.name in names)
            and alarm.name.startswith(asked.get("AlarmNamePrefix") or "")
            and asked.get("StateValue") in (None, alarm.state_value)
            and (not asked.get("ActionPrefix") or any(a.startswith(asked["ActionPrefix"]) for a in told))
        )

    with WORLD.lock:
        found = sorted(filter(meant, self.cloudwatch_backend.alarms.values()), key=lambda a: a.name)
        page = [a for a in found if a.name > (asked.get("NextToken") or "")][:most]
    answer = {
        "MetricAlarms": [a for a in page if a.rule is None],
        "CompositeAlarms": [a for a in page if a.rule is not None],
    }
    more = page and page[-1] is not found[-1]
    return ActionResult({**answer, "NextToken": page[-1].name} if more else answer)
