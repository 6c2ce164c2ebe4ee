"""Putting a link to a trap into the pages of the app, where no person comes upon it."""

from __future__ import annotations

from collections.abc import Mapping

from scrapeguard.core.catalogue import Purpose
from scrapeguard.core.decision import Decision
from scrapeguard.core.request import Request
from scrapeguard.guard import Guard

_ELSEWHERE = frozenset(
    {b"content-encoding", b"content-range", b"content-digest", b"repr-digest", b"digest", b"content-md5"}
)
"""Headers of bodies that cannot be added to."""
# Who names itself and is welcome gets the page as it is.
_INJECTED = frozenset({Purpose.BROWSER, Purpose.UNKNOWN, Purpose.TOOL, Purpose.OTHER_BOT})
_LINK = '<div hidden inert><a href="{}" rel="nofollow" tabindex="-1" aria-hidden="true"></a></div>'
BYPASSES = ("http.response.pathsend", "http.response.zerocopysend")
"""Extensions by which a body would go past us."""


class Injector:
    """Makes the links.

    Args:
        guard: knows the traps and the clients.
    """

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    def link(self, request: Request, decision: Decision, status: int, headers: Mapping[bytes, bytes]) -> bytes:
        """What to add at the end of a page; empty where nothing may be added.

        Args:
            request: what was asked for.
            decision: what was decided on it.
            status: of the answer.
            headers: of the answer, by their names in lower case.
        """
        if status != 200 or not headers.get(b"content-type", b"").startswith(b"text/html") or not _wants_page(request):
            return b""
        if not _ELSEWHERE.isdisjoint(headers) or b"no-transform" in headers.get(b"cache-control", b""):
            return b""
        if decision.agent is not None and decision.agent.purpose not in _INJECTED:
            return b""
        return self.html(request, decision.client, shared=_is_shared(headers)).encode()

    def html(self, request: Request, client: str | None, *, shared: bool = False) -> str:
        """A link to a trap that nobody sees, hears or reaches with keys; empty where there are no traps.

        Args:
            request: of the page that it is for.
            client: the address that the page goes to.
            shared: whether others may be given the same page, so that the link must not speak of one client.
        """
        behaviour = self._guard.behaviour
        if behaviour is None or behaviour.traps is None or client is None:
            return ""
        traps = behaviour.traps
        tag = traps.of_nobody if shared else behaviour.tag_of(self._guard.client_key(request, client))
        return _LINK.format(traps.address(tag))


def headers_of_injected(headers: list[tuple[bytes, bytes]], added: int, *, head: bool) -> list[tuple[bytes, bytes]]:
    """The headers of an answer whose body grows: its length, and no promise that octets stay the same.

    Args:
        headers: of the app's answer.
        added: octets.
        head: whether the answer has no body, so that its length need not be said (RFC 9110 §8.6).
    """
    changed = []
    for name, value in headers:
        match name.lower():
            case b"content-length" if head:
                continue
            case b"content-length" if value.isdigit():
                changed.append((name, b"%d" % (int(value) + added)))
            case b"etag" if not value.startswith(b"W/"):
                changed.append((name, b"W/" + value))
            case b"accept-ranges":
                continue
            case _:
                changed.append((name, value))
    return changed


def _is_shared(headers: Mapping[bytes, bytes]) -> bool:
    """Whether caches of others may keep the answer: all but what says that they must not (RFC 9111 §5.2.2)."""
    said = {part.strip() for part in headers.get(b"cache-control", b"").lower().split(b",")}
    return said.isdisjoint((b"private", b"no-store"))


def _wants_page(request: Request) -> bool:
    """Whether a page is asked for, and not a part of one, or something that is called one by default."""
    sent = request.sent
    if request.method not in ("GET", "HEAD") or b"text/html" not in sent.get(b"accept", b""):
        return False
    return sent.get(b"sec-fetch-dest", b"document") == b"document"
