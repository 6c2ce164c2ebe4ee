"""How sure it is that a client is the agent that it names."""

from __future__ import annotations

from enum import StrEnum


class Identity(StrEnum):
    """`none`: names no agent. `claimed`: gives a name, and nothing is known for or against it.

    `verified`: its operator vouches for the address, in a published list or by reverse DNS. `spoofed`: its operator
    lets others check that, and the answer was no.
    """

    NONE = "none"
    CLAIMED = "claimed"
    VERIFIED = "verified"
    SPOOFED = "spoofed"
