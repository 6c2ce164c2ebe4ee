from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrapeguard.canaries import scores as module
from scrapeguard.canaries.canary import Canary
from scrapeguard.canaries.derivation import commitment
from scrapeguard.canaries.keys import Keyring
from scrapeguard.canaries.scores import MAX_PROBLEMS, read_scores, verdicts

KEY, FORMER = bytes(range(32)), b"the key of last year"
KEYS = Keyring(KEY, (FORMER,))
PLAIN = {"host": "h.example", "agent": "gptbot", "epoch": "2026-11"}


def line(losses=None, **more):
    return json.dumps({**PLAIN, "losses": [1.0] * 8 if losses is None else losses, **more}).encode()


def read(*lines):
    return read_scores(lines, KEYS, "s.jsonl")


def test_a_line_holds_the_losses_of_one_canary():
    (one,), problems = read(line(list(range(8)), model="m"))
    served = Canary(KEY, **PLAIN, count=8).served_index
    assert (problems, one.model, one.rank) == ([], "m", served + 1)


def test_lines_may_be_blank_and_numbers_whole():
    scores, problems = read(b"\n", line([1, 2]), b"   \n")
    assert (len(scores), problems) == (1, [])


def test_texts_of_a_former_key_are_scored_by_it():
    scores, problems = read(
        line(commitment=commitment(KEY)), line(commitment=commitment(FORMER)[:16]), line(epoch="2026-12")
    )
    assert problems == []
    assert [one.canary.key for one in scores] == [KEY, FORMER, KEY]


NUMBERED = [
    (b"{", "no JSON"),
    (b"\xff", "no UTF-8"),
    (b"[]", "an object with host, agent, epoch and losses is expected"),
    (b"[" * 100_000, "no JSON"),
    (b'{"host": "a", "host": "b"}', "a field stands there twice"),
    (b'{"losses": [NaN]}', "NaN is no loss"),
    (line(loss=1), "unknown field 'loss'"),
    (line(host=None), "`host` is missing, or no text"),
    (line(agent=7), "`agent` is missing, or no text"),
    (line(epoch=""), "epoch: 1 to 256 printable characters"),
    (line(losses={}), "`losses` is a list"),
    (line(losses=[1, "2"]), r"losses\[1\] is no finite number: \"2\""),
    (line(losses=[1, True]), r"losses\[1\] is no finite number"),
    (line(losses=[1, None]), r"losses\[1\] is no finite number"),
    (line()[:-2].replace(b"1.0", b"1e999") + b"]}", r"losses\[0\] is no finite number"),
    (line(losses=[10**400, 1]), r"losses\[0\] is no finite number"),
    (line(losses=[1.0] * 3), "power of two"),
    (line(losses=[1.0] * 1000), "power of two .* not 1,000; 1024 by default"),
    (line(losses=[]), "power of two"),
    (line(model=1), "`model` is missing, or no text"),
    (line(commitment="0" * 64), "no key at hand belongs to the commitment"),
    (line(commitment=commitment(KEY)[:4]), "no key at hand"),
]  # fmt: skip


@pytest.mark.parametrize(("bad", "message"), NUMBERED, ids=range(len(NUMBERED)))
def test_what_is_wrong_is_told_with_its_line(bad, message):
    scores, (problem,) = read(line(epoch="first"), bad)
    assert len(scores) == 1
    assert (problem.file, problem.line) == ("s.jsonl", 2)
    assert re.search(message, problem.message)


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (line(), "the canary of line 1 again; each counts once"),
        (line(host="H.Example:80", agent="GPTBot"), "the canary of line 1 again; each counts once"),
        (line([1.0] * 16, epoch="x"), "16 losses, where the lines before have 8"),
        (line(epoch="x", model="other"), "another model ('other') than before (None); test one at a time"),
    ],
)
def test_lines_must_belong_together(second, message):
    _, (problem,) = read(line(), second)
    assert problem.message == message


def test_a_line_that_is_too_long_is_not_read(monkeypatch):
    monkeypatch.setattr(module, "MAX_LINE", 50)
    assert "longer than 50 octets" in read(line())[1][0].message


def test_problems_and_canaries_are_bounded(monkeypatch):
    assert len(read(*[b"{"] * 100)[1]) == MAX_PROBLEMS
    monkeypatch.setattr(module, "MAX_CANARIES", 3)
    _, (problem,) = read(*(line(epoch=str(number)) for number in range(10)))
    assert (problem.line, problem.message) == (4, "more than 3 canaries")


@given(st.binary(max_size=200))
def test_any_octets_give_scores_or_a_problem(octets):
    scores, problems = read(octets)
    assert bool(octets.strip()) == bool(scores or problems)


@given(st.lists(st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3)), max_size=8))
def test_any_losses_are_read_or_refused(losses):
    scores, problems = read(json.dumps({**PLAIN, "losses": losses}).encode())
    assert len(scores) + len(problems) == 1


def test_verdicts_are_one_for_each_agent_corrected_for_their_number():
    best = [
        line([0.0 if index == Canary(KEY, "h.example", agent, epoch, count=16).served_index else 1.0
              for index in range(16)], agent=agent, epoch=epoch)
        for agent in ("gptbot", "claudebot") for epoch in ("1", "2")
    ]  # fmt: skip
    scores, problems = read(*best[:3], line([1.0] * 16, agent="claudebot", epoch="2"))
    assert problems == []
    first, second = verdicts(scores)
    assert (first.agent, first.ranks, first.p_value, first.adjusted) == ("gptbot", (1, 1), 1 / 256, 2 / 256)
    assert (second.agent, second.ranks, second.candidates) == ("claudebot", (1, 16), 16)
    # Of 256 pairs of ranks 120 have a larger sum than 17.
    assert second.p_value == second.adjusted == 136 / 256
    assert verdicts([]) == []
