"""Layouts: the order of headings and clauses in an article, as many as a site has for each kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from scrapeguard.decoys.decks import HEADINGS
from scrapeguard.decoys.draws import Draws
from scrapeguard.decoys.grammar import Compiler, Form
from scrapeguard.decoys.lexicon import Plan, Step

LAYOUTS = 16
TOPICAL = "*"
"""Stands in a plan among headings where one of the topic may be."""
_TOPICAL_SHARE = 70
_LIKED = ("event", "figures", "history", "plan", "quote", "describe", "opinion", "essay")
"""Kinds of clause of which one can stand for another."""
_QUOTED = 8
"""Of a hundred clauses of those kinds, so many more are direct speech than the plans name."""
_MOST_BENT = 36
"""Of a hundred of them a site says fewer than so many as something that it likes more."""

Cell = tuple[str, int, tuple[Form, ...]]
"""What mark stands before it, of which kind the clause is, or one of which headings."""


class Layout(NamedTuple):
    """The cells of an article, the mark behind the last, and the kinds of its clauses, with the count of each."""

    cells: tuple[Cell, ...]
    end: str
    pools: tuple[tuple[int, int], ...]


class Bent(NamedTuple):
    """Kinds of clause that a site likes, and how many of a hundred others it says them instead of."""

    kinds: Sequence[str]
    share: int


def bent_of(pools: Mapping[str, int], draws: Draws) -> Bent:
    """What a site likes to say."""
    return Bent(draws.some([kind for kind in _LIKED if kind in pools], 0.0, 2), draws.below(_MOST_BENT))


def layouts_of(
    plan: Plan, pools: Mapping[str, int], bent: Bent, compiler: Compiler, draws: Draws
) -> tuple[Layout, ...]:
    """The layouts of a plan for one site; `pools` are the numbers of the kinds of clause."""
    headings = {
        step: _forms(plan.terms if step.tag == "term" else step.values, compiler, draws)
        for step in plan.steps
        if step.tag in ("h", "term")
    }
    return tuple(_layout(plan, headings, pools, bent, draws) for _ in range(LAYOUTS))


def _forms(texts: Sequence[str], compiler: Compiler, draws: Draws) -> tuple[Form, ...]:
    return tuple(compiler.form(text) for text in draws.some([text for text in texts if text != TOPICAL], 0.5, 3))


def _layout(
    plan: Plan, headings: Mapping[Step, tuple[Form, ...]], pools: Mapping[str, int], bent: Bent, draws: Draws
) -> Layout:
    cells: list[Cell] = []
    last = "start"
    for step in plan.steps:
        if step.optional and draws.percent(45):
            continue
        mark = "h" if step.tag in ("h", "term") else step.tag
        if mark == "h":
            own = TOPICAL in step.values and draws.percent(_TOPICAL_SHARE)
            cells.append((f"{last}-h", pools[HEADINGS], () if own else headings[step]))
            last = "h"
        if step.tag != "h":
            last = _clauses(cells, step, last, pools, bent, draws)
    return Layout(
        tuple(cells), f"{last}-end", tuple(Counter(pool for _, pool, choices in cells if not choices).items())
    )


def _said(kind: str, bent: Bent, draws: Draws) -> str:
    """The kind of clause that stands where a plan names one."""
    if kind not in _LIKED:
        return kind
    if draws.percent(_QUOTED):
        return "quote"
    return draws.choice(bent.kinds) if draws.percent(bent.share) else kind


def _clauses(cells: list[Cell], step: Step, last: str, pools: Mapping[str, int], bent: Bent, draws: Draws) -> str:
    """Adds the clauses of a paragraph or list, and tells after what the next part will stand."""
    tag = "item" if step.tag == "item" else "p"
    kinds = list(step.values)
    if len(kinds) > 3 and draws.percent(50):
        del kinds[draws.below(len(kinds))]
    if len(kinds) > 2 and draws.percent(15):
        kinds.insert(draws.below(len(kinds)), draws.choice(kinds))
    if tag == "p":
        kinds = [_said(kind, bent, draws) for kind in kinds]
    mark = f"{last}-{tag}"
    for kind in kinds:
        cells.append((mark, pools[kind], ()))
        mark = "item-item" if tag == "item" else "and"
    return tag
