from __future__ import annotations

from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrapeguard.decoys.banks import Banks
from scrapeguard.decoys.decks import pools_of
from scrapeguard.decoys.draws import Draws
from scrapeguard.decoys.grammar import Compiler
from scrapeguard.decoys.habits import Habits
from scrapeguard.decoys.languages import language_of
from scrapeguard.decoys.layouts import Bent, layouts_of
from scrapeguard.decoys.lexicon import load
from scrapeguard.decoys.register import Mark, Register
from scrapeguard.decoys.site import DecoySite

MARKS = language_of("en_US").MARKS
CLAUSES = [
    "the {w} of the {l}, the last of the old ones, left the {ns} by the door",
    "<Pl> said {ws} had {vn} {ns}. <He> has {min} more",
    "you can {v} {an} if you have {m}",
    "{ns} are made of {m} or {m} ({year})",
]


@pytest.mark.parametrize(
    ("token", "first"),
    [("the", 0), (",", 0), (". ", 1), ("<He>", 1), ("you", 2), ("({year", 3)],
)
def test_a_site_keeps_the_clauses_that_lean_its_way(token, first):
    draws = Draws(b"leaning", "test")
    towards = Register({"one": Mark(10, 100.0, (token,))}, draws)
    away = Register({"one": Mark(10, -100.0, (token,))}, draws)

    assert towards.kept(CLAUSES, 0.25, draws) == [CLAUSES[first]]
    assert CLAUSES[first] not in away.kept(CLAUSES, 0.75, draws)


@given(
    st.lists(st.text("the, .“Ia{w}", max_size=40), unique=True, max_size=30),
    st.floats(0, 1),
    st.integers(0, 40),
    st.binary(min_size=1, max_size=8),
)
def test_so_many_clauses_are_kept_and_none_is_made_up(clauses, share, at_least, key):
    draws = Draws(key, "test")
    kept = Register(MARKS, draws).kept(clauses, share, draws, at_least)

    assert len(kept) == max(min(at_least, len(clauses)), round(len(clauses) * share))
    assert len(set(kept)) == len(kept)
    assert set(kept) <= set(clauses)


def test_a_language_without_marks_leaves_out_few():
    clauses = [f"clause {number}" for number in range(50)]

    draws = Draws(b"none", "test")
    kept = Register({}, draws).kept(clauses, 0.3, draws)

    assert len(kept) == 45


def test_sites_differ_in_what_is_most_frequent(secret):
    rates: dict[str, list[float]] = {"the": [], ",": [], "of": []}
    for host in range(6):
        site = DecoySite(secret, f"{host}.test")
        words = " ".join(site.page(f"/{page}.txt").body.decode() for page in range(40)).replace(",", " , ").split()
        for word, found in rates.items():
            found.append(words.count(word) / len(words))

    assert any(max(found) > 1.3 * min(found) for found in rates.values())
    assert all(max(found) - min(found) > 0.1 * mean(found) for found in rates.values())


def test_a_site_says_more_of_what_it_likes():
    lexicon, draws = load("en_US"), Draws(b"bent", "test")
    pools = {pool.kind: number for number, pool in enumerate(pools_of(lexicon))}
    compiler = Compiler(Banks({}, language_of("en_US").derived), draws, Habits(lexicon, draws))
    plan = next(plan for plan in lexicon.plans if plan.kind == "news")

    def share(kind, bent):
        cells = [cell for layout in layouts_of(plan, pools, bent, compiler, draws) for cell in layout.cells]
        return sum(pool == pools[kind] for _, pool, _ in cells) / len(cells)

    assert share("essay", Bent(("essay",), 0)) == 0
    assert share("essay", Bent(("essay",), 50)) > 0.25
    assert share("quote", Bent(("essay",), 100)) > 0.02
