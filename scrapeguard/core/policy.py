"""The owner's policy: what it says about sharing, agents, rules and scores, for a site and for all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from string import Template
from typing import NamedTuple

from scrapeguard.core.catalogue import Agent, Catalogue, Purpose
from scrapeguard.core.conditions import rates_of
from scrapeguard.core.decision import Action, Mode
from scrapeguard.core.forwarded import Proxies
from scrapeguard.core.glob import PathPattern
from scrapeguard.core.pathtable import PathTable
from scrapeguard.core.request import Request, of_host
from scrapeguard.core.rules import Rule, RuleIndex
from scrapeguard.core.sharing import USES_OF, PathSharing, Use
from scrapeguard.core.signals import SIGNALS
from scrapeguard.core.trust import Trust
from scrapeguard.core.upstream import Upstream


class Threshold(NamedTuple):
    """From this score on, this action."""

    score: int
    action: Action


class Verdict(NamedTuple):
    """An action and the part of the policy that chose it."""

    action: Action
    rule: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """The words of a refusal.

    `template` is a whole HTML page with `REFUSAL_PLACEHOLDERS`, each as `$name`; None for the built-in one.
    `contact` is an e-mail address or a URL.
    """

    title: str = "Automated access refused"
    text: str = "This site does not allow its pages to be collected for artificial intelligence."
    contact: str | None = None
    template: str | None = None


REFUSAL_PLACEHOLDERS = ("title", "text", "contact", "reference")


def template_fault(text: str) -> str | None:
    """What is wrong with a template of a refusal, or None."""
    template = Template(text)
    if not template.is_valid():
        return "a `$` that is no placeholder; write `$$` for a dollar sign"
    unknown = sorted(set(template.get_identifiers()) - set(REFUSAL_PLACEHOLDERS))
    if unknown:
        return f"unknown placeholder ${unknown[0]}; there are {', '.join(f'${name}' for name in REFUSAL_PLACEHOLDERS)}"
    return None if "reference" in template.get_identifiers() else "it lacks $reference, which finds the decision"


@dataclass(frozen=True, slots=True)
class OptOut:
    """Which signals a site says no with, beside robots.txt.

    `tdm_policy` is the URL of a policy, or None; `rsl_license` that of a licence, or None for the one that we serve.
    With `tighten`, where the app says something else itself the stricter of the two is sent; else what the app says.
    """

    content_usage: bool = True
    content_signal: bool = True
    tdm: bool = True
    noai: bool = True
    rsl: bool = True
    tdm_policy: str | None = None
    rsl_license: str | None = None
    tighten: bool = False


class DecoyLook(NamedTuple):
    """How the decoys of one site look, where it is not as those of all do; see `DecoyPolicy`."""

    locale: str | None = None
    corpus: str | None = None
    template: str | None = None

    def over(self, said: DecoyPolicy) -> DecoyPolicy:
        """What is said of all decoys, with this look."""
        return replace(said, **{key: value for key, value in self._asdict().items() if value is not None})


@dataclass(frozen=True, eq=False)
class SitePolicy:
    """The policy of one site; compared by identity, so that what follows from it can be remembered.

    `sharing` is for the whole site but for the patterns of `paths`, of which the longest that matches counts.
    `by_name`, `by_operator` and `by_purpose` are what the file says under `agents`; the narrower wins. `weights` are
    by signal. `upstream` is where the proxy finds the site, None where nothing is said; `decoys` how its decoys look.
    """

    sharing: Mapping[Use, bool]
    paths: tuple[PathSharing, ...] = ()
    mode: Mode = Mode.ENFORCE
    by_name: Mapping[str, Action] = field(default_factory=dict)
    by_operator: Mapping[str, Action] = field(default_factory=dict)
    by_purpose: Mapping[Purpose, Action] = field(default_factory=dict)
    rules: tuple[Rule, ...] = ()
    weights: Mapping[str, int] = field(default_factory=lambda: {name: s.weight for name, s in SIGNALS.items()})
    thresholds: tuple[Threshold, ...] = ()
    refusal: Refusal = Refusal()
    opt_out: OptOut = OptOut()
    trust: Trust | None = None
    upstream: Upstream | None = None
    decoys: DecoyLook = field(default_factory=DecoyLook)
    index: RuleIndex = field(init=False, compare=False, repr=False)
    by_path: PathTable[PathSharing] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "index", RuleIndex(self.rules))
        object.__setattr__(self, "by_path", PathTable((said.pattern, said) for said in self.paths))

    def denies(self, use: Use) -> bool:
        """Whether the use is denied anywhere on the site."""
        return not self.sharing[use] or any(not said.sharing[use] for said in self.paths)

    def handling(self, agent: Agent, said: PathSharing | None = None) -> Verdict | None:
        """What is said about an agent: by its name, else its operator, else its purpose, else by what is shared.

        Args:
            agent: who asks.
            said: what is said of the path asked for; None where nothing is.
        """
        if (action := self.by_name.get(agent.name)) is not None:
            return Verdict(action, f"agents.{agent.name}")
        if agent.operator is not None and (action := self.by_operator.get(agent.operator)) is not None:
            return Verdict(action, f"agents.{agent.operator}")
        return self.handling_of(agent.purpose, said)

    def handling_of(self, purpose: Purpose, said: PathSharing | None = None) -> Verdict | None:
        """What is said about a purpose, at a path of which `said` is said; None where nothing is."""
        if (action := self.by_purpose.get(purpose)) is not None:
            return Verdict(action, f"agents.{purpose}")
        sharing = self.sharing if said is None else said.sharing
        if any(not sharing[use] for use in USES_OF.get(purpose, ())):
            return Verdict(Action.BLOCK, f"agents.{purpose}" if said is None else said.rule)
        return None

    def by_score(self, score: int) -> Verdict | None:
        """The action of the highest threshold that the score reaches, or None."""
        reached = [threshold for threshold in self.thresholds if score >= threshold.score]
        if not reached:
            return None
        highest = max(reached)
        return Verdict(highest.action, f"thresholds.{highest.score}")


@dataclass(frozen=True, slots=True)
class TrapPolicy:
    """Whether there are traps, and whether a link to one is put into the pages of the app."""

    live: bool = False
    inject: bool = False


@dataclass(frozen=True, slots=True)
class DecoyPolicy:
    """What liars get in place of a refusal, if `serve` says so.

    `cpu` is the share of one core, in per cent, and `rate` the octets a second that all of it may take; `connections`
    may be held by tarpits at once, `per_client` of them by one client. Of the site's own paths `replace` per cent are
    answered falsely, the others as they are. `corpus` is a folder, `template` a file,
    `learn`, or None; `log` is where is written what was served to whom, `log_age` for how many seconds and `log_size`
    up to how many octets. Paths of `never` get none.
    """

    serve: bool = False
    tarpit: bool = False
    replace: int = 100
    host: str = "localhost"
    locale: str = "en_US"
    corpus: str | None = None
    template: str | None = None
    links: int = 8
    depth: int = 3
    never: tuple[PathPattern, ...] = ()
    cpu: int = 5
    rate: int = 2_000_000
    connections: int = 200
    per_client: int = 5
    log: str | None = None
    log_age: float = 730 * 86_400.0
    log_size: int = 512_000_000


class Addresses(StrEnum):
    """How much of a client's address is written down."""

    FULL = "full"
    TRUNCATED = "truncated"
    HASHED = "hashed"
    ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class EventPolicy:
    """What is written down.

    `log` is where events go: `stderr`, `logging`, `off`, or the path of a file. `addresses` is how much of a client's
    address they hold.
    """

    log: str = "stderr"
    addresses: Addresses = Addresses.FULL


@dataclass(frozen=True, slots=True)
class VerificationPolicy:
    """How claimed identities are checked.

    `dns` asks reverse DNS; `refresh` fetches the published address lists anew each day; both beside the requests.
    `folder` is where the lists are kept, None for the user's cache.
    """

    dns: bool = True
    refresh: bool = True
    folder: str | None = None


class RuleTest(NamedTuple):
    """A test that the owner wrote into the rule file: this request must get this action."""

    request: Request
    expect: Action
    place: str


class Policy:
    """The policy of every site: that of a host where `sites` has one, else the common one.

    Args:
        common: the policy of all hosts that are not named.
        sites: policies by host name; `*.example.org` stands for every name below. The longest pattern wins.
        on_error: what happens to a request for which the guard fails.
        proxies: whose word about a client's address is taken; by default nobody's.
        verification: how claimed identities are checked.
        events: what is written down.
        traps: whether there are any.
        decoys: what liars get in place of a refusal.
        store: where workers exchange what they know: `memory`, `sqlite:FILE`, or the URL of a Valkey.
        secret: a file that holds the secret of the site; None for one of the user's own.
        tests: what the owner wants to be true of the policy.
    """

    def __init__(
        self,
        common: SitePolicy,
        catalogue: Catalogue,
        *,
        sites: Mapping[str, SitePolicy] | None = None,
        on_error: Action = Action.ALLOW,
        proxies: Proxies | None = None,
        verification: VerificationPolicy | None = None,
        events: EventPolicy | None = None,
        traps: TrapPolicy | None = None,
        decoys: DecoyPolicy | None = None,
        store: str = "memory",
        secret: str | None = None,
        tests: Iterable[RuleTest] = (),
    ) -> None:
        self.common = common
        self.catalogue = catalogue
        self.sites = {pattern.lower(): site for pattern, site in (sites or {}).items()}
        self.on_error = on_error
        self.proxies = proxies or Proxies()
        self.verification = verification or VerificationPolicy()
        self.events = events or EventPolicy()
        self.traps = traps or TrapPolicy()
        self.decoys = decoys or DecoyPolicy()
        self.store = store
        self.secret = secret
        self.tests = tuple(tests)

    @property
    def windows(self) -> frozenset[float]:
        """The lengths of time, in seconds, for which rules ask how often a client came."""
        sites = (self.common, *self.sites.values())
        return frozenset(rate.seconds for site in sites for rule in site.rules for rate in rates_of(rule.when))

    @property
    def upstreams(self) -> dict[str, Upstream]:
        """The upstreams of the sites that name one, by host pattern."""
        return {pattern: site.upstream for pattern, site in self.sites.items() if site.upstream is not None}

    def site(self, host: str) -> SitePolicy:
        """The policy for a Host field; its cost does not grow with the number of sites."""
        if not self.sites:
            return self.common
        return of_host(self.sites, host) or self.common
