"""The errors of scrapeguard, and whose fault each is.

ScrapeGuardError
├── PolicyError      the operator's: a rule file that cannot be honoured, every problem at once
├── CatalogueError   the packager's: a catalogue of agents that contradicts itself
├── SecretError      the operator's: a secret that cannot be read, or is none
├── StoreError       the infrastructure's: a store that is lost, damaged or too slow
└── RequestError     the client's: a request that no server should interpret; carries the status
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


class ScrapeGuardError(Exception):
    """Base of all errors that scrapeguard raises on purpose."""


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing wrong in a file: where (1-based), what, and what to do about it."""

    file: str
    line: int
    column: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.message}"


class PolicyError(ScrapeGuardError):
    """A rule file that cannot be honoured; `problems` holds every one, in the order of the file."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(set(problems)))
        super().__init__("\n".join(str(problem) for problem in self.problems))


class CatalogueError(ScrapeGuardError):
    """A catalogue of agents that contradicts itself."""


class RequestError(ScrapeGuardError):
    """A request that is refused before any rule is asked; `status` is the HTTP status to answer."""

    status = 400
