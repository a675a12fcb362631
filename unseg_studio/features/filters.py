"""Hand-made features: colours, edges, blobs, ridges and textures at several scales.

They are computed at full resolution and averaged over the pixels of the small plane, so that a
membrane of two pixels still answers where it would be gone from a small image.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from math import ceil
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]

COLOUR_SIGMAS = (1.5, 4.0, 10.0)
"""Blur of the colours, in pixels of the fine plane, as all that follow."""

EDGE_SIGMAS = (1.0, 2.0, 4.0)
"""Scales of gradients, second derivatives and structure tensors of lightness."""

TEXTURE_SIGMAS = (2.0, 5.0, 12.0)
"""Neighbourhoods in which lightness may deviate."""

N_FILTERS = 3 + 3 * len(COLOUR_SIGMAS) + 5 * len(EDGE_SIGMAS) + len(TEXTURE_SIGMAS)

FINE_SIGMA = 1.5
"""Scales up to this one are computed on the fine plane, larger ones on the coarse plane."""

FINE_SIDE = 1280
"""Longer side of the fine plane: the image itself, or shrunk where it is longer, so that the cost
has a bound."""

COARSE_SIDE = 640
"""Longer side of the coarse plane: the fine one, or shrunk, and its sigmas with it."""

STRIP = 160_000
"""About as many pixels are filtered at once: what lies between stays in the processor's cache."""

EPSILON = 1e-6


def lab_of(rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    """CIE Lab of (H, W, 3) pixels: lightness from 0 to 100 first."""
    unit = np.ascontiguousarray(rgb, np.float32) / np.float32(255)
    return np.asarray(cv2.cvtColor(unit, cv2.COLOR_RGB2Lab))


class Moments(NamedTuple):
    """Mean and deviation of each hand-made feature over an image, (F, 1, 1) float32."""

    mean: Plane
    deviation: Plane


def filters(lab: Plane, shape: tuple[int, int], *, like: Moments | None = None) -> Plane:
    """Hand-made features of an image on a smaller plane.

    Parameters
    ----------
    lab : ndarray, (H, W, 3) float32
        Lab colours in any scale, lightness first.
    shape : (h, w)
        Of the small plane; at most (H, W).
    like : Moments or None
        Those of another image, see `measured_filters`, to be comparable with it; None: its own.

    Returns
    -------
    ndarray, (F, h, w) float32
        F = `N_FILTERS`, each plane with mean 0 and standard deviation 1 over the image (all 0
        where the image is uniform), or by the `Moments` that are given. In this order: the
        colours (3); blurred, for each of `COLOUR_SIGMAS` (3 each); of lightness, for each of
        `EDGE_SIGMAS`, the gradient's magnitude, the larger and the smaller curvature (eigenvalues
        of the Hessian), contrast along the strongest direction and across it (square roots of the
        eigenvalues of the structure tensor) (5 each); local standard deviation of lightness, for
        each of `TEXTURE_SIGMAS` (1 each).

    Raises
    ------
    ValueError
        For another shape of array, or a plane without pixels.
    """
    return measured_filters(lab, shape, like=like)[0]


def measured_filters(
    lab: Plane, shape: tuple[int, int], *, like: Moments | None = None
) -> tuple[Plane, Moments]:
    """The same, and by what they were standardised."""
    _check(lab, shape)
    fine = _at_most(_Scene(np.ascontiguousarray(lab, np.float32), 1.0), FINE_SIDE)
    fine = _Scene(cv2.subtract(fine.lab, cv2.mean(fine.lab)), 1.0)  # squares round less
    coarse = _at_most(fine, COARSE_SIDE)
    planes = _channels(_shrunk(fine.lab, shape))
    for sigma in COLOUR_SIGMAS:
        scene = fine if sigma <= FINE_SIGMA else coarse
        planes += _blurs(scene.lab, sigma * scene.scale, shape)
    for sigma in EDGE_SIGMAS:
        scene = fine if sigma <= FINE_SIGMA else coarse
        planes += _edges(scene.light, sigma * scene.scale, shape)
    for sigma in TEXTURE_SIGMAS:
        planes += _deviation(coarse.light, sigma * coarse.scale, shape)
    return _standardised(np.stack(planes), like)


@dataclass(frozen=True, eq=False)
class _Scene:
    """The image at one resolution, (H, W, 3), and its pixels per pixel of the fine plane."""

    lab: Plane
    scale: float

    @cached_property
    def light(self) -> Plane:
        return np.ascontiguousarray(self.lab[..., 0])


def _at_most(scene: _Scene, side: int) -> _Scene:
    factor = side / max(scene.lab.shape[:2])
    if factor >= 1:
        return scene
    height, width = (max(1, round(extent * factor)) for extent in scene.lab.shape[:2])
    return _Scene(_shrunk(scene.lab, (height, width)), scene.scale * factor)


def _blurs(lab: Plane, sigma: float, shape: tuple[int, int]) -> list[Plane]:
    """Blurred colours; along the columns only where the plane is narrow already."""
    kernel, one = cv2.getGaussianKernel(2 * _reach(sigma) + 1, sigma), np.ones(1)
    narrow = _narrow(
        lambda strip: [cv2.sepFilter2D(strip, -1, kernel, one)], lab, 0, width=shape[1]
    )
    return _channels(_shrunk(cv2.sepFilter2D(narrow[0], -1, one, kernel), shape))


def _edges(light: Plane, sigma: float, shape: tuple[int, int]) -> list[Plane]:
    """Gradient magnitude, two curvatures and two contrasts at one scale."""
    margin = 2 * _reach(sigma) + 1
    slope, middle, spread, *contrasts = _averages(
        lambda strip: _derivatives(strip, sigma), light, margin, shape=shape
    )
    return [slope, middle + spread, middle - spread, *contrasts]


def _deviation(light: Plane, sigma: float, shape: tuple[int, int]) -> list[Plane]:
    def deviation(strip: Plane) -> Iterator[Plane]:
        mean = _blurred(strip, sigma)
        yield _root(_blurred(strip * strip, sigma) - mean * mean)

    return _averages(deviation, light, _reach(sigma), shape=shape)


def _averages(
    features: Callable[[Plane], Iterable[Plane]],
    plane: Plane,
    margin: int,
    *,
    shape: tuple[int, int],
) -> list[Plane]:
    """Features whose pixels look `margin` rows far, averaged over the pixels of the small plane."""
    return [_shrunk(narrow, shape) for narrow in _narrow(features, plane, margin, width=shape[1])]


def _narrow(
    features: Callable[[Plane], Iterable[Plane]], plane: Plane, margin: int, *, width: int
) -> list[Plane]:
    """The same, averaged along the rows only.

    Strip by strip, since fresh memory for whole planes takes longer than the arithmetic.
    """
    rows = ceil(STRIP / plane.shape[1])
    strips = []
    for top in range(0, plane.shape[0], rows):
        above = min(top, margin)
        inside = slice(above, above + rows)
        found = features(plane[top - above : top + rows + margin])
        strips.append([_shrunk(part := feature[inside], (len(part), width)) for feature in found])
    return [np.concatenate(parts) for parts in zip(*strips, strict=True)]


def _derivatives(light: Plane, sigma: float) -> Iterator[Plane]:
    """Gradient magnitude; half the sum and half the difference of the curvatures; two contrasts."""
    smooth = _blurred(light, sigma)
    across, down = _derived(smooth, (1, 0), sigma), _derived(smooth, (0, 1), sigma)
    yield _length(across, down)
    yield from _halves(*(_derived(smooth, order, sigma) for order in ((2, 0), (1, 1), (0, 2))))
    products = (across * across, across * down, down * down)
    middle, spread = _halves(*(_blurred(product, sigma) for product in products))
    yield np.sqrt(middle + spread)
    yield _root(middle - spread)


def _derived(plane: Plane, order: tuple[int, int], sigma: float) -> Plane:
    """Derivative in columns and rows, times sigma to its order: scales become comparable."""
    return np.asarray(cv2.Sobel(plane, cv2.CV_32F, *order, ksize=3, scale=sigma ** sum(order)))


def _halves(xx: Plane, xy: Plane, yy: Plane) -> tuple[Plane, Plane]:
    """Half the sum and half the difference of the eigenvalues of symmetric 2 x 2 matrices."""
    half_difference = cv2.addWeighted(xx, 0.5, yy, -0.5, 0)
    return cv2.addWeighted(xx, 0.5, yy, 0.5, 0), _length(half_difference, xy)


def _length(across: Plane, down: Plane) -> Plane:
    """Of vectors; cv2.magnitude rounds by where in memory they lie, so two runs would differ."""
    squares = across * across
    squares += down * down
    return np.asarray(np.sqrt(squares, out=squares))


def _root(plane: Plane) -> Plane:
    """Square root in place; what is below 0 is so by rounding."""
    return np.sqrt(np.maximum(plane, 0, out=plane), out=plane)


def _blurred(plane: Plane, sigma: float) -> Plane:
    size = 2 * _reach(sigma) + 1
    return np.asarray(cv2.GaussianBlur(plane, (size, size), sigma))


def _reach(sigma: float) -> int:
    """How many pixels far a blur looks."""
    return round(8 * sigma + 1) // 2


def _shrunk(plane: Plane, shape: tuple[int, int]) -> Plane:
    return np.asarray(cv2.resize(plane, shape[::-1], interpolation=cv2.INTER_AREA))


def _channels(lab: Plane) -> list[Plane]:
    return list(np.moveaxis(lab, -1, 0))


def _standardised(planes: Plane, like: Moments | None) -> tuple[Plane, Moments]:
    mean = planes.mean(axis=(1, 2), keepdims=True) if like is None else like.mean
    planes -= mean
    deviation = planes.std(axis=(1, 2), keepdims=True) if like is None else like.deviation
    planes /= deviation + EPSILON
    return planes, Moments(mean, deviation)


def _check(lab: Plane, shape: tuple[int, int]) -> None:
    if lab.ndim != 3 or lab.shape[2] != 3 or lab.size == 0 or min(shape) < 1:
        raise ValueError(
            f"Filters were asked for an array of shape {lab.shape} on a plane of {shape}; "
            "give Lab colours of shape (H, W, 3) and a plane of at least (1, 1)."
        )
