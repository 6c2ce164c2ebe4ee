"""The way out for people: a refusal that a browser gets past by itself, or with a button.

A page that challenges has a stylesheet of its own, which every browser fetches and hardly any scraper does; a second
later it asks whether that has happened, and leads on. No script and no cookie is needed. Where it has not, or where
loading a style proves nothing, there is a button for a person to press.
"""

from __future__ import annotations

import html
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import parse_qs, quote

from scrapeguard.asgi.negotiation import Form, preferred_form
from scrapeguard.asgi.refusal import NEVER_SHARED, WAY_OUT, content_headers
from scrapeguard.asgi.responders import Response
from scrapeguard.core.asking import is_prefetch
from scrapeguard.core.clients import ClientKey
from scrapeguard.core.ledger import Deed, Standing
from scrapeguard.core.request import Request
from scrapeguard.core.tokens import Tokens
from scrapeguard.guard import Guard

PREFIX = "/.well-known/scrapeguard/"
"""What the paths begin with at which a client shows what it is."""
STYLE = f"{PREFIX}style.css"
GO_ON = f"{PREFIX}go-on"

_MAX_PATH = 2048
_STYLE_BODY = b"h1 { letter-spacing: 0 }\n"


class _Way(NamedTuple):
    """What is filled into a page."""

    token: str
    path: str


class Passage:
    """Answers at the paths under `PREFIX`, and writes what a page needs to lead there.

    Args:
        guard: knows the clients.
        tokens: say for whom a page was made.
        clock: seconds since the epoch.
    """

    def __init__(self, guard: Guard, tokens: Tokens, *, clock: Callable[[], float]) -> None:
        self._guard = guard
        self._tokens = tokens
        self._clock = clock

    def button(self, request: Request, client: str | None) -> str:
        """A form with which a person goes on, as HTML; empty where that was pressed too often, or nobody is there."""
        key = self._key(request, client)
        behaviour = self._guard.behaviour
        if key is None or behaviour is None or not behaviour.ledger.may_press(key, self._guard.monotonic()):
            return ""
        return self._form(self._way(request, key))

    def challenge(self, request: Request, client: str | None) -> tuple[str, str]:
        """What the head and the body of a page need, as HTML, for a browser to get past it."""
        key = self._key(request, client)
        behaviour = self._guard.behaviour
        if key is None or behaviour is None:
            return "", ""
        way = self._way(request, key)
        form = self.button(request, client)
        if request.method not in ("GET", "HEAD") or self._has_loaded(key):
            return "", form
        sent = request.sent
        # Only who is shown the page has been asked.
        if request.method == "GET" and preferred_form(sent.get(b"accept")) is Form.HTML and not is_prefetch(sent):
            behaviour.ledger.challenged(key, self._guard.monotonic())
        head = (
            f'<link rel="stylesheet" href="{STYLE}?t={way.token}">\n'
            f'<meta http-equiv="refresh" content="1; url={html.escape(self._go_on(way))}">\n'
        )
        return head, form

    def answer(self, request: Request) -> Response | None:
        """The answer at a path under `PREFIX`; None where there is none."""
        client = self._guard.client_of(request)
        key = self._key(request, client)
        if key is None or self._guard.behaviour is None:
            return None
        if request.path == STYLE and request.method in ("GET", "HEAD"):
            return self._style(request, key)
        if request.path != GO_ON:
            return None
        if request.method == "POST":
            return self._pressed(request.query, key)
        return self._go(_Way(*_fields(request.query)), key)

    def _key(self, request: Request, client: str | None) -> ClientKey | None:
        return None if client is None else self._guard.client_key(request, client)

    def _way(self, request: Request, key: ClientKey) -> _Way:
        target = f"{request.path}?{request.query}" if request.query else request.path
        # Nobody is led back into a trap, nor to where something is to be done.
        leads_on = request.method in ("GET", "HEAD") and not request.path.startswith(self._guard.closed)
        kept = target if leads_on and len(target) <= _MAX_PATH else "/"
        return _Way(self._tokens.issue(self._tag(key), self._clock()), kept)

    def _tag(self, key: ClientKey) -> bytes:
        behaviour = self._guard.behaviour
        return b"" if behaviour is None else behaviour.tag_of(key)

    def _has_loaded(self, key: ClientKey) -> bool:
        behaviour = self._guard.behaviour
        now = self._guard.monotonic()
        return behaviour is not None and behaviour.ledger.standing(key, now) is not Standing.NOTHING

    @staticmethod
    def _go_on(way: _Way) -> str:
        return f"{GO_ON}?t={way.token}&to={quote(way.path, safe='')}"

    def _form(self, way: _Way) -> str:
        # All of it stands in the address: servers that only ask for a verdict pass no body on.
        action = html.escape(self._go_on(way))
        return f'<form method="post" action="{action}"><button>I am a person, go on</button></form>'

    def _style(self, request: Request, key: ClientKey) -> Response:
        token, _ = _fields(request.query)
        behaviour, now = self._guard.behaviour, self._guard.monotonic()
        if behaviour is not None and self._tokens.counts(token, self._tag(key), self._clock()):
            behaviour.ledger.note(key, Deed.LOADED_STYLE, now)
            behaviour.history.passed(key, request.host, now)
        return Response(200, (*content_headers(b"text/css", _STYLE_BODY), *NEVER_SHARED), _STYLE_BODY)

    def _go(self, way: _Way, key: ClientKey) -> Response:
        """Lead on who has loaded the style; show the button to all others."""
        path = _safe(way.path)
        if self._has_loaded(key):
            return _redirect(path)
        behaviour = self._guard.behaviour
        may_press = behaviour is not None and behaviour.ledger.may_press(key, self._guard.monotonic())
        token = self._tokens.issue(self._tag(key), self._clock())
        body = _PAGE.replace("$form", self._form(_Way(token, path)) if may_press else "").encode()
        return Response(403, (*content_headers(b"text/html; charset=utf-8", body), *WAY_OUT, *NEVER_SHARED), body)

    def _pressed(self, form: str, key: ClientKey) -> Response:
        token, path = _fields(form)
        behaviour, now = self._guard.behaviour, self._guard.monotonic()
        known = self._tokens.counts(token, self._tag(key), self._clock())
        if behaviour is not None and known and behaviour.ledger.may_press(key, now):
            behaviour.ledger.note(key, Deed.PRESSED_BUTTON, now)
            behaviour.history.begins_anew(key, now)
            return _redirect(_safe(path))
        # As from another address than the page was made for: once more, made for this one.
        return self._go(_Way(token, path), key)


_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>One more step</title></head>
<body style="font: 1.05rem/1.6 system-ui, sans-serif; max-width: 34rem; margin: 14vh auto; padding: 0 1.25rem">
<h1>One more step</h1>
<p>Your browser asks for pages in a way that programs do. Press the button, and you are let through.</p>
$form
</body></html>
"""


def _fields(form: str) -> tuple[str, str]:
    """The token and the path of a form or query; empty and `/` where they are missing."""
    try:
        fields = parse_qs(form, max_num_fields=8)
    except ValueError:
        fields = {}
    return fields.get("t", [""])[0], fields.get("to", ["/"])[0]


def _safe(path: str) -> str:
    """A path of this site: nothing that a browser takes for another, and no control characters."""
    if not path.startswith("/") or path[1:2] in ("/", "\\") or len(path) > _MAX_PATH:
        return "/"
    return quote(path, safe="/%:@!$&'()*+,;=~-._?")


def _redirect(path: str) -> Response:
    headers = ((b"location", path.encode("ascii")), (b"content-length", b"0"), *NEVER_SHARED)
    return Response(303, headers, b"")
