"""YAML as a tree that remembers where each part stands."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import yaml

from scrapeguard.errors import PolicyError, Problem

# libyaml where it is there, which it is in every wheel of PyYAML: ten times the speed.
SAFE_LOADER: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_MAX_NODES = 500_000
_MAX_DEPTH = 64


class Place(NamedTuple):
    """Where something stands; line and column from 1."""

    file: str
    line: int
    column: int

    def problem(self, message: str) -> Problem:
        """A problem at this place."""
        return Problem(self.file, self.line, self.column, message)


@dataclass(frozen=True, slots=True)
class Scalar:
    """A single value, and how it was written (`off` is a boolean to YAML and a word to us)."""

    value: object
    written: str
    place: Place


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list; `parts` are the lists as they were written, where several were joined."""

    items: tuple[Node, ...]
    place: Place
    parts: tuple[tuple[Node, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Entry:
    """A value under a key, and where the key stands."""

    place: Place
    node: Node


@dataclass(frozen=True, slots=True)
class Mapping:
    """Values by key; the keys as they were written."""

    entries: dict[str, Entry]
    place: Place


Node = Scalar | Sequence | Mapping


def parse(text: str, file: str, problems: list[Problem]) -> Node:
    """The tree of a YAML document; an empty one is an empty mapping. Keys that stand twice and the like are noted.

    Raises:
        PolicyError: it is not YAML at all.
    """
    try:
        root = yaml.compose(text, Loader=SAFE_LOADER)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(file, mark.line + 1, mark.column + 1) if mark else Place(file, 1, 1)
        message = ", ".join(part for part in (error.context, error.problem) if part)
        raise PolicyError([place.problem(f"not YAML: {message}")]) from None
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        place = Place(file, before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1)
        raise PolicyError([place.problem(f"not YAML: {error.reason}")]) from None
    if root is None:
        return Mapping({}, Place(file, 1, 1))
    return _Reader(file, problems).convert(root, 0)


class _Reader:
    def __init__(self, file: str, problems: list[Problem]) -> None:
        self.file = file
        self.problems = problems
        self._constructor = yaml.constructor.SafeConstructor()
        self._nodes = 0

    def convert(self, node: yaml.Node, depth: int) -> Node:
        place = Place(self.file, node.start_mark.line + 1, node.start_mark.column + 1)
        self._nodes += 1
        if depth > _MAX_DEPTH or self._nodes > _MAX_NODES:
            raise PolicyError([place.problem("nested too deep, or too large once its aliases are followed")])
        if isinstance(node, yaml.MappingNode):
            return Mapping(self._entries(node, depth), place)
        if isinstance(node, yaml.SequenceNode):
            return Sequence(tuple(self.convert(item, depth + 1) for item in node.value), place)
        return Scalar(self._value(node, place), node.value, place)

    def _entries(self, node: yaml.MappingNode, depth: int) -> dict[str, Entry]:
        entries: dict[str, Entry] = {}
        for key_node, value_node in node.value:
            place = Place(self.file, key_node.start_mark.line + 1, key_node.start_mark.column + 1)
            if not isinstance(key_node, yaml.ScalarNode):
                self.problems.append(place.problem("a key must be a single word"))
                continue
            key = key_node.value
            if key in entries:
                first = entries[key].place.line
                self.problems.append(place.problem(f"`{key}` stands here again, first in line {first}; keep one"))
                continue
            entries[key] = Entry(place, self.convert(value_node, depth + 1))
        return entries

    def _value(self, node: yaml.Node, place: Place) -> object:
        try:
            return self._constructor.construct_object(node)
        except (yaml.YAMLError, ValueError):
            self.problems.append(place.problem(f"`{node.value}` is not a value that a rule file can hold"))
            return None


def merge(base: Node, own: Node) -> Node:
    """The own tree laid over the base: mappings key by key, `rules` one list after the other, all else replaced."""
    if not (isinstance(base, Mapping) and isinstance(own, Mapping)):
        return own
    entries = dict(base.entries)
    for key, entry in own.entries.items():
        below = base.entries.get(key)
        if below is None:
            entries[key] = entry
        elif key == "rules" and isinstance(below.node, Sequence) and isinstance(entry.node, Sequence):
            entries[key] = Entry(entry.place, _joined(entry.node, below.node))
        else:
            entries[key] = Entry(entry.place, merge(below.node, entry.node))
    return Mapping(entries, own.place)


def _joined(first: Sequence, second: Sequence) -> Sequence:
    parts = (first.parts or (first.items,)) + (second.parts or (second.items,))
    return Sequence(first.items + second.items, first.place, parts)


def without(node: Mapping, *keys: str) -> Mapping:
    """The mapping less some keys."""
    return Mapping({key: entry for key, entry in node.entries.items() if key not in keys}, node.place)


def items_of(node: Node) -> Iterator[Node]:
    """The items of a list, or the node itself where it stands alone."""
    if isinstance(node, Sequence):
        yield from node.items
    else:
        yield node
