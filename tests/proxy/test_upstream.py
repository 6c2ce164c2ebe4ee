from __future__ import annotations

import pytest

from scrapeguard.proxy.upstream import Upstream, UpstreamNameError, Upstreams


@pytest.mark.parametrize(
    ("text", "upstream", "authority"),
    [
        ("http://127.0.0.1:3000", Upstream("http", "127.0.0.1", 3000), "127.0.0.1:3000"),
        ("http://app/", Upstream("http", "app", 80), "app"),
        ("https://App.Example.org", Upstream("https", "app.example.org", 443), "app.example.org"),
        ("https://app:80", Upstream("https", "app", 80), "app:80"),
        ("http://[::1]:3000", Upstream("http", "::1", 3000), "[::1]:3000"),
        ("unix:/run/app.sock", Upstream("http", "localhost", 80, "/run/app.sock"), "localhost"),
    ],
)
def test_an_upstream_is_read(text, upstream, authority):
    assert Upstream.of(text) == upstream
    assert upstream.authority == authority
    assert Upstream.of(str(upstream)) == upstream


@pytest.mark.parametrize(
    "text",
    [
        "127.0.0.1:3000",
        "ftp://h",
        "http://",
        "http://h:99999",
        "http://h:x",
        "http://h/path",
        "http://h?q",
        "http://h/#f",
        "http://user:secret@h",
        "http://h h",
        "http://[::1",
        "unix:relative.sock",
        "unix:",
        "unix:/a\0b",
        "",
    ],
)
def test_what_is_none_is_refused_with_its_text(text):
    with pytest.raises(UpstreamNameError) as refusal:
        Upstream.of(text)
    assert str(refusal.value).startswith(text)


A, B, C, D = (Upstream("http", name, 80) for name in "abcd")
BY_HOST = {"blog.example.org": A, "*.example.org": B, "*.shop.example.org": C}


@pytest.mark.parametrize(
    ("host", "upstream"),
    [
        ("blog.example.org", A),
        ("BLOG.example.org:8080", A),
        ("blog.example.org.", A),
        ("other.example.org", B),
        ("x.y.example.org", B),
        ("x.shop.example.org", C),
        ("shop.example.org", B),
        ("example.org", D),
        ("notexample.org", D),
        ("", D),
        ("[::1]:80", D),
        ("a" * 300 + ".example.org", D),
    ],
)
def test_each_host_has_its_upstream(host, upstream):
    assert Upstreams(D, BY_HOST).of(host) == upstream


def test_without_a_default_other_hosts_have_none():
    assert Upstreams(None, BY_HOST).of("example.com") is None


@pytest.mark.parametrize("pattern", ["blog.example.org:80", "*", "a.*.org", "a b", "", "http://h"])
def test_a_pattern_that_can_match_nothing_is_refused(pattern):
    with pytest.raises(UpstreamNameError):
        Upstreams(A, {pattern: B})


def test_no_upstream_at_all_is_refused():
    with pytest.raises(UpstreamNameError):
        Upstreams()
