"""Regions: the parts that an image falls into by its colours and deep features, without labels.

It begins with the small segments of P. Felzenszwalb and D. Huttenlocher ("Efficient Graph-Based
Image Segmentation", IJCV 59(2), 2004). Then neighbours are merged, the most alike first, by average
linkage: what they differ by is the mean contrast along their border, less what is usual inside of
them, and the distance of their mean colours and deep features. Larger regions need to be more alike
than small ones.

All pairs that are each other's best partner are merged at once, which gives the same regions as one
pair after the other as long as a merged pair is no more alike to a third region than both were, and
takes a few dozen steps over arrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from unseg_studio.features.components import main_components, unit
from unseg_studio.features.filters import lab_of
from unseg_studio.features.lazy_torch import torch

Numbers = NDArray[np.float64]
Plane = NDArray[np.int32]

SCALE, SMOOTHING, SMALLEST = 6.0, 0.6, 4
"""Of the segments at the beginning: Felzenszwalb's k, sigma in pixels, pixels of the smallest."""

CONTRAST_SIGMA = 0.8
"""Of the Gaussian before contrast is measured, in pixels."""

BORDER_WEIGHT, TEXTURE_WEIGHT = 0.5, 0.3
COLOUR_WEIGHT, DEEP_WEIGHT = 1.2, 0.65

THIN = 3.0
"""Pixels; the contrast along the border of what is thinner counts less, since a strip that lies on
an edge has contrast on both sides and is a part of one of them."""

GROWTH = 0.055
"""Power of the smaller region's pixels by which a difference counts more."""

NEIGHBOURHOOD = 0.06
"""Power of the part of its outline that the one with the shorter outline shares with the other, by
which a difference counts less: what is enclosed belongs to what is around it."""

DEEP_STEP = 4
"""Pixels of the image to one of the plane on which deep features are averaged."""


@dataclass(frozen=True, eq=False)
class Borders:
    """Where regions meet.

    Parameters
    ----------
    pairs : ndarray, (2, E) int64
        Two regions each, the smaller number first.
    lengths : ndarray, (E,) float64
        Pairs of neighbouring pixels.
    contrast : ndarray, (E,) float64
        Sum of the contrast over these.
    """

    pairs: NDArray[np.int64]
    lengths: Numbers
    contrast: Numbers

    def of(self, chosen: NDArray[np.bool_]) -> Borders:
        """Some of them, by an (E,) mask."""
        places = np.flatnonzero(chosen)
        return Borders(self.pairs[:, places], self.lengths[places], self.contrast[places])

    def renumbered(self, numbers: NDArray[np.int64]) -> Borders:
        """Of merged regions: `numbers` has the new one of each."""
        n_regions = int(numbers.max()) + 1
        one, other = numbers[self.pairs]
        apart = one != other
        keys = np.minimum(one, other)[apart] * n_regions + np.maximum(one, other)[apart]
        found, place = np.unique(keys, return_inverse=True)
        return Borders(
            np.stack(np.divmod(found, n_regions)),
            _sums(place, self.lengths[apart], len(found)),
            _sums(place, self.contrast[apart], len(found)),
        )

    def and_also(self, others: Borders) -> Borders:
        """These and, behind them, others."""
        return Borders(
            np.concatenate([self.pairs, others.pairs], axis=1),
            np.concatenate([self.lengths, others.lengths]),
            np.concatenate([self.contrast, others.contrast]),
        )


@dataclass(frozen=True, eq=False)
class Regions:
    """A division of an image and what is known of its parts.

    Parameters
    ----------
    plane : ndarray, (H, W) int32
        Region of each pixel, 0 to N - 1; each is connected.
    sizes : ndarray, (N,) float64
        Pixels.
    looks : ndarray, (N, 3 + D) float64
        Mean CIE Lab, scaled by its deviation over the image, and mean deep features; both times
        their weight.
    texture : ndarray, (N,) float64
        Mean contrast inside.
    borders : Borders
        Between them.
    """

    plane: Plane
    sizes: Numbers
    looks: Numbers
    texture: Numbers
    borders: Borders

    def __len__(self) -> int:
        return len(self.sizes)

    @property
    def differences(self) -> Numbers:
        """What keeps the regions of each border apart, (E,)."""
        return self._differences(self.borders)

    def _differences(self, borders: Borders) -> Numbers:
        one, other = borders.pairs
        border = BORDER_WEIGHT * borders.contrast / borders.lengths
        border -= TEXTURE_WEIGHT * np.minimum(self.texture[one], self.texture[other])
        outlines = self._outlines
        widths = 2 * self.sizes / np.maximum(outlines, 1)
        border *= np.minimum(np.minimum(widths[one], widths[other]) / THIN, 1)
        apart = self.looks[one] - self.looks[other]
        inside = np.sqrt(np.einsum("ij,ij->i", apart, apart))
        size = np.minimum(self.sizes[one], self.sizes[other])
        shared = borders.lengths / np.minimum(outlines[one], outlines[other])
        return np.asarray((border + inside) * size**GROWTH * shared**-NEIGHBOURHOOD)

    @property
    def _outlines(self) -> Numbers:
        """Length of the outline of each region within the image, (N,)."""
        lengths = self.borders.lengths
        first, second = (_sums(side, lengths, len(self)) for side in self.borders.pairs)
        return first + second

    def with_deep(self, levels: Sequence[torch.Tensor]) -> Regions:
        """Look at deep features of the whole image, (C, h, w) of any resolutions, as well."""
        deep = pooled(self.plane, main_components(levels, _reduced(self.plane.shape)).numpy())
        return replace(self, looks=np.concatenate([self.looks, DEEP_WEIGHT * deep], axis=1))

    def merged(self, limit: float) -> Regions:
        """Regions whose neighbours all differ by more than a limit."""
        regions, differences, numbers = self, self.differences, np.arange(len(self))
        while (pairs := _closest(regions.borders.pairs, differences, limit)).size:
            regions, differences, moved = regions._joined(pairs, differences)
            numbers = moved[numbers]
        return replace(regions, plane=numbers[self.plane].astype(np.int32))

    def _joined(
        self, pairs: NDArray[np.int64], differences: Numbers
    ) -> tuple[Regions, Numbers, NDArray[np.int64]]:
        """Regions, the plane still as it was, what they differ by, and the new number of each.

        Only borders of what is joined are measured anew.
        """
        first, second = pairs
        kept = np.ones(len(self), bool)
        kept[second] = False
        numbers = np.cumsum(kept) - 1
        numbers[second] = numbers[first]
        ours, theirs = self.sizes[pairs] / self.sizes[pairs].sum(axis=0)
        staying = np.flatnonzero(kept)

        def mean(values: Numbers) -> Numbers:
            means = values.copy()
            means[first] = (values[first].T * ours + values[second].T * theirs).T
            return means[staying]

        one, other = _untouched(pairs, len(self))[self.borders.pairs]
        stays = one & other
        still = self.borders.of(stays)
        anew = self.borders.of(~stays).renumbered(numbers)
        still = replace(still, pairs=numbers[still.pairs])
        joined = Regions(
            self.plane,
            _sums(numbers, self.sizes, int(kept.sum())),
            mean(self.looks),
            mean(self.texture),
            still.and_also(anew),
        )
        known = np.concatenate([differences[stays], joined._differences(anew)])
        return joined, known, numbers


def _closest(pairs: NDArray[np.int64], differences: Numbers, limit: float) -> NDArray[np.int64]:
    """Pairs that differ least for both of them, at most by the limit: (2, M)."""
    near = pairs[:, within := differences <= limit]
    near = near[:, _is_best(near, differences[within])]
    return near[:, _is_best(near, np.arange(near.shape[1]))]  # of equal ones the first


def _is_best(pairs: NDArray[np.int64], values: NDArray[Any]) -> NDArray[np.bool_]:
    """Which pairs have the least value of all pairs of both of their regions, (E,)."""
    least = np.full(int(pairs.max(initial=-1)) + 1, np.inf)
    for side in pairs:
        np.minimum.at(least, side, values)
    one, other = least[pairs] == values
    return np.asarray(one & other)


def _untouched(pairs: NDArray[np.int64], n_regions: int) -> NDArray[np.bool_]:
    alone = np.ones(n_regions, bool)
    alone[pairs] = False
    return alone


def regions(rgb: NDArray[np.uint8]) -> Regions:
    """The small regions to begin with, of an (H, W, 3) image; only colours are in their looks.

    `Regions.with_deep` adds the deep features, which may come later.
    """
    plane, contrast = _segments(rgb), _contrast(rgb)
    return Regions(
        plane,
        np.bincount(plane.ravel()).astype(np.float64),
        COLOUR_WEIGHT * pooled(plane, np.moveaxis(_colours(rgb), 2, 0)),
        pooled(plane, contrast[None])[:, 0],
        _borders(plane, contrast),
    )


def pooled(plane: Plane, planes: NDArray[np.float32]) -> Numbers:
    """The mean of (C, h, w) planes of any resolution over each region of (H, W): (N, C).

    A region too small to hold the centre of a pixel has what lies at its own centre.
    """
    n_regions, (height, width) = int(plane.max()) + 1, planes.shape[1:]
    small = plane
    if (height, width) != plane.shape:
        rows, cols = (_centres(n, of) for n, of in zip((height, width), plane.shape, strict=True))
        small = plane[rows][:, cols]
    counts = np.bincount(small.ravel(), minlength=n_regions)
    sums = [np.bincount(small.ravel(), values.ravel(), n_regions) for values in planes]
    means = np.stack(sums, axis=1) / np.maximum(counts, 1)[:, None]
    if (missed := np.flatnonzero(counts == 0)).size:
        rows, cols = _middles(plane, (height, width))
        means[missed] = planes[:, rows[missed], cols[missed]].T
    return np.asarray(means)


def _sums(place: NDArray[np.int64], values: NDArray[Any], n: int) -> Numbers:
    """The sum of the values at each of n places."""
    return np.bincount(place, values, n).astype(np.float64)


def _centres(n: int, of: int) -> NDArray[np.intp]:
    """Where the centres of n pixels lie among `of` pixels along the same length."""
    return ((np.arange(n) + 0.5) * (of / n)).astype(np.intp).clip(0, of - 1)


def _middles(plane: Plane, shape: tuple[int, int]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Row and column of the centre of gravity of each region, on a plane of another shape."""
    sizes = np.bincount(plane.ravel())
    sums = (np.bincount(plane.ravel(), index.ravel()) for index in np.indices(plane.shape))
    rows, cols = (
        (total / sizes * (n / of)).astype(np.intp).clip(0, n - 1)
        for total, n, of in zip(sums, shape, plane.shape, strict=True)
    )
    return rows, cols


def _segments(rgb: NDArray[np.uint8]) -> Plane:
    """Small segments, each connected by the sides of its pixels."""
    from skimage.measure import label
    from skimage.segmentation import felzenszwalb

    found = felzenszwalb(rgb, SCALE, SMOOTHING, SMALLEST)
    return np.asarray(label(found, background=-1, connectivity=1) - 1, np.int32)


def _reduced(shape: tuple[int, ...]) -> tuple[int, int]:
    height, width = (max(1, round(n / DEEP_STEP)) for n in shape)
    return height, width


def _colours(rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    """CIE Lab, its mean squared distance from its mean 1, (H, W, 3)."""
    lab = lab_of(rgb)
    spread = np.square(lab - lab.mean(axis=(0, 1))).sum(axis=2).mean()
    return np.asarray(lab / max(np.sqrt(spread), 1.0), np.float32)


def _contrast(rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Length of the gradient of CIE Lab, its root mean square 1, (H, W)."""
    lab = cv2.GaussianBlur(lab_of(rgb), (0, 0), CONTRAST_SIGMA)
    slopes = (cv2.Sobel(lab, cv2.CV_32F, dx, 1 - dx, scale=1 / 8) for dx in (0, 1))
    squares = sum(np.square(slope).sum(axis=2) for slope in slopes)
    return np.asarray(np.sqrt(squares / max(float(np.mean(squares)), 1e-6)), np.float32)


def together(
    levels: Sequence[torch.Tensor], shape: tuple[int, int], *, centred: bool = True
) -> torch.Tensor:
    """Deep features of several levels as those of one: (C, h, w).

    Each level has length 1 at each of its pixels, so that all count alike. Centred, what all pixels
    have in common is taken away then, and what is left has a mean squared length of 1.
    """
    counts = [len(level) for level in levels]
    made = torch.empty(sum(counts), *shape)  # filled in place: of large images it is large
    for level, planes in zip(levels, torch.split(made, counts), strict=True):
        planes.copy_(_resized(unit(level), shape))
        if centred:
            _centre(planes)
    return made


def _resized(level: torch.Tensor, shape: tuple[int, int]) -> torch.Tensor:
    planes: torch.Tensor = torch.nn.functional.interpolate(
        level[None], shape, mode="bilinear", align_corners=False
    )
    return planes[0]


def _centre(planes: torch.Tensor) -> None:
    planes -= planes.mean(dim=(1, 2), keepdim=True)
    planes /= planes.square().sum(dim=0).mean().sqrt() + 1e-6


def _borders(plane: Plane, contrast: NDArray[np.float32]) -> Borders:
    n_regions, keys, values = int(plane.max()) + 1, [], []
    for here, there in _NEIGHBOURS:
        one, other = plane[here].astype(np.int64), plane[there].astype(np.int64)
        apart = one != other
        one, other = one[apart], other[apart]
        keys.append(np.minimum(one, other) * n_regions + np.maximum(one, other))
        values.append(np.maximum(contrast[here][apart], contrast[there][apart]))
    found, place = np.unique(np.concatenate(keys), return_inverse=True)
    return Borders(
        np.stack(np.divmod(found, n_regions)),
        np.bincount(place, minlength=len(found)).astype(np.float64),
        _sums(place, np.concatenate(values), len(found)),
    )


_NEIGHBOURS = (
    ((slice(None), slice(None, -1)), (slice(None), slice(1, None))),
    ((slice(None, -1), slice(None)), (slice(1, None), slice(None))),
)
"""Pixels and those right of them, and below."""
