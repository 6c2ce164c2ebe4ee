"""The decision service: other servers ask it about each request, and pass it on or answer as it says.

It is the guard of the middleware, asked over HTTP. The original request is told by the server that asks, which must be
a trusted proxy; the decision on it is made just as if it had come in here itself.

`/render` gives the answer in place of the page to servers that take but a yes or no from `/decide`. The verdict is
handed from one to the other in a ticket that is signed, so that the client is counted, and the event written, once. A
request without a good ticket is decided anew: nothing that anybody sends there turns a refusal into a page.
"""

from __future__ import annotations

import logging
from typing import Any

from scrapeguard.asgi.decoying import PROMISE, Drip, Lie
from scrapeguard.asgi.dialects import Dialect, dialect_of
from scrapeguard.asgi.middleware import GuardMiddleware
from scrapeguard.asgi.original import (
    TICKET,
    VERDICT,
    QuestionError,
    by_headers,
    of_site,
)
from scrapeguard.asgi.responders import FALSE, Response, bad_request, failure
from scrapeguard.asgi.scope import read_request
from scrapeguard.asgi.sitefiles import ROBOTS_TXT, SiteFile, Subject
from scrapeguard.asgi.ticket import Refused, Tickets
from scrapeguard.asgi.types import Receive, Scope, Send
from scrapeguard.core.decision import Action, Decision, Mode
from scrapeguard.core.request import Headers, Request
from scrapeguard.errors import RequestError
from scrapeguard.guard import Guard

logger = logging.getLogger("scrapeguard")

_REFERENCE = b"x-scrapeguard-reference"
_EMPTY = (b"content-length", b"0")
_MAX_COMPLAINTS = 64
_MAX_TICKET = 2048


class ForwardAuthApp(GuardMiddleware):
    """Answers `/decide…`, `/render`, the files of each site, and `/health`.

    Args:
        guard: decides. Its policy names the proxies that may ask.
        tickets: signs what `/decide` tells `/render`; all workers of a service share its key.
        socket_peer: the address that stands for whoever asks over a Unix socket, whose permissions say who may.
        options: what `GuardMiddleware` takes besides.
    """

    def __init__(self, guard: Guard, tickets: Tickets, *, socket_peer: str | None = None, **options: Any) -> None:
        super().__init__(_nothing, guard, **options)
        self._tickets = tickets
        self._socket_peer = socket_peer
        self._complaints: set[str] = set()
        self._field = str(guard.policy.proxies.field).encode()
        """The field in which the server that asks names the visitor; empty once it was said that it does not."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection as ASGI asks."""
        if scope["type"] != "http":
            await self._other(scope, receive, send)
            return
        if not self._background.running:
            self._background.start()
        if scope.get("client") is None and self._socket_peer is not None:
            scope["client"] = (self._socket_peer, 1)
        file = self._file(scope) if scope["path"] in self._files else None
        answer = self._answer(scope) if file is None else await self._announced(file, self._of_site(scope), receive)
        await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else answer.body})

    async def _other(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": ""})
        else:
            await super()._other(scope, receive, send)

    def _answer(self, scope: Scope) -> Response:
        path = scope["path"]
        dialect = dialect_of(path)
        try:
            if dialect is not None:
                return self._decide(dialect, scope)
            if path == "/render":
                return self._render(scope)
        except QuestionError as error:
            self._complain(str(error))
            return _plain(500, f"scrapeguard: {error}")
        return (
            _plain(200, "ok")
            if path == "/health"
            else _plain(404, "scrapeguard: no such question; ask /decide or /decide/nginx, see docs/deploy.md")
        )

    def _decide(self, dialect: Dialect, scope: Scope) -> Response:
        self._must_trust(scope)
        original = dialect.original(scope)
        # Decoys go to servers that relay them: to some at once, to others when they ask what to answer.
        lie = Lie.LATER if dialect.yes_or_no else Lie.NOW if dialect.looks_at_verdict else Lie.NEVER
        request, drip_or_answer = self._consider(original, lie)
        # What could not be read tells nothing, and where the server resolved the address nothing has to be told.
        if self._field and request.sent and not request.resolved and self._field not in request.sent:
            self._warn_of_one_client()
        answer = _at_once(drip_or_answer)
        decision: Decision = original["scrapeguard"]
        if answer is None:
            announced = self._announcements.of_page(request).headers
            return _passes(204 if dialect.yes_or_no else 200, decision, announced)
        if dialect.yes_or_no:
            return self._no(request, decision, answer)
        if answer.status < 300 and not dialect.looks_at_verdict:
            # To this server that would mean that the request passes.
            answer = self._plainly(decision, request, self._reference(answer))
        return answer._replace(headers=[*answer.headers, (VERDICT, _refusal(decision))])

    def _plainly(self, decision: Decision, request: Request, reference: str) -> Response:
        """The refusal that says what it is."""
        answer = _at_once(self._respond(_plainly_refused(decision), request, reference))
        return answer if answer and answer.status >= 300 else failure(self._announcements.unplaced.headers)

    def _no(self, request: Request, decision: Decision, answer: Response) -> Response:
        """403, with a ticket by which the server learns what to answer; without one, `/render` decides anew."""
        headers = [(VERDICT, _refusal(decision)), _EMPTY]
        if decision.refused:
            told = decision if answer is PROMISE or decision.action not in FALSE else _plainly_refused(decision)
            refused = Refused(told, self._reference(answer))
            ticket = self._tickets.write(refused, request, self._clock())
            # nginx takes an answer with a longer head for an error, after which a request may pass there.
            if len(ticket) <= _MAX_TICKET:
                headers.append((TICKET, ticket))
        return Response(403, headers, b"")

    def _render(self, scope: Scope) -> Response:
        """What to answer in place of the page."""
        self._must_trust(scope)
        ticket = next((value for name, value in scope["headers"] if name == TICKET), b"")
        original = by_headers(scope)
        answer = self._by_ticket(ticket, original) or _at_once(self._consider(original)[1])
        # Where the request would pass by now, the server has no page for it any more.
        return failure(self._announcements.unplaced.headers) if answer is None else answer

    def _by_ticket(self, ticket: bytes, original: Scope) -> Response | None:
        try:
            request = read_request(original)
        except RequestError:
            return None
        refused = self._tickets.read(ticket, request, self._clock())
        if refused is None:
            return None
        return _at_once(self._respond(refused.decision, request, refused.reference, lie=Lie.PROMISED))

    def _reference(self, answer: Response) -> str:
        """That of an answer; a new one where it shows none."""
        given = next((value for name, value in answer.headers if name == _REFERENCE), None)
        return self._new_reference() if given is None else given.decode("ascii")

    def _must_trust(self, scope: Scope) -> None:
        """Raise a QuestionError where the peer may not tell of requests."""
        client = scope.get("client")
        peer = client[0] if client else "a peer without address"
        if not self.guard.policy.proxies.trusts_peer(peer):
            raise QuestionError(f"{peer} asks for decisions, but is not under `proxies.trusted` in the rule file")

    async def _announced(self, file: SiteFile, scope: Scope, receive: Receive) -> Response:
        """A file as it is for a site, to everybody; 404 where there is none, and the app behind the server may have."""
        try:
            request = read_request(scope)
        except RequestError as error:
            return bad_request(str(error), self._announcements.unplaced.headers)
        policy = self.guard.policy
        answer = None
        if policy.site(request.host).mode is Mode.ENFORCE:
            subject = Subject(
                policy, request.host, policy.proxies.scheme(request), self.guard.refused_paths, self.guard.closed
            )
            answer = await file.answer(subject, request, self._monotonic(), self.app, scope, receive)
            if answer is not None and scope["path"] == ROBOTS_TXT:
                self._note_reader(request, answer)
        return _plain(404, "scrapeguard: nothing is announced here") if answer is None else answer

    def _of_site(self, scope: Scope) -> Scope:
        """The scope of a question for a file, which anybody may ask for; who is trusted may say of which site."""
        try:
            self._must_trust(scope)
        except QuestionError:
            return scope
        return of_site(scope)

    def _warn_of_one_client(self) -> None:
        name = self._field.decode().title()
        logger.warning("a question came without %s: all visitors then seem to be the server that asks", name)
        # Said once.
        self._field = b""

    def _complain(self, message: str) -> None:
        """Say once what is wrong with a question: each of them may be."""
        if message not in self._complaints and len(self._complaints) < _MAX_COMPLAINTS:
            self._complaints.add(message)
            logger.error("a decision could not be made, and 500 was answered: %s", message)


def _at_once(answer: Response | Drip | None) -> Response | None:
    """An answer that is not sent slowly: there are none here, since the servers that ask wait for the whole."""
    if isinstance(answer, Drip):
        raise TypeError("a decision service has no tarpit")
    return answer


def _plainly_refused(decision: Decision) -> Decision:
    """The decision where no decoy can be had."""
    return decision._replace(action=Action.BLOCK)


def _refusal(decision: Decision) -> bytes:
    """The verdict on a request that gets no page, be it for what it is or since the guard could not read it."""
    return (decision.action if decision.refused else Action.BLOCK).encode()


def _passes(status: int, decision: Decision, announced: Headers) -> Response:
    effect = Action.ALLOW if decision.action is Action.ALLOW else Action.OBSERVE
    headers = ((VERDICT, effect.encode()), *announced)
    return Response(status, headers if status == 204 else (_EMPTY, *headers), b"")


def _plain(status: int, text: str) -> Response:
    body = f"{text}\n".encode()
    headers = ((b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"%d" % len(body)))
    return Response(status, (*headers, (b"cache-control", b"no-store")), body)


async def _nothing(scope: Scope, receive: Receive, send: Send) -> None:
    """The app behind: there is none, so it has no file of its own, and nothing to begin or end."""
    if scope["type"] == "lifespan":
        for phase in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{phase}.complete"})
        return
    await send({"type": "http.response.start", "status": 404, "headers": []})
    await send({"type": "http.response.body", "body": b""})
