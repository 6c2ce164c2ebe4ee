"""Who the agents are: purposes, agents, their operators, and how people opt out with them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from scrapeguard.errors import CatalogueError


class Purpose(StrEnum):
    """What an agent fetches pages for. The first six serve AI."""

    TRAINING = "training"
    DATASET = "dataset"
    AI_SEARCH = "ai-search"
    ASSISTANT = "assistant"
    AI_AGENT = "ai-agent"
    UNDOCUMENTED_AI = "undocumented-ai"
    SEARCH_ENGINE = "search-engine"
    FEED_READER = "feed-reader"
    LINK_PREVIEW = "link-preview"
    MONITOR = "monitor"
    ARCHIVE = "archive"
    SEO = "seo"
    TOOL = "tool"
    OTHER_BOT = "other-bot"
    BROWSER = "browser"
    UNKNOWN = "unknown"


AI_PURPOSES = frozenset(
    {
        Purpose.TRAINING,
        Purpose.DATASET,
        Purpose.AI_SEARCH,
        Purpose.ASSISTANT,
        Purpose.AI_AGENT,
        Purpose.UNDOCUMENTED_AI,
    }
)

# What the classifier concludes by itself; no catalogue entry may claim it.
INFERRED_PURPOSES = frozenset({Purpose.OTHER_BOT, Purpose.BROWSER, Purpose.UNKNOWN})


class RobotsStance(StrEnum):
    """What is known of an agent's obedience to robots.txt."""

    DOCUMENTED = "documented"
    CLAIMED = "claimed"
    UNCLEAR = "unclear"
    IGNORED = "ignored"


@dataclass(frozen=True, slots=True)
class Verification:
    """The ways in which an operator lets others check that a request is its own."""

    ranges: tuple[str, ...] = ()
    """URLs of published address lists."""
    dns: tuple[str, ...] = ()
    """Suffixes of the reverse DNS name, each with its leading dot."""
    signature: str | None = None
    """Origin of the Web Bot Auth key directory (RFC 9421 message signatures)."""


@dataclass(frozen=True, slots=True)
class Agent:
    """A crawler or fetcher, as its operator describes it."""

    name: str
    purpose: Purpose
    operator: str | None = None
    robots: RobotsStance = RobotsStance.UNCLEAR
    token: str | None = None
    """Product token in robots.txt (RFC 9309 §2.2.1), None where it has none."""
    match: tuple[str, ...] = ()
    """Names that stand for it in a User-Agent; a final `/` asks for a version."""
    control: bool = False
    """A word for robots.txt alone that no request ever carries, such as Google-Extended."""
    docs: str | None = None
    verify: Verification = Verification()
    example: str | None = None
    note: str | None = None

    @property
    def is_ai(self) -> bool:
        """Whether it fetches pages for AI."""
        return self.purpose in AI_PURPOSES


@dataclass(frozen=True, slots=True)
class Account:
    """How people opt out with an operator that trains on what its own users post."""

    service: str
    operator: str
    effect: str
    steps: tuple[str, ...] = ()
    url: str | None = None


class Catalogue:
    """All agents known, found by name, operator or purpose (in any case of letters).

    Raises:
        CatalogueError: two agents of one name, or names that no User-Agent could be told apart by.
    """

    def __init__(
        self,
        agents: Iterable[Agent],
        *,
        contacts: Mapping[str, str] | None = None,
        accounts: Iterable[Account] = (),
        as_of: str = "",
    ) -> None:
        self.agents = tuple(agents)
        self.contacts = dict(contacts or {})
        """Host of a contact address to the operator all of whose crawlers serve AI."""
        self.accounts = tuple(accounts)
        self.as_of = as_of
        """Date of the facts, ISO 8601."""
        self._by_name: dict[str, Agent] = {}
        self._by_operator: dict[str, list[Agent]] = {}
        for agent in self.agents:
            if agent.name.lower() in self._by_name:
                raise CatalogueError(f"two agents are named {agent.name}")
            self._by_name[agent.name.lower()] = agent
            if agent.operator:
                self._by_operator.setdefault(agent.operator.lower(), []).append(agent)

    def agent(self, name: str) -> Agent | None:
        """The agent of that name, or None."""
        return self._by_name.get(name.lower())

    def of_operator(self, operator: str) -> tuple[Agent, ...]:
        """The agents that operator runs; empty where it is unknown."""
        return tuple(self._by_operator.get(operator.lower(), ()))

    def accounts_of(self, word: str) -> tuple[Account, ...]:
        """The opt-outs of a service or of an operator of that name."""
        wanted = word.lower()
        return tuple(a for a in self.accounts if wanted in (a.service.lower(), a.operator.lower()))

    @property
    def operators(self) -> tuple[str, ...]:
        """All operators, each as the catalogue spells it."""
        return tuple(sorted({a.operator for a in self.agents if a.operator}, key=str.lower))
