"""Sharing by path, and what the authors of pages want."""

from __future__ import annotations

import pytest

from scrapeguard.core.decision import Action
from scrapeguard.core.request import Request
from scrapeguard.core.sharing import RefusedPaths
from scrapeguard.guard import Guard
from scrapeguard.rulefile.load import load_policy

GPTBOT, CLAUDE_USER, GOOGLEBOT = "GPTBot/1.3", "Claude-User/1.0", "Googlebot/2.1"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
RULES = """
version: 1
extends: default
sharing:
  paths:
    /press/: allow
    /press/photos/: {train: deny}
    /drafts/: private
    /hidden/: {private: on, noindex: on, search: deny}
agents: {assistant: allow, PetalBot: block}
rules:
  - {name: partner, when: {path: /drafts/shared/, agent: GPTBot}, action: allow}
"""


@pytest.fixture(scope="module")
def guard(tmp_path_factory, catalogue):
    path = tmp_path_factory.mktemp("rules") / "rules.yaml"
    path.write_text(RULES)
    return Guard(load_policy(path, catalogue=catalogue))


def ask(guard, path, agent):
    decision = guard.assess(Request.of(path, user_agent=agent))
    return str(decision.action), decision.rule


@pytest.mark.parametrize(
    ("path", "agent", "expected"),
    [
        ("/x", GPTBOT, ("block", "agents.training")),
        ("/press/x", GPTBOT, ("allow", "default")),
        ("/press/photos/1.jpg", GPTBOT, ("block", "sharing./press/photos/")),
        # What is said of an agent counts everywhere but where all AI is refused.
        ("/x", CLAUDE_USER, ("allow", "agents.assistant")),
        ("/drafts/x", CLAUDE_USER, ("block", "sharing./drafts/")),
        ("/press/x", "PetalBot", ("block", "agents.PetalBot")),
        # A rule comes first, as everywhere.
        ("/drafts/shared/x", GPTBOT, ("allow", "partner")),
        ("/drafts/x", FIREFOX, ("allow", "default")),
        ("/drafts/x", GOOGLEBOT, ("allow", "default")),
        ("/hidden/x", GOOGLEBOT, ("block", "sharing./hidden/")),
        ("/hidden/x", FIREFOX, ("allow", "default")),
        # An app may read these as the private path, or as the open one: the stricter counts.
        ("/press/../drafts/x", CLAUDE_USER, ("block", "sharing./drafts/")),
        ("/drafts/../press/x", CLAUDE_USER, ("block", "sharing./drafts/")),
        ("//drafts/x", CLAUDE_USER, ("block", "sharing./drafts/")),
        ("/%64rafts/x", CLAUDE_USER, ("block", "sharing./drafts/")),
    ],
)
def test_what_is_said_of_a_path_counts_there(guard, path, agent, expected):
    assert ask(guard, path, agent) == expected


@pytest.fixture
def with_authors(guard):
    guard.refused_paths = RefusedPaths(["/@ada/", "/drafts/shared/*.txt$", "/press/@bob/"])
    yield guard
    guard.refused_paths = RefusedPaths()


@pytest.mark.parametrize(
    ("path", "agent", "refused"),
    [
        ("/@ada/1", CLAUDE_USER, True),
        ("/@adam/1", CLAUDE_USER, False),
        ("/press/@bob/1", GPTBOT, True),
        ("/press/x", GPTBOT, False),
        ("/x/../@ada/1", CLAUDE_USER, True),
        # The author's word counts more than any rule.
        ("/drafts/shared/a.txt", GPTBOT, True),
        ("/drafts/shared/a.html", GPTBOT, False),
        ("/@ada/1", FIREFOX, False),
        ("/@ada/1", GOOGLEBOT, False),
        ("/@ada/1", "curl/8.0", False),
    ],
)
def test_what_an_author_refuses_is_refused_to_ai_alone(with_authors, path, agent, refused):
    action, rule = ask(with_authors, path, agent)
    assert (action == "block") is refused
    assert (rule == "sharing.author") is refused


def test_the_author_of_a_page_may_be_heard_of_late(guard):
    request = Request.of("/x", user_agent=CLAUDE_USER)
    decision = guard.assess(request)
    refused = guard.refused_by_author(request, decision)
    assert (decision.action, refused.action, refused.rule) == (Action.ALLOW, Action.BLOCK, "sharing.author")
    assert refused.agent == decision.agent
    for agent in (FIREFOX, GOOGLEBOT, GPTBOT):
        request = Request.of("/x", user_agent=agent)
        decision = guard.assess(request)
        assert guard.refused_by_author(request, decision) is decision


def test_without_paths_and_rules_only_the_claim_counts(default_policy):
    guard = Guard(default_policy)
    first = guard.assess(Request.of("/a", user_agent=GPTBOT))
    assert guard.assess(Request.of("/b", user_agent=GPTBOT)).reasons is first.reasons
