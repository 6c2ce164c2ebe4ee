"""What a proxy keeps when other rules come into force, and what it leaves alone when they cannot."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import threading
import time
from contextlib import closing
from functools import partial

import pytest

from scrapeguard.cli.proxy import NamedUpstreams, _Builder, load_served
from scrapeguard.core.request import Request
from scrapeguard.proxy.exchange import Limits
from scrapeguard.proxy.lifespan import AppLifespan
from scrapeguard.proxy.reload import Reloading
from scrapeguard.telemetry.events import Event

QUIET = "extends: default\nverification: {dns: off, refresh: off}\n"
SILENT = 'events: {log: "off"}\n'
SECRET = "secret: {}\n"
RATED = "rules: [{name: often, when: {purpose: tool, rate: 3/h}, action: block}]\n"


@pytest.fixture
def running(tmp_path, monkeypatch):
    """Run something with a proxy that reloads: what it is given puts other rules into the file and reads them."""
    monkeypatch.chdir(tmp_path)
    for name in ("one", "two"):
        (tmp_path / name).write_text(f"the secret named {name}, which is long enough")
    path = tmp_path / "rules.yaml"
    named = NamedUpstreams.of(["http://127.0.0.1:9"])
    load = partial(load_served, named)

    def run(before, use):
        path.write_text(QUIET + before)

        async def main():
            build = _Builder(named, Limits(), None)
            app = Reloading(build, load(path), path=path, load=load, in_force=build.in_force)
            outer = AppLifespan(app)
            await outer.start()

            async def change(after):
                path.write_text(QUIET + after)
                await app.reload()

            try:
                await use(app, change)
            finally:
                await outer.stop()
                await build.close()

        asyncio.run(main())

    return run


def state(behaviour):
    """All that rules set at what is known of clients."""
    history = behaviour.history
    return (
        history,
        behaviour.ledger,
        behaviour.traps,
        behaviour._browsers.proxied,
        history.tell,
        history.styles.tell,
        behaviour.ledger.tell,
    )


def test_rules_that_cannot_be_honoured_change_nothing_at_the_guard_that_serves(running, tmp_path):
    (tmp_path / "empty").mkdir()
    common = SECRET.format("one") + SILENT + "store: sqlite:known.db\n"

    async def use(app, change):
        guard = app._app.guard
        before = state(guard.behaviour)
        await change(
            SECRET.format("one")
            + SILENT
            + "store: sqlite:other.db\ntraps: {live: off}\nproxies: {trusted: [10.0.0.0/8]}\n"
            + "decoys: {serve: on, corpus: empty}\n"
        )
        assert (app.failures, app._app.guard) == (1, guard)
        assert state(guard.behaviour) == before
        assert guard.behaviour.traps is not None
        guard.assess(Request.of(f"{guard.closed[0]}abc", user_agent="python-requests/2", peer="192.0.2.1"))
        assert len(guard.behaviour.ledger) == 1

    running(common + "traps: {live: on}\n", use)


def test_rules_are_built_without_a_change_of_what_serves_until_they_are_in_force(running):
    async def use(app, change):
        old = app._app.guard.behaviour
        await change(SECRET.format("one") + SILENT + "traps: {live: on}\n")
        new = app._app.guard.behaviour
        assert (old.traps, new.traps is not None) == (None, True)
        assert (new.history, new.ledger) == (old.history, old.ledger)

    running(SECRET.format("one") + SILENT + "traps: {live: off}\n", use)


def test_proxies_that_come_and_go_change_how_headers_are_read(running):
    quiet = SECRET.format("one") + SILENT
    trusting = quiet + "proxies: {trusted: [10.0.0.0/8]}\n"

    async def use(app, change):
        told = []
        for after in (trusting, quiet):
            await change(after)
            told.append(app._app.guard.behaviour._browsers.proxied)
        assert told == [True, False]

    running(quiet, use)


def test_a_store_that_goes_is_told_nothing_more_and_one_that_comes_is(running):
    quiet = SECRET.format("one") + SILENT
    stored = quiet + "store: sqlite:known.db\n"

    async def use(app, change):
        exchange = app._app._parts.exchange
        await change(stored + "agents: {GPTBot: allow}\n")
        # The same store, whose journal would else hear again what it has told.
        assert app._app._parts.exchange is exchange
        history, ledger = (behaviour := app._app.guard.behaviour).history, behaviour.ledger
        assert history.tell.__self__ is exchange.journal
        await change(quiet)
        assert (history.tell, history.styles.tell, ledger.tell) == (None, None, None)
        await change(stored)
        journal = app._app._parts.exchange.journal
        assert {one.__self__ for one in (history.tell, history.styles.tell, ledger.tell)} == {journal}
        assert journal.rates is app._app.guard.rates

    running(stored, use)


def test_requests_counted_before_count_on_where_the_windows_are_the_same(running):
    common = SECRET.format("one") + SILENT
    request = Request.of("/", user_agent="curl/8", peer="192.0.2.1")

    async def use(app, change):
        for _ in range(3):
            assert app._app.guard.assess(request).action == "allow"
        await change(common + RATED + "agents: {GPTBot: allow}\n")
        assert app._app.guard.assess(request).action == "block"
        await change(common + RATED.replace("/h", "/min"))
        assert (app.reloads, app._app.guard.assess(request).action) == (2, "allow")

    running(common + RATED, use)


def test_the_log_of_decoys_is_closed_once_no_request_can_go_by_its_rules(running, tmp_path):
    lying = SILENT + SECRET.format("one") + "decoys: {serve: on, log: served.db}\nagents: {GPTBot: decoy}\n"

    headers = [(b"host", b"h"), (b"user-agent", b"GPTBot/1.3")]
    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": headers}

    others = set(threading.enumerate())

    def writers():
        return sum(thread.name == "scrapeguard-provenance" for thread in set(threading.enumerate()) - others)

    async def send(message):
        assert message.get("status", 200) == 200

    async def use(app, change):
        for number in range(6):
            await app({**scope, "client": ("192.0.2.1", number)}, None, send)
            await change(lying + f"rules: [{{name: r{number}, when: {{agent: r{number}}}, action: block}}]\n")
        until = time.monotonic() + 60
        while writers() > 2:
            assert time.monotonic() < until, f"{writers()} threads write"
            await asyncio.sleep(0.05)
        await change(SILENT)
        await change(SILENT + SECRET.format("one"))
        while writers():
            assert time.monotonic() < until, f"{writers()} threads write"
            await asyncio.sleep(0.05)

    running(lying, use)
    with closing(sqlite3.connect(tmp_path / "served.db")) as database:
        assert database.execute("SELECT count(*) FROM link").fetchone()[0] >= 6


def test_another_secret_hashes_addresses_anew_and_old_logs_are_closed(running, tmp_path):
    hashed = "events: {log: events.log, addresses: hashed}\n"

    async def use(app, change):
        logs = []
        for secret in ("one", "two"):
            await change(SECRET.format(secret) + hashed)
            record = app._app._record
            logs.append(record.__self__)
            request = Request.of("/", user_agent="GPTBot/1.3", peer="192.0.2.1")
            record(Event.of(0.0, secret, request, app._app.guard.assess(request)))
        # A request under way may still write by the rules before; two changes on, no more.
        assert not logs[0]._closed.is_set()
        await change(SECRET.format("two") + SILENT)
        assert [log._closed.is_set() for log in logs] == [True, False]
        await change(SECRET.format("one") + SILENT)
        assert [log._closed.is_set() for log in logs] == [True, True]
        for log in logs:
            log.close()

    running(SECRET.format("one") + hashed, use)
    told = [json.loads(line) for line in (tmp_path / "events.log").read_text().splitlines()]
    clients = {one["reference"]: one["client"] for one in told}
    assert set(clients) == {"one", "two"}
    assert clients["one"] != clients["two"]
