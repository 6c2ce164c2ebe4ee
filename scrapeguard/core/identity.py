"""How sure it is that a client is the agent that it names."""

from __future__ import annotations

from enum import StrEnum


class Identity(StrEnum):
    """`none`: names no agent. `claimed`: gives a name, and nothing is known for or against it."""

    NONE = "none"
    CLAIMED = "claimed"
