"""`explain --log`: a person's hour and a scraper's minute, each decision with its reasons."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from scrapeguard.app import ScrapeGuard
from scrapeguard.cli import main
from scrapeguard.core.decision import Decision
from scrapeguard.core.request import Request
from scrapeguard.guard import Guard
from scrapeguard.parts import new_behaviour
from scrapeguard.rulefile.load import load_policy
from scrapeguard.telemetry.events import Event

ROOT = Path(__file__).parents[2]
LOGS = Path(__file__).parents[1] / "corpora" / "logs"
PERSON, SCRAPER = str(LOGS / "person.log"), str(LOGS / "scraper.log")
CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36"


async def nobody(scope, receive, send):
    raise AssertionError("nothing is asked of the site")


@pytest.fixture
def explain(capsys, monkeypatch, tmp_path):
    """Run the command in an empty folder; what it said on standard error fails the test unless it is asked for."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SCRAPEGUARD_SECRET", "a secret of the tests, long enough")

    def explain(*arguments, code=0):
        assert main(["explain", *arguments]) == code
        said = capsys.readouterr()
        if code:
            return said.out, said.err
        assert said.err == ""
        return said.out

    return explain


@pytest.fixture
def log(tmp_path):
    """A log of lines: seconds after ten, path, and what differs."""

    def log(*lines, name="access.log"):
        written = []
        for second, path, *more in lines:
            said = {"client": "192.0.2.1", "status": 200, "referrer": "-", "agent": CHROME, "method": "GET"}
            said |= more[0] if more else {}
            clock = f"{10 + second // 3600}:{second // 60 % 60:02}:{second % 60:02}"
            asked = f'[22/Nov/2026:{clock} +0000] "{said["method"]} {path} HTTP/1.1"'
            written.append(f'{said["client"]} - - {asked} {said["status"]} 9 "{said["referrer"]}" "{said["agent"]}"\n')
        path = tmp_path / name
        path.write_text("".join(written))
        return str(path)

    return log


def decisions(text):
    return [record for line in text.splitlines() if "action" in (record := json.loads(line))]


def summary(text):
    return json.loads(text.splitlines()[-1])["summary"]


def test_a_person_is_never_refused_and_a_scraper_is_from_its_fifth_page_on(explain):
    both = explain("--log", PERSON, "--log", SCRAPER, "--json")
    person = [one for one in decisions(both) if one["file"] == PERSON]
    scraper = [one for one in decisions(both) if one["file"] == SCRAPER]
    assert len(person) == len(Path(PERSON).read_text().splitlines())
    assert {one["action"] for one in person} == {"allow"}
    refused = [one["line"] for one in scraper if one["action"] not in ("allow", "observe")]
    assert refused == list(range(refused[0], len(scraper) + 1))
    assert refused[0] <= 6
    assert scraper[-1]["action"] == "block"
    assert {"no-styles", "always-typed"} <= {reason["signal"] for reason in scraper[refused[0] - 1]["reasons"]}
    assert all(one["score"] == sum(reason["weight"] for reason in one["reasons"]) for one in scraper)
    assert [(one["requests"], one["refused"]) for one in summary(both)] == [
        (len(scraper), len(refused)),
        (len(person), 0),
    ]


def test_people_read_each_decision_with_its_reasons(explain):
    text = explain("--log", PERSON, "--log", SCRAPER)
    assert re.search(r"\n +1  10:00:03  203\.0\.113\.24 +allow +0  GET /\n", text)
    assert re.search(r"challenge +65  GET /\S+\n +by thresholds\.60: no-styles 45 \+ always-typed 20\n", text)
    assert text.count("first sign of no-styles: three pages or more, and no style") == 1
    assert re.search(r"198\.51\.100\.77 +72 requests, \d\d refused, the first in line \d+ of ", text)
    assert "requests, all passed" in text
    assert "there is no sign of" in text


def test_it_is_decided_by_the_clock_of_the_log(explain, log, tmp_path):
    (tmp_path / "rules.yaml").write_text(
        "version: 1\nextends: default\nrules: [{name: fast, when: {rate: 3/min}, action: throttle}]\n"
    )
    path = log(*((second, "/api/x", {"agent": "curl/8"}) for second in (0, 1, 2, 3, 4, 200, 201)))
    got = decisions(explain("--log", path, "--json", "--rules", "rules.yaml"))
    assert [one["action"] for one in got] == ["allow"] * 3 + ["throttle"] * 2 + ["allow"] * 2
    assert got[0]["time"] == "2026-11-22T10:00:00+00:00"


def test_who_reads_robots_txt_and_breaks_it_is_refused(explain, log, tmp_path):
    (tmp_path / "robots.txt").write_text("User-agent: *\nDisallow: /closed/\n")
    bot = {"agent": "NiceBot/1.0"}
    path = log((0, "/robots.txt", bot), (1, "/a", bot), (2, "/closed/x", bot), (3, "/b", bot))
    told = decisions(explain("--log", path, "--robots", "robots.txt", "--json"))
    assert [one["action"] for one in told] == ["allow", "allow", "block", "block"]
    assert told[2]["reasons"][-1]["signal"] == "robots-broken"
    assert told[0]["note"] == "answered to everybody, before any rule"
    assert {one["action"] for one in decisions(explain("--log", path, "--json"))} == {"allow"}


def test_a_browser_that_got_past_the_challenge_is_left_alone(explain, log):
    shown = "/.well-known/scrapeguard/style.css?t=x"
    pages = [(7 * number * number, f"/p/{number}") for number in range(12)]
    other = {"agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "client": "192.0.2.7"}
    styled = (0, "/site.css", other)
    refused = decisions(explain("--log", log(styled, *pages), "--json"))
    assert refused[-1]["action"] != "allow"
    passed = explain("--log", log(styled, *pages[:9], (500, shown), *pages[9:]), "--json")
    assert [one["note"] for one in decisions(passed)].count("the way out for people") == 1
    assert decisions(passed)[-1]["action"] == "allow"


def test_no_referrer_in_events_is_no_sign_of_typing(explain, tmp_path):
    """And what was seen of headers then counts, though the log holds no headers."""
    policy = load_policy()
    guard = Guard(policy, behaviour=new_behaviour(policy, b"x" * 32))
    lines = []
    for number in range(12):
        request = Request.of(
            f"/p/{number}", user_agent=CHROME, peer="192.0.2.1", host="localhost", headers={"accept": "text/html"}
        )
        lines.append(Event.of(1795338000 + 90 * number, "ref", request, guard.assess(request)).to_json())
    (tmp_path / "events.log").write_text("\n".join(lines))
    told = decisions(explain("--log", "events.log", "--json"))
    signals = {reason["signal"] for one in told for reason in one["reasons"]}
    assert {"no-sec-fetch", "no-accept-language"} <= signals
    assert "always-typed" not in signals
    assert [one["logged"]["action"] for one in told] == [one["action"] for one in map(json.loads, lines)]


def test_a_sign_that_only_the_headers_showed_counts_once(explain, tmp_path):
    """The hints may name a browser without a window where its name does not; where the name does too, that is one."""
    policy = load_policy()
    hints = '"HeadlessChrome";v="141", "Chromium";v="141"'
    lines = []
    for number, agent in enumerate((CHROME, CHROME.replace("Chrome/", "HeadlessChrome/"))):
        guard = Guard(policy, behaviour=new_behaviour(policy, b"x" * 32))
        headers = {"accept": "text/html", "accept-language": "en", "accept-encoding": "gzip", "sec-ch-ua": hints}
        request = Request.of("/", user_agent=agent, peer="192.0.2.1", host="localhost", headers=headers)
        lines.append(Event.of(1795338000 + number, "ref", request, guard.assess(request)).to_json())
    (tmp_path / "events.log").write_text("\n".join(lines))
    told = decisions(explain("--log", "events.log", "--json"))
    signals = [[reason["signal"] for reason in one["reasons"]].count("headless-browser") for one in told]
    assert signals == [1, 1]
    assert [one["score"] for one in told] == [one["score"] for one in map(json.loads, lines)]


def test_a_share_of_decoys_is_that_of_the_site(explain, log, tmp_path):
    """Who comes to traps gets decoys on some pages, and passes on the others: on the same as at the site."""
    rules = tmp_path / "rules.yaml"
    rules.write_text(
        "extends: default\nevents: {log: off}\nverification: {dns: off, refresh: off}\n"
        "traps: {live: on}\ndecoys: {serve: on, replace: 10}\n"
    )
    guard = ScrapeGuard(nobody, rules).guard
    bot = {"agent": "foobot/1.0"}
    private = tmp_path / "robots.txt"
    private.write_text("User-agent: *\nDisallow: /private/\n")
    lines = [
        (0, "/robots.txt", bot),
        *((1 + number, f"{guard.closed[0]}x{number}", bot) for number in range(4)),
        *((10 + number, f"/private/{number}", bot) for number in range(8)),
        *((30 + number, f"/page/{number}", bot) for number in range(100)),
    ]
    path = log(*lines)
    told = decisions(explain("--log", path, "--rules", str(rules), "--robots", str(private), "--json"))[-100:]
    falsely = [guard.replaces(Request.of(f"/page/{number}", host="localhost")) for number in range(100)]
    assert [one["action"] for one in told] == ["decoy" if one else "observe" for one in falsely]
    assert 0 < sum(falsely) < 100


def test_decoys_that_cannot_be_made_are_told(explain, log, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "rules.yaml").write_text("extends: default\ndecoys: {serve: on, replace: 10, corpus: empty}\n")
    _, said = explain("--log", log((0, "/")), "--rules", "rules.yaml", code=1)
    assert "empty" in said


def test_what_the_log_says_is_shown_where_it_differs(explain, tmp_path):
    refused = Event.of(1795338000, "r", Request.of("/x", user_agent="GPTBot/1.3"), Decision("allow", "default"))
    (tmp_path / "events.log").write_text(refused.to_json())
    assert "the log says `allow`" in explain("--log", "events.log")


def test_one_client_is_shown_alone_and_all_are_decided(explain):
    text = explain("--log", PERSON, "--log", SCRAPER, "--ip", "198.51.100.77")
    assert "challenge    65" in text
    assert "203.0.113.24" not in text


def test_bad_lines_are_named_and_the_others_decided(explain, log):
    path = log((0, "/a"), (1, "/b"))
    Path(path).write_text(Path(path).read_text().replace("\n", "\nno line at all\n", 1))
    text, said = explain("--log", path, code=1)
    assert "access.log:2: neither a line of the combined format nor an event" in said
    assert "1 line could not be read" in said
    assert "GET /b" in text
    records = [json.loads(line) for line in explain("--log", path, "--json", code=1)[0].splitlines()]
    assert [record["line"] for record in records[:3]] == [1, 2, 3]
    assert records[-1]["unreadable"] == 1


def test_a_log_out_of_order_is_told(explain, log):
    said = explain("--log", log((300, "/a"), (0, "/b"), (301, "/c")), code=1)[1]
    assert "access.log:2: its time is 300 s before" in said


def test_bad_lines_without_end_are_counted(explain, tmp_path):
    (tmp_path / "bad.log").write_text("x\n" * 500)
    text, said = explain("--log", "bad.log", code=1)
    assert said.count("combined format") == 50
    assert "500 lines could not be read" in said
    assert "no request was decided" in text


def test_a_log_may_come_on_standard_input(explain, monkeypatch):
    class Stream:
        buffer = io.BytesIO(Path(SCRAPER).read_bytes())

    monkeypatch.setattr("sys.stdin", Stream)
    assert "72 requests" in explain("--log", "-")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--log", "absent.log"], "cannot read absent.log"),
        (["--log", PERSON, "--robots", "absent.txt"], "cannot read absent.txt"),
        (["--log", PERSON, "--path", "/x"], "--path describes a single request"),
        (["--log", PERSON, "--dns"], "--dns describes a single request"),
        (["--log", "-", "--log", "-"], "one standard input"),
        (["--robots", "robots.txt"], "belongs to --log"),
    ],
)
def test_bad_usage_is_told(explain, arguments, says):
    assert says in explain(*arguments, code=2)[1]


def test_strangers_do_not_steer_the_terminal(explain, log):
    assert "\x1b" not in explain("--log", log((0, "/\\x1b[2J", {"agent": "\\x1b[31mEvil"})))


def test_whoever_reads_it_may_stop(tmp_path):
    (tmp_path / "long.log").write_text(Path(SCRAPER).read_text() * 200)
    command = [sys.executable, "-m", "scrapeguard", "explain", "--log", str(tmp_path / "long.log")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.readline()
        process.stdout.close()
        said = process.stderr.read()
        assert b"Traceback" not in said
        assert b"cannot read" not in said
        assert process.wait(60) == 0


def test_many_clients_are_told_together(explain, log):
    lines = [(0, "/", {"client": f"192.0.2.{number}"}) for number in range(30)]
    assert "and all other clients: 10 requests, 0 refused" in explain("--log", log(*lines))
