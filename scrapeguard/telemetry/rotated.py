"""A log in a file that others rotate: what comes after goes to the new file of that name."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TextIO


class RotatedFile:
    """Adds lines to the file of a name. As long as a new one cannot be had, the old one takes them.

    Args:
        path: of the file.

    Raises:
        OSError: it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = self._opened()

    def close(self) -> None:
        """Close the file; nothing is written after that."""
        self._file.close()

    def write(self, lines: str) -> None:
        """Add lines, and see that they are there for others to read.

        Raises:
            OSError: they could not be written.
        """
        if self._was_rotated():
            self._reopen()
        self._file.write(lines)
        self._file.flush()

    def _was_rotated(self) -> bool:
        try:
            there = self._path.stat()
        except OSError:
            return True
        return not os.path.samestat(there, os.fstat(self._file.fileno()))

    def _reopen(self) -> None:
        try:
            file = self._opened()
        except OSError:
            return
        self._file.close()
        self._file = file

    def _opened(self) -> TextIO:
        return self._path.open("a", encoding="utf-8")
