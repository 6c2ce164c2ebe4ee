"""Banks: what a slot of a clause can hold, as 256 strings, so that a random byte chooses one.

A bank has a name: the words' own (`n`, things), with `a.` the article before them, with `s.` their plural; `~` the same
turned by a third, so that a second slot of one clause rarely says the same (`~~` for a third); `^` with a capital.
Words that a site likes stand in several of the 256 places: a few are common, most are rare, as in any text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import count

from scrapeguard.decoys.draws import Draws

Bank = tuple[str, ...]
Derive = Callable[[str, str], str]

_TURN = 85
_TOPICAL = 14
_TELLING = 50
_NAME = re.compile(r"(\^?)(~*)(?:(a|s)\.)?(.+)")


def bank_of(words: Sequence[str], draws: Draws, flat: float = 3.0) -> Bank:
    """The words in 256 places, the first ones more often (as 1 / (rank + flat)), in no order."""
    words = words[:256]
    weights = [1 / (rank + flat) for rank in range(len(words))]
    spare = 256 - len(words)
    total = sum(weights)
    places = [word for word, weight in zip(words, weights, strict=True) for _ in range(1 + int(weight / total * spare))]
    for rank in count():
        if len(places) >= 256:
            break
        places.append(words[rank % len(words)])
    return tuple(draws.shuffled(places))


class Banks:
    """All banks of a site by number: the shared ones, and those that each topic fills with its own words.

    Args:
        shared: banks that are the same for every topic.
        derive: the words with an article or in the plural.
    """

    def __init__(self, shared: Mapping[str, Bank], derive: Derive) -> None:
        self._shared = dict(shared)
        self._given = frozenset(shared)
        self._derive = derive
        self._numbers: dict[str, int] = {}
        self._sizes: dict[str, int] = {}
        self._bases: dict[str, str] = {}

    def number(self, name: str) -> int:
        """The number of the bank of that name."""
        return self._numbers.setdefault(name, len(self._numbers))

    def size(self, name: str) -> int:
        """How many words a bank has, about; of a topic's, which differ, what most have at least."""
        base = self._base(name)
        if base not in self._sizes:
            self._sizes[base] = len(set(self._shared[base])) if base in self._shared else _TOPICAL
        return min(self._sizes[base], _TELLING)

    def own(self, words: Mapping[str, Bank]) -> OwnBanks:
        """The banks of a topic with words of its own."""
        return OwnBanks(self, words)

    def names(self) -> list[str]:
        """The names of the banks in the order of their numbers."""
        return list(self._numbers)

    def of(self, name: str, own: dict[str, Bank]) -> Bank:
        """The bank of a name for a topic, to whose banks, or to the shared ones, it is added.

        Raises:
            KeyError: a clause names a bank that there is not.
        """
        return self._bank(name, own if self._base(name) in own else self._shared)

    def _base(self, name: str) -> str:
        base = self._bases.get(name)
        if base is None:
            found = None if name in self._given else _NAME.fullmatch(name)
            base = self._bases[name] = found[4] if found else name
        return base

    def _bank(self, name: str, known: dict[str, Bank]) -> Bank:
        """The bank of a name among those that are known, to which it is added."""
        if name not in known:
            known[name] = self._changed(name, known)
        return known[name]

    def _changed(self, name: str, known: dict[str, Bank]) -> Bank:
        if name.startswith("^"):
            return _mapped(self._bank(name[1:], known), capital)
        if name.startswith("~"):
            return _turned(self._bank(name[1:], known))
        kind, dot, rest = name.partition(".")
        if not dot:
            raise KeyError(name)
        return _mapped(self._bank(rest, known), partial(self._derive, kind))


class OwnBanks:
    """The banks of one topic: those of `banks`, with its own words where it has some."""

    def __init__(self, banks: Banks, words: Mapping[str, Bank]) -> None:
        self._banks = banks
        self._own = dict(words)
        self.known: list[Bank] = []
        """By number; those that were not learnt are empty."""

    def learn(self, numbers: Iterable[int]) -> None:
        """Make the banks of these numbers."""
        names = self._banks.names()
        self.known += [()] * (len(names) - len(self.known))
        for number in numbers:
            self.known[number] = self.known[number] or self._banks.of(names[number], self._own)


def _turned(bank: Bank) -> Bank:
    """The bank turned by a third, with another word wherever it would be the same, if there is one."""
    words = list(dict.fromkeys(bank))
    after = dict(zip(words, [*words[1:], words[0]], strict=True))
    return tuple(
        [other if other != word else after[word] for word, other in zip(bank, bank[_TURN:] + bank[:_TURN], strict=True)]
    )


def _mapped(bank: Bank, change: Callable[[str], str]) -> Bank:
    """The bank with each of its words changed, each once."""
    changed = {word: change(word) for word in dict.fromkeys(bank)}
    return tuple([changed[word] for word in bank])


def capital(text: str) -> str:
    """The text with a capital at its beginning, before which a quotation mark may stand."""
    at = 1 if text[:1] in "“„" else 0
    if text.startswith("%(he)s"):
        return f"%(He)s{text[6:]}"
    if text.startswith("%(his)s"):
        return f"%(His)s{text[7:]}"
    return text[:at] + text[at : at + 1].upper() + text[at + 1 :]
