"""`scrapeguard proxy`: the guard in front of any site, as a reverse proxy."""

from __future__ import annotations

import argparse
import os
import resource
import socket
import stat
from contextlib import closing
from functools import partial
from pathlib import Path

from scrapeguard.app import ScrapeGuard
from scrapeguard.cli import BAD_USAGE, FINE, FOUND_PROBLEMS
from scrapeguard.cli.loading import load_or_report, rules_path
from scrapeguard.cli.output import fail, print_json
from scrapeguard.cli.sharing import store_of_workers
from scrapeguard.core.behaviour import Behaviour
from scrapeguard.core.policy import EventPolicy, Policy
from scrapeguard.errors import ScrapeGuardError
from scrapeguard.parts import open_recorder
from scrapeguard.proxy.client import Client
from scrapeguard.proxy.exchange import Limits
from scrapeguard.proxy.relay import Relay
from scrapeguard.proxy.serving import Build, Serving, config_of, serve
from scrapeguard.proxy.types import ASGIApp
from scrapeguard.proxy.upstream import Upstream, UpstreamNameError, Upstreams
from scrapeguard.rulefile.load import load_policy
from scrapeguard.secret import site_secret
from scrapeguard.telemetry.events import Recorder

_MOST_FILES = 1 << 16
_BACKLOG = 2048


class _Builder:
    """Builds the guarded relay for one policy after another; connections to the upstreams and the event log stay."""

    def __init__(self, upstreams: Upstreams, limits: Limits, store: str | None) -> None:
        self._upstreams = upstreams
        self._limits = limits
        self._store = store
        self._client = Client()
        self._secret = b""
        self._behaviour: Behaviour | None = None
        self._recorders: dict[EventPolicy, Recorder | None] = {}

    def __call__(self, policy: Policy) -> ASGIApp:
        """The guarded relay; it knows of clients what the one before did."""
        if self._store is not None and policy.store == "memory":
            policy.store = self._store
        secret = site_secret(policy.secret, os.environ).octets
        if policy.events not in self._recorders:
            self._recorders[policy.events] = open_recorder(policy.events, secret)
        relay = Relay(self._upstreams, proxies=policy.proxies, limits=self._limits, client=self._client)
        known = self._behaviour if secret == self._secret else None
        guarded = ScrapeGuard(relay, policy, behaviour=known, record=self._recorders[policy.events])
        self._secret, self._behaviour = secret, guarded.guard.behaviour
        return guarded

    async def close(self) -> None:
        """Close the connections to the upstreams."""
        await self._client.close()


def _new_builder(upstreams: Upstreams, limits: Limits, store: str | None) -> Build:
    return _Builder(upstreams, limits, store)


def run(arguments: argparse.Namespace) -> int:
    """Serve until the process is told to end."""
    policy = load_or_report(arguments.rules)
    if policy is None:
        return FOUND_PROBLEMS
    try:
        upstreams = upstreams_of(arguments.upstream)
        listener = _listen(arguments.listen)
    except ScrapeGuardError as error:
        fail(error)
        return BAD_USAGE
    except OSError as error:
        fail(f"cannot listen on {arguments.listen}: {error.strerror or error}")
        return BAD_USAGE
    with closing(listener), store_of_workers(arguments.workers) as store:
        _serve(arguments, policy, upstreams, listener, store)
    if arguments.listen.startswith("unix:"):
        Path(arguments.listen.removeprefix("unix:")).unlink(missing_ok=True)
    return FINE


def _serve(
    arguments: argparse.Namespace, policy: Policy, upstreams: Upstreams, listener: socket.socket, store: str | None
) -> None:
    _allow_many_files()
    serving = Serving(
        partial(_new_builder, upstreams, Limits(head=arguments.timeout), store),
        policy,
        rules_path(arguments.rules),
        load_policy,
        drain=arguments.drain,
        grace=arguments.grace,
    )
    config = config_of(
        serving,
        workers=arguments.workers,
        backlog=_BACKLOG,
        ssl_certfile=arguments.ssl_certfile,
        ssl_keyfile=arguments.ssl_keyfile,
    )
    _announce(arguments, upstreams, listener, serving.rules)
    serve(config, listener, serving)


def _announce(arguments: argparse.Namespace, upstreams: Upstreams, listener: socket.socket, rules: Path) -> None:
    scheme = "https" if arguments.ssl_certfile else "http"
    at = _name_of(listener, scheme)
    named = {pattern: str(upstream) for pattern, upstream in upstreams.by_host.items()}
    if upstreams.default is not None:
        named["*"] = str(upstreams.default)
    if arguments.json:
        print_json({"listen": at, "upstreams": named, "rules": str(rules), "workers": arguments.workers})
        return
    print(f"scrapeguard listens on {at}, by {rules}")
    for pattern, upstream in named.items():
        print(f"  {pattern} -> {upstream}", flush=True)


def _name_of(listener: socket.socket, scheme: str) -> str:
    name = listener.getsockname()
    if isinstance(name, str):
        return f"unix:{name}"
    return f"{scheme}://[{name[0]}]:{name[1]}" if ":" in name[0] else f"{scheme}://{name[0]}:{name[1]}"


def upstreams_of(texts: list[str]) -> Upstreams:
    """The upstreams of `--upstream URL` (at most one) and `--upstream HOST=URL`.

    Raises:
        UpstreamNameError: one of them cannot be read, or a host has two.
    """
    default: Upstream | None = None
    by_host: dict[str, Upstream] = {}
    for text in texts:
        host, equals, url = text.partition("=")
        if not equals or ":" in host:
            if default is not None:
                raise UpstreamNameError(f"{text}: there is another upstream for all hosts; name hosts as HOST=URL")
            default = Upstream.of(text)
        elif host.lower() in by_host:
            raise UpstreamNameError(f"{text}: {host} has another upstream")
        else:
            by_host[host.lower()] = Upstream.of(url)
    return Upstreams(default, by_host)


def _listen(where: str) -> socket.socket:
    """A socket that listens on HOST:PORT, [IPv6]:PORT or unix:PATH.

    Raises:
        UpstreamNameError: it is none of these.
        OSError: somebody listens there, or nobody may.
    """
    if where.startswith("unix:"):
        return _listen_unix(Path(where.removeprefix("unix:")))
    host, colon, port = where.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65_535:
        raise UpstreamNameError(f"{where}: write where to listen as HOST:PORT or unix:/path")
    host = host.removeprefix("[").removesuffix("]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With its protocol named, or asyncio leaves Nagle's algorithm on.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, int(port)))
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def _listen_unix(path: Path) -> socket.socket:
    if path.exists() and stat.S_ISSOCK(path.stat().st_mode) and not _answers(path):
        path.unlink()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(path))
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def _answers(path: Path) -> bool:
    """Whether somebody listens on a socket, or it was left behind."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
        return True


def _allow_many_files() -> None:
    """As many open files as the system lets us have: each exchange takes two."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
