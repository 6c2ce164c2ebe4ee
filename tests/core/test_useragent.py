from __future__ import annotations

import gzip
import json
import os
from collections import Counter
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from scrapeguard.core.catalogue import AI_PURPOSES, Purpose
from scrapeguard.core.useragent import MAX_USER_AGENT, UserAgentClassifier
from scrapeguard.guard import Guard
from scrapeguard.rulefile.audience import load_audience

CORPUS = Path(__file__).parents[1] / "corpora" / "user_agents.yaml"
CASES = yaml.safe_load(CORPUS.read_text(encoding="utf-8"))
LABELLED = os.environ.get("SCRAPEGUARD_USERAGENTS")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["ua"][-60:] or "empty")
def test_a_user_agent_is_what_it_says(case, classifier):
    claim = classifier.classify(case["ua"].encode())
    assert claim.purpose == case["purpose"]
    if "name" in case:
        assert claim.name is not None
        assert claim.name.lower() == case["name"].lower()


def test_every_published_example_is_recognised_as_its_agent(catalogue, classifier):
    examples = [agent for agent in catalogue.agents if agent.example and agent.match]
    missed = [agent.name for agent in examples if agent not in classifier.classify(agent.example.encode()).agents]
    assert len(examples) > 250
    assert missed == []


def test_every_name_of_every_agent_is_found_alone_and_inside_a_browser_string(catalogue, classifier):
    browser = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/142.0.0.0 Safari/537.36 (compatible; {}1.0)"
    missed = []
    for agent in catalogue.agents:
        for name in agent.match:
            product = name if name.endswith("/") else f"{name}/"
            contexts = (
                [product + "1.0"] if agent.purpose is Purpose.TOOL else [product + "1.0", browser.format(product)]
            )
            missed += [c for c in contexts if agent not in classifier.classify(c.upper().encode()).agents]
    assert missed == []


def test_the_packaged_audience_is_what_it_comes_for(classifier):
    wrong = []
    for purpose, user_agent in load_audience():
        claimed = classifier.classify(user_agent.encode()).purpose
        if (claimed is Purpose.BROWSER) != (purpose is Purpose.BROWSER) or claimed in AI_PURPOSES:
            wrong.append((purpose, claimed, user_agent))
    assert wrong == []


def test_all_agents_named_are_seen(classifier):
    claim = classifier.classify(b"Feedly/1.0 ClaudeBot/1.0 (compatible; GPTBot/1.2)")
    assert {agent.name for agent in claim.agents} == {"ClaudeBot", "GPTBot", "Feedly"}
    assert claim.agents[0].is_ai
    assert [e.detail for e in claim.evidence] == [f"User-Agent names {agent.name}" for agent in claim.agents]


def test_no_user_agent_is_an_ordinary_input(classifier):
    claim = classifier.claim(None)
    assert claim.purpose is Purpose.UNKNOWN
    assert [e.signal for e in claim.evidence] == ["no-user-agent"]


@pytest.mark.parametrize(
    ("version", "fabricated"),
    [
        ("52.0.2743.1567", True),
        ("47.0.2526.999", True),
        ("60.0.3112.2000", True),
        ("61.0.3163.1567", False),
        ("52.0.2743.116", False),
        ("38.0.2125.1567", False),
    ],
)
def test_a_version_of_chrome_that_never_was_is_a_signal_and_still_a_browser(version, fabricated, classifier):
    phone = (
        "Mozilla/5.0 (Linux; Android 6.0; Nexus 5 Build/MRA58N) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{} Mobile"
    )
    claim = classifier.classify(phone.format(version).encode())
    assert claim.purpose is Purpose.BROWSER
    assert [e.signal for e in claim.evidence] == (["fabricated-user-agent"] if fabricated else [])


def test_other_makers_of_chromium_number_as_they_like(classifier):
    opera = b"Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/52.0.2743.1567 OPR/39.0"
    assert classifier.classify(opera).evidence == ()


@given(st.binary(max_size=200))
def test_any_octets_have_a_claim(user_agent):
    assert isinstance(_FROZEN.claim(user_agent).purpose, Purpose)


@given(st.text(alphabet="gptbotclaude/ ;(+)@:.-_1", max_size=80))
def test_a_claim_depends_on_the_octets_alone(text):
    first, second = _FROZEN.classify(text.encode()), _FROZEN.classify(text.encode())
    assert (first.purpose, first.name, first.agents) == (second.purpose, second.name, second.agents)


@given(st.sampled_from(["GPTBot", "ClaudeBot", "Googlebot", "Kangaroo Bot"]), st.text(alphabet="abcxyz019", min_size=1))
def test_a_name_glued_to_other_letters_is_not_found(name, glue):
    for text in (name + glue, glue + name):
        assert name not in [agent.name for agent in _FROZEN.classify(text.encode()).agents]


def test_only_the_first_octets_are_looked_at(classifier):
    padding = b"x " * (MAX_USER_AGENT // 2)
    assert classifier.claim(padding + b"GPTBot").purpose is Purpose.BROWSER
    assert classifier.claim(padding[:-8] + b" GPTBot").purpose is Purpose.TRAINING


@pytest.mark.parametrize(
    "piece",
    [
        "a@",
        "http://",
        "a.",
        "claude-",
        "bot ",
        "+http://a.b ",
        "like gptbot ",
        "android 1; ",
        "google agent mariner ",
        "/",
    ],
)
def test_no_input_costs_more_than_its_length(piece, classifier):
    """Steps, not seconds: every piece of an input is looked at a bounded number of times."""
    steps = [_steps(classifier, (piece * (size // len(piece))).encode()) for size in (1000, 8000)]
    assert steps[1] <= 10 * steps[0]


def test_long_ones_are_not_remembered(catalogue):
    classifier = UserAgentClassifier(catalogue)
    for number in range(20):
        classifier.claim(b"Browser/%d " % number + b"x" * 4000)
    assert len(classifier._claims) == 0


def test_answers_are_remembered_within_bounds(catalogue):
    classifier = UserAgentClassifier(catalogue, remember=10)
    for number in range(100):
        classifier.claim(b"Browser/%d" % number)
    assert len(classifier._claims) <= 20
    claim = classifier.claim(b"GPTBot/1")
    assert classifier.claim(b"GPTBot/1") is claim


@pytest.mark.skipif(
    LABELLED is None, reason="SCRAPEGUARD_USERAGENTS names no corpus of labelled User-Agents (.jsonl.gz)"
)
def test_a_labelled_corpus_is_classified_within_the_promised_bounds(classifier, default_policy):
    guard = Guard(default_policy)
    seen: Counter[str] = Counter()
    wrong: dict[str, list[str]] = {"browser": [], "ai": [], "refused": []}
    with gzip.open(LABELLED, "rt", encoding="utf-8") as lines:
        for row in map(json.loads, lines):
            user_agent = row["ua"].encode()
            claim, label = classifier.claim(user_agent), row["label"]
            seen[label] += 1
            if label == "browser" and claim.purpose is not Purpose.BROWSER:
                wrong["browser"].append(row["ua"])
            elif label == "ai_crawler" and claim.purpose not in AI_PURPOSES:
                wrong["ai"].append(row["ua"])
            elif label in ("browser", "search_engine", "benign_bot") and _refused(guard, user_agent):
                wrong["refused"].append(row["ua"])
    assert len(wrong["browser"]) * 5000 <= seen["browser"], wrong["browser"]
    assert len(wrong["ai"]) <= 0.01 * seen["ai_crawler"], wrong["ai"]
    assert wrong["refused"] == []


def _refused(guard, user_agent):
    from scrapeguard.core.request import Request

    return guard.assess(Request(user_agent=user_agent)).action.refuses


def _steps(classifier, user_agent):
    """How often Python code runs a line for this input."""
    import sys

    count = 0

    def trace(frame, event, argument):
        nonlocal count
        count += 1
        return trace

    previous = sys.gettrace()
    sys.settrace(trace)
    try:
        classifier.classify(user_agent)
    finally:
        sys.settrace(previous)
    return count


def _make_frozen():
    from scrapeguard.rulefile.catalogue import load_catalogue

    return UserAgentClassifier(load_catalogue())


_FROZEN = _make_frozen()
