"""The command line. Each command lives in a module of its own, imported when it is called: `--help` stays fast."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from io import TextIOWrapper
from typing import NamedTuple

FINE, FOUND_PROBLEMS, BAD_USAGE = 0, 1, 2
"""Exit codes, the same for every command."""

_RULES_HELP = "rule file (default: ./config/rules.yaml, ./scrapeguard.yaml, else the packaged one)"


class _Argument(NamedTuple):
    names: tuple[str, ...]
    options: dict[str, object]


class _Command(NamedTuple):
    summary: str
    arguments: tuple[_Argument, ...]


def _argument(*names: str, **options: object) -> _Argument:
    return _Argument(names, options)


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65_535:
        raise argparse.ArgumentTypeError(f"a port is a number from 0 to 65535, not {text!r}")
    return int(text)


COMMANDS: dict[str, _Command] = {
    "demo": _Command(
        "a guarded sample site, sample clients against it, and a table of who got what",
        (
            _argument(
                "--serve", action="store_true", help="leave the site running and print each decision as it comes"
            ),
            _argument("--port", type=_port, default=0, metavar="N", help="port to listen on (default: a free one)"),
        ),
    ),
    "check": _Command(
        "validate a rule file, run its tests, and see that it refuses no people, search engines or feed readers",
        (
            _argument("file", nargs="?", metavar="RULES", help=_RULES_HELP),
            _argument("--schema", action="store_true", help="print the JSON Schema of rule files and exit"),
            _argument("--path", metavar="PATH", help="show instead all that is said of this path, and where"),
            _argument("--host", default="", metavar="HOST", help="the host of the path, where `sites` differ"),
        ),
    ),
    "explain": _Command(
        "decide one request, with every reason",
        (
            _argument("--user-agent", "-A", metavar="TEXT", help="its User-Agent"),
            _argument("--ip", metavar="ADDRESS", help="the address of its client"),
            _argument("--path", default="/", metavar="PATH", help="its path and query (default: /)"),
            _argument("--method", default="GET", metavar="METHOD", help="its method (default: GET)"),
            _argument("--host", default="", metavar="HOST", help="its host"),
            _argument("--scheme", choices=("http", "https"), default="http", help="how it came (default: http)"),
            _argument("--dns", action="store_true", help="ask reverse DNS whether the address is its agent's"),
            _argument(
                "-H",
                "--header",
                dest="headers",
                action="append",
                default=[],
                metavar="NAME: VALUE",
                help="another header",
            ),
        ),
    ),
    "classify": _Command(
        "user agents, one a line, to what they are and what would happen",
        (_argument("file", nargs="?", default="-", metavar="FILE", help="a file of them (default: standard input)"),),
    ),
    "robots": _Command(
        "the robots.txt as it is served, merged with the site's own",
        (
            _argument("--merge", metavar="FILE", help="the site's own robots.txt; what is wrong in it is told by line"),
            _argument("--host", default="", metavar="HOST", help="the host it is for, where `sites` differ"),
        ),
    ),
    "agents": _Command(
        "the catalogue: who is who, how to verify them, how to opt out with their operator",
        (
            _argument(
                "name",
                nargs="*",
                metavar="NAME",
                help="an agent, operator, purpose or service; all where absent; "
                "`update` fetches the address lists that operators publish",
            ),
        ),
    ),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; the exit code is 0 (fine), 1 (found problems) or 2 (bad usage)."""
    arguments = _parser().parse_args(argv)
    if arguments.command is None:
        _parser().print_help()
        return BAD_USAGE
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # User-Agents hold anything; a terminal that cannot show a letter must not end the command.
            stream.reconfigure(errors="replace")
    run: Callable[[argparse.Namespace], int] = import_module(f"scrapeguard.cli.{arguments.command}").run
    try:
        return run(arguments)
    except BrokenPipeError:
        # Whoever read our output has seen enough, as in `scrapeguard agents | head`.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FINE
    except OSError as error:
        print(f"scrapeguard: {error}", file=sys.stderr)
        return FOUND_PROBLEMS
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scrapeguard",
        description="Tells AI crawlers no in robots.txt, and stops those that come all the same.",
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    for name, command in COMMANDS.items():
        sub = commands.add_parser(name, help=command.summary, description=command.summary)
        for argument in command.arguments:
            sub.add_argument(*argument.names, **argument.options)  # type: ignore[arg-type]
        sub.add_argument("--rules", metavar="FILE", help=_RULES_HELP)
        sub.add_argument("--json", action="store_true", help="one JSON object a line")
    return parser


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from scrapeguard import __version__

        print(f"scrapeguard {__version__}")
        parser.exit(FINE)
