"""Where the labels are in doubt, and the place where one more stroke would help most.

The doubt at a pixel is one minus the margin: the lead of the most probable label over the next
one. Along every outline lies a thin line of doubt that is true but no help, since a stroke there
would move the outline by a pixel. So the map is blurred before the place is looked for: what is
left are regions, and the place is deep inside the one that holds the most doubt.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

Planes = NDArray[np.float32]

BLUR = 0.01
"""Standard deviation of the blur, as a share of the longer side."""

LEAST = 0.2
"""Blurred doubt below this is not worth a stroke."""

SHARE_OF_PEAK = 0.5
"""A region of doubt ends where the blurred doubt falls below this share of the largest."""


@dataclass(frozen=True)
class Hint:
    """The place where one stroke would help most.

    Parameters
    ----------
    row, col : int
        A pixel of the image.
    radius : float
        Of the largest circle around the pixel that is doubtful throughout, in pixels of the image.
    between : tuple of int
        Ids of the two labels that compete there, the more probable first; fewer where there are
        fewer.
    """

    row: int
    col: int
    radius: float
    between: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False)
class Uncertainty:
    """How sure the labels of one frame are.

    Parameters
    ----------
    levels : ndarray, (h, w) uint8
        0 = certain, 255 = two labels are equally probable; on a plane at most as large as the
        image.
    hint : Hint or None
        Where one stroke would help most; None: nowhere.
    """

    levels: NDArray[np.uint8]
    hint: Hint | None = None

    def __post_init__(self) -> None:
        self.levels.setflags(write=False)

    @classmethod
    def of(
        cls,
        posterior: Planes,
        ids: tuple[int, ...],
        *,
        settled: NDArray[np.bool_],
        shape: tuple[int, int],
    ) -> Uncertainty:
        """The uncertainty of a refined posterior.

        Parameters
        ----------
        posterior : ndarray, (K, h, w) float32
            Probabilities; they sum to 1 at each pixel.
        ids : tuple of int
            What each of the K labels is called.
        settled : ndarray, (h, w) bool
            What the person has decided: scribbled, locked, corrected.
        shape : tuple of int
            (H, W) of the image.
        """
        doubt = np.where(settled, np.float32(0), uncertainty(posterior))
        hint = next_stroke(doubt, posterior, ids=ids, shape=shape)
        return cls(np.asarray(np.rint(doubt * 255), np.uint8), hint)

    @cached_property
    def plane(self) -> Planes:
        """The same from 0 to 1, (h, w) float32."""
        return np.asarray(self.levels / np.float32(255), np.float32)


def uncertainty(posterior: Planes) -> Planes:
    """One minus the lead of the most probable label over the next one.

    Parameters
    ----------
    posterior : ndarray, (K, h, w) float32
        Probabilities; they sum to 1 at each pixel.

    Returns
    -------
    ndarray, (h, w) float32
        0 = certain, 1 = the two best are equally probable; 0 everywhere for a single label.
    """
    if len(posterior) == 1:
        return np.zeros(posterior.shape[1:], np.float32)
    best, second = np.maximum(*posterior[:2]), np.minimum(*posterior[:2])
    for plane in posterior[2:]:
        second = np.maximum(second, np.minimum(best, plane))
        best = np.maximum(best, plane)
    return np.asarray(np.clip(1 - (best - second), 0, 1), np.float32)


def next_stroke(
    doubt: Planes, posterior: Planes, *, ids: tuple[int, ...], shape: tuple[int, int]
) -> Hint | None:
    """The place where one stroke would help most.

    The map is blurred, and of the connected regions that stand out the one with the largest sum
    is taken; in it, the pixel where depth times doubt is largest. Of equals the first, by rows.

    Parameters
    ----------
    doubt : ndarray, (h, w) float32
        0 = certain or decided by the person, 1 = in doubt.
    posterior : ndarray, (K, h, w) float32
        Tells which labels compete at the place.
    ids : tuple of int
        What each of the K labels is called.
    shape : tuple of int
        (H, W) of the image.

    Returns
    -------
    Hint or None
        None where nothing is in doubt enough.
    """
    blurred = cv2.GaussianBlur(
        doubt, (0, 0), max(0.5, BLUR * max(doubt.shape)), borderType=cv2.BORDER_REPLICATE
    )
    blurred = np.where(doubt > 0, blurred, np.float32(0))
    peak = float(blurred.max())
    if peak < LEAST:
        return None
    region = _heaviest_part(blurred, blurred >= max(LEAST, SHARE_OF_PEAK * peak))
    depth = _depth(region)
    row, col = np.unravel_index(int((depth * blurred).argmax()), doubt.shape)
    enlarge = shape[0] / doubt.shape[0], shape[1] / doubt.shape[1]
    return Hint(
        row=int((row + 0.5) * enlarge[0]),
        col=int((col + 0.5) * enlarge[1]),
        radius=float(depth[row, col]) * min(enlarge),
        between=_rivals(posterior[:, row, col], ids),
    )


def _heaviest_part(weights: Planes, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The 4-connected part of the mask whose weights have the largest sum."""
    _, parts = cv2.connectedComponents(mask.astype(np.uint8), connectivity=4)
    sums = np.bincount(parts.ravel(), weights=weights.ravel())
    sums[0] = 0
    return np.asarray(parts == sums.argmax())


def _depth(region: NDArray[np.bool_]) -> Planes:
    """Distance of each pixel to the nearest one outside, (h, w) float32; the border is outside."""
    padded = np.pad(region.astype(np.uint8), 1)
    return np.asarray(cv2.distanceTransform(padded, cv2.DIST_L2, 3)[1:-1, 1:-1], np.float32)


def _rivals(probabilities: Planes, ids: tuple[int, ...]) -> tuple[int, ...]:
    """The ids of the two largest of (K,) probabilities, the larger first."""
    return tuple(ids[i] for i in np.argsort(-probabilities, kind="stable")[:2])
