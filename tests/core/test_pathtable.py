from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from scrapeguard.core.glob import PathPattern
from scrapeguard.core.pathtable import PathTable, PrefixIndex

PATTERNS = st.lists(st.text(alphabet="ab/*$", max_size=5).map(lambda text: "/" + text), max_size=8)


def test_the_longest_pattern_counts_and_of_two_as_long_the_earlier():
    table = PathTable((PathPattern(text), text) for text in ["/", "/a/", "/*.x$", "/b*x", "/bbx"])
    assert [table.find(target) for target in ["/c", "/a/c", "/a/c.x", "/bbx", "/bbbx"]] == [
        "/",
        "/a/",
        "/*.x$",
        "/b*x",
        "/b*x",
    ]


@given(PATTERNS, st.text(alphabet="ab/", max_size=6).map(lambda text: "/" + text))
def test_a_table_finds_what_trying_them_all_would(texts, target):
    table = PathTable((PathPattern(text), n) for n, text in enumerate(texts))
    matching = [n for n, text in enumerate(texts) if PathPattern(text).matches(target)]
    assert table.find(target) == min(matching, key=lambda n: (-len(texts[n]), n), default=None)


def test_an_index_gives_everything_under_a_beginning():
    index = PrefixIndex([("/a", 1), ("/", 2), ("/a", 3), ("/ab", 4)])
    assert list(index.found("/ab")) == [2, 1, 3, 4]
    assert list(index.found("")) == []
    assert not PrefixIndex()
