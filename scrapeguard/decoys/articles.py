"""Articles: from a few random bytes to title, headings and paragraphs, fast.

All that is the same for every page of a site is compiled once (`Author`). A page then takes the next form of the next
kind until its layout ends, joins the forms, and fills them twice: with words, by one random byte each, and with the
entities of its group. Each page turns its bytes by one of a few tables that make some of them common, so that the same
things, people and turns come back within a page, as they do in articles that keep to a subject.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from operator import getitem
from struct import Struct
from types import ModuleType
from typing import NamedTuple

from scrapeguard.decoys.banks import Banks, OwnBanks, bank_of
from scrapeguard.decoys.corpus import Corpus
from scrapeguard.decoys.decks import HEADINGS, KEPT_TITLES, ORDERS, Deck, Decks, Order, dealt
from scrapeguard.decoys.draws import Draws
from scrapeguard.decoys.grammar import BIG, SMALL, YEARS, Compiler, Form, banks_in
from scrapeguard.decoys.habits import Habits
from scrapeguard.decoys.layouts import Bent, Layout, bent_of, layouts_of
from scrapeguard.decoys.lexicon import Lexicon, Plan, Topic
from scrapeguard.decoys.register import Register
from scrapeguard.decoys.voice import SURNAMES, TOWNS, own_voice, shared_banks
from scrapeguard.decoys.worlds import Group, World

HEAD = 160
"""Bytes of a page that choose its subject; its title needs no more."""
BYTES = 1200
"""Bytes of a page; more slots than that start again from the first."""

_FRESH = Struct(">15H")
_FIGURES = Struct(">23H")

_TABLES = 128
_HOT_SHARE = 151


class Subject(NamedTuple):
    """What a page is about, and what it is called."""

    kind: int
    group: Group
    table: bytes
    title: str
    year: int
    month: int
    day: int
    entities: dict[str, str]


class Kind(NamedTuple):
    """A kind of article, compiled."""

    name: str
    section: str
    titles: tuple[Form, ...]
    layouts: tuple[Layout, ...]


class _Voice(NamedTuple):
    """What is said of a topic: its words, and for each kind of clause the forms, and ORDERS of them, once asked for."""

    banks: OwnBanks
    decks: list[Deck]
    orders: list[Order]


class Author:
    """Writes the articles of one site.

    Args:
        lexicon: the words of a locale.
        language: how its words change.
        world: the people and places of the site.
        topics: those of the site, in the order of the world.
        draws: chooses what this site knows of all that.
        corpus: texts of the owner, which then say most of what is said.
    """

    def __init__(
        self,
        lexicon: Lexicon,
        language: ModuleType,
        world: World,
        topics: Sequence[Topic],
        draws: Draws,
        corpus: Corpus | None = None,
    ) -> None:
        self._world = world
        self._date: str = language.DATE
        self._thousands: str = language.THOUSANDS
        self._months = lexicon.phrases["month"]
        first_names = {"name": bank_of((*world.women, *world.men), draws)}
        self._banks = Banks(shared_banks(lexicon, language, draws) | first_names, language.derived)
        habits = Habits(lexicon, draws)
        register = Register(language.MARKS, draws.child("register"))
        self._decks = Decks(lexicon, self._banks, habits, register, draws.child("decks"))
        pools = {pool.kind: number for number, pool in enumerate(self._decks.pools)}
        self._headings = pools[HEADINGS]
        compiler = Compiler(self._banks, draws, habits)
        bent = bent_of(pools, draws)
        self.kinds = tuple(_kind(plan, pools, bent, compiler, draws) for plan in lexicon.plans)
        self._lengths = [self._most(pool) for pool in range(len(pools))]
        self._captions = tuple(compiler.form(line) for line in lexicon.clauses["caption"])
        headings = (choices for kind in self.kinds for layout in kind.layouts for _, _, choices in layout.cells)
        self._common = banks_in([self._captions, *(kind.titles for kind in self.kinds), *headings])
        self._kinds_of = tuple(
            [number for number, plan in enumerate(lexicon.plans) if not plan.topics or topic.name in plan.topics]
            for topic in topics
        )
        self._language = language
        self._topics = list(topics)
        self._draws = [draws.child(topic.name) for topic in topics]
        self._voices = [self._voice(number) for number in range(len(topics))]
        self._tables = tuple(_table(draws) for _ in range(_TABLES))
        self._own = tuple(own_voice(document, draws) for document in corpus.documents) if corpus else ()

    def _most(self, pool: int) -> int:
        """How many clauses of a kind a page asks for at most."""
        return max(dict(layout.pools).get(pool, 0) for kind in self.kinds for layout in kind.layouts)

    def _voice(self, number: int) -> _Voice:
        """What is said of a topic, as far as its titles need it."""
        topic, draws = self._topics[number], self._draws[number]
        jostled = self._language.topic_banks({name: draws.jostled(each) for name, each in topic.words.items()})
        banks = self._banks.own({name: bank_of(entries, draws, flat=40.0) for name, entries in jostled.items()})
        banks.learn(self._common)
        return _Voice(banks, [], [()] * (ORDERS * len(self._lengths)))

    def _deck(self, topic: int, pool: int) -> Deck:
        """The forms of a kind for a topic, which are made when the first page asks for any of them."""
        voice = self._voices[topic]
        if not voice.decks:
            voice.decks.extend(self._decks.of(self._topics[topic]))
            # It is in the forms now.
            self._topics[topic] = self._topics[topic]._replace(said="")
            voice.banks.learn(self._decks.general_banks)
            for deck in voice.decks:
                voice.banks.learn(banks_in(deck.own))
        return voice.decks[pool]

    def _order(self, topic: int, pool: int, place: int) -> Order:
        """The forms of a kind in one of their orders, made when the first page asks for it."""
        order = dealt(self._deck(topic, pool), self._lengths[pool], self._draws[topic].child(f"{pool}/{place}"))
        self._voices[topic].orders[pool * ORDERS + place] = order
        return order

    def subject(self, head: bytes) -> Subject:
        """The subject of the page with these first bytes (HEAD of them)."""
        group = self._world.groups[(head[0] << 8 | head[1]) % len(self._world.groups)]
        kinds = self._kinds_of[group.topic]
        kind = kinds[head[2] % len(kinds)]
        year, month, day = 2009 + head[4] % 15, head[5] % 12, 1 + head[6] % 28
        guest = self._world.person(head[10], head[11], head[12])
        before, code, other, *figures = _FIGURES.unpack_from(head, 80)
        more = 3 + head[9] % 90
        fresh = _FRESH.unpack_from(head, 130)
        surnames, towns = self._world.surnames, self._world.towns
        small, big = figures[: len(SMALL)], figures[len(SMALL) :]
        entities = {name: str(2 + figure % 998) for name, figure in zip(SMALL, small, strict=True)}
        entities.update(zip(BIG, map(self._grouped, big), strict=True))
        last = 0
        for name, of_old in zip(YEARS, sorted([1890 + figure % 110 for figure in big]), strict=False):
            last = max(of_old, last + 1)
            entities[name] = str(last)
        for name, number in zip(SURNAMES, fresh, strict=False):
            entities[name] = surnames[number % len(surnames)]
        for name, number in zip(TOWNS, fresh[len(SURNAMES) :], strict=True):
            entities[name] = towns[number % len(towns)]
        entities.update(self._world.entities(group, head[3]))
        first = head[14]
        entities.update(
            f0=self._world.women[first % len(self._world.women)],
            f1=self._world.men[first % len(self._world.men)],
            f2=self._world.women[(first + 1) % len(self._world.women)],
            Q=f"{guest.first} {guest.last}",
            Ql=self._world.called(guest),
            Y=str(year),
            L=str(year - 1 - head[15] % 28),
            M=self._grouped(20 + before % 1900),
            N=self._grouped(20 + before % 1900 + more),
            X=str(more),
            age=str(19 + head[13] % 60),
            code=str(1000 + code),
            code2=str(1000 + other),
            dt=self._date.format(day=day, month=self._months[month]),
            ver=f"{1 + head[20] % 9}.{head[21] % 20}",
        )
        table = self._tables[head[22] % _TABLES]
        own = self._own[group.topic % len(self._own)] if self._own else None
        forms = own.titles if own else self.kinds[kind].titles
        title = self._filled(forms[head[23] % len(forms)], group.topic, head[24:80].translate(table)) % entities
        return Subject(kind, group, table, title, year, month, day, entities)

    def _grouped(self, number: int) -> str:
        return f"{number:,}".replace(",", self._thousands)

    def caption(self, subject: Subject, draws: bytes) -> str:
        """What a picture for that subject is said to show."""
        form = self._captions[draws[0] % len(self._captions)]
        return self._filled(form, subject.group.topic, draws[1:].translate(subject.table)) % subject.entities

    def _filled(self, form: Form, topic: int, draws: bytes) -> str:
        banks = self._voices[topic].banks.known
        return form.text % tuple(map(getitem, map(banks.__getitem__, form.banks), draws))

    def write(self, subject: Subject, draws: bytes, glue: Mapping[str, str]) -> str:
        """The article but for its title, with the marks of `glue` between its parts."""
        layouts = self.kinds[subject.kind].layouts
        layout = layouts[draws[0] % len(layouts)]
        topic = subject.group.topic
        voice = self._voices[topic]
        nexts: dict[int, Iterator[Form]] = {}
        for pool, _ in layout.pools:
            place = draws[pool + 1] % ORDERS
            nexts[pool] = iter(voice.orders[pool * ORDERS + place] or self._order(topic, pool, place))
        own = self._own[topic % len(self._own)] if self._own else None
        if own:
            # Who gave texts of his own hears his own voice, under headings of his own.
            nexts = dict.fromkeys(nexts, iter(own.deck[draws[1] % len(own.deck)]))
        parts: list[str] = []
        numbers: list[int] = []
        at = HEAD
        headings = self._headings
        for mark, pool, choices in layout.cells:
            if own and pool == headings:
                choices = own.titles
            if choices:
                form = choices[draws[at] % len(choices)]
                at += 1
            else:
                form = next(nexts[pool])
            parts.append(glue[mark])
            parts.append(form.text)
            numbers += form.banks
        parts.append(glue[layout.end])
        words = draws[at:].translate(subject.table)
        if len(words) < len(numbers):
            words *= 1 + len(numbers) // len(words)
        banks = voice.banks.known
        text = "".join(parts) % tuple(map(getitem, map(banks.__getitem__, numbers), words))
        return text % subject.entities


def _kind(plan: Plan, pools: Mapping[str, int], bent: Bent, compiler: Compiler, draws: Draws) -> Kind:
    titles = tuple(compiler.form(title) for title in draws.some(plan.titles, KEPT_TITLES, 4))
    return Kind(plan.kind, plan.section, titles, layouts_of(plan, pools, bent, compiler, draws))


def _table(draws: Draws) -> bytes:
    """A table for bytes.translate: most bytes become one of two, the others stay apart."""
    places = draws.shuffled(range(256))
    # The one seven times as often as the other.
    first = [places[not octet & 7] for octet in draws.octets(_HOT_SHARE)]
    return bytes(draws.shuffled(first + places[: 256 - _HOT_SHARE]))
