"""The address lists that operators publish: where they are kept, how old they are, and whom they hold."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from importlib.resources import files
from ipaddress import ip_network
from pathlib import Path
from typing import NamedTuple

from scrapeguard.core.address import Address, Network, NetworkMap

STALE = 2 * 86_400.0
"""Seconds after which a list proves nobody a liar any more; whom it holds is still believed."""


class PublishedList(NamedTuple):
    """A list as it was published at `as_of` (seconds since the epoch), with the validator of the answer."""

    url: str
    as_of: float
    networks: tuple[Network, ...]
    etag: str | None = None

    def to_json(self) -> str:
        """The list as it is kept on disk."""
        networks = [str(network) for network in self.networks]
        return json.dumps({"url": self.url, "as_of": self.as_of, "etag": self.etag, "networks": networks})

    @classmethod
    def from_json(cls, text: str) -> PublishedList:
        """A list from disk.

        Raises:
            ValueError: it is damaged.
        """
        try:
            read = json.loads(text)
            networks = tuple(ip_network(str(network)) for network in read["networks"])
            return cls(str(read["url"]), float(read["as_of"]), networks, read.get("etag"))
        except (KeyError, TypeError) as error:
            raise ValueError(f"no list: {error!r}") from None


class Holding(NamedTuple):
    """A network that holds an address, and the list that it stands in."""

    network: Network
    source: PublishedList


class PublishedLists:
    """All lists, with one look-up for all of them. Replaced as a whole, since requests read it all the time."""

    def __init__(self, lists: Iterable[PublishedList] = ()) -> None:
        self.by_url: Mapping[str, PublishedList] = {one.url: one for one in lists}
        self._map = NetworkMap((network, one.url) for one in self.by_url.values() for network in one.networks)

    def with_lists(self, lists: Iterable[PublishedList]) -> PublishedLists:
        """These lists, and others that take the place of those of the same address."""
        return PublishedLists({**self.by_url, **{one.url: one for one in lists}}.values())

    def holds(self, urls: Iterable[str], address: Address, now: float) -> bool | None:
        """Whether one of these lists holds an address; None where one is missing or stale, so that nobody can tell."""
        found = self._map.lookup(address)
        if found and any(url in found for url in urls):
            return True
        known = [self.by_url.get(url) for url in urls]
        return False if known and all(one is not None and now - one.as_of <= STALE for one in known) else None

    def holding(self, address: Address) -> list[Holding]:
        """The networks of all lists that hold an address. For people: it looks at each network of these lists."""
        found = [self.by_url[url] for url in dict.fromkeys(self._map.lookup(address))]
        return [Holding(network, one) for one in found for network in one.networks if address in network]


class ListFolder:
    """Lists on disk, one file each, shared by all that run on this machine."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> list[PublishedList]:
        """The lists that are there; a damaged file counts as none."""
        found = []
        for file in sorted(self.path.glob("*.json")):
            with suppress(OSError, ValueError):
                found.append(PublishedList.from_json(file.read_text(encoding="utf-8")))
        return found

    def write(self, one: PublishedList) -> None:
        """Keep a list, in one step: a reader sees the one before or this one.

        Raises:
            OSError: the folder cannot be written.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        target = self.path / f"{hashlib.sha256(one.url.encode()).hexdigest()[:16]}.json"
        beside = target.with_suffix(f".{os.getpid()}.tmp")
        beside.write_text(one.to_json(), encoding="utf-8")
        beside.replace(target)


def default_folder(environment: Mapping[str, str]) -> Path:
    """Where lists are kept where the rule file names no folder (XDG Base Directory Specification)."""
    base = environment.get("XDG_CACHE_HOME") or Path(environment.get("HOME") or "/var/cache") / ".cache"
    return Path(base) / "scrapeguard"


def packaged_lists() -> list[PublishedList]:
    """The lists that are shipped with the package, as they were on the day they were taken."""
    text = (files("scrapeguard") / "data" / "ranges.json").read_text(encoding="utf-8")
    return [PublishedList.from_json(json.dumps(one)) for one in json.loads(text)["lists"]]


def newest(*collections: Iterable[PublishedList]) -> list[PublishedList]:
    """Of each list the youngest copy."""
    by_url: dict[str, PublishedList] = {}
    for one in (one for collection in collections for one in collection):
        if one.url not in by_url or by_url[one.url].as_of < one.as_of:
            by_url[one.url] = one
    return list(by_url.values())
