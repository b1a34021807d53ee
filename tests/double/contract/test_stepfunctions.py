"""Step Functions: definitions as AWS takes them."""

import json

from .harness import ACCOUNT, WEST, Contract, client, control, until

ROLE = "arn:aws:iam::{}:role/lifeboat"


def task(call, parameters, **fields):
    return {
        "Type": "Task",
        "Resource": f"arn:aws:states:::aws-sdk:{call}",
        "Parameters": parameters,
        "End": True,
        **fields,
    }


class Executions(Contract):
    def setUp(self):
        super().setUp()
        self.sfn = client("stepfunctions", WEST)
        self.machines = 0

    def machine(self, states, account=ACCOUNT, sfn=None, **fields):
        self.machines += 1
        definition = json.dumps({"StartAt": next(iter(states)), "States": states, **fields})
        return (sfn or self.sfn).create_state_machine(
            name=f"m{self.machines}", definition=definition, roleArn=ROLE.format(account)
        )["stateMachineArn"]

    def run_it(self, states, sfn=None, account=ACCOUNT, **fields):
        """How an execution ends."""
        sfn = sfn or self.sfn
        started = sfn.start_execution(
            stateMachineArn=self.machine(states, account, sfn, **fields), input='{"id": "db-west"}'
        )
        look = lambda: sfn.describe_execution(executionArn=started["executionArn"])
        return until(lambda: (seen := look())["status"] != "RUNNING" and seen)

    def output(self, states, **fields):
        """What an execution gives."""
        ended = self.run_it(states, **fields)
        self.assertEqual(ended["status"], "SUCCEEDED", ended)
        return json.loads(ended["output"])

    def test_calls_are_spelled_as_in_aws_and_dates_are_strings(self):
        self.create(self.west, "db-west")
        found = self.output({"Look": task("rds:describeDBInstances", {"DbInstanceIdentifier.$": "$.id"})})
        db = found["DbInstances"][0]
        self.assertEqual((db["DbInstanceStatus"], db["DbiResourceId"][:3]), ("available", "db-"))
        self.assertRegex(db["InstanceCreateTime"], r"^\d{4}-\d\d-\d\dT.*Z$")

    def test_a_path_with_an_index_is_what_it_points_at(self):
        self.create(self.west, "db-west")
        states = {
            "Look": task("rds:describeDBInstances", {"DbInstanceIdentifier.$": "$.id"}, Next="Check"),
            "Check": {
                "Type": "Choice",
                "Default": "Bad",
                "Choices": [
                    {"Variable": "$.DbInstances[0].DbInstanceStatus", "StringEquals": "available", "Next": "Good"}
                ],
            },
            "Good": {"Type": "Pass", "Parameters": {"status.$": "$.DbInstances[0].DbInstanceStatus"}, "End": True},
            "Bad": {"Type": "Fail"},
        }
        del states["Look"]["End"]
        self.assertEqual(self.output(states), {"status": "available"})

    def test_errors_are_named_as_in_aws(self):
        caught = [{"ErrorEquals": ["Rds.DbInstanceNotFoundException"], "Next": "Gone"}]
        states = {
            "Promote": task("rds:promoteReadReplica", {"DbInstanceIdentifier": "none"}, Catch=caught),
            "Gone": {"Type": "Pass", "Result": "gone", "End": True},
        }
        self.assertEqual(self.output(states), "gone")
        ended = self.run_it({"Promote": task("rds:promoteReadReplica", {"DbInstanceIdentifier": "none"})})
        self.assertEqual((ended["status"], ended["error"]), ("FAILED", "Rds.DbInstanceNotFoundException"))

    def test_calls_change_the_same_world(self):
        self.create(self.east)
        self.replica()
        self.output({"Promote": task("rds:promoteReadReplica", {"DbInstanceIdentifier.$": "$.id"}, ResultPath=None)})
        self.assertEqual(control("GET", "counts")["rds:PromoteReadReplica"], {"applied": 1, "refused": 0})

    def test_calls_are_made_in_the_account_of_the_role(self):
        other = client("stepfunctions", WEST, account="222222222222")
        ended = self.run_it({"Who": task("sts:getCallerIdentity", {})}, sfn=other, account="222222222222")
        self.assertEqual(json.loads(ended["output"])["Account"], "222222222222")

    def test_jsonata(self):
        states = {"Add": {"Type": "Pass", "Output": "{% $states.input.id & '-old' %}", "End": True}}
        self.assertEqual(self.output(states, QueryLanguage="JSONata"), "db-west-old")

    def test_waiting_takes_its_time_at_the_scale(self):
        self.assertEqual(
            self.output(
                {"W": {"Type": "Wait", "Seconds": 100, "Next": "E"}, "E": {"Type": "Pass", "Result": 1, "End": True}}
            ),
            1,
        )

    def test_names(self):
        arn = self.machine({"W": {"Type": "Wait", "Seconds": 100000, "End": True}})
        first, second = (self.sfn.start_execution(stateMachineArn=arn)["executionArn"] for _ in range(2))
        self.assertNotEqual(first, second)
        named = self.sfn.start_execution(stateMachineArn=arn, name="run-1", input="{}")
        self.assertEqual(
            self.sfn.start_execution(stateMachineArn=arn, name="run-1", input="{}")["executionArn"],
            named["executionArn"],
        )
        self.refused("ExecutionAlreadyExists", self.sfn.start_execution, stateMachineArn=arn, name="run-1", input="[]")

    def test_a_stop_keeps_its_reason(self):
        arn = self.machine({"W": {"Type": "Wait", "Seconds": 100000, "End": True}})
        execution = self.sfn.start_execution(stateMachineArn=arn)["executionArn"]
        self.sfn.stop_execution(executionArn=execution, error="Lifeboat", cause="undone")
        ended = until(
            lambda: (seen := self.sfn.describe_execution(executionArn=execution))["status"] == "ABORTED" and seen
        )
        self.assertEqual((ended["error"], ended["cause"]), ("Lifeboat", "undone"))

    def test_bad_definitions(self):
        create = self.sfn.create_state_machine
        bad = json.dumps({"StartAt": "B", "States": {"A": {"Type": "Succeed"}}})
        self.refused("InvalidDefinition", create, name="bad", definition=bad, roleArn=ROLE.format(ACCOUNT))
        self.machine({"A": {"Type": "Succeed"}})
        other = json.dumps({"StartAt": "B", "States": {"B": {"Type": "Succeed"}}})
        self.refused("StateMachineAlreadyExists", create, name="m1", definition=other, roleArn=ROLE.format(ACCOUNT))

    def test_a_reset_stops_what_runs(self):
        self.create(self.west, "db-west")
        later = {
            "W": {"Type": "Wait", "Seconds": 50, "Next": "Tag"},
            "Tag": task("rds:rebootDBInstance", {"DbInstanceIdentifier": "db-west"}),
        }
        self.sfn.start_execution(stateMachineArn=self.machine(later))
        control("POST", "reset")
        self.output({"W": {"Type": "Wait", "Seconds": 100, "Next": "E"}, "E": {"Type": "Pass", "End": True}})
        self.assertNotIn("rds:RebootDBInstance", control("GET", "counts"))
