"""The rules of composite alarms: `ALARM("a") AND (OK(b) OR NOT INSUFFICIENT_DATA("c"))`."""

import re

TOKEN = re.compile(r'\s*([()]|"[^"]*"|[^\s()"]+)')
STATES = ("ALARM", "OK", "INSUFFICIENT_DATA")


class Malformed(Exception):
    """It is no rule."""


class Rule:
    """What a composite alarm depends on. NOT binds tighter than AND, and that than OR."""

    def __init__(self, text):
        if text.count('"') % 2:
            raise Malformed("a quotation mark is missing")
        self._left = TOKEN.findall(text)
        # Names or ARNs of alarms, in order.
        self.children = []
        self._holds = self._either()
        if self._left:
            raise Malformed(f"what is {self._left[0]}?")

    def holds(self, state_of):
        """Whether it does, given the state of any child."""
        return self._holds(state_of)

    def _take(self, *wanted):
        if not self._left or (wanted and self._left[0] not in wanted):
            raise Malformed(f"{' or '.join(wanted) or 'more'} was expected before {' '.join(self._left) or 'the end'}")
        return self._left.pop(0)

    def _several(self, word, part, whole):
        parts = [part()]
        while self._left[:1] == [word]:
            self._take()
            parts.append(part())
        return lambda state_of: whole(p(state_of) for p in parts)

    def _either(self):
        return self._several("OR", self._both, any)

    def _both(self):
        return self._several("AND", self._one, all)

    def _one(self):
        word = self._take()
        if word == "NOT":
            inner = self._one()
            return lambda state_of: not inner(state_of)
        if word == "(":
            inner = self._either()
            self._take(")")
            return inner
        if word in ("TRUE", "FALSE"):
            return lambda _: word == "TRUE"
        if word not in STATES:
            raise Malformed(f"what is {word}?")
        self._take("(")
        name = self._take().strip('"')
        self._take(")")
        self.children.append(name)
        return lambda state_of: state_of(name) == word
