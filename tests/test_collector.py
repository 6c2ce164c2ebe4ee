from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import gc
from scrapeguard.collector import relax_collector
before = gc.get_threshold()
relax_collector()
assert gc.get_freeze_count() > 1000
assert all(now > then for now, then in zip(gc.get_threshold(), before))
seen = gc.get_stats()[0]["collections"]
kept = [[number] for number in range(5_000)]
assert gc.get_stats()[0]["collections"] == seen
kept += [[number] for number in range(20_000)]
assert gc.get_stats()[0]["collections"] > seen
"""


def test_what_is_built_is_looked_at_no_more_and_what_comes_is_still_collected():
    subprocess.run([sys.executable, "-c", SCRIPT], check=True)
