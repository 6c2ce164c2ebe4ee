from __future__ import annotations

import json
import math
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from hashlib import sha256

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scrapeguard.core.catalogue import Purpose
from scrapeguard.core.decision import Action, Decision, Recognised
from scrapeguard.core.identity import Identity
from scrapeguard.core.request import Request
from scrapeguard.telemetry.provenance import MAX_FIELD, MAX_SIGNATURE, Page, ProvenanceRecorder, Served
from scrapeguard.telemetry.provenancelog import DAY, MIN_OCTETS, Entry, Head, ProvenanceLog
from scrapeguard.telemetry.provenanceread import MAX_FAULTS, ProvenanceReader

NOW = 1_800_000_000.0
DECISION = Decision(
    Action.BLOCK, "a rule", 0, Recognised("GPTBot", "OpenAI", Purpose.TRAINING, Identity.CLAIMED), "203.0.113.9"
)
TEXT = "The ledger of {0} lists {1} tin kites near Velaridale and says nothing of the {2} wax anchors there at all"


def page(number=0, **more):
    text = TEXT.format(number * 7 + 1, number * 11 + 3, number * 13 + 5)
    return Page(text.encode(), text, "2026-11", f"K4M7Q-2T{number:03}", **more)


def served(number=0, decision=DECISION, **request):
    request = {"target": f"/p/{number}", "host": "h.example", "user_agent": "GPTBot/1.3", **request}
    return Served.of(NOW + number, Request.of(**request), decision, page(number), status=200, verified_by="list")


def entries(*numbers):
    return [served(number).entry() for number in numbers]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "provenance.db"


@pytest.fixture
def log(path):
    with closing(ProvenanceLog(path)) as log:
        yield log


def check(path, published=()):
    with ProvenanceReader(path) as reader:
        return reader.verify(published)


def change(path, *statements):
    with closing(sqlite3.connect(path)) as database:
        for statement in statements:
            database.execute(statement)
        database.commit()


# records


def test_a_record_holds_what_was_served_to_whom():
    signature = {"Signature": "sig1=:YQ==:", "Signature-Input": "sig1=()", "Signature-Agent": '"https://a.example"'}
    one = Served.of(
        NOW + 0.12345,
        Request.of("/p?q=1", host="H.example:443", user_agent="GPTBot/1", headers={**signature, "Cookie": "secret"}),
        DECISION,
        Page(b"body", "text", "2026-11", "K4M7Q-2T9X3", "d74d4395"),
        status=402,
        verified_by="signature",
    )
    assert json.loads(one.entry().record) == {
        "kind": "served",
        "time": NOW + 0.123,
        "client": "203.0.113.9",
        "agent": "GPTBot",
        "user_agent": "GPTBot/1",
        "identity": "claimed",
        "verified_by": "signature",
        "signature": {name.lower(): value for name, value in signature.items()},
        "host": "h.example",
        "path": "/p?q=1",
        "action": "block",
        "rule": "a rule",
        "status": 402,
        "body_sha256": sha256(b"body").hexdigest(),
        "epoch": "2026-11",
        "page_id": "K4M7Q-2T9X3",
        "key": "d74d4395",
    }


def test_a_record_stays_short_and_is_json_whatever_strangers_send(log):
    headers = {"Signature": "s" * 9000, "X": "y" * 9000}
    one = Served.of(
        NOW,
        Request.of("/" + "\ud800\0" * 9000, host="z" * 9000, user_agent="\udcff" * 9000, headers=headers),
        Decision(Action.ALLOW, "default", client="c" * 9000),
        Page(b"", "\ud800 " * 100),
    )
    record = json.loads(one.entry().record)
    assert len(record["path"]) == len(record["user_agent"]) == len(record["client"]) == MAX_FIELD
    assert (len(record["signature"]["signature"]), record["agent"], record["identity"]) == (MAX_SIGNATURE, None, "none")
    assert log.append([one.entry()], NOW).number == 1


# the chain


def test_links_follow_on_each_other(log, path):
    assert log.head() == Head(0, bytes(32))
    first = log.append(entries(0, 1), NOW)
    second = log.append(entries(2), NOW)
    assert (first.number, second.number) == (2, 3)
    assert log.head() == second
    found = check(path, [first, second])
    assert (found.links, found.head, found.faults, found.lost) == (3, second, (), 0)


def test_an_empty_log_is_whole(log, path):
    assert check(path)[:3] == (0, Head(0, bytes(32)), ())


def test_the_file_is_for_its_owner(log, path):
    assert path.stat().st_mode & 0o077 == 0


def test_a_published_head_must_stay_in_the_chain(log, path):
    log.append(entries(0, 1, 2), NOW)
    assert [fault.number for fault in check(path, [Head(2, b"x" * 32)]).faults] == [2]
    assert [fault.number for fault in check(path, [Head(9, b"x" * 32)]).faults] == [9]


COLUMNS = {
    "previous": st.binary(min_size=32, max_size=32),
    "record": st.text(max_size=20).map(lambda text: json.dumps({"kind": text})),
    "prints": st.binary(max_size=24),
    "hash": st.binary(min_size=32, max_size=32),
}
TYPES = [None, 7, 1.5, "text", b"octets", b"\xff"]


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    path = tmp_path_factory.mktemp("chain") / "provenance.db"
    with closing(ProvenanceLog(path)) as log:
        for number in range(8):
            log.append(entries(number), NOW)
    with closing(sqlite3.connect(path)) as database:
        # Without its index and its columns' constraints, so that really anything can stand in a row.
        database.executescript(
            "DROP INDEX link_by_page; CREATE TABLE free AS SELECT * FROM link; DROP TABLE link;"
            "ALTER TABLE free RENAME TO link; PRAGMA wal_checkpoint(TRUNCATE)"
        )
    return path


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(st.integers(1, 8), st.sampled_from(sorted(COLUMNS)), st.data())
def test_any_change_of_any_row_is_found(filled, number, column, data):
    value = data.draw(st.one_of(COLUMNS[column], st.sampled_from(TYPES)))
    with closing(sqlite3.connect(filled, isolation_level=None)) as database:
        database.execute("PRAGMA synchronous = OFF")
        before = database.execute(f"SELECT {column} FROM link WHERE number = ?", (number,)).fetchone()
        database.execute(f"UPDATE link SET {column} = ? WHERE number = ?", (value, number))
        faults = check(filled).faults
        database.execute(f"UPDATE link SET {column} = ? WHERE number = ?", (*before, number))
    assert bool(faults) == (before != (value,))
    assert check(filled).faults == ()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.sets(st.integers(1, 8), min_size=1))
def test_any_row_that_is_missing_is_found(filled, numbers):
    with closing(sqlite3.connect(filled, isolation_level=None)) as database:
        database.execute("PRAGMA synchronous = OFF")
        rows = database.execute("SELECT * FROM link").fetchall()
        database.executemany("DELETE FROM link WHERE number = ?", [(number,) for number in numbers])
        faults = check(filled).faults
        database.execute("DELETE FROM link")
        database.executemany("INSERT INTO link VALUES (?, ?, ?, ?, ?)", rows)
    assert faults
    assert check(filled).faults == ()


@pytest.mark.parametrize(
    ("statement", "number", "message"),
    [
        ("DELETE FROM link WHERE number IN (3, 4)", 5, "links 3 to 4 are missing"),
        ("DELETE FROM link WHERE number = 6", 5, "is the last that is kept, and not the newest"),
        ("DELETE FROM link WHERE number = 1", 2, "is the first that is kept, and no link says what was removed"),
        ("UPDATE link SET record = replace(record, '203.0.113.9', '198.51.100.1') WHERE number = 2", 2, "was changed"),
        ("UPDATE link SET prints = 'x' WHERE number = 2", 2, "was changed: it holds other types"),
        ("UPDATE head SET number = 7", 6, "is the last that is kept, and not the newest"),
        ("DELETE FROM head", 6, "is the last that is kept, and not the newest"),
        ("DELETE FROM link", 0, "is the last that is kept, and not the newest"),
    ],
)
def test_what_was_done_to_the_chain_is_told(log, path, statement, number, message):
    log.append(entries(*range(6)), NOW)
    change(path, statement)
    (fault,) = check(path).faults
    assert (fault.number, message in fault.message) == (number, True)


def test_faults_are_bounded(log, path):
    log.append(entries(*range(300)), NOW)
    change(path, "UPDATE link SET prints = x'00'")
    assert len(check(path).faults) == MAX_FAULTS


@pytest.mark.parametrize("record", ['{"kind": "pruned"}', '{"kind": "lost", "pages": "x"}', "[]", "{}"])
def test_a_record_that_means_nothing_is_a_fault(log, path, record):
    log.append([Entry(record)], NOW)
    assert [fault.message for fault in check(path).faults] == ["is no record of this version"]


@pytest.mark.parametrize("content", [b"", b"no database at all, but long enough to be looked at as one" * 20])
def test_what_is_no_log_is_not_read(path, content):
    path.write_bytes(content)
    with pytest.raises(sqlite3.DatabaseError):
        ProvenanceReader(path)


def test_a_database_of_somebody_else_is_left_alone(path):
    change(path, "CREATE TABLE theirs (x)")
    before = path.read_bytes()
    with pytest.raises(sqlite3.DatabaseError, match="no provenance log"):
        ProvenanceLog(path)
    assert path.read_bytes() == before


def test_a_chain_without_its_head_is_not_written_on(log, path):
    log.append(entries(0), NOW)
    change(path, "DELETE FROM head")
    with pytest.raises(sqlite3.DatabaseError, match="head of the provenance log is missing"):
        log.append(entries(1), NOW)


# retention


def test_what_is_too_old_goes_and_the_rest_can_be_checked(path):
    with closing(ProvenanceLog(path, max_age=100 * DAY)) as log:
        for day in range(0, 300, 5):
            log.append([Entry(json.dumps({"kind": "served", "time": NOW + day * DAY}))], NOW + day * DAY)
    found = check(path)
    assert found.faults == ()
    with closing(sqlite3.connect(path)) as database:
        records = [json.loads(record) for (record,) in database.execute("SELECT record FROM link ORDER BY number")]
    assert records[0]["time"] >= NOW + 190 * DAY
    assert found.links < 50
    assert {record["kind"] for record in records} == {"served", "pruned"}
    change(path, "DELETE FROM link WHERE number = (SELECT min(number) FROM link)")
    assert "no link says what was removed" in check(path).faults[0].message


def test_a_log_that_is_all_too_old_keeps_its_chain(path):
    with closing(ProvenanceLog(path, max_age=DAY)) as log:
        log.append(entries(0, 1, 2), NOW)
        head = log.append([], NOW + 10 * DAY)
        assert head.number == 4
        log.append(entries(4), NOW + 10 * DAY)
    assert check(path)[0] <= 3
    assert check(path).faults == ()


def test_the_size_of_the_file_is_bounded(path):
    long = json.dumps({"kind": "served", "time": NOW, "path": "x" * 2000})
    sizes = []
    with closing(ProvenanceLog(path, max_octets=MIN_OCTETS)) as log:
        for _ in range(60):
            log.append([Entry(long, os.urandom(800))] * 50, NOW)
            sizes.append(path.stat().st_size)
        published = log.head()
    assert max(sizes[20:]) <= 1.4 * MIN_OCTETS
    found = check(path, [published])
    assert (found.faults, 200 < found.links < 500) == ((), True)


def test_a_published_head_may_have_been_pruned(path):
    with closing(ProvenanceLog(path, max_age=DAY)) as log:
        old = log.append(entries(0), NOW)
        log.append([], NOW + 10 * DAY)
        log.append([], NOW + 20 * DAY)
    assert check(path, [old]).faults == ()


def test_a_ceiling_is_not_too_low(path):
    with pytest.raises(ValueError, match="room for 1,048,576 octets, not 1,000"):
        ProvenanceLog(path, max_octets=1000)


# finding


def test_a_text_is_found_where_it_was_served(log, path):
    log.append(entries(*range(50)), NOW)
    quote = "  LISTS 80 TIN kites, near <i>Velaridale</i> and\nsays nothing — of the 96 wax"
    with ProvenanceReader(path) as reader:
        first = reader.find(quote)[0]
        assert (first.record["path"], first.by_id, first.crawl) == ("/p/7", False, ("h.example", "GPTBot", "2026-11"))
        assert first.runs >= 1
        assert reader.find("something else that has ten words and was served nowhere else") == []
        assert reader.find("") == []


def test_a_page_is_found_by_its_id_before_all_others(log, path):
    log.append(entries(*range(20)), NOW)
    with ProvenanceReader(path) as reader:
        found = reader.find(page(3).text, ["K4M7Q-2T011", "no such id"])
    assert [(one.record["path"], one.by_id) for one in found[:2]] == [("/p/11", True), ("/p/3", False)]


def test_what_is_found_is_bounded(log, path):
    log.append(entries(*[1] * 30), NOW)
    with ProvenanceReader(path) as reader:
        assert len(reader.find(page(1).text, most=7)) == 7
        assert len(reader.find(page(1).text)) == 30


def test_rows_that_were_changed_do_not_stop_the_search(log, path):
    log.append(entries(*range(4)), NOW)
    change(
        path,
        "DROP INDEX link_by_page",
        "UPDATE link SET record = 'no json' WHERE number = 1",
        "UPDATE link SET prints = 'text' WHERE number = 2",
        "UPDATE link SET prints = x'00' WHERE number = 3",
    )
    with ProvenanceReader(path) as reader:
        found = [reader.find(page(number).text) for number in range(4)]
    assert [[one.record["path"] for one in ones] for ones in found] == [["/p/3"]] * 4


def test_crawls_are_counted_by_key(log, path):
    rotated = served(5)._replace(page=page(5, key="new"))
    plain = served(6)._replace(page=Page(b""))
    log.append([*entries(1, 2), rotated.entry(), plain.entry()], NOW)
    with ProvenanceReader(path) as reader:
        assert sorted(reader.crawls()) == [
            ("h.example", "GPTBot", "2026-11", "", 2),
            ("h.example", "GPTBot", "2026-11", "new", 1),
        ]


# the recorder


def recorder_of(path, **options):
    return ProvenanceRecorder(lambda: ProvenanceLog(path), clock=lambda: NOW, pause=0.001, **options)


def test_what_was_served_is_written_by_another_thread(path):
    before = threading.active_count()
    recorder = recorder_of(path)
    assert threading.active_count() == before
    for number in range(500):
        recorder.record(served(number))
    recorder.close()
    with closing(sqlite3.connect(path)) as database:
        rows = database.execute("SELECT json_extract(record, '$.path') FROM link ORDER BY number").fetchall()
    assert [path for (path,) in rows] == [f"/p/{number}" for number in range(500)]
    assert (recorder.lost, check(path).faults) == (0, ())


def test_what_writing_takes_is_told(path):
    spent, cpu = [], iter(range(100))
    recorder = recorder_of(path, spent=spent.append, cpu=lambda: next(cpu))
    for number in range(3):
        recorder.record(served(number))
    recorder.close()
    assert spent
    assert set(spent) == {1}


@pytest.mark.parametrize("bound", [{"waiting": 10}, {"waiting_octets": 15_000}])
def test_what_does_not_fit_is_lost_and_the_chain_says_so(path, bound):
    release = threading.Event()

    def opened():
        release.wait(10)
        return ProvenanceLog(path)

    recorder = ProvenanceRecorder(opened, clock=lambda: NOW, pause=0.001, **bound)
    for number in range(100):
        recorder.record(served(number))
    assert 80 < recorder.lost < 100
    release.set()
    recorder.close()
    with closing(sqlite3.connect(path)) as database:
        kinds = [kind for (kind,) in database.execute("SELECT json_extract(record, '$.kind') FROM link")]
    assert kinds.count("served") == 100 - recorder.lost
    assert (check(path).lost, check(path).faults) == (recorder.lost, ())


def test_a_page_too_large_to_wait_is_told_as_lost(path):
    recorder = recorder_of(path, waiting_octets=10_000)
    recorder.record(served(1)._replace(page=Page(b"x" * 20_000)))
    recorder.close()
    assert (recorder.lost, check(path).lost, check(path).links) == (1, 1, 1)


def test_a_log_that_cannot_be_written_is_tried_again(path, caplog):
    tried = threading.Event()
    failures = [sqlite3.OperationalError("disk full"), OSError("no space")]

    def opened():
        if failures:
            raise failures.pop()
        tried.set()
        return ProvenanceLog(path)

    recorder = ProvenanceRecorder(opened, clock=lambda: NOW, pause=0.001)
    recorder.record(served(1))
    assert tried.wait(10)
    recorder.close()
    assert (recorder.lost, check(path).links) == (0, 1)
    assert [record.levelname for record in caplog.records] == ["ERROR"]


def test_a_clock_that_says_nothing_does_not_hold_up_the_log(path):
    recorder = ProvenanceRecorder(lambda: ProvenanceLog(path, max_age=math.inf), clock=lambda: NOW, pause=0.001)
    recorder.record(served(1)._replace(time=float("nan")))
    recorder.record(served(2)._replace(time=float("inf")))
    recorder.close()
    assert (recorder.lost, check(path).links, check(path).faults) == (0, 2, ())


def test_a_log_that_hangs_does_not_keep_the_process():
    release = threading.Event()

    def opened():
        release.wait(30)
        raise OSError("gone")

    recorder = ProvenanceRecorder(opened, clock=lambda: NOW)
    recorder.record(served(1))
    recorder.close(timeout=0.05)
    assert not release.is_set()
    release.set()


WORKER = """
import os, sys
from pathlib import Path
from scrapeguard.core.decision import Action, Decision
from scrapeguard.core.request import Request
from scrapeguard.telemetry.provenance import Page, ProvenanceRecorder, Served
from scrapeguard.telemetry.provenancelog import ProvenanceLog
recorder = ProvenanceRecorder(lambda: ProvenanceLog(Path(sys.argv[1])), clock=lambda: 1.8e9, pause=0.001)
def record(target):
    page = Page(b"body", "a text of some words that is the same on all of these pages")
    recorder.record(Served.of(1.8e9, Request.of(target, host="h"), Decision(Action.BLOCK, "r"), page))
"""


def worker(path, code, *arguments):
    return subprocess.Popen([sys.executable, "-c", WORKER + code, str(path), *arguments], stdout=subprocess.PIPE)


def test_two_workers_write_one_chain(path):
    code = "\nfor number in range(400): record(f'/{sys.argv[2]}/{number}')\nrecorder.close(60)"
    workers = [worker(path, code, name) for name in ("a", "b")]
    for process in workers:
        with process:
            assert process.wait(60) == 0
    found = check(path)
    assert (found.links, found.faults, found.lost) == (800, (), 0)
    with closing(sqlite3.connect(path)) as database:
        targets = [row[0] for row in database.execute("SELECT json_extract(record, '$.path') FROM link")]
    for name in ("a", "b"):
        assert [target for target in targets if target.startswith(f"/{name}/")] == [f"/{name}/{i}" for i in range(400)]


def test_a_writer_that_is_killed_leaves_a_whole_chain(path):
    code = "\nimport itertools, time\nfor number in itertools.count(): record(f'/{number}'); time.sleep(0.0002)"
    for times in range(1, 4):
        with worker(path, code) as process:
            deadline = time.monotonic() + 30
            written = 0
            while written < 50 * times and time.monotonic() < deadline:
                time.sleep(0.02)
                written = check(path).links if _is_log(path) else 0
            process.send_signal(signal.SIGKILL)
        found = check(path)
        assert found.faults == ()
        assert found.links >= 50 * times
    with closing(ProvenanceLog(path)) as log:
        assert log.append(entries(1), NOW).number == found.links + 1


def _is_log(path):
    try:
        ProvenanceReader(path).__exit__()
    except sqlite3.Error:
        return False
    return True


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_worker_goes_on_in_the_same_chain(path):
    code = """
import time
record("/parent")
while not Path(sys.argv[1]).exists(): time.sleep(0.001)
child = os.fork()
record("/child" if child == 0 else "/parent again")
recorder.close(30)
if child == 0: os._exit(0)
os.waitpid(child, 0)
"""
    with worker(path, code) as process:
        assert process.wait(60) == 0
    assert (check(path).links, check(path).faults) == (3, ())
