"""Other rules for a proxy that runs."""

from __future__ import annotations

import asyncio
import threading
from contextlib import closing
from http.client import HTTPConnection

import pytest

from scrapeguard.app import ScrapeGuard
from scrapeguard.errors import PolicyError
from scrapeguard.proxy.lifespan import AppLifespan
from scrapeguard.proxy.reload import Reloading
from scrapeguard.rulefile.load import load_policy

QUIET = "version: 1\nextends: default\nverification: {dns: off, refresh: off}\nevents: {log: off}\n"
OPEN, BROKEN = "agents: {GPTBot: allow}\n", "agnets: {}\n"


async def page(scope, receive, send):
    if scope["type"] == "lifespan":
        for phase in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{phase}.complete"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
    await send({"type": "http.response.body", "body": b"page"})


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "rules.yaml"
    path.write_text(QUIET)
    return path


def replace(path, text):
    """As editors and deployments do it: a new file takes the place of the old one."""
    new = path.with_suffix(".new")
    new.write_text(text)
    new.replace(path)


def reloading(path, app=page):
    return Reloading(
        lambda policy: ScrapeGuard(app, policy), load_policy(path), path=path, load=load_policy, look_every=0.05
    )


def ask(port, agent="GPTBot/1.2"):
    with closing(HTTPConnection("127.0.0.1", port, timeout=5)) as client:
        client.request("GET", "/", headers={"User-Agent": agent})
        response = client.getresponse()
        response.read()
        return response.status


def test_a_file_that_changes_changes_what_is_decided(stage, path, eventually):
    app = reloading(path)
    port = stage.serve(app)
    assert ask(port) == 403
    replace(path, QUIET + OPEN)
    eventually(lambda: ask(port) == 200)
    path.write_text(QUIET)
    eventually(lambda: ask(port) == 403)
    assert (app.reloads, app.failures) == (2, 0)


def test_a_folder_that_is_swapped_is_noticed(stage, tmp_path, eventually):
    """As Kubernetes changes a ConfigMap: the file is a link into a folder that is a link, which is replaced."""
    for name, text in (("one", QUIET), ("two", QUIET + OPEN)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "rules.yaml").write_text(text)
    (tmp_path / "..data").symlink_to("one")
    (tmp_path / "rules.yaml").symlink_to("..data/rules.yaml")
    port = stage.serve(reloading(tmp_path / "rules.yaml"))
    assert ask(port) == 403
    (tmp_path / "..new").symlink_to("two")
    (tmp_path / "..new").replace(tmp_path / "..data")
    eventually(lambda: ask(port) == 200)


def test_a_bad_file_changes_nothing_and_is_told_once(stage, path, eventually, caplog):
    app = reloading(path)
    port = stage.serve(app)
    replace(path, QUIET + BROKEN)
    eventually(lambda: app.failures == 1)
    path.touch()
    eventually(lambda: app.failures == 2)
    assert ask(port) == 403
    told = [r.getMessage() for r in caplog.records if "stay in force" in r.getMessage()]
    assert len(told) == 1
    assert "agnets" in told[0]
    path.unlink()
    replace(path, QUIET + OPEN)
    eventually(lambda: ask(port) == 200)


def test_no_request_fails_while_rules_come_and_go(stage, path, eventually):
    app = reloading(path)
    port = stage.serve(app)
    statuses, done = set(), threading.Event()

    def go_on_asking():
        while not done.is_set():
            statuses.add(ask(port))

    clients = [threading.Thread(target=go_on_asking) for _ in range(4)]
    for client in clients:
        client.start()
    for number in range(6):
        before = app.reloads
        replace(path, QUIET + (OPEN if number % 2 else ""))
        eventually(lambda before=before: app.reloads > before)
    done.set()
    for client in clients:
        client.join()
    assert statuses == {200, 403}


def test_a_request_under_way_ends_under_the_rules_it_began_with(stage, path, eventually):
    go_on = threading.Event()

    async def slow(scope, receive, send):
        if scope["type"] == "http":
            await asyncio.to_thread(go_on.wait, 5)
        await page(scope, receive, send)

    app = reloading(path, slow)
    port = stage.serve(app)
    statuses = []
    client = threading.Thread(target=lambda: statuses.append(ask(port, "curl/8")))
    client.start()
    replace(path, QUIET + "agents: {tool: block}\n")
    eventually(lambda: app.reloads == 1)
    assert ask(port, "curl/8") == 403
    go_on.set()
    client.join()
    assert statuses == [200]


def test_what_runs_beside_the_guard_is_begun_before_and_ended_after(path):
    """Each app's lifespan: the next has started before the one before it stops, and the last stops with the server."""
    log = []

    def build(policy):
        number = len({entry[0] for entry in log})

        async def app(scope, receive, send):
            for phase in ("startup", "shutdown"):
                await receive()
                log.append((number, phase))
                await send({"type": f"lifespan.{phase}.complete"})

        return app

    async def main():
        app = Reloading(build, load_policy(path), path=path, load=load_policy)
        outer = AppLifespan(app)
        await outer.start()
        await app.reload()
        await outer.stop()

    asyncio.run(main())
    assert log == [(0, "startup"), (1, "startup"), (0, "shutdown"), (1, "shutdown")]


@pytest.mark.parametrize("failure", ["says so", "raises", "ends"])
def test_an_app_that_cannot_start_takes_nobody_s_place(path, failure):
    async def bad(scope, receive, send):
        await receive()
        if failure == "says so":
            await send({"type": "lifespan.startup.failed", "message": "no room"})
        if failure == "raises":
            raise OSError("no room")

    apps = iter([page, bad])

    async def main():
        app = Reloading(lambda policy: next(apps), load_policy(path), path=path, load=load_policy)
        outer = AppLifespan(app)
        await outer.start()
        await app.reload()
        sent = []

        async def send(message):
            sent.append(message)

        await app({"type": "http"}, None, send)
        await outer.stop()
        return app, sent

    app, sent = asyncio.run(main())
    assert (app.reloads, app.failures, sent[0]["status"]) == (0, 1, 200)


def test_an_app_that_cannot_start_at_all_is_told_to_the_server(path):
    async def bad(scope, receive, send):
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no room"})

    async def main():
        await AppLifespan(Reloading(lambda policy: bad, load_policy(path), path=path, load=load_policy)).start()

    with pytest.raises(RuntimeError, match="no room"):
        asyncio.run(main())


def test_what_fails_otherwise_is_no_end_of_looking(stage, path, eventually):
    failures = [ValueError("a mistake of ours"), OSError("the disk"), PolicyError([])]

    def load(path):
        if failures:
            raise failures.pop()
        return load_policy(path)

    app = Reloading(lambda policy: ScrapeGuard(page, policy), load_policy(path), path=path, load=load, look_every=0.02)
    port = stage.serve(app)
    for number in range(4):
        replace(path, QUIET + OPEN + f"# {number}\n")
        eventually(lambda number=number: app.failures + app.reloads == number + 1)
    assert (app.failures, ask(port)) == (3, 200)
