"""What does it cost to merge a large robots.txt?

How to read it: 400 KiB with 10,000 rules are read and merged with what the default policy says, which happens when the
app is asked anew; every request in between is answered from memory (see `/robots.txt` among the requests). A rule for
every robot has to be written into each of the thousand groups.
"""

from __future__ import annotations

from bench.report import Row
from bench.timing import calls, fastest
from scrapeguard.core.robots import Group, Line, groups
from scrapeguard.core.robotsfile import parse
from scrapeguard.core.robotsmerge import merge
from scrapeguard.rulefile.load import load_policy, packaged_rules

_RULES = 10_000
_SIZE = 400 * 1024
_TARGET = 0.1


def run() -> list[Row]:
    policy = load_policy(packaged_rules())
    told = groups(policy.common, policy.catalogue)
    own = _large_file()
    everybody = (*told, Group(("*",), (Line(False, "/private/"),)))
    seconds = fastest(
        {
            "merge": calls(lambda data: merge(parse(data), told), lambda: [own]),
            "everybody": calls(lambda data: merge(parse(data), everybody), lambda: [own]),
        }
    )
    plain, with_everybody = seconds["merge"], seconds["everybody"]
    return [
        Row("Merge 400 KiB, 10,000 rules", f"{plain * 1e3:.0f} ms", "<= 100 ms", "", plain <= _TARGET),
        Row(
            "the same, and a rule for every robot",
            f"{with_everybody * 1e3:.0f} ms",
            "",
            f"{with_everybody / plain:.2f}x without it",
        ),
    ]


def _large_file() -> bytes:
    """Groups of ten rules, as long as it takes to fill the size."""
    lines = []
    for number in range(_RULES):
        if number % 10 == 0:
            lines.append(f"User-agent: robot-{number}")
        lines.append(f"Disallow: /section-{number}/".ljust(_SIZE // (_RULES + _RULES // 10) - 1, "x"))
    return "\n".join(lines).encode()[:_SIZE]
