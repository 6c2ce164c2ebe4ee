"""What do canaries and their log cost, and what can the test see?

How to read it: a copy is what the served page gets, a candidate what a model is asked to score; beside them 80 words
drawn from a list. `record` is what a request waits for; what the thread does with a page of 200 words (hashes,
fingerprints, chain, SQLite) is beside it. Looking for a sentence of twelve words goes through 100,000 pages of which
only fingerprints are kept, against `LIKE` over a table that keeps their texts whole; the chain is checked besides. The
power is that of a model whose loss of what it read is lower by one standard deviation, at a level of 0.01, among 1,024
candidates.
"""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from statistics import NormalDist
from tempfile import TemporaryDirectory

from bench.report import Row, micro
from bench.timing import calls, fastest
from scrapeguard.canaries.canary import Canary
from scrapeguard.canaries.ranktest import combined_p_value
from scrapeguard.core.catalogue import Purpose
from scrapeguard.core.decision import Action, Decision, Recognised
from scrapeguard.core.identity import Identity
from scrapeguard.core.request import Request
from scrapeguard.telemetry.events import Event, EventLog
from scrapeguard.telemetry.provenance import Page, ProvenanceRecorder, Served
from scrapeguard.telemetry.provenancelog import ProvenanceLog
from scrapeguard.telemetry.provenanceread import ProvenanceReader

_PAGES = 100_000
_WORDS = [f"{start}{end}" for start in "ka lo mi ne pu ra se ti".split() for end in map(str, range(700))]
_NOW = 1_795_000_000.0
_REQUEST = Request.of("/archive/page?x=1", host="example.com", user_agent="GPTBot/1.3")
_DECISION = Decision(
    Action.BLOCK,
    "agents.training",
    0,
    Recognised("GPTBot", "OpenAI", Purpose.TRAINING, Identity.CLAIMED),
    "203.0.113.9",
)
_LEVEL = 0.01


def run() -> list[Row]:
    return [*_rendering(), *_recording(), *_finding(), *_power()]


def _rendering() -> list[Row]:
    canary = Canary(bytes(range(32)), "example.com", "GPTBot", "2026-11")
    generator = random.Random(1)
    paths = [f"/archive/{number}" for number in range(2_000)]
    seconds = fastest(
        {
            "copy": calls(lambda path: canary.paragraph(canary.page_id(path)), lambda: paths),
            "candidate": calls(canary.candidate, lambda: range(500)),
            "crawl": calls(lambda path: Canary(canary.key, path, "a", "e"), lambda: paths[:300]),
            "words": calls(lambda _: " ".join(generator.choices(_WORDS, k=80)), lambda: paths),
        }
    )
    copy, candidate, crawl, words = (seconds[name] for name in ("copy", "candidate", "crawl", "words"))
    return [
        Row("Copy of a canary for a page, with its id", micro(copy), "", f"{copy / words:.1f}x 80 random words"),
        Row("Candidate of a canary", micro(candidate), "", f"{candidate / words:.1f}x 80 random words"),
        Row("Canary of a new crawl", micro(crawl)),
    ]


def _recording() -> list[Row]:
    pages = [_page(number) for number in range(1_000)]
    lines = EventLog(lambda text: None, waiting=10**6, pause=60.0)
    with _log() as (path, log):
        recorder = ProvenanceRecorder(
            lambda: ProvenanceLog(path), clock=lambda: _NOW, waiting=10**6, waiting_octets=10**9, pause=60.0
        )

        def write(batch: list[Served]) -> None:
            log.append([served.entry() for served in batch], _NOW)

        batches = [
            [Served.of(_NOW, _REQUEST, _DECISION, page) for page in pages[at : at + 100]] for at in range(0, 1000, 100)
        ]
        seconds = fastest(
            {
                "record": calls(
                    lambda page: recorder.record(Served.of(_NOW, _REQUEST, _DECISION, page)), lambda: pages
                ),
                "event": calls(lambda page: lines.record(Event.of(_NOW, "r", _REQUEST, _DECISION)), lambda: pages),
                "write": calls(write, lambda: batches),
            },
            rounds=5,
        )
        recorder.close(60.0)
    record, event, written = seconds["record"], seconds["event"], seconds["write"] / 100
    return [
        Row("Record what was served, on the request path", micro(record), "", f"{record / event:.1f}x an event"),
        Row("Write it into the chain, in the thread", micro(written), "", f"{1 / written:,.0f} pages a second"),
    ]


def _finding() -> list[Row]:
    quotes = {number: " ".join(_page(number).text.split()[90:102]) for number in (77, 50_000, 99_990)}
    with _log() as (path, log):
        plain = sqlite3.connect(path.with_name("plain.db"))
        plain.execute("CREATE TABLE page (text TEXT)")
        for start in range(0, _PAGES, 1_000):
            pages = [_page(number) for number in range(start, start + 1_000)]
            log.append([Served.of(_NOW, _REQUEST, _DECISION, page).entry() for page in pages], _NOW)
            plain.executemany("INSERT INTO page VALUES (?)", [(page.text,) for page in pages])
        plain.commit()
        with ProvenanceReader(path) as reader, closing(plain):

            def find(number: int) -> None:
                if reader.find(quotes[number])[0].number != number + 1:
                    raise AssertionError(f"page {number} is not found")

            seconds = fastest(
                {
                    "find": calls(find, lambda: list(quotes)),
                    "like": calls(lambda number: _like(plain, quotes[number]), lambda: list(quotes)),
                    "verify": calls(lambda _: reader.verify(), lambda: [None]),
                },
                rounds=3,
            )
        octets, whole = path.stat().st_size, path.with_name("plain.db").stat().st_size
    found, like = seconds["find"], seconds["like"]
    return [
        Row(
            f"Find a sentence in a log of {_PAGES:,} pages",
            f"{found:.2f} s",
            "<= 2 s",
            f"{found / like:.1f}x LIKE over whole texts, which misses changes of case and punctuation",
            found <= 2.0,
        ),
        Row(f"Check a chain of {_PAGES:,} links", f"{seconds['verify']:.2f} s"),
        Row("Size of the log, a page", f"{octets / _PAGES:,.0f} octets", "", f"{octets / whole:.1f}x the texts alone"),
    ]


def _power() -> list[Row]:
    generator = random.Random(3)
    start = time.process_time()
    one, twenty = _found(generator, 1, 3_000), _found(generator, 20, 300)
    combining = time.process_time()
    combined_p_value([500] * 1_000, 1024)
    return [
        Row("Trace of one standard deviation found with 1 canary", f"{one:.0%}", "", "level 0.01"),
        Row("the same with 20 canaries", f"{twenty:.0%}", ">= 95%", "level 0.01", twenty >= 0.95),
        Row(
            "Exact p-value of 1,000 canaries",
            f"{(time.process_time() - combining) * 1e3:.1f} ms",
            "",
            f"simulations {combining - start:.0f} s",
        ),
    ]


def _found(generator: random.Random, canaries: int, runs: int) -> float:
    """The share of tests that find a model whose losses of what it read are lower by one standard deviation."""
    below = NormalDist().cdf
    found = 0
    for _ in range(runs):
        ranks = []
        for _ in range(canaries):
            share = below(generator.gauss(-1, 1))
            ranks.append(1 + sum(generator.random() < share for _ in range(1023)))
        found += combined_p_value(ranks, 1024) <= _LEVEL
    return found / runs


def _page(number: int) -> Page:
    text = " ".join(random.Random(number).choices(_WORDS, k=200))
    return Page(text.encode(), text, "2026-11", f"id {number}", "d74d4395")


def _like(database: sqlite3.Connection, quote: str) -> None:
    if database.execute("SELECT count(*) FROM page WHERE text LIKE ?", (f"%{quote}%",)).fetchone()[0] != 1:
        raise AssertionError("the sentence is not found")


@contextmanager
def _log() -> Iterator[tuple[Path, ProvenanceLog]]:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "provenance.db"
        with closing(ProvenanceLog(path)) as log:
            yield path, log
