"""`scrapeguard decoys`: writes decoys to look at."""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

from scrapeguard.cli import BAD_USAGE, FINE, FOUND_PROBLEMS
from scrapeguard.cli.loading import load_or_report
from scrapeguard.cli.output import fail, print_json
from scrapeguard.errors import ScrapeGuardError
from scrapeguard.parts import new_decoys
from scrapeguard.secret import site_secret


def run(arguments: argparse.Namespace) -> int:
    """Write so many decoys into a folder, as a site behind this rule file would serve them."""
    policy = load_or_report(arguments.rules)
    if policy is None:
        return FOUND_PROBLEMS
    if arguments.count < 1:
        fail(f"--count: 1 or more, not {arguments.count}")
        return BAD_USAGE
    folder = Path(arguments.out)
    try:
        secret = site_secret(policy.secret, os.environ)
        begun = time.perf_counter()
        decoys = new_decoys(policy, secret)
        made = time.perf_counter()
        folder.mkdir(parents=True, exist_ok=True)
        written = sum(
            (folder / name).write_bytes(body) for name, body in decoys.sample(arguments.count, arguments.host)
        )
    except (OSError, ScrapeGuardError) as error:
        fail(str(error))
        return FOUND_PROBLEMS
    took = time.perf_counter() - made
    if arguments.json:
        print_json({"pages": arguments.count, "octets": written, "folder": str(folder), "seconds": round(took, 3)})
    else:
        print(f"{arguments.count:,} pages of {written / arguments.count / 1000:.1f} kB in {folder}")
        print(f"made in {took:.2f} s with writing, after {made - begun:.2f} s to begin")
    return FINE
