from __future__ import annotations

import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrapeguard.telemetry.fingerprints import MAX_WORDS, RUN, SURE, all_prints, shared, winnow, words


def article(seed, length=300):
    generator = random.Random(seed)
    return " ".join(f"word{generator.randrange(5000)}" for _ in range(length))


@given(st.integers(0, 10_000), st.data())
def test_any_quote_that_is_long_enough_is_found(seed, data):
    text = article(seed, 120)
    start = data.draw(st.integers(0, 120 - SURE))
    quote = " ".join(text.split()[start : start + SURE])
    assert shared(winnow(text), all_prints(quote))


@given(st.text(max_size=300))
def test_a_text_shares_all_it_keeps_with_itself(text):
    kept = winnow(text)
    assert len(shared(kept, all_prints(text))) * 8 == len(kept)
    assert bool(kept) == (len(words(text, MAX_WORDS)) >= RUN)


def test_what_stands_around_a_text_is_no_part_of_it():
    text, around = article(1), article(2)
    page = f"<HEAD><style>{around}</style></HEAD><nav >{around}</nav><main>{text}</main><footer>{around}</footer\n>"
    assert words(page, MAX_WORDS) == words(text, MAX_WORDS)
    assert not shared(winnow(page), all_prints(around))


def test_what_is_never_closed_is_text_and_takes_no_time():
    assert words(f"<nav>{article(3, 20)}", MAX_WORDS) == words(article(3, 20), MAX_WORDS)
    assert len(words("<head><nav>word " * 100_000, 200_000)) == 100_000


def test_common_words_at_every_place_do_not_hide_a_quote():
    text = " ".join(["the"] * 50 + [f"w{number}" for number in range(50)])
    kept, told = winnow(text), text.split()
    for start in range(len(told) - SURE + 1):
        assert shared(kept, all_prints(" ".join(told[start : start + SURE])))


@pytest.mark.parametrize(
    "change",
    [
        str.upper,
        str.title,
        lambda text: text.replace(" ", "\n\n  "),
        lambda text: text.replace(" ", ", "),
        lambda text: re.sub(r"(\w+)", r"*\1*", text),
        lambda text: "<p>" + text.replace(" ", "</b> <b class='x'>") + "</p>",
        lambda text: text.replace("word", "\N{FULLWIDTH LATIN SMALL LETTER W}ord"),
        lambda text: text.replace("word", "wo\N{SOFT HYPHEN}rd"),
        lambda text: text.replace("word", "wo\N{RIGHT SINGLE QUOTATION MARK}rd"),
        lambda text: text.replace("word", "wo'rd"),
        lambda text: "before it " + text + " behind it",
        lambda text: text.replace(" ", " \N{EM DASH} "),
    ],
    ids=range(12),
)
def test_what_a_quote_loses_on_its_way_does_not_count(change):
    text = article(1)
    assert len(shared(winnow(text), all_prints(change(text)))) * 8 == len(winnow(text))


def test_other_texts_share_nothing():
    kept = winnow(article(1))
    assert all(not shared(kept, all_prints(article(seed))) for seed in range(2, 60))


def test_words_that_are_changed_cost_only_the_runs_they_stand_in():
    changed = article(1).split()
    for at in range(0, 300, 25):
        changed[at] = "else"
    common = shared(winnow(article(1)), all_prints(" ".join(changed)))
    assert len(common) * 8 > 0.6 * len(winnow(article(1)))


def test_a_third_of_the_runs_is_kept():
    assert 0.28 < len(winnow(article(3, 3000))) / 8 / 3000 < 0.39


def test_what_is_kept_and_read_is_bounded():
    endless = "ab " * 10**6
    assert len(words(endless, 100)) == 100
    assert len(winnow("".join(f"w{number} " for number in range(30_000)))) < 8 * MAX_WORDS
    assert words("<" * 300_000, 100) == []
    assert words("\ud800 x", 9) == [b"x"]


def test_fingerprints_stay_the_same_in_every_version():
    assert winnow("One two three four five six.").hex() == "d83350e45220a7e7"


@given(st.text(st.characters(codec="ascii"), max_size=200))
def test_plain_and_other_letters_are_read_alike(text):
    plain = words(text, 100)
    assert words(f"{text} \N{EM DASH}", 100) == plain
