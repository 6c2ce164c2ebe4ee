from __future__ import annotations

from ipaddress import ip_network

import pytest

from scrapeguard.core.forwarded import ForwardedField, Proxies
from scrapeguard.proxy.fields import Names, read_head
from scrapeguard.proxy.forwarding import MOST_ROUNDS, LoopError, Trust, forwarding_fields, this_hop

TRUSTED = Proxies([ip_network("10.0.0.0/8")])
RFC7239 = Proxies([ip_network("10.0.0.0/8")], ForwardedField.FORWARDED)
NEAR, STRANGER = ("10.0.0.1", 5000), ("203.0.113.9", 5000)


def told(headers=(), *, client=STRANGER, proxies=TRUSTED, scheme="http", version="1.1"):
    headers = [(b"host", b"site.example"), *headers]
    scope = {"client": client, "scheme": scheme, "http_version": version}
    head = read_head(headers, Names())
    fields = forwarding_fields(head, this_hop(scope, Trust(proxies)), proxies.field)
    assert len(fields) == len(dict(fields))
    return {name.decode(): value.decode() for name, value in fields}


def test_a_stranger_is_named_and_not_believed():
    lies = [
        (b"x-forwarded-for", b"66.249.66.1"),
        (b"x-forwarded-proto", b"https"),
        (b"x-forwarded-host", b"bank.example"),
        (b"x-forwarded-port", b"443"),
        (b"x-real-ip", b"66.249.66.1"),
        (b"cf-connecting-ip", b"66.249.66.1"),
        (b"forwarded", b"for=66.249.66.1"),
    ]
    assert told(lies) == {
        "x-forwarded-for": "203.0.113.9",
        "x-forwarded-proto": "http",
        "x-forwarded-host": "site.example",
        "via": "1.1 scrapeguard",
    }


def test_what_a_trusted_proxy_said_is_added_to():
    said = [
        (b"x-forwarded-for", b"198.51.100.7"),
        (b"x-forwarded-for", b"10.2.2.2"),
        (b"x-forwarded-proto", b"https"),
        (b"x-forwarded-host", b"shop.example"),
        (b"x-real-ip", b"198.51.100.7"),
        (b"via", b"1.1 balancer"),
    ]
    assert told(said, client=NEAR) == {
        "x-forwarded-for": "198.51.100.7, 10.2.2.2, 10.0.0.1",
        "x-forwarded-proto": "https",
        "x-forwarded-host": "shop.example",
        "x-real-ip": "198.51.100.7",
        "via": "1.1 balancer, 1.1 scrapeguard",
    }


def test_a_trusted_proxy_that_says_nothing_is_the_client():
    assert told(client=NEAR)["x-forwarded-for"] == "10.0.0.1"


@pytest.mark.parametrize(
    ("client", "chain"),
    [
        (None, None),
        (("10.0.0.1", 0), "10.0.0.1"),  # put there by the server in place of the peer
        (("::ffff:10.0.0.1", 5000), "198.51.100.7, ::ffff:10.0.0.1"),
        (("2001:db8::1", 5000), "2001:db8::1"),
        (("testclient", 5000), "testclient"),
    ],
)
def test_only_a_socket_of_a_trusted_address_is_believed(client, chain):
    assert told([(b"x-forwarded-for", b"198.51.100.7")], client=client).get("x-forwarded-for") == chain


@pytest.mark.parametrize(("scheme", "proto"), [("http", "http"), ("https", "https"), ("ws", "http"), ("wss", "https")])
def test_the_scheme_is_told(scheme, proto):
    assert told(scheme=scheme)["x-forwarded-proto"] == proto


@pytest.mark.parametrize(
    ("client", "headers", "element"),
    [
        (STRANGER, [(b"forwarded", b"for=1.2.3.4")], 'for=203.0.113.9;proto=http;host="site.example"'),
        (NEAR, [(b"forwarded", b"for=1.2.3.4")], 'for=1.2.3.4, for=10.0.0.1;proto=http;host="site.example"'),
        (("2001:db8::1", 1), [], 'for="[2001:db8::1]";proto=http;host="site.example"'),
        (None, [], 'for=unknown;proto=http;host="site.example"'),
    ],
)
def test_forwarded_is_written_where_the_owner_reads_it(client, headers, element):
    assert told(headers, client=client, proxies=RFC7239)["forwarded"] == element


def test_forwarded_that_a_trusted_proxy_wrote_is_added_to_all_the_same():
    assert told([(b"forwarded", b"for=1.2.3.4")], client=NEAR)["forwarded"].startswith("for=1.2.3.4, for=10.0.0.1")


def test_via_tells_the_version_that_came():
    assert told(version="1.0")["via"] == "1.0 scrapeguard"


def test_a_request_that_runs_in_a_circle_is_stopped():
    via = b", ".join([b"1.1 scrapeguard"] * MOST_ROUNDS)
    with pytest.raises(LoopError) as stop:
        told([(b"via", via)])
    assert stop.value.status == 508
    assert told([(b"via", b"1.1 scrapeguard, 1.1 other")])["via"] == "1.1 scrapeguard, 1.1 other, 1.1 scrapeguard"


def test_trust_is_remembered_up_to_a_ceiling():
    trust = Trust(TRUSTED)
    answers = {trust[f"10.0.{n >> 8}.{n & 255}"] for n in range(5000)} | {trust[f"11.0.0.{n}"] for n in range(200)}
    assert answers == {True, False}
    assert (trust["10.255.0.1"], trust["11.0.0.1"]) == (True, False)
    assert len(trust) <= 1024
