"""scrapeguard tells AI crawlers no, and means it. See the README for how to start.

The names below are the public surface. They are imported when first asked for, so that `import scrapeguard` costs
nothing to a command that needs few of them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scrapeguard.app import ScrapeGuard, load_policy
    from scrapeguard.core.decision import Action, Decision
    from scrapeguard.core.policy import Policy
    from scrapeguard.core.request import Request
    from scrapeguard.errors import CatalogueError, PolicyError, Problem, RequestError, ScrapeGuardError
    from scrapeguard.guard import Guard

__version__ = "0.1.0"

_HOMES = {
    "Action": "scrapeguard.core.decision",
    "CatalogueError": "scrapeguard.errors",
    "Decision": "scrapeguard.core.decision",
    "Guard": "scrapeguard.guard",
    "Policy": "scrapeguard.core.policy",
    "PolicyError": "scrapeguard.errors",
    "Problem": "scrapeguard.errors",
    "Request": "scrapeguard.core.request",
    "RequestError": "scrapeguard.errors",
    "ScrapeGuard": "scrapeguard.app",
    "ScrapeGuardError": "scrapeguard.errors",
    "load_policy": "scrapeguard.app",
}

__all__ = [
    "Action",
    "CatalogueError",
    "Decision",
    "Guard",
    "Policy",
    "PolicyError",
    "Problem",
    "Request",
    "RequestError",
    "ScrapeGuard",
    "ScrapeGuardError",
    "__version__",
    "load_policy",
]


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(home), name)


def __dir__() -> list[str]:
    return __all__
