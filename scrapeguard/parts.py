"""What the ways in are made of: guard, identities, behaviour, store, decoys and log, built from a policy."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scrapeguard.asgi.background import Job
from scrapeguard.asgi.decoying import Decoying
from scrapeguard.asgi.exchange import ExchangeJob
from scrapeguard.asgi.passage import Passage
from scrapeguard.asgi.types import ASGIApp
from scrapeguard.core.behaviour import Behaviour
from scrapeguard.core.browserheaders import BrowserHeaders
from scrapeguard.core.budget import Budget
from scrapeguard.core.decision import Decision
from scrapeguard.core.history import History
from scrapeguard.core.journal import Journal
from scrapeguard.core.ledger import Ledger
from scrapeguard.core.policy import DecoyPolicy, Policy
from scrapeguard.core.request import Request
from scrapeguard.core.tokens import Tokens
from scrapeguard.core.traps import Traps
from scrapeguard.errors import PolicyError, Problem
from scrapeguard.guard import Guard, Settled
from scrapeguard.rulefile.browsers import load_engines
from scrapeguard.secret import SiteSecret, site_secret
from scrapeguard.stores.choose import open_store
from scrapeguard.stores.port import StoreError
from scrapeguard.telemetry.destinations import open_events
from scrapeguard.verification.refresh import fetch
from scrapeguard.verifying import Verification

if TYPE_CHECKING:
    from scrapeguard.deceit import SiteDecoys


class Parts:
    """All that a way in needs under a policy.

    Args:
        policy: what the owner wants.
        after: the parts that these take the place of, whose memory of clients they go on with; nothing of those changes
            until `take_over`. Under another secret clients have other tags: all begins anew then.
        monotonic: seconds that never go back.

    Raises:
        ScrapeGuardError: the secret cannot be read, or what the store needs is not installed.
    """

    def __init__(
        self,
        policy: Policy,
        *,
        after: Parts | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.policy = policy
        self.secret = site_secret(policy.secret, os.environ)
        self.verification = Verification(policy, os.environ, fetch=fetch if policy.verification.refresh else None)
        known = after if after is not None and after.secret.octets == self.secret.octets else None
        self.behaviour: Behaviour = (
            new_behaviour(policy, self.secret.octets)
            if known is None
            else known.behaviour.with_traps(Traps(self.secret.octets) if policy.traps.live else None)
        )
        self.guard: Guard = Guard(
            policy,
            verifier=self.verification.verifier,
            behaviour=self.behaviour,
            rates=known.guard.rates if known is not None and known.policy.windows == policy.windows else None,
            monotonic=monotonic,
        )
        # Who came to a store once more would hear there what it has told itself.
        goes_on = known is not None and known.policy.store == policy.store
        self.exchange: ExchangeJob | None = (
            known.exchange if known is not None and goes_on else exchange_job(policy.store, self.guard, self.behaviour)
        )
        if after is None:
            self.take_over()
        self._decoys: SiteDecoys | None = None
        self.jobs: list[Job] = [*self.verification.jobs, *([self.exchange] if self.exchange else [])]

    def take_over(self) -> None:
        """Be told from now on what happens here, and read headers by this policy: when these parts begin to serve.

        To be called where the requests are handled, since memory is changed that others may use.
        """
        self.behaviour.come_by_proxy(proxied=bool(self.policy.proxies.networks))
        if self.exchange is None:
            history = self.behaviour.history
            history.tell = history.styles.tell = self.behaviour.ledger.tell = None
        else:
            self.exchange.journal.rates = self.guard.rates
            self.exchange.journal.listen()

    def retire(self) -> None:
        """Close what is written of decoys: when others took the place of these parts, and no request goes by them."""
        if self._decoys is not None:
            self._decoys.close()

    def options(self, given: Mapping[str, Any], app: ASGIApp | None, *, drips: bool = True) -> dict[str, Any]:
        """What a middleware takes besides the guard; what is given stays.

        Args:
            given: options that the caller sets.
            app: the app whose pages decoys may look like; None where there is none.
            drips: whether answers may be sent slowly.

        Raises:
            PolicyError: what the rule file names for decoys cannot be used.
            OSError: the event log cannot be opened.
        """
        options = dict(given)
        if "record" not in options:
            log = open_events(self.policy.events, self.secret.octets)
            options["record"] = None if log is None else log.record
        if "passage" not in options:
            options["passage"] = Passage(self.guard, Tokens(self.secret.octets), clock=time.time)
        if self.policy.decoys.serve and "decoying" not in options:
            budget = new_budget(self.policy.decoys, self.guard.monotonic())
            decoys = new_decoys(self.policy, self.secret, settled=self.guard.settled, spent=budget.spend)
            options["decoying"] = Decoying(
                decoys, budget, monotonic=self.guard.monotonic, cpu=time.thread_time, drips=drips
            )
            self._decoys = decoys
            self.guard.replaces = replacing(self.policy.decoys, decoys)
            self.jobs += [] if app is None else decoys.jobs(app)
        return options

    def metrics(self) -> dict[str, float]:
        """Numbers since the start but for the age of lists, in seconds, and for what is in mind now."""
        dns, exchange = self.verification.dns, self.exchange
        return {
            "list_age_seconds": self.verification.oldest_list(),
            "reverse_dns_dropped": 0 if dns is None else dns.dropped,
            "store_failures": 0 if exchange is None else exchange.failures,
            "exchange_dropped": 0 if exchange is None else exchange.journal.dropped,
            "clients": len(self.behaviour.history),
            "offenders": len(self.behaviour.ledger),
        }


def new_behaviour(policy: Policy, secret: bytes, browsers: BrowserHeaders | None = None) -> Behaviour:
    """What gathers evidence under a policy; it knows nobody yet.

    Args:
        policy: what the owner wants.
        secret: makes traps and the tags of clients.
        browsers: judges headers; None for all that is known of browsers.
    """
    browsers = browsers or BrowserHeaders(load_engines(), proxied=bool(policy.proxies.networks))
    return Behaviour(
        browsers=browsers,
        history=History(loads_styles=browsers.loads_styles, judge=browsers.as_written),
        ledger=Ledger(),
        traps=Traps(secret) if policy.traps.live else None,
        secret=secret,
    )


def closed_paths(policy: Policy, environment: Mapping[str, str]) -> tuple[str, ...]:
    """The paths that are closed to every robot under a policy: those of its traps.

    Raises:
        SecretError: they follow from a secret that cannot be read.
    """
    return (Traps(site_secret(policy.secret, environment).octets).prefix,) if policy.traps.live else ()


def new_decoys(
    policy: Policy,
    secret: SiteSecret,
    *,
    settled: Callable[[Request, Decision], Settled] | None = None,
    spent: Callable[[float], object] | None = None,
) -> SiteDecoys:
    """What makes the decoys under a policy.

    Args:
        policy: what the owner wants.
        secret: of the site.
        settled: tells who a client is, and what settled that; None where nothing is served.
        spent: told how many seconds of processor time the log of what is served took.

    Raises:
        PolicyError: what the rule file names for them cannot be used.
    """
    # What it takes to make decoys is loaded only where there are any.
    from scrapeguard.deceit import SiteDecoys, open_provenance

    log = open_provenance(policy.decoys, clock=time.time, spent=spent)
    record, close = (None, None) if log is None else (log.record, partial(log.close, timeout=0.0))
    try:
        looks = {pattern: site.decoys for pattern, site in policy.sites.items()}
        return SiteDecoys(policy.decoys, looks, secret, clock=time.time, record=record, close=close, settled=settled)
    except (OSError, ValueError) as error:
        raise PolicyError([Problem("decoys", 1, 1, str(error))]) from error


def decoy_faults(policy: Policy) -> list[str]:
    """What is wrong with the templates and texts that the rule file names for decoys; each is looked at once."""
    from scrapeguard.deceit import template_of, try_corpus

    said, looks = policy.decoys, [site.decoys for site in policy.sites.values()]
    templates = [said.template, *(look.template for look in looks)]
    texts = [said.corpus, *(look.corpus for look in looks)] if said.serve else []
    return [*_faults("template", templates, template_of), *_faults("corpus", texts, try_corpus)]


def _faults(key: str, names: Iterable[str | None], look_at: Callable[[str], object]) -> Iterator[str]:
    for name in filter(None, dict.fromkeys(names)):
        try:
            look_at(name)
        except (OSError, ValueError) as error:
            yield f"decoys.{key}: {error}"


def replacing(said: DecoyPolicy, decoys: SiteDecoys) -> Callable[[Request], bool] | None:
    """What tells whether a page is answered falsely to who gets decoys; None where each of them is."""
    return decoys.replaces if said.replace < 100 else None


def site_replaces(policy: Policy, environment: Mapping[str, str]) -> Callable[[Request], bool] | None:
    """What tells, as the site would, which pages are answered falsely; None where each of them is, or none.

    Raises:
        ScrapeGuardError: it follows from a secret that cannot be read, or decoys cannot be made.
    """
    if not policy.decoys.serve or policy.decoys.replace == 100:
        return None
    return replacing(policy.decoys, new_decoys(policy, site_secret(policy.secret, environment)))


def new_budget(said: DecoyPolicy, now: float) -> Budget:
    """The budget that the owner sets for all work on decoys; `now` is in seconds that never go back."""
    return Budget(
        cpu=said.cpu / 100,
        rate=said.rate,
        connections=said.connections,
        per_client=said.per_client,
        now=now,
    )


def exchange_job(store: str, guard: Guard, behaviour: Behaviour) -> ExchangeJob | None:
    """What exchanges with other workers; None where each keeps what it knows to itself. Its journal is yet to listen.

    Raises:
        StoreError: the store cannot be used here, since what it needs is not installed.
    """
    if store == "memory":
        return None
    journal = Journal(behaviour.history, behaviour.ledger, guard.rates, listens=False)
    name = store.partition(":")[0]
    return ExchangeJob(
        open_store(store, Path()),
        f"the store ({name})",
        journal,
        clock=time.time,
        monotonic=guard.monotonic,
        failure=StoreError,
    )
