"""Reading a provenance log: whether its chain is whole, and where a text was served."""

from __future__ import annotations

import heapq
import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from scrapeguard.telemetry.fingerprints import all_prints, shared
from scrapeguard.telemetry.provenancelog import BUSY, GENESIS, Head, check_format, link_hash

MAX_FAULTS = 100
_ROWS = "SELECT number, previous, record, prints, hash FROM link ORDER BY number"
_CRAWLS = """
SELECT json_extract(record, '$.host'), json_extract(record, '$.agent'), json_extract(record, '$.epoch'),
    json_extract(record, '$.key'), count(*)
FROM link WHERE json_extract(record, '$.epoch') != '' GROUP BY 1, 2, 3, 4
"""


class Fault(NamedTuple):
    """A break in the chain: the number of the link at which it shows, and what it is."""

    number: int
    message: str


class Check(NamedTuple):
    """What a chain was found to be: how many links are kept, its head, its faults, and the pages it says are lost."""

    links: int
    head: Head
    faults: tuple[Fault, ...]
    lost: int


class Found(NamedTuple):
    """A page that shares something with a text.

    `runs` counts the fingerprints in common, each of six words; `by_id` says that the text names the page by its id.
    """

    number: int
    record: dict[str, Any]
    runs: int
    by_id: bool

    @property
    def crawl(self) -> tuple[str, str, str]:
        """Host, agent and epoch."""
        host, agent, epoch = (str(self.record.get(field) or "") for field in ("host", "agent", "epoch"))
        return host, agent, epoch


class ProvenanceReader:
    """A log that is read, also while others write it. Use it in a `with` statement.

    Raises:
        sqlite3.Error: the file is no provenance log, or cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY)
        try:
            # What was changed by hand may be no UTF-8; it is to be found, and not to stop the search.
            self._database.text_factory = lambda octets: octets.decode("utf-8", "replace")
            check_format(self._database)
        except sqlite3.Error:
            self._database.close()
            raise

    def __enter__(self) -> ProvenanceReader:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def verify(self, published: Iterable[Head] = ()) -> Check:
        """Follow the chain from its first link to its head.

        Args:
            published: heads that were made known; each must stand in the chain, unless it was pruned since.
        """
        chain = _Chain(dict(published))
        with closing(self._database.cursor()) as cursor:
            # One transaction: others may add links meanwhile.
            cursor.execute("BEGIN")
            try:
                for row in cursor.execute(_ROWS):
                    chain.follow(*row)
                head = cursor.execute("SELECT number, hash FROM head").fetchone()
            finally:
                cursor.execute("ROLLBACK")
        chain.end(head)
        return Check(chain.links, chain.last, tuple(islice(chain.faults, MAX_FAULTS)), chain.lost)

    def crawls(self) -> list[tuple[str, str, str, str, int]]:
        """Host, agent, epoch, commitment to the key, and number of pages, of each canary that was served."""
        return [
            (str(host), str(agent), str(epoch), str(key), int(pages))
            for host, agent, epoch, key, pages in self._database.execute(_CRAWLS)
        ]

    def find(self, text: str, page_ids: Iterable[str] = (), *, most: int = 1_000) -> list[Found]:
        """The pages that a text may come from, those that share most with it first.

        Args:
            text: a text, or a part of one of at least ten words.
            page_ids: ids of pages that stand in it.
            most: how many are told at most.
        """
        named = set(self._named(page_ids))
        wanted = all_prints(text)
        scored = ((len(common), -number) for number, common in self._sharing(wanted)) if wanted else ()
        best = {-place: runs for runs, place in heapq.nlargest(most, scored)}
        numbers = sorted(best.keys() | named, key=lambda number: (number not in named, -best.get(number, 0), number))
        found = (self._found(number, best.get(number, 0), number in named) for number in numbers[:most])
        return [one for one in found if one is not None]

    def _named(self, page_ids: Iterable[str]) -> Iterator[int]:
        query = "SELECT number FROM link WHERE json_extract(record, '$.page_id') = ? ORDER BY number LIMIT 1000"
        for page_id in page_ids:
            for (number,) in self._database.execute(query, (page_id,)):
                yield number

    def _sharing(self, wanted: set[int]) -> Iterator[tuple[int, set[int]]]:
        for number, prints in self._database.execute("SELECT number, prints FROM link WHERE prints != x''"):
            if isinstance(prints, bytes) and len(prints) % 8 == 0 and (common := shared(prints, wanted)):
                yield number, common

    def _found(self, number: int, runs: int, by_id: bool) -> Found | None:
        (text,) = self._database.execute("SELECT record FROM link WHERE number = ?", (number,)).fetchone()
        record = _object(text)
        return None if record is None else Found(number, record, runs, by_id)


class _Chain:
    """What was seen of a chain so far."""

    def __init__(self, published: dict[int, bytes]) -> None:
        self.links = 0
        self.lost = 0
        self.faults: list[Fault] = []
        self.last = Head(0, GENESIS)
        self._first: Head | None = None
        self._pruned: set[Head] = set()
        self._published = published

    def follow(self, number: int, previous: object, record: object, prints: object, octets: object) -> None:
        """The next link that is kept."""
        if not (isinstance(previous, bytes) and isinstance(prints, bytes) and isinstance(octets, bytes)):
            known = octets if isinstance(octets, bytes) else GENESIS
            return self._broken(number, "was changed: it holds other types", Head(number, known))
        if not isinstance(record, str) or number < 1 or link_hash(previous, number, record, prints) != octets:
            return self._broken(number, "was changed: its hash is another", Head(number, octets))
        if self._first is None:
            self._first = Head(number - 1, previous)
        elif number != self.last.number + 1:
            self._fault(number, f"links {self.last.number + 1} to {number - 1} are missing")
        elif previous != self.last.hash:
            self._fault(number, "does not follow on the link before")
        self._read(number, _object(record) or {})
        return self._step(Head(number, octets))

    def end(self, head: tuple[object, object] | None) -> None:
        """All links have been seen; `head` is what the log says of the last."""
        if head is None or head != tuple(self.last):
            self._fault(self.last.number, "is the last that is kept, and not the newest: links behind it are missing")
        if self._first is not None and self._first != (0, GENESIS) and self._first not in self._pruned:
            self._fault(self._first.number + 1, "is the first that is kept, and no link says what was removed before")
        if self._first is not None:
            for number in sorted(self._published):
                if number > self._first.number:
                    self._fault(number, "was published, and is not kept with that hash")

    def _step(self, head: Head) -> None:
        if self._published.get(head.number) == head.hash:
            del self._published[head.number]
        self.links += 1
        self.last = head

    def _broken(self, number: int, message: str, head: Head) -> None:
        self._fault(number, message)
        if self._first is None:
            self._first = Head(0, GENESIS)
        self._step(head)

    def _fault(self, number: int, message: str) -> None:
        # One more than is told, so that memory stays small whatever happened to the file.
        if len(self.faults) <= MAX_FAULTS:
            self.faults.append(Fault(number, message))

    def _read(self, number: int, record: dict[str, Any]) -> None:
        try:
            if record["kind"] == "pruned":
                self._pruned.add(Head(int(record["through"]), bytes.fromhex(record["hash"])))
            elif record["kind"] == "lost":
                self.lost += int(record["pages"])
        except (KeyError, TypeError, ValueError):
            self._fault(number, "is no record of this version")


def _object(text: object) -> dict[str, Any] | None:
    """The object that a text holds as JSON, or None."""
    try:
        value = json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
