"""The owner's own texts as a source of decoys: their turns of phrase, recombined, with other names, figures and claims.

A sentence is cut before its last clause; heads and tails of one document are put together anew. Every name becomes an
invented one, every number another, and words of comparison their opposites: always the same for the same, so that
decoys agree with one another, and with nothing that is true.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import NamedTuple

from scrapeguard.decoys.draws import Draws
from scrapeguard.decoys.worlds import World

MAX_FILES = 128
MAX_BYTES = 128 * 1024
MAX_SENTENCES = 400
"""Of one file."""
LEAST_SENTENCES = 12
"""A file with fewer that have two clauses is left out: its decoys would say the same again and again."""

_LEAST_TAIL = 20

_SUFFIXES = frozenset({".txt", ".md", ".markdown", ".html", ".htm"})
_SENTENCE = re.compile(r"[A-ZÄÖÜ“\"][^.!?\n]{30,300}[.!?]")
_UNWANTED = re.compile(r"[{}<>|%@#*_`\[\]=\\]|https?:|www\.")
_TAIL = re.compile(r",? (?:and|but|which|because|while|where|although|when|so that|und|aber|weil|während|wenn|obwohl) ")
_WORD = re.compile(r"[^\W\d_]+(?:[\u2019'-][^\W\d_]+)*|\d+")
_OPPOSITES = {
    "more": "less", "first": "last", "before": "after", "above": "below", "always": "never", "early": "late",
    "large": "small", "old": "new", "north": "south", "east": "west", "increase": "decrease", "rose": "fell",
    "higher": "lower", "many": "few", "better": "worse", "cheap": "costly", "open": "closed", "strong": "weak",
    "mehr": "weniger", "vor": "nach", "immer": "nie", "alt": "neu", "groß": "klein", "stieg": "sank",
}  # fmt: skip
_SWAPS = {**_OPPOSITES, **{there: here for here, there in _OPPOSITES.items()}}


class Document(NamedTuple):
    """What one text gives: titles, sentences without their last clauses, and those clauses; each head has a tail here.

    The head of one sentence stands at the place of the tail that followed it.
    """

    titles: tuple[str, ...]
    heads: tuple[str, ...]
    tails: tuple[str, ...]


class Corpus(NamedTuple):
    """The documents of a folder."""

    documents: tuple[Document, ...]

    @classmethod
    def read(cls, folder: Path, world: World, draws: Draws) -> Corpus:
        """The corpus of a folder and its folders, of at most MAX_FILES files.

        Raises:
            ValueError: no file has sentences enough.
        """
        texts = list(_texts(folder))
        change = _Changes(texts, world, draws)
        documents = tuple(document for text in texts if (document := _document(text, change)))
        if not documents:
            raise ValueError(
                f"{folder}: no .txt, .md or .html file with at least {LEAST_SENTENCES} sentences of two clauses"
            )
        return cls(documents)


def _texts(folder: Path) -> Iterator[str]:
    if not folder.is_dir():
        raise ValueError(f"{folder}: no folder; name one with .txt, .md or .html files")
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES and path.is_file())
    for path in paths[:MAX_FILES]:
        with path.open("rb") as file:
            text = file.read(MAX_BYTES).decode("utf-8", "replace")
        yield _plain(text) if path.suffix.lower() in (".html", ".htm") else re.sub(r"(?<!\n)\n(?!\n)", " ", text)


class _Plain(HTMLParser):
    """The text of a page, a line for each block; nothing of what is no text."""

    _HIDDEN = frozenset({"script", "style", "nav", "footer", "header", "noscript", "template"})
    _BLOCKS = frozenset({"p", "h1", "h2", "h3", "li", "div", "br", "td", "title"})

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._hidden += tag in self._HIDDEN
        if tag in self._BLOCKS:
            self.parts.append("\n\n")

    def handle_endtag(self, tag: str) -> None:
        self._hidden = max(0, self._hidden - (tag in self._HIDDEN))
        if tag in self._BLOCKS:
            self.parts.append("\n\n")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.parts.append(" ".join(data.split()) + " " if data.strip() else "")


def _plain(html: str) -> str:
    reader = _Plain()
    reader.feed(html)
    reader.close()
    return "".join(reader.parts)


class _Changes:
    """Names, numbers and claims to others, always alike."""

    def __init__(self, texts: Iterable[str], world: World, draws: Draws) -> None:
        self._world = world
        self._draws = draws
        self._names: dict[str, str] = {}
        self._numbers: dict[str, str] = {}
        self._shift = 3 + draws.below(9)
        lower = Counter[str]()
        for text in texts:
            lower.update(word for word in _WORD.findall(text) if word[0].islower())
        self._lower = lower

    def of(self, text: str) -> str:
        """The text with everything changed that could be true."""
        return _WORD.sub(self._word, text)

    def _word(self, found: re.Match[str]) -> str:
        word = found[0]
        if word.isdigit():
            return self._number(word)
        if word[0].isupper() and len(word) > 1 and self._is_name(found):
            return self._name(word)
        swapped = _SWAPS.get(word.lower(), "")
        return (swapped.capitalize() if word[0].isupper() else swapped) or word

    def _is_name(self, found: re.Match[str]) -> bool:
        """A word with a capital that never goes without; at the beginning of a sentence, unless it is a usual one."""
        return found[0].lower() not in self._lower and not (found.start() <= 1 and len(found[0]) <= 3)

    def _name(self, word: str) -> str:
        if word not in self._names:
            self._names[word] = self._draws.choice(self._world.surnames)
        return self._names[word]

    def _number(self, digits: str) -> str:
        digits = digits[:9]
        if digits not in self._numbers:
            value = int(digits)
            year = len(digits) == 4 and 1500 < value < 2100
            other = value - self._shift if year else value + 1 + self._draws.below(value // 3 + 2)
            self._numbers[digits] = str(other)
        return self._numbers[digits]


def _document(text: str, change: _Changes) -> Document | None:
    heads, tails = list[str](), list[str]()
    for sentence in dict.fromkeys(" ".join(found.split()) for found in _SENTENCE.findall(text)[:MAX_SENTENCES]):
        cuts = list(_TAIL.finditer(sentence, 25))
        if cuts and len(sentence) - cuts[-1].start() > _LEAST_TAIL and not _UNWANTED.search(sentence):
            heads.append(_safe(change.of(sentence[: cuts[-1].start()])))
            tails.append(_safe(change.of(sentence[cuts[-1].start() :])))
    if len(heads) < LEAST_SENTENCES:
        return None
    return Document(_titles(text, change), tuple(heads), tuple(tails))


def _titles(text: str, change: _Changes) -> tuple[str, ...]:
    """The lines of a text that look like headings; of its most frequent long words, where there are none."""
    lines = (line.strip("#=- \t") for line in text.split("\n"))
    lines = (line for line in lines if 8 < len(line) < 70 and line[0].isupper() and line[-1] not in ".:;,!?")
    titles = [_safe(change.of(line)) for line in lines if not _UNWANTED.search(line) and 2 <= len(line.split()) <= 9]
    if titles:
        return tuple(dict.fromkeys(titles))[:64]
    words = Counter(word for word in _WORD.findall(text) if len(word) > 6 and word.islower())
    return tuple(word.capitalize() for word, _ in words.most_common(12)) or ("Notes",)


def _safe(text: str) -> str:
    """The text without what HTML or a format string would take for its own."""
    return text.replace("&", "and").replace('"', "").replace("'", "\u2019").replace("%", "")
