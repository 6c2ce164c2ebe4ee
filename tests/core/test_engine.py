from __future__ import annotations

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrapeguard.core.catalogue import Agent, Catalogue, Purpose
from scrapeguard.core.conditions import (
    AgentIs,
    AllOf,
    AnyOf,
    HasSignal,
    HeaderIs,
    HostIs,
    IdentityIs,
    InNetwork,
    MethodIs,
    Negation,
    OperatorIs,
    PathIs,
    PurposeIs,
    ScoreAtLeast,
)
from scrapeguard.core.decision import Action, Mode
from scrapeguard.core.engine import decide
from scrapeguard.core.facts import Facts, View
from scrapeguard.core.glob import PathPattern
from scrapeguard.core.identity import Identity
from scrapeguard.core.policy import Policy, SitePolicy, Threshold
from scrapeguard.core.request import Request
from scrapeguard.core.rules import Rule, RuleIndex
from scrapeguard.core.sharing import Use
from scrapeguard.core.signals import Evidence
from scrapeguard.core.useragent import Claim
from scrapeguard.guard import Guard

TRAINER = Agent("Trainer", Purpose.TRAINING, "Alpha", token="Trainer", match=("Trainer",))
HELPER = Agent("Helper", Purpose.ASSISTANT, "Alpha", token="Helper", match=("Helper",))
SEARCHER = Agent("Searcher", Purpose.SEARCH_ENGINE, "Beta", token="Searcher", match=("Searcher",))
CATALOGUE = Catalogue([TRAINER, HELPER, SEARCHER])
CLOSED = {Use.TRAIN: False, Use.AI_USE: False, Use.SEARCH: True}
OPEN = dict.fromkeys(Use, True)


def policy(site=None, **sites):
    return Policy(site or SitePolicy(CLOSED), CATALOGUE, sites=sites)


def paths(*patterns):
    return PathIs(tuple(map(PathPattern, patterns)))


def facts(target="/", claim=None, *, client=None, evidence=(), **request):
    identity = Identity.CLAIMED if claim and claim.name else Identity.NONE
    return Facts(Request.of(target, **request), claim or Claim(Purpose.BROWSER), identity, client, evidence)


def claim_of(*agents):
    return Claim(agents[0].purpose, agents[0].name, agents, ())


def test_purposes_are_refused_as_the_sharing_says():
    assert decide(policy(), facts(claim=claim_of(TRAINER)))[:2] == (Action.BLOCK, "agents.training")
    assert decide(policy(), facts(claim=claim_of(HELPER)))[:2] == (Action.BLOCK, "agents.assistant")
    assert decide(policy(), facts(claim=claim_of(SEARCHER)))[:2] == (Action.ALLOW, "default")
    half = SitePolicy({**OPEN, Use.TRAIN: False})
    assert decide(policy(half), facts(claim=claim_of(HELPER))).action is Action.ALLOW
    assert decide(policy(half), facts(claim=Claim(Purpose.UNDOCUMENTED_AI, "x"))).action is Action.BLOCK
    silent = SitePolicy(dict.fromkeys(Use, False))
    assert decide(policy(silent), facts(claim=claim_of(SEARCHER)))[:2] == (Action.BLOCK, "agents.search-engine")


def test_the_narrower_word_about_an_agent_wins():
    site = SitePolicy(
        CLOSED,
        by_purpose={Purpose.TRAINING: Action.BLOCK},
        by_operator={"Alpha": Action.OBSERVE},
        by_name={"Helper": Action.ALLOW},
    )
    assert decide(policy(site), facts(claim=claim_of(TRAINER)))[:2] == (Action.OBSERVE, "agents.Alpha")
    assert decide(policy(site), facts(claim=claim_of(HELPER)))[:2] == (Action.ALLOW, "agents.Helper")


def test_of_several_agents_named_the_refused_one_decides():
    site = SitePolicy(CLOSED, by_name={"Trainer": Action.ALLOW})
    assert decide(policy(site), facts(claim=claim_of(TRAINER, HELPER)))[:2] == (Action.BLOCK, "agents.assistant")
    assert decide(policy(site), facts(claim=claim_of(TRAINER, SEARCHER)))[:2] == (Action.ALLOW, "agents.Trainer")


def test_the_first_rule_that_matches_decides_before_all_else():
    rules = (
        Rule("open", paths("/open/"), Action.ALLOW),
        Rule("closed", AllOf(()), Action.BLOCK),
    )
    site = SitePolicy(OPEN, rules=rules)
    assert decide(policy(site), facts("/open/x", claim_of(TRAINER)))[:2] == (Action.ALLOW, "open")
    assert decide(policy(site), facts("/x"))[:2] == (Action.BLOCK, "closed")


def test_no_spelling_of_a_path_gets_round_a_rule():
    rules = (Rule("press", paths("/press/"), Action.ALLOW), Rule("all", AllOf(()), Action.BLOCK))
    site = policy(SitePolicy(OPEN, rules=rules))
    for target in ("/press/", "/press/a%2Fb", "/%70ress/x"):
        assert decide(site, facts(target)).rule == "press", target
    for target in ("/secret/../press/", "//press/", "/secret/%2e%2e/press/", "/press"):
        assert decide(site, facts(target)).rule == "all", target
    closed = policy(SitePolicy(OPEN, rules=(Rule("no", paths("/admin"), Action.BLOCK),)))
    for target in ("/admin", "//admin", "/x/../admin", "/%61dmin", "/./admin"):
        assert decide(closed, facts(target)).rule == "no", target


def test_a_score_reaches_the_highest_threshold_it_can():
    thresholds = (Threshold(10, Action.OBSERVE), Threshold(40, Action.BLOCK))
    site = SitePolicy(OPEN, weights={"one": 15, "two": 30}, thresholds=thresholds)
    one, two = Evidence("one", "seen"), Evidence("two", "seen too")
    assert decide(policy(site), facts(evidence=(one,)))[:3] == (Action.OBSERVE, "thresholds.10", 15)
    decision = decide(policy(site), facts(evidence=(one, two)))
    assert decision[:3] == (Action.BLOCK, "thresholds.40", 45)
    assert [tuple(reason) for reason in decision.reasons] == [("one", 15, "seen"), ("two", 30, "seen too")]
    assert decide(policy(site), facts()).rule == "default"


def test_a_site_has_its_own_policy_by_host():
    own, below = SitePolicy(OPEN), SitePolicy(OPEN, mode=Mode.OBSERVE)
    both = Policy(SitePolicy(CLOSED), CATALOGUE, sites={"Example.org": own, "*.example.org": below})
    assert both.site("EXAMPLE.org:8080") is own
    assert both.site("a.b.example.org.") is below
    assert both.site("example.com") is both.common
    assert both.site("") is both.common
    assert decide(both, facts(claim=claim_of(TRAINER), host="a.example.org")).mode is Mode.OBSERVE


@pytest.mark.parametrize(
    ("condition", "holds", "fails"),
    [
        (paths("/a", "/b$"), facts("/b"), facts("/b/c")),
        (MethodIs(frozenset({"POST"})), facts(method="POST"), facts()),
        (HostIs(("*.example.org",)), facts(host="a.example.org:1"), facts(host="example.org")),
        (HeaderIs("x-key", ("s*t",)), facts(headers={"X-Key": "SecreT"}), facts(headers={"X-Key": "secret2"})),
        (AgentIs(frozenset({"Helper"})), facts(claim=claim_of(TRAINER, HELPER)), facts(claim=claim_of(TRAINER))),
        (OperatorIs(frozenset({"Alpha"})), facts(claim=claim_of(HELPER)), facts(claim=claim_of(SEARCHER))),
        (PurposeIs(frozenset({Purpose.BROWSER})), facts(), facts(claim=claim_of(HELPER))),
        (PurposeIs(frozenset({Purpose.ASSISTANT})), facts(claim=claim_of(TRAINER, HELPER)), facts()),
        (IdentityIs(frozenset({Identity.CLAIMED})), facts(claim=claim_of(HELPER)), facts()),
        (InNetwork(frozenset({ip_network("192.0.2.0/24")})), facts(client="::ffff:192.0.2.7"), facts(client="x")),
        (HasSignal(frozenset({"one"})), facts(evidence=(Evidence("one", ""),)), facts()),
        (Negation(paths("/a")), facts("/b"), facts("/a")),
        (AllOf((paths("/a"), MethodIs(frozenset({"GET"})))), facts("/a"), facts("/a", method="PUT")),
        (AnyOf((paths("/a"), paths("/b"))), facts("/b"), facts("/c")),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_condition_holds_or_fails(condition, holds, fails):
    assert condition.matches(View(holds, 0))
    assert not condition.matches(View(fails, 0))
    assert condition.covers(condition)


def test_a_score_is_a_condition():
    assert ScoreAtLeast(10).matches(View(facts(), 10))
    assert not ScoreAtLeast(10).matches(View(facts(), 9))


LEAVES = st.one_of(
    st.lists(st.sampled_from(["/", "/a", "/a/b", "/*b", "/b$", "/ab"]), min_size=1, max_size=2).map(
        lambda p: paths(*p)
    ),
    st.sets(st.sampled_from(["GET", "POST"]), min_size=1).map(lambda m: MethodIs(frozenset(m))),
    st.sampled_from([HostIs(("h.example",)), HostIs(("*.example",)), HostIs(("g.example", "h.example"))]),
    st.sets(st.sampled_from(["Trainer", "Helper"]), min_size=1).map(lambda n: AgentIs(frozenset(n))),
    st.sets(st.sampled_from(["Alpha", "Beta"]), min_size=1).map(lambda n: OperatorIs(frozenset(n))),
    st.sets(st.sampled_from([Purpose.TRAINING, Purpose.BROWSER]), min_size=1).map(lambda p: PurposeIs(frozenset(p))),
    st.sampled_from([InNetwork(frozenset({ip_network(n)})) for n in ("10.0.0.0/8", "10.1.0.0/16", "::/0")]),
    st.integers(1, 3).map(ScoreAtLeast),
)
CONDITIONS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda c: AllOf(tuple(c))),
        st.lists(inner, min_size=1, max_size=3).map(lambda c: AnyOf(tuple(c))),
        inner.map(Negation),
    ),
    max_leaves=5,
)
VIEWS = st.builds(
    lambda target, method, host, claim, client, score: View(
        facts(target, claim, method=method, host=host, client=client), score
    ),
    st.sampled_from(["/", "/a", "/a/b", "/b", "/ab?x"]),
    st.sampled_from(["GET", "POST"]),
    st.sampled_from(["", "h.example", "g.example"]),
    st.sampled_from([None, claim_of(TRAINER), claim_of(HELPER, SEARCHER)]),
    st.sampled_from([None, "10.1.2.3", "10.2.3.4", "2001:db8::1"]),
    st.integers(0, 3),
)


@given(st.lists(CONDITIONS, max_size=6), VIEWS)
def test_the_index_finds_the_rule_that_trying_all_in_order_finds(conditions, view):
    rules = [Rule(str(number), condition, Action.BLOCK) for number, condition in enumerate(conditions)]
    expected = next((rule for rule in rules if rule.when.matches(view)), None)
    assert RuleIndex(rules).first_match(view) is expected


@given(CONDITIONS, CONDITIONS, VIEWS)
def test_a_condition_that_covers_another_holds_wherever_it_does(wide, narrow, view):
    if wide.covers(narrow) and narrow.matches(view):
        assert wide.matches(view)


def test_rules_that_do_not_apply_are_not_tried():
    class Counting(AllOf):
        tried = 0

        def matches(self, view):
            Counting.tried += 1
            return super().matches(view)

    rules = [Rule(f"p{n}", Counting((paths(f"/section-{n}/"),)), Action.BLOCK) for n in range(500)]
    rules += [Rule(f"a{n}", Counting((AgentIs(frozenset({f"Agent{n}"})),)), Action.BLOCK) for n in range(500)]
    assert RuleIndex(rules).first_match(View(facts("/section-7/x"), 0)).name == "p7"
    assert Counting.tried == 1


@given(st.sampled_from(["Trainer/1", "Helper", "Searcher", "Firefox", ""]), st.sampled_from(["192.0.2.1", None]))
def test_a_guard_remembers_and_still_decides_as_the_engine(user_agent, peer):
    guard = Guard(policy())
    for _ in range(2):
        request = Request.of("/", user_agent=user_agent, peer=peer)
        decision = guard.assess(request)
        assert decision.client == peer
        assert decision == Guard(policy()).assess(request)


def test_a_decision_is_written_as_the_same_json_everywhere(guard):
    decision = guard.assess(Request.of("/", user_agent="GPTBot/1.2", peer="203.0.113.9"))
    assert decision.to_json() == {
        "action": "block",
        "status": 403,
        "rule": "agents.training",
        "score": 0,
        "agent": {"name": "GPTBot", "operator": "OpenAI", "purpose": "training", "identity": "claimed"},
        "client": "203.0.113.9",
        "reasons": [{"signal": "declared-agent", "weight": 0, "evidence": "User-Agent names GPTBot"}],
    }
    browser = guard.assess(Request.of("/", user_agent="Mozilla/5.0 Firefox/140.0"))
    assert browser.to_json()["agent"] == {"name": None, "operator": None, "purpose": "browser", "identity": "none"}
    assert guard.assess(Request.of("/")).to_json()["agent"] is None
