from __future__ import annotations

import pytest

from scrapeguard.core.catalogue import Agent, Purpose
from scrapeguard.core.matcher import AgentMatcher, contact_hosts, without_addresses
from scrapeguard.errors import CatalogueError


def agent(name, *match, control=False):
    return Agent(name, Purpose.TRAINING, match=match or (name,), control=control)


def names(matcher, text):
    return [found.agent.name for found in matcher.find(text)]


def test_names_are_found_in_the_order_of_the_text():
    matcher = AgentMatcher([agent("Alpha"), agent("Beta Bot")])
    assert names(matcher, "beta-bot/1 alpha/2") == ["Beta Bot", "Alpha"]


def test_of_overlapping_names_the_first_and_longest_wins():
    matcher = AgentMatcher([agent("Alpha"), agent("Alpha Beta"), agent("Beta Gamma")])
    assert names(matcher, "alpha beta gamma") == ["Alpha Beta"]
    assert names(matcher, "alpha; beta gamma") == ["Alpha", "Beta Gamma"]


def test_a_control_token_hides_the_shorter_name_and_is_not_found_itself():
    matcher = AgentMatcher([agent("Alpha"), agent("Alpha-Extended", control=True)])
    assert names(matcher, "alpha-extended/1") == []
    assert names(matcher, "alpha/1 alpha-extended/1") == ["Alpha"]


def test_a_final_slash_asks_for_a_version():
    matcher = AgentMatcher([agent("Cursor", "Cursor/")])
    assert names(matcher, "cursor/1.0") == ["Cursor"]
    assert names(matcher, "a cursor") == []


@pytest.mark.parametrize(
    ("agents", "message"),
    [
        ([agent("Alpha"), agent("Other", "alpha")], "matched by Alpha already"),
        ([agent("Alpha", "--")], "nothing to match"),
    ],
)
def test_names_that_cannot_be_told_apart_are_refused(agents, message):
    with pytest.raises(CatalogueError, match=message):
        AgentMatcher(agents)


@pytest.mark.parametrize(
    "address",
    [
        "https://example.org/gptbot",
        "+http://example.org/gptbot",
        "www.example.org/gptbot",
        "example.org/gptbot",
        "gptbot@example.org",
        "mailto:gptbot@example.org",
    ],
)
def test_addresses_are_blanked_and_join_nothing(address):
    blanked = without_addresses(f"claude {address} web")
    assert "gptbot" not in blanked
    assert len(blanked) == len(f"claude {address} web")
    assert names(AgentMatcher([agent("Claude-Web")]), blanked) == []


@pytest.mark.parametrize("text", ["node.js/12", "bigsur.ai", "python-requests/2.28", "name.ext/v2", "user@1.0"])
def test_what_only_resembles_an_address_stays(text):
    assert without_addresses(text) == text


def test_contact_hosts_are_those_given_with_a_plus():
    assert contact_hosts("a (+https://one.example/x; http://two.example) +http://three.example") == [
        "one.example",
        "three.example",
    ]
