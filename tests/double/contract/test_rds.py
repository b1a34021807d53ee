"""RDS instances and snapshots."""

from .harness import ACCOUNT, EAST, Contract, advance, client, control, look, status

ARN = f"arn:aws:rds:{EAST}:{ACCOUNT}:db:"


class Creation(Contract):
    def test_an_instance_is_created_and_backed_up_and_then_available(self):
        self.east.create_db_instance(
            DBInstanceIdentifier="a",
            DBInstanceClass="db.t3.micro",
            Engine="mysql",
            AllocatedStorage=20,
            MasterUsername="root",
            MasterUserPassword="secret-secret",
        )
        self.assertEqual(status(self.east, "a"), "creating")
        self.assertNotIn("Endpoint", look(self.east, "a"))
        advance(300)
        self.assertEqual(status(self.east, "a"), "backing-up")
        advance(60)
        self.assertEqual(status(self.east, "a"), "available")
        self.assertIn("Endpoint", look(self.east, "a"))

    def test_resource_ids_differ_and_are_the_same_in_every_run(self):
        ids = [self.create(self.east, n)["DbiResourceId"] for n in ("a", "b")]
        self.assertRegex(ids[0], r"^db-[0-9A-Z]{26}$")
        self.assertNotEqual(*ids)
        control("POST", "reset")
        self.assertEqual([self.create(self.east, n)["DbiResourceId"] for n in ("a", "b")], ids)

    def test_the_filter_by_resource_id_finds_one_or_none(self):
        self.create(self.east, "a")
        wanted = self.create(self.east, "b")["DbiResourceId"]
        find = lambda i: self.east.describe_db_instances(Filters=[{"Name": "dbi-resource-id", "Values": [i]}])[
            "DBInstances"
        ]
        self.assertEqual([d["DBInstanceIdentifier"] for d in find(wanted)], ["b"])
        self.assertEqual(find("db-NONE"), [])

    def test_pages_have_at_least_20_records(self):
        control("POST", "durations", **{"rds.create": 0})
        for n in range(21):
            self.create(self.east, f"db{n}", BackupRetentionPeriod=0)
        page = self.east.describe_db_instances(MaxRecords=20)
        rest = self.east.describe_db_instances(MaxRecords=20, Marker=page["Marker"])
        self.assertEqual([len(page["DBInstances"]), len(rest["DBInstances"])], [20, 1])
        self.assertNotIn("Marker", rest)
        self.refused("InvalidParameterValue", self.east.describe_db_instances, MaxRecords=19)


class Replicas(Contract):
    def test_a_replica_of_another_region_is_created_in_time(self):
        self.create(self.east, VpcSecurityGroupIds=["sg-1"], Tags=[{"Key": "a", "Value": "b"}])
        self.west.create_db_instance_read_replica(
            DBInstanceIdentifier="db-west",
            SourceDBInstanceIdentifier=ARN + "db-east",
            VpcSecurityGroupIds=["sg-2"],
        )
        self.assertEqual(status(self.west, "db-west"), "creating")
        self.assertEqual(status(self.east, "db-east"), "modifying")
        advance(60)
        self.assertEqual(status(self.east, "db-east"), "available")
        self.assertEqual(status(self.west, "db-west"), "creating")
        advance(840)
        source, replica = look(self.east, "db-east"), look(self.west, "db-west")
        self.assertEqual(replica["DBInstanceStatus"], "available")
        self.assertEqual(replica["ReadReplicaSourceDBInstanceIdentifier"], ARN + "db-east")
        self.assertEqual(source["ReadReplicaDBInstanceIdentifiers"], [replica["DBInstanceArn"]])
        self.assertEqual(
            replica["StatusInfos"], [{"StatusType": "read replication", "Normal": True, "Status": "replicating"}]
        )
        self.assertEqual(replica["BackupRetentionPeriod"], 0)
        self.assertEqual(replica["AvailabilityZone"], "us-west-2a")
        self.assertEqual([g["VpcSecurityGroupId"] for g in replica["VpcSecurityGroups"]], ["sg-2"])
        self.assertEqual(replica["TagList"], [])
        self.assertNotEqual(replica["DbiResourceId"], source["DbiResourceId"])

    def test_a_replica_of_the_same_region_is_named_without_arn(self):
        self.create(self.east)
        self.east.create_db_instance_read_replica(DBInstanceIdentifier="r", SourceDBInstanceIdentifier="db-east")
        self.assertEqual(look(self.east, "r")["ReadReplicaSourceDBInstanceIdentifier"], "db-east")
        self.assertEqual(look(self.east, "db-east")["ReadReplicaDBInstanceIdentifiers"], ["r"])

    def test_refusals(self):
        create = self.west.create_db_instance_read_replica
        self.create(self.east)
        self.replica()
        self.refused(
            "DBInstanceAlreadyExists",
            create,
            DBInstanceIdentifier="db-west",
            SourceDBInstanceIdentifier=ARN + "db-east",
        )
        self.refused("DBInstanceNotFound", create, DBInstanceIdentifier="x", SourceDBInstanceIdentifier=ARN + "none")
        self.refused("DBInstanceNotFound", create, DBInstanceIdentifier="x", SourceDBInstanceIdentifier="db-east")
        self.refused(
            "DBParameterGroupNotFound",
            create,
            DBInstanceIdentifier="x",
            SourceDBInstanceIdentifier=ARN + "db-east",
            DBParameterGroupName="none",
        )
        control("POST", "rds/instance", region=EAST, id="db-east", backup_retention_period=0)
        self.refused(
            "InvalidDBInstanceState", create, DBInstanceIdentifier="x", SourceDBInstanceIdentifier=ARN + "db-east"
        )
        control("POST", "rds/instance", region=EAST, id="db-east", backup_retention_period=1, status="stopped")
        self.refused(
            "InvalidDBInstanceState", create, DBInstanceIdentifier="x", SourceDBInstanceIdentifier=ARN + "db-east"
        )

    def test_an_encrypted_source_needs_a_key_of_the_destination(self):
        self.create(self.east, StorageEncrypted=True)
        given = dict(DBInstanceIdentifier="x", SourceDBInstanceIdentifier=ARN + "db-east")
        self.refused("InvalidParameterCombination", self.west.create_db_instance_read_replica, **given)
        key = f"arn:aws:kms:us-west-2:{ACCOUNT}:key/1"
        self.west.create_db_instance_read_replica(KmsKeyId=key, **given)
        self.assertEqual(look(self.west, "x")["KmsKeyId"], key)


class Promotion(Contract):
    def setUp(self):
        super().setUp()
        self.create(self.east)
        self.replica()

    def promote(self, **given):
        return self.west.promote_read_replica(DBInstanceIdentifier="db-west", **given)

    def seen(self):
        db = look(self.west, "db-west")
        return db["DBInstanceStatus"], "ReadReplicaSourceDBInstanceIdentifier" in db

    def test_its_statuses_in_order(self):
        self.promote(BackupRetentionPeriod=7, PreferredBackupWindow="03:00-03:30")
        self.assertEqual(self.seen(), ("available", True))
        advance(5)
        self.assertEqual(self.seen(), ("modifying", True))
        advance(60)
        self.assertEqual(self.seen(), ("rebooting", True))
        advance(60)
        self.assertEqual(self.seen(), ("backing-up", False))
        advance(60)
        self.assertEqual(self.seen(), ("available", False))
        db = look(self.west, "db-west")
        self.assertEqual((db["BackupRetentionPeriod"], db["PreferredBackupWindow"]), (7, "03:00-03:30"))
        self.assertEqual(db["StatusInfos"], [])
        self.assertEqual(look(self.east, "db-east")["ReadReplicaDBInstanceIdentifiers"], [])

    def test_no_backups_no_backing_up(self):
        self.promote(BackupRetentionPeriod=0)
        advance(125)
        self.assertEqual(self.seen(), ("available", False))

    def test_a_late_look_sees_the_same_as_an_early_one(self):
        self.promote()
        advance(5 + 60 + 60 + 59)
        self.assertEqual(self.seen(), ("backing-up", False))
        advance(1)
        self.assertEqual(self.seen(), ("available", False))

    def test_refusals(self):
        self.refused("DBInstanceNotFound", self.west.promote_read_replica, DBInstanceIdentifier="none")
        self.refused("InvalidDBInstanceState", self.east.promote_read_replica, DBInstanceIdentifier="db-east")
        self.refused("InvalidParameterValue", self.promote, BackupRetentionPeriod=36)
        for busy in ("backing-up", "modifying", "rebooting", "stopped"):
            control("POST", "rds/instance", region="us-west-2", id="db-west", status=busy)
            self.refused("InvalidDBInstanceState", self.promote)

    def test_a_second_promotion_is_refused_at_once_and_for_ever(self):
        self.promote()
        self.refused("InvalidDBInstanceState", self.promote)
        control("POST", "settle")
        self.assertIn("not a read replica", self.refused("InvalidDBInstanceState", self.promote))
        self.assertEqual(control("GET", "counts")["rds:PromoteReadReplica"], {"applied": 1, "refused": 2})


class Renaming(Contract):
    def setUp(self):
        super().setUp()
        self.create(self.east)
        self.replica()

    def rename(self, to, **given):
        self.east.modify_db_instance(
            DBInstanceIdentifier="db-east", NewDBInstanceIdentifier=to, **{"ApplyImmediately": True, **given}
        )

    def names(self):
        return [d["DBInstanceIdentifier"] for d in self.east.describe_db_instances()["DBInstances"]]

    def test_it_takes_time_and_the_old_name_goes(self):
        before = look(self.east, "db-east")
        self.rename("db-old")
        self.assertEqual(self.names(), ["db-east"])
        advance(5)
        self.assertEqual(self.names(), ["db-old"])
        self.assertEqual(status(self.east, "db-old"), "renaming")
        self.refused("DBInstanceNotFound", look, self.east, "db-east")
        advance(120)
        after = look(self.east, "db-old")
        self.assertEqual(after["DBInstanceStatus"], "available")
        self.assertEqual(after["DbiResourceId"], before["DbiResourceId"])
        self.assertNotEqual(after["Endpoint"]["Address"], before["Endpoint"]["Address"])

    def test_replicas_stay_attached(self):
        self.east.create_db_instance_read_replica(DBInstanceIdentifier="near", SourceDBInstanceIdentifier="db-east")
        control("POST", "settle")
        self.rename("db-old")
        control("POST", "settle")
        self.assertEqual(look(self.west, "db-west")["ReadReplicaSourceDBInstanceIdentifier"], ARN + "db-old")
        self.assertEqual(look(self.east, "near")["ReadReplicaSourceDBInstanceIdentifier"], "db-old")
        self.west.modify_db_instance(
            DBInstanceIdentifier="db-west", NewDBInstanceIdentifier="db-new", ApplyImmediately=True
        )
        control("POST", "settle")
        listed = look(self.east, "db-old")["ReadReplicaDBInstanceIdentifiers"]
        self.assertEqual(listed, [f"arn:aws:rds:us-west-2:{ACCOUNT}:db:db-new", "near"])

    def test_refusals(self):
        self.create(self.east, "taken")
        self.refused("DBInstanceAlreadyExists", self.rename, "taken")
        self.assertEqual(self.names(), ["db-east", "taken"])
        self.rename("db-old")
        self.refused("InvalidDBInstanceState", self.rename, "db-older")
        self.refused("DBInstanceAlreadyExists", self.create, self.east, "db-old")

    def test_without_apply_immediately_it_waits_for_the_window(self):
        self.rename("db-old", ApplyImmediately=False)
        control("POST", "settle")
        self.assertEqual(look(self.east, "db-east")["PendingModifiedValues"], {"DBInstanceIdentifier": "db-old"})


class Changes(Contract):
    def test_security_groups_come_and_go(self):
        self.create(self.east, VpcSecurityGroupIds=["sg-1"])
        self.east.modify_db_instance(DBInstanceIdentifier="db-east", VpcSecurityGroupIds=["sg-2"])
        groups = lambda: {g["VpcSecurityGroupId"]: g["Status"] for g in look(self.east, "db-east")["VpcSecurityGroups"]}
        self.assertEqual(groups(), {"sg-1": "removing", "sg-2": "adding"})
        advance(10)
        self.assertEqual(groups(), {"sg-2": "active"})

    def test_a_change_is_refused_while_busy(self):
        self.create(self.east)
        control("POST", "rds/instance", region=EAST, id="db-east", status="backing-up")
        self.refused(
            "InvalidDBInstanceState",
            self.east.modify_db_instance,
            DBInstanceIdentifier="db-east",
            VpcSecurityGroupIds=["sg-2"],
        )

    def test_a_snapshot_takes_time(self):
        self.create(self.east)
        self.east.create_db_snapshot(DBInstanceIdentifier="db-east", DBSnapshotIdentifier="tail")
        seen = lambda: self.east.describe_db_snapshots(DBSnapshotIdentifier="tail")["DBSnapshots"][0]
        self.assertEqual((seen()["Status"], seen()["PercentProgress"]), ("creating", 0))
        self.assertEqual(status(self.east, "db-east"), "backing-up")
        self.refused(
            "DBSnapshotAlreadyExists",
            self.east.create_db_snapshot,
            DBInstanceIdentifier="db-east",
            DBSnapshotIdentifier="tail",
        )
        self.refused(
            "InvalidDBInstanceState",
            self.east.create_db_snapshot,
            DBInstanceIdentifier="db-east",
            DBSnapshotIdentifier="other",
        )
        advance(120)
        self.assertEqual((seen()["Status"], seen()["PercentProgress"]), ("available", 100))
        self.assertEqual(seen()["DbiResourceId"], look(self.east, "db-east")["DbiResourceId"])
        self.refused("DBSnapshotNotFound", self.east.describe_db_snapshots, DBSnapshotIdentifier="none")

    def test_tags_of_what_is_not_there_are_refused(self):
        arn = self.create(self.east)["DBInstanceArn"]
        self.east.add_tags_to_resource(ResourceName=arn, Tags=[{"Key": "lifeboat:retired-from", "Value": "db-east"}])
        self.assertEqual(
            look(self.east, "db-east")["TagList"], self.east.list_tags_for_resource(ResourceName=arn)["TagList"]
        )
        self.east.remove_tags_from_resource(ResourceName=arn, TagKeys=["lifeboat:retired-from"])
        self.assertEqual(look(self.east, "db-east")["TagList"], [])
        self.refused("DBInstanceNotFound", self.east.list_tags_for_resource, ResourceName=ARN + "none")
        self.refused(
            "DBParameterGroupNotFound",
            self.east.list_tags_for_resource,
            ResourceName=ARN.replace(":db:", ":pg:") + "none",
        )
        self.refused("InvalidParameterValue", self.west.list_tags_for_resource, ResourceName=arn)

    def test_what_moto_lacks_is_no_server_error(self):
        self.refused("NotImplementedInDouble", self.east.describe_source_regions)

    def test_deleting_a_replica_of_another_region(self):
        self.create(self.east)
        self.replica()
        self.west.delete_db_instance(DBInstanceIdentifier="db-west", SkipFinalSnapshot=True)
        self.assertEqual(look(self.east, "db-east")["ReadReplicaDBInstanceIdentifiers"], [])

    def test_accounts_are_apart(self):
        self.create(self.east)
        other = client("rds", account="222222222222")
        self.assertEqual(other.describe_db_instances()["DBInstances"], [])
        keys = client("sts").assume_role(RoleArn="arn:aws:iam::222222222222:role/lifeboat", RoleSessionName="test")[
            "Credentials"
        ]
        assumed = dict(
            aws_access_key_id=keys["AccessKeyId"],
            aws_secret_access_key=keys["SecretAccessKey"],
            aws_session_token=keys["SessionToken"],
        )
        self.assertEqual(client("sts", **assumed).get_caller_identity()["Account"], "222222222222")
        self.create(client("rds", **assumed), "theirs")
        self.assertEqual(len(other.describe_db_instances()["DBInstances"]), 1)
        self.assertEqual(control("GET", "calls")["calls"][-1]["account"], "222222222222")
