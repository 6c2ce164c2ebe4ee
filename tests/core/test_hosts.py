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


def test_a_host_without_styles_is_none_with_styles_however_few_ask_for_it():
    history = History()
    for number in range(16):
        asked(history, f"{number}.example.org", 1, client="192.0.2.9")
    history.styles.served("0.example.org", 0.0)
    history.styles.looked("plain.example.org", found=False, now=0.0)
    assert "no-styles" not in asked(history, "plain.example.org", 12)


def test_who_reads_another_site_belongs_to_the_crowds_of_that_one():
    history = History()
    asked(history, "a.example.org", 1, client="198.51.100.1")
    reader, other = (history.conduct(ClientKey(f"198.51.100.{end}", b"Mozilla/5.0", b"en"), 30.0) for end in (1, 2))
    before = reader.crowds
    asked(history, "b.example.org", 1, client="198.51.100.2")
    request = Request.of("/x", host="b.example.org", headers={**CLICKED, "referer": "https://h/"})
    history.note(request, reader, 31.0)
    # It asks as it did, and so is one of those who ask alike there.
    assert (reader.site, reader.crowds, reader.groups[:3]) == ("b.example.org", other.crowds, other.groups[:3])
    assert not set(before) & set(reader.crowds)
