"""What was decided on a request, signed, for the one who is to answer it a moment later."""

from __future__ import annotations

import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import NamedTuple

from scrapeguard.core.catalogue import Purpose
from scrapeguard.core.decision import Action, Decision, Recognised
from scrapeguard.core.identity import Identity
from scrapeguard.core.request import Request

LIFETIME = 10.0
"""Seconds for which a ticket is good: it is used at once or never."""
_MAC_SIZE = 32
_MAX_SIZE = 4096


class Refused(NamedTuple):
    """A refusal, and the reference by which its event is found."""

    decision: Decision
    reference: str


class Tickets:
    """Writes tickets and reads those that it wrote. A ticket is good for one request, and not for long.

    Args:
        key: a secret of 32 octets.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    def write(self, refused: Refused, request: Request, now: float) -> bytes:
        """The ticket: base64url of a MAC (HMAC-SHA256) and a line of JSON.

        Args:
            refused: what was decided. The reasons stay behind: the event has them.
            request: what it was decided on.
            now: seconds since the epoch.
        """
        decision, reference = refused
        agent = None if decision.agent is None else list(decision.agent)
        said = [now + LIFETIME, reference, decision.action, decision.rule, decision.score, decision.client, agent]
        payload = json.dumps(said).encode()
        return urlsafe_b64encode(self._mac(payload, request) + payload)

    def read(self, ticket: bytes, request: Request, now: float) -> Refused | None:
        """What a ticket says; None where it is not ours, too old, or for another request."""
        try:
            octets = urlsafe_b64decode(ticket[:_MAX_SIZE])
        except ValueError:
            return None
        payload = octets[_MAC_SIZE:]
        if not hmac.compare_digest(octets[:_MAC_SIZE], self._mac(payload, request)):
            return None
        until, reference, action, rule, score, client, agent = json.loads(payload)
        if now > until:
            return None
        return Refused(Decision(Action(action), rule, score, _recognised(agent), client), reference)

    def _mac(self, payload: bytes, request: Request) -> bytes:
        parts = (request.method, request.host, request.path, request.query)
        # A NUL can stand in none of them.
        told = "\0".join(parts).encode("utf-8", "surrogateescape")
        return hmac.digest(self._key, b"\0".join((told, request.user_agent or b"", payload)), "sha256")


def _recognised(agent: tuple[str | None, str | None, str, str] | None) -> Recognised | None:
    if agent is None:
        return None
    name, operator, purpose, identity = agent
    return Recognised(name, operator, Purpose(purpose), Identity(identity))
