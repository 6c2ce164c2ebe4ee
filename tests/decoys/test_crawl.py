"""The maze as builders of data sets meet it: a real crawler follows its links, a real extractor reads its pages."""

from __future__ import annotations

import base64
import json
import os
import socket
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import httpx
import pytest
import uvicorn

from scrapeguard.app import ScrapeGuard
from scrapeguard.canaries.canary import page_ids
from scrapeguard.cli import main
from scrapeguard.cli.demo_site import demo_site
from scrapeguard.rulefile.load import load_policy

PAGES = 60
AGENT = "GPTBot/1.3 (+https://openai.com/gptbot)"
ACCEPT = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
RULES = """version: 1
extends: default
events: {{log: off}}
verification: {{dns: off, refresh: off}}
decoys: {{serve: on, cpu: 100, rate: 1000000000, log: {log}}}
agents: {{GPTBot: decoy}}
"""
SPIDER = Path(__file__).with_name("spider.py")


@pytest.fixture(scope="module")
def maze(tmp_path_factory, catalogue):
    """The address of a guarded site, and the log of what it serves."""
    folder = tmp_path_factory.mktemp("maze")
    (folder / "rules.yaml").write_text(RULES.format(log=folder / "served.db"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SCRAPEGUARD_SECRET", "a secret of the tests, long enough")
        guarded = ScrapeGuard(demo_site(), load_policy(folder / "rules.yaml", catalogue=catalogue))
    server = uvicorn.Server(uvicorn.Config(guarded, port=0, log_level="critical"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}", folder / "served.db"
    server.should_exit = True
    thread.join(10)


@pytest.fixture(scope="module")
def crawled(maze):
    """What Scrapy brings home: the bodies by their addresses."""
    pytest.importorskip("scrapy", reason='a real crawler is needed: pip install "scrapeguard[bench]"')
    start = f"{maze[0]}/articles/tide-mill"
    command = [sys.executable, "-W", "ignore", str(SPIDER), start, AGENT, ACCEPT, str(PAGES)]
    environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300, env=environment)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert {status for _, status, _ in answers} == {200}
    return {url: base64.b64decode(body) for url, _, body in answers}


def test_a_crawler_finds_page_after_page_and_no_end(crawled):
    assert len(crawled) >= PAGES
    assert len(set(crawled.values())) == len(crawled)
    seen = {urlsplit(url).path for url in crawled}
    links = {urljoin(url, href) for url, body in crawled.items() for href in hrefs(body)}
    assert len({urlsplit(link).path for link in links} - seen) > PAGES
    hosts = {urlsplit(link).netloc for link in links}
    assert hosts == {urlsplit(next(iter(crawled))).netloc}


def hrefs(body):
    return [part.partition('"')[0] for part in body.decode().split('<a href="')[1:]]


def test_an_extractor_takes_each_page_for_an_article(crawled):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trafilatura = pytest.importorskip("trafilatura", reason='an extractor is needed: "scrapeguard[bench-decoys]"')
        texts = [trafilatura.extract(body.decode()) for body in crawled.values()]
    assert all(texts)
    assert len(set(texts)) == len(texts)
    lengths = sorted(len(text.split()) for text in texts)
    assert lengths[0] > 50
    assert lengths[len(lengths) // 2] > 200


def test_the_second_visit_finds_the_same_octets(crawled):
    headers = {"user-agent": AGENT, "accept": ACCEPT}
    with httpx.Client(headers=headers, trust_env=False) as client:
        assert all(client.get(url).content == body for url, body in crawled.items())


def test_a_sentence_tells_which_crawl_it_came_from(crawled, maze, tmp_path, capsys):
    """Of a page without a canary, too: the log has the fingerprints of all that was served."""
    url, body = list(crawled.items())[PAGES // 2]
    paragraph = body.decode().split("<p>")[2].partition("</p>")[0]
    (tmp_path / "leaked.txt").write_text(" ".join(paragraph.split()[:30]), encoding="utf-8")
    command = ["canary", "find", "--log", str(maze[1]), "--json", str(tmp_path / "leaked.txt")]
    until = time.monotonic() + 60
    while main(command):
        assert time.monotonic() < until, "it was never written down"
        capsys.readouterr()
        time.sleep(0.3)
    chain, found, *_ = map(json.loads, capsys.readouterr().out.splitlines())
    assert chain["faults"] == []
    assert (found["agent"], found["client"], found["path"]) == ("GPTBot", "127.0.0.1", urlsplit(url).path)


def test_servers_of_any_hash_seed_serve_the_same_octets(tmp_path):
    """Whole answers, the canary of the agent in some of them."""
    (tmp_path / "rules.yaml").write_text(RULES.format(log=tmp_path / "served.db"))
    paths = [f"/articles/{number}" for number in range(12)] + ["/", "/feed", "/x.json", "/sitemap.xml", "/a%20b?c=d"]
    first, second = (answers_of(seed, paths, tmp_path) for seed in ("1", "4242"))
    assert first == second
    assert any(page_ids(body.decode()) for body, _, _ in first[:12])


def answers_of(seed, paths, folder):
    """What a server of its own process answers: body, validator and date of change."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    rules = ["--rules", str(folder / "rules.yaml")]
    command = [sys.executable, "-m", "scrapeguard", "demo", "--serve", "--port", str(port), *rules]
    root = str(Path(__file__).parents[2])
    secret = {"SCRAPEGUARD_SECRET": "a secret of the tests, long enough"}
    environment = {**os.environ, **secret, "PYTHONPATH": root, "PYTHONHASHSEED": seed}
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=folder, env=environment) as process:
        try:
            transport = httpx.HTTPTransport(retries=8)
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", transport=transport, timeout=30) as client:
                client.headers.update({"user-agent": AGENT, "accept": ACCEPT})
                answers = [client.get(path) for path in paths]
        finally:
            process.terminate()
    assert {answer.status_code for answer in answers} <= {200, 403}
    return [(a.content, a.headers.get("etag"), a.headers.get("last-modified")) for a in answers if a.status_code == 200]
