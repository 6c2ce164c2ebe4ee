from __future__ import annotations

import importlib.util
from itertools import product
from pathlib import Path

import pytest
import robots as robotspy
import yaml
from gpyrobotstxt.robots_cc import RobotsMatcher
from hypothesis import assume, given
from hypothesis import strategies as st

from scrapeguard.core.glob import PathPattern
from scrapeguard.core.policy import SitePolicy
from scrapeguard.core.robots import Group, Line
from scrapeguard.core.robotsfile import MAX_SIZE, parse
from scrapeguard.core.robotslint import lint
from scrapeguard.core.robotsmerge import Statements, merge
from scrapeguard.core.sharing import PathSharing, Use

_SPEC = importlib.util.spec_from_file_location("reference_robots", Path(__file__).parents[1] / "reference_robots.py")
reference = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(reference)

CASES = yaml.safe_load((Path(__file__).parents[1] / "corpora" / "robots_merge.yaml").read_text(encoding="utf-8"))
REFUSED = Group(("GPTBot", "ClaudeBot"), (Line(False, "/"),))
CLOSED = SitePolicy(
    {Use.TRAIN: False, Use.AI_USE: False, Use.SEARCH: True},
    paths=(PathSharing(PathPattern("/open/"), dict.fromkeys(Use, True)),),
)
STATEMENTS = Statements((("Content-Usage", "train-ai=n"),), "https://example.com/license.xml")


def google_allows(body, token, path):
    return RobotsMatcher().allowed_by_robots(body, [token], "http://example.com" + path)


def rfc_allows(text, token, path):
    # It takes a lone carriage return for no line end.
    return robotspy.RobotsParser.from_string(text.replace("\r\n", "\n").replace("\r", "\n")).can_fetch(token, path)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_a_file_is_merged(case):
    told = [REFUSED] if case.get("refused", True) else []
    if "ccbot" in case:
        told.append(Group(("CCBot",), tuple(Line(False, path) for path in case["ccbot"])))
    merged = merge(parse(case["own"].encode()), told, STATEMENTS)
    assert merged == case["merged"]
    for token, path, allowed in case["allowed"]:
        assert reference.allowed(merged, token, path) is allowed
        assert google_allows(merged.encode(), token, path) is allowed
        assert rfc_allows(merged, token, path) is allowed


@pytest.mark.parametrize("token", ["Googlebot-Image", "Applebot"])
def test_who_heeds_the_group_of_another_still_does(token):
    own = "User-agent: Googlebot\nDisallow: /private-google/\n\nUser-agent: *\nDisallow: /admin/\n"
    told = [Group((token, "OtherBot"), (Line(False, "/nosearch/"),))]
    merged = merge(parse(own.encode()), told)
    for path, allowed in {"/private-google/": False, "/admin/": True, "/nosearch/": False}.items():
        assert reference.allowed(merged, token, path) is allowed
        assert reference.allowed(merged, "OtherBot", path) is (path == "/private-google/")


def test_a_merged_file_is_merged_into_itself():
    once = merge(parse(b"User-agent: *\nDisallow: /a\nSitemap: https://e.org/s.xml\n"), [REFUSED], STATEMENTS)
    assert merge(parse(once.encode()), [REFUSED], STATEMENTS) == once


def test_a_rule_for_everybody_reaches_each_of_many_thousand_groups():
    """As many as the full size holds once merged: what grows with the square of it would not come to an end here."""
    names = ["".join(letters) for letters in product("abcdefgh", repeat=5)][: MAX_SIZE // 60]
    own = "".join(f"User-agent: {name}\nDisallow: /{name}\n" for name in names)
    merged = parse(merge(parse(own.encode()), [Group(("*",), (Line(False, "/private"),))]).encode())
    assert len(names) > 8_000
    assert [[rule.value for rule in merged.rules_for(name)] for name in names] == [[f"/{n}", "/private"] for n in names]


def test_octets_that_are_no_utf_8_are_passed_on():
    own = b"User-agent: *\nDisallow: /\xff\xfe\n"
    assert b"Disallow: /\xff\xfe\n" in merge(parse(own), [REFUSED]).encode("utf-8", "surrogateescape")


@pytest.mark.parametrize("bom", [b"\xef\xbb\xbf", b"\xef\xbb", b"\xef"])
def test_a_byte_order_mark_even_half_of_one_is_dropped(bom):
    assert "User-agent: *\nDisallow: /a" in merge(parse(bom + b"User-agent: *\nDisallow: /a"), [REFUSED])


def test_what_is_beyond_the_size_that_crawlers_read_is_cut_at_a_line():
    own = parse(b"User-agent: *\n" + b"Disallow: /0123456789\n" * 40_000)
    assert own.cut
    text = merge(own, [REFUSED])
    assert MAX_SIZE - 100 < len(text) < MAX_SIZE + 200
    assert set(text.splitlines()[5:]) == {"Disallow: /0123456789"}


def test_an_exception_does_not_open_what_the_site_closes():
    told = [Group(("CCBot",), (Line(True, "/press/"), Line(False, "/")))]
    own = b"User-agent: *\nDisallow: /press/internal/\nDisallow: /*.pdf$\nAllow: /press/internal/open\n"
    text = merge(parse(own), told)
    expected = {
        "/press/a": True,
        "/x": False,
        "/press/internal/x": False,
        "/press/internal/open": True,
        "/press/a.pdf": False,
    }
    assert {path: reference.allowed(text, "CCBot", path) for path in expected} == expected
    closed = merge(parse(b"User-agent: *\nDisallow: /\n"), told)
    assert not reference.allowed(closed, "CCBot", "/press/a")


def test_what_is_said_to_everybody_reaches_those_with_groups_of_their_own():
    told = [Group(("*",), (Line(False, "/members/"),))]
    own = b"User-agent: Googlebot\nAllow: /members/page-one\nDisallow: /tmp\n\nUser-agent: *\nDisallow: /admin\n"
    text = merge(parse(own), told)
    for token, path, allowed in [
        ("Googlebot", "/members/page-one", False),
        ("Googlebot", "/tmp", False),
        ("Googlebot", "/admin", True),
        ("Other", "/admin", False),
        ("Other", "/members/x", False),
        ("Other", "/", True),
    ]:
        assert reference.allowed(text, token, path) is allowed, (token, path)


# Files as people write them, with the mistakes that people make.
KEYS = st.sampled_from(
    ["User-agent"] * 6
    + ["user-agent", "USER-AGENT ", "useragent", "user agent", "User-agents"]
    + ["Disallow"] * 6
    + ["disalow", "Disallow-AI", "Allow", "Allow", "allow", "Sitemap", "site-map", "Crawl-delay", "License", "junk"]
    + ["Content-Usage"]
)
TOKENS = st.sampled_from(
    ["*", "*", "GPTBot", "gptbot", "ClaudeBot", "Googlebot", "FooBot", "BarBot", "GPTBot/1.0", "CCBot", "Foo Bar"]
)
PATHS = ["/", "/a", "/a/", "/a/b", "/*b", "/b$", "/*.pdf$", "", "/a*c", "/index.html", "/a/index.html", "/%61"]
OTHERS = st.sampled_from(["1", "x", "train-ai=y"])


@st.composite
def written_lines(draw):
    key = draw(KEYS)
    lowered = key.lower()
    if lowered.startswith("user"):
        value = draw(TOKENS)
    elif lowered.startswith(("dis", "allow")):
        value = draw(st.sampled_from(PATHS))
    else:
        value = draw(OTHERS)
    colon = draw(st.sampled_from([":"] * 12 + [" "]))
    gap = draw(st.sampled_from(["", " ", "\t"]))
    comment = draw(st.sampled_from(["", "", "", " # why"]))
    return f"{draw(st.sampled_from(['', '', ' ']))}{key}{colon}{gap}{value}{comment}"


LINES = st.one_of(written_lines(), st.sampled_from(["", "# comment", "   ", "x:", "User-agent:"]))


@st.composite
def robots_files(draw):
    end = draw(st.sampled_from(["\n", "\n", "\r\n", "\r"]))
    text = end.join(draw(st.lists(LINES, max_size=14))) + draw(st.sampled_from([end, ""]))
    return (draw(st.sampled_from(["", "", "\ufeff"])) + text).encode()


TOLD = [REFUSED, Group(("CCBot",), (Line(False, "/a/"),))]
TARGETS = ["/", "/a", "/a/b", "/b", "/x.pdf", "/ac", "/a/index.html", "/a/"]


@given(robots_files())
def test_for_robots_that_the_policy_does_not_speak_of_nothing_changes(own):
    try:
        google_allows(own, "FooBot", "/")
    except (SyntaxError, TypeError):
        assume(False)  # the parser at hand fails on some lines that Google's skips
    parsed = parse(own)
    merged = merge(parsed, TOLD, STATEMENTS)
    text = own.decode().removeprefix("\ufeff")
    readings = [reference.allowed, lambda body, *asked: google_allows(body.encode(), *asked)]
    tokens = [token.partition("/")[0] for group in parsed.groups for token in group.tokens]
    if len(tokens) == len(set(tokens)) and all(line.meaning is line.google for line in parsed.lines):
        # This one forgives typing errors of its own choice, and mixes up groups that share a token.
        readings.append(rfc_allows)
    for allows in readings:
        for token in ("Googlebot", "FooBot", "Other"):
            for path in TARGETS:
                assert allows(merged, token, path) is allows(text, token, path)
    for token, paths in (("GPTBot", TARGETS), ("ClaudeBot", TARGETS), ("CCBot", ["/a/", "/a/b", "/a/index.html"])):
        for path in paths:
            assert not reference.allowed(merged, token, path)
            assert not google_allows(merged.encode(), token, path)


@given(st.binary(max_size=300))
def test_any_octets_are_a_robots_txt(own):
    parsed = parse(own)
    merged = merge(parsed, TOLD, STATEMENTS)
    assert not reference.allowed(merged, "GPTBot", "/")
    assert all(1 <= note.line <= max(1, len(parsed.lines)) for note in lint(parsed, TOLD, CLOSED))


def notes(text):
    return [(note.line, note.message) for note in lint(parse(text.encode()), TOLD, CLOSED)]


def test_what_is_broken_is_told_by_line():
    text = """Disallow: /x
User-agent: GPTBot
Allow: /

User-agent: ClaudeBot
Disallow: /y

User-agent: *
Disalow: /tmp
Disallow: admin
Disallow: /
Crawl-delay 5
Crawl-dely: 5
Sitmap: https://example.com/s.xml
Crawl-delay: 5
User-agent: Googlebot/2.1
"""
    assert notes(text) == [
        (1, "a rule before the first User-agent line is for nobody, and is left out"),
        (3, "allows GPTBot what the policy refuses; what the policy says is served"),
        (5, "what the policy says of ClaudeBot is served in place of this"),
        (9, "`Disalow` is read as disallow by Google alone; write `Disallow:`"),
        (10, "`admin` matches nothing: a path begins with /"),
        (11, "keeps out every robot that has no group of its own, search engines too"),
        (12, "no colon: crawlers skip the line"),
        (13, "`Crawl-dely` is unknown to crawlers; did you mean `Crawl-Delay`?"),
        (14, "`Sitmap` is unknown to crawlers; did you mean `Sitemap`?"),
        (16, "`Googlebot/2.1` is no product token: letters, hyphens and underscores, no version"),
        (16, "nothing is said to Googlebot/2.1: the group has no rule"),
    ]


def test_what_an_own_file_says_of_usage_is_held_against_the_policy():
    text = """User-agent: *
Allow: /
Content-Usage: train-ai=y, ai-use=n
Content-Usage: /open/x train-ai=y
Content-Usage: train-ai=no
Content-Usage: train-ai=n
"""
    assert notes(text) == [
        (3, "allows train-ai, which the policy denies; this line is served as it stands"),
        (5, "`train-ai=no` states no preference; write for example train-ai=n, ai-use=n"),
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("Sitemap: /map.xml", "`/map.xml` is no sitemap to crawlers: write its whole address"),
        ("Disallow /x", "no colon: only Google reads the line; write `Disallow: /x`"),
    ],
)
def test_common_slips_are_told(line, message):
    assert notes(f"User-agent: *\nDisallow: /a\n{line}\n") == [(3, message)]


def test_a_good_file_gives_no_notes():
    assert notes("# hello\nUser-agent: *\nDisallow: /a # why\nAllow: /a/b\nSitemap: https://example.com/s.xml\n") == []
