from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrapeguard.core.glob import PathPattern, word_pattern

PATTERNS = st.text(alphabet="/ab*", max_size=8).map(lambda text: "/" + text)
TARGETS = st.text(alphabet="/ab?", max_size=12).map(lambda text: "/" + text)


def as_regex(pattern):
    anchored = pattern.endswith("$")
    body = ".*".join(map(re.escape, (pattern[:-1] if anchored else pattern).split("*")))
    return re.compile(body + (r"\Z" if anchored else ""), re.DOTALL)


@given(PATTERNS, st.booleans(), TARGETS)
def test_a_path_pattern_matches_what_the_same_regular_expression_does(pattern, anchored, target):
    text = pattern + "$" * anchored
    assert PathPattern(text).matches(target) == bool(as_regex(text).match(target))


@given(PATTERNS, PATTERNS, TARGETS)
def test_a_pattern_that_covers_another_matches_all_that_it_does(wide, narrow, target):
    if PathPattern(wide).covers(PathPattern(narrow)) and PathPattern(narrow).matches(target):
        assert PathPattern(wide).matches(target)


@pytest.mark.parametrize(
    ("wide", "narrow", "covers"),
    [("/a", "/a/b", True), ("/a/b", "/a", False), ("/a$", "/a/b", False), ("/*a", "/*a", True), ("/a", "/a*b$", True)],
)
def test_what_covers_what(wide, narrow, covers):
    assert PathPattern(wide).covers(PathPattern(narrow)) is covers


def test_a_query_in_a_pattern_is_compared_as_it_stands():
    assert PathPattern("/search?q=a%20b").matches("/search?q=a%20b&x")
    assert not PathPattern("/search?q=a%20b").matches("/search?q=a b")


def test_percent_encoding_in_a_pattern_is_that_of_the_path():
    assert PathPattern("/caf%C3%A9").matches("/café/menu")
    assert PathPattern("/%61dmin").matches("/admin")


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("*.example.org", "a.b.example.org", True),
        ("*.example.org", "example.org", False),
        ("Example.org", "example.org", True),
        ("*json*", "application/json; q=1", True),
        ("", "", True),
        ("", "x", False),
        ("*", "", True),
    ],
)
def test_a_word_pattern_covers_the_whole_text(pattern, text, matches):
    assert word_pattern(pattern).matches(text) is matches
