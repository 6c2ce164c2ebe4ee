from __future__ import annotations

from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from scrapeguard.core.address import parse_address
from scrapeguard.core.forwarded import ForwardedField, Proxies, Role
from scrapeguard.core.request import Request

CORPUS = yaml.safe_load((Path(__file__).parents[1] / "corpora" / "forwarded.yaml").read_text(encoding="utf-8"))
CASES = [(field, case) for field, cases in CORPUS.items() for case in cases]
TRUSTED = [ip_network("10.0.0.0/8"), ip_network("2001:db8:ffff::/48")]


def request(peer, *lines, field="x-forwarded-for", **more):
    headers = tuple((field.encode(), line.encode("latin-1", "replace")) for line in lines)
    return Request(peer=peer, headers=headers, sent=dict(headers), **more)


@pytest.mark.parametrize(
    ("field", "case"), CASES, ids=lambda value: value["name"] if isinstance(value, dict) else value
)
def test_the_client_is_the_first_that_is_not_trusted(field, case):
    proxies = Proxies(TRUSTED, ForwardedField(field))
    assert proxies.client(request(case["peer"], *case["lines"], field=field)) == case["client"]


def test_the_field_that_the_owner_did_not_name_is_not_read():
    asked = Request.of(peer="10.0.0.1", headers={"forwarded": "for=1.2.3.4", "x-forwarded-for": "192.0.2.1"})
    assert Proxies(TRUSTED).client(asked) == "192.0.2.1"
    assert Proxies(TRUSTED, ForwardedField.FORWARDED).client(asked) == "1.2.3.4"


def test_what_the_server_resolved_is_not_walked_on_from():
    """uvicorn took 10.0.0.5 from the same field; the client behind it could have written what stands further left."""
    asked = request("10.0.0.5", "66.249.66.1, 10.0.0.5", resolved=True)
    walk = Proxies(TRUSTED).walk(asked)
    assert (walk.client, [hop.role for hop in walk.hops]) == ("10.0.0.5", [Role.RESOLVED])


def test_the_walk_can_be_explained():
    walk = Proxies(TRUSTED).walk(request("10.0.0.1", "junk, 66.249.66.1, 198.51.100.7, 10.2.2.2"))
    assert [(hop.text, hop.role) for hop in walk.hops] == [
        ("10.0.0.1", Role.PEER),
        ("10.2.2.2", Role.TRUSTED),
        ("198.51.100.7", Role.CLIENT),
    ]
    assert Proxies(TRUSTED).walk(request("10.0.0.1", "junk")).hops[-1].role is Role.UNREADABLE


ELEMENTS = st.one_of(
    st.ip_addresses().map(str),
    st.sampled_from(
        ["10.1.1.1", "10.255.255.255", "11.0.0.0", "1.2.3.256", "01.2.3.4", "1.2.3", "1.2.3.4:80", "", "x"]
    ),
    st.ip_addresses(v=4).map(lambda address: f" {address}  "),
)


@given(st.lists(st.lists(ELEMENTS, max_size=4).map(",".join), max_size=3), st.booleans())
def test_the_client_is_where_the_walk_ends(lines, resolved):
    proxies = Proxies(TRUSTED)
    asked = request("10.0.0.1", *lines, resolved=resolved)
    assert proxies.client(asked) == proxies.walk(asked).client


FIELDS = st.sampled_from(ForwardedField)
LINES = st.lists(st.text(alphabet='0123456789abcdef.:[]", ;=for_%', max_size=60), max_size=4)


@given(st.ip_addresses(), FIELDS, LINES)
def test_no_header_of_a_stranger_changes_who_it_is(address, field, lines):
    mapped = parse_address(str(address))
    if any(mapped in network for network in TRUSTED if network.version == mapped.version):
        return
    assert Proxies(TRUSTED, field).client(request(str(address), *lines, field=str(field))) == str(mapped)
    assert Proxies().client(request(str(address), *lines, field=str(field))) == str(address)


@given(FIELDS, LINES)
def test_from_a_trusted_proxy_any_field_gives_an_address_and_never_more_than_it_says(field, lines):
    client = Proxies(TRUSTED, field).client(request("10.0.0.1", *lines, field=str(field)))
    assert str(ip_address(client)) == client


@given(st.lists(st.sampled_from(["10.1.1.1", "198.51.100.7", "x", ""]), max_size=100))
def test_a_longer_past_changes_nothing(elements):
    """Whatever a client writes ahead of the field, the walk ends where it ended without it."""
    tail = ["66.249.66.1", "10.3.3.3"]
    asked = request("10.0.0.1", ", ".join([*elements, *tail]))
    assert Proxies(TRUSTED).client(asked) == "66.249.66.1"


PIECES = st.sampled_from(
    ["for=66.249.66.1;", ";for=66.249.66.1;", 'by="x', ",", '"', '\\"', "[2001:db8::66]", "x" * 9000]
)


@given(st.lists(PIECES, max_size=12), st.sampled_from(["for=198.51.100.7", 'for="[2001:db8::7]:80"']))
def test_nothing_ahead_of_what_a_proxy_appends_is_taken_for_the_client(past, appended):
    """At worst, a broken past leaves the proxy's own address."""
    line = "".join([*past, ", ", appended])
    client = Proxies(TRUSTED, ForwardedField.FORWARDED).client(request("10.0.0.1", line, field="forwarded"))
    assert client in ("198.51.100.7", "2001:db8::7", "10.0.0.1")


def test_a_field_without_end_is_read_within_bounds():
    walk = Proxies(TRUSTED).walk(request("10.0.0.1", ",".join(["10.1.1.1"] * 100_000)))
    assert len(walk.hops) <= 65


@pytest.mark.parametrize(
    ("peer", "field", "name", "lines", "scheme"),
    [
        ("10.0.0.1", "x-forwarded-for", "x-forwarded-proto", ["https"], "https"),
        ("10.0.0.1", "x-forwarded-for", "x-forwarded-proto", ["ftp, HTTPS "], "https"),
        ("10.0.0.1", "x-forwarded-for", "x-forwarded-proto", ["gopher"], "http"),
        ("10.0.0.1", "x-forwarded-for", "forwarded", ["proto=https"], "http"),
        ("10.0.0.1", "forwarded", "forwarded", ['for=192.0.2.1;proto=http, for=192.0.2.2;Proto="https"'], "https"),
        ("10.0.0.1", "forwarded", "forwarded", ["for=192.0.2.1"], "http"),
        ("10.0.0.1", "forwarded", "forwarded", ['proto=https;by="x'], "http"),
        ("10.0.0.1", "forwarded", "x-forwarded-proto", ["https"], "http"),
        ("192.0.2.9", "x-forwarded-for", "x-forwarded-proto", ["https"], "http"),
        (None, "forwarded", "forwarded", ["proto=https"], "http"),
    ],
)
def test_the_scheme_is_what_a_trusted_proxy_says_it_was(peer, field, name, lines, scheme):
    asked = Request.of("/", headers=[(name, line) for line in lines], peer=peer)
    assert Proxies(TRUSTED, ForwardedField(field)).scheme(asked) == scheme
    assert Proxies().scheme(asked._replace(scheme="https")) == "https"
