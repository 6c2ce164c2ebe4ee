from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import yaml
from gpyrobotstxt.robots_cc import RobotsMatcher
from hypothesis import given
from hypothesis import strategies as st

from scrapeguard.core.robotsfile import parse
from scrapeguard.core.robotsmatch import comparable, deciding_line, is_allowed

ROOT = Path(__file__).parents[1]
_SPEC = importlib.util.spec_from_file_location("reference_robots", ROOT / "reference_robots.py")
reference = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(reference)

CASES = [
    pytest.param(case["robots"], asked, id=f"{case['name']}: {asked['token']} {asked['path']}")
    for case in yaml.safe_load((ROOT / "corpora" / "robots_match.yaml").read_text(encoding="utf-8"))
    for asked in case["asked"]
]


@pytest.mark.parametrize(("robots", "asked"), CASES)
def test_it_is_read_as_the_rfc_says(robots, asked):
    assert is_allowed(parse(robots.encode()), asked["token"], asked["path"]) is asked["allowed"]


@pytest.mark.parametrize(("robots", "asked"), CASES)
def test_google_reads_it_as_the_corpus_says(robots, asked):
    google = RobotsMatcher().allowed_by_robots(
        robots.encode(), [asked["token"]], "https://h.example" + comparable(asked["path"])
    )
    assert google is asked.get("google", asked["allowed"])


LINES = st.lists(
    st.tuples(
        st.sampled_from(["User-agent", "Allow", "Disallow", "Sitemap", "x"]),
        st.sampled_from(["a", "b", "*", "", "/", "/x", "/x*", "/*x$", "/xy", "/y?x"]),
    ),
    max_size=8,
)


@given(LINES, st.sampled_from("abc"), st.sampled_from(["/", "/x", "/xy", "/y?x", "/yx"]))
def test_it_agrees_with_a_reader_of_its_own_kind(lines, token, path):
    text = "".join(f"{key}: {value}\n" for key, value in lines)
    assert is_allowed(parse(text.encode()), token, path) is reference.allowed(text, token, path)


def test_the_line_that_decides_is_named():
    robots = parse(b"User-agent: *\nDisallow: /a\nAllow: /a/b\n")
    assert deciding_line(robots, "any", "/a/b/c").number == 3
    assert deciding_line(robots, "any", "/a/c").number == 2
    assert deciding_line(robots, "any", "/c") is None
