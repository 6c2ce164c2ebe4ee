from __future__ import annotations

import pytest

from scrapeguard.core.policy import Addresses
from scrapeguard.telemetry.addresses import ADDRESS_FORMS


@pytest.mark.parametrize(
    ("form", "client", "shown"),
    [
        (Addresses.FULL, "192.0.2.77", "192.0.2.77"),
        (Addresses.TRUNCATED, "192.0.2.77", "192.0.2.0/24"),
        (Addresses.TRUNCATED, "2001:db8:1:2::3", "2001:db8:1::/48"),
        (Addresses.TRUNCATED, "unix", None),
        (Addresses.ABSENT, "192.0.2.77", None),
    ],
)
def test_an_address_is_written_as_the_owner_wants_it(form, client, shown):
    assert ADDRESS_FORMS[form](b"secret")(client) == shown


def test_a_hashed_address_is_the_same_each_time_and_needs_the_secret():
    one, other = ADDRESS_FORMS[Addresses.HASHED](b"one"), ADDRESS_FORMS[Addresses.HASHED](b"other")
    assert one("192.0.2.77") == one("192.0.2.77")
    assert len({one("192.0.2.77"), one("192.0.2.78"), other("192.0.2.77")}) == 3
    assert len(one("192.0.2.77")) == 16


def test_every_form_is_known():
    assert ADDRESS_FORMS.keys() == set(Addresses)
