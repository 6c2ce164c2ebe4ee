from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from protego import Protego

from scrapeguard.core.catalogue import Agent, Catalogue, Purpose, Verification
from scrapeguard.core.conditions import (
    AgentIs,
    AllOf,
    AnyOf,
    HeaderIs,
    HostIs,
    IdentityIs,
    MethodIs,
    Negation,
    OperatorIs,
    PathIs,
    PurposeIs,
)
from scrapeguard.core.decision import Action
from scrapeguard.core.engine import decide
from scrapeguard.core.facts import Facts
from scrapeguard.core.glob import PathPattern
from scrapeguard.core.identity import Identity
from scrapeguard.core.policy import Policy, SitePolicy, Threshold
from scrapeguard.core.request import Request
from scrapeguard.core.robots import MAX_REFUSED_SIZE, groups, host_key, unsaid_rules
from scrapeguard.core.robotsfile import parse
from scrapeguard.core.robotsmerge import merge
from scrapeguard.core.rules import Rule
from scrapeguard.core.sharing import NO_PATHS, PathSharing, RefusedPaths, Use
from scrapeguard.core.signals import Evidence
from scrapeguard.core.useragent import Claim, UserAgentClassifier

_SPEC = importlib.util.spec_from_file_location("reference_robots", Path(__file__).parents[1] / "reference_robots.py")
reference = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(reference)


def agent(name, purpose, operator=None, **more):
    return Agent(name, purpose, operator, token=name, match=(name,), **more)


AGENTS = [
    agent("Trainer", Purpose.TRAINING, "Alpha"),
    agent("Helper", Purpose.ASSISTANT, "Alpha"),
    agent("Searcher", Purpose.SEARCH_ENGINE, "Beta"),
    agent("Archiver", Purpose.ARCHIVE),
]
CATALOGUE = Catalogue(AGENTS)
CLOSED = {Use.TRAIN: False, Use.AI_USE: False, Use.SEARCH: True}


def paths(*patterns):
    return PathIs(tuple(map(PathPattern, patterns)))


def claim_of(agent):
    return Claim(agent.purpose, agent.name, (agent,), (Evidence("declared-agent", ""),))


def render(site, catalogue, host="", authors=NO_PATHS):
    return merge(parse(b""), groups(site, catalogue, host, authors))


def refused(site, claim, target, host="", authors=NO_PATHS):
    identity = Identity.CLAIMED if claim.name else Identity.NONE
    facts = Facts(Request.of(target, host=host), claim, identity, None, claim.evidence)
    return decide(Policy(site, CATALOGUE), facts, authors).action.refuses


# What robots.txt can express; a final `$` cannot be made longer, so it is tested apart.
PATHS = st.lists(
    st.sampled_from(["/", "/a", "/a/", "/a/b", "/*b", "/a*c", "/b", "/*/a", "/*b$"]), min_size=1, max_size=2
)
SAYABLE = st.one_of(
    PATHS.map(lambda patterns: paths(*patterns)),
    st.sets(st.sampled_from([a.name for a in AGENTS]), min_size=1).map(lambda names: AgentIs(frozenset(names))),
    st.sampled_from([OperatorIs(frozenset({"Alpha"})), PurposeIs(frozenset({Purpose.ARCHIVE, Purpose.OTHER_BOT}))]),
    st.sampled_from([HostIs(("h.example",)), Negation(HostIs(("h.example",)))]),
    st.just(IdentityIs(frozenset({Identity.CLAIMED}))),
    st.sampled_from([AnyOf((HostIs(("h.example",)), MethodIs(frozenset({"POST"})))), AllOf(())]),
)
WHEN = st.one_of(
    SAYABLE,
    st.tuples(SAYABLE, PATHS).map(lambda both: AllOf((both[0], paths(*both[1]))) if _is_who(both[0]) else both[0]),
    st.lists(PATHS, min_size=1, max_size=2).map(lambda some: AnyOf(tuple(paths(*patterns) for patterns in some))),
)
SAID = st.builds(
    lambda pattern, shares, private: PathSharing(
        PathPattern(pattern), dict(zip(Use, (False, False, shares[2]) if private else shares, strict=True)), private
    ),
    st.sampled_from(["/", "/a", "/a/", "/a/b", "/*b", "/a*c", "/b", "/*/a"]),
    st.tuples(st.booleans(), st.booleans(), st.booleans()),
    st.booleans(),
)
AUTHORS = st.lists(st.sampled_from(["/a", "/a/b", "/*c", "/b/"]), max_size=2).map(RefusedPaths)
LASTING = (Action.ALLOW, Action.OBSERVE, Action.BLOCK)
SITES = st.builds(
    lambda rules, shares, by_name, weight, said: SitePolicy(
        dict(zip(Use, shares, strict=True)),
        weights={"declared-agent": 0, "declared-bot": weight},
        thresholds=(Threshold(100, Action.BLOCK),),
        rules=tuple(Rule(str(n), when, action) for n, (when, action) in enumerate(rules)),
        by_name=by_name,
        paths=tuple(said),
    ),
    st.lists(st.tuples(WHEN, st.sampled_from(LASTING)), max_size=5),
    st.tuples(st.booleans(), st.booleans(), st.booleans()),
    st.dictionaries(st.sampled_from(["Trainer", "Archiver"]), st.sampled_from(LASTING), max_size=2),
    st.sampled_from([0, 100]),
    st.lists(SAID, max_size=3, unique_by=lambda said: said.pattern.text),
)
TARGETS = st.text(alphabet="/abc", max_size=6).map(lambda text: "/" + text).filter(lambda text: "//" not in text)


def _is_who(condition):
    return not isinstance(condition, PathIs)


@settings(max_examples=500)
@given(SITES, TARGETS, st.sampled_from(["", "h.example"]), AUTHORS)
def test_robots_txt_refuses_exactly_what_the_policy_refuses(site, target, host, authors):
    text = render(site, CATALOGUE, host, authors)
    for known in AGENTS:
        assert reference.allowed(text, known.token, target) is not refused(site, claim_of(known), target, host, authors)
    stranger = UserAgentClassifier(CATALOGUE).classify(b"StrangeBot/1.0")
    assert reference.allowed(text, "StrangeBot", target) is not refused(site, stranger, target, host, authors)


@pytest.mark.parametrize("action", [Action.THROTTLE, Action.CHALLENGE])
def test_what_is_refused_for_now_alone_is_not_in_robots_txt(action):
    rule = Rule("slow", PathIs((PathPattern("/a"),)), action)
    site = SitePolicy(CLOSED, rules=(rule,))
    assert render(site, CATALOGUE) == render(SitePolicy(CLOSED), CATALOGUE)
    assert unsaid_rules(site, CATALOGUE) == ()


def test_what_is_closed_is_closed_to_every_robot():
    site = SitePolicy(dict.fromkeys(Use, True), by_name={"Trainer": Action.BLOCK})
    told = groups(site, CATALOGUE, closed=("/notes/x/",))
    assert {group.tokens: [str(line) for line in group.lines] for group in told} == {
        ("Trainer",): ["Disallow: /"],
        ("*",): ["Disallow: /notes/x/"],
    }


def test_as_many_refused_paths_as_the_size_allows_stand_in_robots_txt():
    site = SitePolicy(dict.fromkeys(Use, True))
    authors = RefusedPaths(f"/@{number:06}/" for number in range(20_000))
    text = render(site, CATALOGUE, authors=authors)
    assert 0.9 * MAX_REFUSED_SIZE < len(text) < MAX_REFUSED_SIZE + 1000
    assert not reference.allowed(text, "Trainer", "/@000001/x")
    assert not reference.allowed(text, "Helper", "/@000001/x")
    assert reference.allowed(text, "Searcher", "/@000001/x")
    assert refused(site, claim_of(AGENTS[0]), "/@019999/x", authors=authors)
    closed = render(SitePolicy(CLOSED), CATALOGUE, authors=authors)
    assert "/@" not in closed


def test_the_default_policy_refuses_ai_everywhere_and_nobody_else(catalogue, default_policy):
    text = render(default_policy.common, catalogue)
    for known in catalogue.agents:
        if known.token:
            assert reference.allowed(text, known.token, "/any/page?x=1") is not known.is_ai, known.name


def test_an_independent_parser_reads_it_alike(catalogue, default_policy):
    parsed = Protego.parse(render(default_policy.common, catalogue))
    for name in ("GPTBot", "ClaudeBot", "CCBot", "Google-Extended", "Applebot-Extended", "Bytespider"):
        assert not parsed.can_fetch("https://example.org/page", name)
    for name in ("Googlebot", "bingbot", "facebookexternalhit", "archive.org_bot", "AhrefsBot"):
        assert parsed.can_fetch("https://example.org/page", name)


def test_words_for_robots_txt_alone_are_refused_there():
    control = agent("Alpha-Extended", Purpose.TRAINING, "Alpha", control=True)
    (group,) = groups(SitePolicy(CLOSED), Catalogue([control]))
    assert group.tokens == ("Alpha-Extended",)


def test_an_agent_without_a_token_is_not_mentioned():
    assert groups(SitePolicy(CLOSED), Catalogue([Agent("Silent", Purpose.TRAINING)])) == ()


def test_nothing_refused_is_still_a_valid_file():
    text = render(SitePolicy(dict.fromkeys(Use, True)), CATALOGUE)
    assert text == "User-agent: *\nDisallow:\n"


def test_lines_that_change_nothing_are_left_out():
    site = SitePolicy(CLOSED, rules=(Rule("r", AllOf((AgentIs(frozenset({"Trainer"})), paths("/x"))), Action.BLOCK),))
    assert "/x" not in render(site, CATALOGUE)


def test_a_rule_that_robots_txt_cannot_express_is_not_mentioned():
    keyed = AllOf((HeaderIs("x-key", ("secret",)), paths("/open/")))
    site = SitePolicy(
        CLOSED, rules=(Rule("key", keyed, Action.ALLOW), Rule("not", Negation(paths("/x")), Action.BLOCK))
    )
    text = render(site, CATALOGUE)
    assert "/open/" not in text
    assert "/x" not in text


def test_an_earlier_pattern_is_made_longer_where_a_later_one_would_win():
    rules = (Rule("no", paths("/a"), Action.BLOCK), Rule("yes", paths("/a/b"), Action.ALLOW))
    text = render(SitePolicy(dict.fromkeys(Use, True), rules=rules), CATALOGUE)
    assert not reference.allowed(text, "AnyBot", "/a/b")
    assert reference.allowed(text, "AnyBot", "/b")


@pytest.mark.parametrize(("target", "allowed"), [("/exact", False), ("/exact/more", True)])
def test_the_end_of_a_path_can_be_said(target, allowed):
    text = render(SitePolicy(CLOSED, rules=(Rule("r", paths("/exact$"), Action.BLOCK),)), CATALOGUE)
    assert reference.allowed(text, "AnyBot", target) is allowed


@pytest.mark.parametrize(
    ("pattern", "line"),
    [("/a b", "/a%20b"), ("/caf\u00e9", "/caf%C3%A9"), ("/a#b", "/a%23b"), ("/*.pdf$", "/*.pdf$"), ("/?q=1", "/?q=1")],
)
def test_what_would_break_a_line_is_encoded(pattern, line):
    site = SitePolicy(dict.fromkeys(Use, True), rules=(Rule("r", paths(pattern), Action.BLOCK),))
    assert f"User-agent: *\nDisallow: {line}\n" in render(site, CATALOGUE)


def test_rules_that_cannot_be_said_are_named():
    keyed = HeaderIs("x-key", ("secret",))
    rules = (
        Rule("said", paths("/a"), Action.BLOCK),
        Rule("who", AllOf((AgentIs(frozenset({"Trainer"})), keyed)), Action.BLOCK),
        Rule("half", AnyOf((paths("/b"), keyed)), Action.BLOCK),
        Rule("browsers", AllOf((PurposeIs(frozenset({Purpose.BROWSER})), keyed)), Action.BLOCK),
    )
    site = SitePolicy(CLOSED, rules=rules)
    assert unsaid_rules(site, CATALOGUE) == ("who", "half")
    assert "Disallow: /b" in render(site, CATALOGUE)


def test_hosts_of_one_key_are_told_the_same():
    condition = AnyOf((HostIs(("h.example",)), AllOf((Negation(HostIs(("*.example",))), paths("/a")))))
    site = SitePolicy(CLOSED, rules=(Rule("r", condition, Action.BLOCK),))
    assert host_key(site, "a.example") == host_key(site, "b.example") != host_key(site, "h.example")
    assert groups(site, CATALOGUE, "a.example") == groups(site, CATALOGUE, "b.example")
    assert host_key(SitePolicy(CLOSED), "any.example") == ()


def test_robots_txt_is_read_by_the_genuine_ones():
    known = agent("Known", Purpose.SEARCH_ENGINE, "Gamma", verify=Verification(dns=(".known.example",)))
    unproved = AllOf(
        (PurposeIs(frozenset({Purpose.SEARCH_ENGINE})), Negation(IdentityIs(frozenset({Identity.VERIFIED}))))
    )
    site = SitePolicy(CLOSED, rules=(Rule("unproved", unproved, Action.BLOCK),))
    text = render(site, Catalogue([known, *AGENTS]))
    assert reference.allowed(text, "Known", "/")
    assert not reference.allowed(text, "Searcher", "/")
