"""The composition root: the middleware and the decision service, ready to use."""

from __future__ import annotations

import time
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any

from scrapeguard.asgi.background import Background
from scrapeguard.asgi.dialects import asked_by_proxies
from scrapeguard.asgi.forwardauth import ForwardAuthApp
from scrapeguard.asgi.middleware import GuardMiddleware
from scrapeguard.asgi.refusedpaths import RefusedPathsJob, Source
from scrapeguard.asgi.ticket import Tickets
from scrapeguard.asgi.types import ASGIApp
from scrapeguard.core.catalogue import Catalogue
from scrapeguard.core.policy import Policy
from scrapeguard.errors import PolicyError, Problem
from scrapeguard.parts import Parts, decoy_faults
from scrapeguard.rulefile import load


def load_policy(path: str | Path | None = None, *, catalogue: Catalogue | None = None) -> Policy:
    """The policy of a rule file, once all that it names was looked at: what middleware built of it cannot fail then.

    Args:
        path: of the file; None for the packaged default.
        catalogue: of agents; None for the packaged one.

    Raises:
        PolicyError: it cannot be honoured; every problem is in the message.
    """
    policy = load.load_policy(path, catalogue=catalogue)
    if faults := decoy_faults(policy):
        raise PolicyError([Problem(str(path), 1, 1, fault) for fault in faults])
    return policy


class ScrapeGuard(GuardMiddleware):
    """The middleware, ready to use: `app = ScrapeGuard(app)`, or `app.add_middleware(ScrapeGuard, rules="rules.yaml")`.

    Args:
        app: the ASGI app to guard.
        rules: a rule file, or a policy that is loaded already; None for the packaged default.
        refused_paths: a coroutine function that names the paths whose authors refuse AI, as patterns like those of
            robots.txt; it is asked beside the requests. None where the app has no authors, or marks its responses.
        refused_paths_every: seconds between two of these questions.
        after: the one that this takes the place of, whose memory of clients it goes on with; nothing of that one
            changes until `take_over`.
        options: what `GuardMiddleware` takes besides.

    Raises:
        PolicyError: the rule file cannot be honoured; every problem is in the message.
    """

    def __init__(
        self,
        app: ASGIApp,
        rules: str | Path | Policy | None = None,
        *,
        refused_paths: Source | None = None,
        refused_paths_every: float = 60.0,
        after: ScrapeGuard | None = None,
        **options: Any,
    ) -> None:
        policy = rules if isinstance(rules, Policy) else load.load_policy(rules)
        before = None if after is None else after._parts
        self._parts: Parts = Parts(policy, after=before, monotonic=options.get("monotonic", time.monotonic))
        guard = self._parts.guard
        if refused_paths is not None:
            take = partial(setattr, guard, "refused_paths")
            self._parts.jobs.append(RefusedPathsJob(refused_paths, take, every=refused_paths_every))
        options = self._parts.options(options, app)
        super().__init__(app, guard, background=Background(self._parts.jobs), **options)

    def take_over(self) -> None:
        """Take the place of the one before: to be called in the event loop, once this one has begun to serve."""
        self._parts.take_over()

    def retire(self) -> None:
        """Close the log of decoys: to be called once another took its place and its last request is over."""
        self._parts.retire()

    def metrics(self) -> dict[str, float]:
        """What to watch: numbers since the start but for the age of lists, in seconds, and for what is in mind now."""
        return {"errors": self.errors, **self._parts.metrics()}


class ForwardAuth(ForwardAuthApp):
    """The decision service, ready to serve: an ASGI app of its own, with all that the middleware has.

    Args:
        rules: a rule file, or a policy that is loaded already; None for the packaged default. Its `proxies.trusted`
            names the servers that may ask; where it names none, those on this machine.
        key: the secret of 32 octets that all share who may be asked in turn; None for one that follows from the secret
            of the site.
        options: what `ForwardAuthApp` takes besides.

    Raises:
        PolicyError: the rule file cannot be honoured; every problem is in the message.
        ForwardedFieldError: it has the clients' addresses read from another field than the servers write.
    """

    def __init__(self, rules: str | Path | Policy | None = None, *, key: bytes | None = None, **options: Any) -> None:
        policy = asked_by_proxies(rules if isinstance(rules, Policy) else load.load_policy(rules))
        self._parts = Parts(policy, monotonic=options.get("monotonic", time.monotonic))
        options = self._parts.options(options, None, drips=False)
        background = Background(self._parts.jobs)
        key = key or blake2b(self._parts.secret.octets, digest_size=32, person=b"tickets").digest()
        super().__init__(self._parts.guard, Tickets(key), background=background, **options)
