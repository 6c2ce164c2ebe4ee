from __future__ import annotations

import re
from datetime import date
from urllib.parse import urlsplit

import pytest

from scrapeguard.core.catalogue import Purpose
from scrapeguard.errors import CatalogueError
from scrapeguard.rulefile.catalogue import read_catalogue

SERVICES = {
    "LinkedIn", "X", "Instagram", "Facebook", "Threads", "TikTok", "Reddit", "Tumblr", "ChatGPT", "Gemini", "Claude",
    "Squarespace", "WordPress",
}  # fmt: skip


def test_it_knows_enough_agents(catalogue):
    serve_ai = [agent for agent in catalogue.agents if agent.is_ai]
    assert len(serve_ai) >= 250
    assert len(catalogue.agents) - len(serve_ai) >= 130
    assert {agent.name for agent in catalogue.agents if agent.control} == {
        "Google-Extended", "Applebot-Extended", "YandexAdditional", "YandexAdditionalBot",
    }  # fmt: skip


def test_its_facts_are_well_formed(catalogue):
    date.fromisoformat(catalogue.as_of)
    for agent in catalogue.agents:
        urls = [*agent.verify.ranges, *filter(None, (agent.docs, agent.verify.signature))]
        assert all(urlsplit(url).scheme in ("http", "https") and urlsplit(url).hostname for url in urls), agent.name
        assert all(re.fullmatch(r"\.?[a-z0-9*-]+(\.[a-z0-9-]+)+", suffix) for suffix in agent.verify.dns), agent.name
        assert all(suffix.startswith(".") or "*" in suffix for suffix in agent.verify.dns), agent.name
        assert agent.token is None or re.fullmatch(r"[A-Za-z0-9._ -]+", agent.token), agent.name


def test_robots_tokens_are_told_apart(catalogue):
    tokens = [agent.token.lower() for agent in catalogue.agents if agent.token]
    assert len(tokens) == len(set(tokens))


def test_it_tells_how_to_verify_those_that_can_be(catalogue):
    assert catalogue.agent("googlebot").verify.dns == (".googlebot.com",)
    assert catalogue.agent("GPTBot").verify.ranges == ("https://openai.com/gptbot.json",)
    assert catalogue.agent("ChatGPT Agent").verify.signature == "https://chatgpt.com"
    assert catalogue.agent("Unheard-Of") is None


def test_it_tells_how_to_opt_out_with_each_operator_that_trains_on_its_users(catalogue):
    assert {account.service for account in catalogue.accounts} == SERVICES
    assert {account.service for account in catalogue.accounts_of("meta")} == {"Instagram", "Facebook", "Threads"}
    (linkedin,) = catalogue.accounts_of("linkedin")
    assert len(linkedin.steps) == 5
    assert linkedin.url.startswith("https://www.linkedin.com/")


def test_operators_are_found_in_any_case(catalogue):
    assert {agent.operator for agent in catalogue.of_operator("openai")} == {"OpenAI"}
    assert catalogue.of_operator("Nobody") == ()
    assert {"OpenAI", "Meta", "Google"} <= set(catalogue.operators)


@pytest.mark.parametrize(
    ("agents", "message"),
    [
        ("[{name: A, purpose: training}, {name: a, purpose: training}]", "two agents are named a"),
        ("[{name: A, purpose: browser}]", "browser is what remains"),
        ("[{name: A, purpose: fun}]", "A: 'fun' is not a valid Purpose"),
        ("[{name: A}]", "A: 'purpose'"),
        ("[{name: A, purpose: training, robots: maybe}]", "maybe"),
        ("[{name: A, purpose: training, colour: red}]", "A: unknown key colour"),
    ],
)
def test_a_catalogue_that_contradicts_itself_is_refused(agents, message):
    with pytest.raises(CatalogueError, match=message):
        read_catalogue(f"as_of: 2026-01-01\nagents: {agents}\n")


def test_a_small_catalogue_is_enough():
    catalogue = read_catalogue("as_of: 2026-01-01\nagents: [{name: A, purpose: training, verify: {ranges: [u, v]}}]\n")
    (agent,) = catalogue.agents
    assert (agent.purpose, agent.token, agent.match, agent.verify.ranges) == (Purpose.TRAINING, "A", ("A",), ("u", "v"))
