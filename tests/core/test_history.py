from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrapeguard.core.history import IDLE, WINDOW, History, client_key
from scrapeguard.core.request import Request
from scrapeguard.core.signals import SIGNALS

TYPED = {"sec-fetch-site": "none", "sec-fetch-mode": "navigate"}
CLICKED = {"sec-fetch-site": "same-origin", "sec-fetch-mode": "navigate", "referer": "https://h/"}
PAGE = b'<!DOCTYPE html><link rel="stylesheet" href="/site.css"><p>...'


class Visit:
    """One client on a site that has styles, unless it is said to have none."""

    def __init__(self, history=None, client="192.0.2.1", styled=True):
        self.history = history or History()
        self.client = client
        self.now = 0.0
        if styled:
            self.history.saw("h", b"text/html", PAGE)

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
    assert SIGNALS["no-styles"].weight + SIGNALS["always-typed"].weight >= 100


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
    # A cookie that is got here speaks for nobody.
    visit = Visit(client="192.0.2.2")
    visit.get("/", headers=CLICKED)
    assert visit.read(10, headers={**CLICKED, **sent}) == {"no-styles"}


def test_on_a_site_without_styles_none_are_missed():
    visit = Visit(styled=False)
    assert visit.read(10, headers=CLICKED) == set()
    # Nobody but the site itself can make it a site with styles.
    visit.get("/made-up.css", headers={})
    assert Visit(visit.history, "192.0.2.2", styled=False).read(10, headers=CLICKED) == set()
    visit.history.saw("h", b"text/css; charset=utf-8", b"p {}")
    assert Visit(visit.history, "192.0.2.3", styled=False).read(10, headers=CLICKED) == {"no-styles"}
    assert Visit(visit.history, "192.0.2.4").read(10, headers=CLICKED, host="other") == set()


@pytest.mark.parametrize(
    ("html", "styled"),
    [
        (PAGE, True),
        (b"<LINK HREF='site.css' REL=stylesheet>", True),
        (b'<script defer src="./app.js"></script>', True),
        (b'<link rel="stylesheet" href="https://cdn.example/x.css">', False),
        (b'<link rel="stylesheet" href="//cdn.example/x.css">', False),
        (b'<script src="https://cdn.example/x.js"></script>', False),
        (b'<link rel="icon" href="/favicon.ico">', False),
        (b"<style>p {}</style><p>href=/site.css", False),
        (b"<link rel=stylesheet href=", False),
        (b"<link " * 20_000, False),
        (b"", False),
    ],
)
def test_a_page_tells_whether_its_site_has_styles(html, styled):
    history = History()
    history.saw("h", b"text/html", html)
    assert history.is_curious("h") is not styled


@given(st.binary(max_size=300))
def test_any_page_can_be_looked_at(html):
    History().saw("h", b"text/html", b"<link " + html + b">")


def test_not_every_page_is_looked_at():
    history = History()
    assert history.is_curious("h")
    assert not history.is_curious("x" * 1000)
    assert history.can_tell(b"text/html; charset=utf-8")
    assert history.can_tell(b"text/css")
    assert not history.can_tell(b"image/png")
    for _ in range(20):
        history.saw("h", b"text/html", b"<p>")
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


def test_more_than_people_read_is_seen():
    visit = Visit(styled=False)
    assert "many-pages-a-minute" not in visit.read(59, after=0.5, headers=CLICKED)
    assert visit.read(1, after=0.5, headers=CLICKED) == {"many-pages-a-minute"}
    assert visit.read(40, after=2.0, headers=CLICKED) == set()
    assert visit.read(150, after=2.0, headers=CLICKED) == {"many-pages-an-hour"}


def test_a_hundred_pages_are_counted_well_enough():
    """In a few octets: within a third of the hundred, whichever pages they are."""
    for start in range(0, 100_000, 5_000):
        visit = Visit(styled=False)
        found = [visit.get(f"/{start + number}", after=2.0, headers=CLICKED) for number in range(140)]
        first = next(number for number, signs in enumerate(found, 1) if signs)
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
    busy = Visit(client="192.0.2.2")
    for _ in range(int(WINDOW // 60) + 2):
        found = busy.get("/", after=60.0)
    assert found == set()


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
