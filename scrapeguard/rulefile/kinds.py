"""The kinds of value that a rule file holds.

Each reads a node, says what it expected, and describes itself as JSON Schema. `read` returns None for what it could
not read, after it has noted the problem; so one pass finds them all.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches
from ipaddress import ip_network
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from scrapeguard.core.address import NETWORK_WORDS, Network
from scrapeguard.errors import Problem
from scrapeguard.rulefile.tree import Mapping, Node, Place, Scalar, Sequence, items_of

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
Schema = dict[str, Any]


class Problems:
    """Collects what is wrong."""

    def __init__(self, found: list[Problem] | None = None) -> None:
        self.found: list[Problem] = [] if found is None else found

    def add(self, place: Place, message: str) -> None:
        """Note a problem."""
        self.found.append(place.problem(message))


class Kind(Protocol[T_co]):
    """A kind of value."""

    def read(self, node: Node, problems: Problems) -> T_co | None:
        """The value of a node; None after a problem was noted."""

    def schema(self) -> Schema:
        """The kind as JSON Schema (draft 2020-12)."""


def nearest(word: str, choices: Iterable[str]) -> str:
    """A hint at the most similar choice, empty where none is."""
    by_folded = {choice.lower(): choice for choice in choices}
    close = get_close_matches(word.lower(), by_folded, n=1, cutoff=0.6)
    return f"; did you mean `{by_folded[close[0]]}`?" if close else ""


def written(node: Node) -> str:
    """How a node looks, for a message."""
    match node:
        case Scalar(_, text):
            shown = "".join(mark if mark.isprintable() else "\N{REPLACEMENT CHARACTER}" for mark in text[:60])
            return f"`{shown}`" if text else "nothing"
        case Sequence():
            return "a list"
        case Mapping():
            return "a mapping"


@dataclass(frozen=True, slots=True)
class Word(Generic[T]):
    """One of a few words, in any case of letters; each stands for a value."""

    choices: dict[str, T]
    what: str

    def read(self, node: Node, problems: Problems) -> T | None:
        if isinstance(node, Scalar):
            for choice, value in self.choices.items():
                if choice.lower() == node.written.lower():
                    return value
        hint = nearest(node.written, self.choices) if isinstance(node, Scalar) else ""
        expected = f"{self.what} ({', '.join(self.choices)})" if len(self.choices) <= 20 else self.what
        problems.add(node.place, f"expected {expected}, found {written(node)}{hint}")
        return None

    def schema(self) -> Schema:
        return {"enum": list(self.choices)}


class Switch:
    """`on` or `off`, which YAML 1.1 reads as booleans and YAML 1.2 as words."""

    _word = Word({"on": True, "off": False, "true": True, "false": False}, "on or off")

    def read(self, node: Node, problems: Problems) -> bool | None:
        return self._word.read(node, problems)

    def schema(self) -> Schema:
        return {"enum": ["on", "off", True, False]}


@dataclass(frozen=True, slots=True)
class Integer:
    """A whole number within bounds."""

    least: int
    most: int

    def read(self, node: Node, problems: Problems) -> int | None:
        if isinstance(node, Scalar) and type(node.value) is int and self.least <= node.value <= self.most:
            return node.value
        span = f"a whole number from {self.least} to {self.most}" if self.least < self.most else str(self.least)
        problems.add(node.place, f"expected {span}, found {written(node)}")
        return None

    def schema(self) -> Schema:
        return {"type": "integer", "minimum": self.least, "maximum": self.most}


@dataclass(frozen=True, slots=True)
class Text:
    """Text that is not empty, checked by a function that returns what is wrong with it."""

    what: str
    fault: Callable[[str], str | None] = lambda text: None
    pattern: str = "."

    def read(self, node: Node, problems: Problems) -> str | None:
        if not isinstance(node, Scalar) or not node.written:
            problems.add(node.place, f"expected {self.what}, found {written(node)}")
            return None
        if fault := self.fault(node.written):
            problems.add(node.place, f"expected {self.what}, found {written(node)}: {fault}")
            return None
        return node.written

    def schema(self) -> Schema:
        return {"type": "string", "pattern": self.pattern}


class Networks:
    """A network, an address, or a word for several; values are lists, since a word stands for more than one."""

    def read(self, node: Node, problems: Problems) -> tuple[Network, ...] | None:
        text = node.written if isinstance(node, Scalar) else ""
        if text in NETWORK_WORDS:
            return NETWORK_WORDS[text]
        try:
            return (ip_network(text),)
        except ValueError as error:
            hint = nearest(text, NETWORK_WORDS) if text.isalpha() else f": {error}" if "host bits" in str(error) else ""
            expected = f"a network such as 192.0.2.0/24, or {', '.join(NETWORK_WORDS)}"
            problems.add(node.place, f"expected {expected}, found {written(node)}{hint}")
            return None

    def schema(self) -> Schema:
        return {"type": "string", "pattern": "^(" + "|".join(NETWORK_WORDS) + "|[0-9a-fA-F.:]+(/[0-9]{1,3})?)$"}


@dataclass(frozen=True, slots=True)
class OneOrMore(Generic[T]):
    """One value, or a list of them that is not empty."""

    kind: Kind[T]

    def read(self, node: Node, problems: Problems) -> tuple[T, ...] | None:
        if isinstance(node, Sequence) and not node.items:
            problems.add(node.place, "expected one value or more, found an empty list")
            return None
        values = [self.kind.read(item, problems) for item in items_of(node)]
        good = tuple(value for value in values if value is not None)
        return good if len(good) == len(values) else None

    def schema(self) -> Schema:
        one = self.kind.schema()
        return {"anyOf": [one, {"type": "array", "items": one, "minItems": 1}]}


@dataclass(frozen=True, slots=True)
class ListOf(Generic[T]):
    """A list, empty perhaps."""

    kind: Kind[T]
    least: int = 0

    def read(self, node: Node, problems: Problems) -> tuple[T, ...] | None:
        if not isinstance(node, Sequence):
            problems.add(node.place, f"expected a list, found {written(node)}")
            return None
        if len(node.items) < self.least:
            problems.add(node.place, f"expected a list of {self.least} or more, found {len(node.items)}")
            return None
        values = [self.kind.read(item, problems) for item in node.items]
        return tuple(value for value in values if value is not None)

    def schema(self) -> Schema:
        least = {"minItems": self.least} if self.least else {}
        return {"type": "array", "items": self.kind.schema(), **least}


@dataclass(frozen=True, slots=True)
class MapOf(Generic[T]):
    """Values by key; each key is read as a kind of its own."""

    key: Kind[Any]
    value: Kind[T]
    key_pattern: str | None = None
    least: int = 0

    def read(self, node: Node, problems: Problems) -> dict[Any, T] | None:
        if not isinstance(node, Mapping):
            problems.add(node.place, f"expected a mapping such as `{{name: value}}`, found {written(node)}")
            return None
        if len(node.entries) < self.least:
            problems.add(node.place, f"expected a mapping of {self.least} or more, found {len(node.entries)}")
            return None
        read: dict[Any, T] = {}
        firsts: dict[Any, Place] = {}
        for word, entry in node.entries.items():
            key = self.key.read(Scalar(_number(word), word, entry.place), problems)
            value = self.value.read(entry.node, problems)
            if key is None or value is None:
                continue
            first = firsts.setdefault(key, entry.place)
            if first is not entry.place and first.file == entry.place.file:
                problems.add(entry.place, f"`{word}` is what line {first.line} speaks of already; keep one")
            read[key] = value
        return read

    def schema(self) -> Schema:
        names = {"pattern": self.key_pattern} if self.key_pattern else self.key.schema()
        least = {"minProperties": self.least} if self.least else {}
        return {"type": "object", "propertyNames": names, "additionalProperties": self.value.schema(), **least}


class Field(NamedTuple):
    """A key of a record: its kind, what it is for, and whether it must be there."""

    kind: Kind[Any]
    about: str
    required: bool = False


@dataclass(frozen=True, slots=True)
class Record:
    """A mapping with known keys; `elsewhere` says of others where they belong."""

    fields: dict[str, Field]
    elsewhere: dict[str, str] = field(default_factory=dict)

    def read(self, node: Node, problems: Problems) -> dict[str, Any] | None:
        """The values that are there, by key."""
        if not isinstance(node, Mapping):
            problems.add(node.place, f"expected a mapping with {', '.join(self.fields)}, found {written(node)}")
            return None
        values: dict[str, Any] = {}
        for key, entry in node.entries.items():
            if key not in self.fields:
                hint = nearest(key, self.fields) or f"; expected one of {', '.join(self.fields)}"
                problems.add(entry.place, f"unknown key `{key}`{self.elsewhere.get(key, hint)}")
            elif (value := self.fields[key].kind.read(entry.node, problems)) is not None:
                values[key] = value
        for key, known in self.fields.items():
            if known.required and key not in node.entries:
                problems.add(node.place, f"`{key}` is missing: {known.about}")
        return values

    def schema(self) -> Schema:
        properties = {key: {**known.kind.schema(), "description": known.about} for key, known in self.fields.items()}
        required = [key for key, known in self.fields.items() if known.required]
        described: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
        return {**described, "required": required} if required else described


@dataclass(frozen=True, slots=True)
class Placed(Generic[T]):
    """A value together with where it stands."""

    kind: Kind[T]

    def read(self, node: Node, problems: Problems) -> tuple[Place, T] | None:
        value = self.kind.read(node, problems)
        return None if value is None else (node.place, value)

    def schema(self) -> Schema:
        return self.kind.schema()


def _number(word: str) -> object:
    return int(word) if re.fullmatch(r"-?[0-9]{1,9}", word) else word
