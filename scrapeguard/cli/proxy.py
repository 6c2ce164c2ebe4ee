"""`scrapeguard proxy`: the guard in front of any site, as a reverse proxy."""

from __future__ import annotations

import argparse
import os
import resource
import socket
from collections.abc import Iterable, Mapping
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import NamedTuple

from scrapeguard.app import ScrapeGuard
from scrapeguard.cli import BAD_USAGE, FINE, FOUND_PROBLEMS
from scrapeguard.cli.listening import BACKLOG, listen, place_of, tls_fault
from scrapeguard.cli.loading import load_or_report, rules_path
from scrapeguard.cli.output import fail, print_json
from scrapeguard.cli.sharing import share_secret, store_of_workers
from scrapeguard.core.policy import EventPolicy, Policy
from scrapeguard.errors import PolicyError, Problem
from scrapeguard.parts import decoy_faults
from scrapeguard.proxy.client import Client
from scrapeguard.proxy.exchange import Limits
from scrapeguard.proxy.relay import Relay
from scrapeguard.proxy.serving import Build, Serving, config_of, serve
from scrapeguard.proxy.types import ASGIApp
from scrapeguard.proxy.upstream import Upstream, UpstreamNameError, Upstreams
from scrapeguard.rulefile.load import load_policy
from scrapeguard.secret import SecretError, site_secret
from scrapeguard.telemetry.destinations import open_events
from scrapeguard.telemetry.events import EventLog

_MOST_FILES = 1 << 16
_HERE = {
    "127.0.0.1": {"127.0.0.1", "localhost"},
    "0.0.0.0": {"127.0.0.1", "localhost"},  # noqa: S104 - compared, and not bound to
    "::1": {"::1", "localhost"},
    "::": {"127.0.0.1", "::1", "localhost"},
}
"""Where one listens, and under which names a proxy there finds itself."""
_LogKey = tuple[EventPolicy, bytes]
"""What is written down, and the secret that hashes addresses."""


class _Builder:
    """Builds the guarded relay for one policy after another; connections to the upstreams and the event log stay."""

    def __init__(self, named: NamedUpstreams, limits: Limits, store: str | None) -> None:
        self._named = named
        self._limits = limits
        self._store = store
        self._client = Client()
        self._present: ScrapeGuard | None = None
        self._next: ScrapeGuard | None = None
        self._former: ScrapeGuard | None = None
        self._logs: dict[_LogKey, EventLog | None] = {}
        self._next_log: _LogKey | None = None
        self._used: tuple[_LogKey | None, ...] = ()

    def __call__(self, policy: Policy) -> ASGIApp:
        """The guarded relay; it knows of clients what the one in force does, which stays as it is."""
        if self._store is not None and policy.store == "memory":
            policy.store = self._store
        # What was opened for rules that never came into force.
        self._close_unused()
        key = self._next_log = (policy.events, site_secret(policy.secret, os.environ).octets)
        if key not in self._logs:
            self._logs[key] = open_events(*key)
        log = self._logs[key]
        upstreams = self._named.beside(policy)
        relay = Relay(upstreams, proxies=policy.proxies, limits=self._limits, client=self._client)
        guarded = ScrapeGuard(relay, policy, after=self._present, record=None if log is None else log.record)
        self._next = guarded
        return guarded

    def in_force(self) -> None:
        """What was built last serves from now on."""
        if self._next is None:
            return
        if self._former is not None:
            self._former.retire()
        # Requests under way go on by the rules before.
        self._former, self._present, self._next = self._present, self._next, None
        self._present.take_over()
        if self._used[-1:] != (self._next_log,):
            # Requests under way go on to write by the rules before.
            self._used = (*self._used[-1:], self._next_log)
        self._close_unused()

    def _close_unused(self) -> None:
        for key in [key for key in self._logs if key not in self._used]:
            log = self._logs.pop(key)
            if log is not None:
                log.close(timeout=0.0)

    async def close(self) -> None:
        """Close the connections to the upstreams."""
        await self._client.close()


def _new_builder(named: NamedUpstreams, limits: Limits, store: str | None) -> Build:
    return _Builder(named, limits, store)


def run(arguments: argparse.Namespace) -> int:
    """Serve until the process is told to end."""
    policy = load_or_report(arguments.rules)
    if policy is None:
        return FOUND_PROBLEMS
    tls = tls_fault(arguments.ssl_certfile, arguments.ssl_keyfile)
    if faults := decoy_faults(policy) or tls:
        fail(tls or "\n".join(faults))
        return BAD_USAGE if tls else FOUND_PROBLEMS
    try:
        share_secret(policy.secret, os.environ)
        named = NamedUpstreams.of(arguments.upstream)
        upstreams = named.beside(policy)
        _refuse_itself(upstreams, arguments.listen)
        listener = listen(arguments.listen)
    except SecretError as error:
        fail(error)
        return FOUND_PROBLEMS
    except UpstreamNameError as error:
        fail(error)
        return BAD_USAGE
    except ValueError as error:
        fail(f"--listen: {error}")
        return BAD_USAGE
    except OSError as error:
        fail(f"cannot listen on {arguments.listen}: {error.strerror or error}")
        return BAD_USAGE
    with closing(listener), store_of_workers(arguments.workers) as store:
        _announce(arguments, upstreams, listener)
        _serve(arguments, policy, named, listener, store)
    if arguments.listen.startswith("unix:"):
        Path(arguments.listen.removeprefix("unix:")).unlink(missing_ok=True)
    return FINE


def _refuse_itself(upstreams: Upstreams, place: str) -> None:
    """Raise an UpstreamNameError where an upstream is the place at which the proxy shall listen."""
    host, _, port = place.rpartition(":")
    host = host.strip("[]")
    hosts = _HERE.get(host, {host})
    for upstream in filter(None, (upstreams.default, *upstreams.by_host.values())):
        is_here = upstream.path is None and upstream.host in hosts and str(upstream.port) == port
        if is_here or place == str(upstream):
            raise UpstreamNameError(f"{upstream} is where the proxy itself shall listen: name the site behind it")


def _serve(
    arguments: argparse.Namespace, policy: Policy, named: NamedUpstreams, listener: socket.socket, store: str | None
) -> None:
    _allow_many_files()
    serving = Serving(
        partial(_new_builder, named, Limits(head=arguments.timeout), store),
        policy,
        rules_path(arguments.rules),
        partial(load_served, named),
        drain=arguments.drain,
        grace=arguments.grace,
    )
    config = config_of(
        serving,
        workers=arguments.workers,
        backlog=BACKLOG,
        ssl_certfile=arguments.ssl_certfile,
        ssl_keyfile=arguments.ssl_keyfile,
    )
    serve(config, listener, serving)


def _announce(arguments: argparse.Namespace, upstreams: Upstreams, listener: socket.socket) -> None:
    scheme, at, rules = "https" if arguments.ssl_certfile else "http", place_of(listener), rules_path(arguments.rules)
    at = at if at.startswith("unix:") else f"{scheme}://{at}"
    named = {pattern: str(upstream) for pattern, upstream in upstreams.by_host.items()}
    if upstreams.default is not None:
        named["*"] = str(upstreams.default)
    if arguments.json:
        print_json({"listen": at, "upstreams": named, "rules": str(rules), "workers": arguments.workers})
        return
    print(f"scrapeguard listens on {at}, by {rules}")
    for pattern, upstream in named.items():
        print(f"  {pattern} -> {upstream}", flush=True)


class NamedUpstreams(NamedTuple):
    """What `--upstream` names; where it speaks of a host, it counts more than the rule file."""

    default: Upstream | None
    by_host: Mapping[str, Upstream]

    @classmethod
    def of(cls, texts: Iterable[str]) -> NamedUpstreams:
        """Those of `--upstream URL` (at most one) and `--upstream HOST=URL`.

        Raises:
            UpstreamNameError: one of them cannot be read, or a host has two.
        """
        default: Upstream | None = None
        by_host: dict[str, Upstream] = {}
        for text in texts:
            host, equals, url = text.partition("=")
            if not equals or "://" in host or host.startswith("unix:"):
                if default is not None:
                    raise UpstreamNameError(f"{text}: there is another upstream for all hosts; name hosts as HOST=URL")
                default = Upstream.of(text)
            elif host.lower() in by_host:
                raise UpstreamNameError(f"{text}: {host} has another upstream")
            else:
                by_host[host.lower()] = Upstream.of(url)
        return cls(default, by_host)

    def beside(self, policy: Policy) -> Upstreams:
        """Those of the command line and of the sites of the rule file.

        Raises:
            UpstreamNameError: there is none at all, or a host pattern can match nothing.
        """
        by_host = {**policy.upstreams, **self.by_host}
        if self.default is None and not by_host:
            raise UpstreamNameError(
                "there is no upstream: give --upstream URL, or name those of the sites in the rule file "
                "(`sites: {HOST: {upstream: URL}}`)"
            )
        return Upstreams(self.default, by_host)


def load_served(named: NamedUpstreams, path: Path) -> Policy:
    """The policy of a rule file under which there is something to serve.

    Raises:
        PolicyError: it cannot be honoured, or leaves no upstream or no decoys that can be made.
    """
    policy = load_policy(path)
    faults = decoy_faults(policy)
    try:
        named.beside(policy)
    except UpstreamNameError as error:
        faults.append(str(error))
    if faults:
        raise PolicyError(Problem(str(path), 1, 1, fault) for fault in faults)
    return policy


def _allow_many_files() -> None:
    """As many open files as the system lets us have: each exchange takes two."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
