"""`scrapeguard canary test`: scores of a model, from a file or an endpoint, to p-values and what they mean."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from scrapeguard.canaries.canary import Canary
from scrapeguard.canaries.derivation import commitment
from scrapeguard.canaries.endpoint import CompletionsEndpoint
from scrapeguard.canaries.keys import Keyring
from scrapeguard.canaries.scores import MAX_LINE, Scores, Verdict, read_scores, verdicts
from scrapeguard.canaries.scoring import SCORINGS, EndpointError
from scrapeguard.cli import FINE, FOUND_PROBLEMS
from scrapeguard.cli.loading import count
from scrapeguard.cli.output import fail, print_json, printable, table

TOKEN_VARIABLE = "SCRAPEGUARD_ENDPOINT_KEY"  # noqa: S105 - its name
_COMMITTED = 16
"""Digits of a commitment that tell keys apart."""
_RANKS_SHOWN = 8
_ENOUGH = 20
"""Canaries with which an effect of one standard deviation is found in about 98 tests of 100, at a level of 0.01."""
_SHOWN = (
    "{agent}: the model prefers what was served to texts of the same kind that nobody was shown; by chance that "
    "happens in {p:.2g} of all tests. So text of the copies that were served to {agent} was in what the model was "
    "trained on. This does not show by whose hand it came there: somebody else may have published it again."
)
_NOT_SHOWN = (
    "{agent}: nothing is shown at the level of {alpha:g}. That does not show that the model was not trained on these "
    "pages: a text that was seen a few times leaves no trace that a test could find."
)
_FEW = (
    " With so few canaries even a clear trace is mostly missed: one of them finds an effect of a standard deviation in "
    "1 test of 10, twenty find it in 98 of 100."
)

Crawl = tuple[str, str, str, str, int]
"""Host, agent, epoch, commitment to the key, and number of pages."""


def test(arguments: argparse.Namespace, keys: Keyring, crawls: Sequence[Crawl]) -> int:
    """Test the scores in a file; with an endpoint, have those that are missing there scored first.

    Raises:
        ValueError: the arguments do not fit together.
    """
    if arguments.texts:
        return _write_texts(Path(arguments.texts), _plan(arguments, keys, crawls))
    if not arguments.file:
        raise ValueError("name the file of scores; with --endpoint it is written")
    file = Path(arguments.file)
    if arguments.endpoint and not _ask(arguments, keys, _plan(arguments, keys, crawls), file):
        return FOUND_PROBLEMS
    scores = _read(file, keys)
    if scores is None:
        return FOUND_PROBLEMS
    found = verdicts(scores)
    if arguments.json:
        for verdict in found:
            print_json({**verdict._asdict(), "model": scores[0].model, "shown": verdict.adjusted <= arguments.alpha})
    else:
        _print(found, scores[0].model, arguments.alpha)
    return FINE


def _plan(arguments: argparse.Namespace, keys: Keyring, crawls: Sequence[Crawl]) -> list[Canary]:
    """The canaries that are to be scored: those that were named, else all that the log knows.

    Raises:
        ValueError: there are none, or one cannot be.
    """
    plan = [_named(text, keys) for text in arguments.canary]
    for host, agent, epoch, committed, _ in () if plan else crawls:
        key = keys.by_commitment(committed)
        if key is None:
            raise ValueError(f"the key {committed[:_COMMITTED]}… of {agent} on {host} is not at hand; keep former keys")
        plan.append(Canary(key, host, agent, epoch))
    if not plan:
        raise ValueError("say which canaries: --canary HOST,AGENT,EPOCH, once for each, or --log for all in it")
    # An agent may stand in the log in several spellings.
    return list({_identity(canary): canary for canary in plan}.values())


def _named(text: str, keys: Keyring) -> Canary:
    parts = [part.strip() for part in text.split(",")]
    if len(parts) != 3:
        raise ValueError(f"a canary is named by HOST,AGENT,EPOCH, not {text!r}")
    return Canary(keys.present, *parts)


def _write_texts(file: Path, plan: Sequence[Canary]) -> int:
    with _private(file) as stream:
        for canary in plan:
            for index, text in enumerate(canary.candidates()):
                record = {"host": canary.host, "agent": canary.agent, "epoch": canary.epoch, "index": index}
                stream.write(json.dumps({**record, "commitment": _committed(canary), "text": text}).encode() + b"\n")
    fail(f"{file}: the candidates of {_canaries(plan)}. Those that were not served are secret: once a model is trained")
    fail("on them, its successors can no longer be tested. Score them on this machine, and delete the file.")
    return FINE


def _private(file: Path) -> BinaryIO:
    return os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "wb")


def _ask(arguments: argparse.Namespace, keys: Keyring, plan: Sequence[Canary], file: Path) -> bool:
    """Have the canaries scored that are not in the file yet, and add them to it; whether that succeeded."""
    if not arguments.model:
        raise ValueError("name the model with --model")
    endpoint = CompletionsEndpoint(
        arguments.endpoint,
        arguments.model,
        token=os.environ.get(TOKEN_VARIABLE),
        scoring=SCORINGS[arguments.score],
        prompt=arguments.prompt,
        patience=arguments.patience,
    )
    before = _read(file, keys) if file.exists() and file.stat().st_size else []
    if before is None:
        return False
    done = {_identity(one.canary) for one in before}
    missing = [canary for canary in plan if _identity(canary) not in done]
    fail(f"All candidates of {_canaries(missing)}, also those that were never served, are sent to {endpoint.url}, and")
    fail("nowhere else. Should its operator train on what it is asked, later models can no longer be tested with them.")
    return all(_score(endpoint, canary, arguments.model, file) for canary in missing)


def _score(endpoint: CompletionsEndpoint, canary: Canary, model: str, file: Path) -> bool:
    name = f"{canary.agent} on {canary.host}, {canary.epoch}"
    try:
        losses = endpoint.losses(list(canary.candidates()), lambda done: _progress(name, done, canary.count))
    except EndpointError as error:
        fail(f"\n{name}: {printable(str(error))}")
        fail(f"What was scored before is in {file}; the same command goes on from there.")
        return False
    record = {"host": canary.host, "agent": canary.agent, "epoch": canary.epoch, "model": model}
    with _private(file) as stream:
        stream.write(json.dumps({**record, "commitment": _committed(canary), "losses": losses}).encode() + b"\n")
    return True


def _progress(name: str, done: int, total: int) -> None:
    if sys.stderr.isatty():
        print(f"\r{printable(name)}: {done:,} of {total:,}", end="\n" if done == total else "", file=sys.stderr)


def _read(file: Path, keys: Keyring) -> list[Scores] | None:
    """The scores in a file; None after its problems were printed."""
    try:
        with file.open("rb") as stream:
            scores, problems = read_scores(_lines(stream), keys, str(file))
    except OSError as error:
        raise ValueError(f"cannot read {file}: {error.strerror}") from None
    if not scores and not problems:
        fail(f"{file}: no scores; each line is an object with host, agent, epoch and losses")
        return None
    for problem in problems:
        fail(printable(str(problem)))
    if problems:
        fail(f"\n{file} cannot be used: {count(len(problems), 'problem')}.")
    return None if problems else scores


def _lines(stream: BinaryIO) -> Iterator[bytes]:
    """Lines, cut one octet behind the longest that is read; a longer one is the last."""
    while line := stream.readline(MAX_LINE + 1):
        yield line
        if len(line) > MAX_LINE:
            return


def _print(found: Sequence[Verdict], model: str | None, alpha: float) -> None:
    print(f"{printable(model or 'A model')}, {found[0].candidates:,} candidates for each canary.\n")
    rows = [
        (verdict.agent, str(len(verdict.ranks)), f"{verdict.p_value:.3g}", f"{verdict.adjusted:.3g}", _ranks(verdict))
        for verdict in found
    ]
    table(("AGENT", "CANARIES", "P", "P, ADJUSTED", "RANKS OF WHAT WAS SERVED"), rows)
    for verdict in found:
        print(f"\n{printable(_meaning(verdict, alpha))}")
    print(
        "\nThe p-values are exact for any model and any score, if canaries and level were fixed before the first score "
        "was seen,\nand the model was tested once. Adjusted: by Holm, for all agents together."
    )


def _ranks(verdict: Verdict) -> str:
    shown = " ".join(f"{one:,}" for one in sorted(verdict.ranks)[:_RANKS_SHOWN])
    return f"{shown} …" if len(verdict.ranks) > _RANKS_SHOWN else shown


def _meaning(verdict: Verdict, alpha: float) -> str:
    """What the figures of one agent show, and what not."""
    if verdict.adjusted <= alpha:
        return _SHOWN.format(agent=verdict.agent, p=verdict.p_value)
    return _NOT_SHOWN.format(agent=verdict.agent, alpha=alpha) + (_FEW if len(verdict.ranks) < _ENOUGH else "")


def _identity(canary: Canary) -> tuple[bytes, str, str, str]:
    return canary.key, canary.host, canary.agent, canary.epoch


def _committed(canary: Canary) -> str:
    return commitment(canary.key)[:_COMMITTED]


def _canaries(plan: Sequence[Canary]) -> str:
    number = len(plan)
    return "1 canary" if number == 1 else f"{number:,} canaries"
