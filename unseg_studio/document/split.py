"""Cutting one id into parts of similar colour: k-means inside it, on the worker's thread."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from unseg_studio.data import Box, Image, Mosaic
from unseg_studio.data.boxes import bounds, grown
from unseg_studio.document.sight import Sight
from unseg_studio.document.solve import Fits, Wanted
from unseg_studio.document.state import State

Labels = NDArray[np.int32]
Rows = NDArray[np.float32]

NEARNESS = 0.3
"""Weight of the place beside the colour, both in standard deviations: keeps the parts together."""

_BLUR = 1.0
"""Pixels; grain would speckle the parts."""

_BLUR_REACH = 8
"""Pixels around that the blur may look at."""

_FLAT = 0.02
"""Colours that vary less than this, in [0, 1], are one colour: the place decides."""

_SAMPLE = 20_000
"""The centres are learned from at most so many pixels."""


@dataclass(frozen=True, eq=False)
class Parts:
    """The parts of an id, on their way to `Document.split`.

    Parameters
    ----------
    id_ : int
        What was cut.
    labels : Mosaic
        0 outside; 1, 2, ... from the largest part to the smallest.
    """

    id_: int
    labels: Mosaic


@dataclass(frozen=True, eq=False)
class Cut:
    """A job for the worker: cut an id into parts, as it was when the cut was asked for.

    Parameters
    ----------
    image : Image
        The plane.
    state : State
        What is shown; its segmenter's seed, where it has one, seeds the cut.
    id_ : int
        What to cut.
    n_parts : int
        Into how many.
    sight : Sight or None
        Of a large image, what is seen: only there it is cut.
    """

    image: Image
    state: State
    id_: int
    n_parts: int
    sight: Sight | None = None

    def results(self, fits: Fits, _wanted: Wanted) -> Generator[Parts | None, None, None]:
        """One result."""
        yield None
        if self.sight is None:
            yield Parts(self.id_, self._cut(self.image, self.state.shown))
            return
        part = fits.part(self.image, self.sight)
        parts = self._cut(part, self.sight.sampled(self.state.shown))
        yield Parts(self.id_, self.sight.enlarged(parts))

    def _cut(self, image: Image, shown: Mosaic) -> Mosaic:
        seed = int(getattr(self.state.segmenter, "seed", 0))
        height, width = image.shape
        mask = shown.mask((slice(0, height), slice(0, width)), lambda id_: id_ == self.id_)
        return Mosaic.of(parts_of(image, mask, n_parts=self.n_parts, seed=seed))


def parts_of(image: Image, mask: NDArray[np.bool_], *, n_parts: int, seed: int = 0) -> Labels:
    """Cut a mask into parts of similar colour.

    Parameters
    ----------
    image : Image
        The plane.
    mask : ndarray, (H, W) bool
        What to cut.
    n_parts : int
        Into how many, at least 2.
    seed : int
        The same seed gives the same parts.

    Returns
    -------
    ndarray, (H, W) int32
        0 outside the mask; 1, 2, ... inside it, from the largest part to the smallest.

    Raises
    ------
    ValueError
        If there are fewer pixels than parts, or fewer than 2 parts are asked for.
    """
    n_pixels = int(mask.sum())
    if not 2 <= n_parts <= n_pixels:
        raise ValueError(
            f"A cluster of {n_pixels} pixels cannot be cut into {n_parts} parts; accepted are 2 "
            "parts or more, of one pixel or more. Point at a larger cluster."
        )
    box = bounds(mask) or (slice(0, 0), slice(0, 0))
    features = _features(image, mask, box)
    nearest = _nearest(features, _centres(features, n_parts, seed))
    areas = np.bincount(nearest, minlength=n_parts)
    rank = np.empty(n_parts, np.int32)
    rank[np.argsort(-areas, kind="stable")] = np.arange(1, n_parts + 1)
    parts = np.zeros(mask.shape, np.int32)
    parts[mask] = rank[nearest]
    return parts


def _features(image: Image, mask: NDArray[np.bool_], box: Box) -> Rows:
    """Colour and place of each pixel of the mask, which lies in a box: (N, C + 2), about 1."""
    around = grown(box, _BLUR_REACH, image.shape)
    window = mask[around]
    blurred = cv2.GaussianBlur(image.unit[around], (0, 0), _BLUR, borderType=cv2.BORDER_REPLICATE)
    colours = blurred.reshape(*window.shape, -1)[window]
    places = np.argwhere(window).astype(np.float32)
    return np.hstack([_spread(colours, least=_FLAT), NEARNESS * _spread(places, least=1.0)])


def _spread(rows: Rows, *, least: float) -> Rows:
    """Centre the columns and divide them, together, by their standard deviation or `least`."""
    centred = rows - rows.mean(axis=0)
    spread: Rows = centred / max(float(np.sqrt((centred**2).sum(axis=1).mean())), least)
    return spread


def _centres(features: Rows, n_parts: int, seed: int) -> Rows:
    """K-means on a sample of the rows: (n_parts, C + 2)."""
    random = np.random.default_rng(seed)
    sample = random.permutation(len(features))[:_SAMPLE]
    cv2.setRNGSeed(seed)  # OpenCV keeps one generator for each thread
    enough = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 50, 1e-4)
    _, _, centres = cv2.kmeans(
        features[sample], n_parts, None, enough, attempts=3, flags=cv2.KMEANS_PP_CENTERS
    )
    return np.asarray(centres, np.float32)


def _nearest(features: Rows, centres: Rows) -> NDArray[np.intp]:
    """Index of the nearest centre of each row, (N,)."""
    squares = (centres**2).sum(axis=1)
    return np.asarray((squares - 2 * features @ centres.T).argmin(axis=1))
