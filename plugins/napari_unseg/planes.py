"""What one plane of an image layer of napari is, as an image to segment.

Only the plane that is asked for is read, so a stack that lies in dask or zarr stays there.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Image as ImageLayer
from napari.layers import Layer
from numpy.typing import NDArray

from unseg_studio.data import Image, Source
from unseg_studio.data.channels import without_alpha
from unseg_studio.data.image import require_segmentable
from unseg_studio.document import PlaneIndex

ACCEPTED = (
    "accepted are image layers of integers or real numbers: grey, RGB(A) or with a channel axis, "
    "2-D, stacks and time series"
)

CHANNEL_LABELS = frozenset({"c", "ch", "channel", "channels"})
"""Names of an axis, in lower case, whose positions are channels of one image."""


@dataclass(frozen=True)
class Axes:
    """What the axes of the data mean; RGB does not count as one.

    Parameters
    ----------
    shape : tuple of int
        Length of each axis.
    channel : int or None
        Which of them holds the channels of one image.
    """

    shape: tuple[int, ...]
    channel: int | None = None

    @cached_property
    def shown(self) -> tuple[int, int]:
        """Rows and columns of a plane: the last two axes that are no channels."""
        rows, cols = [axis for axis in range(len(self.shape)) if axis != self.channel][-2:]
        return rows, cols

    @cached_property
    def others(self) -> tuple[int, ...]:
        """The axes along which the planes lie."""
        away = (*self.shown, self.channel)
        return tuple(axis for axis in range(len(self.shape)) if axis not in away)

    @property
    def plane_shape(self) -> tuple[int, int]:
        """Height and width."""
        return self.shape[self.shown[0]], self.shape[self.shown[1]]

    @property
    def counts(self) -> tuple[int, ...]:
        """How many planes there are along each of `others`."""
        return tuple(self.shape[axis] for axis in self.others)

    def key(self, index: PlaneIndex, *, channels: slice | int = slice(None)) -> tuple[Any, ...]:
        """What to index the data with for one plane."""
        key: list[Any] = [slice(None)] * len(self.shape)
        for axis, position in zip(self.others, index, strict=True):
            key[axis] = position
        if self.channel is not None:
            key[self.channel] = channels
        return tuple(key)

    def index_at(self, point: NDArray[np.floating]) -> PlaneIndex:
        """The plane nearest to a point, given in data coordinates."""
        at = np.rint(np.nan_to_num(point)).astype(int)
        return tuple(int(np.clip(at[axis], 0, self.shape[axis] - 1)) for axis in self.others)


@dataclass(frozen=True, eq=False)
class Planes:
    """The planes of one image layer, with the data that it has now.

    Parameters
    ----------
    name : str
        Of the layer, for messages.
    data : array-like
        Level 0 of a multiscale image.
    axes : Axes
        What its axes mean.
    rgb : bool
        The last axis of the data, beyond `axes`, holds RGB or RGBA.
    path : Path or None
        The file that napari read it from.
    pixel_size : tuple of float or None
        (row, column) size of a pixel in micrometres, where the layer has such units.
    """

    name: str
    data: Any
    axes: Axes
    rgb: bool = False
    path: Path | None = None
    pixel_size: tuple[float, float] | None = None

    @classmethod
    def of(cls, layer: Layer | None) -> Planes:
        """What a layer holds, which stays untouched.

        Raises
        ------
        ValueError
            In a sentence, if it holds no planes that could be segmented.
        """
        image = require_image(layer)
        data = image.data[0] if image.multiscale else image.data
        shape = tuple(map(int, data.shape[: image.ndim]))
        _require_accepted(image.name, data, shape)
        axes = Axes(shape, None if image.rgb else _channel_axis(image))
        path = image.source.path
        return cls(
            image.name, data, axes, bool(image.rgb), Path(path) if path else None,
            _pixel_size(image, axes),
        )  # fmt: skip

    def read(self, index: PlaneIndex) -> Image:
        """One plane as an image, values as in the data.

        Raises
        ------
        ValueError
            In a sentence, if it cannot be read or there is nothing in it to segment.
        """
        pixels = self._pixels(index)
        require_segmentable(pixels, self.title(index))
        return Image.of(pixels, self.source(index))

    def source(self, index: PlaneIndex) -> Source:
        """Where a plane comes from; planes are numbered through, in the order of the data."""
        counts = self.axes.counts
        number = int(np.ravel_multi_index(index, counts)) if counts else None
        return Source(self.path, number, prod(counts), self.pixel_size)

    def title(self, index: PlaneIndex) -> str:
        """The plane as people call it."""
        return f"{self.name!r}, plane {in_words(index)}" if index else repr(self.name)

    def _pixels(self, index: PlaneIndex) -> NDArray[np.generic]:
        """`(H, W, C)`, a copy, for images are read-only."""
        try:
            plane = np.array(self.data[self.axes.key(index)])
        except MemoryError as error:
            raise ValueError(
                f"There is not enough memory to read {self.title(index)}. Close other programs."
            ) from error
        except Exception as error:  # dask, zarr and their stores raise what they like
            raise ValueError(
                f"{self.title(index)} could not be read ({type(error).__name__}: {error}). Choose "
                "another plane, or mend the file that it comes from."
            ) from error
        if self.axes.channel is not None:
            before = sum(axis < self.axes.channel for axis in self.axes.shown)
            return np.moveaxis(plane, before, -1).copy()
        if not self.rgb:
            return plane[..., np.newaxis]
        return without_alpha(plane) if plane.shape[-1] == 4 else plane


def require_image(layer: Layer | None) -> ImageLayer:
    """Return the layer itself; ValueError, in a sentence, if it is no image layer."""
    if layer is None:
        raise ValueError(f"No single layer is selected; {ACCEPTED}. Select one in the layer list.")
    if not isinstance(layer, ImageLayer):
        kind = type(layer).__name__
        raise ValueError(f"{layer.name!r} is a {kind} layer; {ACCEPTED}. Select an image layer.")
    return layer


def in_words(index: PlaneIndex) -> str:
    """A position as napari's sliders show it."""
    return ", ".join(map(str, index))


def _require_accepted(name: str, data: Any, shape: tuple[int, ...]) -> None:
    kind = np.dtype(data.dtype).kind
    if kind not in "buif":
        raise ValueError(
            f"{name!r} holds values of type {data.dtype}; {ACCEPTED}. Convert it first, complex "
            "numbers for example to their absolute values."
        )
    if 0 in shape:
        raise ValueError(
            f"{name!r} has the shape {shape}, which holds no pixel; {ACCEPTED}, with at least one "
            "position on every axis. Choose another layer."
        )


def _channel_axis(layer: ImageLayer) -> int | None:
    """The axis that is labelled so, where at least two others are left."""
    labels = [str(label).lower() for label in getattr(layer, "axis_labels", ())]
    found = [axis for axis, label in enumerate(labels) if label in CHANNEL_LABELS]
    return found[0] if found and layer.ndim > 2 else None


def _pixel_size(layer: ImageLayer, axes: Axes) -> tuple[float, float] | None:
    sizes = [_micrometres(layer, axis) for axis in axes.shown]
    return (sizes[0], sizes[1]) if sizes[0] and sizes[1] else None


def _micrometres(layer: ImageLayer, axis: int) -> float | None:
    """The step along an axis; None where the layer's unit is no length."""
    unit = getattr(layer, "units", None)
    if unit is None or not unit[axis].is_compatible_with("micrometer"):
        return None
    return float(abs((layer.scale[axis] * unit[axis]).to("micrometer").magnitude))
