"""The ASGI middleware: reads the request, asks the guard, and either answers or steps aside."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import partial
from random import getrandbits

from scrapeguard.asgi.addresswatch import AddressWatch
from scrapeguard.asgi.announcing import Announcements
from scrapeguard.asgi.background import Background
from scrapeguard.asgi.decoying import Decoying, Drip, Lie
from scrapeguard.asgi.injecting import BYPASSES, Injector
from scrapeguard.asgi.outgoing import Additions, announcing, stems_from_refusal
from scrapeguard.asgi.passage import PREFIX, Passage
from scrapeguard.asgi.responders import FALSE, NO_WAY_OUT, RESPONDERS, Response, WayOut, bad_request, failure
from scrapeguard.asgi.scope import read_request
from scrapeguard.asgi.sitefiles import ROBOTS_TXT, SiteFile, Subject, site_files
from scrapeguard.asgi.types import ASGIApp, Receive, Scope, Send
from scrapeguard.core.decision import Action, Decision, Mode
from scrapeguard.core.engine import TRAPS
from scrapeguard.core.request import Request
from scrapeguard.errors import RequestError
from scrapeguard.guard import Guard
from scrapeguard.telemetry.events import Event, Recorder

logger = logging.getLogger("scrapeguard")


# Members of an enum are found anew by each look (Python 3.11), at the cost of a call.
_ALLOW = Action.ALLOW
_UNREADABLE = Request()
"""Stands for a request that could be read in two ways."""


def random_reference() -> str:
    """Ten hexadecimal digits: an id to find a decision by, no secret. Workers that were forked draw different ones."""
    return f"{getrandbits(40):010x}"


class GuardMiddleware:
    """Puts a guard in front of an ASGI app. Lifespan and unknown scopes pass; an error of the guard's own does too.

    Args:
        app: the app behind.
        guard: decides.
        record: takes an event for every request that was refused or observed; None for no events.
        record_all: events for the allowed ones too.
        passage: the way out for people who are refused; None for none.
        decoying: answers with decoys; None to refuse instead.
        background: what is to be done beside the requests, begun with the app and ended with it.
        clock: seconds since the epoch.
        monotonic: seconds that never go back.
        new_reference: makes the short id that a refused client is given, in ASCII.
    """

    def __init__(
        self,
        app: ASGIApp,
        guard: Guard,
        *,
        record: Recorder | None = None,
        record_all: bool = False,
        passage: Passage | None = None,
        decoying: Decoying | None = None,
        background: Background | None = None,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        new_reference: Callable[[], str] = random_reference,
    ) -> None:
        self.app = app
        self.guard = guard
        self._record = record
        self._record_all = record_all
        self._clock = clock
        self._new_reference = new_reference
        self._monotonic = monotonic
        self._files = site_files()
        self._passage = passage
        self._decoying = decoying
        self._links = Injector(guard) if guard.policy.traps.live else None
        self._announcements = Announcements(guard)
        injector = self._links if guard.policy.traps.inject else None
        self._additions = Additions(self._announcements, self._author_refusal, injector)
        self._watch: AddressWatch | None = AddressWatch()
        self._on_error = guard.policy.on_error
        self._background = background or Background(())
        self.errors = 0
        """Requests for which the guard itself failed."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection as ASGI asks."""
        if scope["type"] not in ("http", "websocket"):
            await self._other(scope, receive, send)
            return
        if not self._background.running:
            self._background.start()
        file = self._file(scope) if scope["path"] in self._files else None
        if file is None:
            request, answer = self._consider(scope)
        else:
            request, answer = await self._site_file(file, scope, receive)
        if answer is not None:
            await self._send_answer(answer, scope, receive, send)
            return
        if self._additions.injector is not None:
            scope = _without_bypasses(scope)
        try:
            await self.app(scope, receive, announcing(self._additions, request, scope, send))
        except Exception as error:
            if not stems_from_refusal(error):
                raise

    async def _send_answer(self, answer: Response | Drip, scope: Scope, receive: Receive, send: Send) -> None:
        if isinstance(answer, Drip):
            if self._decoying is not None:
                await self._decoying.drip(answer, scope, receive, send)
        elif scope["type"] == "websocket":
            await _deny_websocket(answer, scope, receive, send)
        else:
            await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
            await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else answer.body})

    async def _other(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._background.lifespan(self.app, scope, receive, send)
        else:
            await self.app(scope, receive, send)

    def _file(self, scope: Scope) -> SiteFile | None:
        """The file of the site that is asked for, if it is one."""
        asked = scope["type"] == "http" and scope["method"] in ("GET", "HEAD")
        return self._files[scope["path"]] if asked else None

    def _consider(self, scope: Scope, lie: Lie = Lie.NOW) -> tuple[Request, Response | Drip | None]:
        """The request, and what to answer in the app's stead; None to step aside.

        Args:
            scope: of the request.
            lie: whether it may be answered with a decoy; a WebSocket never is.
        """
        request = _UNREADABLE
        try:
            request = read_request(scope)
            if self._passage is not None and request.path.startswith(PREFIX):
                scope["scrapeguard"] = Decision(Action.ALLOW, "default", client=self.guard.client_of(request))
                if (answer := self._passage.answer(request)) is not None:
                    return request, answer
            scope["scrapeguard"] = decision = self.guard.assess(request)
            if self._links is not None:
                decision.trap = partial(self._links.html, request, decision.client)
            if self._watch is not None:
                self._watch_address(self._watch, decision.client)
            if decision.action is _ALLOW and not self._record_all:
                return request, None
            return request, self._act(decision, request, lie=lie if scope["type"] == "http" else Lie.NEVER)
        except RequestError as error:
            scope["scrapeguard"] = Decision(Action.ALLOW, "default", mode=Mode.OBSERVE)
            enforced = self.guard.policy.common.mode is Mode.ENFORCE
            return request, bad_request(str(error), self._announcements.unplaced.headers) if enforced else None
        except Exception:
            self._count_error("the guard failed (on_error: %s)", self._on_error)
            scope["scrapeguard"] = Decision(self._on_error, "on_error")
            passes = self._on_error is Action.ALLOW
            return request, None if passes else failure(self._announcements.unplaced.headers)

    def _act(
        self, decision: Decision, request: Request, *, refused: bool = False, lie: Lie = Lie.NEVER
    ) -> Response | Drip | None:
        """Answer where the decision refuses, and write down what was decided, and with which status it was answered.

        Args:
            decision: what was decided.
            request: what it was decided on.
            refused: whether the app said that the author refuses AI.
            lie: whether it may be answered with a decoy.
        """
        reference = self._new_reference()
        answer = self._respond(decision, request, reference, refused=refused, lie=lie)
        if self._record is not None:
            status = None if answer is None else answer.status
            try:
                self._record(Event.of(self._clock(), reference, request, decision, status))
            except Exception:
                self._count_error("an event could not be recorded")
        return answer

    def _respond(
        self, decision: Decision, request: Request, reference: str, *, refused: bool = False, lie: Lie = Lie.NEVER
    ) -> Response | Drip | None:
        """What the client gets in place of the page; None where the request passes."""
        responder = RESPONDERS.get(decision.action)
        if responder is None or decision.mode is not Mode.ENFORCE:
            return None
        voice = self._announcements.of_page(request, refused=refused)
        if decision.action in FALSE and self._decoying is not None:
            answer = self._decoying.answer(decision, request, voice.headers, lie)
            if answer is not None:
                return answer
        way = NO_WAY_OUT if self._passage is None else self._way_out(self._passage, decision, request)
        return responder(decision, request, voice.pages, reference.encode(), voice.headers, way)

    def _way_out(self, passage: Passage, decision: Decision, request: Request) -> WayOut:
        """How a person goes on; there is none where the owner refuses those whose names they are."""
        if decision.action is Action.CHALLENGE:
            return WayOut(*passage.challenge(request, decision.client))
        if decision.rule == TRAPS or decision.rule.startswith("thresholds."):
            return WayOut(button=passage.button(request, decision.client))
        return NO_WAY_OUT

    def _author_refusal(self, request: Request, decision: Decision) -> Response | None:
        """What the client gets once the app says that the author refuses AI; None where that changes nothing."""
        refused = self.guard.refused_by_author(request, decision)
        if refused is decision:
            return None
        answer = self._act(refused, request, refused=True)
        return None if isinstance(answer, Drip) else answer

    def _watch_address(self, watch: AddressWatch, client: str | None) -> None:
        if warning := watch.warning(client):
            logger.warning(warning)
        if watch.done:
            self._watch = None

    def _count_error(self, message: str, *values: object) -> None:
        """An error of our own: the first is logged whole, all are counted."""
        self.errors += 1
        if self.errors == 1:
            logger.exception(f"{message}; further errors are only counted", *values)

    def _note_reader(self, request: Request, answer: Response) -> None:
        """Write down that a client has read this robots.txt."""
        version = next((value for name, value in answer.headers if name == b"etag"), None)
        if version is not None:
            text = answer.body if answer.status == 200 else None
            self.guard.read_robots(request, version.decode("latin-1"), text)

    async def _site_file(
        self, file: SiteFile, scope: Scope, receive: Receive
    ) -> tuple[Request, Response | Drip | None]:
        """A file that is answered before any rule and to everybody; as any request where nothing is enforced."""
        try:
            request = read_request(scope)
        except RequestError:
            return self._consider(scope)
        policy = self.guard.policy
        answer = None
        if policy.site(request.host).mode is Mode.ENFORCE:
            scheme = policy.proxies.scheme(request) if policy.proxies.networks else request.scheme
            subject = Subject(policy, request.host, scheme, self.guard.refused_paths, self.guard.closed)
            try:
                answer = await file.answer(subject, request, self._monotonic(), self.app, scope, receive)
            except Exception:
                self._count_error("a file of the app could not be merged; the policy's own is served")
                answer = file.without_the_app(subject, request)
            if answer is not None and scope["path"] == ROBOTS_TXT:
                self._note_reader(request, answer)
        return self._consider(scope) if answer is None else (request, answer)


def _without_bypasses(scope: Scope) -> Scope:
    """The scope without the extensions by which a body goes past us."""
    extensions = scope.get("extensions") or {}
    if not any(name in extensions for name in BYPASSES):
        return scope
    # The app finds the decision in a copy too.
    return {**scope, "extensions": {name: said for name, said in extensions.items() if name not in BYPASSES}}


async def _deny_websocket(response: Response, scope: Scope, receive: Receive, send: Send) -> None:
    """Refuse a handshake: with the whole answer where the server can (ASGI denial extension), else with a bare 403."""
    await receive()
    if "websocket.http.response" not in (scope.get("extensions") or {}):
        await send({"type": "websocket.close", "code": 1008, "reason": ""})
        return
    start = {"type": "websocket.http.response.start", "status": response.status, "headers": response.headers}
    await send(start)
    await send({"type": "websocket.http.response.body", "body": response.body})
