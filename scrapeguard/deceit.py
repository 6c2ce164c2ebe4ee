"""Decoys as they are served: made for the host, with the canary of the agent in them, and written down."""

from __future__ import annotations

import html
import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from hashlib import blake2b
from pathlib import Path

from scrapeguard.asgi.decoying import Decoy
from scrapeguard.asgi.ownfile import fetch
from scrapeguard.asgi.responders import first_value
from scrapeguard.asgi.types import ASGIApp, Message
from scrapeguard.canaries.canary import Canary
from scrapeguard.canaries.derivation import commitment, epoch_of
from scrapeguard.canaries.keys import read_keys
from scrapeguard.core.decision import Decision
from scrapeguard.core.policy import DecoyLook, DecoyPolicy
from scrapeguard.core.recent import Recent
from scrapeguard.core.request import Request, canonical_target, of_host, plain_target
from scrapeguard.decoys.learnt import learn
from scrapeguard.decoys.maze import PAGES
from scrapeguard.decoys.site import DecoyPage, DecoySite
from scrapeguard.decoys.template import Template
from scrapeguard.guard import Settled
from scrapeguard.secret import SiteSecret
from scrapeguard.telemetry.provenance import Page, ProvenanceRecorder, Served
from scrapeguard.telemetry.provenancelog import DAY, ProvenanceLog

logger = logging.getLogger("scrapeguard")

LEARN = "learn"
"""The template that is taken from a page of the site."""
_MAX_CANARIES = 256
_MAX_PAGE = 512 * 1024
_ONE_IN = 4
"""Of so many pages one holds the canary: of a few hundred copies each is kept, and none is like another."""
_PARAGRAPH_END = re.compile(rb"</p>\s*(?=<p[ >])")
_TAG = re.compile(r"<[^>]*>")
_PICTURE = re.compile(r"\.(?:svg|png)$")
_LEARN_EVERY = 6 * 3600.0


class SiteDecoys:
    """Makes the decoys of the hosts of a site.

    Args:
        said: what the owner wants of them.
        looks: how they look at the hosts of a pattern. A host that is named has decoys of its own, and so has a pattern
            with a look of its own, under the name below which its hosts are; all others share those of `said.host`.
        secret: of the site.
        clock: seconds since the epoch.
        record: takes what was served; None where nobody wants to know.
        close: closes what that writes to.
        settled: tells who a client is, and what settled that; None where nobody knows more than the decision says.

    Raises:
        ValueError: the template, the corpus or a name cannot be used; the message says why.
    """

    def __init__(
        self,
        said: DecoyPolicy,
        looks: Mapping[str, DecoyLook],
        secret: SiteSecret,
        *,
        clock: Callable[[], float],
        record: Callable[[Served], object] | None = None,
        close: Callable[[], object] | None = None,
        settled: Callable[[Request, Decision], Settled] | None = None,
    ) -> None:
        self._settled = settled
        self._said = said
        self.shared = said.host
        """The host whose decoys all have that have none of their own."""
        self._secret = secret.octets
        self._key = read_keys(secret.text, "the secret").present
        self._commitment = commitment(self._key)
        self._clock = clock
        self._record = record
        self._close = close
        self._epoch, self._epoch_since, self._epoch_until = "", 0.0, 0.0
        self._canaries: Recent[tuple[str, str, str], Canary] = Recent(_MAX_CANARIES)
        self._said_of = {said.host: said} | {
            pattern: replace(look.over(said), host=pattern.removeprefix("*."))
            for pattern, look in looks.items()
            if "*" not in pattern or look != DecoyLook()
        }
        # A pattern without a look of its own has those of all, be there a wider one with another or not.
        self._patterns = {pattern: pattern if pattern in self._said_of else said.host for pattern in looks}
        templates = {name: template_of(name) for name in {one.template for one in self._said_of.values()}}
        self._sites = {name: self._made(one, templates[one.template]) for name, one in self._said_of.items()}

    def _made(self, said: DecoyPolicy, template: Template | None) -> DecoySite:
        corpus = None if said.corpus is None else Path(said.corpus)
        make = partial(DecoySite, locale=said.locale, corpus=corpus, links=said.links, depth=said.depth)
        return make(self._secret, said.host, template=template)

    def close(self) -> None:
        """Close the log, which is written to its end beside what goes on."""
        if self._close is not None:
            self._close()

    def jobs(self, app: ASGIApp) -> list[LearnJob]:
        """What is to be done beside the requests of this app."""
        learning = [name for name, said in self._said_of.items() if said.template == LEARN]
        return [LearnJob(self, app, learning)] if learning else []

    def look_like(self, page: str, name: str) -> None:
        """Let the decoys of a name look like this page of its site from now on.

        Raises:
            ValueError: nothing can be learnt from it.
        """
        self._sites[name].look_like(learn(page))

    def decoy(self, request: Request, decision: Decision) -> Decoy:
        """The decoy for a request, the same on every visit of that agent within an epoch."""
        name = self._name_of(request.host)
        host = self._said_of[name].host
        accept = first_value(request, b"accept")
        made = self._sites[name].page(request.path, None if accept is None else accept.decode("latin-1"))
        agent = decision.agent
        canary = self._canary(host, "unknown" if agent is None else agent.name or str(agent.purpose))
        is_marked = made.media_type.startswith("text/html") and self._holds_canary(host, request.path)
        if self._record is None and not is_marked:
            return Decoy(*made)
        page_id = canary.page_id(plain_target(request.path))
        if is_marked:
            made = _with_paragraph(made, canary.paragraph(page_id), page_id)
        note = None
        if self._record is not None:
            note = partial(self._write_down, self._record, request, decision, made, (canary.epoch, page_id))
        return Decoy(*made, note)

    def _name_of(self, host: str) -> str:
        """Whose decoys a host has."""
        if not self._patterns:
            return self._said.host
        return of_host(self._patterns, host) or self._said.host

    def replaces(self, request: Request) -> bool:
        """Whether the page asked for is answered falsely: all of the maze, and the share of others that is wanted.

        The same for each form in which an address can be written, and for a page and the pictures of its decoy.
        """
        name = self._name_of(request.host)
        host = self._said_of[name].host
        path = _PICTURE.sub("", canonical_target(request.path)).rstrip("/")
        if self._sites[name].maze.number(path) is not None:
            return True
        told = f"{host}{path}".encode("utf-8", "replace")
        dice = blake2b(told, key=self._secret, digest_size=8, person=b"replaces")
        return int.from_bytes(dice.digest()) % 100 < self._said.replace

    def sample(self, count: int, host: str = "") -> Iterator[tuple[str, bytes]]:
        """Pages of the maze to look at, as they are for a host, each with a name for a file."""
        site = self._sites[self._name_of(host)]
        for number in range(count):
            page = site.page(site.maze.link(number % PAGES).path, "text/html")
            yield f"{number + 1:05}.html", page.body

    def _canary(self, host: str, agent: str) -> Canary:
        now = self._clock()
        if now >= self._epoch_until or now < self._epoch_since:
            # An epoch is a month of UTC, so that it is the same for all of a day.
            self._epoch, self._epoch_since = epoch_of(now), now - now % DAY
            self._epoch_until = self._epoch_since + DAY
        epoch = self._epoch
        key = (host, agent, epoch)
        canary = self._canaries[key]
        if canary is None:
            canary = Canary(self._key, host, agent, epoch)
            self._canaries.put(key, canary)
        return canary

    def _holds_canary(self, host: str, path: str) -> bool:
        dice = blake2b(f"{host}{path}".encode("utf-8", "replace"), key=self._secret, digest_size=1, person=b"holds")
        return dice.digest()[0] % _ONE_IN == 0

    def _write_down(
        self,
        record: Callable[[Served], object],
        request: Request,
        decision: Decision,
        made: DecoyPage,
        canary: tuple[str, str],
        status: int,
    ) -> None:
        """Have it written down with which status a page was served; the canary is its epoch and the id of the page."""
        text = html.unescape(_TAG.sub(" ", made.body.decode("utf-8", "replace")))
        page = Page(made.body, text, *canary, key=self._commitment)
        served = Served.of(self._clock(), request, decision, page, status=status)
        if self._settled is not None:
            identity, method = self._settled(request, decision)
            served = served._replace(identity=str(identity), verified_by=method)
        record(served)


class LearnJob:
    """Takes the template of the decoys of each site from its front page, beside the requests.

    Args:
        decoys: what is to look like it.
        app: serves the pages.
        names: whose decoys learn; one that stands for several hosts takes the page of the host that all share.
    """

    every = _LEARN_EVERY
    waits = False

    def __init__(self, decoys: SiteDecoys, app: ASGIApp, names: Sequence[str]) -> None:
        self._decoys = decoys
        self._app = app
        self._names = tuple(names)
        self._told: set[str] = set()

    async def run_once(self) -> None:
        """Learn once; where nothing can be learnt, the template stays what it was, and the log says so once."""
        for name in self._names:
            try:
                await self._learn(name)
            except ValueError as error:
                if name not in self._told:
                    self._told.add(name)
                    logger.error("decoys.template: learn: %s: %s; a plain template is used", name, error)

    async def _learn(self, name: str) -> None:
        host = self._decoys.shared if "*" in name else name
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "scheme": "http",
            "server": (host, 80),
            "client": None,
            "root_path": "",
            "headers": [(b"host", host.encode("latin-1"))],
        }
        page = await fetch(self._app, scope, _nobody_goes, "/", limit=_MAX_PAGE)
        if page.status != 200 or not page.is_html:
            raise ValueError(f"the front page answers {page.status}: no template can be learnt from it")
        self._decoys.look_like(page.body.decode("utf-8", "replace"), name)


async def _nobody_goes() -> Message:
    return {"type": "http.disconnect"}


def template_of(name: str | None) -> Template | None:
    """The template of a file; None for a plain one, as one that is yet to be learnt is.

    Raises:
        ValueError: it is none; the message says why.
        OSError: it cannot be read.
    """
    if name is None or name == LEARN:
        return None
    try:
        return Template.of(Path(name).read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def open_provenance(
    said: DecoyPolicy, *, clock: Callable[[], float], spent: Callable[[float], object] | None = None
) -> ProvenanceRecorder | None:
    """What writes into the log of a policy what was served, and tells what that cost; None where there is no log."""
    if said.log is None:
        return None
    open_log = partial(ProvenanceLog, Path(said.log), max_age=said.log_age, max_octets=said.log_size)
    return ProvenanceRecorder(open_log, clock=clock, spent=spent)


def _with_paragraph(made: DecoyPage, text: str, page_id: str) -> DecoyPage:
    """A page with a paragraph more, in the midst of its others."""
    ends = [match.end() for match in _PARAGRAPH_END.finditer(made.body)]
    if not ends:
        return made
    at = ends[len(ends) // 2]
    opening = made.body[at : made.body.index(b">", at) + 1]
    body = made.body[:at] + opening + html.escape(text).encode() + b"</p>\n" + made.body[at:]
    headers = tuple((n, f'"{v.strip(chr(34))}-{page_id}"' if n.lower() == "etag" else v) for n, v in made.headers)
    return DecoyPage(made.media_type, headers, body)


def try_corpus(folder: str) -> None:
    """Make decoys of the texts in a folder, and forget them.

    Raises:
        ValueError: none can be made of them; the message says why.
        OSError: they cannot be read.
    """
    DecoySite(bytes(32), "localhost", corpus=Path(folder))
