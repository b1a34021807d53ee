"""The one world of the process: its lock, its time, its names, and what it was asked to change."""

import hashlib
import threading

from .clock import Agenda, Clock

# Nominal seconds, per transition. Typical figures of AWS, on the slow side of normal.
DURATIONS = {
    "rds.create": 300,
    "rds.backup": 60,
    "rds.modify": 60,
    "rds.reboot": 60,
    "rds.snapshot": 120,
    "rds.security-groups": 10,
    # A promotion and a rename are accepted at once and not seen yet: the dark time after the call.
    "promote.dark": 5,
    "promote.modify": 60,
    "promote.reboot": 60,
    "rename.dark": 5,
    "rename.rename": 120,
    # Building a replica: the source is modified first, meanwhile and afterwards the replica is created.
    "replica.source": 60,
    "replica.create": 900,
    "parameters.apply": 10,
    "route53.sync": 30,
    "asg.launch": 90,
    "asg.terminate": 60,
    "asg.retry": 60,
    # A sample of a metric arrives that long after the instant it speaks of.
    "metric.arrival": 60,
}


class World:
    """Shared by all modules; `lock` is held by whoever reads or changes it."""

    def __init__(self, scale=1.0):
        self.lock = threading.RLock()
        self.clock = Clock(scale)
        self.agenda = Agenda(self.clock, self.lock)
        self.durations = dict(DURATIONS)
        self.calls = []
        # Called after something may have changed.
        self.followers = []
        # Called at a reset, before moto's own.
        self.resets = []
        self._ids = 0

    def after(self, duration, action, ready=None, owner=None):
        """Schedules an action after a duration of the table."""
        self.agenda.after(self.durations[duration], action, ready, owner)

    def follow(self):
        """Tells those who follow that something may have changed."""
        for follower in self.followers:
            follower()

    def catch_up(self):
        """Lets everything that is due happen."""
        self.agenda.run()
        self.follow()

    def new_id(self, prefix, length):
        """A name that was not used before; the same in every run of the same calls."""
        self._ids += 1
        digest = hashlib.sha256(f"{prefix}{self._ids}".encode()).hexdigest().upper()
        return prefix + digest[:length]

    def reset(self):
        """Forgets all but the scale and the durations."""
        self.agenda.clear()
        for forget in self.resets:
            forget()
        self.calls.clear()
        self.clock.set(stopped=False)
        self._ids = 0


WORLD = World()
