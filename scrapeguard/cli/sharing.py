"""What the workers of one command share, where the rule file names nothing for it."""

from __future__ import annotations

import os
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

from scrapeguard.secret import VARIABLE, site_secret


@contextmanager
def store_of_workers(workers: int) -> Iterator[str | None]:
    """What several workers share while the command runs, as a rule file would name it; None for a single one."""
    if workers == 1:
        yield None
        return
    folder, owner = mkdtemp(prefix="scrapeguard-"), os.getpid()
    try:
        yield f"sqlite:{Path(folder) / 'workers.db'}"
    finally:
        # A worker that was forked in between comes by here too, and the others are still at work.
        if os.getpid() == owner:
            rmtree(folder, ignore_errors=True)


def share_secret(file: str | None, environment: MutableMapping[str, str]) -> None:
    """Let the workers that are started after this have one secret, also where none can be kept on disk.

    Args:
        file: what the rule file names.
        environment: that they will have.

    Raises:
        SecretError: the secret cannot be read or made.
    """
    secret = site_secret(file, environment)
    if not secret.is_kept:
        environment[VARIABLE] = secret.text
