from __future__ import annotations

import asyncio
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path

import httpx
import pytest

from scrapeguard import __version__
from scrapeguard.app import ScrapeGuard
from scrapeguard.cli import COMMANDS, main
from scrapeguard.cli.demo_site import demo_site
from scrapeguard.cli.output import printable, table
from scrapeguard.rulefile.load import load_policy
from scrapeguard.verification.refresh import Fetched

BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


@pytest.fixture
def run(capsys, monkeypatch, tmp_path):
    """Run a command in an empty folder: exit code, what it printed, and what it said on standard error."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments, stdin=None):
        if stdin is not None:
            (tmp_path / "stdin").write_bytes(stdin)
        with (tmp_path / "stdin").open() if stdin is not None else nullcontext() as stream:
            monkeypatch.setattr("sys.stdin", stream)
            try:
                code = main(arguments)
            except SystemExit as stop:
                code = stop.code
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


@pytest.fixture
def rules(tmp_path):
    def rules(text, name="rules.yaml"):
        path = tmp_path / name
        path.write_text("version: 1\nextends: default\n" + text, encoding="utf-8")
        return str(path)

    return rules


def json_lines(text):
    return [json.loads(line) for line in text.splitlines()]


def test_without_a_command_the_help_is_shown(run):
    code, out, _ = run()
    assert code == 2
    assert all(command in out for command in COMMANDS)


def test_the_version_is_that_of_the_package(run):
    assert run("--version") == (0, f"scrapeguard {__version__}\n", "")


@pytest.mark.parametrize("arguments", [["no-such-command"], ["explain", "--no-such-option"]])
def test_bad_usage_is_2(run, arguments):
    assert run(*arguments)[0] == 2


def test_help_imports_nothing_heavy():
    code = "import sys, scrapeguard.cli as c\ntry: c.main(['--help'])\nexcept SystemExit: pass\n"
    code += "print(sorted({'yaml', 'starlette', 'uvicorn', 'scrapeguard.core'} & sys.modules.keys()))"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.splitlines()[-1] == "[]"


def test_the_module_is_the_command():
    done = subprocess.run(
        [sys.executable, "-m", "scrapeguard", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"scrapeguard {__version__}\n"


def test_a_reader_who_stops_reading_is_no_error():
    command = [sys.executable, "-m", "scrapeguard", "agents", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        process.stderr.close()
        assert process.wait(30) == 0


# explain


def test_check_tells_the_upstreams_of_sites(run, rules):
    file = rules("sites: {h.example: {upstream: http://127.0.0.1:3000}}\n")
    code, out, _ = run("check", file)
    assert (code, "the proxy finds h.example at http://127.0.0.1:3000" in out) == (0, True)
    assert json.loads(run("check", file, "--json")[1])["upstreams"] == {"h.example": "http://127.0.0.1:3000"}


def test_check_looks_into_the_templates_of_decoys(run, rules, tmp_path):
    (tmp_path / "bad.html").write_text("<p>{{title}}</p>")
    code, _, err = run("check", rules("sites: {h.example: {decoys: {template: bad.html}}}\n"))
    assert (code, "bad.html: a template without {{content}}" in err) == (1, True)


def test_explain_gives_the_decision_and_every_reason(run):
    code, out, _ = run("explain", "--user-agent", "GPTBot/1.2", "--ip", "203.0.113.9", "--path", "/a?b")
    assert code == 0
    for words in (
        "block (403)",
        "agents.training",
        "GPTBot of OpenAI",
        "203.0.113.9",
        "/a?b",
        "User-Agent names GPTBot",
    ):
        assert words in out


def test_explain_as_json_is_the_decision(run):
    code, out, _ = run("explain", "--user-agent", "GPTBot/1.2", "--ip", "203.0.113.9", "--json")
    (decision,) = json_lines(out)
    assert (code, decision["action"], decision["status"], decision["client"]) == (0, "block", 403, "203.0.113.9")


def test_explain_knows_rules_headers_methods_and_hosts(run, rules):
    path = rules(
        "rules: [{name: key, when: {header: {X-Key: s*}, method: POST, host: h.example}, action: allow}]\n"
        "sites: {observed.example: {mode: observe}}\n"
    )
    request = [
        "explain",
        "--rules",
        path,
        "--json",
        "--user-agent",
        "GPTBot",
        "--method",
        "post",
        "--host",
        "h.example",
    ]
    assert json_lines(run(*request, "-H", "X-Key: secret")[1])[0]["rule"] == "key"
    assert json_lines(run(*request)[1])[0]["rule"] == "agents.training"
    out = run("explain", "--rules", path, "--user-agent", "GPTBot", "--host", "observed.example")[1]
    assert "the request passes" in out


def test_explain_shows_how_the_address_was_found(run, rules):
    path = rules("proxies: {trusted: [private]}\n")
    request = ["explain", "--ip", "10.0.0.1", "-H", "X-Forwarded-For: 66.249.66.1, 198.51.100.7"]
    out = run(*request, "--rules", path)[1]
    assert "address    198.51.100.7" in out
    assert "10.0.0.1: the socket's other end" in out
    assert "198.51.100.7: the client" in out
    assert "X-Forwarded-For is not read: proxies.trusted does not hold 10.0.0.1" in run(*request)[1]
    assert json_lines(run(*request, "--rules", path, "--json")[1])[0]["client"] == "198.51.100.7"


LISTED = ("--user-agent", "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)")


def test_explain_tells_whether_the_address_is_the_agents(run, rules, monkeypatch):
    asked = []

    class Names:
        async def names(self, address):
            asked.append(str(address))
            return []

    monkeypatch.setattr("scrapeguard.verifying.SystemDns", Names)
    file = rules("verification: {folder: lists}\n")
    _, out, _ = run("explain", "--rules", file, *LISTED, "--ip", "157.55.39.1", "--json")
    assert json.loads(out)["agent"]["identity"] == "verified"
    assert [(one["network"], one["url"]) for one in json.loads(out)["lists"]] == [
        ("157.55.39.0/24", "https://www.bing.com/toolbox/bingbot.json")
    ]
    _, out, _ = run("explain", "--rules", file, "--user-agent", "curl/8", "--ip", "157.55.39.1")
    assert "157.55.39.0/24 of Microsoft: https://www.bing.com/toolbox/bingbot.json, as of 20" in out
    _, out, _ = run("explain", "--rules", file, *LISTED, "--ip", "9.9.9.9", "--json")
    assert (json.loads(out)["agent"]["identity"], asked) == ("claimed", [])
    _, out, _ = run("explain", "--rules", file, *LISTED, "--ip", "9.9.9.9", "--dns")
    assert asked == ["9.9.9.9"]
    assert out.startswith("block (403), decided by thresholds.100")
    assert "its address is none of Microsoft's" in out


def test_the_published_lists_are_fetched(run, rules, monkeypatch, tmp_path):
    def fetch(url, etag):
        if "openai" not in url:
            raise OSError("no route")
        return Fetched(200, _networks(300))

    monkeypatch.setattr("scrapeguard.cli.agents.fetch", fetch)
    file = rules("verification: {folder: lists}\n")
    code, out, err = run("agents", "update", "--rules", file)
    assert code == 1
    assert "https://openai.com/gptbot.json: 300 networks\n" in out
    assert "https://www.bing.com/toolbox/bingbot.json: no answer: no route" in err
    assert err.endswith(f"kept in {tmp_path / 'lists'}\n")
    _, out, _ = run("agents", "update", "--rules", file, "--json")
    answers = {one["url"]: one for one in json_lines(out)}
    assert answers["https://openai.com/gptbot.json"] == {
        "url": "https://openai.com/gptbot.json",
        "networks": None,
        "problem": None,
    }
    _, out, _ = run("check", file)
    assert "published lists at hand, 0 to" in out


def _networks(number):
    return json.dumps([f"8.{n // 200}.{n % 200}.0/24" for n in range(number)]).encode()


def test_explain_of_nothing(run):
    out = run("explain")[1]
    assert "allow (200)" in out
    assert "says nothing of itself" in out
    assert "not given" in out


def test_explain_does_not_let_strangers_steer_the_terminal(run):
    assert "\x1b" not in run("explain", "--user-agent", "\x1b[2JEvilBot/1", "--path", "/\x1b[2J")[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["-H", "no colon"], "-H: takes"), (["--path", "x"], "--path: begins"), (["--ip", "localhost"], "--ip: neither")],
)
def test_explain_says_what_is_wrong_with_the_request(run, arguments, message):
    code, out, err = run("explain", *arguments)
    assert (code, out) == (2, "")
    assert message in err


@pytest.mark.parametrize("command", [["explain"], ["classify"], ["robots"], ["agents"], ["demo"], ["check"]])
def test_a_rule_file_that_cannot_be_used_is_1_and_every_problem(run, rules, command):
    path = rules("mod: x\nagents: {Nobody: block}\n")
    code, out, err = run(*command, "--rules", path)
    assert (code, out) == (1, "")
    assert f"{path}:3:1: unknown key `mod`; did you mean `mode`?" in err
    assert f"{path}:4:10:" in err
    assert "2 problems" in err


# classify


def test_classify_reads_user_agents_from_a_pipe(run):
    code, out, _ = run("classify", stdin=f"GPTBot/1\n{BROWSER}\r\n\n\xff\n".encode("latin-1"))
    assert code == 0
    lines = out.splitlines()
    assert [line.split()[:2] for line in lines[1:5]] == [
        ["block", "training"],
        ["allow", "browser"],
        ["allow", "unknown"],
        ["allow", "unknown"],
    ]
    assert lines[-1] == "4 user agents, 1 refused."


def test_classify_reads_a_file_and_writes_json(run, tmp_path):
    (tmp_path / "agents.txt").write_text("Googlebot/2.1")
    (record,) = json_lines(run("classify", "agents.txt", "--json")[1])
    assert (record["user_agent"], record["action"]) == ("Googlebot/2.1", "allow")
    assert record["agent"]["purpose"] == "search-engine"


def test_classify_says_which_file_it_cannot_read(run):
    code, _, err = run("classify", "absent.txt")
    assert code == 2
    assert "cannot read absent.txt: No such file" in err


# robots


def test_robots_prints_what_is_served(run, rules):
    code, out, _ = run("robots")
    assert code == 0
    assert "User-agent: GPTBot\n" in out
    assert "Disallow: /\n\nUser-agent: *\nDisallow:\nContent-Usage: train-ai=n, ai-use=n\n" in out
    path = rules("sites: {open.example: {sharing: {train: allow, ai-use: allow}}}\n")
    assert run("robots", "--rules", path, "--host", "open.example")[1] == "User-agent: *\nDisallow:\n"


def test_robots_closes_the_traps_as_the_site_does(run, tmp_path, monkeypatch):
    monkeypatch.setenv("SCRAPEGUARD_SECRET", "a secret of the tests")
    (tmp_path / "traps.yaml").write_text("version: 1\nextends: default\ntraps: {live: on}\n")
    served = ScrapeGuard(None, load_policy(tmp_path / "traps.yaml")).guard.closed
    assert f"User-agent: *\nDisallow: {served[0]}\n" in run("robots", "--rules", str(tmp_path / "traps.yaml"))[1]


def test_robots_as_json_has_the_text_and_the_notes(run, tmp_path):
    (record,) = json_lines(run("robots", "--json")[1])
    assert "User-agent: GPTBot\n" in record["robots_txt"]
    assert record["notes"] == []


def test_robots_merges_a_file_and_tells_what_is_wrong_in_it(run, tmp_path):
    (tmp_path / "own.txt").write_text("User-agent: GPTBot\nAllow: /\n\nUser-agent: *\nDisalow: /tmp\nDisallow: /a\n")
    code, out, err = run("robots", "--merge", "own.txt")
    assert code == 1
    assert "Disallow: /\n\nUser-agent: *\nDisalow: /tmp\nDisallow: /a\nContent-Usage: train-ai=n, ai-use=n\n" in out
    assert "own.txt:2: allows GPTBot what the policy refuses" in err
    assert "own.txt:5: `Disalow` is read as disallow by Google alone" in err
    assert err.endswith("own.txt: 2 notes.\n")
    (record,) = json_lines(run("robots", "--merge", "own.txt", "--json")[1])
    assert [note["line"] for note in record["notes"]] == [2, 5]


def test_robots_says_which_file_it_cannot_read(run):
    code, _, err = run("robots", "--merge", "absent.txt")
    assert code == 2
    assert "cannot read absent.txt" in err


def test_robots_says_where_the_file_is_not_served(run, rules):
    assert "not served yet" in run("robots", "--rules", rules("mode: observe\n"))[2]


# agents


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (["GPTBot"], ["training", "https://openai.com/gptbot.json", "token GPTBot"]),
        (["googlebot"], [".googlebot.com", "allow"]),
        (["ChatGPT", "Agent"], ["https://chatgpt.com", "not by its User-Agent"]),
        (["Google-Extended"], ["never sent in a request"]),
        (["linkedin"], ["Data for Generative AI Improvement", "https://www.linkedin.com/mypreferences"]),
        (["meta"], ["meta-externalagent", "Instagram", "Threads"]),
        (["archive"], ["archive.org_bot", "0 for AI"]),
    ],
)
def test_agents_tells_what_it_knows_under_a_name(run, name, words):
    code, out, _ = run("agents", *name)
    assert code == 0
    assert all(word in out for word in words)


def test_agents_lists_all(run):
    out = run("agents")[1]
    assert len(out.splitlines()) > 500
    assert "facts of 2026" in out


def test_agents_as_json_is_an_agent_or_an_account_a_line(run):
    (agent,) = json_lines(run("agents", "GPTBot", "--json")[1])
    assert (agent["action"], agent["token"], agent["verify"]["ranges"]) == (
        "block",
        "GPTBot",
        ["https://openai.com/gptbot.json"],
    )
    records = json_lines(run("agents", "tumblr", "--json")[1])
    assert records[-1]["service"] == "Tumblr"
    assert len(json_lines(run("agents", "--json")[1])) > 560


def test_agents_helps_with_the_spelling(run):
    code, _, err = run("agents", "gptbt")
    assert code == 1
    assert "did you mean GPTBot" in err
    assert run("agents", "qqqqqqqq")[2] == "nothing in the catalogue is called 'qqqqqqqq'\n"


def test_agents_says_what_the_rules_do_about_them(run, rules):
    assert "GPTBot: allow" in run("agents", "GPTBot", "--rules", rules("agents: {GPTBot: allow}\n"))[1]


# check


def test_check_finds_nothing_wrong_with_the_default(run):
    code, out, _ = run("check")
    assert code == 0
    assert "refused by mistake: 0" in out
    assert "FAIL" not in out


def test_check_fails_where_a_rule_would_refuse_people(run, rules):
    path = rules("rules: [{name: too wide, when: {header: {User-Agent: mozilla*}}, action: block}]\n")
    code, out, _ = run("check", path)
    assert code == 1
    assert "too wide refuses a browser: Mozilla/5.0" in out
    assert "and " in out.splitlines()[-1]
    (summary,) = json_lines(run("check", path, "--json")[1])
    assert summary["ok"] is False
    assert {refusal["rule"] for refusal in summary["refused_by_mistake"]} == {"too wide"}


def test_check_looks_at_each_site(run, rules):
    path = rules("sites: {'*.shop.example': {rules: [{name: shut, when: {purpose: feed-reader}, action: block}]}}\n")
    code, out, _ = run("check", path)
    assert code == 1
    assert "shut refuses a feed-reader at www.shop.example" in out


def test_check_takes_the_owners_word_for_who_is_unwelcome(run, rules):
    assert run("check", rules("agents: {seo: block, curl: block}\nsharing: {search: deny}\n"))[0] == 0


def test_check_runs_the_tests_of_the_file(run, rules):
    path = rules("tests: [{request: {user-agent: GPTBot}, expect: allow}, {request: {}, expect: allow}]\n")
    code, out, _ = run("check", path)
    assert code == 1
    assert "1 of 2 pass" in out
    assert f"{path}:3: expected allow, got block by agents.training" in out.replace("3:9", "3")
    (summary,) = json_lines(run("check", path, "--json")[1])
    assert summary["tests"]["passed"] == 1
    assert summary["tests"]["failed"][0]["got"]["rule"] == "agents.training"


def test_check_reports_problems_as_json_too(run, rules):
    code, out, _ = run("check", "--json", rules("mod: x\n"))
    (summary,) = json_lines(out)
    assert (code, summary["ok"]) == (1, False)
    assert summary["problems"][0]["line"] == 3


def test_check_prints_the_schema_of_rule_files(run):
    assert json.loads(run("check", "--schema")[1])["title"] == "scrapeguard rule file"


PATHS = "sharing: {paths: {/drafts/: private, /press/: allow, /old/: {noindex: on}}}\nagents: {GPTBot: allow}\n"


def test_check_shows_all_that_is_said_of_a_path(run, rules):
    code, out, _ = run("check", rules(PATHS), "--path", "/drafts/x", "--host", "h.example")
    assert code == 0
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert lines[0] == "what is said of /drafts/x at h.example"
    assert "sharing by what is said of /drafts/" in lines
    assert "headers content-usage: train-ai=n, ai-use=n" in lines
    assert "tdmrep.json reserves text and data mining" in lines
    assert "licence https://h.example/license.xml: permits search; prohibits ai-all" in lines
    _, out, _ = run("check", rules("mode: observe\n" + PATHS), "--path", "/")
    assert "none of it is said yet" in out
    assert "licence      none" in out


def test_check_shows_what_is_said_as_json(run, rules):
    said = {
        path: json.loads(run("check", rules(PATHS), "--path", path, "--json")[1])
        for path in ("/", "/drafts/", "/press/", "/old/")
    }
    assert [said[path]["allowed"].get("training") for path in said] == [
        1,
        None,
        said["/press/"]["allowed"]["training"],
        1,
    ]
    assert said["/press/"]["refused"] == {}
    assert all(one["told"] == one["with_token"] for one in said.values())
    assert ["x-robots-tag", "noai, noimageai, noindex"] in said["/old/"]["headers"]
    assert [one["reserved"] for one in said.values()] == [True, True, False, True]
    assert (said["/press/"]["permitted"], said["/press/"]["prohibited"]) == ("all", "")


def test_check_wants_a_path_to_be_one(run):
    assert run("check", "--path", "drafts")[0] == 2


def test_check_names_the_rules_of_every_site_that_robots_txt_cannot_say(run, rules):
    keyed = "rules: [{name: keyed, when: {path: /a, header: {x-key: secret}}, action: block}]"
    code, out, _ = run("check", rules(f"sites: {{a.example: {{{keyed}}}}}\n"))
    assert code == 0
    assert "robots.txt cannot express, or not in full: keyed" in out


def test_check_takes_one_rule_file(run):
    assert run("check", "a.yaml", "--rules", "b.yaml")[0] == 2


def test_check_finds_the_file_of_the_folder(run, rules):
    rules("mod: x\n", name="scrapeguard.yaml")
    assert "scrapeguard.yaml:3:1" in run("check")[2]


# demo


def test_the_demo_shows_who_got_what(run):
    code, out, _ = run("demo")
    assert code == 0
    got = {line[:23].strip(): line.split() for line in out.splitlines()}
    for client in ("Chrome on Windows", "CUBOT phone", "Googlebot", "feed reader", "link preview", "curl"):
        assert "200" in got[client], client
        assert "allow" in got[client], client
    assert "403" in got["GPTBot"]
    assert "403" in got["ClaudeBot"]
    assert "everybody may read it" in out
    rows = [line.split()[2:] for line in out.splitlines() if line.startswith("greedy scraper")]
    assert [row[:4] for row in rows] == [
        ["4", "pages", "200", "allow"],
        ["a", "trap", "200", "decoy"],
        ["35", "pages", "200", "decoy"],
    ]
    assert "4 pages of the site and 36 false pages" in out
    assert "these rules have them off" in out


def test_the_demo_follows_the_rules_it_is_given(run, rules):
    rows = json_lines(run("demo", "--json", "--rules", rules("agents: {GPTBot: allow}\n"))[1])
    got = {(row["client"], row["path"]): row["status"] for row in rows if "path" in row}
    assert got["GPTBot", "/articles/tide-mill"] == 200
    assert got["ClaudeBot", "/articles/allotments"] == 403


def test_the_scraper_of_the_demo_takes_what_the_rules_leave_it(run, rules, tmp_path):
    *_, haul = json_lines(run("demo", "--json")[1])
    assert (haul["requests"], haul["pages"], len(haul["decoys"])) == (40, 4, 36)
    assert len({decoy["title"] for decoy in haul["decoys"]}) > 30
    more = f"decoys: {{serve: on, tarpit: on, log: {tmp_path}/log.db}}\nagents: {{other-bot: block}}\n"
    *_, haul = json_lines(run("demo", "--json", "--rules", rules(more))[1])
    assert (haul["requests"], haul["pages"], haul["decoys"]) == (1, 0, [])
    assert not (tmp_path / "log.db").exists()


def test_the_demo_does_not_praise_decoys_to_who_has_them(run, rules):
    out = run("demo", "--rules", rules("decoys: {serve: on}\ntraps: {live: on, inject: on}\n"))[1]
    assert "36 false pages" in out
    assert "these rules have them off" not in out


def test_a_port_that_cannot_be_had_is_said(run):
    assert "a port is a number from 0 to 65535, not '99999'" in run("demo", "--port", "99999")[2]
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, _, err = run("demo", "--port", str(port))
    assert code == 2
    assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in err


@pytest.mark.parametrize("as_json", [False, True])
def test_the_demo_stays_up_and_prints_each_decision(as_json, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "scrapeguard", "demo", "--serve", "--port", str(port)] + ["--json"] * as_json
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path, env=environment) as process:
        for _ in range(200):
            try:
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
                connection.request("GET", "/", headers={"User-Agent": "GPTBot/1"})
                break
            except ConnectionRefusedError:
                connection.close()
                time.sleep(0.05)
        assert connection.getresponse().status == 403
        connection.close()
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=30)
    assert ('"action": "block"' if as_json else "block   403  GET /  GPTBot of OpenAI, training") in out


# output


def test_what_cannot_be_printed_is_replaced():
    assert printable("a\x1b\n\u202eé") == "a\ufffd\ufffd\ufffdé"


def test_on_a_terminal_tables_have_colours_and_fit(capsys, monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "30")
    monkeypatch.delenv("NO_COLOR", raising=False)
    table(("A", "B"), [("block", "x" * 50)], colours={0: {"block": "red"}})
    head, row = capsys.readouterr().out.splitlines()
    assert "\x1b[1m" in head
    assert row == "\x1b[31mblock\x1b[0m  " + "x" * 22 + "…"
    monkeypatch.setenv("NO_COLOR", "1")
    table(("A", "B"), [("block", "x")], colours={0: {"block": "red"}})
    assert "\x1b" not in capsys.readouterr().out


def test_the_demo_site_is_a_site():
    async def get(*paths):
        transport = httpx.ASGITransport(demo_site())
        async with httpx.AsyncClient(transport=transport, base_url="http://demo") as client:
            return [await client.get(path) for path in paths]

    front, style, absent = asyncio.run(get("/", "/style.css", "/articles/none"))
    assert "The tide mill" in front.text
    assert style.headers["content-type"].startswith("text/css")
    assert absent.status_code == 404
