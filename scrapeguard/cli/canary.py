"""`scrapeguard canary`: publish a commitment, find where a leaked text was served, test what a model was trained on."""

from __future__ import annotations

import argparse
import os
import sqlite3
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from scrapeguard.canaries.canary import page_ids
from scrapeguard.canaries.derivation import CANDIDATES, commitment, epoch_of
from scrapeguard.canaries.keys import Keyring, read_keys
from scrapeguard.cli import BAD_USAGE, FINE, FOUND_PROBLEMS
from scrapeguard.cli.canarytest import test
from scrapeguard.cli.loading import count, load_or_report
from scrapeguard.cli.output import fail, print_json, printable, table
from scrapeguard.secret import VARIABLE, SecretError, site_secret
from scrapeguard.telemetry.fingerprints import RUN, SURE
from scrapeguard.telemetry.provenanceread import Check, Found, ProvenanceReader

MAX_SECRET = 64 * 1024
MAX_TEXT = 4 * 1024 * 1024
"""Octets of a text that is looked for."""
_SHOWN = 20


def run(arguments: argparse.Namespace) -> int:
    """Do what the next word says."""
    try:
        return {"commit": _commit, "find": _find, "test": _test}[arguments.part](arguments)
    except (ValueError, sqlite3.Error) as error:
        fail(f"scrapeguard canary: {error}")
        return BAD_USAGE


def secret_keys(file: str | None, environment: Mapping[str, str], rules: str | None = None) -> Keyring:
    """The keys in a file, else those of the environment, else the secret of the site that the rule file names.

    Raises:
        ValueError: there are none, or they cannot be used.
    """
    if file:
        return read_keys(_text(file, MAX_SECRET), file)
    if VARIABLE in environment:
        return read_keys(environment[VARIABLE], VARIABLE)
    policy = load_or_report(rules)
    if policy is None:
        raise ValueError("the rule file cannot be read, so that nobody knows the secret of the site")
    try:
        return read_keys(site_secret(policy.secret, environment).text, policy.secret or "the secret of the site")
    except SecretError as error:
        raise ValueError(str(error)) from error


def _commit(arguments: argparse.Namespace) -> int:
    key = secret_keys(arguments.secret, os.environ, arguments.rules).present
    record: dict[str, object] = {
        "epoch": arguments.epoch or epoch_of(time.time()),
        "commitment": commitment(key),
        "candidates": CANDIDATES,
    }
    if arguments.log:
        with _reader(arguments.log) as reader:
            head = reader.verify().head
        record |= {"log_link": head.number, "log_hash": head.hash.hex()}
    if arguments.json:
        print_json(record)
        return FINE
    for name, value in record.items():
        print(f"{name.replace('_', ' '):<12}{value}")
    print(
        "\nPublish this where others keep the date (a commit, a notice, a timestamping service) before the first page\n"
        "of the epoch is served. It binds you to the key, and tells nothing of it."
    )
    return FINE


def _find(arguments: argparse.Namespace) -> int:
    if not arguments.log:
        raise ValueError("name the provenance log with --log")
    text = _text(arguments.file or "-", MAX_TEXT)
    with _reader(arguments.log) as reader:
        check = reader.verify()
        found = reader.find(text, page_ids(text))
    if arguments.json:
        print_json({"links": check.links, "lost": check.lost, "faults": [fault._asdict() for fault in check.faults]})
        for one in found:
            print_json(_as_json(one))
    else:
        _print_found(found)
        _print_check(check, arguments.log)
    return FINE if found and not check.faults else FOUND_PROBLEMS


def _test(arguments: argparse.Namespace) -> int:
    keys = secret_keys(arguments.secret, os.environ, arguments.rules)
    crawls = []
    if arguments.log:
        with _reader(arguments.log) as reader:
            crawls = reader.crawls()
    return test(arguments, keys, crawls)


def _reader(name: str) -> ProvenanceReader:
    if not Path(name).is_file():
        raise ValueError(f"there is no provenance log {name}")
    try:
        return ProvenanceReader(Path(name))
    except sqlite3.Error as error:
        raise ValueError(f"cannot read {name}: {error}") from None


def _text(name: str, most: int) -> str:
    if name == "-" and sys.stdin is None:
        raise ValueError("there is no standard input to read; name a file")
    try:
        if name == "-":
            octets = sys.stdin.buffer.read(most + 1)
        else:
            with Path(name).open("rb") as file:
                octets = file.read(most + 1)
    except OSError as error:
        raise ValueError(f"cannot read {name}: {error.strerror}") from None
    if len(octets) > most:
        raise ValueError(f"{name} is larger than {most:,} octets; take a part of it")
    return octets.decode("utf-8", "replace")


_ENOUGH = 5
"""Runs of words in common from which on a text is taken for one that was served; two sites share some by chance."""


def _strength(one: Found) -> str:
    """How sure it is that the text is of this page."""
    if one.by_id:
        return "id"
    return "words" if one.runs >= _ENOUGH else "weak"


def _as_json(one: Found) -> dict[str, object]:
    fields = "time host agent epoch page_id path client user_agent identity verified_by status body_sha256".split()
    return {"link": one.number, "runs": one.runs, "strength": _strength(one)} | {
        field: one.record.get(field) for field in fields
    }


def _print_found(found: list[Found]) -> None:
    if not found:
        print(f"Nothing that was served is in it. An unchanged quote of {SURE} words would be found.")
        return
    crawls: dict[tuple[str, str, str], list[Found]] = {}
    for one in found:
        crawls.setdefault(one.crawl, []).append(one)
    rows = [
        (host, agent or "-", epoch or "-", f"{len(pages):,}", str(max(one.runs for one in pages)), _strength(pages[0]))
        for (host, agent, epoch), pages in crawls.items()
    ]
    table(("HOST", "AGENT", "EPOCH", "PAGES", f"RUNS OF {RUN} WORDS", "BY"), rows)
    print()
    table(
        ("TIME", "CLIENT", "AGENT", "RUNS", "BY", "PAGE ID", "PATH"),
        [
            (
                _moment(one.record.get("time")),
                *(str(one.record.get(field) or "-") for field in ("client", "agent")),
                str(one.runs),
                _strength(one),
                *(str(one.record.get(field) or "-") for field in ("page_id", "path")),
            )
            for one in found[:_SHOWN]
        ],
    )
    if len(found) > _SHOWN:
        print(f"… and {count(len(found) - _SHOWN, 'page')} more; --json tells all.")
    if all(_strength(one) == "weak" for one in found):
        little = f"fewer than {_ENOUGH} runs of {RUN} words are in common with any page"
        print(f"\nweak: {little}; this may be chance. Look for a longer part of the text.")


def _print_check(check: Check, name: str) -> None:
    fail(f"\n{name}: {count(check.links, 'link')} up to number {check.head.number:,}, {check.head.hash.hex()[:16]}…")
    if check.lost:
        fail(f"{name}: {count(check.lost, 'page')} could not be written when they were served")
    for fault in check.faults:
        fail(f"{name}: link {fault.number:,} {printable(fault.message)}")
    fail(f"{name}: {'the chain is whole' if not check.faults else 'the chain is broken'}")


def _moment(seconds: object) -> str:
    if not isinstance(seconds, int | float):
        return "-"
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
