"""The clock of the server's process, which the arena can move on."""

from __future__ import annotations

import time


class MovableClock:
    """Replaces the clocks of `time` in this process by such that run ahead of the real ones.

    Everything there is moves on together, as when hours pass: the guard's memory and its jobs, and the timers of the
    event loop. Install it before anything is imported that keeps a clock by reference.
    """

    def __init__(self) -> None:
        self.ahead = 0.0
        """Seconds."""
        self.real_monotonic = time.monotonic
        self._real_time = time.time

    def install(self) -> None:
        """Let the whole process go by this clock."""
        time.monotonic = lambda: self.real_monotonic() + self.ahead
        time.time = lambda: self._real_time() + self.ahead
