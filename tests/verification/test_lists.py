from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address, ip_network
from pathlib import Path
from urllib.error import URLError

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from scrapeguard.core.ipranges import MAX_ENTRIES, MAX_SIZE, Ranges, read_ranges, update_fault
from scrapeguard.verification.lists import (
    STALE,
    ListFolder,
    PublishedList,
    PublishedLists,
    default_folder,
    newest,
    packaged_lists,
)
from scrapeguard.verification.refresh import EVERY, Fetched, RefreshJob, fetch, fetch_over, in_thread, refreshed

CASES = yaml.safe_load((Path(__file__).parents[1] / "corpora" / "ip_ranges.yaml").read_text(encoding="utf-8"))
NOW = 1_800_000_000.0
NETWORKS = (ip_network("203.0.113.0/28"),)
PUBLIC = b'["8.8.4.0/24", "8.8.8.0/24"]'


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_a_list_is_read(case):
    ranges = read_ranges(case["text"].encode(), public=False)
    assert [str(network) for network in ranges.networks] == case["networks"]
    assert dict(ranges.rejected) == case.get("rejected", {})


def test_networks_that_nobody_can_have_are_left_out():
    ranges = read_ranges(b'["203.0.113.0/28", "8.8.8.0/24", "127.0.0.0/8", "fc00::/20"]')
    assert [str(network) for network in ranges.networks] == ["8.8.8.0/24"]
    assert {fault for _, fault in ranges.rejected} == {"not globally routable"}


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_octets_are_a_list_or_none(data):
    with contextlib.suppress(ValueError):
        assert isinstance(read_ranges(data), Ranges)


def test_what_is_too_large_is_no_list():
    with pytest.raises(ValueError, match="larger than"):
        read_ranges(b" " * (MAX_SIZE + 1))
    with pytest.raises(ValueError, match="more than"):
        read_ranges(b"1\n" * (MAX_ENTRIES + 1))


@pytest.mark.parametrize(
    ("data", "before", "fault"),
    [
        (b'["8.8.8.0/24"]', 2, None),
        (b'["8.8.8.0/24"]', 3, "it shrank from 3 networks to 1"),
        (b"[]", 0, "it holds no network"),
        (b'["0.0.0.0/0", "8.8.8.0/24"]', 1, "it holds 0.0.0.0/0, wider than /8 (IPv4) or /19 (IPv6)"),
        (b'["10.0.0.0/8", "8.8.8.0/24"]', 1, None),
    ],
)
def test_a_suspicious_list_takes_nobodys_place(data, before, fault):
    assert update_fault(read_ranges(data), before) == fault


def test_who_is_held_by_a_list():
    lists = PublishedLists(
        [PublishedList("a", NOW, NETWORKS), PublishedList("old", NOW - STALE - 1, (ip_network("192.0.2.0/24"),))]
    )

    def holds(address, *urls):
        return lists.holds(urls, ip_address(address), NOW)

    assert holds("203.0.113.1", "a") is True
    assert holds("203.0.113.1", "old", "a") is True
    assert holds("198.51.100.1", "a") is False
    assert holds("192.0.2.1", "a") is False
    # A stale list is believed where it holds somebody, and proves nobody a liar.
    assert holds("192.0.2.1", "old") is True
    assert holds("198.51.100.1", "old") is None
    assert holds("198.51.100.1", "a", "absent") is None
    assert holds("198.51.100.1") is None


def test_lists_are_kept_in_a_folder(tmp_path):
    folder = ListFolder(tmp_path / "deep" / "folder")
    assert folder.read() == []
    one = PublishedList("https://h.example/list.json", NOW, NETWORKS, '"tag"')
    folder.write(one)
    folder.write(one._replace(url="https://h.example/other.json"))
    folder.write(one._replace(as_of=NOW + 1))
    for name, text in {
        "a.json": "{",
        "b.json": '{"url": 1}',
        "c.json": '{"url": "x", "as_of": 1, "networks": [9]}',
    }.items():
        (folder.path / name).write_text(text)
    assert sorted(folder.read()) == [one._replace(as_of=NOW + 1), one._replace(url="https://h.example/other.json")]
    assert not list(folder.path.glob("*.tmp"))


def test_the_youngest_copy_counts():
    old, young = PublishedList("u", 1.0, NETWORKS), PublishedList("u", 2.0, NETWORKS)
    assert newest([old], [young]) == newest([young], [old]) == [young]


def test_where_lists_are_kept_by_default():
    assert default_folder({"XDG_CACHE_HOME": "/c"}) == Path("/c/scrapeguard")
    assert default_folder({"HOME": "/h"}) == Path("/h/.cache/scrapeguard")
    assert default_folder({}) == Path("/var/cache/.cache/scrapeguard")


def test_what_is_shipped_is_sound_and_of_the_catalogue(catalogue):
    lists = packaged_lists()
    urls = {url for agent in catalogue.agents for url in agent.verify.ranges}
    assert {one.url for one in lists} <= urls
    for one in lists:
        data = "\n".join(map(str, one.networks)).encode()
        ranges = read_ranges(data)
        assert (ranges.rejected, update_fault(ranges, len(one.networks))) == ((), None), one.url


# Fetching.


class Operator:
    """A server of lists, whose answer is what a test says it is."""

    def __init__(self):
        self.asked = []
        self.answer = (200, PUBLIC, {"ETag": '"1"'})
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                outer.asked.append(dict(self.headers))
                status, body, headers = outer.answer
                if self.headers["If-None-Match"] == headers.get("ETag") is not None:
                    status, body = 304, b""
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/list.json"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture(scope="module")
def server():
    operator = Operator()
    yield operator
    operator.server.shutdown()
    operator.server.server_close()


@pytest.fixture
def operator(server):
    server.asked.clear()
    server.answer = (200, PUBLIC, {"ETag": '"1"'})
    return server


def test_a_list_is_fetched_and_asked_for_again_by_its_validator(operator):
    first = refreshed(operator.url, None, NOW, fetch_over).fresh
    assert ([str(network) for network in first.networks], first.etag) == (["8.8.4.0/24", "8.8.8.0/24"], '"1"')
    again = refreshed(operator.url, first, NOW + 5, fetch_over).fresh
    assert again == first._replace(as_of=NOW + 5)
    assert [asked.get("If-None-Match") for asked in operator.asked] == [None, '"1"']
    assert operator.asked[0]["User-Agent"] == "scrapeguard"


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        ((500, b"", {}), "status 500"),
        ((404, PUBLIC, {}), "status 404"),
        ((200, b"<html>\n8.8.8.8\n8.8.4.4</html>", {}), "no list: it is a page"),
        ((200, b"8.8.8.8\nthis\nis\nno\nlist\n", {}), "4 of its entries are no networks"),
        ((200, b'{"prefixes": [', {}), "no list"),
        ((200, b"[" * 100_000, {}), "no list"),
        ((200, b"\xff\xfe", {}), "no list"),
        ((200, b'["8.8.8.0/24"]', {}), "it shrank from 9 networks to 1"),
        ((302, b"", {"Location": "file:///etc/passwd"}), "status 302"),
        ((302, b"", {"Location": "https://127.0.0.1:9/x"}), "which is not http"),
    ],
)
def test_a_bad_answer_changes_nothing(operator, answer, fault):
    operator.answer = answer
    before = PublishedList(operator.url, 0.0, tuple(ip_network(f"8.8.{n}.0/24") for n in range(9)))
    outcome = refreshed(operator.url, before, NOW, fetch_over)
    assert outcome.fresh is None
    assert fault in outcome.fault


def test_only_https_is_asked():
    with pytest.raises(URLError, match="not an https address"):
        fetch("http://127.0.0.1:9/", None)
    assert "no answer" in refreshed("https://127.0.0.1:9/", None, NOW, fetch).fault


def job(tmp_path, fetch, *lists, urls=("u",), clock=lambda: NOW):
    published = []
    made = RefreshJob(
        urls, PublishedLists(lists), published.append, folder=ListFolder(tmp_path), clock=clock, fetch=fetch
    )
    return made, published


def test_the_first_round_asks_nobody_and_the_second_keeps_what_it_got(tmp_path):
    asked = []

    def answer(url, etag):
        asked.append(url)
        return Fetched(200, PUBLIC, None)

    made, published = job(tmp_path, answer)
    asyncio.run(made.run_once())
    assert (asked, published) == ([], [])
    asyncio.run(made.run_once())
    asyncio.run(made.run_once())
    assert asked == ["u"]
    assert len(published) == 1
    assert [one.url for one in ListFolder(tmp_path).read()] == ["u"]
    # Another worker finds it on disk.
    other, found = job(tmp_path, answer)
    asyncio.run(other.run_once())
    assert (asked, len(found[0].by_url["u"].networks)) == (["u"], 2)


def test_a_list_is_asked_for_once_a_day(tmp_path):
    times = [NOW]
    asked = []

    def answer(url, etag):
        asked.append(times[0])
        return Fetched(200, PUBLIC)

    made, _ = job(tmp_path, answer, clock=lambda: times[0])
    for seconds in (0, 0, EVERY / 2, EVERY + 1):
        times[0] = NOW + seconds
        asyncio.run(made.run_once())
    assert asked == [NOW, NOW + EVERY + 1]


def test_what_fails_is_said_once_for_each_reason(tmp_path, caplog):
    def fail(url, etag):
        raise OSError("no route")

    made, published = job(tmp_path, fail)
    for _ in range(4):
        asyncio.run(made.run_once())
    assert published == []
    assert [record.getMessage() for record in caplog.records] == [
        "u: no answer: no route; the list of before stays in force"
    ]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_said(tmp_path, caplog):
    tmp_path.chmod(0o500)
    made, published = job(tmp_path, lambda url, etag: Fetched(200, PUBLIC))
    made.fetch_all()
    assert "cannot be kept" in caplog.text
    assert published


def test_a_file_in_place_of_the_folder_is_said(tmp_path, caplog):
    (tmp_path / "file").touch()
    made, published = job(tmp_path / "file", lambda url, etag: Fetched(200, PUBLIC))
    made.fetch_all()
    assert "cannot be kept" in caplog.text
    assert published


def test_without_a_way_to_fetch_only_the_disk_is_read(tmp_path):
    ListFolder(tmp_path).write(PublishedList("u", NOW, NETWORKS))
    ListFolder(tmp_path).write(PublishedList("unknown", NOW, NETWORKS))
    made, published = job(tmp_path, None)
    asyncio.run(made.run_once())
    asyncio.run(made.run_once())
    assert [list(lists.by_url) for lists in published] == [["u"]]


def test_what_fails_in_a_thread_fails_here():
    def work():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        asyncio.run(in_thread(work))


def test_nobody_waits_for_a_thread_at_the_end():
    begun, go_on = threading.Event(), threading.Event()

    def work():
        begun.set()
        go_on.wait(10)

    async def main():
        task = asyncio.create_task(in_thread(work))
        while not begun.is_set():
            await asyncio.sleep(0.01)
        task.cancel()

    asyncio.run(main())
    go_on.set()
