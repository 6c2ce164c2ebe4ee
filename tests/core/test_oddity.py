from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from scrapeguard.core.clients import ClientKey
from scrapeguard.core.history import History
from scrapeguard.core.oddity import is_plain, odd
from scrapeguard.core.request import Request

AGENTS = ("Mozilla/5.0 Chrome/142.0.0.0", "Mozilla/5.0 HeadlessChrome/142.0.0.0")
SITES = ("none", "same-origin", "cross-site")
STEPS = st.tuples(
    st.sampled_from(("page", "style", "picture", "survey", "miss", "prefetch")),
    st.integers(0, 3),
    st.integers(0, 40),
    st.sampled_from((0.1, 1.0, 5.0, 5.0, 61.0, 700.0)),
    st.sampled_from(SITES),
)
PATHS = {"style": "/site.css", "picture": "/a.png", "survey": "/sitemap.xml"}


@given(st.lists(STEPS, max_size=120), st.sampled_from(AGENTS))
def test_the_quick_look_finds_nothing_odd_only_where_the_thorough_one_finds_nothing(steps, agent):
    history = History()
    history.styles.served("h", 0.0)
    now = 0.0
    for what, client, number, after, site in steps:
        now += after
        headers = {"user-agent": agent, "sec-fetch-site": site, "sec-fetch-mode": "navigate"}
        if what == "prefetch":
            headers["sec-purpose"] = "prefetch"
        asked = Request.of(PATHS.get(what, f"/{number}"), headers=headers, host="h")
        key = ClientKey.of(asked, f"192.0.2.{client}", None)
        if what == "miss":
            history.missed(key, now)
            continue
        conduct = history.conduct(key, now)
        history.note(asked, conduct, now)
        if conduct.pages and is_plain(conduct):
            assert odd(conduct, now, has_styles=True) == ()
