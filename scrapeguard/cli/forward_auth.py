"""`scrapeguard forward-auth`: the decision service that nginx, Caddy, Traefik, Envoy and HAProxy ask."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from contextlib import closing
from functools import partial

from scrapeguard.app import ForwardAuth
from scrapeguard.asgi.dialects import ForwardedFieldError, asked_by_proxies
from scrapeguard.cli import BAD_USAGE, FOUND_PROBLEMS
from scrapeguard.cli.listening import listen, place_of
from scrapeguard.cli.loading import count, load_or_report, rules_path
from scrapeguard.cli.output import fail, print_json
from scrapeguard.cli.serving import serve
from scrapeguard.cli.sharing import share_secret, store_of_workers
from scrapeguard.core.address import NETWORK_WORDS, parse_address
from scrapeguard.core.policy import Policy
from scrapeguard.secret import SecretError

_LOOPBACK = NETWORK_WORDS["loopback"]
# Stands for whoever asks over a Unix socket, be it under `proxies.trusted` or not: its permissions say who may.
_HERE = "127.0.0.1"


def run(arguments: argparse.Namespace) -> int:
    """Serve decisions until interrupted; read the rules anew when their file changes, and at SIGHUP."""
    with store_of_workers(arguments.workers) as store:
        return _run(arguments, _Rules(arguments, store))


def _run(arguments: argparse.Namespace, rules: _Rules) -> int:
    policy = rules.read()
    if policy is None:
        return FOUND_PROBLEMS
    try:
        share_secret(policy.secret, os.environ)
        listener = listen(arguments.listen)
    except SecretError as error:
        fail(error)
        return FOUND_PROBLEMS
    except ValueError as error:
        fail(f"--listen: {error}")
        return BAD_USAGE
    except OSError as error:
        fail(f"cannot listen on {arguments.listen}: {error.strerror}")
        return BAD_USAGE
    with closing(listener):
        _tell(place_of(listener), policy, default=rules.names_nobody, arguments=arguments)
        return serve(rules.build, rules_path(arguments.rules), listener, arguments.workers)


class _Rules:
    """The rules as they are read anew, and what stays as it is."""

    def __init__(self, arguments: argparse.Namespace, store: str | None) -> None:
        self._store = store
        self._file = arguments.rules
        self._on_socket = arguments.listen.startswith("unix:")
        self.names_nobody = True

    def read(self) -> Policy | None:
        """The policy as it is for a decision service; None after its problems were printed."""
        policy = load_or_report(self._file)
        if policy is None:
            return None
        if self._store is not None and policy.store == "memory":
            policy.store = self._store
        self.names_nobody = not policy.proxies
        try:
            return asked_by_proxies(policy, also=_LOOPBACK if self._on_socket else ())
        except ForwardedFieldError as error:
            fail(error)
            return None

    def build(self) -> Callable[[], ForwardAuth] | None:
        """How the app is made under the rules as they are now."""
        try:
            policy = self.read()
        except (SystemExit, OSError):
            # The file is gone: bad usage at the start, but no reason to end what runs.
            return None
        if policy is None:
            return None
        return partial(ForwardAuth, policy, socket_peer=_HERE if self._on_socket else None)


def _tell(place: str, policy: Policy, *, default: bool, arguments: argparse.Namespace) -> None:
    trusted = [str(network) for network in policy.proxies.networks]
    if arguments.json:
        print_json({"listening": place, "trusted": trusted, "workers": arguments.workers})
        return
    host = parse_address(place.rpartition(":")[0].strip("[]"))
    if default and host is not None and not host.is_loopback:
        fail(f"{place} is open to other machines, but none of them is believed: name yours under `proxies.trusted`")
    print(f"scrapeguard decides at {place}, with {count(arguments.workers, 'worker')}.", flush=True)
    if place.startswith("unix:"):
        print("Whoever may open that socket is believed about the requests of clients.", flush=True)
        return
    print(f"Believed about the requests of clients: {', '.join(trusted)}.", flush=True)
    if default:
        print("(Servers on this machine alone, since `proxies.trusted` in the rule file names none.)", flush=True)
