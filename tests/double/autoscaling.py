"""Auto Scaling groups: bounds are checked, servers come and go in time, launches can fail and are listed."""

from moto.autoscaling.exceptions import AutoscalingClientError, ValidationError
from moto.autoscaling.models import Activity, AutoScalingBackend, FakeAutoScalingGroup
from moto.autoscaling.responses import AutoScalingResponse
from moto.core.responses import ActionResult
from moto.core.utils import utcnow

from .patching import around, replace
from .world import WORLD

# Servers that count, as launched already or on their way.
COUNTED = ("Pending", "InService")
NO_CAPACITY = (
    "We currently do not have sufficient {type} capacity in the Availability Zone you requested ({zone}). Our system "
    "will be working on provisioning additional capacity. Launching EC2 instance failed."
)
# How many of a group's next launches fail, and with what message; by account, Region and name.
FAILING = {}
# Activities, newest first; by account, Region and name.
ACTIVITIES = {}

WORLD.resets += [FAILING.clear, ACTIVITIES.clear]


def key(group):
    """Where a group's notes are."""
    return group.account_id, group.region, group.name


def activity(group, description, cause):
    """Notes that something goes on."""
    noted = Activity(description, cause, group, activity_id=WORLD.new_id("", 32).lower(), status_code="InProgress")
    noted.end_time, noted.status_message = None, None
    ACTIVITIES.setdefault(key(group), []).insert(0, noted)
    return noted


def close(noted, status, message=None):
    """Notes how it ended."""
    noted.status_code, noted.status_message, noted.progress, noted.end_time = status, message, 100, utcnow()


def suspended(group, process):
    """Whether a process of the group is suspended."""
    return any(p["ProcessName"] == process for p in group.suspended_processes)


def reconcile(group):
    """Launches or ends servers until there are as many as wanted, as far as the group may and can."""
    here = [s for s in group.instance_states if s.lifecycle_state in COUNTED]
    wanted = int(group.desired_capacity or 0)
    if len(here) < wanted and not suspended(group, "Launch"):
        launch(group, wanted - len(here), len(here))
    elif len(here) > wanted and not suspended(group, "Terminate"):
        free = [s for s in here if not s.protected_from_scale_in]
        for state in free[: len(here) - wanted]:
            terminate(group, state)


def launch(group, count, there):
    """Servers that are in service after a while; where a launch fails, the group tries again later."""
    cause = f"At {utcnow():%Y-%m-%dT%H:%M:%SZ} an instance was started in response to a difference between desired "
    cause += f"and actual capacity, increasing the capacity from {there} to {there + count}."
    failing = FAILING.get(key(group))
    if failing and failing["times"] > 0:
        failing["times"] -= 1
        noted = activity(group, "Launching a new EC2 instance.  Status Reason: " + failing["message"], cause)
        close(noted, "Failed", failing["message"])
        WORLD.after("asg.retry", lambda: reconcile(group), owner=key(group))
        return
    before = list(group.instance_states)
    group.replace_autoscaling_group_instances(count, group.get_propagated_tags())
    for state in [s for s in group.instance_states if s not in before]:
        state.lifecycle_state = "Pending"
        noted = activity(group, f"Launching a new EC2 instance: {state.instance_id}", cause)
        WORLD.after("asg.launch", in_service(group, state, noted), owner=key(group))


def in_service(group, state, noted):
    """What happens when a launch is complete."""

    def action():
        if state.lifecycle_state == "Pending":
            state.lifecycle_state = "InService"
            close(noted, "Successful")
            register(group)

    return action


def terminate(group, state):
    """A server that is gone after a while."""
    state.lifecycle_state = "Terminating"
    noted = activity(group, f"Terminating EC2 instance: {state.instance_id}", "capacity was taken out")

    def action():
        group.instance_states = [s for s in group.instance_states if s is not state]
        group.autoscaling_backend.ec2_backend.terminate_instances([state.instance_id])
        close(noted, "Successful")
        register(group)

    WORLD.after("asg.terminate", action, owner=key(group))


def register(group):
    """Load balancers hear of it."""
    if group.name in group.autoscaling_backend.autoscaling_groups:
        group.autoscaling_backend.update_attached_elbs(group.name)
        group.autoscaling_backend.update_attached_target_groups(group.name)


@replace(FakeAutoScalingGroup, "set_desired_capacity")
def group_set_desired_capacity(self, new_capacity):
    """moto's own launches at once, whatever is suspended."""
    self.desired_capacity = self.min_size if new_capacity is None else int(new_capacity)
    reconcile(self)


def check_bounds(smallest, desired, largest):
    """Refuses sizes that contradict each other."""
    if smallest > largest:
        raise ValidationError(f"Max bound, {largest}, must be greater than or equal to min bound, {smallest}")
    if not smallest <= desired <= largest:
        raise ValidationError(
            f"Desired capacity:{desired} must be between the specified min size:{smallest} and max size:{largest}"
        )


def find(backend, name):
    """The group of a name, or the error that says that there is none."""
    if name not in backend.autoscaling_groups:
        raise ValidationError(f"AutoScalingGroup name not found - AutoScalingGroup '{name}' not found")
    return backend.autoscaling_groups[name]


@around(AutoScalingBackend, "create_auto_scaling_group")
def create_auto_scaling_group(
    original, self, name, availability_zones, desired_capacity, max_size, min_size, *args, **kwargs
):
    """A name is taken once."""
    if name in self.autoscaling_groups:
        raise AutoscalingClientError("AlreadyExists", "AutoScalingGroup by this name already exists")
    desired = min_size if desired_capacity is None else desired_capacity
    check_bounds(int(min_size), int(desired), int(max_size))
    return original(self, name, availability_zones, desired_capacity, max_size, min_size, *args, **kwargs)


@around(AutoScalingBackend, "update_auto_scaling_group")
def update_auto_scaling_group(
    original, self, name, availability_zones, desired_capacity, max_size, min_size, *args, **kwargs
):
    """A new minimum raises the desired size, a new maximum lowers it, unless that is given too."""
    if name not in self.autoscaling_groups:
        raise ValidationError("AutoScalingGroup name not found - null")
    group = self.autoscaling_groups[name]
    smallest = int(group.min_size if min_size is None else min_size)
    largest = int(group.max_size if max_size is None else max_size)
    desired = desired_capacity
    if desired is None:
        desired = max(smallest, min(int(group.desired_capacity), largest))
    check_bounds(smallest, int(desired), largest)
    return original(self, name, availability_zones, int(desired), max_size, min_size, *args, **kwargs)


@replace(AutoScalingResponse, "set_desired_capacity")
def set_desired_capacity(self):
    """Within the bounds."""
    group = find(self.autoscaling_backend, self._get_param("AutoScalingGroupName"))
    desired = self._get_int_param("DesiredCapacity")
    if desired > int(group.max_size):
        raise ValidationError(
            f"New SetDesiredCapacity value {desired} is above max value {group.max_size} for the AutoScalingGroup."
        )
    if desired < int(group.min_size):
        raise ValidationError(
            f"New SetDesiredCapacity value {desired} is below min value {group.min_size} for the AutoScalingGroup."
        )
    group.set_desired_capacity(desired)
    return ActionResult(None)


PROCESSES = {
    "Launch",
    "Terminate",
    "AddToLoadBalancer",
    "AlarmNotification",
    "AZRebalance",
    "HealthCheck",
    "InstanceRefresh",
    "ReplaceUnhealthy",
    "ScheduledActions",
}


def check_processes(processes):
    """Refuses names that no process has."""
    unknown = sorted(set(processes or []) - PROCESSES)
    if unknown:
        raise ValidationError(f"The process names [{', '.join(unknown)}] are not valid")


@around(AutoScalingBackend, "suspend_processes")
def suspend_processes(original, self, group_name, scaling_processes):
    """Of a group that is there."""
    find(self, group_name)
    check_processes(scaling_processes)
    original(self, group_name, scaling_processes)


@around(AutoScalingBackend, "resume_processes")
def resume_processes(original, self, group_name, scaling_processes):
    """What was missed is made up for."""
    group = find(self, group_name)
    check_processes(scaling_processes)
    original(self, group_name, scaling_processes)
    reconcile(group)


@replace(AutoScalingResponse, "describe_scaling_activities")
def describe_scaling_activities(self):
    """Newest first, paged; nothing for a group that is not there."""
    account, region = self.current_account, self.region
    name = self._get_param("AutoScalingGroupName")
    rows = [
        a
        for (at, there, group), noted in ACTIVITIES.items()
        for a in noted
        if (at, there) == (account, region) and name in (None, group)
    ]
    wanted = self._get_param("ActivityIds")
    rows = [a for a in rows if not wanted or a.activity_id in wanted]
    start = int(self._get_param("NextToken") or 0)
    end = start + self._get_int_param("MaxRecords", 100)
    return ActionResult({"Activities": rows[start:end], "NextToken": str(end) if end < len(rows) else None})


def fail_next_launches(account, region, name, times, message):
    """The group's next launches fail; its type and zone are put into the message."""
    FAILING[account, region, name] = {
        "times": times,
        "message": message or NO_CAPACITY.format(type="t3.micro", zone=region + "a"),
    }
