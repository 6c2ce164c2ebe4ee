from __future__ import annotations

import re
from collections import Counter

import pytest

from scrapeguard.decoys import english
from scrapeguard.decoys.banks import Banks, bank_of, capital
from scrapeguard.decoys.draws import Draws, draw, key_of
from scrapeguard.decoys.grammar import Compiler, Sides, Taste
from scrapeguard.decoys.habits import Habits
from scrapeguard.decoys.lexicon import Lexicon, load

KEY = bytes(range(32))
PLAIN = Lexicon("en_US", (), {}, {}, {}, (), (), (), (), ())


def test_draws_are_the_same_on_every_version():
    assert key_of(b"secret", "example.org").hex()[:16] == "2dc842a03b637f09"
    assert draw(KEY, "/page", 6).hex() == "71cf7416da14"
    draws = Draws(KEY, "test")
    assert [draws.below(100) for _ in range(5)] == [55, 19, 18, 57, 25]
    assert draws.shuffled("abcdef") == list("ecbfad")


def test_first_bytes_do_not_depend_on_how_many_are_drawn():
    assert draw(KEY, "/page", 2000).startswith(draw(KEY, "/page", 64))


def test_all_numbers_are_drawn_about_as_often():
    draws = Draws(KEY, "fair")
    counts = Counter(draws.below(10) for _ in range(10_000))
    assert all(850 < counts[number] < 1150 for number in range(10))


def test_jostled_values_stay_near_their_place():
    values = Draws(KEY, "near").jostled(range(100), reach=6)
    assert sorted(values) == list(range(100))
    assert all(abs(place - value) <= 6 for place, value in enumerate(values))


@pytest.mark.parametrize(
    ("phrase", "expected"),
    [
        ("urn", "an urn"),
        ("bowl", "a bowl"),
        ("one-handed clock", "a one-handed clock"),
        ("hour hand", "an hour hand"),
        ("honest answer", "an honest answer"),
        ("unison song", "a unison song"),
        ("unusual cup", "an unusual cup"),
        ("eight", "an eight"),
        ("S-shaped rim", "an S-shaped rim"),
    ],
)
def test_articles(phrase, expected):
    assert english.indefinite(phrase) == expected


@pytest.mark.parametrize(
    ("noun", "expected"),
    [
        ("bowl", "bowls"),
        ("loaf", "loaves"),
        ("rye bread loaf", "rye bread loaves"),
        ("flyleaf", "flyleaves"),
        ("hind foot", "hind feet"),
        ("potato", "potatoes"),
        ("brush", "brushes"),
        ("box", "boxes"),
        ("story", "stories"),
        ("day", "days"),
        ("boatman", "boatmen"),
        ("leading lady", "leading ladies"),
        ("train of kites", "trains of kites"),
        ("shears", "shears"),
    ],
)
def test_plurals(noun, expected):
    assert english.plural(noun) == expected


@pytest.mark.parametrize(
    ("verb", "forms"),
    [
        ("glaze", ("glaze", "glazed", "glazed", "glazing", "glazes")),
        ("trim", ("trim", "trimmed", "trimmed", "trimming", "trims")),
        ("carry", ("carry", "carried", "carried", "carrying", "carries")),
        ("rough out", ("rough out", "roughed out", "roughed out", "roughing out", "roughs out")),
        ("draw", ("draw", "drew", "drawn", "drawing", "draws")),
        ("unwrap", ("unwrap", "unwrapped", "unwrapped", "unwrapping", "unwraps")),
        ("light", ("light", "lit", "lit", "lighting", "lights")),
        ("free", ("free", "freed", "freed", "freeing", "frees")),
    ],
)
def test_verbs(verb, forms):
    banks = english.phrase_banks({"gv": (verb,)})
    assert tuple(banks[name][0] for name in ("gv", "gvd", "gvn", "gvg", "gvz")) == forms


def test_no_verb_of_the_lexicon_is_inflected_oddly():
    lexicon = load("en_US")
    topics = map(lexicon.topic, lexicon.topics)
    verbs = {verb for topic in topics for verb in topic.words["do"]} | set(lexicon.phrases["gv"])
    for verb in sorted(verbs):
        gerund, past = (english.phrase_banks({"gv": (verb,)})[name][0].split()[0] for name in ("gvg", "gvd"))
        base = verb.split()[0]
        # A short verb that ends in one vowel and one consonant doubles it.
        doubles = re.fullmatch(r"(?:[^aeiou]*(?:qu)?)[aeiou][^aeiouwxyl]", base)
        assert not doubles or gerund == f"{base}{base[-1]}ing", (verb, gerund)
        assert not past.endswith("eed") or base.endswith("ee") or not base.endswith("e"), (verb, past)


def test_a_bank_has_every_word_and_the_first_more_often():
    words = [f"word{number}" for number in range(60)]
    bank = bank_of(words, Draws(KEY, "bank"))
    assert len(bank) == 256
    assert set(bank) == set(words)
    counts = Counter(bank)
    assert counts["word0"] > 4 * counts["word59"]


@pytest.mark.parametrize(("text", "expected"), [("a", "A"), ("“so", "“So"), ("", ""), ("%(he)s", "%(He)s")])
def test_capitals(text, expected):
    assert capital(text) == expected


def compiled(text, **own):
    banks = Banks({}, english.derived)
    draws = Draws(KEY, "form")
    form = Compiler(banks, draws, Habits(PLAIN, draws)).form(text, stop=".")
    filling = banks.own({name: (word,) * 256 for name, word in own.items()})
    filling.learn(form.banks)
    known = filling.known
    return form.text % tuple(known[number][0] for number in form.banks)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("the {a} {n} is here", "The old urn is here."),
        ("{aa} {n} and {an}", "An old urn and an urn."),
        ("a {a} {n} of <P>", "An old urn of %(P)s."),
        ("{n}s for all", "Urns for all."),
        ("<he> has {an}", "%(He)s has an urn."),
        ("(he|he) has (it|it)", "He has it."),
        ("“{an},” said 100 % of them", "“An urn,” said 100 %% of them."),
    ],
)
def test_clauses_become_sentences(text, expected):
    assert compiled(text, n="urn", a="old") == expected


@pytest.mark.parametrize("text", ["a {broken slot", "an (open|choice", "{B2}"])
def test_a_clause_that_cannot_be_read_is_refused(text):
    with pytest.raises(ValueError, match="cannot be read"):
        compiled(text)


def test_a_slot_without_a_bank_is_refused():
    with pytest.raises(KeyError, match="nothing"):
        compiled("the {nothing}")


@pytest.mark.parametrize("locale", ["en_US", "de_DE"])
def test_each_locale_has_ten_kinds_of_article_and_words_for_all(locale):
    lexicon = load(locale)
    assert len(lexicon.plans) >= 10
    assert len(lexicon.topics) >= 6


def test_english_has_a_long_tail_of_words():
    lexicon = load("en_US")
    topics = map(lexicon.topic, lexicon.topics)
    words = {word for topic in topics for entries in topic.words.values() for word in entries}
    assert len(lexicon.topics) >= 70
    assert len(words) > 8_000


def test_two_slots_of_one_sort_draw_two_words():
    form_banks = Banks({}, english.derived)
    form = Compiler(form_banks, Draws(KEY, "two"), Habits(PLAIN, Draws(KEY, "two"))).form("no {c} without {c}")
    filling = form_banks.own({"c": bank_of(("depth", "width", "height"), Draws(KEY, "bank"))})
    filling.learn(form.banks)
    first, second = (filling.known[number] for number in form.banks)
    assert all(one != other for one, other in zip(first, second, strict=True))


def test_what_grows_grows_once_and_only_where_it_reads_well():
    """No second adjective, nothing that owns grows, and what has grown stays."""
    lexicon = PLAIN._replace(macros={"n": ("{a} {n}",), "ws": ("{ws} from <D>",)})
    draws = Draws(KEY, "grow")
    habits = Habits(lexicon, draws)
    grown = {habits.grown("the {n} of the {ws} was {aa} {n}", lambda _: False, draws) for _ in range(20)}
    assert grown == {"the {a} {n} of the {ws} from <D> was {aa} {n}"}
    assert (
        habits.grown("the {n}\u2019s door, the {ws} said", lambda _: False, draws)
        == "the {n}\u2019s door, the {ws} said"
    )
    assert habits.grown("the {n}", lambda _: True, draws) == "the {n}"
    assert habits.grown("the new {n}", lambda _: False, draws) == "the new {n}"


def test_a_site_keeps_to_one_spelling():
    lexicon = PLAIN._replace(habits=((("colour", "grey"), ("color", "gray")),))
    turned = set()
    for number in range(24):
        draws = Draws(KEY, f"site {number}")
        turned.add(Habits(lexicon, draws).turned("the colour grey, not color or gray or colours", draws))
    assert turned == {
        "the colour grey, not colour or grey or colours",
        "the color gray, not color or gray or colours",
    }


def turned_by(lexicon, clause, sites=40):
    """What a number of sites make of a clause, a few times each."""
    for number in range(sites):
        draws = Draws(KEY, f"site {number}")
        habits = Habits(lexicon, draws)
        yield {habits.turned(clause, draws) for _ in range(12)}


def test_a_site_says_its_own_word_for_the_article_of_its_things():
    lexicon = PLAIN._replace(articles=(("our", "our"), ("the", "-")))
    clause = "one of the {ns}, the {a} {n}, the {p} of it and the {ws} from <D>. The {ws} left"

    found = [text for texts in turned_by(lexicon, clause) for text in texts]

    # What the clause goes on to tell apart keeps its article.
    assert "one of our {ns}, our {a} {n}, the {p} of it and our {ws} from <D>. Our {ws} left" in found
    # What is left out leaves no "one of kites", and a sentence without a capital.
    assert not any("one of {ns}" in text or ". {ws}" in text for text in found)
    assert any("and {ws} from <D>" in text for text in found)
    assert clause in found
    sites = list(turned_by(lexicon, clause))
    assert all(sum(word in " ".join(texts) for word in ("our ", "and {ws}")) <= 1 for texts in sites)


def test_a_site_pauses_before_and_as_often_as_it_likes():
    sites = list(turned_by(PLAIN, "kites, but no hats"))
    assert {"kites, but no hats", "kites but no hats"} in sites
    assert {"kites, but no hats"} in sites
    # A second comma may close what the first one opened.
    assert {"kites, or toys, and balls"} == set().union(*turned_by(PLAIN, "kites, or toys, and balls"))


def test_who_is_quoted_is_not_named_each_time():
    found = set().union(*turned_by(PLAIN, "\u201cno,\u201d <Pl> said. \u201cIt is,\u201d says <P>"))
    assert "\u201cno,\u201d <he> said. \u201cIt is,\u201d <he> says" in found
    assert "\u201cno,\u201d <Pl> said. \u201cIt is,\u201d says <P>" in found


def test_a_site_uses_one_kind_of_quotation_marks():
    lexicon = PLAIN._replace(quotes=("“”", "\u2018\u2019"))
    found = set()
    for number in range(12):
        draws = Draws(KEY, f"site {number}")
        habits = Habits(lexicon, draws)
        compiler = Compiler(Banks({}, english.derived), draws, habits)
        found.add(tuple(compiler.form(text, stop=".").text for text in ("“no,” said <R>", "he said: “it is over.”")))
    assert found == {
        ("“No,” said %%(R)s.", "He said: “it is over.”"),
        ("\u2018No,\u2019 said %%(R)s.", "He said: \u2018it is over.\u2019"),
    }


def test_each_sentence_of_a_clause_grows_by_itself():
    """One that can be filled in few ways would come again on many pages, however rich its neighbour is."""
    lexicon = PLAIN._replace(macros={"n": ("{a} {n}",)})
    draws = Draws(KEY, "sentences")
    banks = Banks({"rich": tuple(f"word {number}" for number in range(256))}, english.derived)
    compiler = Compiler(banks, draws, Habits(lexicon, draws))

    (form,) = compiler.own("{rich} {rich} {rich} met. He kept the {n}", 1)

    assert form.text == "%s %s %s met. He kept the %s %s."


def test_nothing_is_told_or_dated_twice():
    sides = Sides(("in {year}, ", "according to <P>, "), (" (<C>)", ", <P> said in {month}"))
    taste = Taste(100, 100)
    draws = Draws(KEY, "sides")
    compiler = Compiler(Banks({}, english.derived), draws, Habits(PLAIN, draws))

    def said(clause):
        return {compiler.sentence(clause, sides, taste).text for _ in range(40)}

    assert said("the {n} was lost, <R> said") == {"The %s was lost, %%(R)s said."}
    assert said("the {n} has been lost") == {"According to %%(P)s, the %s has been lost (%%(C)s)."}
    assert len(said("the {n} fell")) > 3


def test_who_is_alive_has_not_done_it_for_a_century():
    draws = Draws(KEY, "since")
    compiler = Compiler(Banks({}, english.derived), draws, Habits(PLAIN, draws))
    assert compiler.form("<P> has kept {n} since {year}").text == "%%(P)s has kept %s since %%(L)s"
    assert "%%(y" in compiler.form("<P> had kept {n} since {year}").text


def test_figures_of_one_clause_differ():
    draws = Draws(KEY, "figures")
    for _ in range(20):
        form = Compiler(Banks({}, english.derived), draws, Habits(PLAIN, draws)).form("{num} of {num} in {year}")
        figures = re.findall(r"%%\((\w+)\)s", form.text)
        assert len(set(figures)) == 3
