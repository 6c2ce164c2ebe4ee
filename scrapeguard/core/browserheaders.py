"""Whether a request comes with what the browser that it names would send: a sign for each header that does not fit.

Only the opening of a page is judged. What scripts, workers and extensions fetch lacks some of these headers in real
browsers, and so does everything over plain http to another machine.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from scrapeguard.core.clients import Conduct
from scrapeguard.core.headerorder import in_order, is_passed_on
from scrapeguard.core.pages import is_asset
from scrapeguard.core.recent import Recent
from scrapeguard.core.request import MAX_HOST, Request, canonical_host
from scrapeguard.core.signals import Evidence

HEADER_SIGNALS = frozenset(
    {
        "no-accept-language",
        "no-compression",
        "no-sec-fetch",
        "incomplete-sec-fetch",
        "no-client-hints",
        "foreign-client-hints",
        "foreign-header-order",
        "impossible-header",
        "old-http",
    }
)
"""The signs that are read from headers alone, and so stand in no access log."""
_FETCH = (b"sec-fetch-site", b"sec-fetch-mode", b"sec-fetch-dest")
_MAX_REMEMBERED = 4096
_MAX_WRITINGS = 1024
_MAX_LENGTH = 1024
_MAX_HOSTS = 256
_OLD_HTTP = ("1.0", "0.9")
_OLD = Evidence("old-http", "a browser over HTTP/1.0, which none speaks")
# What the User-Agent says where the platform hint says this; Android and others say what they like.
_PLATFORMS = {b'"Windows"': "windows", b'"macOS"': "mac os", b'"Linux"': "linux", b'"Android"': "android"}


@dataclass(frozen=True, slots=True)
class Engine:
    """A browser engine: how it is known, and what it sends.

    `sends` gives the first version that sends a header. `order` is that of the headers of a page, from the version
    `ordered` on; `cannot` are names of headers that it has no way to send.
    """

    name: str
    match: str
    sends: Mapping[str, int]
    holds: str = ""
    unless: tuple[str, ...] = ()
    never: frozenset[str] = frozenset()
    order: tuple[bytes, ...] = ()
    ordered: int = 0
    cannot: frozenset[bytes] = frozenset()
    _version: re.Pattern[str] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_version", re.compile(re.escape(self.match) + r"(\d{1,4})"))

    def version(self, user_agent: str) -> int | None:
        """The version that a User-Agent names; None where it names another engine, or an exception."""
        found = self._version.search(user_agent)
        if found is None or self.holds not in user_agent or any(word in user_agent for word in self.unless):
            return None
        return int(found[1])


class BrowserHeaders:
    """Judges the headers of those who call themselves a browser; each set of them is judged once and remembered.

    Args:
        engines: those that are known; the first counts that a User-Agent names.
        proxied: whether requests come by a proxy, which may change the order of headers and the version of HTTP.
    """

    def __init__(self, engines: Iterable[Engine], *, proxied: bool = False) -> None:
        self._engines = tuple(engines)
        self.proxied = proxied
        """Whether requests come by a proxy."""
        self._writings: Recent[tuple[bytes | None, bytes], tuple[Evidence, ...]] = Recent(_MAX_WRITINGS)
        self._newer: Recent[str, bool] = Recent(_MAX_HOSTS)
        self._local: Recent[str, bool] = Recent(_MAX_HOSTS)
        self._judged: Recent[tuple[object, ...], tuple[Evidence, ...]] = Recent(_MAX_REMEMBERED)

    def loads_styles(self, user_agent: bytes) -> bool:
        """Whether a User-Agent names an engine that is known, all of which load styles; text browsers do not."""
        text = user_agent.decode("latin-1")
        return any(engine.match in text and engine.holds in text for engine in self._engines)

    def of_client(self, request: Request, scheme: str, conduct: Conduct) -> tuple[Evidence, ...]:
        """The same as `evidence` for a client that is remembered, whose pages are judged once for each way to them.

        A browser sends the same to all that it comes to alike; who sends something else after that gains nothing.

        Args:
            request: what was asked for.
            scheme: `https` or `http`, as the client used it.
            conduct: what is remembered of the client.
        """
        sent = request.sent
        if sent.get(b"sec-fetch-mode") != b"navigate" or request.method != "GET":
            return self.evidence(request, scheme)
        way = hash((len(sent), sent.get(b"sec-fetch-site"), scheme, request.host))
        if conduct.judged_way != way:
            conduct.judged_way, conduct.judged = way, self.evidence(request, scheme)
        return conduct.judged

    def evidence(self, request: Request, scheme: str) -> tuple[Evidence, ...]:
        """The signs on a request that names a browser; none where it is no opening of a page.

        Args:
            request: what was asked for.
            scheme: `https` or `http`, as the client used it.
        """
        if request.method != "GET":
            return ()
        sent = request.sent
        mode = sent.get(b"sec-fetch-mode")
        if mode != b"navigate" and (_has_whole_set(sent) or _is_no_page(request)):
            return ()
        secure = scheme == "https" or self._is_local(request.host)
        get = sent.get
        # Written out, which is twice as fast as a loop over the names.
        key = (
            request.user_agent,
            secure,
            mode,
            get(b"accept-language"),
            get(b"accept-encoding"),
            get(b"sec-fetch-site"),
            get(b"sec-fetch-dest"),
            get(b"sec-ch-ua"),
            get(b"sec-ch-ua-platform"),
        )
        known = self._judged[key]
        if known is None:
            known = self._judge(request.user_agent or b"", sent, secure=secure)
            if sum(len(part) for part in key if isinstance(part, bytes)) <= _MAX_LENGTH:
                self._judged.put(key, known)
        return known

    def _is_local(self, host: str) -> bool:
        known = self._local[host]
        if known is None:
            known = is_local(host)
            if len(host) <= MAX_HOST:
                self._local.put(host, known)
        return known

    def as_written(self, request: Request) -> tuple[Evidence, ...]:
        """What is odd about the writing of a page's request; nothing is where a proxy may have written it anew.

        Args:
            request: what was asked for.
        """
        sent = request.sent
        if self.proxied or request.resolved or is_passed_on(sent):
            return ()
        key = (request.user_agent, b",".join(sent))
        known = self._writings[key]
        if known is None:
            known = tuple(self._written(request, sent))
            if len(request.user_agent or b"") + len(key[1]) <= _MAX_LENGTH:
                self._writings.put(key, known)
        host = canonical_host(request.host)
        is_newer = self._newer[host]
        if request.http_version in _OLD_HTTP:
            # Unless all come so: by a proxy that says nothing of itself.
            return (*known, _OLD) if is_newer else known
        if request.http_version and not is_newer:
            self._newer.put(host, True)
        return known

    def _written(self, request: Request, sent: Mapping[bytes, bytes]) -> Iterable[Evidence]:
        engine, version = self._named((request.user_agent or b"").decode("latin-1"))
        if engine is None or version is None:
            return
        what = f"{engine.name} {version}"
        if version >= engine.ordered and not in_order(sent, engine.order):
            yield Evidence("foreign-header-order", f"{what} with its headers in another order than it writes them")
        if not engine.cannot.isdisjoint(sent):
            yield Evidence("impossible-header", f"{what} with a header that it cannot send")

    def _named(self, text: str) -> tuple[Engine | None, int | None]:
        """The engine that a User-Agent names first, and its version."""
        return next(((one, one.version(text)) for one in self._engines if one.match in text), (None, None))

    def _judge(self, user_agent: bytes, sent: Mapping[bytes, bytes], *, secure: bool) -> tuple[Evidence, ...]:
        text = user_agent.decode("latin-1")
        engine, version = self._named(text)
        if engine is None or version is None:
            return ()
        found = [*_missing(engine, version, sent, secure=secure), *_contradictions(engine, version, text, sent)]
        if "HeadlessChrome/" in text or b"HeadlessChrome" in sent.get(b"sec-ch-ua", b""):
            found.append(Evidence("headless-browser", "names a browser without a window"))
        return tuple(found)


def _has_whole_set(sent: Mapping[bytes, bytes]) -> bool:
    """Whether all of Sec-Fetch-* are there. Who sends some of them is no browser, and no script of a page either."""
    return all(name in sent for name in _FETCH)


def _is_no_page(request: Request) -> bool:
    """Whether something else than a page is asked for, where Sec-Fetch-Mode does not tell.

    A handshake is one by how it came: what anybody can write into a plain request exempts from nothing. The rest of a
    file is what a download manager asks for in the browser's name.
    """
    if request.scheme in ("ws", "wss") or is_asset(request.path):
        return True
    rest = request.sent.get(b"range", b"").partition(b"=")[2].partition(b"-")[0]
    return rest.strip(b"0") != b"" and rest.isdigit()


def _missing(engine: Engine, version: int, sent: Mapping[bytes, bytes], *, secure: bool) -> Iterable[Evidence]:
    def expected(header: str) -> bool:
        return version >= engine.sends.get(header, 1 << 16)

    what = f"{engine.name} {version}"
    if expected("accept-language") and b"accept-language" not in sent:
        yield Evidence("no-accept-language", f"{what} without Accept-Language")
    if expected("gzip") and b"gzip" not in sent.get(b"accept-encoding", b""):
        yield Evidence("no-compression", f"{what} without gzip in Accept-Encoding")
    there = [name for name in _FETCH if name in sent]
    if there and len(there) < len(_FETCH):
        yield Evidence("incomplete-sec-fetch", f"{what} with some of Sec-Fetch-* alone")
    if not secure:
        return
    if expected("sec-fetch") and not there:
        # Who takes Sec-* away takes the hints too: that is one sign, not two.
        yield Evidence("no-sec-fetch", f"{what} without Sec-Fetch-*")
    elif expected("sec-ch-ua") and b"sec-ch-ua" not in sent:
        yield Evidence("no-client-hints", f"{what} without Sec-CH-UA")


def _contradictions(engine: Engine, version: int, text: str, sent: Mapping[bytes, bytes]) -> Iterable[Evidence]:
    hints = sent.get(b"sec-ch-ua")
    if hints is None:
        return
    if "sec-ch-ua" in engine.never:
        yield Evidence("foreign-client-hints", f"{engine.name} with Sec-CH-UA, which it does not send")
        return
    platform = _PLATFORMS.get(sent.get(b"sec-ch-ua-platform", b""))
    versions = [int(number) for number in re.findall(rb'"Chrom(?:ium|e)"; ?v="(\d{1,4})"', hints)]
    if versions and version not in versions:
        yield Evidence("foreign-client-hints", "Sec-CH-UA names another version than the User-Agent")
    elif platform and platform not in text.lower():
        yield Evidence("foreign-client-hints", "Sec-CH-UA-Platform names another platform than the User-Agent")


def is_local(host: str) -> bool:
    """Whether browsers take this host for their own machine (W3C Secure Contexts §3.1)."""
    name = host.lower()
    if name.startswith(("127.", "[::1]")):
        return True
    name = name.partition(":")[0]
    return name == "localhost" or name.endswith(".localhost")
