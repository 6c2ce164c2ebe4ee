"""The provenance log: an append-only chain of links in SQLite, each with the hash of the one before.

A link is a record (JSON), the fingerprints of a text, and SHA-256 over both, its number and the hash before it. A
record has a `kind`: `served` (a page), `lost` (so many pages that could not be written) or `pruned` (the oldest links
were removed, up to the one with this number and hash). So what is kept can be checked by itself, and what is missing
shows. Who may write the file can also write it anew as a whole: publish its head from time to time.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

GENESIS = bytes(32)
"""What stands for the hash before the first link."""
DAY = 86_400.0
BUSY = 10.0
"""Seconds that a process waits for another that is writing."""

_FORMAT = 1
_PREFIX = b"scrapeguard/provenance/v1\0"
_SCHEMA = """
CREATE TABLE link (
    number INTEGER PRIMARY KEY, previous BLOB NOT NULL, record TEXT NOT NULL, prints BLOB NOT NULL, hash BLOB NOT NULL
);
CREATE INDEX link_by_page ON link (json_extract(record, '$.page_id'));
CREATE TABLE head (one INTEGER PRIMARY KEY CHECK (one = 1), number INTEGER NOT NULL, hash BLOB NOT NULL);
INSERT INTO head VALUES (1, 0, zeroblob(32));
"""
_TIMES = "SELECT number, json_extract(record, '$.time') FROM link"
_KEPT = 0.9
"""How much of the size is kept when links go because of it."""
MIN_OCTETS = 1024 * 1024


class Entry(NamedTuple):
    """What a link is made of: a record as JSON, and the fingerprints of a text."""

    record: str
    prints: bytes = b""


class Head(NamedTuple):
    """The newest link: its number (0 where there is none yet) and hash."""

    number: int
    hash: bytes


def link_hash(previous: bytes, number: int, record: str, prints: bytes) -> bytes:
    """The hash of a link; the length of the record tells it from the fingerprints behind it."""
    octets = record.encode("utf-8", "surrogatepass")
    return sha256(
        _PREFIX + previous + number.to_bytes(8, "big") + len(octets).to_bytes(8, "big") + octets + prints
    ).digest()


class ProvenanceLog:
    """A log that is written. Several processes may write the same file; each link follows on the one before.

    Args:
        path: the file; made, readable by its owner alone, where it is absent: it holds addresses of clients.
        max_age: seconds after which links are removed, infinite for never: models appear a year or more after a crawl.
        max_octets: size of the file at which the oldest tenth is removed; at least a mebibyte.

    Raises:
        ValueError: the size is too small.
        sqlite3.Error: the file is no provenance log, or cannot be opened.
        OSError: it cannot be made.
    """

    def __init__(self, path: Path, *, max_age: float = 730 * DAY, max_octets: int = 512 * 1024 * 1024) -> None:
        if max_octets < MIN_OCTETS:
            raise ValueError(f"a provenance log needs room for {MIN_OCTETS:,} octets, not {max_octets:,}")
        self._max_age = max_age
        self._max_octets = max_octets
        path.touch(mode=0o600)
        self._database = sqlite3.connect(path, timeout=BUSY, isolation_level=None, check_same_thread=False)
        try:
            self._prepare()
        except sqlite3.Error:
            self._database.close()
            raise

    def _prepare(self) -> None:
        if _holds_anything(self._database):
            check_format(self._database)
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = NORMAL")
        with self._writing() as database:
            # Another process may have been first.
            if not _holds_anything(database):
                for statement in filter(str.strip, _SCHEMA.split(";")):
                    database.execute(statement)
                database.execute(f"PRAGMA user_version = {_FORMAT}")

    def append(self, entries: Iterable[Entry], now: float, *, lost: int = 0) -> Head:
        """Add links, all or none, and remove what is too old or too much.

        Args:
            entries: what the links are made of.
            now: seconds since the epoch.
            lost: how many pages are missing before these.

        Raises:
            sqlite3.Error: they cannot be written.
        """
        told = [Entry(_record("lost", now, pages=lost))] if lost else []
        with self._writing() as database:
            head = _head(database)
            for entry in (*told, *entries):
                head = _add(database, head, entry)
            database.execute("UPDATE head SET number = ?, hash = ?", head)
            return self._prune(database, head, now)

    def head(self) -> Head:
        """The newest link."""
        return _head(self._database)

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def _writing(self) -> _Transaction:
        return _Transaction(self._database)

    def _prune(self, database: sqlite3.Connection, head: Head, now: float) -> Head:
        through = max(self._too_old(database, now), self._too_much(database))
        last = database.execute(
            "SELECT number, hash FROM link WHERE number = ?", (min(through, head.number),)
        ).fetchone()
        if last is None:
            return head
        removed = database.execute("DELETE FROM link WHERE number <= ?", (last[0],)).rowcount
        record = _record("pruned", now, through=last[0], hash=last[1].hex(), links=removed)
        head = _add(database, head, Entry(record))
        database.execute("UPDATE head SET number = ?, hash = ?", head)
        return head

    def _too_old(self, database: sqlite3.Connection, now: float) -> int:
        """The number of the newest link that is too old; 0 for none. They go in groups of a hundredth of the age."""
        oldest = database.execute(f"{_TIMES} ORDER BY number LIMIT 1").fetchone()
        if oldest is None or not isinstance(oldest[1], int | float) or now - oldest[1] < self._max_age * 1.01:
            return 0
        young = f"{_TIMES} WHERE json_extract(record, '$.time') >= ? ORDER BY number LIMIT 1"
        kept = database.execute(young, (now - self._max_age,)).fetchone()
        return int(kept[0]) - 1 if kept else _head(database).number

    def _too_much(self, database: sqlite3.Connection) -> int:
        """The number of the newest link that goes because the file is too large; 0 for none."""
        pages, free, size = (
            database.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
        )
        used = (pages - free) * size
        if used <= self._max_octets:
            return 0
        first, last = database.execute("SELECT min(number), max(number) FROM link").fetchone()
        return int(last - (last - first) * _KEPT * self._max_octets / used)


class _Transaction:
    """A transaction that is written as a whole or not at all, and waits for others first, not last."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def __enter__(self) -> sqlite3.Connection:
        self._database.execute("BEGIN IMMEDIATE")
        return self._database

    def __exit__(self, kind: object, *_: object) -> None:
        self._database.execute("COMMIT" if kind is None else "ROLLBACK")


def check_format(database: sqlite3.Connection) -> None:
    """See that an open file is a provenance log that this version can read.

    Raises:
        sqlite3.DatabaseError: it is none.
    """
    version = database.execute("PRAGMA user_version").fetchone()[0]
    tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if version != _FORMAT or not {"link", "head"} <= tables:
        raise sqlite3.DatabaseError("the file is no provenance log of this version")


def _holds_anything(database: sqlite3.Connection) -> bool:
    return bool(database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0])


def _head(database: sqlite3.Connection) -> Head:
    row = database.execute("SELECT number, hash FROM head").fetchone()
    if row is None or not isinstance(row[0], int) or not isinstance(row[1], bytes):
        raise sqlite3.DatabaseError("the head of the provenance log is missing: the file was changed")
    return Head(*row)


def _add(database: sqlite3.Connection, head: Head, entry: Entry) -> Head:
    number = head.number + 1
    octets = link_hash(head.hash, number, *entry)
    database.execute("INSERT INTO link VALUES (?, ?, ?, ?, ?)", (number, head.hash, *entry, octets))
    return Head(number, octets)


def _record(kind: str, now: float, **more: object) -> str:
    return json.dumps({"kind": kind, "time": round(now, 3), **more})
