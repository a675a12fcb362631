"""What refinement needs of an image, made once: its colours small and large, and its edges."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from unseg_studio.data import Image
from unseg_studio.data.image import three_channels

WORKING_SIZE = 200
"""Longer side of the plane on which scribbles are propagated, in pixels."""

EDGE_CONTRAST = 20.0
"""How fast the weight of an edge falls with the squared difference of standardised colours."""

WEAKEST_EDGE = 1e-3
"""No edge is weaker, so that every pixel hears of some scribble."""

COLOUR_SCALES = (1.5, 4.0, 10.0)
SLOPE_SCALES = (1.0, 3.0)
DEVIATION_SCALES = (2.0, 5.0)
"""Standard deviations of the blurs behind the features, in pixels of the working plane."""

PLACE_WEIGHT = 0.5
"""Of row and column beside colours and textures; more of it cuts the image by straight lines."""


@dataclass(frozen=True, eq=False)
class Guide:
    """The image as refinement sees it.

    Parameters
    ----------
    colour : ndarray, (H, W, 3) float32
        CIE Lab, each channel divided by the standard deviation over the image.
    small : ndarray, (h, w, 3) float32
        The same on the working plane.
    """

    colour: NDArray[np.float32]
    small: NDArray[np.float32]

    @property
    def shape(self) -> tuple[int, int]:
        """(h, w) of the working plane."""
        return self.small.shape[0], self.small.shape[1]

    @cached_property
    def edges(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Weights towards the right, (h, w - 1), and downwards, (h - 1, w), float32."""
        return _weights(np.diff(self.small, axis=1)), _weights(np.diff(self.small, axis=0))

    @cached_property
    def degree(self) -> NDArray[np.float32]:
        """Sum of the weights of each pixel, (h, w) float32."""
        return np.asarray(self.neighbours(np.ones((1, *self.shape), np.float32))[0])

    def neighbours(self, planes: NDArray[np.float32]) -> NDArray[np.float32]:
        """The weighted sum of each pixel's four neighbours, of (K, h, w) planes."""
        right, down = self.edges
        sums = np.zeros_like(planes)
        sums[:, :, :-1] += right * planes[:, :, 1:]
        sums[:, :, 1:] += right * planes[:, :, :-1]
        sums[:, :-1] += down * planes[:, 1:]
        sums[:, 1:] += down * planes[:, :-1]
        return sums

    @cached_property
    def features(self) -> NDArray[np.float32]:
        """Colours, textures and place of each pixel of the working plane, (F, h, w) float32.

        Lab at four scales; gradient at two and standard deviation of lightness at two; row and
        column. Each has mean 0 and standard deviation 1, the place half of that.
        """
        light, blurs = self.small[..., 0], [_blurred(self.small, s) for s in COLOUR_SCALES]
        colours = [plane for scale in (self.small, *blurs) for plane in np.moveaxis(scale, -1, 0)]
        slope = cv2.magnitude(
            cv2.Sobel(light, cv2.CV_32F, 1, 0), cv2.Sobel(light, cv2.CV_32F, 0, 1)
        )
        textures = [_blurred(slope, s) for s in SLOPE_SCALES]
        textures += [_deviation(light, s) for s in DEVIATION_SCALES]
        place = PLACE_WEIGHT * _standardised(np.indices(self.shape, np.float32))
        return np.concatenate([_standardised(np.stack(colours + textures)), place])


def _weights(difference: NDArray[np.float32]) -> NDArray[np.float32]:
    """How much two neighbours belong together, 0.001 to 1.001, by their difference in colour."""
    squares = (difference**2).mean(axis=-1)
    return np.asarray(np.exp(-EDGE_CONTRAST * squares) + WEAKEST_EDGE, np.float32)


def _standardised(planes: NDArray[np.float32]) -> NDArray[np.float32]:
    mean, spread = planes.mean(axis=(1, 2), keepdims=True), planes.std(axis=(1, 2), keepdims=True)
    return np.asarray((planes - mean) / (spread + 1e-6), np.float32)


def _blurred(plane: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    return np.asarray(cv2.GaussianBlur(plane, (0, 0), sigma), np.float32)


def _deviation(plane: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    variance = _blurred(plane * plane, sigma) - _blurred(plane, sigma) ** 2
    return np.asarray(np.sqrt(np.maximum(variance, 0)))


_guides: weakref.WeakKeyDictionary[Image, Guide] = weakref.WeakKeyDictionary()


def guide_of(image: Image) -> Guide:
    """The guide of an image, made on first use and kept as long as the image."""
    if image not in _guides:
        _guides[image] = _make(image)
    return _guides[image]


def _make(image: Image) -> Guide:
    lab = cv2.cvtColor(np.ascontiguousarray(three_channels(image.unit)), cv2.COLOR_RGB2Lab)
    colour = lab / np.maximum(lab.reshape(-1, 3).std(axis=0), 1.0)
    height, width = image.shape
    scale = min(1.0, WORKING_SIZE / max(height, width))
    size = max(2, round(width * scale)), max(2, round(height * scale))
    return Guide(colour, cv2.resize(colour, size, interpolation=cv2.INTER_AREA))
