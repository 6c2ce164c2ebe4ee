"""The packaged catalogue of agents, read and checked."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.resources import files
from typing import Any

import yaml

from scrapeguard.core.catalogue import (
    INFERRED_PURPOSES,
    Account,
    Agent,
    Catalogue,
    Purpose,
    RobotsStance,
    Verification,
)
from scrapeguard.errors import CatalogueError
from scrapeguard.rulefile.tree import SAFE_LOADER

_AGENT_KEYS = frozenset("name operator purpose robots match token control docs verify example note".split())


def load_catalogue() -> Catalogue:
    """The catalogue that is shipped with the package.

    Raises:
        CatalogueError: it contradicts itself.
    """
    text = (files("scrapeguard") / "data" / "agents.yaml").read_text(encoding="utf-8")
    return read_catalogue(text)


def read_catalogue(text: str) -> Catalogue:
    """The catalogue that a YAML text describes.

    Raises:
        CatalogueError: a key, purpose or stance that does not exist, or names that collide.
    """
    document = yaml.load(text, SAFE_LOADER)  # noqa: S506 - both loaders are safe ones
    contacts = {
        host: operator for operator, about in document.get("operators", {}).items() for host in about["contact"]
    }
    return Catalogue(
        map(_agent, document["agents"]),
        contacts=contacts,
        accounts=[_account(entry) for entry in document.get("accounts", ())],
        as_of=str(document["as_of"]),
    )


def _agent(entry: dict[str, Any]) -> Agent:
    name = str(entry.get("name"))
    if unknown := sorted(entry.keys() - _AGENT_KEYS):
        raise CatalogueError(f"{name}: unknown key {unknown[0]}")
    try:
        purpose = Purpose(entry["purpose"])
        robots = RobotsStance(entry.get("robots", RobotsStance.UNCLEAR))
    except (KeyError, ValueError) as error:
        raise CatalogueError(f"{name}: {error}") from None
    if purpose in INFERRED_PURPOSES:
        raise CatalogueError(f"{name}: {purpose} is what remains when no agent is named")
    control = bool(entry.get("control", False))
    return Agent(
        name=name,
        purpose=purpose,
        operator=entry.get("operator"),
        robots=robots,
        token=entry.get("token", name),
        match=() if control else tuple(entry.get("match", (name,))),
        control=control,
        docs=entry.get("docs"),
        verify=_verification(entry.get("verify", {})),
        example=entry.get("example"),
        note=entry.get("note"),
    )


def _verification(entry: dict[str, Any]) -> Verification:
    return Verification(_several(entry.get("ranges", ())), _several(entry.get("dns", ())), entry.get("signature"))


def _several(value: str | Iterable[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def _account(entry: dict[str, Any]) -> Account:
    steps = tuple(entry.get("steps", ()))
    return Account(entry["service"], entry["operator"], entry["effect"], steps, entry.get("url"))
