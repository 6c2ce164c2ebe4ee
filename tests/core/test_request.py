from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrapeguard.core.recent import Recent
from scrapeguard.core.request import Request, canonical_host, canonical_target


@pytest.mark.parametrize(
    ("path", "canonical"),
    [
        ("/admin", "/admin"),
        ("//admin", "/admin"),
        ("/%61dmin", "/admin"),
        ("/x/../admin", "/admin"),
        ("/./admin", "/admin"),
        ("/x/%2e%2e/admin", "/admin"),
        ("/admin/", "/admin/"),
        ("/admin/.", "/admin/"),
        ("/a/b/..", "/a/"),
        ("/..", "/"),
        ("/../..", "/"),
        ("/.well-known/x", "/.well-known/x"),
        ("/a%2Fb", "/a/b"),
        ("/caf%C3%A9", "/café"),
    ],
)
def test_every_spelling_of_a_path_is_one(path, canonical):
    assert canonical_target(path) == canonical


def test_the_query_belongs_to_the_target_and_stays_as_it_is():
    assert canonical_target("/a", "x=%41//..") == "/a?x=%41//.."


@given(st.text(alphabet="/.%2eaE\udcff", max_size=20).map(lambda text: "/" + text))
def test_a_canonical_path_is_absolute_and_without_dots_or_double_slashes(path):
    canonical = canonical_target(path)
    assert canonical.startswith("/")
    assert "//" not in canonical
    assert not {".", ".."} & set(canonical.split("/"))


@pytest.mark.parametrize(
    ("host", "canonical"),
    [
        ("Example.ORG", "example.org"),
        ("example.org:8080", "example.org"),
        ("example.org.", "example.org"),
        ("[2001:db8::1]:80", "[2001:db8::1]"),
        ("", ""),
    ],
)
def test_a_host_is_its_name(host, canonical):
    assert canonical_host(host) == canonical


def test_what_is_too_long_for_a_name_is_none():
    assert canonical_host("a." * 200) == ""


def test_a_request_is_made_from_what_people_write():
    request = Request.of("/p?q=1", method="post", user_agent="A/1", host="h:80", headers={"X-Y": "é"}, peer="192.0.2.1")
    assert (request.method, request.path, request.query, request.host) == ("POST", "/p", "q=1", "h:80")
    assert request.user_agent == b"A/1"
    assert request.header("x-y") == ["Ã©"]
    assert request.header("absent") == []


def test_two_lines_of_a_user_agent_are_one_claim():
    request = Request.of("/", headers=[("User-Agent", "Mozilla/5.0"), ("user-agent", "GPTBot/1")])
    assert request.user_agent == b"Mozilla/5.0 GPTBot/1"


@given(st.lists(st.integers(0, 30), max_size=200), st.integers(1, 8))
def test_recent_holds_what_was_asked_for_last_and_never_more_than_twice_its_size(keys, size):
    recent = Recent(size)
    for key in keys:
        value = recent[key]
        assert value in (None, -key - 1)
        if value is None:
            recent.put(key, -key - 1)
        assert recent[key] == recent.get(key) == -key - 1
        assert len(recent) <= 2 * size
