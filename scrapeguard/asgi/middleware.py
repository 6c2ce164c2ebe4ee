"""The ASGI middleware: reads the request, asks the guard, and either answers or steps aside."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from random import getrandbits

from scrapeguard.asgi.addresswatch import AddressWatch
from scrapeguard.asgi.announcing import Announcer
from scrapeguard.asgi.refusal import RefusalPages
from scrapeguard.asgi.responders import RESPONDERS, Response, bad_request, failure
from scrapeguard.asgi.scope import read_request
from scrapeguard.asgi.sitefiles import SiteFile, site_files
from scrapeguard.asgi.types import ASGIApp, Receive, Scope, Send
from scrapeguard.core.decision import Action, Decision, Mode
from scrapeguard.core.optout import announcement
from scrapeguard.core.policy import SitePolicy
from scrapeguard.core.request import Request
from scrapeguard.errors import RequestError
from scrapeguard.guard import Guard
from scrapeguard.telemetry.events import Event, Recorder

logger = logging.getLogger("scrapeguard")


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
        self._announcers: dict[SitePolicy, Announcer] = {}
        self._pages: dict[SitePolicy, RefusalPages] = {}
        self._watch: AddressWatch | None = AddressWatch()
        self._on_error = guard.policy.on_error
        self.errors = 0
        """Requests for which the guard itself failed."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection as ASGI asks."""
        kind = scope["type"]
        if kind not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        file = self._files.get(scope["path"])
        if file is not None and kind == "http" and scope["method"] in ("GET", "HEAD"):
            answer = await self._site_file(file, scope, receive)
        else:
            answer = self._answer(scope)
        if answer is None:
            await self.app(scope, receive, self._announcer(scope).wrap(send) if kind == "http" else send)
        elif kind == "http":
            body = b"" if scope["method"] == "HEAD" else answer.body
            await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
            await send({"type": "http.response.body", "body": body})
        else:
            await _deny_websocket(answer, scope, receive, send)

    def _answer(self, scope: Scope) -> Response | None:
        """What to answer in the app's stead; None to step aside."""
        try:
            request = read_request(scope)
            decision = self.guard.assess(request)
            scope["scrapeguard"] = decision
            if self._watch is not None:
                self._watch_address(decision.client)
            if decision.action is Action.ALLOW and not self._record_all:
                return None
            return self._act(decision, request)
        except RequestError as error:
            scope["scrapeguard"] = Decision(Action.ALLOW, "default", mode=Mode.OBSERVE)
            return bad_request(str(error)) if self.guard.policy.common.mode is Mode.ENFORCE else None
        except Exception:
            self._count_error("the guard failed (on_error: %s)", self._on_error)
            scope["scrapeguard"] = Decision(self._on_error, "on_error")
            return None if self._on_error is Action.ALLOW else failure()

    def _act(self, decision: Decision, request: Request) -> Response | None:
        reference = self._new_reference()
        if self._record is not None:
            try:
                self._record(Event.of(self._clock(), reference, request, decision))
            except Exception:
                self._count_error("an event could not be recorded")
        responder = RESPONDERS.get(decision.action)
        if responder is None or decision.mode is not Mode.ENFORCE:
            return None
        return responder(decision, request, self._pages_for(request.host), reference.encode())

    def _watch_address(self, client: str | None) -> None:
        if self._watch is None:
            return
        if warning := self._watch.warning(client):
            logger.warning(warning)
        if self._watch.done:
            self._watch = None

    def _count_error(self, message: str, *values: object) -> None:
        """An error of our own: the first is logged whole, all are counted."""
        self.errors += 1
        if self.errors == 1:
            logger.exception(f"{message}; further errors are only counted", *values)

    async def _site_file(self, file: SiteFile, scope: Scope, receive: Receive) -> Response | None:
        """A file that is answered before any rule and to everybody; as any request where nothing is enforced."""
        policy = self.guard.policy
        answer = None
        try:
            request = read_request(scope)
            if policy.site(request.host).mode is Mode.ENFORCE:
                answer = await file.answer(policy, request, self._monotonic(), self.app, scope, receive)
        except RequestError:
            pass
        except Exception:
            self._count_error("a file of the app could not be merged; the policy's own is served")
            answer = file.without_the_app(policy, Request())
        return self._answer(scope) if answer is None else answer

    def _announcer(self, scope: Scope) -> Announcer:
        """Adds what the site announces to a response of its app; nothing where nothing is enforced."""
        policy = self.guard.policy
        site = policy.site(_host_of(scope)) if policy.sites else policy.common
        announcer = self._announcers.get(site)
        if announcer is None:
            headers = announcement(site).headers if site.mode is Mode.ENFORCE else ()
            announcer = self._announcers[site] = Announcer(headers)
        return announcer

    def _pages_for(self, host: str) -> RefusalPages:
        site = self.guard.policy.site(host)
        pages = self._pages.get(site)
        if pages is None:
            pages = self._pages[site] = RefusalPages(site.refusal, announcement(site).headers)
        return pages


def _host_of(scope: Scope) -> str:
    host = next((value for name, value in scope["headers"] if name == b"host"), b"")
    return bytes(host).decode("latin-1")


async def _deny_websocket(response: Response, scope: Scope, receive: Receive, send: Send) -> None:
    """Refuse a handshake: with the whole answer where the server can (ASGI denial extension), else with a bare 403."""
    await receive()
    if "websocket.http.response" not in (scope.get("extensions") or {}):
        await send({"type": "websocket.close", "code": 1008, "reason": ""})
        return
    start = {"type": "websocket.http.response.start", "status": response.status, "headers": response.headers}
    await send(start)
    await send({"type": "websocket.http.response.body", "body": response.body})
