"""An upstream: where a site behind the proxy listens."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urlsplit

from scrapeguard.errors import ScrapeGuardError

_DEFAULT_PORTS = {"http": 80, "https": 443}


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
        try:
            return _read(text)
        except ValueError as error:
            raise UpstreamNameError(f"{text}: {error}") from None

    @property
    def authority(self) -> str:
        """What stands in a Host field, should a client send none."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}" if self.path is None else f"unix:{self.path}"


def upstream_fault(text: str) -> str | None:
    """What is wrong with the name of an upstream, or None."""
    try:
        _read(text)
    except ValueError as error:
        return str(error)
    return None


def _read(text: str) -> Upstream:
    """The upstream of a text; ValueError where it names none."""
    if text.startswith("unix:"):
        path = text.removeprefix("unix:")
        if not path.startswith("/") or "\0" in path:
            raise ValueError("write a Unix socket as unix:/path/to/socket")
        return Upstream("http", "localhost", 80, path)
    url = urlsplit(text)
    port = url.port
    if url.scheme not in _DEFAULT_PORTS or not url.hostname or any(mark <= " " for mark in text):
        raise ValueError("write an upstream as http://host:port, https://host or unix:/path")
    if url.username is not None or url.path not in ("", "/") or url.query or url.fragment:
        raise ValueError("an upstream is scheme, host and port; the rest is what the client asks for")
    return Upstream(url.scheme, url.hostname, _DEFAULT_PORTS[url.scheme] if port is None else port)
