"""Does a decision get slower as the policy grows?

How to read it: the same texts and requests against a small policy and a large one; the ratio should stay near 1. Large
means ten times the agents, a hundred times the rules and a thousand times the networks. No rule applies to any request.
Clients `outside` are in none of the networks; those `inside` are each in one, so that its rule is tried and fails.
Rules without an anchor (by method or signal alone, say) are tried one by one and are not measured here.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import replace
from functools import partial
from ipaddress import IPv4Address, IPv4Network
from itertools import chain

from bench.classify import corpora, never_seen_octets
from bench.clients import PAGE
from bench.report import Row, micro
from bench.timing import calls, fastest
from scrapeguard.core.address import Network, NetworkMap
from scrapeguard.core.catalogue import Catalogue
from scrapeguard.core.conditions import AgentIs, AllOf, Condition, HostIs, InNetwork, MethodIs, PathIs
from scrapeguard.core.decision import Action
from scrapeguard.core.glob import PathPattern
from scrapeguard.core.policy import Policy
from scrapeguard.core.request import Request
from scrapeguard.core.rules import Rule
from scrapeguard.core.useragent import UserAgentClassifier
from scrapeguard.guard import Guard
from scrapeguard.rulefile.load import load_policy

MOST_RATIO = 1.3
_REQUESTS = 4_000
_ROUNDS = 15
_BLOCK = 1 << 12
_BLOCKS = (1 << 31) // _BLOCK
_NAME_WORD = re.compile(r"[a-z0-9!]+", re.IGNORECASE)


def run() -> list[Row]:
    dice = random.Random(7)
    policy = load_policy()
    larger = grown(policy.catalogue, 10, dice)
    return _classify_rows(policy.catalogue, larger) + _assess_rows(policy, larger, dice)


def grown(catalogue: Catalogue, times: int, dice: random.Random) -> Catalogue:
    """The catalogue so many times over: real names, with invented words for those that are a name's own."""
    names = [_words(name) for agent in catalogue.agents for name in {agent.name, *agent.match}]
    shared = {word for word, number in Counter(chain(*names)).items() if number > 1}
    used = set(names)
    agents = list(catalogue.agents)
    for agent in (agent for agent in catalogue.agents * (times - 1) if agent.match):
        match = tuple(_renamed(name, shared, used, dice) for name in agent.match)
        agents.append(replace(agent, name=match[0].rstrip("/"), match=match))
    return Catalogue(agents, contacts=catalogue.contacts)


def invented_rules(count: int, networks: list[Network], dice: random.Random) -> tuple[Rule, ...]:
    """Rules by path, agent, host and network in equal parts, the networks dealt out among the last."""
    by_network = [AllOf((InNetwork(frozenset(part)), MethodIs(frozenset({"PUT"})))) for part in _deal(networks, count)]
    kinds: list[Callable[[], Condition]] = [
        lambda: PathIs((PathPattern("".join(f"/{_word(dice)}" for _ in range(dice.randint(1, 3))) + "/"),)),
        lambda: AgentIs(frozenset({_word(dice)})),
        lambda: HostIs((f"{_word(dice)}.example.net",)),
        by_network.pop,
    ]
    return tuple(Rule(f"rule {n}", kinds[n % 4](), Action.BLOCK) for n in range(count))


def invented_networks(count: int, dice: random.Random) -> list[Network]:
    """IPv4 networks of 16 to 4096 addresses in the lower half of all, none inside another."""
    lengths = (20, 22, 24, 24, 24, 26, 28)
    return [
        IPv4Network((block * _BLOCK, dice.choice(lengths))) for block in sorted(dice.sample(range(_BLOCKS), k=count))
    ]


def _classify_rows(small: Catalogue, large: Catalogue) -> list[Row]:
    rows = []
    for kind, texts in corpora(small).items():
        tasks = {
            name: calls(UserAgentClassifier(catalogue).classify, partial(never_seen_octets, texts))
            for name, catalogue in (("small", small), ("large", large))
        }
        size = f"{len(small.agents)} -> {len(large.agents):,} agents"
        rows.append(_row(f"Classify a never-seen {kind}, {size}", fastest(tasks, _ROUNDS)))
    return rows


def _assess_rows(policy: Policy, large: Catalogue, dice: random.Random) -> list[Row]:
    networks = {"small": invented_networks(100, dice), "large": invented_networks(100_000, dice)}
    guards = {
        "small": _guard(policy, policy.catalogue, invented_rules(10, networks["small"], dice)),
        "large": _guard(policy, large, invented_rules(1_000, networks["large"], dice)),
    }
    agents = [text.encode() for texts in corpora(policy.catalogue).values() for text in texts]
    rows = []
    for place, pick in (("outside", _outside), ("inside", _inside)):
        requests = {size: _requests(agents, pick(networks[size], dice), dice) for size in guards}
        tasks = {size: calls(guards[size].assess, requests[size].copy) for size in guards}
        question = f"Assess a request, client {place}, 10 -> 1,000 rules, 100 -> 100,000 networks, 10x agents"
        rows.append(_row(question, fastest(tasks, _ROUNDS)))
    return rows


def _guard(policy: Policy, catalogue: Catalogue, rules: tuple[Rule, ...]) -> Guard:
    return Guard(Policy(replace(policy.common, rules=rules), catalogue))


def _outside(networks: list[Network], dice: random.Random) -> list[str]:
    """Addresses near the networks, in none of them."""
    held = NetworkMap((network, True) for network in networks)
    addresses: list[str] = []
    while len(addresses) < _REQUESTS:
        address = IPv4Address(dice.randrange(_BLOCK * _BLOCKS))
        if not held.lookup(address):
            addresses.append(str(address))
    return addresses


def _inside(networks: list[Network], dice: random.Random) -> list[str]:
    """Addresses, each in one of the networks."""
    chosen = dice.choices(networks, k=_REQUESTS)
    return [str(network[dice.randrange(network.num_addresses)]) for network in chosen]


def _requests(user_agents: list[bytes], peers: list[str], dice: random.Random) -> list[Request]:
    targets = ("/", PAGE, PAGE, "/articles/night-train", "/feed.xml", "/style.css")
    host = "gazette.example.org"
    return [
        Request(path=dice.choice(targets), host=host, user_agent=dice.choice(user_agents), peer=peer) for peer in peers
    ]


def _row(question: str, seconds: dict[str, float]) -> Row:
    ratio = seconds["large"] / seconds["small"]
    figure = f"{micro(seconds['small'])} -> {micro(seconds['large'])}"
    return Row(question, figure, f"<= {MOST_RATIO}x", f"{ratio:.2f}x", ratio <= MOST_RATIO)


def _deal(networks: list[Network], rules: int) -> list[list[Network]]:
    """The networks in as many parts as there are rules by network, one in four."""
    parts = rules // 4
    return [networks[part::parts] for part in range(parts)]


def _renamed(name: str, shared: Collection[str], used: set[tuple[str, ...]], dice: random.Random) -> str:
    """A name of the same shape that is not used yet."""
    while True:
        renamed = _NAME_WORD.sub(lambda word: word[0] if word[0].lower() in shared else _word(dice).title(), name)
        if renamed == name:
            renamed = f"{_word(dice).title()} {name}"
        if _words(renamed) not in used:
            used.add(_words(renamed))
            return renamed


def _words(name: str) -> tuple[str, ...]:
    return tuple(_NAME_WORD.findall(name.lower()))


def _word(dice: random.Random) -> str:
    """An invented word of four to twelve letters."""
    return "".join(dice.choice(("aeiou", "bdfgklmnprstvz")[place % 2]) for place in range(dice.randint(4, 12)))
