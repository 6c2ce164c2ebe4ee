"""The command line. Each command lives in a module of its own, imported when it is called: `--help` stays fast."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from io import TextIOWrapper
from types import MappingProxyType
from typing import NamedTuple

FINE, FOUND_PROBLEMS, BAD_USAGE = 0, 1, 2
"""Exit codes, the same for every command."""

_RULES_HELP = "rule file (default: ./config/rules.yaml, ./scrapeguard.yaml, else the packaged one)"

_TIMEOUT_HELP = "seconds until the upstream must begin to answer (default: 60)"
_GRACE_HELP = "seconds that requests under way have once it shall end (default: 30)"
_DRAIN_HELP = "seconds to serve on before that, while its health is 503 (default: 0)"


class _Argument(NamedTuple):
    names: tuple[str, ...]
    options: dict[str, object]


class _Command(NamedTuple):
    summary: str
    arguments: tuple[_Argument, ...] = ()
    parts: Mapping[str, _Command] = MappingProxyType({})


def _argument(*names: str, **options: object) -> _Argument:
    return _Argument(names, options)


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65_535:
        raise argparse.ArgumentTypeError(f"a port is a number from 0 to 65535, not {text!r}")
    return int(text)


def _share(text: str) -> float:
    return _between(text, 1.0)


def _patience(text: str) -> float:
    return _between(text, 1e6)


def _between(text: str, most: float) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < most:
        raise argparse.ArgumentTypeError(f"a number between 0 and {most:,.0f} is expected, not {text!r}")
    return value


_SECRET = _argument("--secret", metavar="FILE", help="the secret keys, one a line (default: $SCRAPEGUARD_SECRET)")
_LOG = _argument("--log", metavar="FILE", help="the provenance log")


def _workers(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 256:
        raise argparse.ArgumentTypeError(f"workers are 1 to 256, not {text!r}")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 86_400:
        raise argparse.ArgumentTypeError(f"seconds are a number from 0 to 86400, not {text!r}")
    return seconds


def _some_seconds(text: str) -> float:
    if not (seconds := _seconds(text)):
        raise argparse.ArgumentTypeError("no time at all is too little")
    return seconds


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
        "decide one request, or each of a log, with every reason",
        (
            _argument("--user-agent", "-A", metavar="TEXT", help="its User-Agent"),
            _argument("--ip", metavar="ADDRESS", help="the address of its client"),
            _argument("--path", default="/", metavar="PATH", help="its path and query (default: /)"),
            _argument("--method", default="GET", metavar="METHOD", help="its method (default: GET)"),
            _argument("--host", default="", metavar="HOST", help="its host"),
            _argument("--scheme", choices=("http", "https"), default="http", help="how it came (default: http)"),
            _argument("--dns", action="store_true", help="ask reverse DNS whether the address is its agent's"),
            _argument(
                "--log",
                action="append",
                default=[],
                metavar="FILE",
                help="decide instead each request of a log, with the past of its client: an access log in combined "
                "format, or our events; `-` is standard input, again for more; --ip shows this client alone, "
                "--host and --scheme stand for what the log does not tell",
            ),
            _argument(
                "--robots", metavar="FILE", help="for --log: the robots.txt that the site has itself (default: none)"
            ),
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
    "forward-auth": _Command(
        "the decision service that nginx, Caddy, Traefik, Envoy and HAProxy ask",
        (
            _argument(
                "--listen",
                default="127.0.0.1:9180",
                metavar="PLACE",
                help="HOST:PORT or unix:PATH (default: 127.0.0.1:9180)",
            ),
            _argument("--workers", type=_workers, default=1, metavar="N", help="processes (default: 1)"),
        ),
    ),
    "proxy": _Command(
        "the guard in front of any site, as a reverse proxy",
        (
            _argument(
                "--upstream",
                action="append",
                default=[],
                metavar="[HOST=]URL",
                help="where the site listens: http://HOST:PORT, https://HOST or unix:PATH; "
                "again as HOST=URL for other hosts (*.example.org is every name below), "
                "or under `sites` in the rule file",
            ),
            _argument(
                "--listen",
                default="127.0.0.1:8080",
                metavar="WHERE",
                help="HOST:PORT or unix:PATH (default: 127.0.0.1:8080)",
            ),
            _argument("--workers", type=_workers, default=1, metavar="N", help="processes (default: 1)"),
            _argument("--timeout", type=_some_seconds, default=60.0, metavar="S", help=_TIMEOUT_HELP),
            _argument("--grace", type=_seconds, default=30.0, metavar="S", help=_GRACE_HELP),
            _argument("--drain", type=_seconds, default=0.0, metavar="S", help=_DRAIN_HELP),
            _argument("--ssl-certfile", metavar="FILE", help="serve https with this certificate"),
            _argument("--ssl-keyfile", metavar="FILE", help="its key, where the certificate's file has none"),
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
    "decoys": _Command(
        "write decoy pages to look at",
        (
            _argument("--count", type=int, default=20, metavar="N", help="how many (default: 20)"),
            _argument("--out", default="decoys", metavar="DIR", help="the folder (default: ./decoys)"),
            _argument("--host", default="", metavar="HOST", help="the host they are for, where `sites` differ"),
        ),
    ),
    "canary": _Command(
        "find out where a leaked text was served; test a model for it",
        parts={
            "commit": _Command(
                "print what to publish before texts are served: it binds to the secret, and does not tell it",
                (_SECRET, _LOG, _argument("--epoch", metavar="TEXT", help="the epoch (default: this month)")),
            ),
            "find": _Command(
                "which crawl a text came from",
                (_argument("file", nargs="?", metavar="FILE", help="the text (default: standard input)"), _LOG),
            ),
            "test": _Command(
                "whether a model was trained on what was served: exact p-values from its losses",
                (
                    _argument("file", nargs="?", metavar="FILE", help="the losses, a canary a line, as JSON"),
                    _SECRET,
                    _LOG,
                    _argument("--alpha", type=_share, default=0.01, metavar="P", help="the level (default: 0.01)"),
                    _argument(
                        "--endpoint", metavar="URL", help="have an OpenAI-compatible endpoint add what is missing"
                    ),
                    _argument("--model", metavar="NAME", help="the model there; its key is $SCRAPEGUARD_ENDPOINT_KEY"),
                    _argument(
                        "--score",
                        choices=("logprobs", "match"),
                        default="logprobs",
                        help="by log-probabilities, or where there are none by what is completed (sees less)",
                    ),
                    _argument(
                        "--prompt", default="", metavar="TEXT", help="stands before each text (default: nothing)"
                    ),
                    _argument(
                        "--patience",
                        type=_patience,
                        default=300.0,
                        metavar="SECONDS",
                        help="how long one request may be tried (default: 300)",
                    ),
                    _argument(
                        "--canary",
                        action="append",
                        default=[],
                        metavar="HOST,AGENT,EPOCH",
                        help="score this one (default: all in the log); several may be given",
                    ),
                    _argument("--texts", metavar="FILE", help="write the candidates, to score them with another tool"),
                ),
            ),
        },
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
    run = _runner(arguments.command)
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


def _runner(command: str) -> Callable[[argparse.Namespace], int]:
    """What runs a command; where an extra is missing that it needs, what says so."""
    try:
        run: Callable[[argparse.Namespace], int] = import_module(f"scrapeguard.cli.{command.replace('-', '_')}").run
    except ModuleNotFoundError as error:
        if "pip install" not in str(error):
            raise
        print(f"scrapeguard: {error}", file=sys.stderr)
        return lambda _: BAD_USAGE
    return run


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scrapeguard",
        description="Tells AI crawlers no in robots.txt, and stops those that come all the same.",
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    for name, command in COMMANDS.items():
        _describe(commands.add_parser(name, help=command.summary, description=command.summary), command)
    return parser


def _describe(parser: argparse.ArgumentParser, command: _Command) -> None:
    for argument in command.arguments:
        parser.add_argument(*argument.names, **argument.options)  # type: ignore[arg-type]
    if not command.parts:
        parser.add_argument("--rules", metavar="FILE", help=_RULES_HELP)
        parser.add_argument("--json", action="store_true", help="one JSON object a line")
        return
    parts = parser.add_subparsers(dest="part", metavar="WHAT", required=True)
    for name, part in command.parts.items():
        _describe(parts.add_parser(name, help=part.summary, description=part.summary), part)


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from scrapeguard import __version__

        print(f"scrapeguard {__version__}")
        parser.exit(FINE)
