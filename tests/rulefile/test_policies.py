from __future__ import annotations

from pathlib import Path

import pytest

from scrapeguard.core.catalogue import Purpose
from scrapeguard.core.decision import Action, Mode
from scrapeguard.core.policy import DecoyLook, template_fault
from scrapeguard.core.request import Request
from scrapeguard.core.sharing import Use
from scrapeguard.errors import PolicyError, Problem
from scrapeguard.guard import Guard
from scrapeguard.rulefile.load import find_rules, load_policy, packaged_rules

CORPUS = Path(__file__).parents[1] / "corpora" / "policies"
GOOD = sorted((CORPUS / "good").glob("*.yaml"))
BAD = sorted((CORPUS / "bad").glob("*.yaml"))


@pytest.fixture
def load(catalogue, tmp_path):
    def load(text):
        path = tmp_path / "rules.yaml"
        path.write_text(text, encoding="utf-8")
        return load_policy(path, catalogue=catalogue)

    return load


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_a_good_file_loads(path, catalogue):
    assert load_policy(path, catalogue=catalogue).common.sharing.keys() == set(Use)


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_a_bad_file_is_refused_with_every_problem_and_its_place(path, catalogue):
    with pytest.raises(PolicyError) as caught:
        load_policy(path, catalogue=catalogue)
    found = "".join(f"{p.line}:{p.column}: {p.message.replace(f'{path.parent}/', '')}\n" for p in caught.value.problems)
    assert found == path.with_suffix(".problems").read_text(encoding="utf-8")
    assert all(problem.file == str(path) for problem in caught.value.problems)


def test_a_problem_reads_as_compilers_write_it():
    error = PolicyError([Problem("b", 2, 1, "second"), Problem("a", 9, 3, "first"), Problem("b", 2, 1, "second")])
    assert str(error) == "a:9:3: first\nb:2:1: second"


def test_the_default_is_short_enough_to_read_and_says_what_it_does(default_policy):
    assert len(packaged_rules().read_text(encoding="utf-8").splitlines()) < 120
    assert default_policy.common.sharing == {Use.TRAIN: False, Use.AI_USE: False, Use.SEARCH: True}
    assert default_policy.common.mode is Mode.ENFORCE
    assert default_policy.on_error is Action.ALLOW


def test_words_under_agents_are_agents_operators_or_purposes(load):
    site = load(
        "version: 1\nextends: default\nagents: {gptbot: observe, openai: allow, assistant: allow, Diffbot: block}\n"
    ).common
    assert site.by_name == {"GPTBot": Action.OBSERVE}
    assert site.by_operator == {"OpenAI": Action.ALLOW, "Diffbot": Action.BLOCK}
    assert site.by_purpose == {Purpose.ASSISTANT: Action.ALLOW}


def test_own_rules_come_before_those_of_the_file_that_is_extended(catalogue, tmp_path):
    (tmp_path / "base.yaml").write_text(
        "version: 1\nextends: default\nrules: [{name: base, when: {path: /}, action: block}]\n"
        "agents: {GPTBot: allow, CCBot: allow}\ntests: [{request: {}, expect: block}]\n"
    )
    own = tmp_path / "own.yaml"
    own.write_text(
        "version: 1\nextends: base.yaml\nagents: {CCBot: block}\n"
        "rules: [{name: own, when: {path: /a}, action: allow}]\n"
    )
    policy = load_policy(own, catalogue=catalogue)
    assert [rule.name for rule in policy.common.rules][:2] == ["own", "base"]
    assert policy.common.by_name == {"GPTBot": Action.ALLOW, "CCBot": Action.BLOCK}
    assert policy.tests == ()


def test_a_problem_in_an_extended_file_names_that_file(catalogue, tmp_path):
    base, own = tmp_path / "base.yaml", tmp_path / "own.yaml"
    base.write_text("version: 1\nextends: default\nmode: loud\n")
    own.write_text("version: 1\nextends: base.yaml\nagents: {Nobody: block}\n")
    with pytest.raises(PolicyError) as caught:
        load_policy(own, catalogue=catalogue)
    assert [Path(problem.file).name for problem in caught.value.problems] == ["base.yaml", "own.yaml"]


def test_files_that_extend_each_other_are_refused(catalogue, tmp_path):
    first, second = tmp_path / "first.yaml", tmp_path / "second.yaml"
    first.write_text("version: 1\nextends: second.yaml\n")
    second.write_text("version: 1\nextends: first.yaml\n")
    with pytest.raises(PolicyError, match="leads back to"):
        load_policy(first, catalogue=catalogue)


def test_a_site_may_override_the_rules_of_all(load):
    policy = load(
        "version: 1\nextends: default\nrules: [{name: api, when: {path: /api/}, action: block}]\n"
        "sites: {open.example: {rules: [{name: api, when: {path: /}, action: allow}]}}\n"
    )
    guard = Guard(policy)
    assert guard.assess(Request.of("/api/x", host="open.example")).action is Action.ALLOW
    assert guard.assess(Request.of("/api/x")).action is Action.BLOCK


def test_an_agent_that_is_named_like_its_operator_can_be_meant_alone(load):
    site = load("version: 1\nextends: default\nagents: {Diffbot (agent): allow}\n").common
    assert site.by_name == {"Diffbot": Action.ALLOW}


def test_a_word_of_ones_own_overrides_that_of_the_base_in_any_case_of_letters(catalogue, tmp_path):
    (tmp_path / "base.yaml").write_text("version: 1\nextends: default\nagents: {GPTBot: block}\n")
    (tmp_path / "own.yaml").write_text("version: 1\nextends: base.yaml\nagents: {gptbot: allow}\n")
    assert load_policy(tmp_path / "own.yaml", catalogue=catalogue).common.by_name == {"GPTBot": Action.ALLOW}


def test_a_log_that_cannot_be_written_is_found_before_the_first_request(load, tmp_path):
    with pytest.raises(PolicyError, match="cannot write events to"):
        load(f"version: 1\nextends: default\nevents: {{log: {tmp_path}/absent/events.log}}\n")
    with pytest.raises(PolicyError, match="cannot write events to"):
        load(f"version: 1\nextends: default\nevents: {{log: {tmp_path}}}\n")
    assert load(f"version: 1\nextends: default\nevents: {{log: {tmp_path}/events.log}}\n").events.log.endswith(".log")


def test_a_site_says_only_what_differs(catalogue):
    policy = load_policy(CORPUS / "good" / "sites.yaml", catalogue=catalogue)
    blog, shop = policy.site("blog.example.org"), policy.site("a.shop.example.org")
    assert blog.sharing == {Use.TRAIN: False, Use.AI_USE: False, Use.SEARCH: False}
    assert [rule.name for rule in blog.rules][:2] == ["own", "common"]
    assert (shop.mode, shop.by_name, shop.refusal.contact) == (
        Mode.OBSERVE,
        {"GPTBot": Action.ALLOW},
        "shop@example.org",
    )
    assert shop.refusal.title == policy.common.refusal.title
    assert [rule.name for rule in shop.rules][:1] == ["common"]
    assert {host: str(upstream) for host, upstream in policy.upstreams.items()} == {
        "blog.example.org": "http://127.0.0.1:3000",
        "*.shop.example.org": "unix:/run/shop.sock",
    }
    assert (blog.decoys.locale, blog.decoys.template, policy.common.decoys) == ("de_DE", "learn", DecoyLook())
    assert Path(shop.decoys.template) == CORPUS / "good" / "../templates/plain.html"


def test_every_kind_of_condition_reaches_the_engine(catalogue):
    policy = load_policy(CORPUS / "good" / "every_condition.yaml", catalogue=catalogue)
    request = Request.of(
        "/api/x",
        method="POST",
        host="a.example.org:443",
        headers={"Accept": "application/JSON", "x-key": "TWO"},
        user_agent="GPTBot/1",
        peer="10.0.0.5",
    )
    guard = Guard(policy)
    assert guard.assess(request).rule == "everything"
    assert guard.assess(request._replace(peer="192.0.3.1")).rule == "combined"
    assert guard.assess(Request.of("/a", peer="192.0.2.1")).rule == "combined"
    assert guard.assess(Request.of("/", method="PUT", peer="192.0.2.1")).rule == "combined"
    assert guard.assess(Request.of("/", method="PUT", peer="127.0.0.1")).rule == "default"


def test_weights_and_thresholds_are_the_owners(load):
    policy = load(
        "version: 1\nextends: default\nsignals: {no-user-agent: 100}\nthresholds: {100: block}\nagents: {tool: block}\n"
    )
    guard = Guard(policy)
    assert guard.assess(Request.of("/")).to_json()["rule"] == "thresholds.100"
    assert guard.assess(Request.of("/", user_agent="curl/8")).to_json()["rule"] == "agents.tool"


def test_a_template_may_contain_nothing_but_known_words():
    assert template_fault("$title $text $contact $reference $$5") is None
    assert template_fault("$reference $nothing") == (
        "unknown placeholder $nothing; there are $title, $text, $contact, $reference"
    )


def test_a_template_of_ones_own_is_read_beside_the_file(catalogue, tmp_path):
    (tmp_path / "own.html").write_text("<p>$title $reference</p>", encoding="utf-8")
    (tmp_path / "rules.yaml").write_text("version: 1\nextends: default\nrefusal: {template: own.html}\n")
    policy = load_policy(tmp_path / "rules.yaml", catalogue=catalogue)
    assert policy.common.refusal.template == "<p>$title $reference</p>"


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "cannot read the rule file: No such file"), (b"mode: \xff", "not UTF-8: octet 6 is 0xff")],
)
def test_a_file_that_cannot_be_read_is_a_problem_too(content, message, tmp_path, catalogue):
    path = tmp_path / "rules.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(PolicyError, match=message):
        load_policy(path, catalogue=catalogue)


def test_a_tree_that_unfolds_without_end_is_refused(load):
    layers = "\n".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]" for n in range(1, 9))
    with pytest.raises(PolicyError, match="too large once its aliases"):
        load(f"l0: &l0 [x]\n{layers}\n")
    with pytest.raises(PolicyError, match="nested too deep"):
        load("a: " + "[" * 100 + "]" * 100)


def test_rules_are_found_where_people_put_them(tmp_path):
    assert find_rules(tmp_path) == packaged_rules()
    (tmp_path / "scrapeguard.yaml").touch()
    assert find_rules(tmp_path) == tmp_path / "scrapeguard.yaml"
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "rules.yaml").touch()
    assert find_rules(tmp_path) == tmp_path / "config" / "rules.yaml"
