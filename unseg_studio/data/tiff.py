"""TIFF of every value type and layout; of a stack, only the wanted plane is decoded."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import tifffile
from numpy.typing import NDArray

from unseg_studio.data.accepted import (
    Decoded,
    UnreadableImageError,
    damaged,
    require_content,
    require_memory,
    require_plane,
    require_size,
)
from unseg_studio.data.channels import (
    Pixels,
    inverted,
    rgb_from_cmyk,
    rgb_from_palette,
    without_alpha,
)
from unseg_studio.data.image_file import ImageFile
from unseg_studio.data.tiff_checks import (
    holds,
    require_finite_chain,
    require_harmless_ome,
    require_segments,
    require_whole,
)
from unseg_studio.data.turns import FIRST_ON_ITS_SIDE, turned
from unseg_studio.data.units import MICROMETRES, micrometres

logging.getLogger("tifffile").addHandler(logging.NullHandler())  # its remarks are not for people

_CHANNEL_AXES = "CS"
_LARGEST_PLAIN_PIXEL = 20.0
"""Micrometres; plain resolution tags above tell of printing (300 dpi is 85 um), not of optics."""


def is_tiff(head: bytes) -> bool:
    """Say whether a file that starts with these bytes is a TIFF or BigTIFF."""
    return head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def read_tiff(file: BinaryIO, path: Path, plane: int | None) -> Decoded:
    """Decode one plane of the first series: `(H, W, C)` as stored, colours as RGB, upright."""
    with opened_tiff(file, path) as tiff:
        layout = Layout.of(tiff.series[0], path)
        _require_last_page(tiff, path)
        index = require_plane(path, plane, layout.n_planes)
        pixels = seen(layout.read(index), tiff.series[0].keyframe, path, tiff.is_imagej)
        upright = turned(pixels, orientation(tiff))
        native = np.ascontiguousarray(upright, pixels.dtype.newbyteorder("="))
        return Decoded(native, layout.n_planes, pixel_size(tiff))


def describe_tiff(file: BinaryIO, path: Path) -> ImageFile:
    """Say what a file holds from its header."""
    with opened_tiff(file, path) as tiff:
        series = tiff.series[0]
        layout = Layout.of(series, path)
        channels, dtype = layout.shown(tiff.is_imagej)
        lies = orientation(tiff) >= FIRST_ON_ITS_SIDE
        shape = layout.size
        levels = tuple(Layout(level, level.axes, path).size for level in series.levels)
        return ImageFile(
            path,
            "OME-TIFF" if tiff.is_ome else "TIFF",
            (shape[1], shape[0]) if lies else shape,
            channels=channels,
            dtype=dtype,
            axes=layout.stack_axes,
            pixel_size=pixel_size(tiff),
            levels=levels if len(levels) > 1 else (),
            n_series=len(tiff.series) if tiff.is_ome else 1,
        )


@contextmanager
def opened_tiff(file: BinaryIO, path: Path) -> Iterator[Any]:
    """Open a TIFF file whose header claims nothing absurd; gives a `tifffile.TiffFile`."""
    require_finite_chain(file, path)
    with tifffile.TiffFile(file) as tiff:
        if tiff.is_ome:
            require_harmless_ome(tiff.ome_metadata or "", path)
        yield tiff


def orientation(tiff: Any) -> int:
    """How a photograph lies, 1 for upright; microscopes state it without meaning it."""
    if tiff.is_ome or tiff.is_imagej:
        return 1
    tag = tiff.pages[0].tags.get("Orientation")
    return int(tag.value) if tag is not None and isinstance(tag.value, int) else 1


def _require_last_page(tiff: Any, path: Path) -> None:
    """Raise UnreadableImageError if the file ends before its last page does."""
    len(tiff.pages)  # follows the chain to its end
    tiff.filehandle.seek(tiff.pages.next_page_offset)
    announced = any(tiff.filehandle.read(tiff.tiff.offsetsize))
    if announced or not holds(tiff.pages[-1]):
        raise damaged(path, "TIFF")


@dataclass(frozen=True, eq=False)
class Layout:
    """How the planes of a series lie in the file, by the letters of its axes."""

    series: Any
    axes: str
    path: Path

    @classmethod
    def of(cls, series: Any, path: Path) -> Layout:
        """The layout of a series whose planes are accepted."""
        layout = cls(series, series.axes, path)
        if series.axes.count("Y") != 1 or series.axes.count("X") != 1:
            raise UnreadableImageError(
                f"{path} stores the axes {series.axes!r:.80} of shape {series.shape}; accepted are "
                "images with one Y and one X axis. Save single planes instead."
            )
        if 0 in series.shape:
            raise damaged(path, "TIFF")
        require_size(path, layout.plane_shape, series.dtype.itemsize)
        return layout

    @property
    def size(self) -> tuple[int, int]:
        """(height, width)."""
        return self.plane_shape[0], self.plane_shape[1]

    @property
    def plane_shape(self) -> tuple[int, ...]:
        """(height, width, channels ...)."""
        size = dict(zip(self.axes, self.series.shape, strict=True))
        channels = [size[axis] for axis in self.axes if axis in _CHANNEL_AXES]
        return size["Y"], size["X"], *channels

    @property
    def stack_shape(self) -> tuple[int, ...]:
        """Lengths of the axes that planes are counted along, slowest first."""
        pairs = zip(self.axes, self.series.shape, strict=True)
        return tuple(length for axis, length in pairs if axis not in "YX" + _CHANNEL_AXES)

    @property
    def stack_axes(self) -> dict[str, int]:
        """The same with their letters, without those of length 1."""
        letters = [axis for axis in self.axes if axis not in "YX" + _CHANNEL_AXES]
        pairs = zip(letters, self.stack_shape, strict=True)
        return {axis: length for axis, length in pairs if length > 1}

    @property
    def n_planes(self) -> int:
        """How many planes there are."""
        return prod(self.stack_shape)

    def shown(self, is_imagej: bool) -> tuple[int, np.dtype[np.generic]]:
        """Channels and type of the values as people see them, found with one pixel."""
        stored = np.zeros((1, 1, prod(self.plane_shape[2:])), self.series.dtype)
        pixel = seen(stored, self.series.keyframe, self.path, is_imagej)
        return pixel.shape[2], np.dtype(pixel.dtype.newbyteorder("="))

    def read(self, plane: int) -> Pixels:
        """Decode one plane: `(H, W, C)`."""
        stored = self._stored(self._key(plane))
        order = [axis for axis in self.axes if axis in "YX" + _CHANNEL_AXES]
        wanted = ["Y", "X", *(axis for axis in order if axis in _CHANNEL_AXES)]
        upright = stored.transpose([order.index(axis) for axis in wanted])
        return upright.reshape(*upright.shape[:2], -1)

    def _key(self, plane: int) -> tuple[int | slice, ...]:
        position = iter(np.unravel_index(plane, self.stack_shape) if self.stack_shape else ())
        whole = "YX" + _CHANNEL_AXES
        return tuple(slice(None) if axis in whole else int(next(position)) for axis in self.axes)

    def _stored(self, key: tuple[int | slice, ...]) -> Pixels:
        page = self.series.keyframe
        n_outer = len(self.axes) - len(page.axes)
        if self.series.dataoffset is not None and page.bitspersample == page.dtype.itemsize * 8:
            return np.array(self._mapped()[key])  # a copy, so that the file can be closed
        if n_outer >= 0 and self.axes[n_outer:] == page.axes and {"Y", "X"} <= set(page.axes):
            return self._pages(key[:n_outer], key[n_outer:])
        require_memory(self.path, self.series.nbytes)
        for page in self.series:
            self._require(page)
        whole: Pixels = self.series.asarray().reshape(self.series.shape)
        return whole[key]

    def _mapped(self) -> Pixels:
        """The uncompressed series, of which the system reads only what is looked at."""
        file = self.series.keyframe.parent.filehandle
        dtype = np.dtype(self.series.keyframe.parent.byteorder + self.series.dtype.char)
        if self.series.dataoffset + self.series.nbytes > file.size:
            raise damaged(self.path, "TIFF")
        return np.memmap(
            file.path, dtype, "r", offset=self.series.dataoffset, shape=self.series.shape
        )

    def pages(self, plane: int) -> list[Any] | None:
        """The pages that a plane lies on, one or one per channel; None if it shares them."""
        n_outer = len(self.axes) - len(self.series.keyframe.axes)
        page = self.series.keyframe
        if n_outer < 0 or self.axes[n_outer:] != page.axes or not {"Y", "X"} <= set(page.axes):
            return None
        return [self.series[int(n)] for n in self._numbers(self._key(plane)[:n_outer]).ravel()]

    def _numbers(self, outer: tuple[int | slice, ...]) -> NDArray[np.intp]:
        lengths = self.series.shape[: len(outer)]
        return np.asarray(np.arange(prod(lengths)).reshape(lengths)[outer])

    def _pages(self, outer: tuple[int | slice, ...], inner: tuple[int | slice, ...]) -> Pixels:
        """Decode the pages that the plane lies on: one, or one per channel."""
        numbers = self._numbers(outer)
        pages = [self.series[int(number)] for number in numbers.ravel()]
        for page in pages:
            self._require(page)
        planes = [page.asarray().reshape(self.series.keyframe.shape)[inner] for page in pages]
        whole = planes[0] if len(planes) == 1 else np.stack(planes)
        return whole.reshape(*numbers.shape, *planes[0].shape)

    def _require(self, page: Any) -> None:
        require_whole(page, self.path)
        # Tiles may be left out, but not nearly all of them where all are to be read.
        claimed = prod(page.shape) * page.dtype.itemsize
        require_content(self.path, claimed, sum(page.databytecounts))
        require_segments(page, self.path)


def seen(pixels: Pixels, page: Any, path: Path, is_imagej: bool) -> Pixels:
    """Turn stored colours into what other viewers show."""
    photometric = page.photometric.name
    if photometric in ("YCBCR", "CIELAB", "ICCLAB", "ITULAB") and page.compression not in (6, 7):
        raise UnreadableImageError(
            f"{path} stores its colours as {photometric}; accepted are grey, RGB, CMYK and palette "
            "TIFF images. Save it as RGB in another program."
        )
    if photometric == "PALETTE" and page.colormap is not None and not is_imagej:
        return rgb_from_palette(pixels, page.colormap)  # ImageJ's table only tints grey values
    pixels = _scaled(pixels, page.bitspersample)
    if photometric == "MINISWHITE":
        return inverted(pixels)
    if photometric == "SEPARATED" and pixels.shape[2] == 4 and pixels.dtype.kind == "u":
        return rgb_from_cmyk(pixels)
    return _opaque(pixels, page)


def _scaled(pixels: Pixels, bits: int) -> Pixels:
    """Spread values of 1, 2 or 4 bits over the range of bytes."""
    if bits not in (1, 2, 4):
        return pixels
    return pixels.astype(np.uint8) * np.uint8(255 // (2**bits - 1))


def _opaque(pixels: Pixels, page: Any) -> Pixels:
    extra = [sample.name for sample in page.extrasamples]
    if len(extra) != 1 or extra[0] == "UNSPECIFIED" or pixels.shape[2] < 2:
        return pixels
    return without_alpha(pixels, premultiplied=extra[0] == "ASSOCALPHA")


def pixel_size(tiff: Any) -> tuple[float, float] | None:
    """(row, column) size in micrometres if the file states one that can be believed."""
    if tiff.is_ome:
        return _ome_size(tiff.ome_metadata or "")
    rows, cols = (_per_unit(tiff.pages[0], name) for name in ("YResolution", "XResolution"))
    if not rows or not cols:
        return None
    unit = _unit(tiff)
    size = unit / rows, unit / cols
    size = size[::-1] if orientation(tiff) >= FIRST_ON_ITS_SIDE else size
    sane = all(math.isfinite(side) and side > 0 for side in size)
    return size if sane and (tiff.is_imagej or max(size) <= _LARGEST_PLAIN_PIXEL) else None


def _unit(tiff: Any) -> float:
    """Micrometres in the unit of the resolution tags, 0 where it is unknown or for printing."""
    if tiff.is_imagej:
        name = str((tiff.imagej_metadata or {}).get("unit", "")).replace("\\u00B5", "µ")
        return MICROMETRES.get(name.lower(), 0.0)
    return 1e4 if tiff.pages[0].resolutionunit == 3 else 0.0


def _per_unit(page: Any, name: str) -> float:
    tag = page.tags.get(name)
    numerator, denominator = tag.value if tag else (0, 1)
    return float(numerator / denominator) if denominator else 0.0


def _ome_size(xml: str) -> tuple[float, float] | None:
    rows, cols = (_ome_length(xml, f"PhysicalSize{axis}") for axis in "YX")
    return (rows, cols) if rows and cols else None


def _ome_length(xml: str, name: str) -> float | None:
    pixels = re.search(r"<(?:\w+:)?Pixels\b[^>]*>", xml)
    attributes = dict(re.findall(r'(\w+)="([^"]*)"', pixels.group() if pixels else ""))
    return micrometres(attributes.get(name, 0), attributes.get(f"{name}Unit", "µm"))
