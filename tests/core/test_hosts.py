from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from scrapeguard.core.clients import ClientKey
from scrapeguard.core.history import History
from scrapeguard.core.hosts import Hosts
from scrapeguard.core.request import Request

CLICKED = {"sec-fetch-site": "same-origin", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}


def asked(history, host, pages, client="192.0.2.1", after=30.0):
    """The signs on the last of some pages, each at another host where that has a place for a number."""
    found, now = (), 0.0
    for number in range(pages):
        now += after
        request = Request.of(f"/{number}", host=host.format(number), headers={**CLICKED, "referer": "https://h/"})
        found = history.note(request, history.conduct(ClientKey(client, b"Mozilla/5.0", b"en"), now), now)
    return {said.signal for said in found}


def test_case_port_and_a_final_dot_make_no_other_site():
    hosts = Hosts()
    names = {hosts.name_of(host) for host in ("shop.example.org", "SHOP.example.org:81", "shop.example.org.")}
    assert names == {"shop.example.org"}


@given(st.lists(st.text(max_size=300), max_size=60))
def test_any_host_has_a_name_and_little_is_kept(texts):
    hosts = Hosts()
    for text in texts:
        assert len(hosts.name_of(text)) <= 261
        assert hosts.site_of(hosts.name_of(text)) in ("", hosts.name_of(text))


def test_the_first_hosts_are_the_owners_and_others_are_in_time():
    hosts = Hosts()
    assert [hosts.site_of(f"{number}.example.org") for number in range(16)] == [f"{n}.example.org" for n in range(16)]
    assert {hosts.site_of("new.example.org") for _ in range(19)} == {""}
    assert hosts.site_of("new.example.org") == "new.example.org"
    assert hosts.is_in_use("new.example.org")
    assert not hosts.is_in_use("never.example.org")


def test_who_makes_up_a_host_for_each_page_is_seen_all_the_same():
    for host in ("{}.invalid", "shop.example.org:{}"):
        history = History()
        for number in range(16):
            asked(history, f"{number}.example.org", 1, client="192.0.2.9")
        asked(history, "shop.example.org", 1, client="192.0.2.9")
        history.styles.served("shop.example.org", 0.0)
        for _ in range(20):
            history.hosts.site_of("shop.example.org")
        assert "no-styles" in asked(history, host, 12)


def test_a_reader_of_another_site_is_no_part_of_a_crowd():
    history = History()
    for host in ("a.example.org", "b.example.org"):
        history.styles.served(host, 0.0)
    for number in range(60):
        asked(history, "a.example.org", 3, client=f"198.51.100.{number}", after=0.0)
    reader = ClientKey("203.0.113.5", b"Mozilla/5.0", b"en")
    for number, host in enumerate(("a.example.org", "b.example.org")):
        request = Request.of(f"/x{number}", host=host, headers=CLICKED)
        conduct = history.conduct(reader, 100.0)
        history.note(request, conduct, 100.0)
        assert conduct.site == host
