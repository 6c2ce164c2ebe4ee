"""Mistakes in the order of rules: names that stand twice, and rules that an earlier one leaves nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from scrapeguard.core.conditions import AllOf, Anchor, AnchorKind, Condition, surely_holds
from scrapeguard.core.rules import Rule
from scrapeguard.rulefile.kinds import Problems
from scrapeguard.rulefile.tree import Place


def check_order(placed: Iterable[tuple[Place, Rule]], problems: Problems) -> None:
    """Note rules of one list that share a name, and rules that can never match."""
    names: dict[str, Place] = {}
    earlier = _Earlier()
    for place, rule in placed:
        first = names.setdefault(rule.name, place)
        if first is not place:
            problems.add(place, f"another rule is named `{rule.name}`, in line {first.line}; rename one")
        if (found := earlier.covering(rule)) is not None:
            other_place, other = found
            what = f"rule `{rule.name}` can never match: `{other.name}` in line {other_place.line} comes first"
            problems.add(place, f"{what} and takes all of it; move it up, narrow the other, or delete it")
        earlier.add(place, rule)


class _Earlier:
    """The rules so far, filed by anchor: only one that shares an anchor with a rule can take all of it."""

    def __init__(self) -> None:
        self._filed: dict[Anchor | None, list[tuple[Place, Rule]]] = {}

    def add(self, place: Place, rule: Rule) -> None:
        for anchor in rule.when.anchors() or (None,):
            self._filed.setdefault(anchor, []).append((place, rule))

    def covering(self, rule: Rule) -> tuple[Place, Rule] | None:
        candidates = (entry for key in _keys(rule.when) for entry in self._filed.get(key, ()))
        return next((entry for entry in candidates if surely_holds(entry[1].when, rule.when)), None)


def _keys(condition: Condition) -> Iterator[Anchor | None]:
    """The anchors under which a rule that covers this condition can be filed."""
    yield None
    parts = condition.conditions if isinstance(condition, AllOf) else (condition,)
    for part in (*parts, condition):
        for kind, key in part.anchors():
            if kind is AnchorKind.PATH and isinstance(key, str):
                yield from (Anchor(kind, key[:length]) for length in range(2, len(key) + 1))
            else:
                yield Anchor(kind, key)
