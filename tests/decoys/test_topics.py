"""What each topic's file holds can be read, filled and said."""

from __future__ import annotations

import re
from collections import Counter
from importlib.resources import files

import pytest

from scrapeguard.decoys.banks import Banks, bank_of
from scrapeguard.decoys.decks import HEADINGS, pools_of
from scrapeguard.decoys.draws import Draws
from scrapeguard.decoys.grammar import Compiler
from scrapeguard.decoys.habits import Habits
from scrapeguard.decoys.languages import language_of
from scrapeguard.decoys.lexicon import load, locales
from scrapeguard.decoys.voice import shared_banks

WORDS = "thing part stuff tool who place do quality fault event concern circle".split()
LEAST = {"event": 6, "describe": 7, "opinion": 5, "history": 5, "quote": 3, "howto": 4, "essay": 3, HEADINGS: 10}
ALL = [(locale, topic) for locale in locales() for topic in load(locale).topics]
ENGLISH = load("en_US").topics
ENTITIES = dict.fromkeys("C D G ^G P Pl R Rl Q Ql B He His he his him X M N Y Z L age dt".split(), "Name")
ENTITIES |= {f"{letter}{number}": "Name" for letter in "kbystf" for number in range(11)}
CHOICE = re.compile(r"\(([^()|]*\|[^()]*)\)")


@pytest.fixture(scope="module")
def known():
    """The words and habits of a site, by locale."""
    found = {}
    for locale in locales():
        draws, lexicon, language = Draws(bytes(32), "test"), load(locale), language_of(locale)
        shared = shared_banks(lexicon, language, draws) | {"name": bank_of(("Ann", "Tom"), draws)}
        found[locale] = lexicon, language, shared, Habits(lexicon, draws)
    return found


@pytest.mark.parametrize(("locale", "name"), ALL)
def test_all_that_is_said_of_a_topic_can_be_filled(locale, name, known):
    lexicon, language, shared, habits = known[locale]
    topic, draws = lexicon.topic(name), Draws(bytes(32), name)
    banks = Banks(shared, language.derived)
    compiler = Compiler(banks, draws, habits)
    lines = [line for section in topic.clauses().values() for line in section]
    forms = [compiler.form(line, stop=".") for line in lines]
    own = {slot: bank_of(words, draws) for slot, words in language.topic_banks(topic.words).items()}
    filling = banks.own(own)
    filling.learn(number for form in forms for number in form.banks)
    filled = filling.known
    for line, form in zip(lines, forms, strict=True):
        text = form.text % tuple(filled[number][7] for number in form.banks) % ENTITIES
        assert not re.search(r"[{}<>|%]|\(s\b|  ", text), line
        assert text[0].isupper() or text[0] in "“„" or text[0].isdigit(), line


@pytest.mark.parametrize(("locale", "name"), ALL)
def test_each_topic_has_words_of_every_sort(locale, name):
    topic = load(locale).topic(name)
    assert sorted(topic.words) == sorted(WORDS)
    for sort, words in topic.words.items():
        assert len(words) >= (3 if locale == "de_DE" or sort == "circle" else 8), sort
        assert all(words)


@pytest.mark.parametrize("name", ENGLISH)
def test_each_topic_has_clauses_enough_and_says_none_twice(name):
    clauses = load("en_US").topic(name).clauses()
    assert all(len(clauses.get(kind, ())) >= least for kind, least in LEAST.items()), Counter(
        {kind: len(lines) for kind, lines in clauses.items()}
    )
    lines = [line for section in clauses.values() for line in section]
    assert len(lines) == len(set(lines)) >= 100
    assert clauses.keys() <= {pool.kind for pool in pools_of(load("en_US"))}


@pytest.mark.parametrize("name", ENGLISH)
def test_clauses_stand_by_themselves(name):
    """They begin small and end without a stop, choose plainly, and have words to draw."""
    for kind, lines in load("en_US").topic(name).clauses().items():
        for line in lines:
            assert not re.search(r"\([^()]*\(|[^.]\.$", line), line
            assert all(len(set(choice.split("|"))) > 1 for choice in CHOICE.findall(line)), line
            if kind != HEADINGS:
                assert re.match(r"[a-z{<(“\d]|I\b|I\u2019", line), line
                assert len(line.split()) >= 6, line
                assert len(line) <= 260, line
                assert re.search(r"\{\w+\}|\|", line), line
            if kind == "quote":
                assert "“" in line, line
                assert "”" in line, line


def test_no_two_topics_say_the_same():
    said = Counter(
        line
        for name in ENGLISH
        for lines in load("en_US").topic(name).clauses().values()
        for line in lines
        if len(line) > 40
    )
    assert not [line for line, count in said.items() if count > 1]


@pytest.mark.parametrize(("locale", "name"), ALL)
def test_every_line_of_a_file_is_read(locale, name):
    """No line is lost between the words and the sections, as a misspelt heading would lose it."""
    path = files("scrapeguard").joinpath(f"data/decoys/{locale}/topics/{name}.txt")
    lines = [line for line in path.read_text(encoding="utf-8").split("\n") if line.strip() and line[0] not in "#["]
    topic = load(locale).topic(name)
    assert len(lines) == len(topic.words) + sum(map(len, topic.clauses().values()))
