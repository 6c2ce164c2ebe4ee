"""`python -m bench [question ...]` runs the benchmarks; a run of all of them writes bench/results.md."""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

from bench import accuracy, canary, classify, forwardauth, growth, memory, middleware, proxy, robots, server, stores
from bench.decoys import serving, tarpit
from bench.report import Row, Section, machine, table, write

_RESULTS = Path(__file__).with_name("results.md")
_QUESTIONS = {
    module.__name__.rpartition(".")[2]: module
    for module in (
        classify,
        growth,
        middleware,
        robots,
        server,
        memory,
        stores,
        canary,
        forwardauth,
        proxy,
        serving,
        tarpit,
    )
}


def main() -> None:
    arguments = _arguments()
    print(f"{machine()}\n")
    sections = []
    for name in arguments.names or (*_QUESTIONS, "accuracy"):
        module = _QUESTIONS.get(name, accuracy)
        heading, _, notes = (module.__doc__ or name).partition("\n\n")
        print(f"{name}: {heading}\n", flush=True)
        start = time.monotonic()
        rows: list[Row] = accuracy.run(arguments.useragents) if module is accuracy else module.run()
        if rows:
            print(f"{table(rows)}\n\n{time.monotonic() - start:.0f} s\n", flush=True)
            sections.append(Section(heading, notes.strip(), rows))
    if not arguments.names:
        write(_RESULTS, sections)


def _arguments() -> argparse.Namespace:
    names = (*_QUESTIONS, "accuracy")
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="question", help=f"of {', '.join(names)}; none for all")
    given = os.environ.get("BENCH_USERAGENTS")
    parser.add_argument("--useragents", type=Path, default=given, metavar="FILE", help="labelled ones, for accuracy")
    arguments = parser.parse_args()
    if unknown := sorted(set(arguments.names) - set(names)):
        parser.error(f"no question {unknown[0]}; there are {', '.join(names)}")
    return arguments


if __name__ == "__main__":
    main()
