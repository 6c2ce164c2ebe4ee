"""The scores as tables, a group each, and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from bench.arena.groups import Group
from bench.arena.score import Score

_HEAD = ("Client", "Requests", "Pages", "Share", "First refused", "Challenged", "Refused", "Lost", "s", "Met")


def table(scores: Sequence[Score]) -> str:
    """All groups that have scores, each under its heading, as Markdown."""
    return "\n\n".join(
        _of_group(group, [score for score in scores if score.group is group]) for group in _there(scores)
    )


def summary(scores: Sequence[Score]) -> str:
    """One line a group: how many met the target."""
    lines = []
    for group in _there(scores):
        ran = [score for score in scores if score.group is group and not score.skipped]
        missed = sum(score.met is False for score in ran)
        worst = max((score.share for score in ran), default=0.0)
        mean = sum(score.share for score in ran) / max(len(ran), 1)
        verdict = f"{missed} of {len(ran)} miss it" if missed else f"all {len(ran)} meet it"
        if all(score.met is None for score in ran):
            verdict = f"{len(ran)} ran"
        shares = "" if group.target.refused is not None else f"; share {mean:.1%} in the mean, {worst:.1%} at most"
        lines.append(f"{group.heading} ({group.target}): {verdict}{shares}")
    return "\n".join(lines)


def as_json(scores: Iterable[Score]) -> str:
    """One object a line."""
    return "\n".join(json.dumps({**score._asdict(), "group": score.group.name, "met": score.met}) for score in scores)


def _there(scores: Sequence[Score]) -> list[Group]:
    return [group for group in Group if any(score.group is group for score in scores)]


def _of_group(group: Group, scores: Sequence[Score]) -> str:
    rows = [_HEAD, *(_cells(score) for score in scores if not score.skipped)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rows.insert(1, tuple("-" * width for width in widths))
    lines = [f"### {group.heading}: {group.target}", ""]
    lines += [f"| {' | '.join(map(str.ljust, row, widths))} |" for row in rows]
    return "\n".join(lines + [f"Skipped: {score.name}: {score.skipped}" for score in scores if score.skipped])


def _cells(score: Score) -> tuple[str, ...]:
    return (
        score.name,
        str(score.requests),
        str(score.pages),
        f"{score.share:.1%}",
        str(score.first_refused or "-"),
        str(score.challenged),
        str(score.refused),
        str(score.lost),
        f"{score.seconds:.0f}",
        "-" if score.met is None else "yes" if score.met else "NO",
    )
