"""Which header fields pass, in both directions, and which requests could be read in two ways.

Rules of this file:

- What is for one connection alone ends here (RFC 9110 §7.6.1), and so does what a `Connection` field names; but no
  client takes away by it what frames a message or says which site is asked for.
- Nobody outside can write a field that is ours to write. CGI and WSGI make one name of `X_Y` and `X-Y`, so both count.
- A request whose length or host could be read in two ways is refused, not repaired (RFC 9112 §3.2, §6.3).
- All other fields pass as they are, in their order, duplicates kept.
"""

from __future__ import annotations

import re
from operator import itemgetter
from typing import NamedTuple

from scrapeguard.errors import RequestError
from scrapeguard.proxy.types import Fields, RawFields

HOP_BY_HOP = frozenset(
    b"connection proxy-connection keep-alive te trailer transfer-encoding upgrade http2-settings".split()
)
"""The fields of one connection: RFC 9110 §7.6.1, RFC 7540 §3.2.1, and `Proxy-Connection`, which no standard knows."""

FORWARDING = frozenset(
    b"forwarded x-forwarded-for x-forwarded-proto x-forwarded-host x-forwarded-port x-forwarded-server "
    b"x-forwarded-prefix x-forwarded-ssl x-forwarded-scheme x-forwarded-by x-real-ip x-client-ip x-cluster-client-ip "
    b"cf-connecting-ip true-client-ip fastly-client-ip".split()
)
"""What proxies say of the client; from anybody else it does not pass."""

_TOLD = FORWARDING | {b"via"}
_FRAMING = frozenset({b"content-length", b"transfer-encoding"})
# Whether the body is awaited is settled between the client and us: it is asked for when the upstream takes it.
_READ_HERE = HOP_BY_HOP | FORWARDING | _FRAMING | {b"host", b"via", b"expect"}
_OURS = b"x-scrapeguard-"
_NEVER_NAMED = frozenset({b"host", b"content-length", b"via"})
_NAMING_NOTHING = frozenset({b"keep-alive", b"close"})
"""What browsers and tools say in a Connection field: no names, but how long it lasts."""
_MOST_NAMES = 1024
_LONGEST_NAME = 64

_HOST = re.compile(rb"[A-Za-z0-9._~%!$&'()*+,;=:\[\]-]*")
_LENGTH = re.compile(rb"[0-9]{1,18}")
_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_NAMES = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z, -]*")
_CONTROLS = bytes(code for code in (*range(32), 127) if code != ord("\t"))
"""What no value may hold (RFC 9110 §5.5)."""
_VALUE = itemgetter(1)


class RequestHead(NamedTuple):
    """The fields of a request, read.

    `fields` are those that pass as they are; `host` is None where there is none; `length` is that of the body, None
    where it is chunked or absent; `told` are the fields in `FORWARDING`, and `via`, by name, lines joined by commas.
    """

    fields: Fields
    host: bytes | None
    length: int | None
    chunked: bool
    told: dict[bytes, bytes]


class Names(dict[bytes, bool]):
    """Which names of fields pass; not those that are read here, or are nobody's outside to write.

    Remembers a thousand, of which none is long: strangers choose them.
    """

    def __missing__(self, name: bytes) -> bool:
        passes = _passes(name)
        if len(self) < _MOST_NAMES and len(name) <= _LONGEST_NAME:
            self[name] = passes
        return passes


def _passes(name: bytes) -> bool:
    if not _TOKEN.fullmatch(name):
        raise RequestError("a field name is no token")
    plain = name.replace(b"_", b"-")
    return not (plain in _READ_HERE or plain.startswith(_OURS))


def read_head(headers: RawFields, names: Names, version: str = "1.1") -> RequestHead:
    """The fields of a request.

    Args:
        headers: as the server gave them, names in lower case.
        names: remembers which pass.
        version: of HTTP, as the client spoke it.

    Raises:
        RequestError: the length of the body or the host could be read in two ways, or a value could end its line.
    """
    # ASGI lets them be read once.
    headers = list(headers)
    if has_controls(headers):
        raise RequestError("a control character in a field")
    fields: Fields = []
    here: dict[bytes, bytes] = {}
    for name, value in headers:
        if names[name]:
            fields.append((name, value))
        elif name in here:
            here[name] = _joined(name, here[name], value)
        else:
            here[name] = value
    if here.get(b"connection", b"close") not in _NAMING_NOTHING:
        fields = _unnamed(fields, here[b"connection"])
    length, chunked = _framing(here, version) if here.keys() & _FRAMING else (None, False)
    host = here.get(b"host")
    if host is not None and not _HOST.fullmatch(host):
        raise RequestError("the Host field is no host")
    told = {name: value for name, value in here.items() if name in _TOLD}
    return RequestHead(fields, host, length, chunked, told)


def has_controls(fields: RawFields) -> bool:
    """Whether a value holds what could end its line, or what no value may hold (RFC 9110 §5.5)."""
    values = b"".join(map(_VALUE, fields))
    return len(values.translate(None, _CONTROLS)) != len(values)


def _joined(name: bytes, before: bytes, value: bytes) -> bytes:
    """Two lines of one field as one (RFC 9110 §5.3)."""
    if name == b"host":
        raise RequestError("more than one Host field")
    if name == b"content-length" and before == value:
        return before
    return before + b", " + value


def _framing(here: dict[bytes, bytes], version: str) -> tuple[int | None, bool]:
    """The length of the body, and whether it is chunked instead (RFC 9112 §6)."""
    length, coding = here.get(b"content-length"), here.get(b"transfer-encoding")
    if length is not None and not _LENGTH.fullmatch(length):
        raise RequestError("Content-Length is not one number")
    if coding is None:
        return None if length is None else int(length), False
    if coding.lower() != b"chunked":
        raise RequestError("a Transfer-Encoding other than chunked")
    if length is not None:
        raise RequestError("both Content-Length and Transfer-Encoding")
    if version == "1.0":
        raise RequestError("Transfer-Encoding in HTTP/1.0")
    return None, True


def _unnamed(fields: Fields, connection: bytes) -> Fields:
    """The fields without those that a Connection field names."""
    if not _NAMES.fullmatch(connection.replace(b"\t", b" ")):
        raise RequestError("the Connection field is no list of names")
    named = {name.strip() for name in connection.lower().split(b",")} - _NEVER_NAMED
    return [field for field in fields if field[0] not in named]


class ResponseNames(dict[bytes, bytes]):
    """Names of the fields of responses in lower case; empty for those that end here.

    Remembers a thousand, of which none is long.
    """

    def __missing__(self, name: bytes) -> bytes:
        if not _TOKEN.fullmatch(name):
            raise ValueError("a field name is no token")
        passed = b"" if (lowered := name.lower()) in HOP_BY_HOP else lowered
        if len(self) < _MOST_NAMES and len(name) <= _LONGEST_NAME:
            self[name] = passed
        return passed


def response_fields(raw: RawFields, names: ResponseNames, *, bodiless: bool) -> Fields | None:
    """The fields of a response that pass, names in lower case; None where one of them is malformed.

    Args:
        raw: as the upstream sent them.
        names: remembers which pass.
        bodiless: whether the status has no body (204, 304): its length is then dropped, as servers would wait for it.
    """
    fields: Fields = []
    here: Fields = []
    try:
        for name, value in raw:
            if passed := names[name]:
                fields.append((passed, value))
            else:
                here.append((name.lower(), value))
    except ValueError:
        return None
    # Clients' parsers of responses are lenient.
    if has_controls(fields):
        return None
    if here or bodiless:
        dropped = _named_by(here)
        if bodiless or any(name == b"transfer-encoding" for name, _ in here):
            dropped.add(b"content-length")
        return [field for field in fields if field[0] not in dropped]
    return fields


def _named_by(here: Fields) -> set[bytes]:
    """The fields that those of the connection name, but for the length, which frames the body."""
    lines = b",".join([value for name, value in here if name == b"connection"])
    return {token.strip().lower() for token in lines.split(b",")} - {b"content-length"}
