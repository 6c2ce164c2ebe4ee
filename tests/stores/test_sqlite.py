"""What can happen to a file: no folder, a foreign file, locks, removal, damage, forks, other processes."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import scrapeguard
from scrapeguard.stores.port import MAX_BATCH, StoreError
from scrapeguard.stores.sqlite import SqliteStore

ROOT = Path(scrapeguard.__file__).parents[1]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "store.db"


async def got(store, body=None):
    return [batch.body for batch in await store.exchange(body)]


async def close(*stores):
    for store in stores:
        await store.close()


def execute(path, *statements):
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        return [connection.execute(*statement).fetchall() for statement in statements]


async def test_nothing_is_opened_before_it_is_used(path):
    before = threading.active_count()
    store = SqliteStore(path)
    assert (list(path.parent.iterdir()), threading.active_count()) == ([], before)
    await store.exchange(b"x")
    assert threading.active_count() == before + 1
    await store.close()


async def test_its_owner_alone_can_read_it(path):
    before = os.umask(0)
    try:
        store = SqliteStore(path)
        await store.exchange(b"x")
        files = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
        assert files == {"store.db": 0o600, "store.db-wal": 0o600, "store.db-shm": 0o600}
        await store.close()
        assert [file.name for file in path.parent.iterdir()] == ["store.db"]
    finally:
        os.umask(before)


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("missing/store.db", "there is no folder .*missing; make it, or name another file"),
        ("file/store.db", "there is no folder .*file; make it, or name another file"),
        ("folder", "cannot be read or written; it must be a file, on a disk of this machine"),
        ("empty", "not a database of scrapeguard; name another file"),
        ("text", "it is no database; name another file, or remove it"),
        ("foreign.db", "not a database of scrapeguard; name another file"),
    ],
)
async def test_where_it_cannot_be_it_says_why(tmp_path, name, fault):
    for file in ("file", "empty"):
        (tmp_path / file).touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "text").write_text("no database\n" * 500)
    execute(tmp_path / "foreign.db", ("CREATE TABLE batches (x)",))
    before = {file: file.read_bytes() for file in tmp_path.iterdir() if file.is_file()}
    store = SqliteStore(tmp_path / name)
    for _ in range(2):
        with pytest.raises(StoreError, match=f"^store .*{name}: .*{fault}"):
            await store.exchange(b"x")
    await store.close()
    assert {file: file.read_bytes() for file in tmp_path.iterdir() if file.is_file()} == before


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
async def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    tmp_path.chmod(0o500)
    store = SqliteStore(tmp_path / "store.db")
    with pytest.raises(StoreError, match="cannot be written; allow it, or name another file"):
        await store.exchange(b"x")
    tmp_path.chmod(0o700)
    await store.close()


async def test_the_database_of_another_version_is_left_alone(path):
    store = SqliteStore(path)
    await store.exchange(b"x")
    await store.close()
    execute(path, ("PRAGMA user_version = 2",))
    with pytest.raises(StoreError, match=r"another version of scrapeguard made it \(form 2, not 1\); remove it"):
        await store.exchange(b"y")
    await store.close()
    assert execute(path, ("SELECT count(*) FROM batches",)) == [[(1,)]]


async def test_a_lock_of_another_process_is_an_error_that_passes_and_holds_no_loop_up(path):
    store = SqliteStore(path, busy_timeout=0.3)
    other = SqliteStore(path)
    await store.exchange(b"1")
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        task = asyncio.create_task(store.exchange(b"2"))
        rounds = 0
        while not task.done():
            await asyncio.sleep(0.005)
            rounds += 1
        assert rounds > 3
        with pytest.raises(StoreError, match="another process keeps it locked"):
            await task
        # Reading waits for nobody.
        assert await got(other) == [b"1"]
        connection.execute("ROLLBACK")
    await store.exchange(b"2")
    assert await got(other) == [b"2"]
    await close(store, other)


async def test_a_disk_that_does_not_answer_is_an_error_and_no_work_piles_up(path):
    release, calls = threading.Event(), []

    def clock():
        calls.append(None)
        if len(calls) == 2:
            release.wait(30)
        return time.time()

    store, other = SqliteStore(path, clock=clock, limit=1.0), SqliteStore(path)
    await store.exchange(b"1")
    for body in (b"2", b"3", b"4"):
        with pytest.raises(StoreError, match="the disk has not answered"):
            await store.exchange(body)
    assert len(calls) == 2
    release.set()
    await store.exchange(b"5")
    assert await got(other) == [b"1", b"2", b"5"]
    await close(store, other)


async def test_a_file_that_was_removed_is_made_anew_where_all_meet_again(path):
    ada, ben = SqliteStore(path), SqliteStore(path)
    await ada.exchange(b"1")
    assert await got(ben, b"2") == [b"1"]
    assert path.with_name("store.db-wal").exists()
    path.unlink()
    assert await got(ada, b"3") == []
    assert await got(ben, b"4") == [b"3"]
    assert await got(ada) == [b"4"]
    await close(ada, ben)
    assert execute(path, ("PRAGMA integrity_check",)) == [[("ok",)]]


async def test_a_removed_folder_is_an_error_until_it_is_back(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    store = SqliteStore(folder / "store.db")
    await store.exchange(b"1")
    shutil.rmtree(folder)
    with pytest.raises(StoreError, match="there is no folder"):
        await store.exchange(b"2")
    folder.mkdir()
    await store.exchange(b"2")
    await store.close()


async def test_a_file_that_was_replaced_by_something_else_is_an_error_until_it_is_removed(path):
    ada, ben = SqliteStore(path), SqliteStore(path)
    await ada.exchange(b"1")
    beside = path.with_name("beside")
    beside.write_text("something else\n" * 100)
    beside.rename(path)
    for store in (ada, ben):
        with pytest.raises(StoreError, match="no database"):
            await store.exchange(b"2")
    assert path.read_text() == "something else\n" * 100
    path.unlink()
    await ada.exchange(b"3")
    assert await got(ben) == [b"3"]
    await close(ada, ben)


async def test_a_file_that_was_put_back_from_a_copy_hides_nothing_new(path):
    ada, ben = SqliteStore(path), SqliteStore(path)
    await ada.exchange(b"1")
    await ada.close()
    copy = path.with_name("copy")
    shutil.copy(path, copy)
    await ada.exchange(b"2" * 1000)
    assert await got(ben) == [b"1", b"2" * 1000]
    await close(ada, ben)
    copy.rename(path)
    await ada.exchange(b"3")
    assert (await got(ben))[-1:] == [b"3"]
    assert await got(ben) == []
    await close(ada, ben)


async def test_rows_that_are_not_ours_are_passed_over(path):
    ada, ben = SqliteStore(path), SqliteStore(path)
    await ada.exchange(b"1")
    now = time.time()
    insert = "INSERT INTO batches VALUES (?, ?, ?, ?)"
    execute(
        path,
        ("UPDATE log SET place = 5000",),
        (insert, (100, now, b"w", "text")),
        (insert, (200, now, b"w", 7)),
        (insert, (300, "noon", b"w", b"x")),
        (insert, (400, now, b"w", b"x" * (MAX_BATCH + 1))),
        (insert, (500, now + 7200, b"w", b"from the future")),
        (insert, (600, float("inf"), b"w", b"x")),
        (insert, (700, now, 7, b"x")),
        (insert, (-800, now, b"w", b"x")),
        (insert, (9000, now, b"w", b"beyond the end")),
        (insert, (5065, now, b"w", b"where the next will be")),
    )
    assert await got(ben) == [b"1"]
    await ada.exchange(b"2")
    assert await got(ben) == [b"2"]
    assert await got(ben) == []
    await close(ada, ben)


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE batches",
        "DROP TABLE log",
        "DELETE FROM log",
        "INSERT INTO log VALUES (x'00', 1)",
        "UPDATE log SET place = -1",
        "UPDATE log SET place = 9223372036854775807",
        "UPDATE log SET place = 'x'",
        "UPDATE log SET identity = 7",
        "ALTER TABLE batches RENAME body TO other",
    ],
)
async def test_a_database_that_is_not_as_we_made_it_is_an_error(path, statement):
    store = SqliteStore(path)
    await store.exchange(b"1")
    execute(path, (statement,))
    for _ in range(2):
        with pytest.raises(StoreError, match="remove it"):
            await store.exchange(b"2")
    path.unlink()
    await store.exchange(b"3")
    await store.close()


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(st.tuples(st.integers(0, 2**20), st.binary(min_size=1, max_size=40)), min_size=1, max_size=8))
@example(changes=[(0, b"x" * 40)])
@example(changes=[(96, b"\0" * 40)])
@example(changes=[(3692, b"\0\0\0\0\0\x80")])
def test_damage_of_any_kind_is_batches_or_an_error_and_nothing_else(tmp_path, changes):
    path = tmp_path / "store.db"

    async def scenario():
        for file in tmp_path.iterdir():
            file.unlink()
        ada, ben = SqliteStore(path), SqliteStore(path)
        for number in range(20):
            await ada.exchange(bytes([number]) * 400)
        await ada.close()
        octets = bytearray(path.read_bytes())
        for place, change in changes:
            place %= len(octets)
            octets[place : place + len(change)] = change
        path.write_bytes(octets)
        for work in (lambda: ben.exchange(None), lambda: ben.exchange(b"new")):
            try:
                found = await work()
            except StoreError as error:
                found = str(error).encode()
            assert isinstance(found, list | bytes)
        await close(ada, ben)

    asyncio.run(scenario())


async def test_many_who_come_at_once_make_one_database(path):
    workers = [SqliteStore(path, busy_timeout=10) for _ in range(16)]
    await asyncio.gather(*(store.exchange(bytes([number])) for number, store in enumerate(workers)))
    for number, store in enumerate(workers):
        await store.exchange(None)
        assert await got(store) == [], number
    late = SqliteStore(path)
    assert sorted(await got(late)) == [bytes([number]) for number in range(16)]
    await close(late, *workers)
    assert [file.name for file in path.parent.iterdir()] == ["store.db"]


_WORKER = """
import asyncio, json, sys
from pathlib import Path
from scrapeguard.stores.sqlite import SqliteStore

async def main(path, name, others):
    store, received = SqliteStore(Path(path), busy_timeout=10), []
    for turn in range(20):
        received += [batch.body.decode() for batch in await store.exchange(f"{name}-{turn}".encode())]
    while sum(body.endswith("-19") for body in received) < others:
        received += [batch.body.decode() for batch in await store.exchange(None)]
        await asyncio.sleep(0.01)
    await store.close()
    print(json.dumps({"received": received}))

asyncio.run(asyncio.wait_for(main(sys.argv[1], sys.argv[2], int(sys.argv[3])), 60))
"""


def test_processes_exchange(path):
    names = ["ada", "ben", "cleo"]
    processes = {
        name: subprocess.Popen(
            [sys.executable, "-c", _WORKER, str(path), name, "2"], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        for name in names
    }
    said = {name: json.loads(process.communicate(timeout=90)[0]) for name, process in processes.items()}
    for name in names:
        for other in (other for other in names if other != name):
            from_other = [body for body in said[name]["received"] if body.startswith(other)]
            assert from_other == [f"{other}-{turn}" for turn in range(20)]


_FORK = """
import asyncio, json, os, sys
from pathlib import Path
from scrapeguard.stores.sqlite import SqliteStore

store = SqliteStore(Path(sys.argv[1]))

def exchange(body):
    return [batch.body.decode() for batch in asyncio.run(store.exchange(body))]

exchange(b"before")
reading, writing = os.pipe()
child = os.fork()
if child == 0:
    os.write(writing, json.dumps([exchange(b"of the child"), exchange(None)]).encode())
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
print(json.dumps([exchange(b"after"), exchange(None), json.loads(os.read(reading, 10_000))]))
asyncio.run(store.close())
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_process_is_a_worker_of_its_own(path):
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", _FORK, str(path)]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, timeout=60, check=True)
    parent, again, child = json.loads(done.stdout)
    assert (parent, again, child) == (["of the child"], [], [["before"], []])
    assert execute(path, ("PRAGMA integrity_check",)) == [[("ok",)]]


async def test_it_names_its_file(path):
    assert repr(SqliteStore(path)) == f"SqliteStore('{path}')"
