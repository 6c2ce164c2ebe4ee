from __future__ import annotations

import random

import pytest

from scrapeguard.core.clients import ClientKey, address_key, network_key, tag_of
from scrapeguard.core.history import IDLE, WINDOW, History
from scrapeguard.core.pages import links_to_styles
from scrapeguard.core.request import Request
from scrapeguard.core.signals import SIGNALS

TYPED = {"sec-fetch-site": "none", "sec-fetch-mode": "navigate"}
CLICKED = {"sec-fetch-site": "same-origin", "sec-fetch-mode": "navigate", "referer": "https://h/"}


def key_of(asked, client):
    return ClientKey.of(asked, client, asked.sent.get(b"accept-language"))


class Visit:
    """One client on a site that has styles, unless it is said to have none."""

    def __init__(self, history=None, client="192.0.2.1", styled=True):
        self.history = History() if history is None else history
        self.client = client
        self.now = 0.0
        if styled:
            self.history.styles.served("h", 0.0)

    def get(self, path, after=5.0, headers=TYPED, method="GET", host="h"):
        self.now += after
        asked = Request.of(path, method=method, headers=headers, host=host)
        conduct = self.history.conduct(key_of(asked, self.client), self.now)
        return {evidence.signal for evidence in self.history.note(asked, conduct, self.now)}

    def read(self, pages, **more):
        """Open pages one after the other: what was odd about the last one."""
        found = set()
        for number in range(pages):
            found = self.get(f"/{number}", **more)
        return found


BARE = {"no-styles", "nothing-but-pages"}


def test_who_takes_pages_alone_is_seen():
    visit = Visit()
    assert visit.read(2) == set()
    assert visit.read(1) == {"no-styles"}
    assert visit.read(2) == {"no-styles", "always-typed"}
    assert visit.read(3) == {*BARE, "always-typed"}


def test_what_people_may_do_never_refuses_by_itself():
    """A browser gets past a challenge by itself; the refusal takes a proof, or a header that does not fit."""
    weights = {sign: SIGNALS[sign].weight for sign in ("no-styles", "nothing-but-pages", "always-typed")}
    assert sum(weights.values()) < 100
    assert SIGNALS["many-addresses"].weight < 100
    for alone in ("never-follows-links", "whole-site", "steady-pace", "many-misses", "surveys-site", "always-typed"):
        assert SIGNALS[alone].weight < 100


def test_who_takes_pages_as_fast_as_it_can_is_seen_before_long():
    visit = Visit()
    assert "no-styles" not in visit.read(14, after=0.01)
    assert "no-styles" in visit.read(1, after=0.01)


def test_a_session_that_is_restored_opens_many_pages_before_the_first_style():
    visit = Visit()
    assert visit.read(14, after=0.005) == {"always-typed"}
    visit.get("/site.css", after=0.1, headers={"sec-fetch-mode": "no-cors"})
    assert visit.read(6) <= {"always-typed"}


@pytest.mark.parametrize("part", ["/site.css", "/site.css?v=2", "/app.js", "/a/b.mjs"])
def test_who_fetches_what_belongs_to_a_page_is_not(part):
    visit = Visit()
    visit.get("/")
    visit.get(part, headers={})
    assert "no-styles" not in visit.read(10)


def test_a_picture_is_no_style_and_still_something():
    visit = Visit()
    visit.get("/logo.png", headers={})
    assert visit.read(10, headers=CLICKED) == {"no-styles"}


@pytest.mark.parametrize("sent", [{"cookie": "a=b"}, {"if-none-match": '"x"'}, {"if-modified-since": "x"}])
def test_who_has_been_here_before_may_have_the_styles(sent):
    visit = Visit()
    visit.get("/", headers={**CLICKED, **sent})
    assert visit.read(10, headers=CLICKED) == set()
    assert visit.read(1, headers=CLICKED) >= BARE


def test_a_cookie_that_is_got_here_speaks_for_nobody():
    visit = Visit()
    visit.get("/", headers=CLICKED)
    assert visit.read(5, headers={**CLICKED, "cookie": "a=b"}) == {"no-styles"}
    assert visit.read(1, headers={**CLICKED, "if-none-match": '"x"'}) == set()


def test_on_a_site_without_styles_none_are_missed():
    visit = Visit(styled=False)
    assert visit.read(5, headers=CLICKED) == set()
    # Nobody but the site itself can make it a site with styles.
    visit.get("/made-up.css", headers={})
    assert Visit(visit.history, "192.0.2.2", styled=False).read(5, headers=CLICKED) == set()
    visit.history.styles.served("h", 0.0)
    assert Visit(visit.history, "192.0.2.3", styled=False).read(5, headers=CLICKED) == {"no-styles"}
    assert Visit(visit.history, "192.0.2.4").read(5, headers=CLICKED, host="other") == set()


def test_only_what_a_site_answers_tells_that_it_has_styles():
    history = History()
    assert history.styles.are_curious("h")
    assert not history.styles.are_curious("x" * 1000)
    assert history.styles.are(b"text/css; charset=utf-8")
    assert history.styles.are(b"text/javascript")
    assert not history.styles.are(b"text/html")
    history.styles.served("h", 0.0)
    assert not history.styles.are_curious("h")


def test_clicks_in_between_are_how_people_read():
    visit = Visit(styled=False)
    assert "always-typed" not in visit.read(4)
    visit.get("/home", headers=CLICKED)
    assert visit.read(4) == set()


def test_what_scripts_fetch_is_no_page():
    visit = Visit()
    assert (
        visit.read(
            150,
            after=0.1,
            headers={"sec-fetch-mode": "cors", "sec-fetch-site": "same-origin", "sec-fetch-dest": "empty"},
        )
        == set()
    )
    assert visit.read(150, after=0.1, method="POST") == set()


def test_more_than_people_read_is_seen_where_nothing_belongs_to_it():
    visit = Visit()
    pauses = {"headers": CLICKED}
    found = [visit.get(f"/{number}", after=0.3 + 0.4 * (number % 2), **pauses) for number in range(60)]
    assert found[58] == BARE
    assert found[59] == {*BARE, "many-pages-a-minute"}
    found = [visit.get(f"/more/{number}", after=1.0 + 2.0 * (number % 2), **pauses) for number in range(80)]
    assert found[-1] == {*BARE, "many-pages-an-hour"}
    elsewhere = Visit(styled=False)
    found = [elsewhere.get(f"/{number % 150}", after=0.1, **pauses) for number in range(300)]
    assert found[-1] == set()


@pytest.mark.parametrize(("sign", "least"), [("many-pages-an-hour", 100), ("whole-site", 200)])
def test_different_pages_are_counted_well_enough(sign, least):
    """In a few octets: within an eighth, whichever pages they are."""
    for start in range(0, 100_000, 5_000):
        visit = Visit()
        found = [visit.get(f"/{start + number}", after=0.1, headers=CLICKED) for number in range(260)]
        first = next(number for number, signs in enumerate(found, 1) if sign in signs)
        assert least * 7 / 8 <= first <= least * 9 / 8


def test_page_after_page_as_typed_is_no_reading_even_with_styles():
    visit = Visit()
    visit.get("/site.css", headers={})
    found = [visit.get(f"/{number}", after=1.0 + 3.0 * (number % 2)) for number in range(30)]
    assert found[22] == {"always-typed"}
    assert found[27] == {"always-typed", "never-follows-links"}
    assert visit.get("/home", headers=CLICKED) == set()


def test_the_same_page_typed_again_and_again_is_no_row():
    visit = Visit()
    visit.get("/site.css", headers={})
    for number in range(100):
        assert "never-follows-links" not in visit.get("/live", after=1.0 + number % 2)


def test_a_steady_pace_is_that_of_a_machine():
    visit = Visit(styled=False)
    found = [visit.get(f"/{number}", after=5.0 + 0.01 * (number % 2), headers=CLICKED) for number in range(14)]
    assert found[10] == set()
    assert found[13] == {"steady-pace"}
    person = Visit(styled=False)
    for number in range(60):
        assert person.get(f"/{number}", after=3.0 + number * 7 % 20, headers=CLICKED) == set()


def test_who_clicks_by_the_clock_is_a_machine_and_what_shows_pages_in_turn_is_none():
    pauses = [2.0 + 0.2 * (number % 2) for number in range(30)]
    click = {**CLICKED, "sec-fetch-user": "?1"}
    clicking, showing, person = Visit(), Visit(), Visit()
    for visit in (clicking, showing, person):
        visit.get("/site.css", headers={})
    found = [clicking.get(f"/{number}", after=pause, headers=click) for number, pause in enumerate(pauses)]
    assert found[17] == {"steady-pace"}
    assert found[25] == {"steady-clicks"}
    assert clicking.get("/later", after=90.0, headers=click) == {"steady-clicks"}
    for number, pause in enumerate(pauses):
        assert showing.get(f"/{number}", after=pause, headers=CLICKED) <= {"steady-pace"}
        if number == 25:
            # Who looks on ends the show by a click.
            assert showing.get("/0", after=37.0, headers=click) == {"steady-pace"}
            assert showing.get("/other", after=2.0, headers=click) <= {"steady-pace"}
        assert person.get(f"/{number}", after=pause * (0.6 + number * 7 % 10 / 10), headers=click) == set()


def test_one_odd_pause_hides_nobody_for_long():
    visit = Visit()
    visit.get("/site.css", headers={})
    pauses = [0.3, 90.0, *[2.0] * 14, 30.0, *[2.0] * 13]
    # One of them is a page that was opened before.
    pages = [f"/{0 if number == 20 else number}" for number in range(len(pauses))]
    found = [visit.get(page, after=pause, headers=CLICKED) for page, pause in zip(pages, pauses, strict=True)]
    assert found[12] == found[16] == found[26] == set()
    assert found[15] == found[29] == {"steady-pace"}


def test_people_click_at_no_pace():
    chance, visit = random.Random(1), Visit(styled=False)
    for number in range(5_000):
        pause = chance.lognormvariate(2.0, 0.25)
        said = visit.get(f"/{number}", after=pause, headers={**CLICKED, "sec-fetch-user": "?1"})
        assert not said & {"steady-pace", "steady-clicks"}


def test_a_page_that_loads_itself_again_is_steady_and_no_machine():
    visit = Visit(styled=False)
    for _ in range(100):
        assert visit.get("/live", after=30.0, headers=CLICKED) == set()


def test_who_asks_for_what_is_not_there_guesses():
    visit = Visit(styled=False)
    for number in range(20):
        found = visit.get(f"/{number}", after=2.0 + number % 3, headers=CLICKED)
        asked = Request.of(f"/{number}", headers=CLICKED, host="h")
        visit.history.missed(key_of(asked, visit.client), visit.now)
    assert found == {"many-misses"}
    visit.history.missed(ClientKey("192.0.2.99", None, None), visit.now)
    assert len(visit.history._clients) == 1


@pytest.mark.parametrize("path", ["/robots.txt", "/sitemap.xml"])
def test_a_browser_that_surveys_the_site(path):
    visit = Visit(styled=False)
    visit.get(path)
    assert visit.get("/", headers=CLICKED) == {"surveys-site"}


def test_no_browser_asks_for_a_page_by_head():
    visit = Visit(styled=False)
    assert visit.get("/", method="HEAD") == set()
    assert visit.get("/", headers=CLICKED) == {"surveys-site"}
    scripted = Visit(styled=False)
    scripted.get(
        "/", method="HEAD", headers={"sec-fetch-mode": "cors", "sec-fetch-site": "none", "sec-fetch-dest": "empty"}
    )
    assert scripted.get("/", headers=CLICKED) == set()


def test_the_same_page_again_is_not_another():
    visit = Visit(styled=False)
    for _ in range(300):
        found = visit.get("/live", after=5.0, headers=CLICKED)
    assert found == set()


def test_a_power_user_and_an_office_read_as_much_as_they_like():
    visit = Visit()
    visit.get("/site.css", headers={})
    for number in range(400):
        found = visit.get(
            f"/{number % 150}", after=0.2 + 0.3 * (number % 3), headers=TYPED if number % 4 == 0 else CLICKED
        )
        assert found == set()


@pytest.mark.parametrize("pause", [IDLE + 1, WINDOW + 1])
def test_what_was_long_ago_is_forgotten(pause):
    visit = Visit()
    assert visit.read(5) == {"no-styles", "always-typed"}
    assert visit.read(1, after=pause) == set()


def test_a_page_that_loads_itself_again_for_hours_has_its_styles_in_the_cache():
    visit = Visit()
    visit.get("/live")
    visit.get("/site.css", after=0.1, headers={})
    for _ in range(int(3 * WINDOW // 30)):
        assert visit.get("/live", after=30.0) <= {"always-typed"}


def test_people_behind_one_address_are_told_apart_by_what_they_send():
    visit = Visit()
    assert visit.read(20, headers={**TYPED, "user-agent": "A", "accept-language": "en"})
    for other in ({"user-agent": "B", "accept-language": "en"}, {"user-agent": "A", "accept-language": "de"}):
        assert visit.read(2, headers={**TYPED, **other}) == set()


def test_a_header_of_websockets_makes_a_page_none_the_less_a_page():
    assert Visit().read(4, headers={**TYPED, "sec-websocket-key": "x"}) == {"no-styles"}


@pytest.mark.parametrize(
    "sent",
    [
        {"sec-fetch-mode": "websocket", "sec-fetch-site": "same-origin", "sec-fetch-dest": "empty"},
        {"accept": "*/*"},
        {},
    ],
)
def test_what_opens_no_page_counts_for_nothing(sent):
    visit = Visit()
    assert visit.read(200, after=0.1, headers=sent) == set()


def test_over_plain_http_a_page_is_what_is_asked_for_as_html():
    assert Visit().read(4, headers={"accept": "text/html,*/*;q=0.8"}) == {"no-styles"}


def test_what_is_no_address_or_too_long_is_not_kept():
    history = History()
    for client in ("x" * 16_000, "y" * 46):
        assert Visit(history, client).read(10) == set()
    Visit(history).read(10, headers={**TYPED, "user-agent": "x" * 5_000})
    assert len(history._clients) == 0


def test_clients_are_bounded():
    history = History(size=10)
    for number in range(1000):
        Visit(history, f"192.0.2.{number}").get("/")
    assert len(history._clients) <= 20


@pytest.mark.parametrize(
    ("client", "key", "network"),
    [
        ("192.0.2.1", "192.0.2.1", "192.0.2"),
        ("2001:db8:0:1::5", "20010db800000001::/64", "20010db80000::/48"),
        ("2001:db8:0:1:ffff::9", "20010db800000001::/64", "20010db80000::/48"),
        ("::1", "0::/64", "::/48"),
        ("::ffff:192.0.2.1", "192.0.2.1", "192.0.2"),
        ("unknown", "unknown", ""),
        ("a:b", "a:b", ""),
    ],
)
def test_what_stands_for_a_client_and_its_neighbours(client, key, network):
    assert address_key(client) == key
    assert network_key(key) == network


def test_a_tag_stands_for_one_client_and_needs_the_secret():
    one, other = ClientKey("192.0.2.1", b"A", None), ClientKey("192.0.2.1", b"A", b"en")
    assert tag_of(one, b"s") == tag_of(one, b"s")
    assert len({tag_of(one, b"s"), tag_of(other, b"s"), tag_of(one, b"t")}) == 3


def crowd(history, number, *, pages=1, same=False, styled=False, network=True, **headers):
    """So many newcomers, each with a few pages: the signs on the last page of each."""
    found = []
    for client in range(number):
        address = f"198.18.{client}.1" if network else f"198.51.100.{client}"
        visit = Visit(history, address)
        visit.now = client * 10.0
        for page in range(pages):
            path = "/" if same else f"/{client}/{page}"
            signs = visit.get(path, after=0.5, headers={**CLICKED, **headers})
        if styled:
            visit.get("/site.css", after=0.1, headers={**CLICKED, **headers})
        found.append("many-addresses" in signs)
    return found


def test_many_addresses_that_walk_the_site_as_one_are_one():
    found = crowd(History(), 40)
    assert sum(not seen for seen in found) <= 12
    assert all(found[12:])


def test_neighbours_that_walk_the_site_as_one_need_to_be_fewer():
    assert all(crowd(History(), 20, network=False)[9:])


def test_those_who_share_nothing_but_the_site_need_to_be_more():
    history = History()
    found = [crowd_of_one(history, number) for number in range(50)]
    assert not any(found[:30])
    assert all(found[32:])


def crowd_of_one(history, number):
    visit = Visit(history, f"198.18.{number}.1")
    visit.now = number * 10.0
    agent = {"user-agent": f"Chrome/{number}", "accept-language": f"l{number}"}
    return "many-addresses" in visit.get(f"/{number}", headers={**CLICKED, **agent})


def test_many_at_once_are_not_waited_for():
    history = History()
    found = []
    for number in range(40):
        visit = Visit(history, f"198.18.{number}.1")
        found.append("many-addresses" in visit.get(f"/{number}", after=0.01, headers=CLICKED))
    assert not any(found[:14])
    assert all(found[15:])


@pytest.mark.parametrize("people", [{"styled": True}, {"same": True}])
def test_a_crowd_of_people_is_none(people):
    """They fetch styles; and where they all had them before, they read the same pages."""
    assert not any(crowd(History(), 100, **people))


def test_one_of_a_crowd_who_fetches_styles_is_left_alone():
    history = History()
    crowd(history, 40)
    visit = Visit(history, "203.0.113.1")
    visit.now = 401.0
    assert "many-addresses" in visit.get("/x", headers=CLICKED)
    visit.get("/site.css", headers=CLICKED)
    assert visit.get("/y", headers=CLICKED) == set()


def test_a_crowd_that_turns_out_to_be_people_is_let_go():
    history = History()
    assert crowd(history, 20)[-1]
    assert not crowd(history, 200, styled=True)[-1]


def test_addresses_that_change_their_name_with_every_page_are_one_client():
    history = History()
    found = []
    for number in range(12):
        visit = Visit(history, "192.0.2.1")
        visit.now = number * 5.0
        agent = {"user-agent": f"Chrome/{number}"}
        found.append("many-addresses" in visit.get(f"/{number}", headers={**CLICKED, **agent}))
    assert all(found[6:])


def test_a_browser_for_text_takes_no_styles():
    history = History(loads_styles=lambda agent: b"Chrome/" in agent)
    assert Visit(history).read(9, headers={**CLICKED, "user-agent": "Lynx/2.9.0"}) == set()
    assert Visit(history, "192.0.2.2").read(9, headers={**CLICKED, "user-agent": "Chrome/142"}) == BARE


def test_what_was_done_is_forgotten_once_a_person_shows():
    visit = Visit()
    asked = Request.of("/", headers=TYPED, host="h")
    key = key_of(asked, visit.client)
    assert visit.read(10)
    visit.history.begins_anew(key, visit.now)
    assert visit.read(4) == set()
    visit.history.passed(key, "h", visit.now)
    assert visit.read(20, headers=CLICKED) <= {"steady-pace"}


def test_a_site_whose_pages_link_to_styles_has_some():
    visit = Visit(styled=False)
    assert visit.history.styles.look_for_links("h")
    visit.history.styles.looked("h", found=False, now=0.0)
    assert visit.read(5, headers=CLICKED) == set()
    visit.history.styles.looked("h", found=True, now=0.0)
    assert not visit.history.styles.look_for_links("h")
    assert visit.history.styles.are_curious("h")
    assert visit.read(1, headers=CLICKED) == {"no-styles"}


def test_links_prove_nothing_where_browsers_turn_out_to_get_styles_elsewhere():
    """As behind a server that answers for the styles itself: the first three are asked, and nobody after them."""
    history = History()
    history.styles.looked("h", found=True, now=0.0)
    for number in range(3):
        visit = Visit(history, f"192.0.2.{number}", styled=False)
        assert "no-styles" in visit.read(5, headers=CLICKED)
        asked = Request.of("/", headers=CLICKED, host="h")
        history.passed(key_of(asked, visit.client), "h", visit.now)
    assert Visit(history, "192.0.2.9", styled=False).read(10, headers=CLICKED) == set()
    for number in range(20, 30):
        Visit(history, f"192.0.2.{number}", styled=False).get("/site.css", headers={})
    assert "no-styles" in Visit(history, "192.0.2.10", styled=False).read(10, headers=CLICKED)


def test_nobody_looks_at_pages_for_ever():
    history = History()
    for _ in range(50):
        assert history.styles.look_for_links("h")
        history.styles.looked("h", found=False, now=0.0)
    assert not history.styles.look_for_links("h")


@pytest.mark.parametrize(
    ("html", "links"),
    [
        (b'<link rel="stylesheet" href="/a.css">', True),
        (b"<LINK HREF=a.css REL=stylesheet>", True),
        (b'<script src="app.js" defer></script>', True),
        (b'<link rel="stylesheet" href="https://h.example/a.css">', True),
        (b'<link rel="stylesheet" href="//h.example/a.css">', True),
        (b'<link rel="stylesheet" href="https://cdn.example/a.css">', False),
        (b'<link rel="stylesheet" href="//cdn.example/h.example/a.css">', False),
        (b'<link rel="icon" href="/favicon.ico">', False),
        (b"<script>var a = 1</script>", False),
        (b'<script src="data:text/javascript,1"></script>', False),
        (b"<p>link rel=stylesheet href=/a.css", False),
        (b"", False),
    ],
)
def test_what_a_page_links_to(html, links):
    assert links_to_styles(html, "h.example") is links


def test_who_sends_part_of_what_browsers_send_opens_pages():
    visit = Visit()
    assert "no-styles" in visit.read(4, headers={"sec-fetch-mode": "cors", "accept": "*/*"})


def test_who_is_led_back_to_where_it_was_follows_no_link():
    """As from a challenge to the page that was asked for."""
    visit = Visit()
    visit.get("/site.css", headers={})
    for number in range(30):
        found = visit.get(f"/{number}", after=1.0 + 3.0 * (number % 2))
        back = {**CLICKED, "referer": f"https://h/{number}"}
        found |= visit.get(f"/{number}", after=1.0, headers=back)
    assert "never-follows-links" in found
    assert visit.get("/2", headers={**CLICKED, "referer": "https://h/1"}) == set()


@pytest.mark.parametrize("agent", ["node", "Lynx/2.9.0", "ReadingApp/3.1 CFNetwork/1490"])
def test_what_names_itself_reads_in_a_way_of_its_own(agent):
    """As a program that asks an API for one thing after the other in a runtime that sends part of what browsers do."""
    history = History(loads_styles=lambda name: b"Chrome/" in name)
    asked = {"sec-fetch-mode": "cors", "accept": "*/*", "accept-language": "*"}
    assert Visit(history).read(100, headers={**asked, "user-agent": agent}) == set()
    assert Visit(history, "192.0.2.2").read(100, headers={**asked, "user-agent": "Mozilla/5.0 (X11)"})


def test_many_who_share_an_address_and_a_browser_are_many_readers():
    """Each of them fetches the styles once; who reads all of the site alone, no more than that."""
    office, alone = Visit(), Visit(client="192.0.2.2")
    for number in range(300):
        if number % 15 == 0:
            office.get("/site.css", headers={})
        found = office.get(f"/{number}", after=1.0 + number % 7, headers=CLICKED)
    assert found == set()
    alone.get("/site.css", headers={})
    for number in range(300):
        found = alone.get(f"/{number}", after=1.0 + number % 7, headers=CLICKED)
    assert found == {"whole-site"}


def test_what_a_browser_fetches_ahead_is_not_what_anybody_reads():
    visit = Visit()
    ahead = {**CLICKED, "sec-purpose": "prefetch;prerender"}
    for page in range(30):
        visit.get(f"/page/{page % 4}", headers=CLICKED)
        for link in range(8):
            found = visit.get(f"/ahead/{page}/{link}", after=0.01, headers=ahead)
    assert "whole-site" not in found
    machine = Visit(client="192.0.2.2")
    assert "no-styles" in machine.read(40, headers=ahead)


def test_without_referrers_at_all_styles_speak_for_a_reader():
    """As with old browsers, or over plain http, on a site that turns the referrer off."""
    visit = Visit()
    visit.get("/site.css", headers={})
    for number in range(60):
        found = visit.get(f"/{number}", after=2.0 + number % 5, headers={"accept": "text/html"})
    assert found == set()


def test_a_style_takes_back_at_once_what_was_missing():
    visit = Visit()
    assert "no-styles" in visit.read(5, headers=CLICKED)
    asked = Request.of("/", headers=CLICKED, host="h")
    visit.history.passed(key_of(asked, visit.client), "h", visit.now)
    assert visit.get("/form", headers={"sec-fetch-mode": "cors"}, method="POST") == set()


def test_where_styles_come_out_of_a_cache_in_front_few_are_asked():
    """One that was missed there says that the site has styles; browsers that take none then say that it does not."""
    history = History()
    history.styles.served("h", 0.0)
    asked = 0
    for number in range(50):
        visit = Visit(history, f"192.0.2.{number}", styled=False)
        if "no-styles" in visit.read(5, headers=CLICKED):
            asked += 1
            request = Request.of("/", headers=CLICKED, host="h")
            history.passed(key_of(request, visit.client), "h", visit.now)
    assert asked == 3


HEADLESS = {"user-agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/142.0"}


def test_a_browser_without_a_window_may_print_pages_and_not_read_on():
    visit = Visit()
    visit.get("/site.css", headers=HEADLESS)
    asked = {**CLICKED, **HEADLESS}
    pauses = [3.0 + number % 4 for number in range(40)]
    found = [visit.get(f"/{number % 20}", after=after, headers=asked) for number, after in enumerate(pauses)]
    assert found[:14] == [set()] * 14  # "steady-pace" neither, though something came before the first page
    assert found[14:] == [{"headless-reads-on"}] * 26
    assert visit.get("/", after=WINDOW + 1, headers=asked) == set()
    visit.get("/site.css", headers=HEADLESS)
    for number in range(100):
        assert visit.get("/same", after=3.0 + number % 7, headers=asked) == set()


def test_a_browser_without_a_window_is_refused_with_what_else_says_so():
    weights = {sign: SIGNALS[sign].weight for sign in ("headless-browser", "headless-reads-on")}
    assert max(weights.values()) < 100 <= sum(weights.values())
