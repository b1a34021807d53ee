"""Route 53: a batch of changes is atomic and checked, it is PENDING and then INSYNC, and lists page through it all."""

from moto.core.responses import ActionResult
from moto.core.utils import utcnow
from moto.route53.exceptions import InvalidInput, Route53ClientError
from moto.route53.models import RecordSet, Route53Backend, route53_backends
from moto.route53.responses import Route53

from .patching import around, replace
from .records import check_form, check_sizes, key_of, problems, spelled
from .world import WORLD

MOST_ON_A_PAGE = 300
# Submitted changes, by account and id.
CHANGES = {}
# How many of a zone's next changes are refused because another one is still under way.
BUSY = {}

WORLD.resets += [CHANGES.clear, BUSY.clear]


def bare(identifier):
    """An id without its kind in front."""
    return identifier.split("/")[-1]


def delegate(account, zone, servers):
    """Lets others than AWS's name servers answer for a zone."""
    route53_backends[account]["aws"].get_hosted_zone(zone).delegation_set.name_servers = servers


def as_given(held):
    """A set that moto holds, in the form of a request."""
    values = [v["Value"] if isinstance(v, dict) else v for v in held.records or []]
    fields = {
        "Name": held.name,
        "Type": held.type,
        "TTL": held.ttl,
        "SetIdentifier": held.set_identifier or None,
        "Weight": held.weight,
        "Region": held.region,
        "Failover": held.failover,
        "GeoLocation": held.geo_location,
        "MultiValueAnswer": held.multi_value_answer,
        "HealthCheckId": held.health_check_id,
        "AliasTarget": held.alias_target,
        "ResourceRecords": [{"Value": v} for v in values] or None,
    }
    return {k: v for k, v in fields.items() if v is not None}


def as_held(record):
    """A set of a request, in the form that moto holds."""
    values = [r["Value"] for r in record.get("ResourceRecords") or []]
    alias = record.get("AliasTarget")
    if alias:
        alias = {**alias, "DNSName": spelled(alias["DNSName"])}
    return RecordSet({**record, "Name": spelled(record["Name"]), "ResourceRecords": values, "AliasTarget": alias})


def submit(account):
    """A change with an id of its own; it is on all name servers after a while."""
    change = {"Id": WORLD.new_id("/change/C", 13), "Status": "PENDING", "SubmittedAt": utcnow()}
    CHANGES[account, bare(change["Id"])] = change

    def in_sync():
        change["Status"] = "INSYNC"

    WORLD.after("route53.sync", in_sync, owner="route53")
    return dict(change)


@replace(Route53, "change_resource_record_sets")
def change_resource_record_sets(self):
    """All or nothing."""
    zone = self.backend.get_hosted_zone(self._get_param("HostedZoneId"))
    if BUSY.get(zone.resource_id, 0) > 0:
        BUSY[zone.resource_id] -= 1
        raise Route53ClientError(
            "PriorRequestNotComplete",
            "The request was rejected because Route 53 was still processing a prior request.",
        )
    changes = self._get_param("ChangeBatch.Changes") or []
    check_sizes(changes)
    for change in changes:
        check_form(change)
    sets = {key_of({"ResourceRecordSet": as_given(held)}): as_given(held) for held in zone.rrsets}
    wrong = list(problems(changes, sets, zone.name))
    if wrong:
        raise Route53ClientError("InvalidChangeBatch", f"[{', '.join(wrong)}]")
    zone.rrsets = [as_held(record) for record in sets.values()]
    return ActionResult(
        {"ChangeInfo": {**submit(self.current_account), "Comment": self._get_param("ChangeBatch.Comment")}}
    )


@replace(Route53, "get_change")
def get_change(self):
    """Unknown ids are an error."""
    identifier = bare(self._get_param("Id"))
    change = CHANGES.get((self.current_account, identifier))
    if change is None:
        raise Route53ClientError("NoSuchChange", f"Could not find resource with ID: {identifier}")
    return ActionResult({"ChangeInfo": change})


def order(name, kind, identifier):
    """Where a set stands in a list: by labels from the right, then type, then identifier."""
    return list(reversed(spelled(name).rstrip(".").split("."))), kind or "", identifier or ""


@replace(Route53, "list_resource_record_sets")
def list_resource_record_sets(self):
    """Pages also start inside a weighted set."""
    start = [self._get_param(k) for k in ("StartRecordName", "StartRecordType", "StartRecordIdentifier")]
    if (start[1] and not start[0]) or (start[2] and not start[1]):
        raise InvalidInput("The input is not valid")
    most = min(self._get_int_param("MaxItems", MOST_ON_A_PAGE), MOST_ON_A_PAGE)
    held = self.backend.get_hosted_zone(self._get_param("HostedZoneId")).rrsets
    rows = sorted(map(as_given, held), key=lambda r: order(r["Name"], r["Type"], r.get("SetIdentifier")))
    if start[0]:
        rows = [r for r in rows if order(r["Name"], r["Type"], r.get("SetIdentifier")) >= order(*start)]
    following = rows[most] if len(rows) > most else {}
    return ActionResult(
        {
            "ResourceRecordSets": rows[:most],
            "IsTruncated": bool(following),
            "NextRecordName": following.get("Name"),
            "NextRecordType": following.get("Type"),
            "NextRecordIdentifier": following.get("SetIdentifier"),
            "MaxItems": most,
        }
    )


@around(Route53Backend, "create_hosted_zone")
def create_hosted_zone(original, self, name, *args, **kwargs):
    """A caller reference makes one zone."""
    reference = kwargs.get("caller_reference")
    if reference and any(z.caller_reference == reference for z in self.zones.values()):
        raise Route53ClientError(
            "HostedZoneAlreadyExists", f"A hosted zone has already been created with the reference {reference}."
        )
    return original(self, spelled(name), *args, **kwargs)


@around(Route53, "create_hosted_zone")
def answer_create_hosted_zone(original, self):
    """It is a change like others."""
    answer = original(self)
    answer.result["ChangeInfo"] = submit(self.current_account)
    return answer
