"""Route 53 record sets: names as AWS spells them, and what a batch of changes may not do."""

import ipaddress

from moto.route53.exceptions import InvalidInput, Route53ClientError

MOST_RECORDS = 1000
MOST_CHARACTERS = 32000
MOST_IN_A_GROUP = 100
# What makes record sets of one name and type differ; two kinds may not be mixed.
ROUTING = (
    "Weight",
    "Region",
    "Failover",
    "GeoLocation",
    "MultiValueAnswer",
    "GeoProximityLocation",
    "CidrRoutingConfig",
)


def spelled(name):
    """A name as AWS gives it back: lowercase, with a dot at the end, a wildcard as an octal escape."""
    name = name.lower().rstrip(".") + "."
    return "\\052" + name[1:] if name.startswith("*.") else name


def key_of(change):
    """What makes a record set that one."""
    record = change["ResourceRecordSet"]
    return spelled(record["Name"]), record["Type"], record.get("SetIdentifier") or None


def described(record):
    """A record set as messages name it."""
    identifier = f", set-identifier='{record['SetIdentifier']}'" if record.get("SetIdentifier") else ""
    return f"[name='{spelled(record['Name'])}', type='{record['Type']}'{identifier}]"


def values_of(record):
    """Its values."""
    return [r["Value"] for r in record.get("ResourceRecords") or []]


def canonical(record):
    """All that a DELETE must repeat."""
    alias = record.get("AliasTarget")
    if alias:
        alias = {**{k: str(v).lower() for k, v in alias.items()}, "DNSName": spelled(alias["DNSName"])}
    rest = {k: str(record[k]) for k in ("TTL", "HealthCheckId", *ROUTING) if record.get(k) is not None}
    return {"alias": alias or None, "values": sorted(values_of(record)), **rest}


def check_sizes(changes):
    """The batch's limits: an UPSERT counts twice."""
    if not changes:
        raise InvalidInput("Invalid request: a change batch needs at least one change")
    records = characters = 0
    for change in changes:
        times = 2 if change["Action"] == "UPSERT" else 1
        values = values_of(change["ResourceRecordSet"])
        records += times * len(values)
        characters += times * sum(map(len, values))
    if records > MOST_RECORDS:
        raise Route53ClientError("InvalidChangeBatch", f"Number of records limit of {MOST_RECORDS} exceeded.")
    if characters > MOST_CHARACTERS:
        raise Route53ClientError("InvalidChangeBatch", f"Maximum total length of values of {MOST_CHARACTERS} exceeded.")


def check_form(change):
    """What is wrong with a change whatever the zone holds."""
    record, action = change["ResourceRecordSet"], change["Action"]
    if action not in ("CREATE", "DELETE", "UPSERT"):
        raise InvalidInput(f"Invalid action {action}: one of CREATE, DELETE, UPSERT")
    weight = record.get("Weight")
    if weight is not None and not 0 <= int(weight) <= 255:
        raise InvalidInput(f"Invalid weight {weight}: must be between 0 and 255")
    routed = any(record.get(k) is not None for k in ROUTING)
    if routed != bool(record.get("SetIdentifier")):
        missing = "SetIdentifier" if routed else "one of " + ", ".join(ROUTING)
        raise InvalidInput(f"Invalid request: Missing field '{missing}' in Change with {described(record)}")
    plain = record.get("TTL") is not None and bool(values_of(record))
    if bool(record.get("AliasTarget")) == plain:
        raise InvalidInput(
            "Invalid request: Expected exactly one of [AliasTarget, all of [TTL, and ResourceRecords], or "
            f"TrafficPolicyInstanceId], but found {'more than one' if plain else 'none'} in Change with "
            f"[Action={action}, Name={record['Name']}, Type={record['Type']}, "
            f"SetIdentifier={record.get('SetIdentifier', 'null')}]"
        )


def bad_values(record):
    """Values that their type does not allow."""
    kind = {
        "A": (ipaddress.IPv4Address, "ARRDATAIllegalIPv4Address (Value is not a valid IPv4 address)"),
        "AAAA": (ipaddress.IPv6Address, "AAAARRDATAIllegalIPv6Address (Value is not a valid IPv6 address)"),
    }
    parse, problem = kind.get(record["Type"], (str, ""))
    for value in values_of(record):
        try:
            parse(value)
        except ValueError:
            yield f"Invalid Resource Record: 'FATAL problem: {problem} encountered with '{value}''"


def problems(changes, sets, zone_name):
    """What is wrong with a batch, given the zone's sets by key (changed on the way to what they would be)."""
    seen, zone_name = set(), spelled(zone_name)
    for change in changes:
        record, action = change["ResourceRecordSet"], change["Action"]
        key = key_of(change)
        name, kind, _ = key
        if name != zone_name and not name.endswith("." + zone_name):
            yield f"RRSet with DNS name {name} is not permitted in zone {zone_name}"
        if kind == "CNAME" and name == zone_name:
            yield f"RRSet of type CNAME with DNS name {name} is not permitted at apex in zone {zone_name}"
        if key in seen and action != "DELETE":
            yield f"The request contains an invalid set of changes for a resource record set '{kind} {name}'"
        seen.add(key)
        yield from bad_values(record)
        old = sets.get(key)
        if action == "DELETE":
            if old is None:
                yield f"Tried to delete resource record set {described(record)} but it was not found"
            elif canonical(old) != canonical(record):
                yield (
                    f"Tried to delete resource record set {described(record)} but the values provided do not match "
                    "the current values"
                )
            sets.pop(key, None)
            continue
        if action == "CREATE" and old is not None:
            yield f"Tried to create resource record set {described(record)} but it already exists"
        sets[key] = record
    yield from conflicts(changes, sets)


def conflicts(changes, sets):
    """Sets of one name that may not stand beside each other."""
    for name, kind in sorted({key_of(c)[:2] for c in changes if c["Action"] != "DELETE"}):
        group = [record for key, record in sets.items() if key[:2] == (name, kind)]
        if len({tuple(k for k in ROUTING if r.get(k) is not None) for r in group}) > 1:
            yield (
                f"RRSet with DNS name {name}, type {kind} cannot be created as other RRSets exist with the same name "
                "and type."
            )
        if len(group) > MOST_IN_A_GROUP:
            yield f"More than {MOST_IN_A_GROUP} record sets with DNS name {name}, type {kind}"
        kinds = {key[1] for key in sets if key[0] == name}
        if "CNAME" in kinds and len(kinds) > 1:
            yield (
                f"RRSet of type {kind} with DNS name {name} is not permitted as it conflicts with other records with "
                "the same DNS name in zone"
            )
