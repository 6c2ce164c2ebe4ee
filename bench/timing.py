"""Times on a noisy machine: contestants take turns, and the least of several rounds counts.

Whatever disturbs a run only makes it slower, so the least time is the one that the code itself answers for. All times
are CPU time of this process, its threads included; what a task needs is prepared before the clock starts.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import TypeVar

T = TypeVar("T")
Run = Callable[[], int]
"""Does the work, and returns how many operations that was."""
Task = Callable[[], AbstractContextManager[Run]]
"""Prepares a run, and clears up behind it."""

ROUNDS = 7


def taking_turns(measures: Mapping[str, Callable[[], float]], rounds: int = ROUNDS) -> dict[str, list[float]]:
    """What each measure gave in each round."""
    results: dict[str, list[float]] = {name: [] for name in measures}
    for _ in range(rounds):
        for name, measure in measures.items():
            results[name].append(measure())
    return results


def fastest(tasks: Mapping[str, Task], rounds: int = ROUNDS) -> dict[str, float]:
    """Seconds of CPU time that one operation of each task takes."""
    results = taking_turns({name: partial(_once, task) for name, task in tasks.items()}, rounds)
    return {name: min(seconds) for name, seconds in results.items()}


def calls(function: Callable[[T], object], inputs: Callable[[], Sequence[T]]) -> Task:
    """A task that calls the function with each of the inputs, which are made anew for each round."""
    return lambda: nullcontext(partial(_call_all, function, inputs()))


def _call_all(function: Callable[[T], object], inputs: Sequence[T]) -> int:
    for value in inputs:
        function(value)
    return len(inputs)


def _once(task: Task) -> float:
    with task() as run:
        gc.collect()
        start = time.process_time()
        operations = run()
        return (time.process_time() - start) / operations
