"""From the words of a rule file to a store: `memory`, `sqlite:FILE`, `valkey://host:6379/0` and what is like it."""

from __future__ import annotations

from pathlib import Path

from scrapeguard.stores.memory import MemoryStore
from scrapeguard.stores.port import Store, StoreError
from scrapeguard.stores.sqlite import SqliteStore
from scrapeguard.stores.valkey import MISSING, ValkeyStore, installed
from scrapeguard.stores.valkeyurl import SCHEMES, read_url

_MAX_LENGTH = 2000


def store_fault(text: str) -> str | None:
    """Why these words name no store that can be had here, and what to do; None where they do.

    It opens and asks nothing, and its answer holds no password.
    """
    if len(text) > _MAX_LENGTH:
        return f"a store is named in at most {_MAX_LENGTH:,} characters"
    if text == "memory":
        return None
    kind, separator, rest = text.partition(":")
    if kind == "sqlite" and separator:
        return _file_fault(rest)
    if kind not in SCHEMES or not rest.startswith("//"):
        return "a store is memory, sqlite:FILE, or a URL: valkey://host:6379/0, rediss://:password@host, unix:///socket"
    try:
        read_url(text)
    except ValueError as error:
        return str(error)
    return None if installed() else MISSING


def open_store(text: str, base: Path) -> Store:
    """The store that these words name; a relative FILE is in the folder `base`. Nothing is opened before it is used.

    Raises:
        StoreError: they name none; the message is that of `store_fault`.
    """
    if (fault := store_fault(text)) is not None:
        raise StoreError(fault)
    if text == "memory":
        return MemoryStore()
    kind, _, rest = text.partition(":")
    if kind == "sqlite":
        return SqliteStore(base / rest)
    return ValkeyStore(text)


def _file_fault(name: str) -> str | None:
    if not name or name.startswith("//"):
        return "write sqlite:FILE, with the path of the file after the colon"
    if name.startswith(":") or name.endswith("/"):
        return "the path after sqlite: names no file; for a store in memory write memory"
    if not name.isprintable():
        return "the path after sqlite: holds a control character"
    return None
