"""The words of a refusal, in each form a client may ask for."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping
from enum import Enum
from string import Template

from scrapeguard.asgi.negotiation import Form
from scrapeguard.core.policy import Refusal
from scrapeguard.core.request import Headers

# Stands for the reference while a page is put together once; each refusal then only joins two halves.
_MARK = "\x00"

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>
:root { color-scheme: light dark; }
body { font: 1.05rem/1.6 system-ui, sans-serif; max-width: 34rem; margin: 14vh auto; padding: 0 1.25rem; }
h1 { font-size: 1.5rem; line-height: 1.25; }
footer { margin-top: 2.5rem; padding-top: 1rem; border-top: 1px solid #8886; font-size: .9rem; }
button { font: inherit; padding: .5em 1em; cursor: pointer; }
code { font: inherit; font-family: ui-monospace, monospace; user-select: all; }
</style>
</head>
<body>
<main>
<h1>$title</h1>
<p>$text</p>
<p>If you are a person and see this page, that is a mistake. $contact</p>
</main>
<footer>Reference <code>$reference</code></footer>
</body>
</html>
"""


class Notice(Enum):
    """Pages that are no refusal for good."""

    CHALLENGE = "challenge"
    TRAP = "trap"


_NOTICES: dict[Notice, tuple[str, str]] = {
    Notice.CHALLENGE: (
        "One moment, please",
        "This site looks whether a browser is asking. Yours goes on by itself, in a second or two.",
    ),
    Notice.TRAP: (
        "This is a trap for programs",
        "No link that can be seen leads here, and robots.txt closes this path to all programs. If you are a person, "
        "nothing has happened: press the button, and read on.",
    ),
}
_MISTAKE = "<p>If you are a person and see this page, that is a mistake. </p>\n"
_RETRY_AFTER = 60

NEVER_SHARED: Headers = (
    (b"cache-control", b"private, no-store"),
    (b"vary", b"User-Agent, Accept"),
    (b"x-content-type-options", b"nosniff"),
)
"""An answer to one client must never be served to the next from a cache (RFC 9111 §5.2.2)."""

REFERENCE = b"x-scrapeguard-reference"
"""The header that holds what a decision is found by in the log."""
_MEDIA_TYPES = {
    Form.HTML: b"text/html; charset=utf-8",
    Form.JSON: b"application/problem+json",
    Form.TEXT: b"text/plain; charset=utf-8",
}
_POLICY_OF_PAGES = (
    b"content-security-policy",
    b"default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
)


WAY_OUT: Headers = (
    (b"content-security-policy", b"default-src 'none'; style-src 'unsafe-inline' 'self'; frame-ancestors 'none'"),
)
"""What a page may load that leads a person on: a style of its own."""


def content_headers(media_type: bytes, body: bytes) -> Headers:
    """The fields that describe a body."""
    return ((b"content-type", media_type), (b"content-length", b"%d" % len(body)))


class RefusalPages:
    """A refusal, put together once for each form; only the reference is filled in for each client.

    Args:
        refusal: its words.
        retry_after: for rules that throttle, after how many seconds a client may come again.
    """

    def __init__(self, refusal: Refusal, retry_after: Mapping[str, int] | None = None) -> None:
        self._retry_after = dict(retry_after or {})
        # By form and length of the reference, on which the content-length depends.
        self._headers: dict[tuple[Form, int], Headers] = {}
        own_words = {"title": refusal.title, "text": refusal.text}
        escaped = {name: html.escape(words) for name, words in own_words.items()}
        page = Template(refusal.template or _PAGE).substitute(
            escaped, contact=_contact_html(refusal.contact), reference=_MARK
        )
        problem: dict[str, object] = {
            "type": "about:blank",
            "title": refusal.title,
            "status": 403,
            "detail": refusal.text,
            "reference": _MARK,
        }
        if refusal.contact:
            problem["contact"] = refusal.contact
        self._notices = {notice: _notice(*words) for notice, words in _NOTICES.items()}
        text = f"{refusal.title}\n\n{refusal.text}\n{_contact_text(refusal.contact)}\nReference: {_MARK}\n"
        mark_in_json = json.dumps(_MARK)[1:-1]
        self._halves = {
            Form.HTML: _halves(page, _MARK),
            Form.JSON: _halves(json.dumps(problem) + "\n", mark_in_json),
            Form.TEXT: _halves(text, _MARK),
        }

    def retry_after(self, rule: str) -> int:
        """Seconds after which whoever is over the rate of a rule may come again."""
        return self._retry_after.get(rule, _RETRY_AFTER)

    def notice(self, notice: Notice, reference: bytes, announced: Headers) -> tuple[list[tuple[bytes, bytes]], bytes]:
        """Header and body of a page that is no refusal for good."""
        body = reference.join(self._notices[notice])
        headers = (*content_headers(_MEDIA_TYPES[Form.HTML], body), _POLICY_OF_PAGES, *NEVER_SHARED)
        return [*headers, *announced, (REFERENCE, reference)], body

    def answer(self, form: Form, reference: bytes, announced: Headers) -> tuple[list[tuple[bytes, bytes]], bytes]:
        """Header and body in that form.

        Args:
            form: what the client asked for.
            reference: finds the decision in the log.
            announced: headers that the site sends with every response.
        """
        key = (form, len(reference))
        headers = self._headers.get(key)
        body = reference.join(self._halves[form])
        if headers is None:
            only_pages = (_POLICY_OF_PAGES,) if form is Form.HTML else ()
            headers = (*content_headers(_MEDIA_TYPES[form], body), *only_pages, *NEVER_SHARED)
            self._headers[key] = headers
        return [*headers, *announced, (REFERENCE, reference)], body


def with_way_out(page: bytes, way: bytes) -> bytes:
    """A page with the way out for people in it, at the end of what it says.

    Args:
        page: HTML.
        way: HTML.
    """
    for end in (b"</main>", b"</body>"):
        before, found, after = page.rpartition(end)
        if found:
            return b"%b%b\n%b%b" % (before, way, found, after)
    return page + way


def _notice(title: str, text: str) -> list[bytes]:
    page = Template(_PAGE).substitute(title=title, text=text, contact="", reference=_MARK)
    return _halves(page.replace(_MISTAKE, ""), _MARK)


def _halves(text: str, mark: str) -> list[bytes]:
    return [part.encode() for part in text.split(mark)]


def _contact_html(contact: str | None) -> str:
    if contact is None:
        return "Please tell the owner of this site, and give the reference below."
    label = html.escape(contact.removeprefix("mailto:"))
    return f'Please tell us, and give the reference below: <a href="{html.escape(_href(contact))}">{label}</a>'


def _contact_text(contact: str | None) -> str:
    if contact is None:
        return "If this is a mistake, tell the owner of this site and give the reference.\n"
    return f"If this is a mistake, tell {contact.removeprefix('mailto:')} and give the reference.\n"


def _href(contact: str) -> str:
    return contact if contact.startswith(("https://", "http://", "mailto:")) else f"mailto:{contact}"
