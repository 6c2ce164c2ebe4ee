"""The grammar of each locale: the module that changes its words."""

from __future__ import annotations

from types import ModuleType

from scrapeguard.decoys import english, german

_LANGUAGES = {"en": english, "de": german}


def language_of(locale: str) -> ModuleType:
    """The grammar of a locale that there are words for."""
    return _LANGUAGES[locale.partition("_")[0]]
