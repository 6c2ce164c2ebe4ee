"""The database file through which the workers of one machine exchange, as one thread of one process sees it.

The file is made beside its place and moved there whole, so that nobody ever sees half of one; that is done under a lock
on its folder. In WAL mode (https://www.sqlite.org/wal.html) who reads does not wait for who writes. A file that was
removed or replaced is noticed before each use, since SQLite itself would go on with the one that has no name any more
(https://www.sqlite.org/howtocorrupt.html, section 4).
"""

from __future__ import annotations

import os
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from secrets import token_bytes, token_hex
from typing import NamedTuple, TypeVar

from scrapeguard.stores.log import Entry, Taken, kept_times, take
from scrapeguard.stores.port import MAX_BATCH, MAX_KEPT, OVERHEAD, StoreError, weight

if sys.platform != "win32":
    import fcntl

T = TypeVar("T")

APPLICATION_ID = 0x53475244
"""What tells our databases from others, in their header."""
SCHEMA_VERSION = 1
_MAX_END = 1 << 60
_SCHEMA = f"""
PRAGMA journal_mode = WAL;
CREATE TABLE log (identity BLOB NOT NULL, place INTEGER NOT NULL);
CREATE TABLE batches (place INTEGER PRIMARY KEY, time REAL NOT NULL, worker BLOB NOT NULL, body BLOB NOT NULL);
CREATE INDEX batches_by_time ON batches (time);
PRAGMA user_version = {SCHEMA_VERSION};
PRAGMA application_id = {APPLICATION_ID};
"""
# What somebody else wrote there may be of any type and size: it is left out before it is read.
_NEW = """
SELECT place, time, worker, body FROM batches
WHERE place > ? AND place <= ? AND time BETWEEN ? AND ? AND typeof(body) = 'blob' AND length(body) <= ?
AND typeof(worker) = 'blob' AND length(worker) <= 64
ORDER BY place
"""
_REMEDIES = {
    "SQLITE_BUSY": "another process keeps it locked",
    "SQLITE_NOTADB": "it is no database; name another file, or remove it",
    "SQLITE_CORRUPT": "it is damaged; remove it and what lies beside it with -wal and -shm, and it is made anew",
    "SQLITE_FULL": "the disk is full",
    "SQLITE_IOERR": "it cannot be read or written; it must be a file, on a disk of this machine",
    "SQLITE_READONLY": "it cannot be written; let the process write to the file and its folder",
    "SQLITE_CANTOPEN": "it cannot be opened; let the process write to the file and its folder",
    "SQLITE_ERROR": "it is not as scrapeguard made it; remove it, and it is made anew",
}


class Position(NamedTuple):
    """Up to where a worker has read, and in which database: none at first."""

    database: bytes = b""
    end: int = 0


class _FileId(NamedTuple):
    device: int
    inode: int


class DatabaseFile:
    """A database file, opened when it is first used, by the thread that uses it.

    Args:
        path: where it is; made where there is none, readable by its owner alone.
        busy_timeout: seconds to wait while another process writes.
        clock: seconds since the epoch.
    """

    def __init__(self, path: Path, *, busy_timeout: float, clock: Callable[[], float]) -> None:
        self.path = path.absolute()
        self._busy_timeout = busy_timeout
        self._clock = clock
        self._connection: sqlite3.Connection | None = None
        self._opened: _FileId | None = None

    def exchange(self, worker: bytes, body: bytes | None, position: Position) -> tuple[Taken, Position]:
        """Keep the body, and take what others handed in after the position; all of it or nothing.

        Raises:
            StoreError: the file cannot be used.
        """

        def work(connection: sqlite3.Connection) -> tuple[Taken, Position]:
            now = self._clock()
            identity, end = self._log(connection)
            if body:
                end += weight(body)
                _keep(connection, Entry(end, now, worker, body))
            # A file that was put back from a copy ends before the place that was read.
            start = position.end if position.database == identity and position.end <= end else 0
            rows = connection.execute(_NEW, (start, end, *kept_times(now), MAX_BATCH))
            with closing(rows):
                taken = take(map(Entry._make, rows), worker, start)
            return taken, Position(identity, taken.end)

        return self._use("IMMEDIATE" if body else "DEFERRED", work)

    def close(self) -> None:
        """Close it, if it is open."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _use(self, mode: str, work: Callable[[sqlite3.Connection], T]) -> T:
        """What comes of work in one transaction; after a failure the file is opened anew."""
        try:
            return self._transaction(mode, work)
        except StoreError:
            self._let_go()
            raise
        except Exception as error:
            # What a damaged file says is not always text, nor does its size always fit into memory.
            self._let_go()
            raise StoreError(f"store {self.path}: {_reason(error)}") from error

    def _transaction(self, mode: str, work: Callable[[sqlite3.Connection], T]) -> T:
        connection = self._current()
        connection.execute(f"BEGIN {mode}")
        try:
            result = work(connection)
            connection.execute("COMMIT")
        except BaseException:
            with suppress(Exception):
                connection.execute("ROLLBACK")
            raise
        return result

    def _let_go(self) -> None:
        with suppress(Exception):
            self.close()

    def _current(self) -> sqlite3.Connection:
        """The connection to the file that is there under this name now."""
        if self._connection is not None and _file_id(self.path) == self._opened:
            return self._connection
        self.close()
        if not self.path.exists():
            make(self.path, self._busy_timeout)
        self._opened = _file_id(self.path)
        self._check()
        self._connection = connection = sqlite3.connect(self.path, timeout=self._busy_timeout, isolation_level=None)
        # Nothing that a file of somebody else brings with it is to be run.
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        if _file_id(self.path) != self._opened:
            raise StoreError(f"store {self.path}: it was replaced while it was opened")
        return connection

    def _check(self) -> None:
        """Look at the header of the file, without a WAL beside it, which may be left of another and would change it."""
        header = sqlite3.connect(f"{self.path.as_uri()}?mode=ro&immutable=1", uri=True)
        with closing(header):
            application, version = (
                header.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")
            )
        if application != APPLICATION_ID:
            raise StoreError(f"store {self.path}: it is not a database of scrapeguard; name another file")
        if version != SCHEMA_VERSION:
            raise StoreError(
                f"store {self.path}: another version of scrapeguard made it (form {version}, not {SCHEMA_VERSION}); "
                "remove it, and it is made anew"
            )

    def _log(self, connection: sqlite3.Connection) -> tuple[bytes, int]:
        """Which database this is, and where its log ends."""
        rows = connection.execute("SELECT identity, place FROM log LIMIT 2").fetchall()
        if len(rows) == 1:
            identity, end = rows[0]
            if isinstance(identity, bytes) and isinstance(end, int) and 0 <= end < _MAX_END:
                return identity, end
        raise self._damaged()

    def _damaged(self) -> StoreError:
        return StoreError(f"store {self.path}: {_REMEDIES['SQLITE_CORRUPT']}")


def make(path: Path, patience: float) -> None:
    """Make an empty database there, unless another process was faster.

    Raises:
        StoreError: the folder cannot be written.
        OSError: it cannot be made for another reason.
    """
    folder = path.parent
    if not folder.is_dir():
        raise StoreError(f"store {path}: there is no folder {folder}; make it, or name another file")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise StoreError(f"store {path}: the folder {folder} cannot be written; allow it, or name another file")
    beside = path.with_name(f".{path.name}.{token_hex(8)}")
    with _locked(folder, patience):
        if path.exists():
            return
        # What is left of a file that was removed would be taken for changes to the new one.
        for suffix in ("-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        try:
            # SQLite gives what it puts beside it the same mode.
            os.close(os.open(beside, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
            with closing(sqlite3.connect(beside, isolation_level=None)) as connection:
                connection.executescript(_SCHEMA)
                connection.execute("INSERT INTO log VALUES (?, 0)", (token_bytes(16),))
            beside.rename(path)
        finally:
            beside.unlink(missing_ok=True)


@contextmanager
def _locked(folder: Path, patience: float) -> Iterator[None]:
    """A lock on a folder, which ends with the process at the latest."""
    if sys.platform == "win32":
        # There a file that is open cannot be removed, and none is put where one is.
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        deadline = time.monotonic() + patience
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise StoreError(f"the folder {folder} is kept locked by another process") from None
                time.sleep(0.01)
        yield
    finally:
        os.close(descriptor)


def _keep(connection: sqlite3.Connection, entry: Entry) -> None:
    connection.execute("INSERT OR REPLACE INTO batches VALUES (?, ?, ?, ?)", entry)
    connection.execute("UPDATE log SET place = ?", (entry.end,))
    earliest, latest = kept_times(entry.time)
    connection.execute("DELETE FROM batches WHERE time < ?", (earliest,))
    connection.execute("DELETE FROM batches WHERE time > ?", (latest,))
    connection.execute("DELETE FROM batches WHERE place <= ?", (entry.end - MAX_KEPT,))
    # The oldest may end within what is kept, and begin before.
    connection.execute(
        "DELETE FROM batches WHERE place = (SELECT min(place) FROM batches) AND place - length(body) - ? < ?",
        (OVERHEAD, entry.end - MAX_KEPT),
    )


def _file_id(path: Path) -> _FileId | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return _FileId(found.st_dev, found.st_ino)


def _reason(error: Exception) -> str:
    if isinstance(error, OSError):
        return str(error)
    name = getattr(error, "sqlite_errorname", None) or "SQLITE_CORRUPT"
    remedy = next((text for known, text in _REMEDIES.items() if name.startswith(known)), None)
    return f"{remedy} ({error})" if remedy else str(error)
