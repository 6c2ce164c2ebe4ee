from __future__ import annotations

import json
import os
import subprocess
import sys
import threading

import pytest

from scrapeguard.core.decision import Action, Decision, Mode
from scrapeguard.core.request import Request
from scrapeguard.telemetry.events import MAX_FIELD, Event, EventLog


def event(number=0, **request):
    return Event.of(1_700_000_000.25 + number, f"r{number}", Request.of(**request), Decision(Action.BLOCK, "a rule"))


def test_a_line_holds_the_decision_and_what_finds_it():
    record = json.loads(event(target="/p?q=1", user_agent="GPTBot/1", host="h.example").to_json())
    assert record["time"] == "2023-11-14T22:13:20.250+00:00"
    assert (record["reference"], record["enforced"], record["host"]) == ("r0", True, "h.example")
    assert (record["method"], record["path"], record["user_agent"]) == ("GET", "/p?q=1", "GPTBot/1")
    assert record["action"] == "block"
    assert record["rule"] == "a rule"


def test_a_line_stays_one_line_and_short_whatever_strangers_send():
    line = event(target="/\n" + "x" * 9000, user_agent='"\x1b[2J\r\n' + "y" * 9000, host="z" * 9000).to_json()
    assert line.isprintable()
    assert len(line) < 4 * MAX_FIELD + 600
    assert json.loads(line)["path"].startswith("/\n")


def test_what_was_only_observed_is_marked():
    observed = Event.of(0.0, "r", Request.of("/"), Decision(Action.BLOCK, "x", mode=Mode.OBSERVE))
    record = json.loads(observed.to_json())
    assert (record["enforced"], record["user_agent"]) == (False, None)


def test_events_are_written_in_order_by_another_thread():
    lines, threads = [], set()

    def write(text):
        threads.add(threading.current_thread().name)
        lines.extend(text.splitlines())

    log = EventLog(write, pause=0.001)
    for number in range(300):
        log.record(event(number))
    log.close(10)
    assert [json.loads(line)["reference"] for line in lines] == [f"r{number}" for number in range(300)]
    assert threads == {"scrapeguard-events"}


def test_a_writer_that_hangs_holds_nobody_up_and_what_is_lost_is_told():
    release, lines = threading.Event(), []

    def write(text):
        release.wait(10)
        lines.extend(text.splitlines())

    log = EventLog(write, lines_per_second=1000, waiting=10, pause=0.001)
    for number in range(100):
        log.record(event(number))
    release.set()
    log.close()
    written = [json.loads(line) for line in lines]
    told = sum(record.get("events_lost", 0) for record in written)
    assert log.lost > 0
    assert told == log.lost
    assert sum("reference" in record for record in written) + told == 100


@pytest.mark.parametrize("error", [OSError("disk full"), ValueError("I/O operation on closed file")])
def test_a_writer_that_fails_may_succeed_with_the_next_lines(error, caplog):
    written, failures = [], [error, error]
    tried = threading.Event()

    def write(text):
        tried.set()
        if failures:
            raise failures.pop()
        written.append(text)

    log = EventLog(write, pause=0.001)
    for number in range(3):
        tried.clear()
        log.record(event(number))
        assert tried.wait(10)
    log.close()
    assert log.lost == 2
    assert len(written) == 1
    assert [record.levelname for record in caplog.records] == ["ERROR"]


def test_a_writer_that_hangs_does_not_keep_the_process(monkeypatch):
    release = threading.Event()
    log = EventLog(lambda text: release.wait(30), pause=0.001)
    log.record(event())
    log.close(timeout=0.05)
    assert not release.is_set()
    release.set()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_worker_writes_its_own_events(tmp_path):
    code = """
import os, sys
from scrapeguard.core.decision import Action, Decision
from scrapeguard.core.request import Request
from scrapeguard.telemetry.events import Event, EventLog
log = EventLog(lambda text: os.write(1, text.encode()), pause=0.001)
def record(who): log.record(Event.of(0.0, who, Request.of("/"), Decision(Action.BLOCK, "r")))
record("parent")
child = os.fork()
if child == 0:
    record("child")
    log.close()
    os._exit(0)
os.waitpid(child, 0)
log.close()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    references = [json.loads(line)["reference"] for line in done.stdout.splitlines()]
    assert sorted(set(references)) == ["child", "parent"]
    assert references.count("child") == 1


def test_no_thread_before_the_first_event():
    before = threading.active_count()
    log = EventLog(print)
    assert threading.active_count() == before
    log.close()


@pytest.mark.parametrize("events", [0, 1, 7])
def test_closing_writes_what_waits(events):
    lines = []
    log = EventLog(lambda text: lines.extend(text.splitlines()), lines_per_second=5, pause=0.2)
    for number in range(events):
        log.record(event(number))
    log.close()
    assert len(lines) == events


def test_what_is_to_be_done_at_the_end_is_done_once_and_after_the_last_line():
    done = []
    log = EventLog(done.append, end=lambda: done.append("end"))
    for number in range(7):
        log.record(event(number))
    log.close(10)
    log.close()
    assert "".join(done[:-1]).count("\n") == 7
    assert done.count("end") == 1
    assert done[-1] == "end"
    EventLog(done.append, end=lambda: done.append("unused")).close()
    assert done[-1] == "unused"
