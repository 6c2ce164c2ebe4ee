from __future__ import annotations

import pytest

from scrapeguard.core.history import IDLE, WINDOW, History, client_key
from scrapeguard.core.request import Request
from scrapeguard.core.signals import SIGNALS

TYPED = {"sec-fetch-site": "none", "sec-fetch-mode": "navigate"}
CLICKED = {"sec-fetch-site": "same-origin", "sec-fetch-mode": "navigate", "referer": "https://h/"}


class Visit:
    """One client on a site that has styles, unless it is said to have none."""

    def __init__(self, history=None, client="192.0.2.1", styled=True):
        self.history = history or History()
        self.client = client
        self.now = 0.0
        if styled:
            self.history.served("h")

    def get(self, path, after=5.0, headers=TYPED, method="GET", host="h"):
        self.now += after
        asked = Request.of(path, method=method, headers=headers, host=host)
        return {evidence.signal for evidence in self.history.note(asked, dict(asked.headers), self.client, self.now)}

    def read(self, pages, **more):
        """Open pages one after the other: what was odd about the last one."""
        found = set()
        for number in range(pages):
            found = self.get(f"/{number}", **more)
        return found


def test_who_takes_pages_alone_is_seen():
    visit = Visit()
    assert visit.read(2) == set()
    assert visit.read(1) == {"no-styles"}
    assert visit.read(2) == {"no-styles", "always-typed"}


def test_all_signs_of_the_past_together_do_not_refuse():
    past = ("no-styles", "always-typed", "many-pages-a-minute", "many-pages-an-hour")
    assert 40 <= sum(SIGNALS[sign].weight for sign in past) < 100
    visit = Visit()
    assert visit.read(200, after=0.1) == set(past)


def test_who_takes_pages_as_fast_as_it_can_is_seen_before_long():
    visit = Visit()
    assert "no-styles" not in visit.read(20, after=0.01)
    assert "no-styles" in visit.read(1, after=0.01)


def test_a_session_that_is_restored_opens_many_pages_before_the_first_style():
    visit = Visit()
    assert visit.read(20, after=0.005) == {"always-typed"}
    visit.get("/site.css", after=0.1, headers={"sec-fetch-mode": "no-cors"})
    assert visit.read(20) <= {"always-typed"}


@pytest.mark.parametrize("part", ["/site.css", "/site.css?v=2", "/app.js", "/a/b.mjs"])
def test_who_fetches_what_belongs_to_a_page_is_not(part):
    visit = Visit()
    visit.get("/")
    visit.get(part, headers={})
    assert "no-styles" not in visit.read(10)


def test_a_picture_is_no_style():
    visit = Visit()
    visit.get("/logo.png", headers={})
    assert "no-styles" in visit.read(3)


@pytest.mark.parametrize("sent", [{"cookie": "a=b"}, {"if-none-match": '"x"'}, {"if-modified-since": "x"}])
def test_who_has_been_here_before_may_have_the_styles(sent):
    visit = Visit()
    visit.get("/", headers={**CLICKED, **sent})
    assert visit.read(10, headers=CLICKED) == set()


def test_a_cookie_that_is_got_here_speaks_for_nobody():
    visit = Visit()
    visit.get("/", headers=CLICKED)
    assert visit.read(10, headers={**CLICKED, "cookie": "a=b"}) == {"no-styles"}
    assert visit.read(10, headers={**CLICKED, "if-none-match": '"x"'}) == set()


def test_on_a_site_without_styles_none_are_missed():
    visit = Visit(styled=False)
    assert visit.read(10, headers=CLICKED) == set()
    # Nobody but the site itself can make it a site with styles.
    visit.get("/made-up.css", headers={})
    assert Visit(visit.history, "192.0.2.2", styled=False).read(10, headers=CLICKED) == set()
    visit.history.served("h")
    assert Visit(visit.history, "192.0.2.3", styled=False).read(10, headers=CLICKED) == {"no-styles"}
    assert Visit(visit.history, "192.0.2.4").read(10, headers=CLICKED, host="other") == set()


def test_only_what_a_site_answers_tells_that_it_has_styles():
    history = History()
    assert history.is_curious("h")
    assert not history.is_curious("x" * 1000)
    assert history.is_style(b"text/css; charset=utf-8")
    assert history.is_style(b"text/javascript")
    assert not history.is_style(b"text/html")
    history.served("h")
    assert not history.is_curious("h")


def test_clicks_in_between_are_how_people_read():
    visit = Visit(styled=False)
    assert "always-typed" not in visit.read(4)
    visit.get("/", headers=CLICKED)
    assert visit.read(4) == set()


def test_what_scripts_fetch_is_no_page():
    visit = Visit()
    assert visit.read(150, after=0.1, headers={"sec-fetch-mode": "cors", "sec-fetch-site": "same-origin"}) == set()
    assert visit.read(150, after=0.1, method="POST") == set()


def test_more_than_people_read_is_seen_where_nothing_belongs_to_it():
    visit = Visit()
    assert visit.read(59, after=0.5, headers=CLICKED) == {"no-styles"}
    assert visit.read(1, after=0.5, headers=CLICKED) == {"no-styles", "many-pages-a-minute"}
    assert visit.read(40, after=2.0, headers=CLICKED) == {"no-styles"}
    assert visit.read(150, after=2.0, headers=CLICKED) == {"no-styles", "many-pages-an-hour"}
    elsewhere = Visit(styled=False)
    assert elsewhere.read(300, after=0.1, headers=CLICKED) == set()


def test_a_hundred_pages_are_counted_well_enough():
    """In a few octets: within a third of the hundred, whichever pages they are."""
    for start in range(0, 100_000, 5_000):
        visit = Visit()
        found = [visit.get(f"/{start + number}", after=2.0, headers=CLICKED) for number in range(140)]
        first = next(number for number, signs in enumerate(found, 1) if "many-pages-an-hour" in signs)
        assert 99 <= first <= 133


def test_the_same_page_again_is_not_another():
    visit = Visit(styled=False)
    for _ in range(300):
        found = visit.get("/live", after=5.0, headers=CLICKED)
    assert found == set()


def test_a_power_user_and_an_office_read_as_much_as_they_like():
    visit = Visit()
    visit.get("/site.css", headers={})
    for number in range(400):
        found = visit.get(f"/{number % 250}", after=0.3, headers=TYPED if number % 4 == 0 else CLICKED)
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


@pytest.mark.parametrize("sent", [{"upgrade": "websocket"}, {"sec-websocket-key": "x"}, {"accept": "*/*"}, {}])
def test_what_opens_no_page_counts_for_nothing(sent):
    visit = Visit()
    assert visit.read(200, after=0.1, headers=sent) == set()


def test_over_plain_http_a_page_is_what_is_asked_for_as_html():
    assert Visit().read(5, headers={"accept": "text/html,*/*;q=0.8"}) == {"no-styles"}


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
    ("client", "key"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:0:1::5", "20010db800000001::/64"),
        ("2001:db8:0:1:ffff::9", "20010db800000001::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("unknown", "unknown"),
        ("a:b", "a:b"),
    ],
)
def test_what_stands_for_a_client(client, key):
    assert client_key(client) == key
