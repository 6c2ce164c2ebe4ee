from __future__ import annotations

import hashlib
import itertools
import os
import re
import subprocess
import sys
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrapeguard.canaries import wording
from scrapeguard.canaries.canary import Canary, page_ids
from scrapeguard.canaries.prose import cut, fill, form_of

KEY = bytes(range(32))
CRAWLS = [
    (host, agent, epoch)
    for host in ("example.com", "news.example.com")
    for agent in ("gptbot", "claudebot", "bytespider")
    for epoch in ("2026-11", "2026-12")
]
PLACE = re.compile(r"\[([^]]+)\]|\{([a-z]+)[0-9]*\}")
WORDS_OF = {"person": (2, 2), "things": (2, 3), "day": (2, 2)}


@pytest.fixture(scope="module")
def canary():
    return Canary(KEY, "example.com", "GPTBot", "2026-11")


def test_a_candidate_is_the_same_in_every_version():
    """A served text must be found again years later: who changes the wording makes a new version of it."""
    texts = "\n".join(Canary(KEY, *crawl).candidate(index) for crawl in CRAWLS for index in (0, 33, 1023))
    copies = "\n".join(Canary(KEY, *crawl).paragraph("K4M7Q-2T9X3") for crawl in CRAWLS)
    everything = repr((wording.POSITIONS, wording.TRACE, sorted(wording.BANKS.items())))
    digests = [hashlib.sha256(text.encode()).hexdigest()[:16] for text in (texts, copies, everything)]
    assert (wording.VERSION, *digests) == (1, "bc26fdc6ba174aa4", "9377d1611eb80d21", "f636cd29920844d3")


def test_a_copy_is_the_same_in_every_process():
    code = (
        "from scrapeguard.canaries.canary import Canary; c = Canary(bytes(range(32)), 'h', 'a', 'e'); "
        "print(c.paragraph(c.page_id('/p')), c.candidate(7))"
    )
    printed = {
        subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert len(printed) == 1


def test_host_and_agent_count_in_any_spelling(canary):
    other = Canary(KEY, "EXAMPLE.com:443", " gptbot ", "2026-11")
    assert other.paragraph("x") == canary.paragraph("x")
    assert repr(other) == "Canary('example.com', 'gptbot', '2026-11')"


def test_copies_differ_in_words_and_agree_in_what_the_seed_says(canary):
    plain = canary.candidate(canary.served_index)
    copies = [canary.paragraph(canary.page_id(f"/{number}")) for number in range(200)]
    assert len({copy.rpartition(" ")[0] for copy in copies}) == 200
    seeded = re.findall(r"\d+(?:\.\d)?|[A-Z][a-z]{9,}", plain)
    assert len(seeded) >= 14
    assert all(word in copy for word in seeded for copy in copies)


def test_copies_share_no_long_run_of_words(canary):
    """Filters of exact substrings look at runs of 50 tokens, some 35 of these words."""
    copies = [canary.paragraph(canary.page_id(f"/{number}")).split() for number in range(100)]
    runs = Counter(run for copy in copies for run in {tuple(copy[at : at + 25]) for at in range(len(copy) - 24)})
    assert runs.most_common(1)[0][1] <= 5


def test_candidates_are_all_different_and_of_one_length(canary):
    texts = list(canary.candidates())
    assert len(set(texts)) == 1024
    lengths = [len(text.split()) for text in texts]
    assert max(lengths) - min(lengths) <= 4


def test_no_word_of_a_candidate_tells_whether_it_was_served(canary):
    texts = list(canary.candidates())
    counted = Counter(word for text in texts for word in set(text.split()))
    always = {word for word, count in counted.items() if count == 1024}
    assert always <= set(texts[canary.served_index].split())
    assert len(always) > 15


def test_every_form_has_60_to_100_words():
    for sentences in itertools.product(*wording.POSITIONS):
        template = " ".join(sentences)
        assert _words_in(template)[0] >= 60
        assert _words_in(f"{template} {wording.TRACE} ID.")[1] <= 100


def _words_in(template):
    """The fewest and the most words that a template can come to."""
    fixed = len(re.findall(r"\w+", PLACE.sub(" ", template)))
    spans = [
        (min(lengths), max(lengths))
        for bank, kind in PLACE.findall(template)
        for lengths in ([len(word.split()) for word in wording.BANKS[bank]] if bank else WORDS_OF.get(kind, (1, 1)),)
    ]
    return fixed + sum(least for least, _ in spans), fixed + sum(most for _, most in spans)


def test_every_bank_is_used_and_offers_a_choice():
    templates = " ".join([*itertools.chain(*wording.POSITIONS), wording.TRACE])
    assert {bank for bank, _ in PLACE.findall(templates) if bank} == set(wording.BANKS)
    assert all(2 <= len(set(words)) == len(words) for words in wording.BANKS.values())
    assert all(all(words) for words in wording.BANKS.values())


@given(st.binary(min_size=4, max_size=4), st.binary(min_size=32, max_size=32), st.binary(min_size=64, max_size=64))
def test_any_seed_makes_prose(dice, seed, words):
    filled = fill(cut(form_of(dice)), seed)
    for text in (filled.plain(), filled.copy(words)):
        assert re.fullmatch(r"[A-Z][A-Za-z0-9 ,.]*\.", text)
        assert "  " not in text
        assert not re.search(r"\ba [aeiou]", text)


def test_names_are_not_those_of_people():
    """Of a real name at most the given part: the surname has three made-up parts."""
    assert all(len(end) >= 3 for end in wording.SURNAME_ENDS)
    assert len(wording.NAME_STARTS) * len(wording.NAME_MIDDLES) * len(wording.SURNAME_ENDS) > 20_000


def test_seeds_say_more_than_can_be_guessed(canary):
    slots = Counter(re.match("[a-z]+", slot)[0] for slot in cut(form_of(b"\0\0\4\0")).slots)
    surnames = len(wording.NAME_STARTS) * len(wording.NAME_MIDDLES)
    values = {
        "person": surnames * len(wording.SURNAME_ENDS) * len(wording.GIVEN_NAMES), "n": 874, "m": 874, "year": 125,
        "f": 88, "late": 51,
        "place": surnames * len(wording.PLACE_ENDS), "day": 336, "colour": 24,
        "things": len(wording.MATERIALS) * len(wording.THINGS),
    }  # fmt: skip
    bits = sum(count * (values[kind].bit_length() - 1) for kind, count in slots.items())
    assert bits > 170


# ids of pages


def test_a_page_is_traced_by_its_id(canary):
    ids = {path: canary.page_id(path) for path in map("/{}".format, range(3000))}
    assert len(set(ids.values())) == 3000
    assert all(page_ids(canary.paragraph(one)) == [one] for one in list(ids.values())[:200])
    assert canary.page_id("/1") != Canary(KEY, "example.com", "ClaudeBot", "2026-11").page_id("/1")


@pytest.mark.parametrize(
    "text",
    ["K4M7Q-2T9X3", "k4m7q-2t9x3", "(K4M7Q 2T9X3)", "k4m7q2t9x3.", "K4M7Q\u20132T9X3", "K4M7Q -\n2T9X3",
     "K 4 M 7 Q 2 T 9 X 3"],
)  # fmt: skip
def test_an_id_is_read_however_it_is_spaced(text):
    assert page_ids(f"mark: {text} there") == ["K4M7Q-2T9X3"]


@pytest.mark.parametrize("text", ["", "plain words", "K4M7Q-2T9X", "aK4M7Q-2T9X3", "K4M7Q-2T9X33", "KMMMQ-2T9X3"])
def test_what_is_no_id_is_not_read_as_one(text):
    assert page_ids(text) == []


def test_ids_in_a_hostile_text_are_bounded():
    many = " ".join("".join(pair) + "k4m7q2t9" for pair in itertools.product("bcdfghkmnpqrstvwxz", "23456789"))
    assert 0 < len(page_ids(many * 50)) <= 1000
    assert page_ids("k" * 200_000 + "4m" * 100_000) == []


@pytest.mark.parametrize("value", ["", "a\0b", "a\nb", "x" * 257])
@pytest.mark.parametrize("field", ["host", "agent", "epoch"])
def test_what_could_be_read_as_another_field_is_refused(field, value):
    arguments = {"host": "h", "agent": "a", "epoch": "e", field: value}
    with pytest.raises(ValueError, match=field):
        Canary(KEY, **arguments)


@pytest.mark.parametrize("value", ["", "a\0b", "x" * 257])
def test_an_id_is_a_short_text(canary, value):
    with pytest.raises(ValueError, match="id"):
        canary.paragraph(value)


def test_there_is_no_candidate_beyond_the_last(canary):
    for index in (-1, 1024):
        with pytest.raises(ValueError, match="from 0 to 1023"):
            canary.candidate(index)


def test_a_short_key_is_refused():
    with pytest.raises(ValueError, match="at least 16 octets, not 15"):
        Canary(bytes(15), "h", "a", "e")
