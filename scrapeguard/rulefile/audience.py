"""The packaged audience: User-Agents of people and good machines, none of which a policy should refuse by mistake."""

from __future__ import annotations

from importlib.resources import files

import yaml

from scrapeguard.core.catalogue import Purpose
from scrapeguard.rulefile.tree import SAFE_LOADER


def load_audience() -> list[tuple[Purpose, str]]:
    """Pairs of purpose and User-Agent."""
    text = (files("scrapeguard") / "data" / "audience.yaml").read_text(encoding="utf-8")
    document: dict[str, list[str]] = yaml.load(text, SAFE_LOADER)  # noqa: S506 - both loaders are safe ones
    return [(Purpose(purpose), user_agent) for purpose, user_agents in document.items() for user_agent in user_agents]
