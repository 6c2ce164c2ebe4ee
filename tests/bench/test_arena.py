from __future__ import annotations

import random
import subprocess
import sys
from collections import Counter

import pytest

from bench.arena import report
from bench.arena.__main__ import run
from bench.arena.addresses import HOME, public, spread
from bench.arena.clients import identities, libraries
from bench.arena.clients.table import Client, clients, crawler, crowd
from bench.arena.groups import Group
from bench.arena.recorder import Hit
from bench.arena.score import Score, score
from bench.arena.server import Setting, serving
from bench.arena.site import Site
from bench.arena.visit import Visit

PAGES = 12
UNGUARDED = Setting(pages=PAGES, guarded=False)
HTTPX = libraries.with_httpx


def test_unguarded_site_is_obtained_whole():
    result = run(Client("crawler", Group.SPOOFED, crawler(HTTPX, {})), UNGUARDED)
    assert (result.pages, result.share, result.first_refused, result.refused) == (PAGES, 1.0, None, 0)
    assert result.requests >= PAGES
    assert result.met is False


def test_client_refused_everywhere_obtains_nothing():
    headers = {"User-Agent": identities.AI_AGENTS["GPTBot"]}
    result = run(Client("GPTBot", Group.AI, crawler(HTTPX, headers)), Setting(pages=PAGES))
    assert (result.pages, result.share, result.first_refused) == (0, 0.0, 1)
    assert result.refused == PAGES + 1
    assert result.met is True


def test_rule_file_of_ones_own_counts(tmp_path):
    rules = tmp_path / "own.yaml"
    rules.write_text(
        "version: 1\nextends: default\nrules:\n- {name: closed, when: {path: /articles/}, action: block}\n"
    )
    result = run(Client("reader", Group.PERSON, crawler(HTTPX, {})), Setting(pages=PAGES, rules=str(rules)))
    assert (result.pages, result.refused, result.met) == (0, PAGES, False)


def test_crowd_comes_from_its_addresses(tmp_path):
    site = Site(PAGES, 1)
    with serving(UNGUARDED) as server:
        visit = Visit(server.base, [page.path for page in site.pages], random.Random(1), server.advance, tmp_path)
        crowd(HTTPX, {}, 4, 2, 0.0)(visit)
        hits = server.hits()
    assert Counter(hit.address for hit in hits) == dict.fromkeys(spread(4, per_network=2), PAGES // 4)
    assert {page for hit in hits for page in hit.pages} == set(range(PAGES))


def test_clock_of_the_server_moves_on():
    with serving(UNGUARDED) as server:
        assert server.advance(30.0) == 30.0
        assert server.advance(12.5) == 42.5


def test_what_a_client_fails_with_stands_in_its_place():
    def fail(visit):
        raise OSError("no tool")

    result = run(Client("broken", Group.TOOL, fail), UNGUARDED)
    assert "no tool" in result.skipped
    assert "Skipped: broken: failed" in report.table([result])


def hit(at: float, status: int, path: str = "/a", pages: tuple[int, ...] = ()) -> Hit:
    return Hit(at, HOME, "GET", path, status, pages)


@pytest.mark.parametrize(
    ("hits", "challenged", "refused", "first"),
    [
        ([hit(0, 200, pages=(1,))], 0, 0, None),
        ([hit(0, 403), hit(2, 200)], 1, 0, 1),
        ([hit(0, 304), hit(1, 429), hit(3, 304)], 1, 0, 2),
        ([hit(0, 403), hit(11, 200)], 0, 1, 1),
        ([hit(0, 403), hit(1, 403), hit(1.5, 200), hit(9, 403)], 0, 1, 1),
        ([hit(0, 403, "/trap")], 0, 0, None),
        ([hit(0, 200), hit(1, 403), hit(1, 200, "/b")], 0, 1, 2),
    ],
)
def test_refusals_are_told_from_challenges(hits, challenged, refused, first):
    result = score("one", Group.PERSON, hits, {"/a", "/b"}, PAGES)
    assert (result.challenged, result.refused, result.first_refused) == (challenged, refused, first)
    assert result.met is (refused == 0)


def test_page_counts_once():
    hits = [hit(0, 200, pages=(1,)), hit(1, 200, pages=(1, 2)), hit(2, 200)]
    assert score("one", Group.SPOOFED, hits, {"/a"}, 10).share == 0.2


def test_lost_page_misses_the_target_of_people():
    assert score("one", Group.PERSON, [hit(0, 200)], {"/a"}, 10, lost=1).met is False


def test_site_depends_on_its_seed_alone():
    first, again, other = Site(5, 1), Site(5, 1), Site(5, 2)
    assert {path: file.body for path, file in first.files.items()} == {p: f.body for p, f in again.files.items()}
    assert not set(first.proofs) & set(other.proofs)
    assert len(first.proofs) == 5


def test_addresses_are_distinct_and_share_networks_as_meant():
    addresses = spread(500, per_network=3)
    shown = set(map(public, addresses))
    assert len(shown) == len(set(addresses)) == 500
    assert len({address.rpartition(".")[0] for address in shown}) == 167


def test_names_of_clients_are_distinct():
    names = [client.name for client in clients()]
    assert len(set(names)) == len(names)
    assert not [name for name in names if "," in name]


def test_table_groups_and_judges():
    scores = [Score("good", Group.SPOOFED, 10, 1, 0.02), Score("bad", Group.SPOOFED, 10, 9, 0.9)]
    text = report.table(scores)
    assert [line.rstrip(" |").rpartition(" ")[2] for line in text.splitlines()[-2:]] == ["yes", "NO"]
    assert "1 of 2 miss it" in report.summary(scores)


def test_command_lists_clients():
    done = subprocess.run([sys.executable, "-m", "bench.arena", "--list"], capture_output=True, text=True, check=True)
    assert "spoofed: requests: name of Chrome" in done.stdout
