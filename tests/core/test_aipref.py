from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from scrapeguard.core.aipref import LABELS, preferences, robots_rule, strictest, written
from scrapeguard.core.robotsfile import read_line

CASES = yaml.safe_load((Path(__file__).parents[1] / "corpora" / "content_usage.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", CASES["values"], ids=lambda case: case["value"])
def test_a_value_is_read(case):
    assert preferences(case["value"]) == case["said"]


@pytest.mark.parametrize("case", CASES["together"], ids=lambda case: " + ".join(case["values"]))
def test_any_refusal_wins(case):
    assert strictest(case["values"]) == case["said"]


@pytest.mark.parametrize("case", CASES["lines"], ids=lambda case: case["line"])
def test_a_line_of_robots_txt_may_name_a_path(case):
    assert robots_rule(read_line(1, case["line"]).value) == (case["path"], case["value"])


@given(st.dictionaries(st.sampled_from(sorted(LABELS.values())), st.booleans()))
def test_what_is_written_is_read_again(said):
    assert preferences(written(said)) == said


@given(st.text(max_size=200))
def test_any_text_is_a_value(text):
    assert set(preferences(text)) <= set(LABELS.values())


def test_what_is_too_long_says_nothing():
    assert preferences("train-ai=n, x=" + "1" * 5000) == {}


@given(st.permutations(["train-ai=n", "train-ai=y, search=y", "search=n", "junk,,"]))
def test_the_order_of_statements_does_not_matter(values):
    assert strictest(values) == {"train-ai": False, "search": False}
