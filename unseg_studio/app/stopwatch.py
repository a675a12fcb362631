"""How long a person works on an image; pauses are none of it."""

from __future__ import annotations

import time
from collections.abc import Callable

PAUSE_S = 30.0
"""Longer gaps between two movements count as this much."""


class Stopwatch:
    """Told of every movement; gives the seconds since it was last asked."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last = clock()
        self._seconds = 0.0

    def tick(self) -> None:
        """The person does something."""
        now = self._clock()
        self._seconds += min(max(0.0, now - self._last), PAUSE_S)
        self._last = now

    def taken(self) -> float:
        """Seconds of work so far; begins again at 0."""
        self.tick()
        seconds, self._seconds = self._seconds, 0.0
        return seconds
