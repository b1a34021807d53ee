"""RDS instances and snapshots: statuses that take time, promotion, renaming, replicas, and AWS's refusals.

AWS's exact order of statuses is not documented; what is here is what the API reference and the user guide say, and the
less comfortable choice where they are silent: a promotion and a rename are not seen at first, an instance that is not
`available` refuses changes.
"""

from moto.rds import exceptions
from moto.rds.models import DBInstance, RDSBackend, rds_backends
from moto.rds.responses import RDSResponse

from .patching import around, replace
from .postgres import POSTGRES
from .world import WORLD

# An instance in one of these takes a change.
USABLE = ("available", "storage-optimization")
# ModifyDBInstance without ApplyImmediately keeps these for the maintenance window.
WAITS_FOR_WINDOW = ("db_instance_class", "allocated_storage", "multi_az", "engine_version", "iops", "storage_type")


def refuse(code, message):
    """An error of the service."""
    raise exceptions.RDSClientError(code, message)


def invalid_state(message):
    """The error of an instance that is busy, or not what it should be."""
    refuse("InvalidDBInstanceState", message)


def need_usable(db):
    """Refuses a change of an instance that is busy."""
    if db.status not in USABLE or db.intent:
        invalid_state(f"Database instance {db.db_instance_identifier} is not in available state.")


def through(db, phases, done=None):
    """Takes an instance through statuses, each for a duration of the table, and then to `available`."""
    if phases:
        (db.status, duration), *rest = phases
        WORLD.after(duration, lambda: through(db, rest, done), owner=db.dbi_resource_id)
        return
    db.status = "available"
    if done:
        done()


def back_up(db):
    """The first backup, where backups are kept."""
    through(db, [("backing-up", "rds.backup")] if int(db.backup_retention_period or 0) else [])


def find(backend, identifier):
    """The instance of a name, or the error that says that there is none."""
    db = backend.databases.get((identifier or "").lower())
    if db is None:
        raise exceptions.DBInstanceNotFoundError(identifier)
    return db


def need_free_name(backend, identifier):
    """Refuses a name that an instance has, or is about to get."""
    backend._validate_db_identifier(identifier)
    if identifier in backend.databases or any(d.renaming_to == identifier for d in backend.databases.values()):
        raise exceptions.DBInstanceAlreadyExists()


def everywhere(account):
    """All instances of an account, with their backends."""
    return [(b, d) for b in rds_backends[account].values() for d in b.databases.values()]


def reference(backend, db):
    """How another instance in `backend` names this one: by ARN from another Region."""
    return db.db_instance_identifier if db.backend is backend else db.db_instance_arn


@around(DBInstance, "__init__")
def new_instance(original, self, *args, **kwargs):
    """An instance has an id that is never used again."""
    self.intent, self.renaming_to = None, None
    self.status_infos, self.pending_modified_values = [], {}
    self.parameter_apply_status = "in-sync"
    self.leaving_security_groups, self.joining_security_groups = [], []
    original(self, *args, **kwargs)
    self.dbi_resource_id = WORLD.new_id("db-", 26)


def security_group_memberships(self):
    """Groups that come and go are listed, with a status that says so."""
    status = {
        **dict.fromkeys(self.joining_security_groups, "adding"),
        **dict.fromkeys(self.leaving_security_groups, "removing"),
    }
    groups = [*self.vpc_security_group_ids, *self.leaving_security_groups]
    return [{"VpcSecurityGroupId": g, "Status": status.get(g, "active")} for g in groups]


def endpoint(self):
    """None while it is created; that of the bound server, where there is one."""
    if self.status == "creating":
        return None
    return POSTGRES.endpoint(self) or {"Address": self.address, "Port": self.port}


replace(DBInstance, "vpc_security_group_membership_list")(property(security_group_memberships))
replace(DBInstance, "endpoint")(property(endpoint))


@replace(DBInstance, "remove_replica")
def remove_replica(self, replica):
    """Its entry may be a name or an ARN."""
    gone = (replica.db_instance_identifier, replica.db_instance_arn)
    self.replicas = [r for r in self.replicas if r not in gone]


@around(RDSResponse, "describe_db_instances")
def describe_db_instances(original, self):
    """Pages have at least 20 records."""
    wanted = self.params.get("MaxRecords")
    if wanted is not None and not 20 <= int(wanted) <= 100:
        refuse("InvalidParameterValue", f"Invalid value {wanted} for MaxRecords. Must be between 20 and 100")
    return original(self)


@around(RDSBackend, "create_db_instance")
def create_db_instance(original, self, kwargs):
    """It is created, and then backed up."""
    need_free_name(self, kwargs["db_instance_identifier"].lower())
    db = original(self, kwargs)
    through(db, [("creating", "rds.create")], lambda: back_up(db))
    return db


@replace(RDSBackend, "create_db_instance_read_replica")
def create_db_instance_read_replica(self, kwargs):
    """A replica of its own: its own id, groups and tags, backups off; the source is busy at first."""
    name = kwargs["db_instance_identifier"].lower()
    need_free_name(self, name)
    source = self.find_db_from_id(kwargs["source_db_instance_identifier"])
    far = source.backend is not self
    need_usable(source)
    if not int(source.backup_retention_period or 0):
        invalid_state(
            "Automated backups are not enabled for this database instance. To enable automated backups, use "
            "ModifyDBInstance to set the backup retention period to a non-zero value."
        )
    if far and source.storage_encrypted and not kwargs.get("kms_key_id"):
        refuse(
            "InvalidParameterCombination",
            "KmsKeyId is needed for a replica of an encrypted instance in another Region.",
        )
    if kwargs.get("kms_key_id") and not source.storage_encrypted:
        refuse(
            "InvalidParameterCombination", "Cannot create an encrypted replica of an instance that is not encrypted."
        )
    replica = DBInstance(self, **replica_settings(name, source, far, kwargs))
    replica.set_as_replica()
    self.databases[name] = replica
    source.add_replica(replica)
    through(source, [("modifying", "replica.source")])
    replica.status = "creating"
    POSTGRES.build(replica, source)
    WORLD.after("replica.create", lambda: replicating(replica), POSTGRES.built(replica), replica.dbi_resource_id)
    return replica


def replica_settings(name, source, far, kwargs):
    """What a replica is built with: as given, else as its source; groups of another Region are not taken over."""
    given = {k: kwargs[k] for k in kwargs if kwargs[k] is not None}
    near = (
        {}
        if far
        else {
            "db_parameter_group_name": source.db_parameter_group_name,
            "vpc_security_group_ids": list(source.vpc_security_group_ids),
            "kms_key_id": source.kms_key_id,
        }
    )
    same = (
        "engine",
        "engine_version",
        "allocated_storage",
        "db_instance_class",
        "port",
        "db_name",
        "master_username",
        "license_model",
        "storage_type",
        "iops",
        "storage_encrypted",
        "publicly_accessible",
        "auto_minor_version_upgrade",
    )
    return {
        **{k: getattr(source, k) for k in same},
        **near,
        **given,
        "db_instance_identifier": name,
        "source_db_instance_identifier": source.db_instance_arn if far else source.db_instance_identifier,
        "backup_retention_period": 0,
    }


def replicating(replica):
    """It is built, and follows its source."""
    if POSTGRES.failed(replica):
        replica.status = "failed"
        return
    replica.status_infos = [{"StatusType": "read replication", "Normal": True, "Status": "replicating"}]
    through(replica, [])


@replace(RDSBackend, "promote_read_replica")
def promote_read_replica(self, kwargs):
    """It still looks as before for a while; at the end it is a writer, without a source, for ever."""
    db = find(self, kwargs["db_instance_identifier"])
    if not db.is_replica:
        invalid_state(f"DB Instance {db.db_instance_identifier} is not a read replica.")
    need_usable(db)
    retention = kwargs.get("backup_retention_period")
    retention = 1 if retention is None else int(retention)
    if not 0 <= retention <= 35:
        refuse("InvalidParameterValue", f"Invalid backup retention period: {retention}. Must be between 0 and 35.")
    db.intent = "promote"

    def modifying():
        db.intent = None
        db.status = "modifying"
        WORLD.after("promote.modify", rebooting, owner=db.dbi_resource_id)

    def rebooting():
        db.status, db.status_infos = "rebooting", []
        POSTGRES.promote(db)
        WORLD.after("promote.reboot", done, lambda: POSTGRES.is_writer(db), db.dbi_resource_id)

    def done():
        detach(db)
        db.backup_retention_period = retention
        db.preferred_backup_window = kwargs.get("preferred_backup_window") or db.preferred_backup_window
        back_up(db)

    WORLD.after("promote.dark", modifying, owner=db.dbi_resource_id)
    return db


def detach(db):
    """It follows nobody any more, and its former source knows."""
    for _, other in everywhere(db.account_id):
        if reference(db.backend, other) == db.source_db_instance_identifier:
            other.remove_replica(db)
    db.is_replica, db.source_db_instance_identifier = False, None


@around(RDSBackend, "modify_db_instance")
def modify_db_instance(original, self, identifier, kwargs):
    """Security groups change at once, a rename and other settings take time, or wait for the maintenance window."""
    db = find(self, identifier)
    need_usable(db)
    new_name = (kwargs.pop("new_db_instance_identifier", None) or "").lower()
    if new_name:
        need_free_name(self, new_name)
    groups = kwargs.pop("vpc_security_group_ids", None)
    group_before = db.db_parameter_group_name
    now = kwargs.pop("apply_immediately", False)
    if not now:
        for key in [k for k in WAITS_FOR_WINDOW if kwargs.get(k) is not None]:
            db.pending_modified_values[key] = kwargs.pop(key)
        if new_name:
            db.pending_modified_values["db_instance_identifier"] = new_name
    rest = [k for k in kwargs if k != "db_instance_identifier" and kwargs[k] is not None]
    original(self, db.db_instance_identifier, kwargs)
    if db.db_parameter_group_name != group_before:
        db.parameter_apply_status = "pending-reboot"
    if groups is not None:
        set_security_groups(db, list(groups))
    if new_name and now:
        rename(self, db, new_name)
    elif rest:
        through(db, [("modifying", "rds.modify")])
    return db


def set_security_groups(db, groups):
    """Old ones are `removing`, new ones `adding`, for a moment."""
    before = db.vpc_security_group_ids
    db.leaving_security_groups = [g for g in before if g not in groups]
    db.joining_security_groups = [g for g in groups if g not in before]
    db.vpc_security_group_ids = groups

    def settled():
        db.leaving_security_groups, db.joining_security_groups = [], []

    WORLD.after("rds.security-groups", settled, owner=db.dbi_resource_id)


def rename(backend, db, new_name):
    """The old name is there for a moment, then it is gone; replicas stay attached."""
    db.intent, db.renaming_to = "rename", new_name

    def moved():
        old_name, old_arn = db.db_instance_identifier, db.db_instance_arn
        del backend.databases[old_name]
        db.db_instance_identifier = new_name
        backend.databases[new_name] = db
        db.intent, db.renaming_to = None, None
        for there, other in everywhere(db.account_id):
            old = old_name if there is backend else old_arn
            if other.source_db_instance_identifier == old:
                other.source_db_instance_identifier = reference(there, db)
            other.replicas = [reference(there, db) if r == old else r for r in other.replicas]
        for follow in RENAMED:
            follow(db, old_name)
        through(db, [("renaming", "rename.rename")])

    WORLD.after("rename.dark", moved, owner=db.dbi_resource_id)


# Called with an instance and its former name: what is kept by name elsewhere.
RENAMED = []


@around(RDSBackend, "reboot_db_instance")
def reboot_db_instance(original, self, identifier):
    """Values that waited for it are in force afterwards."""
    db = original(self, identifier)
    need_usable(db)

    def done():
        db.parameter_apply_status = "in-sync"

    through(db, [("rebooting", "rds.reboot")], done)
    return db


@around(RDSBackend, "create_db_snapshot")
def create_db_snapshot(
    original, self, db_instance_identifier, db_snapshot_identifier, snapshot_type="manual", *args, **kwargs
):
    """It takes time, and its instance is `backing-up` meanwhile."""
    db = find(self, db_instance_identifier)
    if snapshot_type == "manual" and db_snapshot_identifier not in self.database_snapshots:
        need_usable(db)
    snapshot = original(self, db.db_instance_identifier, db_snapshot_identifier, snapshot_type, *args, **kwargs)
    snapshot.percent_progress = 100
    if snapshot_type == "manual":
        snapshot.status, snapshot.percent_progress = "creating", 0

        def complete():
            snapshot.status, snapshot.percent_progress = "available", 100

        through(db, [("backing-up", "rds.snapshot")], complete)
    return snapshot


@around(RDSBackend, "_get_resource_for_tagging")
def get_resource_for_tagging(original, self, arn):
    """Tags of what is not there, or is elsewhere, are refused."""
    resource = original(self, arn)
    region, kind, name = arn.split(":")[3], *arn.split(":")[5:7]
    if region != self.region_name:
        refuse("InvalidParameterValue", "The specified resource name does not match an RDS resource in this region.")
    if resource is None:
        missing = {
            "db": exceptions.DBInstanceNotFoundError,
            "pg": exceptions.DBParameterGroupNotFoundError,
            "snapshot": exceptions.DBSnapshotNotFoundFault,
        }
        raise missing.get(kind, exceptions.DBInstanceNotFoundError)(name)
    return resource
