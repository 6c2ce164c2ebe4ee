"""A request as the engine sees it, whichever way it came in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple, TypeVar
from urllib.parse import unquote

T = TypeVar("T")
Headers = tuple[tuple[bytes, bytes], ...]


_NOTHING_SENT: Mapping[bytes, bytes] = MappingProxyType({})


class Request(NamedTuple):
    """One request. A named tuple, since one is made for every request and nothing is cheaper.

    `path` is raw: percent-encoded as it came, without the query. `host` is the Host field as it came. `headers` are
    pairs of lower-case name and value, in their order, duplicates kept; `sent` are the same by name, of duplicates the
    last. `peer` is the address of the socket.
    """

    method: str = "GET"
    path: str = "/"
    query: str = ""
    host: str = ""
    scheme: str = "http"
    headers: Iterable[tuple[bytes, bytes]] = ()
    user_agent: bytes | None = None
    peer: str | None = None
    resolved: bool = False
    """Whether the server has put the client's address in place of the socket's already (uvicorn leaves port 0 then)."""
    sent: Mapping[bytes, bytes] = _NOTHING_SENT
    http_version: str = ""
    """As the server says it: `1.0`, `1.1`, `2`; empty where nobody does."""

    @classmethod
    def of(
        cls,
        target: str = "/",
        *,
        method: str = "GET",
        headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
        user_agent: str | None = None,
        host: str = "",
        scheme: str = "http",
        peer: str | None = None,
    ) -> Request:
        """A request from what people write: `Request.of("/page?x=1", user_agent="GPTBot/1.2")`."""
        path, _, query = target.partition("?")
        pairs = list(headers.items() if isinstance(headers, Mapping) else headers)
        if user_agent is not None:
            pairs.append(("user-agent", user_agent))
        if host:
            pairs.append(("host", host))
        raw = tuple((name.lower().encode("latin-1", "replace"), _octets(value)) for name, value in pairs)
        agents = [value for name, value in raw if name == b"user-agent"]
        hosts = [value.decode("latin-1") for name, value in raw if name == b"host"]
        return cls(
            method=method.upper(),
            path=path,
            query=query,
            host=hosts[0] if hosts else "",
            scheme=scheme,
            headers=raw,
            user_agent=b" ".join(agents) if agents else None,
            peer=peer,
            sent=dict(raw),
        )

    def header(self, name: str) -> list[str]:
        """Every value of a header, in the order of its lines; empty where it is absent."""
        wanted = name.lower().encode("latin-1")
        return [value.decode("latin-1") for key, value in self.headers if key == wanted]


def _octets(value: str) -> bytes:
    """Header text as octets: UTF-8, which is latin-1 for what HTTP allows."""
    return value.encode("utf-8", "surrogateescape")


MAX_HOST = 261
"""A name of 253 characters (RFC 1035 §2.3.4), its final dot, a colon and a port."""


def canonical_host(host: str) -> str:
    """The name in a Host field: lower case, without port and final dot; brackets of an IPv6 address stay.

    Empty where the field is longer than a name can be.
    """
    if len(host) > MAX_HOST:
        return ""
    name = host.strip().lower()
    if name.startswith("["):
        return name.partition("]")[0] + "]"
    return name.partition(":")[0].rstrip(".")


def of_host(table: Mapping[str, T], host: str) -> T | None:
    """What a table of host names has for a Host field; `*.example.org` stands for every name below.

    The longest pattern wins, and the cost does not grow with the table. None where there is nothing.
    """
    name = canonical_host(host)
    found = table.get(name)
    while found is None and "." in name:
        name = name.partition(".")[2]
        found = table.get(f"*.{name}")
    return found


def canonical_target(path: str, query: str = "") -> str:
    """Path and query in the one form that patterns are compared with.

    Percent-encoding of the path is undone, as the app behind will do; doubled slashes and dot segments are folded. So
    `//admin`, `/%61dmin` and `/x/../admin` are all `/admin`. The query stays as it is.
    """
    path = _unquoted(path)
    if "//" in path or "/." in path:
        path = _fold(path)
    return f"{path}?{query}" if query else path


def targets_of(path: str, query: str = "") -> tuple[str, ...]:
    """Path and query in each form in which an app may see them: folded, and where that differs as they came."""
    folded, plain = canonical_target(path, query), plain_target(path, query)
    return (folded,) if folded == plain else (folded, plain)


def plain_target(path: str, query: str = "") -> str:
    """Path and query as the app may see them: percent-encoding undone, nothing folded."""
    path = _unquoted(path)
    return f"{path}?{query}" if query else path


def _unquoted(path: str) -> str:
    return unquote(path, errors="surrogateescape") if "%" in path else path


def _fold(path: str) -> str:
    kept: list[str] = []
    segments = path.split("/")
    for segment in segments:
        if segment == "..":
            if kept:
                kept.pop()
        elif segment not in ("", "."):
            kept.append(segment)
    folded = "/" + "/".join(kept)
    return folded + "/" if kept and segments[-1] in ("", ".", "..") else folded
