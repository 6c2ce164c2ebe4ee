"""Reads the URL of a Valkey or Redis server. What is wrong is said without the URL, which may hold a password."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

PORT = 6379
_MAX_DATABASE = 65_535


class _Scheme(NamedTuple):
    tls: bool = False
    unix: bool = False


SCHEMES = {
    "valkey": _Scheme(),
    "valkeys": _Scheme(tls=True),
    "redis": _Scheme(),
    "rediss": _Scheme(tls=True),
    "unix": _Scheme(unix=True),
}
_OPTIONS = ("db", "ca")


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server is, and how it is entered: `path` is that of a socket, `ca` a file of certificates to trust."""

    host: str = ""
    port: int = PORT
    path: str = ""
    database: int = 0
    tls: bool = False
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca: str | None = None

    def __str__(self) -> str:
        """The address without what must not be shown."""
        if self.path:
            return f"unix://{self.path}?db={self.database}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'valkeys' if self.tls else 'valkey'}://{host}:{self.port}/{self.database}"


def read_url(text: str) -> Address:
    """The address in `valkey://[[user]:password@]host[:port][/db]`, or `unix://[[user]:password@]/path[?db=N]`.

    `redis` means the same as `valkey`; `valkeys` and `rediss` are with TLS, where `?ca=FILE` names who is trusted.

    Raises:
        ValueError: it is none; the message holds nothing of the URL but names that are known.
    """
    if any(character <= " " or character == "\x7f" for character in text):
        raise ValueError("the URL holds a space or control character; write it percent-encoded")
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError:
        raise ValueError(
            "host or port of the URL cannot be read; in a password write %40 for @, %2F for /, %3A for :, "
            "%3F for ?, %23 for #"
        ) from None
    scheme = SCHEMES.get(url.scheme)
    if scheme is None:
        raise ValueError(f"the URL begins with none of {', '.join(f'{name}://' for name in SCHEMES)}")
    if url.fragment:
        raise ValueError("the URL holds a #; in a password write %23 for it")
    options = _options(url.query, scheme)
    if scheme.unix:
        return _socket(url, options)
    return _host(url, port, options, scheme)


def _socket(url: SplitResult, options: dict[str, str]) -> Address:
    path = unquote(url.path)
    if url.hostname or len(path) < 2:
        raise ValueError("the URL names no socket; write unix:///path/to/socket, with three slashes")
    username, password = _credentials(url)
    return Address(path=path, database=_database(options.get("db", "")), username=username, password=password)


def _host(url: SplitResult, port: int | None, options: dict[str, str], scheme: _Scheme) -> Address:
    if not url.hostname:
        raise ValueError("the URL names no host; in a password write %2F for /, %3F for ?")
    in_path = url.path.removeprefix("/")
    if in_path and "db" in options:
        raise ValueError("the URL names its database twice, as path and as db=")
    username, password = _credentials(url)
    return Address(
        unquote(url.hostname),
        PORT if port is None else port,
        database=_database(in_path or options.get("db", "")),
        tls=scheme.tls,
        username=username,
        password=password,
        ca=options.get("ca"),
    )


def _credentials(url: SplitResult) -> tuple[str | None, str | None]:
    username, password = (unquote(part) if part else None for part in (url.username, url.password))
    if username and not password:
        raise ValueError("the URL names a user and no password; where there is only a password write :password@")
    return username, password


def _options(query: str, scheme: _Scheme) -> dict[str, str]:
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=True, max_num_fields=8) if query else []
    except ValueError:
        pairs = [("", "")]
    options = dict(pairs)
    if len(options) != len(pairs) or not set(options) <= set(_OPTIONS):
        raise ValueError("after the ? of the URL only db=NUMBER and ca=FILE are possible, each once")
    if "ca" in options and not (scheme.tls and options["ca"]):
        raise ValueError("ca=FILE is for rediss:// and valkeys://")
    return options


def _database(text: str) -> int:
    if not text:
        return 0
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and int(text) <= _MAX_DATABASE):
        raise ValueError("the database in the URL is no number from 0; write valkey://host:6379/0")
    return int(text)
