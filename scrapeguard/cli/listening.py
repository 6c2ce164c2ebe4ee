"""Where a command listens: HOST:PORT or a Unix socket."""

from __future__ import annotations

import os
import socket
import ssl
import stat
from pathlib import Path

BACKLOG = 2048
"""Connections that may wait to be accepted."""


def listen(place: str) -> socket.socket:
    """A socket that listens at `HOST:PORT`, `[IPV6]:PORT` or `unix:PATH`.

    Raises:
        ValueError: the place is none of these.
        OSError: it cannot be had.
    """
    kind, _, path = place.partition(":")
    return _listen_unix(Path(path)) if kind == "unix" and path else _listen_tcp(place)


def _listen_tcp(place: str) -> socket.socket:
    host, _, port = place.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65_535:
        raise ValueError(f"{place!r} is no place to listen at; write HOST:PORT or unix:PATH")
    family = socket.AF_INET6 if host.startswith("[") else socket.AF_INET
    # With its protocol named, or asyncio leaves Nagle's algorithm on and answers wait for 40 ms.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return _bound(listener, (host.strip("[]"), int(port)))


def _listen_unix(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    if path.exists() and stat.S_ISSOCK(path.stat().st_mode):
        # One that is left from a process that was killed refuses everybody.
        if listener.connect_ex(str(path)) == 0:
            listener.close()
            raise OSError(None, "somebody listens there already", str(path))
        path.unlink()
    # Who may ask is said by the permissions of the socket: its user and group.
    before = os.umask(0o117)
    try:
        return _bound(listener, str(path))
    finally:
        os.umask(before)


def _bound(listener: socket.socket, address: tuple[str, int] | str) -> socket.socket:
    try:
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def place_of(listener: socket.socket) -> str:
    """Where a socket listens, as `listen` takes it."""
    name = listener.getsockname()
    if isinstance(name, str):
        return f"unix:{name}"
    host = f"[{name[0]}]" if ":" in name[0] else name[0]
    return f"{host}:{name[1]}"


def tls_fault(certificate: str | None, key: str | None) -> str | None:
    """What is wrong with the files of `--ssl-certfile` and `--ssl-keyfile`, or None."""
    if certificate is None:
        return None if key is None else "--ssl-keyfile: name the certificate too, with --ssl-certfile"
    for name in filter(None, (certificate, key)):
        if not os.access(name, os.R_OK):
            return f"--ssl-certfile, --ssl-keyfile: {name} is not there, or may not be read"
    try:
        # A key with a passphrase would be asked for at the terminal, once in each worker.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password="")
    except OSError as error:
        files = certificate if key is None else f"{certificate} and {key}"
        return f"--ssl-certfile: no certificate with its key, in PEM and without a passphrase, in {files} ({error})"
    return None
