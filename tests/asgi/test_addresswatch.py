from __future__ import annotations

import pytest

from scrapeguard.asgi.addresswatch import AddressWatch


def warnings(watch, clients):
    return [warning for client in clients if not watch.done and (warning := watch.warning(client))]


def test_one_private_address_for_all_is_said_once():
    (warning,) = warnings(AddressWatch(requests=10), ["172.18.0.1"] * 50)
    assert "172.18.0.1" in warning
    assert "proxies.trusted" in warning


@pytest.mark.parametrize(
    "clients",
    [["172.18.0.1"] * 9, ["172.18.0.1"] * 5 + ["172.18.0.2"] * 50, ["203.0.113.9"] * 50, [None] * 50],
    ids=["too few", "two", "public", "none"],
)
def test_else_there_is_nothing_to_say(clients):
    assert warnings(AddressWatch(requests=10), clients) == []
