"""What a test may do to the world besides calling AWS: JSON over HTTP, under /double/. README.md lists it."""

import json
import traceback

from moto.core import DEFAULT_ACCOUNT_ID
from moto.moto_api._internal import mock_random
from moto.moto_api._internal.models import moto_api_backend
from moto.rds.models import rds_backends

from . import autoscaling, cloudwatch, route53
from .postgres import POSTGRES, Server
from .rds import everywhere
from .world import WORLD

ROUTES = {}


class Refused(Exception):
    """The test asked for what cannot be."""


def route(method, path):
    """Registers a handler; it is given the request's JSON and its answer is sent as JSON."""

    def put(handler):
        ROUTES[method, "/double/" + path] = handler
        return handler

    return put


def account_of(body):
    """The account that is meant."""
    return body.get("account", DEFAULT_ACCOUNT_ID)


def instance(body):
    """The database instance that is meant."""
    db = rds_backends[account_of(body)][body["region"]].databases.get(body["id"])
    if db is None:
        raise Refused(f"no instance {body['id']} in {body['region']}")
    return db


@route("GET", "routes")
def routes(_):
    """What there is."""
    return {
        "routes": [
            f"{m} {p}: {' '.join(h.__doc__.split())}" for (m, p), h in sorted(ROUTES.items(), key=lambda r: r[0][1])
        ]
    }


@route("POST", "reset")
def reset(_):
    """Forgets everything but scale and durations."""
    WORLD.reset()
    moto_api_backend.reset()
    mock_random.seed(0)
    return {}


@route("GET", "calls")
def calls(_):
    """Every changing call since the start, a reset or a DELETE, applied or refused."""
    return {"calls": WORLD.calls}


@route("DELETE", "calls")
def forget_calls(_):
    """Forgets the calls so far: a test's own preparations."""
    WORLD.calls.clear()
    return {}


@route("GET", "counts")
def counts(_):
    """How many changing calls were applied and how many refused, by `service:operation`."""
    found = {}
    for call in WORLD.calls:
        row = found.setdefault(f"{call['service']}:{call['operation']}", {"applied": 0, "refused": 0})
        row["applied" if call["applied"] else "refused"] += 1
    return found


@route("GET", "clock")
def clock(_):
    """The time, what is to happen, and what broke in the double while it did."""
    now = WORLD.clock.now()
    due = [{"in": round(e.due - now, 3), "of": str(e.owner)} for e in WORLD.agenda.entries]
    return {
        "now": now,
        "scale": WORLD.clock.scale,
        "stopped": WORLD.clock.stopped,
        "agenda": due,
        "failures": WORLD.agenda.failures,
    }


@route("POST", "clock")
def set_clock(body):
    """Sets `scale` or `stopped`, or lets `advance` nominal seconds pass at once."""
    WORLD.clock.set(body.get("scale"), body.get("stopped"))
    WORLD.clock.advance(float(body.get("advance", 0)))
    WORLD.agenda.wake()
    WORLD.catch_up()
    return clock(body)


@route("POST", "settle")
def settle(body):
    """Lets time pass until nothing is under way."""
    WORLD.agenda.settle(float(body.get("patience", 60)))
    WORLD.follow()
    return clock(body)


@route("POST", "durations")
def durations(body):
    """Changes nominal durations; answers with all."""
    unknown = sorted(set(body) - set(WORLD.durations))
    if unknown:
        raise Refused(f"no duration {', '.join(unknown)}")
    WORLD.durations.update({k: float(v) for k, v in body.items()})
    return WORLD.durations


@route("POST", "rds/instance")
def set_instance(body):
    """Sets `status`, `status_infos`, `parameter_apply_status` or `backup_retention_period` of instance `id`."""
    db = instance(body)
    for field in ("status", "status_infos", "parameter_apply_status", "backup_retention_period"):
        if field in body:
            setattr(db, field, body[field])
    return {}


@route("POST", "rds/metric")
def set_metric(body):
    """Gives instance `id` a metric (`ReplicaLag`): `values`, one or a list, oldest first, null for none, and `then`."""
    cloudwatch.give(
        account_of(body),
        body["region"],
        body["id"],
        body.get("metric", "ReplicaLag"),
        body["values"],
        body.get("then", "same"),
    )
    return {}


@route("POST", "route53/busy")
def busy_zone(body):
    """Refuses the next `times` changes of `zone` with PriorRequestNotComplete."""
    route53.BUSY[route53.bare(body["zone"])] = int(body.get("times", 1))
    return {}


@route("POST", "route53/name-servers")
def name_servers(body):
    """Lets `servers`, each a name or `address:port`, answer for `zone`."""
    route53.delegate(account_of(body), body["zone"], body["servers"])
    return {}


@route("POST", "autoscaling/fail-launches")
def fail_launches(body):
    """Lets the next `times` launches of `group` fail, with a `message`."""
    autoscaling.fail_next_launches(
        account_of(body), body["region"], body["group"], int(body.get("times", 1)), body.get("message")
    )
    return {}


def server(body):
    """The server that is meant."""
    return Server(
        body.get("host", "127.0.0.1"), body["port"], body.get("data_directory"), body.get("superuser", "postgres")
    )


@route("POST", "postgres/bind")
def bind(body):
    """Puts a running server behind instance `id`: `host`, `port`, `superuser`, `quarantine_security_groups`."""
    db = instance(body)
    POSTGRES.bind(db, server(body), body.get("quarantine_security_groups", []))
    WORLD.follow()
    return POSTGRES.endpoint(db)


@route("POST", "postgres/prepare")
def prepare(body):
    """Says where the server of a replica `id` will be when it is created: `port`, `data_directory`, and as for bind."""
    if "data_directory" not in body:
        raise Refused("data_directory is needed")
    POSTGRES.prepare(
        account_of(body), body["region"], body["id"], server(body), body.get("quarantine_security_groups", [])
    )
    return {}


@route("GET", "state")
def state(_):
    """Instances, groups and changes under way, for a person who wonders."""
    rows = [
        {
            "account": account,
            "region": db.region,
            "id": db.db_instance_identifier,
            "resource_id": db.dbi_resource_id,
            "status": db.status,
            "intent": db.intent,
            "source": db.source_db_instance_identifier,
            "replicas": db.replicas,
            "parameters": db.parameter_apply_status,
            "endpoint": db.endpoint,
        }
        for account in rds_backends
        for _, db in everywhere(account)
    ]
    return {
        "instances": rows,
        "changes": {k[1]: c["Status"] for k, c in route53.CHANGES.items()},
        "calls": len(WORLD.calls),
    }


class ControlGate:
    """In front of the application: answers /double/, lets everything else pass."""

    def __init__(self, application):
        self.application = application

    def __call__(self, environ, start_response):
        path = environ.get("PATH_INFO", "")
        if not path.startswith("/double/"):
            return self.application(environ, start_response)
        status, answer = self._answer(environ, path)
        data = json.dumps(answer, default=str).encode()
        start_response(status, [("Content-Type", "application/json"), ("Content-Length", str(len(data)))])
        return [data]

    def _answer(self, environ, path):
        handler = ROUTES.get((environ["REQUEST_METHOD"], path))
        if handler is None:
            return "404 Not Found", {"error": f"no {environ['REQUEST_METHOD']} {path}; see GET /double/routes"}
        try:
            raw = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            body = json.loads(raw or b"{}")
            with WORLD.lock:
                WORLD.catch_up()
                return "200 OK", handler(body)
        except (Refused, KeyError, ValueError) as error:
            return "400 Bad Request", {"error": f"{type(error).__name__}: {error}"}
        except Exception:
            return "500 Internal Server Error", {"error": traceback.format_exc()}
