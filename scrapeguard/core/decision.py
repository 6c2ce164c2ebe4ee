"""What was decided about a request, and why."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Any, NamedTuple

from scrapeguard.core.catalogue import Purpose
from scrapeguard.core.identity import Identity


class Action(StrEnum):
    """What happens to a request."""

    ALLOW = "allow"
    OBSERVE = "observe"
    THROTTLE = "throttle"
    CHALLENGE = "challenge"
    BLOCK = "block"
    DECOY = "decoy"
    TARPIT = "tarpit"

    # That of Enum is written in Python; actions are looked up for every refusal.
    __hash__ = str.__hash__

    @property
    def refuses(self) -> bool:
        """Whether the page is refused for good, as robots.txt can say it too."""
        return self in _FOR_GOOD

    @property
    def passes(self) -> bool:
        """Whether the client gets the page: not later, and not once it has shown something."""
        return self is Action.ALLOW or self is Action.OBSERVE


_FOR_GOOD = frozenset({Action.BLOCK, Action.DECOY, Action.TARPIT})

STATUS: dict[Action, int] = {
    Action.ALLOW: 200,
    Action.OBSERVE: 200,
    Action.THROTTLE: 429,
    Action.CHALLENGE: 403,
    Action.BLOCK: 403,
    Action.DECOY: 200,
    Action.TARPIT: 200,
}
"""The HTTP status of each action; 200 means that the request passes, whatever the app then answers, or a decoy."""


class Mode(StrEnum):
    """Whether decisions take effect, or are only written down."""

    ENFORCE = "enforce"
    OBSERVE = "observe"


class Reason(NamedTuple):
    """A signal that was seen, what it weighs under this policy, and what was seen."""

    signal: str
    weight: int
    evidence: str


class Recognised(NamedTuple):
    """Who the client says it is."""

    name: str | None
    operator: str | None
    purpose: Purpose
    identity: Identity


class _Verdict(NamedTuple):
    action: Action
    rule: str
    score: int = 0
    agent: Recognised | None = None
    client: str | None = None
    reasons: tuple[Reason, ...] = ()
    mode: Mode = Mode.ENFORCE


class Decision(_Verdict):
    """The verdict on one request, which the app finds in `scope["scrapeguard"]` and may answer with `refuse_ai`.

    `rule` names what decided: `agents.…`, `sharing.…`, a rule's name, `thresholds.…` or `default`.
    """

    ai_refused = False
    """Whether the app said that the author of the page refuses AI."""

    trap: Callable[[], str] | None = None
    """Makes a link to a trap for the page that is asked for; None where there are no traps."""

    def trap_link(self) -> str:
        """A link to a trap as HTML, for a template; empty where there are none. Nobody sees, hears or reaches it."""
        return "" if self.trap is None else self.trap()

    def refuse_ai(self) -> None:
        """Refuse the page to AI, in the name of its author.

        Said by the app before it begins to answer: a client that serves AI then gets the refusal in place of the page,
        and the headers say so to everyone.
        """
        self.ai_refused = True

    @property
    def status(self) -> int:
        """The HTTP status of the action; 200 where the request passes, or gets a decoy."""
        return STATUS[self.action]

    @property
    def refused(self) -> bool:
        """Whether the client gets no page in effect: the action does not let it pass, and the mode enforces."""
        return not self.action.passes and self.mode is Mode.ENFORCE

    def for_client(self, client: str | None) -> Decision:
        """The same decision on another client."""
        action, rule, score, agent, _, reasons, mode = self
        # Once for every request: past the constructor, which is written in Python, at a third of the cost.
        return tuple.__new__(Decision, (action, rule, score, agent, client, reasons, mode))

    def to_json(self) -> dict[str, Any]:
        """The decision as every command, log line and event writes it."""
        return {
            "action": str(self.action),
            "status": self.status,
            "rule": self.rule,
            "score": self.score,
            "agent": None
            if self.agent is None
            else {
                "name": self.agent.name,
                "operator": self.agent.operator,
                "purpose": str(self.agent.purpose),
                "identity": str(self.agent.identity),
            },
            "client": self.client,
            "reasons": [reason._asdict() for reason in self.reasons],
        }
