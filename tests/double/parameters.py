"""RDS parameter groups: which parameters there are, when values come into force, and AWS's refusals."""

from moto.core.responses import ActionResult, PaginatedResult
from moto.rds import exceptions
from moto.rds.models import DBInstance, RDSBackend
from moto.rds.responses import RDSResponse

from .patching import add, around, replace
from .postgres import POSTGRES
from .rds import refuse
from .world import WORLD

# Enough to tell engines, static parameters and bad values apart; a parameter that is not here is taken as it is.
# Per parameter: engines, allowed values (none: any), default, whether it is dynamic.
KNOWN = {
    "read_only": (("mysql", "mariadb"), ("0", "1", "{TrueIfReplica}"), "{TrueIfReplica}", True),
    "innodb_buffer_pool_size": (("mysql", "mariadb"), None, "{DBInstanceClassMemory*3/4}", True),
    "performance_schema": (("mysql", "mariadb"), ("0", "1"), "0", False),
    "default_transaction_read_only": (("postgres",), ("0", "1"), None, True),
    "shared_buffers": (("postgres",), None, "{DBInstanceClassMemory/32768}", False),
    "work_mem": (("postgres",), None, None, True),
}
MOST_IN_ONE_CALL = 20


def engine_of(group):
    """The engine of a group's family."""
    return next((e for e in ("mysql", "mariadb", "postgres") if (group.family or "").startswith(e)), None)


def known(group, name):
    """What is known of a parameter in a group; refused where another engine has it."""
    engines, allowed, default, dynamic = KNOWN.get(name, ((engine_of(group),), None, None, True))
    if engine_of(group) not in engines:
        refuse("InvalidParameterValue", f"The following parameters are not defined for the specified group: {name}")
    return allowed, default, dynamic


def find_group(backend, name):
    """A group that may be changed."""
    if (name or "").startswith("default."):
        refuse("InvalidParameterValue", "Cannot modify a default parameter group.")
    group = backend.db_parameter_groups.get((name or "").lower())
    if group is None:
        raise exceptions.DBParameterGroupNotFoundError(name)
    return group


def check(group, parameters):
    """Refuses what cannot be set, before anything is."""
    if len(parameters) > MOST_IN_ONE_CALL:
        refuse("InvalidParameterValue", f"A request may change at most {MOST_IN_ONE_CALL} parameters.")
    for parameter in parameters:
        name, value, method = (parameter.get(k) for k in ("ParameterName", "ParameterValue", "ApplyMethod"))
        allowed, _, dynamic = known(group, name)
        if value is not None and allowed is not None and value not in allowed:
            refuse(
                "InvalidParameterValue",
                f"Invalid parameter value: {value} for: {name} allowed values are: {','.join(allowed)}",
            )
        if method == "immediate" and not dynamic:
            refuse("InvalidParameterCombination", f"cannot use immediate apply method for static parameter: {name}")


def values(group):
    """What is set in a group."""
    return {name: p.get("ParameterValue") for name, p in group.parameters.items()}


def put_in_force(group, methods):
    """The instances on the group take changed values, now or at their next reboot."""
    status = "applying" if "immediate" in methods else "pending-reboot"
    for db in group.backend.databases.values():
        if db.db_parameter_group_name != group.name:
            continue
        waits = db.parameter_apply_status == "pending-reboot" or "pending-reboot" in methods
        db.parameter_apply_status = status
        if status == "applying":
            WORLD.after("parameters.apply", applied(db, group, waits), owner=db.dbi_resource_id)


def applied(db, group, waits):
    """What happens when an instance has taken the values."""

    def action():
        POSTGRES.set_parameters(db, values(group))
        db.parameter_apply_status = "pending-reboot" if waits else "in-sync"

    return action


def statuses(self):
    """The instance's group, and whether its values are in force on this very instance."""
    return [
        {"DBParameterGroupName": g.name, "ParameterApplyStatus": self.parameter_apply_status}
        for g in self.db_parameter_groups()
    ]


replace(DBInstance, "db_parameter_group_status_list")(property(statuses))


@replace(RDSBackend, "modify_db_parameter_group")
def modify_db_parameter_group(self, db_parameter_group_name, db_parameter_group_parameters):
    """All or nothing."""
    group = find_group(self, db_parameter_group_name)
    parameters = [dict(p) for p in db_parameter_group_parameters]
    check(group, parameters)
    for parameter in parameters:
        group.parameters[parameter["ParameterName"]].update(parameter)
    put_in_force(group, {p.get("ApplyMethod") for p in parameters})
    return group


@add(RDSResponse, "reset_db_parameter_group")
def reset_db_parameter_group(self):
    """Back to the engine's defaults: the parameters that are named, or all."""
    group = find_group(self.backend, self.params.get("DBParameterGroupName"))
    parameters = [p.original_dict() for p in self.params.get("Parameters") or []]
    everything = self.params.get("ResetAllParameters")
    if everything and parameters:
        refuse("InvalidParameterCombination", "ResetAllParameters and Parameters exclude each other.")
    check(group, parameters)
    for name in [p["ParameterName"] for p in parameters] or list(group.parameters):
        group.parameters.pop(name, None)
    put_in_force(group, {p.get("ApplyMethod") for p in parameters} or {"immediate"})
    return ActionResult({"DBParameterGroupName": group.name})


@around(RDSBackend, "describe_db_parameter_groups")
def describe_db_parameter_groups(original, self, kwargs):
    """An unknown name is an error."""
    found = original(self, kwargs)
    name = kwargs.get("db_parameter_group_name")
    if name and not found:
        raise exceptions.DBParameterGroupNotFoundError(name)
    return found


@replace(RDSResponse, "describe_db_parameters")
def describe_db_parameters(self):
    """`Source=user`: what was set; without it the engine's defaults too."""
    name = self.params.get("DBParameterGroupName")
    (group,) = self.backend.describe_db_parameter_groups({"db_parameter_group_name": name})
    rows = []
    for parameter in sorted({*group.parameters, *(p for p in KNOWN if engine_of(group) in KNOWN[p][0])}):
        allowed, default, dynamic = known(group, parameter)
        was_set = parameter in group.parameters
        row = {
            "ParameterName": parameter,
            "ParameterValue": default,
            "Source": "user" if was_set else "engine-default",
            "ApplyType": "dynamic" if dynamic else "static",
            "DataType": "boolean" if allowed else "string",
            "AllowedValues": ",".join(allowed) if allowed else None,
            "IsModifiable": True,
        }
        row.update(group.parameters[parameter] if was_set else {})
        rows.append(row)
    wanted = self.params.get("Source")
    return PaginatedResult({"Parameters": [r for r in rows if not wanted or r["Source"] == wanted]})
