"""Auto Scaling groups."""

from .harness import EAST, WEST, Contract, advance, client, control


class Groups(Contract):
    def setUp(self):
        super().setUp()
        self.asg = client("autoscaling", WEST)
        client("ec2", WEST)
        self.asg.create_launch_configuration(
            LaunchConfigurationName="lc", ImageId="ami-12345678", InstanceType="t3.micro"
        )
        self.make("web")
        control("POST", "settle")

    def make(self, name, **sizes):
        self.asg.create_auto_scaling_group(
            AutoScalingGroupName=name,
            LaunchConfigurationName="lc",
            AvailabilityZones=["us-west-2a"],
            **{"MinSize": 1, "MaxSize": 4, "DesiredCapacity": 1, **sizes},
        )

    def update(self, **sizes):
        self.asg.update_auto_scaling_group(AutoScalingGroupName="web", **sizes)

    def group(self):
        return self.asg.describe_auto_scaling_groups(AutoScalingGroupNames=["web"])["AutoScalingGroups"][0]

    def states(self):
        return sorted(i["LifecycleState"] for i in self.group()["Instances"])

    def sizes(self):
        return tuple(self.group()[k] for k in ("MinSize", "DesiredCapacity", "MaxSize"))

    def activities(self):
        return self.asg.describe_scaling_activities(AutoScalingGroupName="web")["Activities"]

    def test_servers_come_into_service_after_a_time(self):
        self.update(MinSize=3, DesiredCapacity=3)
        self.assertEqual(self.states(), ["InService", "Pending", "Pending"])
        self.assertEqual(self.activities()[0]["StatusCode"], "InProgress")
        advance(90)
        self.assertEqual(self.states(), ["InService"] * 3)
        self.assertEqual(self.activities()[0]["StatusCode"], "Successful")
        self.assertEqual(len({i["InstanceId"] for i in self.group()["Instances"]}), 3)

    def test_servers_go_after_a_time(self):
        self.update(DesiredCapacity=3)
        advance(90)
        self.update(DesiredCapacity=1)
        self.assertEqual(self.states(), ["InService", "Terminating", "Terminating"])
        advance(60)
        self.assertEqual(self.states(), ["InService"])

    def test_bounds(self):
        self.refused("ValidationError", self.update, DesiredCapacity=5)
        self.refused("ValidationError", self.update, DesiredCapacity=0)
        self.refused("ValidationError", self.update, MinSize=5, MaxSize=4)
        self.refused("ValidationError", self.make, "other", DesiredCapacity=9)
        self.refused("AlreadyExists", self.make, "web")
        above = self.refused(
            "ValidationError", self.asg.set_desired_capacity, AutoScalingGroupName="web", DesiredCapacity=5
        )
        self.assertIn("above max value 4", above)
        self.refused("ValidationError", self.asg.set_desired_capacity, AutoScalingGroupName="web", DesiredCapacity=0)
        self.assertEqual(self.sizes(), (1, 1, 4))

    def test_a_new_minimum_raises_and_a_new_maximum_lowers_what_is_desired(self):
        self.update(MinSize=3)
        self.assertEqual(self.sizes(), (3, 3, 4))
        self.update(MinSize=0, MaxSize=2)
        self.assertEqual(self.sizes(), (0, 2, 2))

    def test_groups_that_are_not_there(self):
        for call, given in (
            (self.asg.update_auto_scaling_group, dict(MinSize=1)),
            (self.asg.set_desired_capacity, dict(DesiredCapacity=1)),
            (self.asg.suspend_processes, {}),
            (self.asg.resume_processes, {}),
        ):
            self.refused("ValidationError", call, AutoScalingGroupName="none", **given)
        self.assertEqual(self.asg.describe_auto_scaling_groups(AutoScalingGroupNames=["none"])["AutoScalingGroups"], [])
        self.assertEqual(self.asg.describe_scaling_activities(AutoScalingGroupName="none")["Activities"], [])

    def test_a_suspended_launch_does_not_launch(self):
        self.asg.suspend_processes(AutoScalingGroupName="web", ScalingProcesses=["Launch"])
        self.update(DesiredCapacity=3)
        advance(1000)
        self.assertEqual((self.sizes()[1], self.states()), (3, ["InService"]))
        self.assertEqual([p["ProcessName"] for p in self.group()["SuspendedProcesses"]], ["Launch"])
        self.asg.resume_processes(AutoScalingGroupName="web", ScalingProcesses=["Launch"])
        advance(90)
        self.assertEqual(self.states(), ["InService"] * 3)
        self.refused(
            "ValidationError", self.asg.suspend_processes, AutoScalingGroupName="web", ScalingProcesses=["Lunch"]
        )

    def test_a_launch_that_fails_is_listed_and_tried_again(self):
        control("POST", "autoscaling/fail-launches", region=WEST, group="web", times=2)
        self.update(DesiredCapacity=2)
        failed = self.activities()[0]
        self.assertEqual(failed["StatusCode"], "Failed")
        self.assertIn("sufficient t3.micro capacity", failed["StatusMessage"])
        advance(60)
        self.assertEqual([a["StatusCode"] for a in self.activities()[:2]], ["Failed", "Failed"])
        advance(60 + 90)
        self.assertEqual(self.states(), ["InService"] * 2)
        self.assertEqual(self.activities()[0]["StatusCode"], "Successful")

    def test_activities_are_paged(self):
        self.update(DesiredCapacity=3)
        page = self.asg.describe_scaling_activities(AutoScalingGroupName="web", MaxRecords=2)
        rest = self.asg.describe_scaling_activities(AutoScalingGroupName="web", NextToken=page["NextToken"])
        self.assertEqual((len(page["Activities"]), len(rest["Activities"])), (2, 1))

    def test_regions_are_apart(self):
        self.assertEqual(client("autoscaling", EAST).describe_auto_scaling_groups()["AutoScalingGroups"], [])
