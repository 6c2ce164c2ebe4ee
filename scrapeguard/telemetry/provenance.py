"""Provenance: what was served to whom, written into a chained log in a thread beside the requests."""

from __future__ import annotations

import atexit
import json
import logging
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from hashlib import sha256
from itertools import islice
from math import isfinite
from typing import NamedTuple

from scrapeguard.core.decision import Decision
from scrapeguard.core.request import Request, canonical_host
from scrapeguard.telemetry.fingerprints import winnow
from scrapeguard.telemetry.provenancelog import Entry, ProvenanceLog

logger = logging.getLogger("scrapeguard")

MAX_FIELD = 512
"""Characters that are kept of what strangers send."""
MAX_SIGNATURE = 2_048
"""Characters that are kept of each header of an HTTP message signature (RFC 9421, web bot auth)."""
_SIGNATURES = (b"signature", b"signature-input", b"signature-agent")
_BATCH = 200
_SLOT = 1_024
"""Octets that an entry is taken to need besides its page, while it waits."""


class Page(NamedTuple):
    """What was served: the octets of the body, its main text, and where that has its canary from.

    `key` is the commitment to the key of the canary, which tells keys apart after a rotation.
    """

    body: bytes
    text: str = ""
    epoch: str = ""
    page_id: str = ""
    key: str = ""


class Served(NamedTuple):
    """That a client was served a page, and who it was. `verified_by` names the method that settled its identity."""

    time: float
    client: str | None
    agent: str | None
    user_agent: str | None
    identity: str
    verified_by: str
    signature: dict[str, str]
    host: str
    path: str
    action: str
    rule: str
    status: int
    page: Page

    @classmethod
    def of(
        cls, time: float, request: Request, decision: Decision, page: Page, *, status: int = 200, verified_by: str = ""
    ) -> Served:
        """What is kept of a request, cut to size.

        Args:
            time: seconds since the epoch.
            request: the request.
            decision: what was decided about it.
            page: what was served.
            status: the status of the answer.
            verified_by: how the identity was settled: `list`, `dns`; empty where it was not.
        """
        agent = decision.agent
        target = f"{request.path}?{request.query}" if request.query else request.path
        return cls(
            time,
            None if decision.client is None else decision.client[:MAX_FIELD],
            agent.name if agent else None,
            None if request.user_agent is None else request.user_agent[:MAX_FIELD].decode("latin-1"),
            str(agent.identity) if agent else "none",
            verified_by,
            {
                name.decode("ascii"): value[:MAX_SIGNATURE].decode("latin-1")
                for name, value in request.headers
                if name in _SIGNATURES
            },
            canonical_host(request.host),
            target[:MAX_FIELD],
            str(decision.action),
            decision.rule,
            status,
            page,
        )

    @property
    def size(self) -> int:
        """About how many octets it holds on to."""
        return _SLOT + len(self.page.body) + len(self.page.text)

    def entry(self) -> Entry:
        """What goes into the log: the record as JSON, and the fingerprints of the text, which is not kept itself."""
        page = self.page
        record = {"kind": "served", **self._asdict(), "body_sha256": sha256(page.body).hexdigest()}
        # A clock that says nothing must not keep the log from being written.
        time = round(self.time, 3) if isfinite(self.time) else 0.0
        record |= {"time": time, "epoch": page.epoch, "page_id": page.page_id, "key": page.key}
        del record["page"]
        return Entry(json.dumps(record), winnow(page.text))


class ProvenanceRecorder:
    """Hands what was served to a log, in a thread of its own, a few times a second.

    What waits is bounded in number and octets. When that is full, the newest is lost; it is counted, and the log says
    so in a link of its own. A log that cannot be written (a full disk, another process that holds it) is tried again
    with the same entries. The thread starts with the first page, and anew in a process that was forked.

    Args:
        open_log: opens the log; called in the thread.
        waiting: how many pages wait at most.
        waiting_octets: how many octets these hold at most.
        pause: seconds between two batches.
        clock: seconds since the epoch.
        spent: told how many seconds of processor time a batch took; None where nobody counts them.
        cpu: seconds of processor time that the thread has taken.
    """

    def __init__(
        self,
        open_log: Callable[[], ProvenanceLog],
        *,
        clock: Callable[[], float],
        waiting: int = 5_000,
        waiting_octets: int = 16 * 1024 * 1024,
        pause: float = 0.5,
        spent: Callable[[float], object] | None = None,
        cpu: Callable[[], float] = time.thread_time,
    ) -> None:
        self._spent = spent
        self._cpu = cpu
        self._open = open_log
        self._clock = clock
        self._most = waiting
        self._most_octets = waiting_octets
        self._pause = pause
        self.lost = 0
        """Pages of which the log knows nothing but their number."""
        self._log: ProvenanceLog | None = None
        self._writing = threading.Lock()
        _around_forks(self)
        self._reset()

    def _reset(self) -> None:
        self._pid = os.getpid()
        self._waiting: deque[Served] = deque()
        self._octets = 0
        self._untold = 0
        self._failed = False
        self._wake = threading.Event()
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def record(self, served: Served) -> None:
        """Take what was served; returns at once."""
        if self._pid != os.getpid():
            self._reset()
        size = served.size
        with self._lock:
            if len(self._waiting) >= self._most or self._octets + size > self._most_octets:
                self.lost += 1
                self._untold += 1
            else:
                self._waiting.append(served)
                self._octets += size
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="scrapeguard-provenance", daemon=True)
                self._thread.start()
                atexit.register(self.close)
        self._wake.set()

    def close(self, timeout: float = 5.0) -> None:
        """Write what waits, trying once more, and stop; what cannot be written in time is lost."""
        self._closed.set()
        self._wake.set()
        if self._thread is not None and self._pid == os.getpid():
            self._thread.join(timeout)
        atexit.unregister(self.close)

    def _run(self) -> None:
        while not self._closed.is_set():
            self._wake.wait()
            self._wake.clear()
            while self._has_work() and not self._closed.is_set():
                self._write_batch()
                self._closed.wait(self._pause)
        while self._has_work() and self._write_batch():
            pass
        with self._writing:
            self._close_log()

    def _has_work(self) -> bool:
        return bool(self._waiting) or self._untold > 0

    def _write_batch(self) -> bool:
        """Write some of what waits; whether that succeeded."""
        begun = self._cpu()
        with self._writing:
            succeeded = self._write_next()
        if self._spent is not None:
            self._spent(self._cpu() - begun)
        return succeeded

    def _write_next(self) -> bool:
        with self._lock:
            batch, untold = list(islice(self._waiting, _BATCH)), self._untold
        try:
            if self._log is None:
                self._log = self._open()
            self._log.append([served.entry() for served in batch], self._clock(), lost=untold)
        except Exception as error:
            # Whatever it is (a full disk, another process that holds the file), it may pass.
            self._tell(error)
            self._close_log()
            return False
        self._failed = False
        with self._lock:
            for _ in batch:
                self._octets -= self._waiting.popleft().size
            self._untold -= untold
        return True

    def _tell(self, error: Exception) -> None:
        if not self._failed:
            self._failed = True
            logger.error("the provenance log cannot be written: %s", error)

    def before_fork(self) -> None:
        """Close the file until `after_fork`: SQLite loses what a process and its fork write over one connection."""
        self._writing.acquire()
        self._close_log()

    def after_fork(self) -> None:
        """Go on, in both processes."""
        self._writing.release()

    def _close_log(self) -> None:
        log, self._log = self._log, None
        if log is not None:
            log.close()


def _around_forks(recorder: ProvenanceRecorder) -> None:
    """Have a recorder know of forks, for as long as it lives."""
    if not hasattr(os, "register_at_fork"):
        return
    known = weakref.WeakSet((recorder,))

    def suspend() -> None:
        for one in known:
            one.before_fork()

    def resume() -> None:
        for one in known:
            one.after_fork()

    os.register_at_fork(before=suspend, after_in_parent=resume, after_in_child=resume)
