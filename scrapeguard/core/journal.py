"""What happened at one worker, as the others are told: bounded, and read with care."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable
from typing import Any, NamedTuple

from scrapeguard.core.acts import Act, What
from scrapeguard.core.clients import MAX_KEY, TAG_SIZE, ClientKey, address_key
from scrapeguard.core.groups import MARKS
from scrapeguard.core.history import History
from scrapeguard.core.ledger import MAX_TOLD, Deed, Entry, Ledger
from scrapeguard.core.rates import Rates
from scrapeguard.core.request import MAX_HOST

MAX_BATCH = 256 * 1024
"""Octets of one batch."""
MAX_WAITING = 6_000
"""Acts that wait to be told; the oldest are dropped."""
_AT_ONCE = 600
_MAX_COUNTS = 2_000
_MAX_VERSION = 64
_MOST_TEXTS = 16
_ROOM_FOR_TEXTS = 96 * 1024
_MAX_REQUESTS = 1_000_000
_MAX_AGE = 24 * 3600.0
_PLACES = 1 << 32


class _Told(NamedTuple):
    entry: Act | Entry
    time: float


class Journal:
    """Collects what happens here, hands it out in batches, and does here what other workers tell.

    Args:
        history: what clients did.
        ledger: what they answer for.
        rates: how often they asked.
        listens: whether it is told at once what happens here; otherwise from `listen` on.
    """

    def __init__(self, history: History, ledger: Ledger, rates: Rates, *, listens: bool = True) -> None:
        self._history = history
        self._ledger = ledger
        self.rates = rates
        """How often clients asked. Replaced where other windows count."""
        self._acts: deque[_Told] = deque(maxlen=MAX_WAITING)
        self._entries: deque[_Told] = deque(maxlen=MAX_WAITING)
        self._texts: dict[str, str] = {}
        self.dropped = 0
        """Acts and counts that nobody was told of, since there were too many."""
        self.unreadable = 0
        """Parts of batches in which nothing could be read."""
        if listens:
            self.listen()

    def listen(self) -> None:
        """Be told what happens here from now on, in the place of whoever was told before."""
        self._history.tell = self._history.styles.tell = self._tell
        self._ledger.tell = self._write_down

    def _tell(self, act: Act, now: float) -> None:
        if not act.key.is_kept:
            return
        self.dropped += len(self._acts) == MAX_WAITING
        self._acts.append(_Told(act, now))

    def _write_down(self, entry: Entry, now: float) -> None:
        if entry.key is not None and not entry.key.is_kept:
            return
        if entry.text:
            if len(self._texts) < _MOST_TEXTS:
                self._texts[entry.version] = entry.text.decode("latin-1")
            entry = entry._replace(text=b"")
        self.dropped += len(self._entries) == MAX_WAITING
        self._entries.append(_Told(entry, now))

    def take(self, now: float) -> bytes | None:
        """A batch of what is new here; None where nothing is. What clients answer for goes first."""
        entries = _some(self._entries, _AT_ONCE)
        acts = _some(self._acts, _AT_ONCE)
        counted = list(self.rates.take_new().items())
        counts = counted[:_MAX_COUNTS]
        self.dropped += len(counted) - len(counts)
        texts = self._some_texts()
        if not (entries or acts or counts or texts):
            return None
        body = _written(texts, entries, acts, counts, now)
        while len(body) > MAX_BATCH:
            # Strangers choose how long a User-Agent is; what is left out is told next time.
            self._acts.extendleft(reversed(acts[len(acts) // 2 :]))
            self._entries.extendleft(reversed(entries[len(entries) // 2 :] if not acts else []))
            entries = entries if acts else entries[: len(entries) // 2]
            acts = acts[: len(acts) // 2]
            body = _written(texts, entries, acts, counts, now)
        return body

    def _some_texts(self) -> list[tuple[str, str]]:
        """What robots.txt says that others may not know yet, as far as it leaves room for what clients do."""
        chosen: list[tuple[str, str]] = []
        room = _ROOM_FOR_TEXTS
        for version, text in [*self._texts.items()]:
            size = len(json.dumps(text))
            # One of strange characters is longer than it seems, and told to nobody.
            if size > _ROOM_FOR_TEXTS:
                del self._texts[version]
            elif size <= room:
                room -= size
                chosen.append((version, self._texts.pop(version)))
        return chosen

    def hear(self, body: bytes, age: float, now: float) -> None:
        """Do here what another worker tells.

        Args:
            body: its batch.
            age: seconds since it was handed in.
            now: seconds that never go back.
        """
        try:
            told = json.loads(body)
            keys = [_key(one) for one in told["keys"]]
            # Workers of an earlier version tell no texts.
            groups = (told.get("texts"), told["entries"], told["acts"], told["counts"])
        except (ValueError, TypeError, KeyError, RecursionError):
            self.unreadable += 1
            return
        self._hear_all(groups, keys, max(age, 0.0), now)

    def _hear_all(self, groups: tuple[Any, ...], keys: list[ClientKey], age: float, now: float) -> None:
        hears = (self._hear_text, self._hear_entry, self._hear_act, self._hear_count)
        for hear, some in zip(hears, groups, strict=True):
            for one in some if isinstance(some, list) else ():
                try:
                    hear(one, keys, age, now)
                except (ValueError, TypeError, IndexError, KeyError, OverflowError):
                    self.unreadable += 1

    def _hear_text(self, one: Any, keys: list[ClientKey], age: float, now: float) -> None:
        version, text = one
        if not self._ledger.knows(_text(version, _MAX_VERSION)):
            self._ledger.learn(version, _text(text, MAX_TOLD).encode("latin-1"))

    def _hear_act(self, one: Any, keys: list[ClientKey], age: float, now: float) -> None:
        what, index, before, host, number, typed, fingerprint, place = one
        said = int(number) % MARKS, bool(typed), int(fingerprint), int(place) % _PLACES
        act = Act(What(what), _at(keys, index), _text(host, MAX_HOST), *said)
        self._history.heard(act, now - age - _seconds(before))

    def _hear_entry(self, one: Any, keys: list[ClientKey], age: float, now: float) -> None:
        index, before, deed, host, version, tag = one
        entry = Entry(
            None if index is None else _at(keys, index),
            None if deed is None else Deed(deed),
            _text(host, MAX_HOST),
            _text(version, _MAX_VERSION),
            bytes.fromhex(_text(tag, TAG_SIZE * 2)),
        )
        then = now - age - _seconds(before)
        self._ledger.heard(entry, then)
        if entry.deed is Deed.PRESSED_BUTTON and entry.key is not None:
            self._history.begins_anew(entry.key, then)

    def _hear_count(self, one: Any, keys: list[ClientKey], age: float, now: float) -> None:
        client, number = one
        self.rates.note(address_key(str(client)), now, max(0, min(int(number), _MAX_REQUESTS)))


def _some(waiting: deque[_Told], number: int) -> list[_Told]:
    return [waiting.popleft() for _ in range(min(number, len(waiting)))]


def _written(
    texts: list[tuple[str, str]],
    entries: Iterable[_Told],
    acts: Iterable[_Told],
    counts: list[tuple[str, int]],
    now: float,
) -> bytes:
    keys: dict[ClientKey, int] = {}

    def index(key: ClientKey) -> int:
        return keys.setdefault(key, len(keys))

    said = [
        [None if e.key is None else index(e.key), round(now - t, 2), e.deed, e.host, e.version, e.tag.hex()]
        for e, t in entries
        if isinstance(e, Entry)
    ]
    done = [
        [a.what, index(a.key), round(now - t, 2), a.host, a.number, int(a.typed), a.fingerprint, a.place]
        for a, t in acts
        if isinstance(a, Act)
    ]
    shown = [[key.address, _shown(key.user_agent), _shown(key.language)] for key in keys]
    return json.dumps({"keys": shown, "texts": texts, "entries": said, "acts": done, "counts": counts}).encode()


def _shown(octets: bytes | None) -> str | None:
    return None if octets is None else octets.decode("latin-1")


def _key(one: Any) -> ClientKey:
    address, user_agent, language = one
    key = ClientKey(address_key(_text(address, MAX_KEY)), _octets(user_agent), _octets(language))
    if not key.is_kept:
        raise ValueError("the key is too long")
    return key


def _octets(text: Any) -> bytes | None:
    return None if text is None else _text(text, MAX_KEY).encode("latin-1")


def _text(value: Any, most: int) -> str:
    if not isinstance(value, str) or len(value) > most:
        raise ValueError("no text, or too long")
    return value


def _at(keys: list[ClientKey], index: Any) -> ClientKey:
    if not isinstance(index, int) or index < 0:
        raise IndexError("no such key")
    return keys[index]


def _seconds(value: Any) -> float:
    seconds = float(value)
    if not 0.0 <= seconds <= _MAX_AGE:
        raise ValueError("no age")
    return seconds
