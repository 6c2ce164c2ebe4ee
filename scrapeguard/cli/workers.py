"""Keeping some processes at work."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from scrapeguard.cli import FINE, FOUND_PROBLEMS

logger = logging.getLogger("scrapeguard")

Run = Callable[[], int]
"""The work of a process, which ends it with an exit code."""

_WATCHED = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD})
_SHORT_LIFE = 5.0
_OVERLAP = 3.0
_GLANCE = 1.0


class Workers:
    """Keeps so many processes at the same work; a worker that ends by itself as soon as it began ends them all.

    Signals are waited for, and not handled in the middle of something: SIGTERM and SIGINT end the workers, SIGHUP or a
    change puts new ones in their place, and the old ones end a little later, when those have had the time to begin.

    Args:
        run: the work.
        number: how many do it.
        renewed: the new work; None where the old one is to go on.
        changed: whether what the work follows from has changed since the last time; asked every second.
    """

    def __init__(
        self, run: Run, number: int, renewed: Callable[[], Run | None], changed: Callable[[], bool] = lambda: False
    ) -> None:
        self._run = run
        self._number = number
        self._renewed = renewed
        self._changed = changed
        self._born: dict[int, float] = {}
        self._old: dict[int, float] = {}
        """Those that are to end, and when."""
        self._before: Run | None = None
        self._last: frozenset[int] = frozenset()
        """What was done before the last renewal, until that has stood; and by whom."""
        self._ending = False
        self._code = FINE

    def watch(self) -> int:
        """Start them, and wait for the end; a worker returns from here with its own exit code."""
        does = {signal.SIGCHLD: self._bury, signal.SIGHUP: self._renew}
        signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)
        parent = os.getpid()
        while True:
            while len(self._born) < self._number and not self._ending:
                pid = os.fork()
                if pid == 0:
                    return self._work(parent)
                self._born[pid] = time.monotonic()
            if not self._born and not self._old:
                return self._code
            told = signal.sigtimedwait(_WATCHED, _GLANCE)
            if told is not None:
                does.get(signal.Signals(told.si_signo), self._end)()
            elif self._changed() and not self._ending:
                self._renew()
            self._end_old()

    def _work(self, parent: int) -> int:
        # Only the process that watches is told of new rules.
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _WATCHED)
        threading.Thread(target=_end_after, args=(parent,), daemon=True).start()
        return self._run()

    def _end(self) -> None:
        self._ending = True
        for pid in (*self._born, *self._old):
            _tell_to_end(pid)

    def _renew(self) -> None:
        # What is read now is no change any more.
        self._changed()
        run = self._renewed()
        if run is None:
            logger.error("what there was stays in force")
            return
        self._before, self._run = self._run, run
        self._last = frozenset(self._born)
        self._old.update(dict.fromkeys(self._born, time.monotonic() + _OVERLAP))
        self._born.clear()

    def _end_old(self) -> None:
        now = time.monotonic()
        due = [pid for pid, end in self._old.items() if now >= end]
        for pid in due:
            self._old[pid] = now + 10 * _OVERLAP
            _tell_to_end(pid)
        if self._before is not None and not self._last.isdisjoint(due):
            self._before = None
            logger.warning("the new rules are in force")

    def _go_back(self) -> None:
        """Go on with those of before the last renewal, and what they do."""
        logger.error("what there was stays in force")
        young, self._born = self._born, {pid: 0.0 for pid in self._last if self._old.pop(pid, None)}
        self._old.update(dict.fromkeys(young, time.monotonic()))
        if self._before is not None:
            self._run, self._before = self._before, None

    def _bury(self) -> None:
        with suppress(ChildProcessError):
            while (dead := os.waitpid(-1, os.WNOHANG)) != (0, 0):
                self._mourn(*dead)

    def _mourn(self, pid: int, status: int) -> None:
        born = self._born.pop(pid, None)
        self._old.pop(pid, None)
        if born is None or self._ending:
            return
        logger.error("worker %d ended by itself (status %d)", pid, os.waitstatus_to_exitcode(status))
        if time.monotonic() - born >= _SHORT_LIFE:
            return
        if self._before is not None and not self._last.isdisjoint(self._old):
            self._go_back()
        else:
            self._code = FOUND_PROBLEMS
            self._end()


def _tell_to_end(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)


def _end_after(parent: int) -> None:
    """End this worker when the process that watches over it is no more."""
    while os.getppid() == parent:
        time.sleep(_GLANCE)
    os.kill(os.getpid(), signal.SIGTERM)
