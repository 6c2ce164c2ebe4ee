from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from scrapeguard.canaries.canary import Canary
from scrapeguard.canaries.derivation import commitment, epoch_of, seed, served_index
from scrapeguard.canaries.keys import MAX_KEYS, read_keys

CORPUS = yaml.safe_load((Path(__file__).parents[1] / "corpora" / "canary.yaml").read_text(encoding="utf-8"))
KEY = bytes.fromhex(CORPUS["key"])
OTHER = b"another key of some length"


def of(case):
    return case["host"], case["agent"], str(case["epoch"])


def test_the_commitment_follows_from_the_key():
    assert commitment(KEY) == CORPUS["commitment"]


@pytest.mark.parametrize("case", CORPUS["drawn"], ids=lambda case: "-".join(of(case)))
def test_index_and_seeds_follow_from_the_key(case):
    assert served_index(KEY, *of(case)) == case["served"]
    assert seed(KEY, *of(case), case["served"]).hex() == case["seed"]
    assert seed(KEY, *of(case), 0).hex() == case["first"]
    canary = Canary(KEY, *of(case))
    assert (canary.served_index, canary.seed(0).hex()) == (case["served"], case["first"])


def test_another_key_draws_others():
    assert {served_index(OTHER, *of(case)) for case in CORPUS["drawn"]} != {case["served"] for case in CORPUS["drawn"]}


def test_each_candidate_is_served_as_often_as_the_others():
    drawn = [served_index(KEY, f"h{number}.example", "a", "e", 16) for number in range(16_000)]
    counts = [drawn.count(index) for index in range(16)]
    # Chi-squared with 15 degrees of freedom stays below 37.7 in 999 of 1,000 cases.
    assert sum((count - 1000) ** 2 / 1000 for count in counts) < 37.7


@pytest.mark.parametrize("count", [-2, 0, 1, 3, 5, 1000, 1023, 131_072])
def test_an_uneven_number_of_candidates_is_refused(count):
    with pytest.raises(ValueError, match="power of two from 2 to 65,536"):
        served_index(KEY, "h", "a", "e", count)
    with pytest.raises(ValueError, match="power of two"):
        Canary(KEY, "h", "a", "e", count=count)


def test_an_epoch_is_a_month_in_utc():
    assert (epoch_of(0), epoch_of(1_796_083_199), epoch_of(1_796_083_200)) == ("1970-01", "2026-11", "2026-12")


def test_keys_stand_one_a_line_the_present_one_first():
    keys = read_keys(f"# since 2026\nhex:{KEY.hex()}\n\n  a text of sixteen \n", "keys")
    assert keys.all == (KEY, b"a text of sixteen")
    assert keys.by_commitment(commitment(KEY)) == KEY
    assert keys.by_commitment(commitment(b"a text of sixteen")[:8].upper()) == b"a text of sixteen"
    assert keys.by_commitment(commitment(KEY)[:7]) is None
    assert keys.by_commitment(commitment(OTHER)) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "keys holds no secret key"),
        ("# none\n \n", "keys holds no secret key"),
        ("\nshort", "keys, line 2: a secret key has at least 16 octets, not 5"),
        ("hex:xy", "keys, line 1: behind hex: stand pairs"),
        ("hex:" + "00" * 15, "keys, line 1: a secret key has at least 16"),
        ("a text of sixteen\na text of sixteen", "keys holds a key twice"),
        ("\n".join(f"a text of sixteen {number}" for number in range(MAX_KEYS + 1)), "more than 100 keys"),
    ],
)
def test_what_is_wrong_with_keys_is_said_without_telling_them(text, message):
    with pytest.raises(ValueError, match=message) as caught:
        read_keys(text, "keys")
    assert "sixteen" not in str(caught.value)
