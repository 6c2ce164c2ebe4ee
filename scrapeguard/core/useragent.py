"""What a User-Agent claims: the agents it names, else a bot no list knows, else a browser.

`browser` is what people use: browsers, views inside apps, and apps that name themselves and claim nothing else. To look
like a bot is no evidence against anyone; only what a client says of itself counts here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from scrapeguard.core.catalogue import AI_PURPOSES, Agent, Catalogue, Purpose
from scrapeguard.core.matcher import AgentMatcher, Named, contact_hosts, without_addresses, words_of
from scrapeguard.core.recent import Recent
from scrapeguard.core.signals import Evidence

MAX_USER_AGENT = 8192
"""Octets of a User-Agent that are looked at; servers bound the header itself at 8 to 64 KiB."""

_MAX_REMEMBERED = 512
"""Octets of a User-Agent that is kept in mind; longer ones are rare, and strangers choose them."""

_BOT_ENDINGS = (
    "bot",
    "bots",
    "crawl",
    "crawler",
    "crawling",
    "spider",
    "scraper",
)
# Apps with a browser inside end like these too (a scanner of bar codes), so they count only where there is none.
_MACHINE_ENDINGS = (*_BOT_ENDINGS, "fetcher", "indexer", "scanner", "checker", "validator")
# Words that end like a bot and are not: CUBOT makes phones, the others are names of people and places.
_NOT_BOTS = frozenset({"cubot", "talbot", "abbot", "cabot"})
_ANDROID_MODEL = re.compile(r"android [0-9.]+;(?:(?!compatible)[^()])*")
_ENGINES = ("applewebkit", "gecko", "msie", "presto", "khtml")
_LETTER = re.compile(r"[a-z]")
_MAX_NAME = 64
_MAX_LABELS = 5
_EMAIL = re.compile(r"[a-z0-9_-]@[a-z0-9.-]*\.[a-z]{2}")
_PRODUCT = re.compile(r"[a-z][a-z0-9._!-]*")
_COMMON_PRODUCTS = frozenset(
    "mozilla applewebkit khtml like gecko chrome safari version mobile firefox compatible opera presto msie trident "
    "windows linux android iphone macintosh x11 http https www the".split()
)
# Chrome's patch numbers stay in the low hundreds; presets of phones with four digits come from generators.
_CHROME_PATCH = re.compile(r"chrome/(?:39|[45]\d|60)\.0\.\d{4}\.(?:999|1\d{3}|2000)\b")
_OTHER_CHROMIUMS = ("opr/", "edge/", "yabrowser/")


@dataclass(frozen=True, slots=True, eq=False)
class Claim:
    """What a User-Agent says its sender is. Compared by identity, so that what follows from one can be remembered."""

    purpose: Purpose
    name: str | None = None
    """The name it gives; None for browsers and where nothing could be read."""
    agents: tuple[Agent, ...] = ()
    """Every agent of the catalogue that is named; the one that counts first."""
    evidence: tuple[Evidence, ...] = ()
    purposes: frozenset[Purpose] = field(init=False, repr=False)
    """Its own, and those of all the agents named."""
    serves_ai: bool = field(init=False, repr=False)

    def __post_init__(self) -> None:
        purposes = frozenset({self.purpose, *(agent.purpose for agent in self.agents)})
        object.__setattr__(self, "purposes", purposes)
        object.__setattr__(self, "serves_ai", not purposes.isdisjoint(AI_PURPOSES))

    @property
    def operator(self) -> str | None:
        """The operator of the agent that counts, or None."""
        return self.agents[0].operator if self.agents else None


_NOTHING = Claim(Purpose.UNKNOWN, evidence=(Evidence("no-user-agent", "no readable User-Agent"),))
_BROWSER = Claim(Purpose.BROWSER)


class UserAgentClassifier:
    """Tells what a User-Agent claims, remembering the answers for the last few thousand distinct ones.

    Args:
        catalogue: the agents to find.
        remember: how many distinct headers to keep in mind, see `Recent`.
    """

    def __init__(self, catalogue: Catalogue, *, remember: int = 4096) -> None:
        self._matcher = AgentMatcher(catalogue.agents)
        self._catalogue = catalogue
        self._claims: Recent[bytes, Claim] = Recent(remember)

    def claim(self, user_agent: bytes | None) -> Claim:
        """The claim of a raw header; None and binary junk are ordinary inputs."""
        if user_agent is None:
            return _NOTHING
        claim = self._claims[user_agent]
        if claim is None:
            claim = self.classify(user_agent)
            if len(user_agent) <= _MAX_REMEMBERED:
                self._claims.put(user_agent, claim)
        return claim

    def classify(self, user_agent: bytes) -> Claim:
        """The claim of a raw header, worked out anew."""
        user_agent = user_agent[:MAX_USER_AGENT]
        words = words_of(user_agent)
        original = user_agent.decode("latin-1")
        text = original.lower()
        agents = self._agents(text) if self._matcher.may_find(words) else []
        if not (agents and agents[0].is_ai) and (agent := self._agent_by_contact(original, text)):
            return _claim_of([agent], f"contact address of {agent.operator}, whose crawlers all serve AI")
        if agents and agents[0].purpose is not Purpose.TOOL:
            return _claim_of(agents)
        if _may_declare_a_bot(text) and (claim := _declared_bot(original, text, is_tool=bool(agents))):
            return claim
        if agents:
            return _claim_of(agents)
        if not _LETTER.search(text):
            return _NOTHING
        return _fabricated(text) or _BROWSER

    def _agents(self, text: str) -> list[Agent]:
        """The agents named in a lower-case text, each once, those that serve AI first and tools last."""
        found = self._matcher.find(without_addresses(text))
        agents = dict.fromkeys(named.agent for named in found if _counts(named, text))
        return sorted(agents, key=_rank)

    def _agent_by_contact(self, original: str, text: str) -> Agent | None:
        """The agent of an operator that only crawls for AI and whose contact address is given (`+https://…`)."""
        for host in contact_hosts(text) if "+http" in text else ():
            if operator := self._operator_at(host):
                name = _own_name(original, without_addresses(text)) or host
                known = self._catalogue.agent(name)
                if known is not None and known.operator == operator:
                    return known
                return Agent(name, Purpose.UNDOCUMENTED_AI, operator)
        return None

    def _operator_at(self, host: str) -> str | None:
        """The operator whose contact host this is, or a subdomain of it."""
        labels = host.strip(".").split(".")[-_MAX_LABELS:]
        names = (".".join(labels[start:]) for start in range(len(labels)))
        return next((self._catalogue.contacts[name] for name in names if name in self._catalogue.contacts), None)


def _claim_of(agents: list[Agent], detail: str | None = None) -> Claim:
    evidence = tuple(Evidence("declared-agent", detail or f"User-Agent names {agent.name}") for agent in agents)
    return Claim(agents[0].purpose, agents[0].name, tuple(agents), evidence)


def _declared_bot(original: str, text: str, *, is_tool: bool) -> Claim | None:
    """The claim of a text that says it is a bot: by a word such as `FooBot`, or by an address to complain to.

    A tool gives the address of its makers, which says nothing of who uses it; so there only the word counts.
    """
    clean = without_addresses(text)
    if not (_has_bot_word(clean) or (not is_tool and _has_address(text))):
        return None
    name = _own_name(original, clean)
    detail = f"says it is the bot {name}" if name else "says it is a bot"
    return Claim(Purpose.OTHER_BOT, name, (), (Evidence("declared-bot", detail),))


def _rank(agent: Agent) -> int:
    if agent.is_ai:
        return 0
    return 2 if agent.purpose is Purpose.TOOL else 1


def _counts(named: Named, text: str) -> bool:
    """Whether a name speaks for the sender: a library that an app, a phone or a browser merely contains does not."""
    if named.agent.purpose is not Purpose.TOOL or named.leads:
        return True
    return text.startswith("mozilla/") and not _has_engine(text)


def _may_declare_a_bot(text: str) -> bool:
    """The cheap test that spares browsers a closer look: every text that declares a bot has one of these."""
    return (
        "bot" in text
        or "crawl" in text
        or "spider" in text
        or "://" in text
        or "@" in text
        or "scraper" in text
        or "fetcher" in text
        or "indexer" in text
        or "scanner" in text
        or "checker" in text
        or "validator" in text
    )


def _has_bot_word(clean: str) -> bool:
    """Whether a word ends like the name of a bot, outside the model of an Android phone (`M bot Tab 103`)."""
    spoken = _ANDROID_MODEL.sub(" ", clean, count=1)
    endings = _BOT_ENDINGS if _has_engine(clean) else _MACHINE_ENDINGS
    return any(word.endswith(endings) and word not in _NOT_BOTS for word in words_of(spoken.encode("latin-1")))


def _has_engine(text: str) -> bool:
    """Whether the engine of a browser is named."""
    return any(map(text.__contains__, _ENGINES))


def _has_address(text: str) -> bool:
    """An address to complain to: `+https://…` or an e-mail address, or any URL where no browser's engine is named."""
    return (
        "+http" in text
        or ("://" in text and not _has_engine(text))
        or ("@" in text and _EMAIL.search(text) is not None)
    )


def _own_name(original: str, clean: str) -> str | None:
    """The product name by which a bot calls itself: one that ends like a bot's, else the first uncommon one."""
    products = [original[match.start() : match.end()].strip("._-") for match in _PRODUCT.finditer(clean)]
    uncommon = [name for name in products if name.lower() not in _COMMON_PRODUCTS and not name.isdigit()]
    named_bots = (name for name in uncommon if name.lower().endswith(_MACHINE_ENDINGS))
    name = next(named_bots, uncommon[0] if uncommon else None)
    return name[:_MAX_NAME] if name else None


def _fabricated(text: str) -> Claim | None:
    """A browser of a version that was never released, such as Chrome/52.0.2743.1567."""
    match = _CHROME_PATCH.search(text)
    if match is None or any(map(text.__contains__, _OTHER_CHROMIUMS)):
        return None
    evidence = Evidence("fabricated-user-agent", f"there never was a {match.group().title()}")
    return Claim(Purpose.BROWSER, evidence=(evidence,))
