"""Step Functions: moto runs the language for real; here its dialect becomes that of AWS.

AWS SDK integrations are spelled as in the Java SDK (`DbInstanceIdentifier`, `Rds.DbInstanceNotFoundException`), paths
with an index give the element, dates are strings, JSONata works, and waiting takes its time at the world's scale.
"""

import datetime
import json
import re

import botocore.session
import jsonata
from jsonpath_ng.ext import parse
from moto.core.config import default_user_config
from moto.core.exceptions import AWSError
from moto.core.responses import ActionResult
from moto.stepfunctions.parser import api
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_aws_sdk import (
    StateTaskServiceAwsSdk,
)
from moto.stepfunctions.parser.asl.component.state.wait.wait_function.wait_function import WaitFunction
from moto.stepfunctions.parser.asl.jsonata import jsonata as moto_jsonata
from moto.stepfunctions.parser.asl.utils import boto_client, json_path
from moto.stepfunctions.parser.models import StepFunctionsParserBackend, stepfunctions_parser_backends
from moto.stepfunctions.responses import StepFunctionResponse

from .patching import around, rebind, replace
from .world import WORLD

PARSER = "moto.stepfunctions"
# Services whose name in errors is not just the capitalised one.
ERROR_PREFIXES = {"dynamodb": "DynamoDb", "autoscaling": "AutoScaling", "cloudwatch": "CloudWatch"}
WORDS = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z0-9]+|[A-Z]+|[0-9]+")
# A path that may give several values; all others give one.
MANY = re.compile(r"\*|\.\.|\[\?|\[[^\]]*:[^\]]*\]|\[[^\]]*,[^\]]*\]")

default_user_config["stepfunctions"] = {"execute_state_machine": True}
_session = botocore.session.get_session()


def sfn_case(name):
    """A member's name as Step Functions spells it: `DBInstances` is `DbInstances`, `TTL` is `Ttl`."""
    return "".join(word.capitalize() for word in WORDS.findall(name))


def to_boto(value, shape):
    """Parameters in the spelling of botocore, whatever case they came in."""
    if shape is None:
        return value
    if shape.type_name == "structure" and isinstance(value, dict):
        members = {name.lower(): (name, member) for name, member in shape.members.items()}
        named = {k: members.get(k.lower(), (k, None)) for k in value}
        return {named[k][0]: to_boto(v, named[k][1]) for k, v in value.items()}
    if shape.type_name == "list" and isinstance(value, list):
        return [to_boto(v, shape.member) for v in value]
    if shape.type_name == "map" and isinstance(value, dict):
        return {k: to_boto(v, shape.value) for k, v in value.items()}
    return value


def from_boto(value, shape):
    """An answer in the spelling of Step Functions, with dates as strings."""
    if isinstance(value, datetime.datetime):
        return value.isoformat().replace("+00:00", "Z")
    kind = shape.type_name if shape is not None else None
    if isinstance(value, dict):
        members = shape.members if kind == "structure" else {}
        inner = shape.value if kind == "map" else None
        return {sfn_case(k) if k in members else k: from_boto(v, members.get(k, inner)) for k, v in value.items()}
    if isinstance(value, list):
        return [from_boto(v, shape.member if kind == "list" else None) for v in value]
    return value


def operation(task):
    """The model of the call that a task makes."""
    model = _session.get_service_model(task._get_boto_service_name())
    wanted = task.resource.api_action.lower()
    return next((model.operation_model(n) for n in model.operation_names if n.lower() == wanted), None)


def change_in_place(held, new):
    """moto goes on with the very dictionary."""
    held.clear()
    held.update(new)


@replace(StateTaskServiceAwsSdk, "_normalise_parameters")
def normalise_parameters(self, parameters, *_, **__):
    """Before the call."""
    if called := operation(self):
        change_in_place(parameters, to_boto(json.loads(json.dumps(parameters)), called.input_shape))


@replace(StateTaskServiceAwsSdk, "_normalise_response")
def normalise_response(self, response, *_, **__):
    """After the call."""
    called = operation(self)
    if called and isinstance(response, dict):
        change_in_place(response, from_boto(dict(response), called.output_shape))


def error_prefix(service):
    """What is in front of an error's name."""
    return ERROR_PREFIXES.get(service.lower(), service[:1].upper() + service[1:])


def error_name(service, error):
    """An error's name: without `Fault`, with `Exception`; that of the service where it has none of its own."""
    name = type(error).__name__
    name = service if name == "ClientError" else sfn_case(name).removesuffix("Fault")
    return f"{service}.{name if name.endswith('Exception') else name + 'Exception'}"


replace(StateTaskServiceAwsSdk, "_normalise_service_error_name")(staticmethod(error_prefix))
replace(StateTaskServiceAwsSdk, "_normalise_exception_name")(staticmethod(error_name))


def extract_json(path, data):
    """What a path points at: one value, or a list where the path can give several."""
    found, several = parse(path).find(data), MANY.search(path)
    if not found and not several:
        raise json_path.NoSuchJsonPathError(json_path=path, data=data)
    return [m.value for m in found] if several else found[0].value


rebind(PARSER, "extract_json", json_path.extract_json, extract_json)


def evaluate(expression):
    """JSONata; moto has only the place for it."""
    try:
        return jsonata.Jsonata(expression).evaluate(None)
    except Exception as error:
        raise moto_jsonata.JSONataException("UNKNOWN", str(error)) from error


replace(moto_jsonata, "_eval_jsonata")(evaluate)
_client_for = boto_client.boto_client_for


def boto_client_for(region, service, state_credentials=None):
    """A task's calls are made in the account of its role."""
    client = _client_for(region=region, service=service, state_credentials=state_credentials)
    account = re.match(r"arn:[^:]+:iam::(\d{12}):", getattr(state_credentials, "role_arn", None) or "")
    if account:
        client.meta.events.register(
            "before-sign", lambda request, **_: request.headers.add_header("x-moto-account-id", account[1])
        )
    return client


rebind(PARSER, "boto_client_for", _client_for, boto_client_for)


@replace(WaitFunction, "_eval_body")
def wait(self, env):
    """At the world's scale, to a fraction of a second."""
    env.program_state_event.wait(self._get_wait_seconds(env=env) * WORLD.clock.scale)


@around(StepFunctionsParserBackend, "start_execution")
def start_execution(original, self, state_machine_arn, name=None, execution_input=None, trace_header=None):
    """An execution without a name is given one."""
    return original(self, state_machine_arn, name or WORLD.new_id("", 32).lower(), execution_input, trace_header)


class InvalidDefinition(AWSError):
    """With its code, which moto leaves out."""

    TYPE = "InvalidDefinition"


class StateMachineAlreadyExists(AWSError):
    """moto gives back the old one, with its old definition."""

    TYPE = "StateMachineAlreadyExists"


@around(StepFunctionsParserBackend, "create_state_machine")
def create_state_machine(original, self, name, definition, *args, **kwargs):
    """A name is taken once, unless all is the same; the first state must be there."""
    for held in self.state_machines:
        if held.name == name and held.definition != definition:
            raise StateMachineAlreadyExists(f"State Machine Already Exists: '{held.arn}'")
    try:
        made = original(self, name, definition, *args, **kwargs)
        machine = json.loads(definition)
    except api.InvalidDefinition as error:
        raise InvalidDefinition(f"Invalid State Machine Definition: '{error}'") from error
    if machine["StartAt"] not in machine["States"]:
        self.state_machines.remove(made)
        raise InvalidDefinition(f"MISSING_TRANSITION_TARGET: Missing 'Next' target: {machine['StartAt']} at /StartAt")
    return made


@around(StepFunctionResponse, "describe_execution")
def describe_execution(original, self):
    """The output is JSON, a string too."""
    answer = original(self)
    execution = self.stepfunction_backend.describe_execution(answer.result["executionArn"])
    if "output" in answer.result:
        answer.result["output"] = json.dumps(execution.output)
    return answer


@replace(StepFunctionResponse, "stop_execution")
def stop_execution(self):
    """Error and cause are kept."""
    backend, arn = self.stepfunction_backend, self._get_param("executionArn")
    execution = backend.describe_execution(arn)
    now = datetime.datetime.now(tz=datetime.timezone.utc)
    execution.error, execution.cause = self._get_param("error"), self._get_param("cause")
    execution.stop(stop_date=now, error=execution.error, cause=execution.cause)
    return ActionResult({"stopDate": now})


def stop_all():
    """Executions of one test must not act in the next."""
    now = datetime.datetime.now(tz=datetime.timezone.utc)
    for account in stepfunctions_parser_backends.values():
        for backend in account.values():
            for execution in [
                e for m in backend.state_machines for e in m.executions if str(e.status).endswith("RUNNING")
            ]:
                execution.stop(stop_date=now, error="States.Aborted", cause="reset")


WORLD.resets.append(stop_all)
