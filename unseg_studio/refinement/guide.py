"""What refinement needs of an image, made once: its colours, its contours, its features."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from threading import Lock
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from unseg_studio.data import Image, heap
from unseg_studio.features.efficientnet import pyramid
from unseg_studio.features.filters import FINE_SIDE, Moments, lab_of, measured_filters
from unseg_studio.features.lazy_torch import torch
from unseg_studio.refinement.contours import contours
from unseg_studio.refinement.embedding import Coordinates, Scale, embedded, resampled, scale_of
from unseg_studio.refinement.propagation import Grid

WORKING_SIZE = 200
"""Longer side of the plane on which scribbles are propagated, in pixels."""

DEEP_SIDE = 480
"""Longer side of the plane that the bundled network sees."""

DEEP_WIDTHS = (16, 24, 24, 32, 32)
"""Principal components that are kept of each of its levels."""

N_WAVES = 200
"""Random features of each kernel."""

WAVE_HEIGHT = 5.0
"""Square root of the largest value of a kernel: how soon a stroke is believed."""

MUCH = 2**22
"""Bytes of an image from which on memory counts for more than the time to get it again."""

WAVES = True, True, False
"""Of which views the features are random waves."""

PART = 4096
"""Pixels whose views are made at a time where they are not to be kept."""

SEED = 0


class Standard(NamedTuple):
    """By what the features of an image are standardised; small, so that it may be kept."""

    spread: NDArray[np.float32]
    """Deviation of each Lab channel, (3,)."""
    moments: Moments
    """Of the hand-made features."""
    means: tuple[torch.Tensor, ...]
    """Of each level of the bundled network, (C, 1, 1)."""
    scale: Scale
    """Of the embedding."""


@dataclass(frozen=True, eq=False)
class Guide:
    """The image as refinement sees it.

    Parameters
    ----------
    rgb : ndarray, (H, W, 3) uint8
        The image.
    working_size : int
        Longer side of the plane to work on, in pixels.
    like : Standard or None
        That of another image, so that what looks alike in both has the same features; None: the
        image's own.
    """

    rgb: NDArray[np.uint8]
    working_size: int = WORKING_SIZE
    like: Standard | None = None

    @property
    def standard(self) -> Standard:
        """By what the features of this image are standardised."""
        if self.like is not None:
            return self.like
        scale = scale_of(self.levels, torch.from_numpy(self.filters))
        return Standard(self._spread, self._measured[1], self._means, scale)

    @cached_property
    def shape(self) -> tuple[int, int]:
        """(h, w) of the working plane."""
        return limited((self.rgb.shape[0], self.rgb.shape[1]), self.working_size)

    @cached_property
    def small(self) -> NDArray[np.float32]:
        """Colour on the working plane, (h, w, 3) float32; see `colour_of`."""
        return np.asarray(
            cv2.resize(self._colour(), self.shape[::-1], interpolation=cv2.INTER_AREA)
        )

    def small_at(self, shape: tuple[int, int]) -> NDArray[np.float32]:
        """Colour on a plane of this (h, w)."""
        if shape == self.shape:
            return self.small
        return np.asarray(cv2.resize(self.small, shape[::-1], interpolation=cv2.INTER_AREA))

    def colour_of(self, rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
        """CIE Lab of (H, W, 3) pixels, each channel divided by its deviation over the image."""
        return np.asarray(lab_of(rgb) / self._spread, np.float32)

    @cached_property
    def grid(self) -> Grid:
        """How much neighbours on the working plane belong together."""
        return contours(self.small, self._deep, self.filters)

    @cached_property
    def views(self) -> torch.Tensor:
        """Features of each pixel of the working plane, (V, h * w, F) float32.

        The first two are kernels, sums of random waves (A. Rahimi, B. Recht, *Random Features for
        Large-Scale Kernel Machines*, NIPS 2007): on deep features and the place, and on hand-made
        ones. The third has deep features and place as they are. Each ends with a constant.
        """
        if self.rgb.nbytes > MUCH:
            heap.give_back()  # or what is free lies beside them
        found = list(self._coordinates())
        views = torch.empty(3, found[0].shape[1], N_WAVES + 1)
        for view, waves in zip(views, WAVES, strict=True):
            planes = found.pop(0)  # and the ones before it go: the views need their place
            for start in range(0, len(view), PART):
                part = slice(start, start + PART)
                _fill(view[part], planes[:, part], waves=waves)
        return views

    def views_at(self, pixels: torch.Tensor) -> torch.Tensor:
        """The same of some pixels of the raveled plane only, (V, n, F) float32."""
        return _views_of(self._coordinates().at(pixels))

    def parts_of_views(self) -> Iterator[torch.Tensor]:
        """The same, `PART` pixels after the other: such a part stays in the processor's cache."""
        found = self._coordinates()
        for start in range(0, found.plain.shape[1], PART):
            yield _views_of(found.at(slice(start, start + PART)))

    def _coordinates(self) -> Coordinates:
        scale = None if self.like is None else self.like.scale
        return embedded(self.levels, torch.from_numpy(self.filters), self.place, like=scale)

    @cached_property
    def halved(self) -> tuple[Grid, torch.Tensor]:
        """Grid and views on the plane of 2 x 2 blocks: enough for a first answer."""
        grid, views = self.grid.halved, self.views
        small = torch.empty(len(views), grid.shape[0] * grid.shape[1], views.shape[2])
        for view, into in zip(views, small, strict=True):
            into.copy_(self._pooled(view))
        return grid, small

    def _pooled(self, view: torch.Tensor) -> torch.Tensor:
        """Means of 2 x 2 blocks of one view, (h * w, F); one by one, for views are large."""
        planes = view.reshape(1, *self.shape, -1).permute(0, 3, 1, 2)
        blocks = torch.nn.functional.avg_pool2d(planes, 2, ceil_mode=True, count_include_pad=False)
        return blocks[0].permute(1, 2, 0).flatten(0, 1)

    def _colour(self) -> NDArray[np.float32]:
        """Colour of the plane that features are made of; large, and made twice at most."""
        limit = limited((self.rgb.shape[0], self.rgb.shape[1]), FINE_SIDE)
        return self.colour_of(cv2.resize(self.rgb, limit[::-1], interpolation=cv2.INTER_AREA))

    @cached_property
    def _spread(self) -> NDArray[np.float32]:
        """Deviation of each Lab channel, at least 1, on a part of the pixels, (3,)."""
        if self.like is not None:
            return self.like.spread
        step = max(1, max(self.rgb.shape) // FINE_SIDE)
        sample = lab_of(self.rgb[::step, ::step])
        return np.asarray(np.maximum(sample.reshape(-1, 3).std(axis=0), 1), np.float32)

    @property
    def filters(self) -> NDArray[np.float32]:
        """Hand-made features on the working plane, (F, h, w); see `features.filters`."""
        return self._measured[0]

    @cached_property
    def _measured(self) -> tuple[NDArray[np.float32], Moments]:
        like = None if self.like is None else self.like.moments
        return measured_filters(self._colour(), self.shape, like=like)

    @cached_property
    def place(self) -> torch.Tensor:
        """Row and column of each pixel of the working plane, of deviation 1: (2, h, w)."""
        rows, cols = (np.linspace(-1.7, 1.7, n, dtype=np.float32) for n in self.shape)
        return torch.from_numpy(np.stack(np.meshgrid(rows, cols, indexing="ij")))

    @property
    def levels(self) -> tuple[torch.Tensor, ...]:
        """Each level of the bundled network: of length 1 at each pixel, less their mean."""
        return self._seen[0]

    @property
    def _means(self) -> tuple[torch.Tensor, ...]:
        return self._seen[1]

    @cached_property
    def _seen(self) -> tuple[tuple[torch.Tensor, ...], tuple[torch.Tensor, ...]]:
        """Levels, and the means that were taken from them."""
        levels = tuple(
            level / (level.norm(dim=0) + 1e-6) for level in pyramid(self.rgb, side=DEEP_SIDE)
        )
        means = tuple(level.mean(dim=(1, 2), keepdim=True) for level in levels)
        if self.like is not None:
            means = self.like.means
        return tuple(level.sub_(mean) for level, mean in zip(levels, means, strict=True)), means

    @cached_property
    def _deep(self) -> tuple[torch.Tensor, ...]:
        """Each level on the working plane, its main components."""
        return tuple(
            resampled(_principal(level, width), self.shape)
            for level, width in zip(self.levels, DEEP_WIDTHS, strict=True)
        )


def limited(shape: tuple[int, int], side: int) -> tuple[int, int]:
    """A shape of the same proportions whose longer side is `side` at most."""
    scale = min(1.0, side / max(shape))
    return max(2, round(shape[0] * scale)), max(2, round(shape[1] * scale))


def _principal(level: torch.Tensor, width: int) -> torch.Tensor:
    """The main components of (C, h, w) features of mean 0, scaled to a mean squared length of 1."""
    planes = level.flatten(1)
    _, axes = torch.linalg.eigh(planes @ planes.T)
    main: torch.Tensor = axes[:, -width:].flip(1).T @ planes
    main = main / (main.square().sum(dim=0).mean().sqrt() + 1e-6)
    return main.reshape(-1, *level.shape[1:])


def _views_of(found: Coordinates) -> torch.Tensor:
    views = torch.empty(3, found.plain.shape[1], N_WAVES + 1)
    for view, planes, waves in zip(views, found, WAVES, strict=True):
        _fill(view, planes, waves=waves)
    return views


def _fill(view: torch.Tensor, planes: torch.Tensor, *, waves: bool) -> None:
    """Write the features of (C, N) planes, and a constant, into a view of (N, F)."""
    if waves:
        view[:, :-1] = _waves(planes)
    else:
        view[:, : len(planes)] = planes.T
        view[:, len(planes) : -1] = 0
    view[:, -1] = 1


def _waves(planes: torch.Tensor) -> torch.Tensor:
    """Random features of the Gaussian kernel of width 1 on (C, N) planes: (N, N_WAVES)."""
    rng = np.random.default_rng(SEED)
    steepness = rng.standard_normal((N_WAVES, len(planes)), np.float32)
    phase = rng.uniform(0, 2 * np.pi, N_WAVES).astype(np.float32)
    waves = torch.addmm(torch.from_numpy(phase), planes.T, torch.from_numpy(steepness.T))
    return waves.cos_().mul_(WAVE_HEIGHT * (2 / N_WAVES) ** 0.5)


MOST_GUIDES = 3
"""Guides that are kept; each may take 200 MB, and a stack has many planes."""

_guides: weakref.WeakKeyDictionary[Image, Guide] = weakref.WeakKeyDictionary()
_CHOOSING = Lock()


def guide_of(image: Image) -> Guide:
    """The guide of an image, made on first use; kept as long as the image and in use lately.

    Any number of threads may call at once.
    """
    with _CHOOSING:
        guide = _guides.pop(image, None) or Guide(image.rgb)
        _guides[image] = guide  # behind all others
        for oldest in list(_guides)[:-MOST_GUIDES]:
            del _guides[oldest]
        return guide
