"""Hand corrections laid over the live labels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from unseg_studio.data.strokes import Patch

UNEDITED = -1


@dataclass(frozen=True, eq=False)
class Edits:
    """`(H, W)` int32: -1 = none, 0 = erased by hand, otherwise the id put there. Immutable.

    A new run never touches them.

    Raises
    ------
    ValueError
        If the array is not two-dimensional or holds ids below -1.
    """

    ids: NDArray[np.int32]

    def __post_init__(self) -> None:
        if self.ids.ndim != 2 or self.ids.dtype != np.int32:
            raise ValueError(
                f"Edits were given as {self.ids.dtype} of shape {self.ids.shape}; "
                "accepted is a height x width array of int32."
            )
        if self.ids.size and self.ids.min() < UNEDITED:
            raise ValueError(
                f"Edits hold the id {self.ids.min()}; accepted are {UNEDITED} (not edited), 0 "
                "(erased) and ids from 1 up."
            )
        self.ids.setflags(write=False)

    @classmethod
    def none(cls, shape: tuple[int, int]) -> Edits:
        """No corrections on a plane of this (height, width)."""
        return cls(np.full(shape, UNEDITED, np.int32))

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return self.ids.shape[0], self.ids.shape[1]

    @cached_property
    def is_empty(self) -> bool:
        """Nothing was corrected."""
        return not (self.ids != UNEDITED).any()

    def put(self, patch: Patch, id_: int) -> Edits:
        """Lay `id_` over the pixels of the patch; `UNEDITED` gives them back to the live labels."""
        return Edits(patch.painted_on(self.ids, id_))

    def laid_over(self, labels: NDArray[np.int32]) -> NDArray[np.int32]:
        """The live labels `(H, W)` int32 under these corrections."""
        shown = np.where(self.ids == UNEDITED, labels, self.ids)
        shown.setflags(write=False)
        return shown
