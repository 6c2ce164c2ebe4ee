"""The single values that a rule file holds in several places."""

from __future__ import annotations

from scrapeguard.core.decision import Action, Mode
from scrapeguard.core.glob import path_fault
from scrapeguard.core.rates import Rate
from scrapeguard.core.signals import SIGNALS
from scrapeguard.core.upstream import upstream_fault
from scrapeguard.rulefile.faults import (
    age_fault,
    age_of,
    header_fault,
    host_fault,
    method_fault,
    rate_fault,
    rate_of,
    size_fault,
    size_of,
)
from scrapeguard.rulefile.kinds import (
    Integer,
    Problems,
    Schema,
    Switch,
    Text,
    Word,
)
from scrapeguard.rulefile.tree import Node

HOST_PATTERN = "^[^/@ ]+$"
HOST = Text("a host name such as example.org or *.example.org", host_fault, HOST_PATTERN)
PERMISSION = Word({"allow": True, "deny": False}, "a permission")
ACTION = Word({str(action): action for action in Action}, "an action")
MODE = Word({str(mode): mode for mode in Mode}, "a mode")
METHOD = Text("a method such as GET", method_fault, "^[A-Za-z-]+$")
PATH = Text("a path that begins with /, as in robots.txt", path_fault, "^/")
HEADER_NAME = Text("a header name", header_fault)
UPSTREAM = Text(
    "an upstream such as http://127.0.0.1:3000, https://HOST or unix:/PATH", upstream_fault, "^(https?://|unix:/)."
)
SIGNAL = Word({name: name for name in SIGNALS}, "a signal")
WEIGHT = Integer(0, 1000)
SCORE = Integer(1, 100_000)
SWITCH = Switch()


class RateText:
    """A rate such as `10/s`."""

    _text = Text("a rate such as 10/s, 100/min or 20/30s", rate_fault, "^[1-9][0-9]*/[0-9]*(s|min|h|d)$")

    def read(self, node: Node, problems: Problems) -> Rate | None:
        """The rate; None after a problem was noted."""
        text = self._text.read(node, problems)
        return None if text is None else rate_of(text)

    def schema(self) -> Schema:
        """A string of that form."""
        return self._text.schema()


RATE = RateText()


class AgeText:
    """An age such as `730d`, or `never`."""

    _text = Text("an age such as 730d, or never", age_fault, "^([1-9][0-9]*(s|min|h|d)|never)$")

    def read(self, node: Node, problems: Problems) -> float | None:
        """The seconds, infinite for `never`; None after a problem was noted."""
        text = self._text.read(node, problems)
        return None if text is None else age_of(text)

    def schema(self) -> Schema:
        """A string of that form."""
        return self._text.schema()


class SizeText:
    """A size such as `512MB`."""

    _text = Text("a size such as 512MB", size_fault, "^[1-9][0-9]*(kB|MB|GB)$")

    def read(self, node: Node, problems: Problems) -> int | None:
        """The octets; None after a problem was noted."""
        text = self._text.read(node, problems)
        return None if text is None else size_of(text)

    def schema(self) -> Schema:
        """A string of that form."""
        return self._text.schema()


AGE, SIZE = AgeText(), SizeText()
