"""`python -m bench.arena` shows how much of a site real clients obtain through the guard, and whom it refuses.

Each client gets a fresh server: a process with a site of its own behind the guard. Outside the guard it is written down
which pages left. Needs the extras `bench` and `test`; clients whose program is missing are listed as skipped.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from bench.arena import report
from bench.arena.clients.regulars import regulars
from bench.arena.clients.table import Client, clients
from bench.arena.score import Score, score
from bench.arena.server import Setting, serving
from bench.arena.site import Site
from bench.arena.tools import display, missing
from bench.arena.visit import Visit


def main() -> None:
    arguments = _arguments()
    chosen = _chosen(arguments.only)
    if arguments.list:
        print("\n".join(f"{client.group.name.lower()}: {client.name}" for client in chosen))
        return
    setting = Setting(
        arguments.pages, arguments.seed, arguments.rules and str(arguments.rules), not arguments.unguarded
    )
    scores = []
    with display() as screen:
        for client in chosen:
            scores.append(run(client, setting, screen))
            print(_progress(scores[-1]), file=sys.stderr, flush=True)
    print(report.as_json(scores) if arguments.json else f"{report.table(scores)}\n\n{report.summary(scores)}")


def run(client: Client, setting: Setting, screen: str = "") -> Score:
    """The visit of one client to a fresh server, which has had a few readers before."""
    if reason := missing(client.needs):
        return Score(client.name, client.group, skipped=reason)
    site = Site(setting.pages, setting.seed, referrer=client.referrer)
    own = Setting(setting.pages, setting.seed, setting.rules, setting.guarded, client.referrer)
    with serving(own) as server, tempfile.TemporaryDirectory(prefix="visit-", ignore_cleanup_errors=True) as folder:
        dice = random.Random(f"{setting.seed} {client.name}")
        paths = [page.path for page in site.pages]
        visit = Visit(server.base, paths, dice, server.advance, Path(folder), screen)
        regulars(visit)
        before = len(server.hits())
        start = time.monotonic()
        try:
            client.run(visit)
        except Exception as error:
            return Score(client.name, client.group, skipped=f"failed: {error!r}")
        seconds = time.monotonic() - start
        hits = server.hits()[before:]
    for place in visit.lost:
        print(f"  {client.name} never saw {place}", file=sys.stderr)
    return score(client.name, client.group, hits, site.files.keys(), setting.pages, len(visit.lost), seconds)


def _progress(one: Score) -> str:
    if one.skipped:
        return f"{one.name}: skipped, {one.skipped}"
    return f"{one.name}: {one.share:.1%} of the site, {one.refused} refused, {one.seconds:.0f} s"


def _chosen(names: Sequence[str]) -> list[Client]:
    """The clients that are named, by a part of their name or by their group."""
    everyone = clients()
    if not names:
        return everyone
    words = [name.strip().lower() for name in names]
    return [
        one for one in everyone if any(word in one.name.lower() or word == one.group.name.lower() for word in words)
    ]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.arena", description=__doc__)
    parser.add_argument("--rules", type=Path, metavar="FILE", help="of the guard; the packaged ones if not given")
    parser.add_argument(
        "--only",
        type=lambda text: text.split(","),
        default=[],
        metavar="NAME,...",
        help="clients by a part of their name, or by their group",
    )
    parser.add_argument("--seed", type=int, default=1, help="another one gives another site and other ways through it")
    parser.add_argument("--pages", type=int, default=500, help="of the site")
    parser.add_argument("--unguarded", action="store_true", help="leave the guard out: what there is to get")
    parser.add_argument("--json", action="store_true", help="one object a line instead of tables")
    parser.add_argument("--list", action="store_true", help="only name the clients")
    arguments = parser.parse_args()
    if not _chosen(arguments.only):
        parser.error(f"no client is called {' or '.join(arguments.only)}; --list names them")
    return arguments


if __name__ == "__main__":
    main()
