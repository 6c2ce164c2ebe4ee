"""Upstreams: where the sites behind the proxy listen, and which host is whose."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

from scrapeguard.core.request import of_host
from scrapeguard.errors import ScrapeGuardError

_DEFAULT_PORTS = {"http": 80, "https": 443}
_NAME = re.compile(r"(?:\*\.)?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\]")


class UpstreamNameError(ScrapeGuardError):
    """A text that names no upstream, or a host pattern that can match nothing."""


class Upstream(NamedTuple):
    """Where a site listens: a host and port, spoken to in plain or over TLS, or a Unix socket, always in plain."""

    scheme: str
    host: str
    port: int
    path: str | None = None

    @classmethod
    def of(cls, text: str) -> Upstream:
        """The upstream in `http://127.0.0.1:3000`, `https://app.example.org` or `unix:/run/app.sock`.

        Raises:
            UpstreamNameError: it is none of these, or has a path, a query or a user.
        """
        if text.startswith("unix:"):
            path = text.removeprefix("unix:")
            if not path.startswith("/") or "\0" in path:
                raise UpstreamNameError(f"{text}: write a Unix socket as unix:/path/to/socket")
            return cls("http", "localhost", 80, path)
        return cls(*_parts(text))

    @property
    def authority(self) -> str:
        """What stands in a Host field, should a client send none."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}" if self.path is None else f"unix:{self.path}"


def _parts(text: str) -> tuple[str, str, int]:
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError as error:
        raise UpstreamNameError(f"{text}: {error}") from None
    if url.scheme not in _DEFAULT_PORTS or not url.hostname or any(mark <= " " for mark in text):
        raise UpstreamNameError(f"{text}: write an upstream as http://host:port, https://host or unix:/path")
    if url.username is not None or url.path not in ("", "/") or url.query or url.fragment:
        raise UpstreamNameError(f"{text}: an upstream is scheme, host and port; the rest is what the client asks for")
    return url.scheme, url.hostname, _DEFAULT_PORTS[url.scheme] if port is None else port


class Upstreams:
    """The upstream of each host.

    Args:
        default: of all hosts that are not named; None to refuse them.
        by_host: by host name; `*.example.org` stands for every name below. The longest pattern wins.

    Raises:
        UpstreamNameError: there is none at all, or a pattern can match no host.
    """

    def __init__(self, default: Upstream | None = None, by_host: Mapping[str, Upstream] | None = None) -> None:
        self.default = default
        self.by_host = {pattern.lower().rstrip("."): upstream for pattern, upstream in (by_host or {}).items()}
        if default is None and not self.by_host:
            raise UpstreamNameError("there is no upstream")
        for pattern in self.by_host:
            if not _NAME.fullmatch(pattern):
                raise UpstreamNameError(f"{pattern}: write a host as blog.example.org or *.example.org, without a port")

    def of(self, host: str) -> Upstream | None:
        """The upstream for a Host field, None where there is none; its cost does not grow with their number."""
        if not self.by_host:
            return self.default
        return of_host(self.by_host, host) or self.default
