"""Where a training takes its images from, and what is shown of it step by step. No widgets here."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from unseg_studio.data import Image
from unseg_studio.project.trained import BrokenOff
from unseg_studio.segmenters import Segmenter
from unseg_studio.segmenters.training import Preview, Trainable, TrainingStep
from unseg_studio.widgets.colors import cluster_rgb

Rgb = NDArray[np.uint8]

SIDE = 150
"""Longer side of a preview, in pixels."""

SHARE = 0.6
"""Of the clusters' colours in a preview; the rest is the image."""


@dataclass(frozen=True)
class Proposed:
    """How far proposals for all images have come; `problem` is empty where all is well."""

    done: int
    total: int
    problem: str = ""


class TrainingSource(Protocol):
    """Images to learn from, and a place for what is learned; asked in a thread but for `names`."""

    @property
    def names(self) -> Sequence[str]:
        """Of the images, as lists show them."""
        ...

    def images(self) -> Sequence[Image]:
        """Each read when it is asked for."""
        ...

    def left(self) -> tuple[BrokenOff, ...]:
        """Trainings on these images that were broken off."""
        ...

    def forget(self, method: str) -> None:
        """The next training of this method begins anew."""
        ...

    def train(self, segmenter: Trainable) -> Generator[TrainingStep, None, None]:
        """Go on with what was left of such a training, or begin one."""
        ...

    def propose(self, segmenter: Segmenter) -> Generator[Proposed, None, None] | None:
        """Propose labels for all images; None where there is nobody to take them."""
        ...


@dataclass(frozen=True, eq=False)
class News:
    """A step, with what is to be seen of it.

    Parameters
    ----------
    step : TrainingStep
        What was done.
    pictures : tuple of (int, ndarray)
        Which image, and it with the clusters laid over it, (h, w, 3) uint8; often none.
    n_done : int
        Steps since the training began or was gone on with.
    seconds : float
        That those took, without pauses.
    """

    step: TrainingStep
    pictures: tuple[tuple[int, Rgb], ...]
    n_done: int
    seconds: float

    @property
    def seconds_left(self) -> float:
        """Until the last step, at the pace so far."""
        return (self.step.total - self.step.step) * self.seconds / max(1, self.n_done)


def news_of(source: TrainingSource, segmenter: Trainable) -> Generator[News, None, None]:
    """Train, and paint the previews where nobody waits for it."""
    pictures = _Pictures(source.images())
    seconds = 0.0
    with closing(source.train(segmenter)) as steps:
        for n_done, (taken, step) in enumerate(_timed(steps), 1):
            seconds += taken
            yield News(step, pictures.of(step.previews), n_done, seconds)


def _timed(steps: Iterator[TrainingStep]) -> Iterator[tuple[float, TrainingStep]]:
    """Each step with the seconds that it took."""
    while True:
        began = time.perf_counter()
        step = next(steps, None)
        if step is None:
            return
        yield time.perf_counter() - began, step


class _Pictures:
    """Previews over small images, each of which is read once."""

    def __init__(self, images: Sequence[Image]) -> None:
        self._images = images
        self._small: dict[int, Rgb] = {}

    def of(self, previews: Sequence[Preview]) -> tuple[tuple[int, Rgb], ...]:
        """Which image, and what is to be seen of it."""
        return tuple((p.index, painted(self._image(p.index), p.labels)) for p in previews)

    def _image(self, index: int) -> Rgb:
        if index not in self._small:
            self._small[index] = small(self._images[index].rgb)
        return self._small[index]


def small(rgb: Rgb, side: int = SIDE) -> Rgb:
    """An image no longer than `side`: (H, W, 3) -> (h, w, 3)."""
    scale = min(1.0, side / max(rgb.shape[:2]))
    height, width = (max(1, round(extent * scale)) for extent in rgb.shape[:2])
    return np.asarray(cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def painted(rgb: Rgb, labels: NDArray[np.int32]) -> Rgb:
    """An (h, w, 3) image with the clusters in their colours over it; labels of any size."""
    height, width = rgb.shape[:2]
    ids, places = np.unique(labels, return_inverse=True)
    colours = np.array([cluster_rgb(int(id_)) for id_ in ids], np.float32)
    coarse = places.reshape(labels.shape).astype(np.float32)
    near = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_NEAREST).astype(np.intp)
    mixed = (1 - SHARE) * rgb + SHARE * colours[near]
    return np.asarray(np.rint(mixed), np.uint8)


OthersWait = Callable[[], bool]
"""Says whether somebody waits for other work, such as for labels after a stroke."""
