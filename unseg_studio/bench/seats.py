"""Each method of the game in a process of its own.

    this process                       the method's process
    seat.open(image, ids)      ->      method.start      ->  seconds
    seat.update(scribbles)     ->      player.update     ->  labels, seconds, peak memory

Times are taken in the method's process, so sending arrays does not count. Before its first image it
plays a tiny one, so that loading libraries does not count either.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unseg_studio.bench.game import Answer, Here
from unseg_studio.bench.methods import Method, methods
from unseg_studio.bench.own_process import OwnProcess, Serve, forget_peak, peak_mib
from unseg_studio.data import Image

Labels = NDArray[np.int32]


def chosen_method(name: str, seed: int, device: str) -> Method:
    """The method that a process plays."""
    return methods(seed=seed, device=device)[name]


class Seat:
    """An opponent in a process of its own, which is started when it is first needed.

    Parameters
    ----------
    make : callable
        Makes the method; called in the other process, so it must be importable there.
    limit : float
        Seconds that opening or an update may take; then the process is ended and the next `open`
        starts another one.
    """

    def __init__(self, make: Callable[[], Method], *, limit: float) -> None:
        self._process = OwnProcess(partial(_seated, make), limit=limit)

    def open(self, image: Image, ids: tuple[int, ...]) -> float:
        """See `Opponent.open`."""
        self._process.begin()
        return float(self._process.ask("open", image, ids))

    def update(self, scribbles: Labels) -> Answer:
        """See `Opponent.update`."""
        answer: Answer = self._process.ask("update", scribbles)
        return answer

    def close(self) -> None:
        """End the process."""
        self._process.close()


def _seated(make: Callable[[], Method]) -> Serve:
    """What the other process answers with, once it is warm."""
    here = Here(make())
    _warm_up(here)

    def answer(what: str, *arguments: Any) -> float | Answer:
        if what == "open":
            forget_peak()
            return here.open(*arguments)
        return replace(here.update(*arguments), peak_mib=peak_mib())

    return answer


def tiny_image() -> Image:
    """16 x 16 pixels of two colours, left and right."""
    pixels = np.random.default_rng(0).integers(0, 40, (16, 16, 3)).astype(np.uint8)
    pixels[:, 8:] += 160
    return Image.of(pixels)


def _warm_up(here: Here) -> None:
    """Play the tiny image."""
    scribbles = np.zeros((16, 16), np.int32)
    scribbles[4:12, 2:5], scribbles[4:12, 11:14] = 1, 2
    here.open(tiny_image(), (1, 2))
    here.update(scribbles)
