"""The world of a site: people, groups and towns that agree with one another on every page.

First names, town endings and street endings are those of Faker's locale; stems and surnames are invented, so that no
first name and surname together are somebody's. Faker is asked once, at start, for whole tables: its calls are slow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import NamedTuple

from scrapeguard.decoys.draws import Draws

GROUPS = 512
PEOPLE_OF_GROUP = 4
_STEMS = 180
_TRIES = 8
_FORMAL = 45
"""Of a hundred sites, so many call people by a title."""

Entities = Mapping[str, str]


class NameParts(NamedTuple):
    """What invented names of a locale are made of, and its words for he and she."""

    stems: tuple[str, ...]
    onsets: tuple[str, ...]
    vowels: tuple[str, ...]
    codas: tuple[str, ...]
    surname_endings: tuple[str, ...]
    town_endings: tuple[str, ...]
    pronouns: tuple[tuple[str, str, str], tuple[str, str, str]]
    titles: tuple[str, ...]
    firms: tuple[str, ...]
    real: frozenset[str]


class Tables(NamedTuple):
    """What Faker knows of a locale."""

    women: tuple[str, ...]
    men: tuple[str, ...]
    streets: tuple[str, ...]


class Person(NamedTuple):
    """Somebody who does not exist."""

    first: str
    last: str
    woman: bool


class Group(NamedTuple):
    """A circle of people with a home: what a page is about."""

    number: int
    topic: int
    name: str
    town: str
    neighbour: str
    street: str
    founded: int
    people: tuple[Person, ...]


def tables(locale: str) -> Tables:
    """Faker's names for a locale.

    Raises:
        ImportError: Faker is not there, or does not know the locale.
    """
    person = import_module(f"faker.providers.person.{locale}").Provider
    address = import_module(f"faker.providers.address.{locale}").Provider
    streets = getattr(address, "street_suffixes", None) or ("Straße", "Weg", "Gasse", "Allee", "Platz", "Ring")
    women, men = (tuple(sorted(set(names))) for names in (person.first_names_female, person.first_names_male))
    return Tables(women, men, tuple(sorted(set(streets))))


class World:
    """Everybody and every place of a site.

    Args:
        parts: what names are made of.
        names: first names and street endings.
        circles: for each topic of the site, its words for a circle of people.
        draws: chooses.
    """

    def __init__(self, parts: NameParts, names: Tables, circles: Sequence[Sequence[str]], draws: Draws) -> None:
        self._parts = parts
        stems = _stems(parts, draws)
        self.surnames = _joined(stems, parts.surname_endings, parts.real, draws)
        self.towns = _joined(draws.shuffled(stems), parts.town_endings, parts.real, draws)
        self.women = tuple(draws.shuffled(names.women)[:128])
        self.men = tuple(draws.shuffled(names.men)[:128])
        self.streets = tuple(draws.shuffled([street for street in names.streets if len(street) > 3])[:24])
        self._titles = parts.titles if draws.percent(_FORMAL) else ()
        self._known: dict[tuple[int, int], Entities] = {}
        self._named = set[Person]()
        self.groups = tuple(self._group(number, circles, draws) for number in range(GROUPS))

    def person(self, one: int, two: int, three: int) -> Person:
        """The person of three bytes."""
        woman = one < 128
        first = self.women[one] if woman else self.men[one - 128]
        return Person(first, self.surnames[(two << 6 ^ three) % len(self.surnames)], woman)

    def called(self, person: Person) -> str:
        """What a person is called who was named before."""
        return f"{self._titles[0 if person.woman else 1]} {person.last}" if self._titles else person.last

    def _group(self, number: int, circles: Sequence[Sequence[str]], draws: Draws) -> Group:
        topic = number % len(circles)
        town, neighbour = draws.choice(self.towns), draws.choice(self.towns)
        people = tuple(self._newcomer(draws) for _ in range(PEOPLE_OF_GROUP))
        circle = draws.choice(circles[topic])
        pattern = draws.choice(self._parts.firms)
        name = pattern.format(town=town, circle=circle, last=people[0].last, other=people[1].last)
        street = f"{draws.choice(self.surnames)} {draws.choice(self.streets)}"
        return Group(number, topic, name, town, neighbour, street, 1880 + draws.below(125), people)

    def _newcomer(self, draws: Draws) -> Person:
        """Somebody whose name nobody else in a group has, as far as names go."""
        for _ in range(_TRIES):
            person = self.person(*(draws.below(256) for _ in range(3)))
            if person not in self._named:
                break
        self._named.add(person)
        return person

    def entities(self, group: Group, cast: int) -> Entities:
        """What pages about a group call it and its people; `cast` tells who comes first."""
        known = self._known.get((group.number, cast % PEOPLE_OF_GROUP))
        if known is None:
            known = self._known[group.number, cast % PEOPLE_OF_GROUP] = self._called(group, cast)
        return known

    def _called(self, group: Group, cast: int) -> Entities:
        lead, second = group.people[cast % PEOPLE_OF_GROUP], group.people[(cast + 1) % PEOPLE_OF_GROUP]
        he, his, him = self._parts.pronouns[0 if lead.woman else 1]
        return {
            "G": group.name,
            "^G": f"{group.name[0].upper()}{group.name[1:]}",
            "C": group.town,
            "D": group.neighbour,
            "B": group.street,
            "Z": str(group.founded),
            "P": f"{lead.first} {lead.last}",
            "Pl": self.called(lead),
            "he": he,
            "his": his,
            "him": him,
            "He": he.capitalize(),
            "His": his.capitalize(),
            "R": f"{second.first} {second.last}",
            "Rl": self.called(second),
        }


def _stems(parts: NameParts, draws: Draws) -> list[str]:
    """Words that few names begin with, and invented syllables where a locale has not enough of them."""
    stems = dict.fromkeys(stem.capitalize() for stem in draws.some(parts.stems, 0.8))
    while len(stems) < _STEMS:
        stems[draws.choice(parts.onsets) + draws.choice(parts.vowels) + draws.choice(parts.codas)] = None
    return draws.shuffled(list(stems))


def _joined(stems: Sequence[str], endings: Sequence[str], real: frozenset[str], draws: Draws) -> tuple[str, ...]:
    """Stems with endings, without names that are known to be somebody's or some place's."""
    names = (f"{stem}{ending}" for stem in stems for ending in draws.some(endings, 0.5) if stem[-1] != ending[0])
    return tuple(draws.shuffled([name for name in dict.fromkeys(names) if name not in real])[:4096])
