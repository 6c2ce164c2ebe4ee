"""The command `scrapeguard proxy`, as a process of its own before real upstreams."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

import scrapeguard
from scrapeguard.cli import main
from scrapeguard.cli.proxy import NamedUpstreams
from scrapeguard.proxy.upstream import Upstream, Upstreams

ROOT = Path(scrapeguard.__file__).parents[1]
TIMEOUT = 20
HEALTH = "/.well-known/scrapeguard/health"
QUIET = "version: 1\nextends: default\nverification: {dns: off, refresh: off}\nevents: {log: off}\n"
OPEN = "agents: {GPTBot: allow}\n"


def eventually(is_so):
    deadline = time.monotonic() + TIMEOUT
    while not is_so():
        assert time.monotonic() < deadline, "it never came to be so"
        time.sleep(0.05)


@pytest.fixture
def rules(tmp_path):
    path = tmp_path / "rules.yaml"
    path.write_text(QUIET)
    return path


class Slow:
    """An upstream that sends the second half of a page when it is told to."""

    def __init__(self):
        self.go_on = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.heard = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection):
        with connection:
            head = b""
            while b"\r\n\r\n" not in head:
                part = connection.recv(65536)
                if not part:
                    return
                head += part
            self.heard.append(head)
            connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 8\r\n\r\nhalf")
            if b"/slow" in head:
                self.go_on.wait(TIMEOUT)
            try:
                connection.sendall(b"half")
            except OSError:
                return

    def close(self):
        self.go_on.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@pytest.fixture
def upstream():
    with closing(Slow()) as upstream:
        yield upstream


class Proxy:
    def __init__(self, process, log, started):
        self.process = process
        self.log = log
        self.started = started
        self.port = int(started["listen"].rpartition(":")[2]) if started["listen"].startswith("http") else None

    def ask(self, path="/", agent="curl/8.11.0", host="site.example"):
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT)) as client:
            client.request("GET", path, headers={"User-Agent": agent, "Host": host})
            response = client.getresponse()
            return response.status, response.read()

    def tell(self, number):
        self.process.send_signal(number)

    def wait(self):
        return self.process.wait(TIMEOUT)

    def is_ready(self):
        try:
            return self.ask(HEALTH)[0] == 200
        except OSError:
            return False

    def workers(self):
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        command = {pid: Path(f"/proc/{pid}/cmdline").read_bytes() for pid in children}
        return [int(pid) for pid in children if b"spawn_main" in command[pid]]


@contextmanager
def proxy(tmp_path, rules, *arguments, listen="127.0.0.1:0"):
    log = tmp_path / "log"
    command = [sys.executable, "-m", "scrapeguard", "proxy", "--json", "--rules", str(rules), "--listen", listen]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with (
        log.open("w") as output,
        subprocess.Popen(
            [*command, *arguments], cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=output, text=True
        ) as process,
    ):
        try:
            line = process.stdout.readline()
            assert line, log.read_text()
            running = Proxy(process, log, json.loads(line))
            if running.port and "--ssl-certfile" not in arguments:
                eventually(running.is_ready)
            yield running
        finally:
            process.terminate()
            try:
                process.wait(TIMEOUT)
            except subprocess.TimeoutExpired:
                process.kill()
    assert not re.search("Traceback|Unclosed", log.read_text()), log.read_text()


def test_it_stands_in_front_of_a_site(tmp_path, rules, upstream):
    with proxy(tmp_path, rules, "--upstream", f"http://127.0.0.1:{upstream.port}") as running:
        assert running.started["upstreams"] == {"*": f"http://127.0.0.1:{upstream.port}"}
        assert running.ask() == (200, b"halfhalf")
        assert running.ask(agent="GPTBot/1.2")[0] == 403
        assert b"User-agent: GPTBot" in running.ask("/robots.txt", agent="GPTBot/1.2")[1]
        running.tell(signal.SIGTERM)
        assert running.wait() == 0


def test_each_host_may_have_its_upstream(tmp_path, rules, upstream):
    other = f"site.example=http://127.0.0.1:{upstream.port}"
    with proxy(tmp_path, rules, "--upstream", "http://127.0.0.1:9", "--upstream", other) as running:
        assert running.ask()[0] == 200
        assert list(running.started["upstreams"]) == ["site.example", "*"]


@pytest.mark.parametrize(
    ("text", "default", "by_host"),
    [
        ("http://a:3000", "http://a:3000", {}),
        ("unix:/run/a=b.sock", "unix:/run/a=b.sock", {}),
        ("unix:/run/a=http://b", "unix:/run/a=http://b", {}),
        ("A.example=http://b", None, {"a.example": "http://b"}),
        ("a.example=unix:/run/b=c.sock", None, {"a.example": "unix:/run/b=c.sock"}),
        ("[::1]=http://[::2]:3000", None, {"[::1]": "http://[::2]:3000"}),
    ],
)
def test_an_upstream_is_of_one_host_or_of_all(text, default, by_host):
    named = NamedUpstreams.of([text])
    assert named.default == (default and Upstream.of(default))
    assert named.by_host == {host: Upstream.of(url) for host, url in by_host.items()}
    assert Upstreams(named.default, named.by_host)


def site_rules(*sites):
    return f"{QUIET}sites:\n" + "".join(f"  {host}: {{upstream: 'http://127.0.0.1:{port}'}}\n" for host, port in sites)


def test_the_rule_file_may_name_all_upstreams(tmp_path, rules, upstream):
    rules.write_text(site_rules(("site.example", upstream.port), ("other.example", 9)))
    with proxy(tmp_path, rules) as running:
        assert list(running.started["upstreams"]) == ["site.example", "other.example"]
        assert running.ask() == (200, b"halfhalf")
        assert running.ask(host="other.example")[0] == 502
        assert running.ask(host="unknown.example")[0] == 421
        assert running.ask("/robots.txt", host="unknown.example")[0] == 200


def test_the_command_line_counts_more_than_the_rule_file(tmp_path, rules, upstream):
    rules.write_text(site_rules(("site.example", 9), ("'*.example'", 9)))
    here = f"http://127.0.0.1:{upstream.port}"
    with proxy(tmp_path, rules, "--upstream", here, "--upstream", f"site.example={here}") as running:
        assert [running.ask(host=host)[0] for host in ("site.example", "other.example", "x.org")] == [200, 502, 200]


def test_other_upstreams_come_without_a_failed_request(tmp_path, rules, upstream):
    with closing(Slow()) as second, proxy_of_sites(tmp_path, rules, upstream) as running:
        statuses, ports = set(), [upstream.port, second.port]
        done = threading.Event()

        def go_on_asking():
            while not done.is_set():
                statuses.add(running.ask()[0])

        clients = [threading.Thread(target=go_on_asking) for _ in range(4)]
        for client in clients:
            client.start()
        for number in range(1, 5):
            heard = len(second.heard), len(upstream.heard)
            rules.write_text(site_rules(("site.example", ports[number % 2])))
            running.tell(signal.SIGHUP)
            eventually(lambda number=number: running.log.read_text().count("are in force") >= number)
            taking = (second, upstream)[(number + 1) % 2]
            eventually(lambda taking=taking, heard=heard: len(taking.heard) > heard[taking is upstream] + 2)
        # One that leaves nothing to serve is no good file.
        rules.write_text(QUIET)
        running.tell(signal.SIGHUP)
        eventually(lambda: "there is no upstream" in running.log.read_text())
        done.set()
        for client in clients:
            client.join()
        assert statuses == {200}
        assert running.ask()[0] == 200


def proxy_of_sites(tmp_path, rules, upstream):
    rules.write_text(site_rules(("site.example", upstream.port)))
    return proxy(tmp_path, rules)


def test_workers_have_one_secret_where_none_can_be_kept(tmp_path, rules, upstream, monkeypatch):
    for name in ("SCRAPEGUARD_SECRET", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/dev/null")
    rules.write_text(QUIET + "traps: {live: on}\n")
    with proxy(tmp_path, rules, "--workers", "2", "--upstream", f"http://127.0.0.1:{upstream.port}") as running:
        eventually(lambda: len(running.workers()) == 2)
        time.sleep(1)
        # The path of the traps follows from the secret.
        assert len({running.ask("/robots.txt")[1] for _ in range(30)}) == 1


def test_a_template_that_is_none_stops_the_start_and_changes_nothing_later(tmp_path, rules, upstream, capsys):
    (tmp_path / "bad.html").write_text("<p>no placeholder</p>")
    here = "--upstream", f"http://127.0.0.1:{upstream.port}"
    rules.write_text(QUIET + "sites: {h.example: {decoys: {template: bad.html}}}\n")
    assert main(["proxy", "--rules", str(rules), *here]) == 1
    assert "bad.html: a template without" in capsys.readouterr().err
    bad = rules.read_text()
    rules.write_text(QUIET)
    with proxy(tmp_path, rules, *here) as running:
        rules.write_text(bad)
        eventually(lambda: "a template without" in running.log.read_text())
        assert running.ask()[0] == 200


def begin_download(running):
    client = http.client.HTTPConnection("127.0.0.1", running.port, timeout=TIMEOUT)
    client.request("GET", "/slow", headers={"User-Agent": "curl/8.11.0"})
    response = client.getresponse()
    assert response.read(4) == b"half"
    return client, response


def test_a_download_under_way_ends_well_when_the_proxy_is_told_to_end(tmp_path, rules, upstream):
    with proxy(tmp_path, rules, "--upstream", f"http://127.0.0.1:{upstream.port}") as running:
        client, response = begin_download(running)
        with closing(client):
            running.tell(signal.SIGTERM)
            eventually(lambda: not running.is_ready())
            upstream.go_on.set()
            assert response.read() == b"half"
            assert running.wait() == 0


def test_a_download_that_does_not_end_is_cut_after_the_grace(tmp_path, rules, upstream):
    with proxy(tmp_path, rules, "--grace", "1", "--upstream", f"http://127.0.0.1:{upstream.port}") as running:
        client, response = begin_download(running)
        with closing(client):
            running.tell(signal.SIGTERM)
            assert running.wait() == 0
            with pytest.raises((http.client.IncompleteRead, ConnectionError)):
                response.read()
    assert "an answer was cut" in running.log.read_text()


def test_who_comes_while_workers_end_is_refused_at_once(tmp_path, rules, upstream):
    """Not left waiting for somebody to accept the connection, so that a balancer asks another."""
    here = "--upstream", f"http://127.0.0.1:{upstream.port}"
    with proxy(tmp_path, rules, "--workers", "2", *here) as running:
        eventually(lambda: len(running.workers()) == 2)
        client, response = begin_download(running)
        with closing(client):
            running.tell(signal.SIGTERM)
            eventually(lambda: not is_open(running.port))
            upstream.go_on.set()
            assert response.read() == b"half"
            assert running.wait() == 0


def is_open(port):
    try:
        socket.create_connection(("127.0.0.1", port), TIMEOUT).close()
    except ConnectionRefusedError:
        return False
    return True


def test_workers_do_not_outlive_who_watches_over_them(tmp_path, rules, upstream):
    with proxy(tmp_path, rules, "--workers", "2", "--upstream", f"http://127.0.0.1:{upstream.port}") as running:
        eventually(lambda: len(running.workers()) == 2)
        eventually(running.is_ready)
        running.process.kill()
        running.process.wait(TIMEOUT)
        eventually(lambda: not is_open(running.port))


def test_it_serves_on_while_it_drains_and_its_health_says_so(tmp_path, rules, upstream):
    with proxy(tmp_path, rules, "--drain", "2", "--upstream", f"http://127.0.0.1:{upstream.port}") as running:
        running.tell(signal.SIGTERM)
        eventually(lambda: running.ask(HEALTH) == (503, b"draining\n"))
        assert running.ask() == (200, b"halfhalf")
        assert running.wait() == 0


def test_rules_are_read_anew_on_sighup_and_when_they_change(tmp_path, rules, upstream):
    with proxy(tmp_path, rules, "--upstream", f"http://127.0.0.1:{upstream.port}") as running:
        assert running.ask(agent="GPTBot/1.2")[0] == 403
        rules.write_text(QUIET + OPEN)
        eventually(lambda: running.ask(agent="GPTBot/1.2")[0] == 200)
        rules.write_text(QUIET + "agnets: {}\n")
        running.tell(signal.SIGHUP)
        eventually(lambda: "agnets" in running.log.read_text())
        assert running.ask(agent="GPTBot/1.2")[0] == 200
        # Who asks again is told again.
        for times in range(2, 4):
            running.tell(signal.SIGHUP)
            eventually(lambda times=times: running.log.read_text().count("agnets") >= times)
        assert running.process.poll() is None


def test_several_workers_serve_read_rules_anew_and_are_replaced(tmp_path, rules, upstream):
    with proxy(tmp_path, rules, "--workers", "2", "--upstream", f"http://127.0.0.1:{upstream.port}") as running:
        eventually(lambda: len(running.workers()) == 2)
        eventually(lambda: running.ask()[0] == 200)
        time.sleep(1)
        workers = running.workers()
        rules.write_text(QUIET + OPEN)
        running.tell(signal.SIGHUP)
        eventually(lambda: running.log.read_text().count("are in force") >= 2)
        assert {running.ask(agent="GPTBot/1.2")[0] for _ in range(20)} == {200}
        assert running.workers() == workers
        # A worker that dies while the file is bad comes back with the rules that were good.
        rules.write_text(QUIET + "agnets: {}\n")
        eventually(lambda: "agnets" in running.log.read_text())
        os.kill(workers[0], signal.SIGKILL)
        eventually(lambda: len(set(running.workers()) - {workers[0]}) == 2)
        eventually(running.is_ready)
        os.kill(workers[1], signal.SIGKILL)
        eventually(lambda: running.is_ready() and not set(workers) & set(running.workers()))
        assert running.ask(agent="GPTBot/1.2")[0] == 200
        eventually(lambda: running.log.read_text().count("answered no more (status -9)") == 2)
        running.tell(signal.SIGTERM)
        assert running.wait() == 0


def test_it_may_listen_on_a_unix_socket(tmp_path, rules, upstream):
    path = tmp_path / "proxy.sock"
    with closing(socket.socket(socket.AF_UNIX)) as left_behind:
        left_behind.bind(str(path))
    with proxy(tmp_path, rules, "--upstream", f"http://127.0.0.1:{upstream.port}", listen=f"unix:{path}") as running:
        assert running.started["listen"] == f"unix:{path}"
        with closing(socket.socket(socket.AF_UNIX)) as client:
            client.settimeout(TIMEOUT)
            client.connect(str(path))
            client.sendall(b"GET / HTTP/1.1\r\nHost: h\r\nUser-Agent: curl/8\r\nConnection: close\r\n\r\n")
            answer = b""
            while part := client.recv(65536):
                answer += part
        assert answer.endswith(b"halfhalf")
        # Nobody knows the client's address: nothing is said of it.
        assert b"x-forwarded-for" not in upstream.heard[-1].lower()
        running.tell(signal.SIGTERM)
        assert running.wait() == 0
    assert not path.exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--ssl-certfile", "nope.pem", "--workers", "2"], "nope.pem is not there"),
        (["--ssl-keyfile", "key.pem"], "name the certificate too, with --ssl-certfile"),
        (["--ssl-certfile", "junk.pem"], "no certificate with its key, in PEM and without a passphrase, in junk"),
        (
            ["--ssl-certfile", "junk.pem", "--ssl-keyfile", "nope.pem"],
            "nope.pem is not there",
        ),
    ],
)
def test_what_https_needs_is_looked_at_before_anybody_listens(tmp_path, arguments, said):
    (tmp_path / "junk.pem").write_text("junk", encoding="ascii")
    command = [sys.executable, "-m", "scrapeguard", "proxy", "--upstream", "http://127.0.0.1:9", *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=TIMEOUT, check=False)
    assert ended.returncode == 2
    assert said in ended.stderr
    assert "listens" not in ended.stdout


def test_it_may_serve_https(tmp_path, rules, upstream):
    made = subprocess.run(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost "
        "-addext subjectAltName=DNS:localhost -keyout key.pem -out cert.pem".split(),
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    if made.returncode:
        pytest.skip("openssl cannot make a certificate here")
    tls = ["--ssl-certfile", "cert.pem", "--ssl-keyfile", "key.pem"]
    with proxy(tmp_path, rules, *tls, "--upstream", f"http://127.0.0.1:{upstream.port}") as running:
        assert running.started["listen"].startswith("https://")
        context = ssl.create_default_context(cafile=tmp_path / "cert.pem")
        with closing(
            http.client.HTTPSConnection("localhost", running.port, context=context, timeout=TIMEOUT)
        ) as client:
            client.request("GET", "/", headers={"User-Agent": "curl/8.11.0"})
            assert client.getresponse().read() == b"halfhalf"
    assert re.search(rb"(?i)x-forwarded-proto: https\r", upstream.heard[-1])


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "name those of the sites"),
        (["--upstream", "127.0.0.1:3000"], "http://host:port"),
        (["--upstream", "http://h/path"], "what the client asks for"),
        (["--upstream", "http://a", "--upstream", "http://b"], "HOST=URL"),
        (["--upstream", "h=http://a", "--upstream", "H=http://b"], "another upstream"),
        (["--upstream", "http://a/?b=http://c"], "what the client asks for"),
        (["--upstream", "http://a", "--upstream", "h:80=http://b"], "h:80: write a host as"),
        (["--upstream", "http://a", "--upstream", "h=127.0.0.1:3000"], "http://host:port"),
        (["--upstream", "http://localhost:8080"], "the proxy itself"),
        (["--upstream", "http://a", "--upstream", "h=http://[::1]:90", "--listen", "[::]:90"], "the proxy itself"),
        (["--upstream", "unix:/run/a.sock", "--listen", "unix:/run/a.sock"], "the proxy itself"),
        (["--upstream", "http://a", "--listen", "nowhere"], "HOST:PORT"),
        (["--upstream", "http://a", "--listen", "127.0.0.1:99999"], "HOST:PORT"),
        (["--upstream", "http://a", "--listen", "203.0.113.1:80"], "cannot listen"),
    ],
)
def test_what_cannot_be_done_is_told(capsys, rules, arguments, says):
    assert main(["proxy", "--rules", str(rules), *arguments]) == 2
    assert says in capsys.readouterr().err


def test_a_socket_that_somebody_listens_on_is_not_taken(capsys, rules, tmp_path):
    path = tmp_path / "taken.sock"
    with closing(socket.socket(socket.AF_UNIX)) as taken:
        taken.bind(str(path))
        taken.listen()
        assert main(["proxy", "--rules", str(rules), "--upstream", "http://a", "--listen", f"unix:{path}"]) == 2
    assert "cannot listen" in capsys.readouterr().err


def test_bad_rules_stop_the_start(capsys, rules):
    rules.write_text(QUIET + "agnets: {}\n")
    assert main(["proxy", "--rules", str(rules), "--upstream", "http://a"]) == 1
    assert "agnets" in capsys.readouterr().err


@pytest.mark.parametrize(
    "option", [["--workers", "0"], ["--workers", "x"], ["--grace", "-1"], ["--timeout", "long"], ["--timeout", "0"]]
)
def test_numbers_have_bounds(option):
    with pytest.raises(SystemExit) as stop:
        main(["proxy", "--upstream", "http://a", *option])
    assert stop.value.code == 2


@pytest.mark.parametrize("missing", ["aiohttp", "websockets", "httptools"])
def test_without_its_extra_it_says_what_to_install(missing):
    code = f"import sys; sys.modules[{missing!r}] = None; from scrapeguard.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", code, "proxy", "--upstream", "http://a"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f'scrapeguard: the reverse proxy needs {missing}: pip install "scrapeguard[proxy]"\n'
