"""Strokes on labels that are there already: what they leave alone steers along with them."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from unseg_studio.data import UNEDITED, UNMARKED, Edits, Scribbles
from unseg_studio.data.labels import is_cluster

MARGIN = 5
"""Width of the band along outlines that steers nothing, so that outlines can move; in pixels."""

REACH = 0.06
"""How far a stroke of another category keeps the ground away, as a share of the longer side."""

LEAST_REACH = 12
"""The same, in pixels, on small images."""


def grounded(scribbles: Scribbles, ground: Edits) -> Scribbles:
    """Strokes, and around them the ground as if it had been drawn.

    Parameters
    ----------
    scribbles : Scribbles
        What the person drew.
    ground : Edits
        Categories that were there before, `UNEDITED` where there were none. Along its outlines,
        and near strokes that say otherwise, it steers nothing.

    Returns
    -------
    Scribbles
        The strokes themselves where some part of the ground has no category: clusters cannot
        steer.
    """
    if ground.is_empty or any(map(is_cluster, ground.mosaic.areas)):
        return scribbles
    drawn, under = scribbles.ids, ground.ids
    contested = (drawn != UNMARKED) & (drawn != under)
    keep = (under > UNMARKED) & ~_outlines(under) & ~_near(contested)
    return Scribbles(np.where(drawn != UNMARKED, drawn, np.where(keep, under, UNMARKED)))


def _outlines(ids: NDArray[np.int32]) -> NDArray[np.bool_]:
    flat = (ids - UNEDITED).astype(np.float32)  # OpenCV knows no morphology of int32
    band = np.ones((MARGIN, MARGIN), np.uint8)
    return np.asarray(cv2.morphologyEx(flat, cv2.MORPH_GRADIENT, band) > 0)


def _near(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    if not mask.any():
        return mask
    reach = max(LEAST_REACH, REACH * max(mask.shape))
    away = cv2.distanceTransform((~mask).view(np.uint8), cv2.DIST_L2, 3)
    return np.asarray(away <= reach)
