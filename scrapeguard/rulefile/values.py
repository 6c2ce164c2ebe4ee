"""The single values that a rule file holds in several places."""

from __future__ import annotations

from scrapeguard.core.decision import Action, Mode
from scrapeguard.core.glob import path_fault
from scrapeguard.core.signals import SIGNALS
from scrapeguard.rulefile.faults import (
    header_fault,
    host_fault,
    method_fault,
)
from scrapeguard.rulefile.kinds import (
    Integer,
    Switch,
    Text,
    Word,
)

HOST_PATTERN = "^[^/@ ]+$"
HOST = Text("a host name such as example.org or *.example.org", host_fault, HOST_PATTERN)
PERMISSION = Word({"allow": True, "deny": False}, "a permission")
ACTION = Word({str(action): action for action in Action}, "an action")
MODE = Word({str(mode): mode for mode in Mode}, "a mode")
METHOD = Text("a method such as GET", method_fault, "^[A-Za-z-]+$")
PATH = Text("a path that begins with /, as in robots.txt", path_fault, "^/")
HEADER_NAME = Text("a header name", header_fault)
SIGNAL = Word({name: name for name in SIGNALS}, "a signal")
WEIGHT = Integer(0, 1000)
SCORE = Integer(1, 100_000)


SWITCH = Switch()
