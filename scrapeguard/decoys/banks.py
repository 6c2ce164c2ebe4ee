"""Banks: what a slot of a clause can hold, as 256 strings, so that a random byte chooses one.

A bank has a name: the words' own (`n`, things), with `a.` the article before them, with `s.` their plural; `~` the same
turned by a third, so that a second slot of one clause rarely says the same (`~~` for a third); `^` with a capital.
Words that a site likes stand in several of the 256 places: a few are common, most are rare, as in any text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import count

from scrapeguard.decoys.draws import Draws

Bank = tuple[str, ...]
Derive = Callable[[str, str], str]

_TURN = 85
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
        self._derive = derive
        self._numbers: dict[str, int] = {}

    def number(self, name: str) -> int:
        """The number of the bank of that name."""
        return self._numbers.setdefault(name, len(self._numbers))

    def inline(self, alternatives: Sequence[str]) -> str:
        """The name of a bank of these alternatives, each as likely as the others."""
        name = "|".join(alternatives)
        if name not in self._shared:
            self._shared[name] = (tuple(alternatives) * 256)[:256]
        return name

    def resolved(self, own: Mapping[str, Bank]) -> list[Bank]:
        """The banks in the order of their numbers, for a topic with words of its own.

        Raises:
            KeyError: a clause names a bank that there is not.
        """
        own = dict(own)
        bases = frozenset(own)
        return [self._bank(name, own if self._base(name) in bases else self._shared) for name in self._numbers]

    def _base(self, name: str) -> str:
        found = None if name in self._shared else _NAME.fullmatch(name)
        return found[4] if found else name

    def _bank(self, name: str, known: dict[str, Bank]) -> Bank:
        """The bank of a name among those that are known, to which it is added."""
        if name not in known:
            known[name] = self._changed(name, known)
        return known[name]

    def _changed(self, name: str, known: dict[str, Bank]) -> Bank:
        if name.startswith("^"):
            return _mapped(self._bank(name[1:], known), capital)
        if name.startswith("~"):
            bank = self._bank(name[1:], known)
            return (*bank[_TURN:], *bank[:_TURN])
        kind, dot, rest = name.partition(".")
        if not dot:
            raise KeyError(name)
        return _mapped(self._bank(rest, known), partial(self._derive, kind))


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
