"""Time in the double: a clock of nominal seconds, and what is to happen when.

Everything that takes time in AWS takes `nominal seconds * scale` here. Nothing is random: what is due happens in the
order of its due time, and follow-ups count from the time they were due, however late anybody looked.
"""

import itertools
import sys
import threading
import time
import traceback


class Clock:
    """Nominal seconds: they run 1/scale times as fast as real ones, and stand still while stopped.

    With scale 0 nothing takes time.
    """

    def __init__(self, scale):
        self.scale = scale
        self.stopped = False
        self._nominal, self._real = 0.0, time.monotonic()

    def now(self):
        """Nominal seconds since the start."""
        if self.stopped or self.scale == 0:
            return self._nominal
        return self._nominal + (time.monotonic() - self._real) / self.scale

    def set(self, scale=None, stopped=None):
        """Changes the speed; what has passed stays passed."""
        self._nominal, self._real = self.now(), time.monotonic()
        if scale is not None:
            self.scale = float(scale)
        if stopped is not None:
            self.stopped = bool(stopped)

    def advance(self, seconds):
        """Lets nominal seconds pass at once."""
        self._nominal += seconds

    def real(self, nominal):
        """Real seconds that so many nominal ones take; none where they do not pass by themselves."""
        return None if self.stopped else nominal * self.scale


class Entry:
    """Something that is to happen."""

    def __init__(self, due, order, action, ready, owner, slowness):
        self.due, self.order, self.action, self.ready, self.owner = due, order, action, ready, owner
        # Whatever follows takes so many times its duration, as it did itself.
        self.slowness = slowness
        # It was due and had to wait for the real world.
        self.late = False


class Agenda:
    """What is to happen when. All methods but `keep` are called with the lock held."""

    # How soon something that is due but waits for the real world is looked at again.
    GLANCE = 0.02

    def __init__(self, clock, lock):
        self.clock = clock
        self.entries = []
        # Actions that broke, as tracebacks: they do not stop the others.
        self.failures = []
        # What is scheduled now takes so many times its duration.
        self.slowness = 1.0
        self._order = itertools.count()
        self._at = None
        self._changed = threading.Condition(lock)

    def after(self, seconds, action, ready=None, owner=None):
        """Schedules an action; it also waits until `ready()`, where that is given."""
        start = self.clock.now() if self._at is None else self._at
        due = start + seconds * self.slowness
        self.entries.append(Entry(due, next(self._order), action, ready, owner, self.slowness))
        self.entries.sort(key=lambda e: (e.due, e.order))
        self._changed.notify_all()

    def cancel(self, owner):
        """Forgets everything of an owner."""
        self.entries = [e for e in self.entries if e.owner != owner]

    def clear(self):
        """Forgets everything."""
        self.entries, self.failures = [], []

    def wake(self):
        """Tells the keeper that the clock was changed."""
        self._changed.notify_all()

    def _next(self):
        for entry in self.entries:
            if entry.due > self.clock.now() and self.clock.scale != 0:
                return None
            if entry.ready is None or entry.ready():
                return entry
            entry.late = True
        return None

    def run(self):
        """Does all that is due."""
        while entry := self._next():
            self.entries.remove(entry)
            self._at = self.clock.now() if entry.late else entry.due
            before, self.slowness = self.slowness, entry.slowness
            try:
                entry.action()
            except Exception:
                self.failures.append(traceback.format_exc())
                print(self.failures[-1], file=sys.stderr, flush=True)
            finally:
                self._at, self.slowness = None, before

    def settle(self, patience=60):
        """Lets time pass until nothing is to happen any more; `patience` is for the real world, in real seconds."""
        end = time.monotonic() + patience
        self.run()
        while self.entries:
            later = [e.due for e in self.entries if e.due > self.clock.now()]
            if later:
                self.clock.advance(min(later) - self.clock.now())
            elif time.monotonic() > end:
                raise TimeoutError("something that is due never gets ready")
            else:
                self._changed.wait(self.GLANCE)
            self.run()

    def keep(self, after_run):
        """Runs what gets due, for ever: the work of a thread of its own."""
        with self._changed:
            while True:
                self.run()
                after_run()
                self._changed.wait(self._pause())

    def _pause(self):
        if not self.entries:
            return None
        gap = self.entries[0].due - self.clock.now()
        return self.GLANCE if gap <= 0 else self.clock.real(gap)
