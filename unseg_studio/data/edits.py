"""Hand corrections laid over the live labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unseg_studio.data.mosaic import IdPlane, Mosaic
from unseg_studio.data.strokes import Patch
from unseg_studio.data.tile import Ids, Tile

UNEDITED = -1


@dataclass(frozen=True, eq=False, init=False)
class Edits(IdPlane):
    """`(H, W)` int32: -1 = none, 0 = erased by hand, otherwise the id put there. Immutable.

    A new run never touches them.

    Raises
    ------
    ValueError
        If an array is not two-dimensional or holds ids below -1.
    """

    @classmethod
    def none(cls, shape: tuple[int, int]) -> Edits:
        """No corrections on a plane of this (height, width)."""
        return cls(Mosaic.full(shape, UNEDITED))

    @property
    def is_empty(self) -> bool:
        """Nothing was corrected."""
        return all(map(_is_blank, self.mosaic.tiles))

    def put(self, patch: Patch, ids: int | NDArray[np.int32]) -> Edits:
        """Lay an id, or the ids of the patch's rectangle, over the pixels of the patch.

        `UNEDITED` gives them back to the live labels.
        """
        mosaic = self.mosaic.painted(patch, ids)
        return self if mosaic is self.mosaic else Edits(mosaic)

    def over(self, live: Mosaic) -> Mosaic:
        """The live labels under these corrections."""
        pairs = zip(live.tiles, self.mosaic.tiles, strict=True)
        tiles = tuple(shown_tile(*pair) for pair in pairs)
        return live if tiles == live.tiles else Mosaic(live.shape, tiles)

    @classmethod
    def _accepted(cls, ids: Ids) -> Mosaic:
        mosaic = super()._accepted(ids)
        if ids.size and ids.min() < UNEDITED:
            raise ValueError(
                f"Edits hold the id {ids.min()}; accepted are {UNEDITED} (not edited), 0 "
                "(erased) and ids from 1 up."
            )
        return mosaic


def _is_blank(tile: Tile) -> bool:
    return tile.holds_only(UNEDITED)


def shown_tile(live: Tile, edits: Tile) -> Tile:
    """A tile of live labels under the corrections in the same place."""
    if _is_blank(edits):
        return live
    return live.overlaid(edits.mask(lambda id_: id_ != UNEDITED), edits)
