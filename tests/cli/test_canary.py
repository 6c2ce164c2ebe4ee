from __future__ import annotations

import importlib.util
import json
import sqlite3
from contextlib import closing, nullcontext
from pathlib import Path

import pytest
import yaml

from scrapeguard.canaries.canary import Canary
from scrapeguard.canaries.derivation import CANDIDATES, commitment, epoch_of
from scrapeguard.cli import main
from scrapeguard.core.catalogue import Purpose
from scrapeguard.core.decision import Action, Decision, Recognised
from scrapeguard.core.identity import Identity
from scrapeguard.core.request import Request
from scrapeguard.telemetry.provenance import Page, Served
from scrapeguard.telemetry.provenancelog import ProvenanceLog

_SPEC = importlib.util.spec_from_file_location(
    "fake_endpoint", Path(__file__).parents[1] / "canaries" / "fake_endpoint.py"
)
fake_endpoint = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(fake_endpoint)

CORPUS = yaml.safe_load((Path(__file__).parents[1] / "corpora" / "canary.yaml").read_text(encoding="utf-8"))
KEY = bytes.fromhex(CORPUS["key"])
FORMER = b"the key of last year"
NOW = 1_795_000_000.0


@pytest.fixture
def run(capsys, monkeypatch, tmp_path):
    """Run `canary` in an empty folder that has the file of keys: exit code, output, and standard error."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "secret").write_text(f"hex:{KEY.hex()}\n{FORMER.decode()}\n")

    def run(*arguments, stdin=None):
        if stdin is not None:
            (tmp_path / "stdin").write_bytes(stdin)
        with (tmp_path / "stdin").open() if stdin is not None else nullcontext() as stream:
            monkeypatch.setattr("sys.stdin", stream)
            try:
                code = main(["canary", *arguments])
            except SystemExit as stop:
                code = stop.code
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


@pytest.fixture
def log(tmp_path):
    """A log of pages that two agents were served, the first of which also under a former key."""
    with closing(ProvenanceLog(tmp_path / "log.db")) as log:
        for agent, key in (("GPTBot", KEY), ("ClaudeBot", KEY), ("GPTBot", FORMER)):
            canary = Canary(key, "h.example", agent, "2026-11")
            log.append([_served(canary, agent, f"/p/{number}") for number in range(5)], NOW)
    return "log.db"


def _served(canary, agent, path):
    text = f"A story. {canary.paragraph(canary.page_id(path))} And on it goes."
    decision = Decision(
        Action.BLOCK, "r", agent=Recognised(agent, None, Purpose.TRAINING, Identity.CLAIMED), client="203.0.113.9"
    )
    page = Page(text.encode(), text, canary.epoch, canary.page_id(path), commitment(canary.key))
    return Served.of(NOW, Request.of(path, host=canary.host), decision, page).entry()


def json_lines(text):
    return [json.loads(line) for line in text.splitlines()]


# commit


def test_commit_prints_what_to_publish(run):
    code, out, _ = run("commit", "--secret", "secret", "--epoch", "2026-11")
    assert code == 0
    assert CORPUS["commitment"] in out
    assert "Publish this" in out
    assert KEY.hex() not in out


def test_commit_tells_epoch_and_head_of_the_log(run, log):
    code, out, _ = run("commit", "--secret", "secret", "--log", log, "--json")
    (record,) = json_lines(out)
    assert (code, record["commitment"], record["candidates"], record["log_link"]) == (0, CORPUS["commitment"], 1024, 15)
    assert len(record["log_hash"]) == 64
    assert record["epoch"] >= epoch_of(NOW)[:2]


def test_the_secret_may_stand_in_the_environment(run, monkeypatch):
    monkeypatch.setenv("SCRAPEGUARD_SECRET", f"hex:{KEY.hex()}")
    assert CORPUS["commitment"] in run("commit")[1]
    monkeypatch.setenv("SCRAPEGUARD_SECRET", "short")
    assert run("commit")[0] == 2


def test_without_a_word_the_secret_is_that_of_the_site(run, tmp_path, monkeypatch):
    monkeypatch.delenv("SCRAPEGUARD_SECRET", raising=False)
    (tmp_path / "rules.yaml").write_text("version: 1\nextends: default\nsecret: of-the-site\n")
    (tmp_path / "of-the-site").write_text("a secret of many letters that nobody guesses\n")
    by_rules, by_file = run("commit", "--rules", "rules.yaml"), run("commit", "--secret", "of-the-site")
    assert by_rules == by_file
    assert by_rules[0] == 0
    (tmp_path / "of-the-site").write_text("short\n")
    assert run("commit", "--rules", "rules.yaml")[0] == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["commit", "--secret", "none"], "cannot read none: No such file"),
        (["commit", "--secret", "secret", "--log", "none"], "there is no provenance log none"),
        (["commit", "--secret", "secret", "--log", "secret"], "cannot read secret: "),
        (["find"], "name the provenance log with --log"),
        (["find", "--log", "none"], "there is no standard input"),
        (["find", "secret", "--log", "none"], "there is no provenance log none"),
        (["test", "--secret", "secret"], "name the file of scores"),
        (["test", "--secret", "secret", "none"], "cannot read none"),
        (["test", "--secret", "secret", "s", "--endpoint", "https://h/v1"], "say which canaries"),
        (["test", "--secret", "secret", "s", "--endpoint", "https://h/v1", "--canary", "a,b"], "HOST,AGENT,EPOCH"),
        (["test", "--secret", "secret", "s", "--endpoint", "https://h/v1", "--canary", "a,b,c"], "with --model"),
        (["test", "--secret", "secret", "s", "--endpoint", "http://h.example/v1", "--canary", "a,b,c", "--model", "m"],
         "candidates are secret: use https"),
        (["test", "--secret", "secret", "s", "--alpha", "2"], "a number between 0 and 1 is expected"),
        (["test", "--secret", "secret", "s", "--patience", "nan"], "a number between 0 and 1,000,000 is expected"),
        (["else"], "invalid choice"),
    ],
)  # fmt: skip
def test_bad_usage_is_2_and_says_what_to_do(run, monkeypatch, arguments, message):
    monkeypatch.delenv("SCRAPEGUARD_SECRET", raising=False)
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert message in err


# find


def test_find_tells_where_a_text_came_from(run, log, tmp_path):
    canary = Canary(KEY, "h.example", "ClaudeBot", "2026-11")
    leak = canary.paragraph(canary.page_id("/p/3")).upper().replace(" ", "\n")
    (tmp_path / "leak.txt").write_text(leak)
    code, out, err = run("find", "leak.txt", "--log", log)
    assert code == 0
    crawls, pages = out.split("\n\n")
    assert crawls.splitlines()[1].split()[:3] == ["h.example", "ClaudeBot", "2026-11"]
    assert pages.splitlines()[1].split()[-2:] == [canary.page_id("/p/3"), "/p/3"]
    assert "the chain is whole" in err


def test_find_as_json_reads_standard_input(run, log):
    canary = Canary(KEY, "h.example", "GPTBot", "2026-11")
    words = canary.paragraph(canary.page_id("/p/2")).split()
    code, out, _ = run("find", "--log", log, "--json", stdin=" ".join(words[5:40]).encode())
    chain, first, *_ = json_lines(out)
    assert (code, chain) == (0, {"links": 15, "lost": 0, "faults": []})
    assert (first["host"], first["agent"], first["epoch"], first["path"]) == ("h.example", "GPTBot", "2026-11", "/p/2")
    assert (first["client"], first["strength"], first["page_id"]) == ("203.0.113.9", "words", canary.page_id("/p/2"))


def test_what_was_served_to_nobody_is_not_found(run, log):
    other = Canary(KEY, "h.example", "GPTBot", "2026-12")
    code, out, _ = run("find", "-", "--log", log, stdin=other.candidate(0).encode())
    assert code == 1
    assert "Nothing that was served is in it" in out


def test_a_little_in_common_is_said_to_be_little(run, tmp_path):
    with closing(ProvenanceLog(tmp_path / "log.db")) as log:
        log.append([_served(Canary(KEY, "h.example", "GPTBot", "e"), "GPTBot", "/p")], NOW)
    canary = Canary(KEY, "h.example", "GPTBot", "e")
    words = canary.paragraph(canary.page_id("/p")).split()
    quotes = [" ".join(words[at : at + 6]) for at in range(20)]
    printed = [run("find", "--log", "log.db", stdin=quote.encode())[1] for quote in quotes]
    assert any("this may be chance" in out for out in printed)


def test_a_broken_chain_is_a_problem(run, log, tmp_path):
    with closing(sqlite3.connect(tmp_path / log, isolation_level=None)) as database:
        database.execute("UPDATE link SET record = replace(record, '203.0.113.9', '203.0.113.7') WHERE number = 3")
    canary = Canary(KEY, "h.example", "GPTBot", "2026-11")
    code, _, err = run("find", "--log", log, stdin=canary.page_id("/p/1").encode())
    assert code == 1
    assert "link 3 was changed" in err
    assert "the chain is broken" in err


def test_a_text_that_is_too_large_is_refused(run, log):
    code, _, err = run("find", "--log", log, stdin=b"x" * (4 * 1024 * 1024 + 1))
    assert (code, "take a part of it" in err) == (2, True)


# test


def _line(agent, epoch, losses, **more):
    return json.dumps({"host": "h.example", "agent": agent, "epoch": epoch, "losses": losses, **more}) + "\n"


def _scored(agent, epoch, loss_of_served, key=KEY):
    losses = [3 + index / 1000 for index in range(64)]
    losses[Canary(key, "h.example", agent, epoch, count=64).served_index] = loss_of_served
    return losses


def test_test_says_what_the_scores_show_and_what_not(run, tmp_path):
    lines = [_line("gptbot", f"e{number}", _scored("gptbot", f"e{number}", 1.0), model="m") for number in range(3)]
    lines += [_line("claudebot", "e", _scored("claudebot", "e", 9.0), model="m")]
    (tmp_path / "scores").write_text("".join(lines))
    code, out, _ = run("test", "scores", "--secret", "secret")
    assert code == 0
    assert "m, 64 candidates for each canary" in out
    assert "gptbot: the model prefers what was served" in out
    assert "somebody else may have published it again" in out
    assert "claudebot: nothing is shown at the level of 0.01" in out
    assert "With so few canaries" in out
    code, out, _ = run("test", "scores", "--secret", "secret", "--json")
    first, second = json_lines(out)
    assert (code, first["agent"], first["ranks"], first["shown"]) == (0, "gptbot", [1, 1, 1], True)
    assert (first["p_value"], first["adjusted"], first["model"]) == (64**-3, 2 * 64**-3, "m")
    assert (second["agent"], second["p_value"], second["shown"]) == ("claudebot", 1.0, False)


def test_scores_of_a_former_key_are_tested_by_it(run, tmp_path):
    losses = _scored("gptbot", "e", 1.0, FORMER)
    (tmp_path / "scores").write_text(_line("gptbot", "e", losses, commitment=commitment(FORMER)))
    assert json_lines(run("test", "scores", "--secret", "secret", "--json")[1])[0]["ranks"] == [1]


@pytest.mark.parametrize(
    ("content", "message"),
    [("", "scores: no scores"), ("{}\n[]\n", "scores:2:1: an object"), (_line("a", "e", [1.0] * 5), "power of two")],
)
def test_scores_that_cannot_be_used_are_problems(run, tmp_path, content, message):
    (tmp_path / "scores").write_text(content)
    code, out, err = run("test", "scores", "--secret", "secret")
    assert (code, out, message in err) == (1, "", True)


def test_a_line_without_end_is_not_read_into_memory(run, tmp_path):
    with (tmp_path / "scores").open("wb") as file:
        file.truncate(50_000_000)
    code, _, err = run("test", "scores", "--secret", "secret")
    assert (code, "1 problem" in err, "longer than" in err) == (1, True, True)


def test_candidates_can_be_written_for_a_tool_of_ones_own(run, tmp_path):
    code, out, err = run("test", "--secret", "secret", "--canary", "h.example,GPTBot,e", "--texts", "texts")
    lines = json_lines((tmp_path / "texts").read_text())
    canary = Canary(KEY, "h.example", "gptbot", "e")
    assert (code, out) == (0, "")
    assert [line["text"] for line in lines] == list(canary.candidates())
    assert (lines[7]["index"], lines[7]["agent"], lines[7]["commitment"]) == (7, "gptbot", commitment(KEY)[:16])
    assert (tmp_path / "texts").stat().st_mode & 0o077 == 0
    assert "are secret" in err


@pytest.fixture
def model():
    """A model that has read what GPTBot was served on h.example, and says so in its losses."""
    read = {canary.candidate(canary.served_index) for canary in _canaries("GPTBot")}
    with fake_endpoint.serving(fake_endpoint.FakeEndpoint(lambda text: 1.0 if text in read else 3.0)) as endpoint:
        yield endpoint


def _canaries(agent):
    return [Canary(key, "h.example", agent, "2026-11") for key in (KEY, FORMER)]


def test_an_endpoint_scores_all_canaries_of_the_log(run, log, model, tmp_path, monkeypatch):
    monkeypatch.setenv("SCRAPEGUARD_ENDPOINT_KEY", "token")
    command = ("test", "scores", "--secret", "secret", "--log", log, "--endpoint", model.url, "--model", "m", "--json")
    code, out, err = run(*command)
    first, second = json_lines(out)
    assert code == 0
    assert (first["agent"], first["ranks"], first["p_value"], first["model"]) == ("gptbot", [1, 1], 1024**-2, "m")
    assert (second["agent"], second["ranks"], second["p_value"]) == ("claudebot", [1024], 1.0)
    assert "All candidates of 3 canaries, also those that were never served, are sent to" in err
    sent = [text for _, asked in model.asked for text in asked["prompt"]]
    assert len(sent) == len(set(sent)) == 3 * CANDIDATES
    assert set(model.authorizations) == {"Bearer token"}
    assert (tmp_path / "scores").stat().st_mode & 0o077 == 0
    assert "token" not in out + err + (tmp_path / "scores").read_text()


def test_an_endpoint_without_log_probabilities_is_asked_to_complete(run, model, tmp_path):
    canary = Canary(KEY, "h.example", "GPTBot", "2026-11")
    for index, text in enumerate(canary.candidates()):
        words = text.split(" ")
        middle = len(words) // 2
        known = index == canary.served_index
        model.completions[" ".join(words[:middle])] = " ".join(words[middle:]) if known else "and so on"
    command = ("test", "scores", "--secret", "secret", "--canary", "h.example,GPTBot,2026-11", "--score", "match")
    code, out, _ = run(*command, "--endpoint", model.url, "--model", "m", "--json")
    assert (code, json_lines(out)[0]["ranks"]) == (0, [1])


def test_an_interrupted_scoring_goes_on_where_it_stopped(run, model, tmp_path):
    command = ["test", "scores", "--secret", "secret", "--endpoint", model.url, "--model", "m", "--patience", "0.1"]
    canaries = ["--canary", "h.example,GPTBot,2026-11", "--canary", "h.example,GPTBot,2026-12"]
    assert run(*command, *canaries[:2])[0] == 0
    asked = len(model.asked)
    model.faults = [503] * 100
    code, out, err = run(*command, *canaries)
    assert (code, out) == (1, "")
    assert "gives no answer within 0.1 seconds" in err
    assert "the same command goes on from there" in err
    model.faults = []
    code, out, _ = run(*command, *canaries)
    assert code == 0
    assert "gptbot  2" in out
    assert len(model.asked) == 2 * asked + 1


def test_a_log_of_unknown_keys_is_told(run, log, tmp_path):
    (tmp_path / "secret").write_text(f"hex:{KEY.hex()}")
    code, _, err = run("test", "scores", "--secret", "secret", "--log", log, "--endpoint", "https://h/v1")
    assert (code, "keep former keys" in err) == (2, True)
