"""Fetching the published lists anew, once a day, and keeping the last good copy of each."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from http.client import HTTPException, HTTPMessage
from threading import Thread
from typing import IO, NamedTuple, TypeVar
from urllib.error import HTTPError, URLError
from urllib.request import HTTPRedirectHandler, Request, build_opener

from scrapeguard.core.ipranges import MAX_SIZE, read_ranges, update_fault
from scrapeguard.verification.lists import ListFolder, PublishedList, PublishedLists

T = TypeVar("T")

logger = logging.getLogger("scrapeguard")

EVERY = 86_400.0
"""Seconds after which a list is fetched anew."""
_TIMEOUT = 10.0


class Fetched(NamedTuple):
    """An answer: its status, at most a little more than `MAX_SIZE` octets, and its validator."""

    status: int
    body: bytes
    etag: str | None = None


Fetch = Callable[[str, str | None], Fetched]
"""From an address and the validator of the copy at hand to the answer; raises OSError where there is none."""


class _SameScheme(HTTPRedirectHandler):
    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        if newurl.partition(":")[0] != req.type:
            raise URLError(f"redirected to {newurl[:80]}, which is not {req.type}")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def fetch(url: str, etag: str | None) -> Fetched:
    """Fetch a list over https; 304 where the copy at hand is still the published one.

    Raises:
        OSError: there is no answer.
    """
    if not url.startswith("https://"):
        raise URLError("not an https address")
    return fetch_over(url, etag)


def fetch_over(url: str, etag: str | None) -> Fetched:
    """The same over any scheme.

    Raises:
        OSError: there is no answer.
    """
    headers = {"User-Agent": "scrapeguard", **({"If-None-Match": etag} if etag else {})}
    try:
        with build_opener(_SameScheme).open(Request(url, headers=headers), timeout=_TIMEOUT) as answer:  # noqa: S310
            return Fetched(answer.status, answer.read(MAX_SIZE + 1), answer.headers.get("ETag"))
    except HTTPError as error:
        return Fetched(error.code, b"")
    except HTTPException as error:
        raise URLError(f"no HTTP: {error!r}") from None


class Outcome(NamedTuple):
    """What came of fetching a list: the new copy, or why there is none."""

    url: str
    fresh: PublishedList | None
    fault: str | None = None


def refreshed(url: str, before: PublishedList | None, now: float, fetch: Fetch) -> Outcome:
    """Fetch one list; a broken or suspicious answer changes nothing."""
    try:
        answer = fetch(url, before.etag if before else None)
    except OSError as error:
        return Outcome(url, None, f"no answer: {error}")
    if answer.status == 304 and before is not None:
        return Outcome(url, before._replace(as_of=now))
    if answer.status != 200:
        return Outcome(url, None, f"status {answer.status}")
    try:
        ranges = read_ranges(answer.body)
    except (ValueError, RecursionError) as error:
        return Outcome(url, None, f"no list: {error}")
    if fault := update_fault(ranges, len(before.networks) if before else 0):
        return Outcome(url, None, fault)
    return Outcome(url, PublishedList(url, now, ranges.networks, answer.etag))


async def in_thread(work: Callable[[], T]) -> T:
    """The result of work in a thread that nobody waits for at the end of the process, unlike those of an executor."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def deliver(settle: Callable[[], None]) -> None:
        # The loop may have ended, and whoever waited may have gone.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(lambda: None if done.done() else settle())

    def run() -> None:
        try:
            result = work()
        except Exception as error:
            failure = error
            deliver(lambda: done.set_exception(failure))
        else:
            deliver(lambda: done.set_result(result))

    Thread(target=run, daemon=True).start()
    return await done


class RefreshJob:
    """Takes what is on disk, and fetches what is older than a day; what fails is tried again after some minutes.

    Args:
        urls: the lists.
        lists: those at hand.
        publish: takes them when they have changed.
        folder: where they are kept.
        clock: seconds since the epoch.
        fetch: asks an operator; None to fetch nothing and live with what is there.
    """

    every = 300.0
    waits = False

    def __init__(
        self,
        urls: Iterable[str],
        lists: PublishedLists,
        publish: Callable[[PublishedLists], None],
        *,
        folder: ListFolder,
        clock: Callable[[], float],
        fetch: Fetch | None,
    ) -> None:
        self._urls = tuple(dict.fromkeys(urls))
        self._lists = lists
        self._publish = publish
        self._folder = folder
        self._clock = clock
        self._fetch = fetch
        self._told: dict[str, str] = {}
        self._begun = False

    async def run_once(self) -> None:
        """Look at the disk; from the second round on at the network too, so that what lives shortly asks nobody."""
        lists = self._lists
        await in_thread(lambda: self._take(self._from_disk()))
        if self._begun and self._fetch is not None:
            fetched = [await in_thread(partial(self._fetched, url)) for url in self._urls]
            await in_thread(lambda: self._take([one for one in fetched if one is not None]))
        self._begun = True
        if self._lists is not lists:
            self._publish(self._lists)

    def fetch_all(self) -> list[Outcome]:
        """Fetch what is older than a day, one after the other, and keep it; for the command line."""
        self._take(self._from_disk())
        outcomes = [self._outcome(url) for url in self._urls]
        self._take([one.fresh for one in outcomes if one.fresh is not None])
        self._publish(self._lists)
        return outcomes

    def _take(self, younger: list[PublishedList]) -> None:
        if younger:
            self._lists = self._lists.with_lists(younger)

    def _from_disk(self) -> list[PublishedList]:
        at_hand = self._lists.by_url
        kept = [one for one in self._folder.read() if one.url in self._urls]
        return [one for one in kept if one.url not in at_hand or one.as_of > at_hand[one.url].as_of]

    def _outcome(self, url: str) -> Outcome:
        before = self._lists.by_url.get(url)
        now = self._clock()
        if self._fetch is None or (before is not None and now - before.as_of < EVERY):
            return Outcome(url, None)
        outcome = refreshed(url, before, now, self._fetch)
        if outcome.fresh is not None:
            try:
                self._folder.write(outcome.fresh)
            except OSError as error:
                logger.warning("lists cannot be kept in %s: %s", self._folder.path, error)
        return outcome

    def _fetched(self, url: str) -> PublishedList | None:
        outcome = self._outcome(url)
        # Said once for each reason, not every round.
        if outcome.fault and self._told.get(url) != outcome.fault:
            logger.warning("%s: %s; the list of before stays in force", url, outcome.fault)
        self._told[url] = outcome.fault or ""
        return outcome.fresh
