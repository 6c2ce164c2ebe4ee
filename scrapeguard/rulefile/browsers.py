"""The packaged table of what browsers send, read and checked."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import yaml

from scrapeguard.core.browserheaders import Engine
from scrapeguard.errors import CatalogueError
from scrapeguard.rulefile.tree import SAFE_LOADER

_KEYS = frozenset("name match with unless sends never order ordered cannot".split())
_HEADERS = frozenset("accept-language gzip sec-fetch sec-ch-ua".split())


def load_engines() -> tuple[Engine, ...]:
    """The engines that are shipped with the package, in the order in which they are tried.

    Raises:
        CatalogueError: a key or header that does not exist.
    """
    return read_engines((files("scrapeguard") / "data" / "browsers.yaml").read_text(encoding="utf-8"))


def read_engines(text: str) -> tuple[Engine, ...]:
    """The engines that a YAML text describes.

    Raises:
        CatalogueError: a key or header that does not exist.
    """
    document = yaml.load(text, SAFE_LOADER)  # noqa: S506 - both loaders are safe ones
    return tuple(map(_engine, document["engines"]))


def _engine(entry: dict[str, Any]) -> Engine:
    named = set(entry.get("sends", {})) | set(entry.get("never", ()))
    if unknown := sorted((entry.keys() - _KEYS) | (named - _HEADERS)):
        raise CatalogueError(f"{entry.get('name')}: unknown word {unknown[0]}")
    return Engine(
        name=entry["name"],
        match=entry["match"],
        sends=dict(entry.get("sends", {})),
        holds=entry.get("with", ""),
        unless=tuple(entry.get("unless", ())),
        never=frozenset(entry.get("never", ())),
        order=tuple(name.encode("ascii") for name in entry.get("order", ())),
        ordered=int(entry.get("ordered", 0)),
        cannot=frozenset(name.encode("ascii") for name in entry.get("cannot", ())),
    )
