"""A store for the workers of one command, where the rule file names none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory


@contextmanager
def store_of_workers(workers: int) -> Iterator[str | None]:
    """What several workers share while the command runs, as a rule file would name it; None for a single one."""
    if workers == 1:
        yield None
        return
    with TemporaryDirectory(prefix="scrapeguard-", ignore_cleanup_errors=True) as folder:
        yield f"sqlite:{Path(folder) / 'workers.db'}"
