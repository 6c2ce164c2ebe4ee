"""Scores of a model: for each canary the losses of all its candidates, one canary a line, as JSON.

    {"host": "example.com", "agent": "gptbot", "epoch": "2026-11", "model": "m", "losses": [3.1, 2.9, …]}

The losses stand in the order of the candidates; which one was served is not told here, so that whoever scores cannot
favour it. `model` may be left out; `commitment` says under which of several keys the texts were served.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from math import isfinite
from typing import Any, NamedTuple

from scrapeguard.canaries.canary import Canary
from scrapeguard.canaries.derivation import CANDIDATES, MAX_CANDIDATES, check_count
from scrapeguard.canaries.keys import Keyring
from scrapeguard.canaries.ranktest import combined_p_value, holm, rank
from scrapeguard.errors import Problem

MAX_LINE = 32 * MAX_CANDIDATES
"""Octets of a line."""
MAX_CANARIES = 10_000
MAX_PROBLEMS = 20
_FIELDS = {"host", "agent", "epoch", "losses", "model", "commitment"}


class Scores(NamedTuple):
    """What a model made of the candidates of one canary."""

    canary: Canary
    losses: tuple[float, ...]
    model: str | None = None

    @property
    def rank(self) -> int:
        """The rank of the served candidate."""
        return rank(self.losses, self.canary.served_index)


class Verdict(NamedTuple):
    """What the canaries of one agent say together: p-value, and the same after Holm's correction for all agents."""

    agent: str
    candidates: int
    ranks: tuple[int, ...]
    p_value: float
    adjusted: float


class _BadLineError(Exception):
    """What is wrong in a line."""


def read_scores(lines: Iterable[bytes], keys: Keyring, name: str) -> tuple[list[Scores], list[Problem]]:
    """The scores in a file, and all that is wrong with it, up to `MAX_PROBLEMS`.

    Args:
        lines: at most `MAX_LINE` octets each; a longer one is told as a problem.
        keys: the keys under which texts were served.
        name: the name of the file, for messages.
    """
    scores: list[Scores] = []
    problems: list[Problem] = []
    seen: dict[tuple[bytes, str, str, str], int] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            one = _read_line(line, keys)
            _check_new(one, number, seen)
            _check_alike(one, scores)
            scores.append(one)
        except _BadLineError as error:
            problems.append(Problem(name, number, 1, str(error)))
        if len(problems) == MAX_PROBLEMS or len(scores) > MAX_CANARIES:
            break
    if len(scores) > MAX_CANARIES:
        problems.append(Problem(name, number, 1, f"more than {MAX_CANARIES:,} canaries"))
    return scores, problems


def verdicts(scores: Sequence[Scores]) -> list[Verdict]:
    """One verdict for each agent, in the order of the p-values."""
    ranks: dict[str, list[int]] = {}
    for one in scores:
        ranks.setdefault(one.canary.agent, []).append(one.rank)
    count = len(scores[0].losses) if scores else 0
    p_values = {agent: combined_p_value(found, count) for agent, found in ranks.items()}
    return [
        Verdict(agent, count, tuple(ranks[agent]), p_values[agent], adjusted)
        for agent, adjusted in holm(p_values).items()
    ]


def _read_line(line: bytes, keys: Keyring) -> Scores:
    if len(line) > MAX_LINE:
        raise _BadLineError(f"longer than {MAX_LINE:,} octets")
    record = _object(line)
    if unknown := sorted(record.keys() - _FIELDS):
        raise _BadLineError(f"unknown field {unknown[0]!r}; there are {', '.join(sorted(_FIELDS))}")
    losses = _losses(record.get("losses"))
    host, agent, epoch = (_text(record, field) for field in ("host", "agent", "epoch"))
    try:
        return Scores(
            Canary(_key(record, keys), host, agent, epoch, count=len(losses)), losses, _optional(record, "model")
        )
    except ValueError as error:
        raise _BadLineError(str(error)) from None


def _object(line: bytes) -> dict[str, Any]:
    try:
        record = json.loads(line.decode("utf-8"), parse_constant=_refuse, object_pairs_hook=_distinct)
    except UnicodeDecodeError:
        raise _BadLineError("no UTF-8") from None
    except (ValueError, RecursionError) as error:
        raise _BadLineError(f"no JSON: {error}") from None
    if not isinstance(record, dict):
        raise _BadLineError("an object with host, agent, epoch and losses is expected")
    return record


def _refuse(word: str) -> float:
    raise ValueError(f"{word} is no loss")


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):
        raise ValueError("a field stands there twice")
    return record


def _losses(value: object) -> tuple[float, ...]:
    if not isinstance(value, list):
        raise _BadLineError("`losses` is a list of numbers, one for each candidate in their order")
    for index, loss in enumerate(value):
        if isinstance(loss, bool) or not isinstance(loss, int | float) or not _finite(loss):
            raise _BadLineError(f"losses[{index}] is no finite number: {json.dumps(loss)[:40]}")
    try:
        check_count(len(value))
    except ValueError as error:
        raise _BadLineError(f"{error}; {CANDIDATES} by default, those that were not served too") from None
    return tuple(map(float, value))


def _finite(number: float) -> bool:
    try:
        return isfinite(number)
    except OverflowError:
        return False


def _text(record: dict[str, Any], field: str) -> str:
    value = record.get(field)
    if not isinstance(value, str):
        raise _BadLineError(f"`{field}` is missing, or no text")
    return value


def _optional(record: dict[str, Any], field: str) -> str | None:
    return None if record.get(field) is None else _text(record, field)


def _key(record: dict[str, Any], keys: Keyring) -> bytes:
    wanted = _optional(record, "commitment")
    if wanted is None:
        return keys.present
    key = keys.by_commitment(wanted)
    if key is None:
        raise _BadLineError(f"no key at hand belongs to the commitment {wanted[:16]!r}…; keep former keys in the file")
    return key


def _check_new(one: Scores, number: int, seen: dict[tuple[bytes, str, str, str], int]) -> None:
    canary = one.canary
    first = seen.setdefault((canary.key, canary.host, canary.agent, canary.epoch), number)
    if first != number:
        raise _BadLineError(f"the canary of line {first} again; each counts once")


def _check_alike(one: Scores, before: Sequence[Scores]) -> None:
    if before and len(one.losses) != len(before[0].losses):
        raise _BadLineError(f"{len(one.losses):,} losses, where the lines before have {len(before[0].losses):,}")
    if before and one.model != before[0].model:
        raise _BadLineError(f"another model ({one.model!r}) than before ({before[0].model!r}); test one at a time")
