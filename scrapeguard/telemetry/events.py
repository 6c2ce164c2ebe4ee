"""Events: every request that was refused or observed, as one JSON line, written beside the request path."""

from __future__ import annotations

import atexit
import json
import logging
import os
import threading
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple

from scrapeguard.core.decision import Decision, Mode
from scrapeguard.core.request import Request

logger = logging.getLogger("scrapeguard")

MAX_FIELD = 512
"""Characters that a line keeps of a path, a host or a User-Agent: these come from strangers."""


Shown = Callable[[str], str | None]
"""From the address of a client to what is written of it."""


class Event(NamedTuple):
    """A decision, when it was made (seconds since the epoch), the reference and the status that the client was given.

    Of the request it holds only what is written, cut to size: thousands may wait.
    """

    time: float
    reference: str
    method: str
    host: str
    path: str
    user_agent: str | None
    decision: Decision
    status: int

    @classmethod
    def of(cls, time: float, reference: str, request: Request, decision: Decision, status: int | None = None) -> Event:
        """The event of a request.

        Args:
            time: seconds since the epoch.
            reference: finds the event.
            request: the request.
            decision: what was decided about it.
            status: of what was answered; None where the request passed, or would have got what the decision says.
        """
        target = f"{request.path}?{request.query}" if request.query else request.path
        agent = request.user_agent
        fields = (
            time,
            reference,
            request.method[:MAX_FIELD],
            request.host[:MAX_FIELD],
            target[:MAX_FIELD],
            None if agent is None else agent[:MAX_FIELD].decode("latin-1"),
            decision,
            decision.status if status is None else status,
        )
        # Once for every refusal: past the constructor, which is written in Python, at a third of the cost.
        return tuple.__new__(cls, fields)

    def to_json(self, shown: Shown = str) -> str:
        """The event as one line of JSON without a line end.

        Args:
            shown: what of the client's address is written.
        """
        client = self.decision.client
        decision = self.decision.to_json()
        decision["client"] = None if client is None else shown(client)
        decision["status"] = self.status
        record = {
            "time": _iso(self.time),
            "reference": self.reference,
            "enforced": self.decision.mode is Mode.ENFORCE,
            "method": self.method,
            "host": self.host,
            "path": self.path,
            "user_agent": self.user_agent,
            **decision,
        }
        return json.dumps(record)


Recorder = Callable[[Event], None]
"""Takes an event without waiting."""


class EventLog:
    """Hands events to a writer in a thread of its own, a few times a second, all that came since in one go.

    Work on refused bots is bounded here too: so many lines a second are written, so many events wait, and what comes
    faster is counted and told in a line of its own. The thread starts with the first event, and anew in a process that
    was forked.

    Args:
        write: takes lines, each with its line end; may block. An error loses them, which is counted.
        lines_per_second: how many lines are written at most.
        waiting: how many events wait at most; the oldest are lost.
        pause: seconds between two batches.
        shown: what of a client's address is written.
        end: called once all is written and no more will be; None where there is nothing to do then.
    """

    def __init__(
        self,
        write: Callable[[str], object],
        *,
        lines_per_second: int = 500,
        waiting: int = 5_000,
        pause: float = 0.2,
        shown: Shown = str,
        end: Callable[[], object] | None = None,
    ) -> None:
        self._shown = shown
        self._end = end
        self._write = write
        self._batch = max(1, int(lines_per_second * pause))
        self._pause = pause
        self._most = waiting
        self._told = 0
        self._failed = False
        self.lost = 0
        """Events that were never written."""
        self._reset()

    def _reset(self) -> None:
        self._pid = os.getpid()
        self._waiting: deque[Event] = deque(maxlen=self._most)
        self._wake = threading.Event()
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def record(self, event: Event) -> None:
        """Take an event; returns at once."""
        if self._pid != os.getpid():
            self._reset()
        waiting = self._waiting
        if len(waiting) == self._most:
            self.lost += 1
        waiting.append(event)
        if not self._wake.is_set():
            self._wake.set()
            if self._thread is None:
                self._start()

    def close(self, timeout: float = 2.0) -> None:
        """Write what waits, without pausing, and stop; what a writer that hangs does not take in time is lost.

        Args:
            timeout: seconds to wait for that; with 0 it is done beside the caller.
        """
        atexit.unregister(self.close)
        self._closed.set()
        self._wake.set()
        with self._lock:
            thread = self._thread
        if thread is None:
            self._ended()
        elif self._pid == os.getpid():
            thread.join(timeout)

    def _ended(self) -> None:
        end, self._end = self._end, None
        if end is not None:
            end()

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="scrapeguard-events", daemon=True)
                self._thread.start()
                atexit.register(self.close)

    def _run(self) -> None:
        while not self._closed.is_set():
            self._wake.wait()
            self._wake.clear()
            while self._waiting:
                self._write_batch()
                self._closed.wait(self._pause)
        while self._waiting:
            self._write_batch()
        self._ended()

    def _write_batch(self) -> None:
        events = [self._waiting.popleft() for _ in range(min(self._batch, len(self._waiting)))]
        lines = [event.to_json(self._shown) for event in events]
        lost = self.lost
        if lost > self._told:
            lines.append(json.dumps({"time": _iso(events[-1].time), "events_lost": lost - self._told}))
            self._told = lost
        try:
            self._write("".join(f"{line}\n" for line in lines))
        except Exception:
            # Whatever a writer raises (a closed stream, a full disk), the next batch may succeed.
            self.lost += len(events)
            if not self._failed:
                self._failed = True
                logger.exception("events cannot be written; those lost are only counted from now on")


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
