"""What the person drew to steer."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from unseg_studio.data.category import MAX_CATEGORY
from unseg_studio.data.strokes import stroke_patch

UNMARKED = 0


@dataclass(frozen=True, eq=False)
class Scribbles:
    """`(H, W)` int32: 0 = unmarked, otherwise a category id. Immutable.

    Raises
    ------
    ValueError
        If the array is not two-dimensional or holds ids that no category can have.
    """

    ids: NDArray[np.int32]

    def __post_init__(self) -> None:
        if self.ids.ndim != 2 or self.ids.dtype != np.int32:
            raise ValueError(
                f"Scribbles were given as {self.ids.dtype} of shape {self.ids.shape}; "
                "accepted is a height x width array of int32."
            )
        if self.ids.size and not (self.ids.min() >= 0 and self.ids.max() <= MAX_CATEGORY):
            raise ValueError(
                f"Scribbles hold ids from {self.ids.min()} to {self.ids.max()}; accepted are 0 "
                f"(unmarked) and category ids up to {MAX_CATEGORY}."
            )
        self.ids.setflags(write=False)

    @classmethod
    def empty(cls, shape: tuple[int, int]) -> Scribbles:
        """Nothing drawn on a plane of this (height, width)."""
        return cls(np.zeros(shape, np.int32))

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return self.ids.shape[0], self.ids.shape[1]

    @property
    def is_empty(self) -> bool:
        """Nothing is marked."""
        return not self.categories

    @cached_property
    def categories(self) -> tuple[int, ...]:
        """Ids that have at least one marked pixel, ascending."""
        counts = np.bincount(self.ids.ravel(), minlength=1)
        return tuple(int(i) for i in np.flatnonzero(counts) if i != UNMARKED)

    def painted(self, points: ArrayLike, category: int, *, radius: float) -> Scribbles:
        """Add a stroke through `points`, (N, 2) (row, column), `radius` in pixels."""
        patch = stroke_patch(self.shape, points, radius)
        return Scribbles(patch.painted_on(self.ids, category))

    def erased(self, points: ArrayLike, *, radius: float) -> Scribbles:
        """Remove what lies under a stroke through `points`."""
        return self.painted(points, UNMARKED, radius=radius)

    def without(self, category: int) -> Scribbles:
        """Remove every stroke of one category."""
        return Scribbles(np.where(self.ids == category, np.int32(UNMARKED), self.ids))

    def resized(self, shape: tuple[int, int]) -> Scribbles:
        """The strokes on a smaller plane: a pixel takes the category that covers most of it."""
        if shape == self.shape:
            return self
        small, most = np.zeros(shape, np.int32), np.zeros(shape, np.float32)
        for category in self.categories:
            mask = (self.ids == category).astype(np.float32)
            cover = cv2.resize(mask, shape[::-1], interpolation=cv2.INTER_AREA)
            small[cover > most] = category
            most = np.maximum(most, cover)
        return Scribbles(small)

    def require_shape(self, shape: tuple[int, int]) -> None:
        """Raise ValueError, in a sentence for the person, if they are of another size."""
        if self.shape != shape:
            raise ValueError(
                f"The scribbles are {self.shape[1]} x {self.shape[0]} px, the image is "
                f"{shape[1]} x {shape[0]} px; accepted are scribbles of the image's size. "
                "Draw them on this image, or choose the image that they were drawn on."
            )
