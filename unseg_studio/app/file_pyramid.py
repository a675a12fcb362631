"""What the screen shows of an image that stays in its file.

A small version of the whole is in memory, made band by band. Where the view asks for more, the part
under it is read beside the GUI thread; until it has come, the small version is shown enlarged.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unseg_studio.app.display import Look, Pyramid, level_for, rendered_of
from unseg_studio.app.viewport import Viewport
from unseg_studio.data import Box, LargeImage, UnreadableImageError
from unseg_studio.data.boxes import grown, inside, overlap, size_of

OVERVIEW = 2560
"""Longer side of the small version, in pixels, at most."""

_AROUND = 0.25
"""So much of the view's size is read around it, so that small moves need no file."""

_reader = ThreadPoolExecutor(max_workers=1, thread_name_prefix="unseg-reading")


@dataclass(frozen=True, eq=False)
class Crop:
    """A rectangle of a level; `crop[rows, cols]` counts from the corner of the level.

    Parameters
    ----------
    number : int
        Which level: pixels of 2 to this power.
    box : (slice, slice)
        Its rows and columns there.
    pixels : ndarray, (h, w, C)
        What it holds.
    """

    number: int
    box: Box
    pixels: NDArray[Any]

    def __getitem__(self, place: Box) -> NDArray[Any]:
        part = overlap(place, self.box)
        return self.pixels[inside(part, self.box)] if part else self.pixels[:0, :0]

    def holds(self, number: int, box: Box) -> bool:
        """Say whether a rectangle of a level is in it."""
        return number == self.number and overlap(box, self.box) == box


class FilePyramid(Pyramid):
    """The levels of a plane that stays in its file.

    Parameters
    ----------
    image : LargeImage
        The plane.
    """

    def __init__(self, image: LargeImage) -> None:
        super().__init__(np.zeros((0, 0, image.n_channels), image.pixels.dtype))
        self._image = image
        self._first = (-(-max(image.shape) // OVERVIEW) - 1).bit_length()
        self._crop: Crop | None = None
        self._asked: tuple[int, Box] | None = None
        self._lock = Lock()
        self._is_read = False
        self.version = 0

    @property
    def is_reading(self) -> bool:
        """More will be there in a moment."""
        return self._is_read

    def build(self) -> None:
        """Make the small version, band by band, and what is smaller still."""
        if self._image.levels is None:
            return
        for small in self._image.levels.filled(1 << self._first):
            self._levels = [small]
            self.version += 1
        super().build()

    def rendered(self, viewport: Viewport, look: Look) -> NDArray[np.uint8]:
        """What the view shows, from what there is; see `Pyramid.rendered`."""
        samples = viewport.samples()
        number = level_for(viewport.scale)
        if number < self._first and 0 not in samples.shape:
            crop = self._crop_under(number, samples.place)
            if crop is not None:
                return rendered_of(crop, number, viewport, look)
        place = min(max(0, number - self._first), len(self._levels) - 1)
        if 0 in self._levels[place].shape:
            return np.zeros((*samples.shape, 3), np.uint8)
        return rendered_of(self._levels[place], self._first + place, viewport, look)

    def _crop_under(self, number: int, place: Box) -> Crop | None:
        """What was read of a level, if it holds this; else it is asked for."""
        rows, cols = (
            slice(max(0, axis.start // (1 << number) - 1), -(-axis.stop // (1 << number)) + 1)
            for axis in place
        )
        height, width = self._image.shape
        shape = -(-height // (1 << number)), -(-width // (1 << number))
        needed = grown((rows, cols), 0, shape)
        crop = self._crop
        if crop is not None and crop.holds(number, needed):
            return crop
        wanted = number, grown(needed, round(_AROUND * max(size_of(needed))), shape)
        if wanted != self._asked:
            with self._lock:
                self._asked = wanted
                if not self._is_read:
                    self._is_read = True
                    _reader.submit(self._read)
        return None

    def _read(self) -> None:
        """Read what was asked for last, until nothing newer was."""
        done: tuple[int, Box] | None = None
        while (asked := self._next(done)) is not None:
            number, (rows, cols) = done = asked
            step = 1 << number
            box = (
                slice(rows.start * step, rows.stop * step),
                slice(cols.start * step, cols.stop * step),
            )
            try:
                self._crop = Crop(number, (rows, cols), self._image.shrunk(box, step))
            except UnreadableImageError:
                continue  # a damaged part stays as coarse as it is; a run there says why
            self.version += 1

    def _next(self, done: tuple[int, Box] | None) -> tuple[int, Box] | None:
        with self._lock:
            self._is_read = self._asked is not None and self._asked != done
            return self._asked if self._is_read else None
