"""Views of one image: what it could as well look like, and from where it could as well be seen.

J. H. Cho, U. Mall, K. Bala, B. Hariharan, "PiCIE: Unsupervised Semantic Segmentation Using
Invariance and Equivariance in Clustering", CVPR 2021, has the kinds of changes and their ranges.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Rgb = NDArray[np.uint8]

JITTER, HUE = 0.3, 0.1
"""Most by which brightness, contrast and saturation change as a share, and the hue as a turn."""

JITTERED, GREYED, BLURRED = 0.8, 0.2, 0.5
"""How often each of the jitters, the loss of colour and the blur happen."""

SIGMAS = 0.1, 2.0
"""Of the blur, in pixels."""

SMALLEST_CROP = 0.5
"""Side of a crop as a share of the shorter side of the image, at least."""


@dataclass(frozen=True)
class Photometry:
    """A change of colours that leaves every pixel where it is.

    Parameters
    ----------
    brightness, contrast, saturation : float
        Factors; 1 changes nothing.
    hue : float
        Share of a full turn.
    is_grey : bool
        Colours are lost.
    sigma : float
        Of a Gaussian blur in pixels; 0: none.
    """

    brightness: float = 1.0
    contrast: float = 1.0
    saturation: float = 1.0
    hue: float = 0.0
    is_grey: bool = False
    sigma: float = 0.0

    @classmethod
    def drawn(cls, random: np.random.Generator) -> Photometry:
        """A change by chance."""

        def factor() -> float:
            change = random.uniform(-JITTER, JITTER)
            return 1.0 + change if random.random() < JITTERED else 1.0

        brightness, contrast, saturation = factor(), factor(), factor()
        turn = random.uniform(-HUE, HUE)
        hue = turn if random.random() < JITTERED else 0.0
        is_grey = bool(random.random() < GREYED)
        sigma = random.uniform(*SIGMAS)
        is_blurred = random.random() < BLURRED
        return cls(brightness, contrast, saturation, hue, is_grey, sigma if is_blurred else 0.0)

    def of(self, rgb: Rgb) -> Rgb:
        """The (H, W, 3) uint8 image as it looks then; of the same size."""
        planes = rgb.astype(np.float32) * self.brightness
        middle = _grey(planes).mean()
        planes = middle + (planes - middle) * self.contrast
        grey = _grey(planes)[..., None]
        planes = grey + (planes - grey) * (0.0 if self.is_grey else self.saturation)
        changed = np.clip(planes, 0, 255).astype(np.uint8)
        if self.hue and not self.is_grey:
            changed = _turned(changed, self.hue)
        return _blurred(changed, self.sigma) if self.sigma else changed


def _grey(planes: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(planes @ np.array([0.299, 0.587, 0.114], np.float32))


def _turned(rgb: Rgb, hue: float) -> Rgb:
    hsv = cv2.cvtColor(rgb, cv2.COLOR_RGB2HSV_FULL)
    hsv[..., 0] += np.uint8(round(hue * 256) % 256)
    return np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB_FULL), np.uint8)


def _blurred(rgb: Rgb, sigma: float) -> Rgb:
    return np.asarray(cv2.GaussianBlur(rgb, (0, 0), sigma), np.uint8)


@dataclass(frozen=True)
class Geometry:
    """A square part of an image, perhaps mirrored; the same for the image and for its features.

    Parameters
    ----------
    top, left, height, width : float
        Of the part, as shares of the image.
    is_mirrored : bool
        Left is right.
    """

    top: float = 0.0
    left: float = 0.0
    height: float = 1.0
    width: float = 1.0
    is_mirrored: bool = False

    @classmethod
    def drawn(cls, random: np.random.Generator, shape: tuple[int, int]) -> Geometry:
        """A part by chance of an image of (height, width)."""
        side = random.uniform(SMALLEST_CROP, 1.0) * min(shape)
        height, width = side / shape[0], side / shape[1]
        top, left = random.uniform(0, 1 - height), random.uniform(0, 1 - width)
        return cls(top, left, height, width, bool(random.random() < 0.5))

    def of(self, rgb: Rgb) -> Rgb:
        """The part of an (H, W, 3) image, of at least one pixel, in the image's own pixels."""
        rows, columns = self.box(rgb.shape[0], rgb.shape[1])
        part = rgb[rows, columns]
        return np.ascontiguousarray(part[:, ::-1] if self.is_mirrored else part)

    def places(self, places: NDArray[np.floating], shape: tuple[int, int]) -> NDArray[np.floating]:
        """Where places of the part lie in the whole image.

        Parameters
        ----------
        places : ndarray, (N, 2) float
            Row and column as shares of what `of` gives: 0 is its one edge and 1 the other.
        shape : (int, int)
            Height and width of the image in pixels.

        Returns
        -------
        ndarray, (N, 2) float
            As shares of the image.
        """
        rows, columns = self.box(*shape)
        across = 1 - places[:, 1] if self.is_mirrored else places[:, 1]
        down = rows.start + places[:, 0] * (rows.stop - rows.start)
        across = columns.start + across * (columns.stop - columns.start)
        return np.stack([down / shape[0], across / shape[1]], axis=1)

    def box(self, height: int, width: int) -> tuple[slice, slice]:
        """Rows and columns of the part on a grid of this size, at least one of each."""
        return _span(self.top, self.height, height), _span(self.left, self.width, width)


def _span(start: float, length: float, n: int) -> slice:
    first = min(n - 1, round(start * n))
    return slice(first, max(first + 1, min(n, round((start + length) * n))))
