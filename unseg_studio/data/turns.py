"""What brings a photograph upright."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from unseg_studio.data.channels import Pixels

_TURNS: dict[int, Callable[[Pixels], Pixels]] = {
    2: np.fliplr,
    3: lambda pixels: np.rot90(pixels, 2),
    4: np.flipud,
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: lambda pixels: np.rot90(pixels, -1),
    7: lambda pixels: np.rot90(pixels, 2).swapaxes(0, 1),
    8: np.rot90,
}
"""By the orientation that EXIF and TIFF state."""

FIRST_ON_ITS_SIDE = 5
"""From this orientation on, height and width change places."""


def turned(pixels: Pixels, orientation: int) -> Pixels:
    """The pixels `(H, W, C)` upright; unknown orientations leave them as they are."""
    turn = _TURNS.get(orientation)
    return turn(pixels) if turn else pixels
