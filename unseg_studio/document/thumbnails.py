"""Small proposals of one image for several numbers of clusters, side by side.

Pure of threads and screens, as `solve` is; `filmstrip` asks a worker for them.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from unseg_studio.data import NOTHING, Image, Mosaic, Scribbles, is_large
from unseg_studio.data.image import three_channels
from unseg_studio.document import dial
from unseg_studio.document.decode import Context, decode
from unseg_studio.document.dial import MOST, NUMBER, SENSITIVITY, K, with_k
from unseg_studio.document.placed import PlacedFit
from unseg_studio.document.sight import Sight
from unseg_studio.document.solve import Fits, Wanted
from unseg_studio.features.devices import DeviceError, working
from unseg_studio.refinement import limited
from unseg_studio.segmenters import Estimate, Segmenter

NUMBERS = range(2, 9)
"""Numbers of clusters that are compared."""

SIDE = 208
"""Longer side of a thumbnail, in pixels."""


@dataclass(frozen=True)
class Variant:
    """One entry of the strip; equal ones have equal labels.

    Parameters
    ----------
    k : int or None
        The number of clusters that is asked for; None: the image decides.
    segmenter : Segmenter
        With that number, and with what has no effect on it as nobody has chosen it.
    """

    k: K
    segmenter: Segmenter


def variants_of(segmenter: Segmenter) -> tuple[Variant, ...]:
    """What can be compared with this method and its other parameters; empty without a number."""
    numbers: list[K] = list(_accepted_numbers(segmenter))
    if dial.has_k_less(segmenter):
        numbers.append(None)
    return tuple(Variant(k, _plain(with_k(segmenter, k), k)) for k in numbers)


def _accepted_numbers(segmenter: Segmenter) -> list[int]:
    if not dial.has_k(segmenter):
        return []
    name, slack = (NUMBER, 1) if dial.is_exact(segmenter) else (MOST, dial.SLACK)
    lowest, highest = dial.accepted(segmenter, name)
    return [k for k in NUMBERS if lowest <= slack * k <= highest]


def _plain(segmenter: Segmenter, k: K) -> Segmenter:
    """Without a choice that only counts for other entries."""
    idle = NUMBER if k is None else SENSITIVITY
    if not dial.knows(segmenter, idle):
        return segmenter
    plain: Segmenter = replace(segmenter, **{idle: dial.default_of(segmenter, idle)})
    return plain


@dataclass(frozen=True, eq=False)
class Thumbnail:
    """What one variant makes of the image, small.

    Parameters
    ----------
    variant : Variant
        How it was made.
    labels : ndarray, (h, w) int32
        Cluster ids; the same id in all thumbnails of a strip for what is alike.
    ground : ndarray, (h, w, 3) uint8
        The image, RGB.
    """

    variant: Variant
    labels: NDArray[np.int32]
    ground: NDArray[np.uint8]

    @cached_property
    def n_clusters(self) -> int:
        """How many clusters there are."""
        return int(np.setdiff1d(self.labels, NOTHING).size)


@dataclass(frozen=True, eq=False)
class Strip:
    """All thumbnails that there are so far; the newest strip holds those of the ones before.

    Parameters
    ----------
    thumbnails : tuple of Thumbnail
        In the order in which they were made.
    note : str
        What the person should know of how the newest was made, in a sentence; mostly empty.
    """

    thumbnails: tuple[Thumbnail, ...] = ()
    note: str = ""

    def of(self, variant: Variant) -> Thumbnail | None:
        """The thumbnail of a variant, None where it is still to come."""
        return next((t for t in self.thumbnails if t.variant == variant), None)

    def only(self, variants: tuple[Variant, ...]) -> Strip:
        """Without those of other variants."""
        return Strip(tuple(t for t in self.thumbnails if t.variant in variants), self.note)

    def missing(self, variants: tuple[Variant, ...]) -> list[Variant]:
        """Variants without a thumbnail, in their order."""
        return [variant for variant in variants if self.of(variant) is None]


@dataclass(frozen=True, eq=False)
class StripJob:
    """A job for the worker: the thumbnails that a strip lacks.

    Scribbles take no part, since the strip compares what is found without them.

    Parameters
    ----------
    image : Image
        The plane.
    variants : tuple of Variant
        What the strip shows, in its order.
    strip : Strip
        What there is already.
    device : str
        See `place_or_cpu`.
    shown : Mosaic or None
        Labels of the image, whose ids go to what is alike in the thumbnails.
    """

    image: Image
    variants: tuple[Variant, ...]
    strip: Strip = Strip()
    device: str = "auto"
    shown: Mosaic | None = None

    def results(self, _fits: Fits, _wanted: Wanted) -> Generator[Strip | None, None, None]:
        """A longer strip after every variant; every yield is a place to stop."""
        yield None
        image = workable(self.image)
        small, strip = shrunken(image), self.strip
        for variant in strip.missing(self.variants):
            labels, note = yield from self._labels(variant, image, small=small, strip=strip)
            thumbnail = Thumbnail(variant, labels, small.rgb)
            strip = Strip((*strip.thumbnails, thumbnail), note or strip.note)
            yield strip

    def _labels(
        self, variant: Variant, image: Image, *, small: Image, strip: Strip
    ) -> Generator[None, None, tuple[NDArray[np.int32], str]]:
        """Fit in full, as a click would, but decode the last estimate on the small image only.

        The labels, and what the person should know of how they were made.
        """
        fit = PlacedFit(variant.segmenter, image, self.device)
        yield None
        context = Context.empty(small.shape).followed_by(self._alike(small.shape, strip))
        estimates = fit.refine(Scribbles.empty(image.shape))
        while (estimate := next(estimates)) and not estimate.is_last:
            yield None
        while True:
            try:
                with working("decode", fit.place):
                    labels = decode(estimate, small, Scribbles.empty(small.shape), context=context)
            except DeviceError as error:
                estimate = _last_of(estimates, error)
            else:
                return labels, estimate.note

    def _alike(self, shape: tuple[int, int], strip: Strip) -> NDArray[np.int32]:
        """Labels of this shape whose ids are to be kept: those of the thumbnail before."""
        if strip.thumbnails:
            return strip.thumbnails[-1].labels
        if self.shown is None:
            return np.full(shape, NOTHING, np.int32)
        places = (
            ((np.arange(small) + 0.5) * large / small).astype(np.intp)
            for small, large in zip(shape, self.shown.shape, strict=True)
        )
        return self.shown.sampled(*places)


def _last_of(estimates: Generator[Estimate, None, None], failure: DeviceError) -> Estimate:
    """What a run comes to that goes on at another place."""
    estimate = estimates.throw(failure)
    while not estimate.is_last:
        estimate = next(estimates)
    return estimate


def workable(image: Image) -> Image:
    """The image, or of a large one the whole, as coarsely as the engine works on that."""
    return Sight.of(image.shape, None).image(image) if is_large(image.shape) else image


def shrunken(image: Image, side: int = SIDE) -> Image:
    """An image as people see it, in RGB, whose longer side is `side` pixels at most."""
    height, width = limited(image.shape, side)
    # A large plane need not be read in full for so small a picture of it.
    step = max(1, min(image.shape[0] // height, image.shape[1] // width) // 4)
    sample = Image(
        np.ascontiguousarray(image.pixels[::step, ::step]), image.source, image.value_range
    )
    shown = three_channels(sample.unit)
    unit = cv2.resize(shown, (width, height), interpolation=cv2.INTER_AREA)
    return Image(np.asarray(unit), image.source, (0.0, 1.0))
