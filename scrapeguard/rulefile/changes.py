"""Whether a file has changed since it was last looked at."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple


class Fingerprint(NamedTuple):
    """What changes when a file is written anew or replaced."""

    modified: int
    size: int
    inode: int

    @classmethod
    def of(cls, path: Path) -> Fingerprint | None:
        """That of a file; None where it cannot be seen, as for a moment while it is replaced."""
        try:
            status = path.stat()
        except OSError:
            return None
        return cls(status.st_mtime_ns, status.st_size, status.st_ino)


class Changes:
    """Looks at a file from time to time. To be made before the file is read, lest a change in between be missed.

    Args:
        path: of the file; files that it extends are not looked at.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen = Fingerprint.of(path)

    def there_are(self) -> bool:
        """Whether the file is another one than at the last look; one that is gone is not."""
        seen = Fingerprint.of(self._path)
        if seen is None or seen == self._seen:
            return False
        self._seen = seen
        return True
