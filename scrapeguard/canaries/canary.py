"""The canary of one crawl: an agent on a host in an epoch gets one text of many, on page after page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from hashlib import shake_128

from scrapeguard.canaries import derivation, wording
from scrapeguard.canaries.derivation import CANDIDATES, check_count, check_key, derive
from scrapeguard.canaries.prose import cut, fill, form_of
from scrapeguard.core.request import canonical_host

MAX_FIELD = 256
"""Characters of a host, an agent, an epoch or the id of a page."""
MAX_IDS = 1_000

_LETTERS = "bcdfghkmnpqrstvwxz"
_DIGITS = "23456789"
_SIGNS = 10
_GAP = r"[\W_]{0,3}"
_PAGE_ID = re.compile(
    r"(?<![^\W_])" + _GAP.join(f"[{_DIGITS if at % 2 else _LETTERS}]" for at in range(_SIGNS)) + r"(?![^\W_])"
)


class Canary:
    """The canary that an agent is served on a host during an epoch.

    Args:
        key: the secret, at least 16 octets. Who knows it knows which candidate is served.
        host: the host, in any case of letters, with or without a port.
        agent: the name of the agent, in any case of letters.
        epoch: what tells one campaign from the next, such as the month (`epoch_of`).
        count: how many candidates there are, a power of two.

    Raises:
        ValueError: an argument is not as said here.
    """

    __slots__ = ("_copy", "_form", "agent", "count", "epoch", "host", "key", "served_index")

    def __init__(self, key: bytes, host: str, agent: str, epoch: str, *, count: int = CANDIDATES) -> None:
        check_key(key)
        check_count(count)
        self.key = key
        self.host = _field("host", canonical_host(host))
        self.agent = _field("agent", agent.strip().lower())
        self.epoch = _field("epoch", epoch)
        self.count = count
        self.served_index = derivation.served_index(key, self.host, self.agent, self.epoch, count)
        # One form for all candidates: they differ in nothing but what their seeds say.
        sentences = form_of(self._derive(b"form"))
        self._form = cut(sentences)
        self._copy = fill(cut(f"{sentences} {wording.TRACE} "), self.seed(self.served_index))

    def __repr__(self) -> str:
        return f"Canary({self.host!r}, {self.agent!r}, {self.epoch!r})"

    def seed(self, index: int) -> bytes:
        """The seed of a candidate.

        Raises:
            ValueError: there is no such candidate.
        """
        if not 0 <= index < self.count:
            raise ValueError(f"candidates are numbered from 0 to {self.count - 1}, not {index}")
        return derivation.seed(self.key, self.host, self.agent, self.epoch, index)

    def candidate(self, index: int) -> str:
        """The text of a candidate, 60 to 100 words: what a model is asked to score. Only the served one may be seen."""
        return fill(self._form, self.seed(index)).plain()

    def candidates(self) -> Iterator[str]:
        """The texts of all candidates. These are secret, but for the one that is served."""
        return map(self.candidate, range(self.count))

    def page_id(self, path: str) -> str:
        """A short id of a page, such as `k4m7q-2t9x3`, to trace a copy of it by: no secret, and told by nobody else."""
        number = int.from_bytes(self._derive(b"page", path)[:8], "big")
        signs = []
        for at in range(_SIGNS):
            number, index = divmod(number, len(_DIGITS if at % 2 else _LETTERS))
            signs.append((_DIGITS if at % 2 else _LETTERS)[index])
        return f"{''.join(signs[:5])}-{''.join(signs[5:])}".upper()

    def paragraph(self, page_id: str) -> str:
        """The copy of a page: what the seed says, in other words than on other pages, and the id of the page.

        Plain text of 60 to 100 words in one line, without markup; the same for the same page.

        Raises:
            ValueError: the id is empty, too long or no printable text.
        """
        _field("id", page_id)
        dice = shake_128(self._derive(b"copy", page_id)).digest(len(self._copy.banks))
        return f"{self._copy.copy(dice)}{page_id}."

    def _derive(self, kind: bytes, *fields: str) -> bytes:
        return derive(self.key, kind, self.host, self.agent, self.epoch, *fields)


def page_ids(text: str) -> list[str]:
    """What looks like the id of a page in a text, however it is spaced, at most `MAX_IDS`."""
    found: dict[str, None] = {}
    for match in _PAGE_ID.finditer(text.lower()):
        signs = "".join(filter(str.isalnum, match[0])).upper()
        found[f"{signs[:5]}-{signs[5:]}"] = None
        if len(found) == MAX_IDS:
            break
    return list(found)


def _field(name: str, value: str) -> str:
    """The value, if it can stand between NUL octets in what is derived."""
    if not value or len(value) > MAX_FIELD or not value.isprintable():
        raise ValueError(f"{name}: 1 to {MAX_FIELD} printable characters are expected, not {value[:40]!r}")
    return value
