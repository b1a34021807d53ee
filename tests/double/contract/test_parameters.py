"""RDS parameter groups: freezing writes."""

from .harness import Contract, advance, look


class Parameters(Contract):
    def setUp(self):
        super().setUp()
        self.east.create_db_parameter_group(
            DBParameterGroupName="pg", DBParameterGroupFamily="postgres15", Description="d"
        )
        self.create(self.east, "a", DBParameterGroupName="pg")
        self.create(self.east, "b", DBParameterGroupName="pg")

    def modify(self, *parameters, group="pg"):
        rows = [dict(ParameterName=n, ParameterValue=v, ApplyMethod=m) for n, v, m in parameters]
        return self.east.modify_db_parameter_group(DBParameterGroupName=group, Parameters=rows)

    def freeze(self):
        self.modify(("default_transaction_read_only", "1", "immediate"))

    def values(self, **given):
        rows = self.east.describe_db_parameters(DBParameterGroupName="pg", **given)["Parameters"]
        return {r["ParameterName"]: r.get("ParameterValue") for r in rows}

    def states(self):
        return [look(self.east, n)["DBParameterGroups"][0]["ParameterApplyStatus"] for n in ("a", "b")]

    def test_a_change_is_applied_to_every_instance_of_the_group_in_a_moment(self):
        self.assertEqual(self.states(), ["in-sync", "in-sync"])
        self.freeze()
        self.assertEqual(self.values(Source="user"), {"default_transaction_read_only": "1"})
        self.assertEqual(self.states(), ["applying", "applying"])
        advance(10)
        self.assertEqual(self.states(), ["in-sync", "in-sync"])

    def test_a_static_parameter_waits_for_a_reboot_of_each(self):
        self.refused("InvalidParameterCombination", self.modify, ("shared_buffers", "1", "immediate"))
        self.modify(("shared_buffers", "1", "pending-reboot"))
        self.assertEqual(self.states(), ["pending-reboot", "pending-reboot"])
        self.east.reboot_db_instance(DBInstanceIdentifier="a")
        advance(60)
        self.assertEqual(self.states(), ["in-sync", "pending-reboot"])

    def test_a_reset_gives_the_default_back(self):
        self.freeze()
        self.modify(("work_mem", "64", "immediate"))
        reset = [{"ParameterName": "default_transaction_read_only", "ApplyMethod": "immediate"}]
        self.east.reset_db_parameter_group(DBParameterGroupName="pg", Parameters=reset)
        self.assertEqual(self.values(Source="user"), {"work_mem": "64"})
        self.assertIn("default_transaction_read_only", self.values(Source="engine-default"))
        self.assertEqual(self.states(), ["applying", "applying"])
        self.east.reset_db_parameter_group(DBParameterGroupName="pg", ResetAllParameters=True)
        self.assertEqual(self.values(Source="user"), {})
        self.refused("DBParameterGroupNotFound", self.east.reset_db_parameter_group, DBParameterGroupName="none")

    def test_refusals(self):
        self.assertIn(
            "default parameter group",
            self.refused(
                "InvalidParameterValue", self.modify, ("work_mem", "1", "immediate"), group="default.postgres15"
            ),
        )
        self.refused("DBParameterGroupNotFound", self.modify, ("work_mem", "1", "immediate"), group="none")
        self.refused("InvalidParameterValue", self.modify, ("read_only", "1", "immediate"))
        self.refused("InvalidParameterValue", self.modify, ("default_transaction_read_only", "yes", "immediate"))
        many = [(f"p{n}", "1", "immediate") for n in range(21)]
        self.refused("InvalidParameterValue", self.modify, *many)
        self.assertEqual(self.values(Source="user"), {})
        self.refused("DBParameterGroupNotFound", self.east.describe_db_parameters, DBParameterGroupName="none")
        self.refused("DBParameterGroupNotFound", self.east.describe_db_parameter_groups, DBParameterGroupName="none")

    def test_a_batch_is_all_or_nothing(self):
        self.refused(
            "InvalidParameterValue", self.modify, ("work_mem", "1", "immediate"), ("read_only", "1", "immediate")
        )
        self.assertEqual(self.values(Source="user"), {})

    def test_mysql_has_its_own_switch(self):
        self.east.create_db_parameter_group(
            DBParameterGroupName="my", DBParameterGroupFamily="mysql8.0", Description="d"
        )
        self.modify(("read_only", "{TrueIfReplica}", "immediate"), group="my")
        self.modify(("read_only", "1", "immediate"), group="my")
        self.refused(
            "InvalidParameterValue", self.modify, ("default_transaction_read_only", "1", "immediate"), group="my"
        )

    def test_a_group_carries_tags(self):
        (group,) = self.east.describe_db_parameter_groups(DBParameterGroupName="pg")["DBParameterGroups"]
        tag = {"Key": "lifeboat:frozen-from", "Value": "unset"}
        self.east.add_tags_to_resource(ResourceName=group["DBParameterGroupArn"], Tags=[tag])
        self.assertEqual(self.east.list_tags_for_resource(ResourceName=group["DBParameterGroupArn"])["TagList"], [tag])
