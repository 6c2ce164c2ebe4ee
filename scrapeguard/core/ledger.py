"""The ledger: who read robots.txt and then broke it, who followed a trap, and who has shown to be a person.

Offenders are kept apart from strangers, so that no crowd drives them out; what they did weighs less with time.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple

from scrapeguard.core.clients import ClientKey
from scrapeguard.core.recent import Recent
from scrapeguard.core.robotsfile import Meaning, RobotsText, parse
from scrapeguard.core.robotsmatch import deciding_line
from scrapeguard.core.signals import Evidence

MAX_READERS = 8_000
"""Clients in mind that have read robots.txt, in each of two generations; each takes some 500 octets."""
MAX_KNOWN = 4_000
"""Clients in mind that did something they answer for, in each of two generations."""
FULL = 6 * 3600.0
"""Seconds for which an offence weighs all it does; then half, after as long again a quarter, then nothing."""
PASS = 12 * 3600.0
"""Seconds for which a person has shown enough."""
MAX_CLICKS = 10
"""How often, within that time, the past of a client is forgotten because somebody presses a button."""

MAX_TOLD = 32 * 1024
"""Octets of a robots.txt that other workers are told; longer ones they learn when they serve them."""

_MAX_TEXTS = 64
_MAX_VERDICTS = 8192
_REFRESH = 60.0
_FORGOTTEN = 24 * 3600.0
"""Seconds after which a robots.txt that was read says nothing any more; crawlers keep it for a day (RFC 9309 §2.4)."""
_TIME_TO_ANSWER = 5.0
"""Seconds that a challenge may take before another one counts."""
_CHALLENGES = 3
_SAME_PRESS = 2.0
_PATHS_OF_A_BROWSER = 3
_PATHS_OF_A_TOOL = 2


class Deed(StrEnum):
    """What the ledger holds."""

    BROKE_ROBOTS = "broke-robots"
    FOLLOWED_TRAP = "followed-trap"
    GUESSED_TRAP = "guessed-trap"
    IGNORED_CHALLENGE = "ignored-challenge"
    LOADED_STYLE = "loaded-style"
    PRESSED_BUTTON = "pressed-button"

    __hash__ = str.__hash__


class Standing(StrEnum):
    """What a client has shown."""

    NOTHING = "nothing"
    LOADS_STYLES = "loads-styles"
    IS_A_PERSON = "is-a-person"


_SAID: dict[Deed, Evidence] = {
    Deed.BROKE_ROBOTS: Evidence("robots-broken", "read robots.txt, and asks for what it refuses"),
    Deed.FOLLOWED_TRAP: Evidence("trap-followed", "followed a link that no person sees and robots.txt refuses to all"),
    Deed.IGNORED_CHALLENGE: Evidence("challenge-ignored", "was asked three times to show that it is a browser"),
    Deed.GUESSED_TRAP: Evidence("trap-guessed", "went to a path that only robots.txt names, to refuse it to all"),
}


class Entry(NamedTuple):
    """A line of the ledger, as other workers are told: a deed, that robots.txt was read, or that a trap was shared."""

    key: ClientKey | None = None
    deed: Deed | None = None
    host: str = ""
    version: str = ""
    tag: bytes = b""
    text: bytes = b""
    """The robots.txt of that version, where others may not know it yet."""


class _Record:
    """When a client did what, and how often somebody pressed the button."""

    __slots__ = ("clicked", "clicks", "deeds")

    def __init__(self, deeds: dict[Deed, float], clicks: int = 0, clicked: float = 0.0) -> None:
        self.deeds = deeds
        self.clicks = clicks
        self.clicked = clicked


class _Count:
    """What counts only together: paths that were refused, and challenges that were not answered."""

    __slots__ = ("broken", "challenged", "challenges")

    def __init__(self) -> None:
        self.broken: set[int] = set()
        self.challenges = 0
        self.challenged = 0.0


class _Reader(NamedTuple):
    """Which robots.txt a client has read, and when."""

    version: str
    time: float


class Ledger:
    """Remembers what clients answer for.

    Args:
        size: how many are kept in mind, in each of two generations.
        tell: takes what is written down here, for other workers.
    """

    def __init__(self, *, size: int = MAX_KNOWN, tell: Callable[[Entry, float], object] | None = None) -> None:
        self.tell = tell
        self.lines = 0
        """How often something was written down. An attribute, since it is asked for with every request."""
        self.accuses = False
        """Whether there are clients whose traps were followed by others."""
        self._known: Recent[ClientKey, _Record] = Recent(size)
        # Strangers come by here too, and must not drive out those who answer for something.
        self._counts: Recent[ClientKey, _Count] = Recent(size)
        self._readers: Recent[tuple[ClientKey, str], _Reader] = Recent(MAX_READERS)
        self._texts: Recent[str, RobotsText] = Recent(_MAX_TEXTS)
        self._verdicts: Recent[tuple[str, str, str], bool] = Recent(_MAX_VERDICTS)
        self._accused: Recent[bytes, float] = Recent(size)

    def __len__(self) -> int:
        return len(self._known)

    def knows(self, version: str) -> bool:
        """Whether it has this version of a robots.txt."""
        return self._texts[version] is not None

    def learn(self, version: str, text: bytes) -> None:
        """Take note of what a version of a robots.txt says."""
        self._texts.put(version, parse(text))

    def served(self, key: ClientKey, host: str, version: str, text: bytes | None, now: float) -> None:
        """A client has read the robots.txt of a host.

        Args:
            key: the client.
            host: the Host field.
            version: stands for the text.
            text: what it says; None where it is known.
            now: seconds that never go back.
        """
        if text is not None:
            self.learn(version, text)
        self._read(key, host, version, now)
        if self.tell is not None:
            told = text if text is not None and len(text) <= MAX_TOLD else b""
            self.tell(Entry(key, None, host, version, text=told), now)

    @property
    def is_empty(self) -> bool:
        """Whether nothing was ever written down."""
        return self.lines == 0

    def _read(self, key: ClientKey, host: str, version: str, now: float) -> None:
        self.lines += 1
        if key.is_kept:
            # Once for every robots.txt: past the constructor, which is written in Python, at a third of the cost.
            self._readers.put((key, host), tuple.__new__(_Reader, (version, now)))

    def knows_of(self, key: ClientKey, host: str) -> bool:
        """Whether there is anything to be said of a client on a host."""
        return self.accuses or self._known[key] is not None or self._readers[key, host] is not None

    def has_read(self, key: ClientKey, host: str) -> bool:
        """Whether a client has read the robots.txt of a host."""
        return self._readers[key, host] is not None

    def refuses(self, key: ClientKey, host: str, token: str, target: str, now: float) -> bool:
        """Whether the robots.txt that a client has read lately refuses it this path and query.

        False where it read none, and where the text is not known here.
        """
        reader = self._readers[key, host]
        if reader is None or now - reader.time > _FORGOTTEN:
            return False
        asked = (reader.version, token, target)
        verdict = self._verdicts[asked]
        if verdict is None:
            text = self._texts[reader.version]
            if text is None:
                return False
            line = deciding_line(text, token, target)
            verdict = line is not None and line.meaning is not Meaning.ALLOW
            if len(target) <= 512:
                self._verdicts.put(asked, verdict)
        return verdict

    def broke(self, key: ClientKey, mark: int, *, least: int, now: float) -> bool:
        """A client asks for what its robots.txt refuses; it answers for that from so many different paths on.

        True where that is written down, which it is once in a minute.

        Args:
            key: the client.
            mark: of the path.
            least: how many it takes.
            now: seconds that never go back.
        """
        count = self._count(key)
        if len(count.broken) < least:
            count.broken.add(mark)
        if len(count.broken) < least or self._did_lately(key, Deed.BROKE_ROBOTS, now):
            return False
        self._do(Entry(key, Deed.BROKE_ROBOTS), now)
        return True

    def challenged(self, key: ClientKey, now: float) -> None:
        """A client is asked to show that it is a browser; who is asked again and again has ignored it."""
        count = self._count(key)
        # Who restores a session is asked in every tab, and has had no time to answer.
        if count.challenges and now - count.challenged < _TIME_TO_ANSWER:
            return
        count.challenges += 1
        count.challenged = now
        if count.challenges >= _CHALLENGES and not self._did_lately(key, Deed.IGNORED_CHALLENGE, now):
            self._do(Entry(key, Deed.IGNORED_CHALLENGE), now)

    def note(self, key: ClientKey, deed: Deed, now: float) -> None:
        """Write a deed down."""
        self._do(Entry(key, deed), now)

    def accuse(self, tag: bytes, now: float) -> None:
        """A trap that was handed to the client of this tag was followed by another."""
        self._do(Entry(tag=tag), now)

    def _do(self, entry: Entry, now: float) -> None:
        self.heard(entry, now)
        if self.tell is not None:
            self.tell(entry, now)

    def heard(self, entry: Entry, now: float) -> None:
        """Write down what another worker tells, which happened at that time."""
        self.lines += 1
        if entry.key is None:
            self.accuses = True
            self._accused.put(entry.tag, now)
        elif entry.deed is None:
            self._read(entry.key, entry.host, entry.version, now)
        else:
            self._write(entry.key, entry.deed, now)

    def _write(self, key: ClientKey, deed: Deed, now: float) -> None:
        record = self._record(key)
        record.deeds[deed] = now
        if deed is Deed.LOADED_STYLE:
            record.deeds.pop(Deed.IGNORED_CHALLENGE, None)
            self._count(key).challenges = 0
        if deed is Deed.PRESSED_BUTTON:
            lately = now - record.clicked <= PASS
            # A server that asks for the verdict and then for the answer presses twice.
            again = lately and now - record.clicked < _SAME_PRESS and record.clicks > 0
            clicks = record.clicks if again else record.clicks + 1 if lately else 1
            later = {done: time for done, time in record.deeds.items() if time > now}
            self._known.put(key, _Record({deed: now, **later}, clicks, record.clicked if again else now))
            self._counts.put(key, _Count())

    def is_accused(self, tag: bytes, now: float) -> bool:
        """Whether a trap of the client of this tag was followed by another, lately."""
        time = self._accused[tag]
        return time is not None and now - time <= FULL

    def may_press(self, key: ClientKey, now: float) -> bool:
        """Whether the past of a client may be forgotten once more."""
        record = self._known[key]
        return record is None or record.clicks < MAX_CLICKS or now - record.clicked > PASS

    def standing(self, key: ClientKey, now: float) -> Standing:
        """What a client has shown lately."""
        record = self._known[key]
        if record is None:
            return Standing.NOTHING
        if now - record.deeds.get(Deed.PRESSED_BUTTON, -PASS) < PASS:
            return Standing.IS_A_PERSON
        return Standing.LOADS_STYLES if now - record.deeds.get(Deed.LOADED_STYLE, -PASS) < PASS else Standing.NOTHING

    def evidence(self, key: ClientKey, now: float) -> tuple[Evidence, ...]:
        """What a client answers for, weighing less the longer it is ago."""
        record = self._known[key]
        if record is None:
            return ()
        found = ((_SAID[deed], left(now - time)) for deed, time in record.deeds.items() if deed in _SAID)
        return tuple(said._replace(percent=percent) for said, percent in found if percent)

    def _did_lately(self, key: ClientKey, deed: Deed, now: float) -> bool:
        """Whether a deed was written down within the last minute."""
        record = self._known[key]
        return record is not None and now - record.deeds.get(deed, -_REFRESH) < _REFRESH

    def _count(self, key: ClientKey) -> _Count:
        count = self._counts[key]
        if count is None:
            count = _Count()
            if key.is_kept:
                self._counts.put(key, count)
        return count

    def _record(self, key: ClientKey) -> _Record:
        self.lines += 1
        record = self._known[key]
        if record is None:
            record = _Record({})
            if key.is_kept:
                self._known.put(key, record)
        return record


def left(age: float) -> int:
    """How many hundredths of its weight a deed of this age (seconds) has left."""
    return 100 >> int(age // FULL) if age < 3 * FULL else 0


def paths_to_answer_for(*, browser: bool, tool: bool) -> int:
    """How many refused paths it takes: a person looks at robots.txt too, and then reads on."""
    return _PATHS_OF_A_BROWSER if browser else _PATHS_OF_A_TOOL if tool else 1
