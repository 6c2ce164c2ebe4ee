"""`scrapeguard forward-auth` as a process of its own: where it listens, its workers, its end."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from scrapeguard.cli import main

ROOT = Path(__file__).parents[2]
TIMEOUT = 20
QUESTION = {
    "X-Forwarded-Method": "GET",
    "X-Forwarded-Uri": "/",
    "X-Forwarded-Host": "h.example",
    "X-Forwarded-For": "192.0.2.7",
}
BOT = {**QUESTION, "User-Agent": "GPTBot/1.3"}
RULES = "extends: default\nverification: {dns: off, refresh: off}\n"


@contextmanager
def service(folder, *arguments, rules=RULES):
    """The process, and what it said of itself on its first line."""
    (folder / "rules.yaml").write_text(rules)
    command = [sys.executable, "-m", "scrapeguard", "forward-auth", "--json", "--rules", "rules.yaml", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with (
        (folder / "errors").open("w") as errors,
        subprocess.Popen(
            command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True
        ) as process,
    ):
        try:
            yield process, json.loads(process.stdout.readline())
        finally:
            process.kill()


def ask(place, path="/decide", headers=BOT):
    connection = http.client.HTTPConnection("localhost", timeout=TIMEOUT)
    connection.sock = connected(place)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, answer.headers, body


def connected(place):
    if place.startswith("unix:"):
        with ExitStack() as stack:
            sock = stack.enter_context(socket.socket(socket.AF_UNIX))
            sock.settimeout(TIMEOUT)
            sock.connect(place.removeprefix("unix:"))
            stack.pop_all()
        return sock
    host, _, port = place.rpartition(":")
    return socket.create_connection((host.strip("[]"), int(port)), TIMEOUT)


def ended(process, folder):
    process.terminate()
    return process.wait(TIMEOUT), (folder / "errors").read_text()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_it_decides_until_it_is_told_to_end_and_writes_its_last_events(tmp_path, workers):
    with service(tmp_path, "--listen", "127.0.0.1:0", "--workers", workers) as (process, said):
        assert said["trusted"] == ["127.0.0.0/8", "::1/128"]
        assert said["workers"] == int(workers)
        references = {ask(said["listening"])[1]["x-scrapeguard-reference"] for _ in range(20)}
        code, errors = ended(process, tmp_path)
    assert code == 0
    events = [json.loads(line) for line in errors.splitlines()]
    assert {event["reference"] for event in events} == references


def test_a_ticket_of_one_worker_is_good_for_another(tmp_path):
    with service(tmp_path, "--listen", "127.0.0.1:0", "--workers", "3") as (process, said):
        for _ in range(20):
            status, headers, _ = ask(said["listening"], "/decide/nginx")
            assert status == 403
            ticket = {"X-Scrapeguard-Ticket": headers["x-scrapeguard-ticket"]}
            assert ask(said["listening"], "/render", {**BOT, **ticket})[0] == 403
        _, errors = ended(process, tmp_path)
    assert len(errors.splitlines()) == 20


def test_new_workers_meet_where_the_old_ones_did(tmp_path, monkeypatch):
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))

    def shared():
        return [path.name for path in (tmp_path / "temporary").glob("scrapeguard-*/workers.db")]

    with service(tmp_path, "--listen", "127.0.0.1:0", "--workers", "2") as (process, said):
        ask(said["listening"])
        eventually(shared)
        old = children(process.pid)
        process.send_signal(signal.SIGHUP)
        eventually(lambda: len(children(process.pid)) == 2 and not set(old) & set(children(process.pid)))
        ask(said["listening"])
        assert shared() == ["workers.db"]
        _, errors = ended(process, tmp_path)
    assert "is lost" not in errors
    assert list((tmp_path / "temporary").iterdir()) == []


def eventually(is_so):
    deadline = time.monotonic() + TIMEOUT
    while not is_so():
        assert time.monotonic() < deadline, "it never came to be so"
        time.sleep(0.05)


def test_a_worker_that_dies_after_a_while_is_replaced(tmp_path):
    with service(tmp_path, "--listen", "127.0.0.1:0", "--workers", "1") as (_, said):
        assert ask(said["listening"])[0] == 403
    with service(tmp_path, "--listen", "127.0.0.1:0", "--workers", "2") as (process, said):
        ask(said["listening"])
        time.sleep(5.1)
        for pid in children(process.pid):
            os.kill(pid, signal.SIGKILL)
        assert ask(said["listening"])[0] == 403
        code, errors = ended(process, tmp_path)
    assert code == 0
    assert errors.count("ended by itself (status -9)") == 2


def test_workers_that_cannot_live_end_it(tmp_path):
    with service(tmp_path, "--listen", "127.0.0.1:0", "--workers", "2") as (process, said):
        ask(said["listening"])
        os.kill(children(process.pid)[0], signal.SIGKILL)
        assert process.wait(TIMEOUT) == 1


@pytest.mark.parametrize(("workers", "told"), [("1", True), ("2", False)], ids=["SIGHUP", "the file alone"])
def test_rules_are_read_anew_and_nobody_waits_for_that(tmp_path, workers, told):
    rules = tmp_path / "rules.yaml"

    def read_anew(process):
        if told:
            process.send_signal(signal.SIGHUP)

    with service(tmp_path, "--listen", "127.0.0.1:0", "--workers", workers) as (process, said):
        assert ask(said["listening"])[0] == 403
        rules.write_text(f"{RULES}sharing: {{train: allow, ai-use: allow, search: allow}}\n")
        read_anew(process)
        statuses = []
        deadline = time.monotonic() + TIMEOUT
        while statuses[-20:] != [200] * 20:
            assert time.monotonic() < deadline
            statuses += asked_for(0.2, said["listening"])
        assert set(statuses) <= {200, 403}
        rules.write_text("mod: enforce\n")
        read_anew(process)
        assert set(asked_for(2, said["listening"])) == {200}
        rules.unlink()
        read_anew(process)
        assert set(asked_for(2, said["listening"])) == {200}
        code, errors = ended(process, tmp_path)
    assert code == 0
    # A file that is gone is no change; who sends a signal is told about it.
    assert errors.count("what there was stays in force") >= (2 if told else 1)
    assert "rules.yaml:1:1" in errors


def asked_for(seconds, place):
    """The statuses of questions asked one after the other for a while, each on a connection of its own."""
    statuses, end = [], time.monotonic() + seconds
    while time.monotonic() < end or len(statuses) < 20:
        statuses.append(ask(place)[0])
        time.sleep(0.005)
    return statuses


DYING = """
import time
from scrapeguard.cli.workers import Workers
def lives():
    time.sleep(60)
    return 0
changes, renewals = iter(CHANGES), iter(RENEWALS)
print(Workers(lives, 1, lambda: next(renewals), lambda: next(changes, False)).watch())
"""


def dying(changes, renewals):
    return DYING.replace("CHANGES", changes).replace("RENEWALS", renewals)


def test_a_second_renewal_that_fails_leaves_what_the_first_one_brought(tmp_path):
    """Also where it comes while those before the first one are still there."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    # Each renewal looks for a change once more, to have seen it.
    code = dying("[False, True, False, True, False]", "[lives, lambda: 1]")
    with (
        (tmp_path / "errors").open("w") as errors,
        subprocess.Popen([sys.executable, "-c", code], env=environment, stderr=errors) as process,
    ):
        try:
            eventually(lambda: len(children(process.pid)) == 1)
            first = children(process.pid)
            eventually(lambda: "what there was stays in force" in (tmp_path / "errors").read_text())
            eventually(lambda: len(children(process.pid)) == 1 and children(process.pid) != first)
            second = children(process.pid)
            time.sleep(2)
            assert (process.poll(), children(process.pid)) == (None, second)
        finally:
            process.terminate()


def test_a_renewal_of_which_no_worker_lives_changes_nothing(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with (
        (tmp_path / "errors").open("w") as errors,
        subprocess.Popen(
            [sys.executable, "-c", dying("[False, True]", "[lambda: 1]")], env=environment, stderr=errors
        ) as process,
    ):
        try:
            eventually(lambda: len(children(process.pid)) == 1)
            first = children(process.pid)
            eventually(lambda: "what there was stays in force" in (tmp_path / "errors").read_text())
            eventually(lambda: children(process.pid) == first)
            time.sleep(4)
            assert (process.poll(), children(process.pid)) == (None, first)
        finally:
            process.terminate()
    assert "the new rules" not in (tmp_path / "errors").read_text()


def test_workers_do_not_outlive_the_process_that_watches_them(tmp_path):
    with service(tmp_path, "--listen", "127.0.0.1:0", "--workers", "2") as (process, said):
        ask(said["listening"])
        process.kill()
        process.wait(TIMEOUT)
        wait_until_closed(said["listening"])


def wait_until_closed(place):
    deadline = time.monotonic() + TIMEOUT
    while is_open(place):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def is_open(place):
    try:
        connected(place).close()
    except ConnectionRefusedError:
        return False
    return True


def children(pid):
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_a_unix_socket_is_open_to_its_group_alone_and_whoever_opens_it_is_believed(tmp_path):
    place = f"unix:{tmp_path}/decide.sock"
    with service(tmp_path, "--listen", place, rules=f"{RULES}proxies: {{trusted: [10.0.0.0/8]}}\n") as (_, said):
        assert said["listening"] == place
        assert stat.S_IMODE((tmp_path / "decide.sock").stat().st_mode) == 0o660
        assert ask(place)[0] == 403
        assert main(["forward-auth", "--listen", place]) == 2
    wait_until_closed(place)
    # What a killed process leaves behind is no obstacle.
    assert (tmp_path / "decide.sock").exists()
    with service(tmp_path, "--listen", place):
        assert ask(place, headers={**QUESTION, "User-Agent": "curl/8"})[0] == 200


def test_a_file_that_is_no_socket_stays(tmp_path, capsys):
    (tmp_path / "file").write_text("mine")
    assert main(["forward-auth", "--listen", f"unix:{tmp_path}/file"]) == 2
    assert "cannot listen on" in capsys.readouterr().err
    assert (tmp_path / "file").read_text() == "mine"


def test_ipv6(tmp_path):
    with service(tmp_path, "--listen", "[::1]:0") as (_, said):
        assert said["listening"].startswith("[::1]:")
        assert ask(said["listening"])[0] == 403


@pytest.mark.parametrize("place", ["9180", "localhost", "localhost:http", "127.0.0.1:65536", ":9180", "unix:"])
def test_what_is_no_place_is_bad_usage(place, capsys):
    assert main(["forward-auth", "--listen", place]) == 2
    assert "HOST:PORT or unix:PATH" in capsys.readouterr().err


@pytest.mark.parametrize("workers", ["0", "-1", "257", "two"])
def test_workers_are_a_number(workers, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["forward-auth", "--workers", workers])
    assert stop.value.code == 2
    assert "1 to 256" in capsys.readouterr().err


def test_a_taken_port_is_bad_usage(capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert main(["forward-auth", "--listen", f"127.0.0.1:{taken.getsockname()[1]}"]) == 2
    assert "Address already in use" in capsys.readouterr().err


def test_rules_that_cannot_be_honoured_are_told(tmp_path, capsys):
    (tmp_path / "rules.yaml").write_text("extends: default\nproxies: {trusted: [10.0.0.1], header: forwarded}\n")
    assert main(["forward-auth", "--rules", str(tmp_path / "rules.yaml")]) == 1
    assert "x-forwarded-for" in capsys.readouterr().err
    (tmp_path / "rules.yaml").write_text("mod: enforce\n")
    assert main(["forward-auth", "--rules", str(tmp_path / "rules.yaml")]) == 1


def test_it_says_whom_it_believes(tmp_path):
    command = [sys.executable, "-m", "scrapeguard", "forward-auth", "--listen", "0.0.0.0:0"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=tmp_path, env=environment, **streams) as process:
        lines = [process.stdout.readline() for _ in range(3)]
        process.terminate()
        _, errors = process.communicate(timeout=TIMEOUT)
    assert "Believed about the requests of clients: 127.0.0.0/8, ::1/128." in lines[1]
    assert "proxies.trusted" in lines[2]
    assert "open to other machines, but none of them is believed" in errors
