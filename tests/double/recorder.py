"""Every AWS call passes here: time catches up first, changing calls are noted, and what moto lacks is refused with an
error that no SDK retries (moto's own answer is an HTML page with status 500)."""

import json
import re

from moto.core.parse import XFormedDict
from moto.core.responses import BaseResponse

from .patching import around
from .world import WORLD

# Calls that change nothing, by the start of their name.
READING = ("Describe", "List", "Get", "AssumeRole", "Receive", "Query", "Scan", "Lookup", "Validate", "Head", "Test")
# Services whose state takes time here: their calls are answered one at a time.
TIMED = {"rds", "route53", "autoscaling"}
# What a call with this header starts takes so many times its duration: with 0 it has happened when the call is answered.
SLOWNESS = "x-double-slowness"
ERROR_CODE = re.compile(r"<Code>([^<]+)</Code>")


def plain(value):
    """Parameters as they were sent, fit for JSON."""
    if isinstance(value, XFormedDict):
        return plain(value.original_dict())
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)


def parameters(response):
    """What the call was given."""
    if response.automated_parameter_parsing:
        path = {k: v for k, v in response.uri_match.items() if not isinstance(v, dict)}
        return {**plain(path), **plain(response._get_params())}
    try:
        return plain(json.loads(response.body or "{}"))
    except (TypeError, ValueError):
        return plain({k: v[0] for k, v in response.querystring.items()})


def error_of(body):
    """The code of an error answer."""
    text = body.decode(errors="replace") if isinstance(body, bytes) else str(body)
    if found := ERROR_CODE.search(text):
        return found.group(1)
    try:
        return json.loads(text).get("__type", "").split("#")[-1] or None
    except (ValueError, AttributeError):
        return None


def refuse(response, action):
    """Says that a call is not there, as a client's fault."""
    code, message = "NotImplementedInDouble", f"the double has no {action}"
    kind = response.headers.get("Content-Type", "")
    if "json" in kind:
        return 400, {"Content-Type": kind}, json.dumps({"__type": code, "message": message})
    body = (
        f"<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>"
        "<RequestId>0</RequestId></ErrorResponse>"
    )
    return 400, {"Content-Type": "text/xml"}, body


def note(response, action, status, body):
    """Adds a changing call to the list of them."""
    WORLD.calls.append(
        {
            "number": len(WORLD.calls) + 1,
            "at": round(WORLD.clock.now(), 3),
            "service": response.service_name,
            "operation": action,
            "region": response.region,
            "account": response.current_account,
            "parameters": parameters(response),
            "invocation": response.headers.get("amz-sdk-invocation-id"),
            "attempt": response.headers.get("amz-sdk-request"),
            "status": status,
            "applied": status < 400,
            "error": None if status < 400 else error_of(body),
        }
    )


@around(BaseResponse, "call_action")
def call_action(original, self):
    """The gate of every call."""
    action = self._get_action()
    timed = self.service_name in TIMED
    if timed:
        WORLD.lock.acquire()
    try:
        if timed:
            WORLD.catch_up()
            WORLD.agenda.slowness = float(self.headers.get(SLOWNESS, 1))
        try:
            status, headers, body = original(self)
        except NotImplementedError:
            status, headers, body = refuse(self, action)
        finally:
            if timed:
                WORLD.agenda.slowness = 1.0
        if action and not action.startswith(READING):
            with WORLD.lock:
                note(self, action, int(status), body)
        if timed:
            WORLD.catch_up()
        return status, headers, body
    finally:
        if timed:
            WORLD.lock.release()
