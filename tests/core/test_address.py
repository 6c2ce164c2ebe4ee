from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrapeguard.core.address import NETWORK_WORDS, NetworkMap, parse_address

NETWORKS = st.one_of(
    st.builds(
        lambda number, length: ip_network((number, length), strict=False),
        st.integers(0, 2**32 - 1),
        st.integers(0, 32),
    ),
    st.builds(
        lambda number, length: ip_network((number, length), strict=False),
        st.integers(0, 2**128 - 1),
        st.integers(0, 128),
    ),
    # Crowded corners, so that networks nest and touch.
    st.builds(lambda low, length: ip_network((low << 24, length), strict=False), st.integers(0, 3), st.integers(4, 12)),
)


@given(st.lists(NETWORKS, max_size=12), st.one_of(st.ip_addresses(), st.integers(0, 2**27).map(ip_address)))
def test_a_lookup_finds_exactly_the_networks_that_hold_the_address(networks, address):
    found = NetworkMap(list(zip(networks, range(len(networks)), strict=True))).lookup(address)
    expected = [n for n, network in enumerate(networks) if network.version == address.version and address in network]
    assert sorted(found) == expected


def test_many_networks_are_found_as_few_are():
    networks = [ip_network((number << 20 | number << 8, 24)) for number in range(0, 4096, 2)]
    many = NetworkMap(zip(networks, networks, strict=True))
    for network in networks[::97]:
        assert many.lookup(network[7]) == (network,)
        assert many.lookup(network[255] + 1) == ()
    assert many.lookup(ip_address("255.255.255.255")) == ()
    assert many.lookup(ip_address("0.0.0.0")) == (networks[0],)


def test_the_edges_of_the_address_space_are_held():
    both = NetworkMap([(ip_network("0.0.0.0/0"), 4), (ip_network("::/0"), 6)])
    assert both.lookup(ip_address("255.255.255.255")) == (4,)
    assert both.lookup(ip_address("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")) == (6,)
    assert both.lookup(None) == ()


def test_an_empty_map_is_false_and_finds_nothing():
    assert not NetworkMap([])
    assert NetworkMap([]).lookup(ip_address("192.0.2.1")) == ()


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("fe80::1%eth0", "fe80::1"),
        ("2001:DB8::1", "2001:db8::1"),
        ("", None),
        (None, None),
        ("unknown", None),
        ("192.0.2.1:80", None),
    ],
)
def test_an_address_is_read_or_there_is_none(text, address):
    assert parse_address(text) == (ip_address(address) if address else None)


def test_the_words_stand_for_networks_that_nobody_routes():
    assert all(
        network.is_private or str(network) == "100.64.0.0/10" for word in NETWORK_WORDS.values() for network in word
    )


def test_an_ipv4_client_behind_nat64_is_that_client():
    assert str(parse_address("64:ff9b::c000:201")) == "192.0.2.1"
    assert parse_address("64:ff9b:1::c000:201").version == 6
