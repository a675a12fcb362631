"""OME-Zarr 0.1 to 0.5, and plain Zarr arrays, in folders and zip files."""

from __future__ import annotations

import stat
from contextlib import ExitStack
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from unseg_studio.data.accepted import (
    Decoded,
    UnreadableImageError,
    damaged,
    require_memory,
    require_plane,
    require_size,
)
from unseg_studio.data.boxes import Box
from unseg_studio.data.channels import Pixels
from unseg_studio.data.grids import assembled, n_tiles
from unseg_studio.data.image_file import ImageFile, plane_position
from unseg_studio.data.stores import FolderStore, Store, ZipStore, metadata
from unseg_studio.data.units import micrometres
from unseg_studio.data.zarr_array import ZarrArray

MAX_CHUNKS = 100_000
"""Most chunks that one plane may lie in."""

MAX_PLANES = 10_000_000
_MAX_LEVELS = 64
_MARKS = ("zarr.json", ".zattrs", ".zgroup", ".zarray")
_OLD_AXES = "TCZYX"
_PLAIN_AXES = "RQIYX"


@dataclass(frozen=True, eq=False)
class ZarrImage:
    """A multiscale image.

    Parameters
    ----------
    store : Store
        Where it lies.
    axes : str
        A letter for each axis of the arrays: "TCZYX".
    arrays : tuple of ZarrArray
        The levels, full resolution first.
    pixel_size : tuple of float or None
        (row, column) in micrometres.
    n_series : int
        Images in the store.
    """

    store: Store
    axes: str
    arrays: tuple[ZarrArray, ...]
    pixel_size: tuple[float, float] | None = None
    n_series: int = 1

    @property
    def path(self) -> Path:
        """The folder or the zip file."""
        return self.store.path

    @property
    def stack_axes(self) -> dict[str, int]:
        """Lengths of the axes that planes are counted along."""
        pairs = zip(self.axes, self.arrays[0].shape, strict=True)
        return {axis: length for axis, length in pairs if axis not in "CYX" and length > 1}

    def grids(self, plane: int) -> list[ZarrGrid]:
        """The levels of a plane."""
        position = plane_position(self.stack_axes, plane)
        return [ZarrGrid(array, self.axes, position) for array in self.arrays]

    def described(self) -> ImageFile:
        """What it holds."""
        grids = self.grids(0)
        return ImageFile(
            self.path,
            "OME-Zarr",
            grids[0].shape,
            channels=grids[0].channels,
            dtype=grids[0].dtype,
            axes=self.stack_axes,
            pixel_size=self.pixel_size,
            levels=tuple(grid.shape for grid in grids) if len(grids) > 1 else (),
            n_series=self.n_series,
        )


@dataclass(frozen=True, eq=False)
class ZarrGrid:
    """One level of one plane; its tiles are chunks."""

    array: ZarrArray
    axes: str
    position: dict[str, int]

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self._of(self.array.shape, "Y"), self._of(self.array.shape, "X")

    @property
    def channels(self) -> int:
        """Channels of a pixel."""
        return self._of(self.array.shape, "C")

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Type of the values, in the machine's byte order."""
        return self.array.dtype.newbyteorder("=")

    @property
    def tile(self) -> tuple[int, int]:
        """Height and width of a chunk."""
        return self._of(self.array.chunks, "Y"), self._of(self.array.chunks, "X")

    @property
    def n_chunks(self) -> int:
        """Chunks that a plane lies in."""
        return n_tiles(self) * -(-self.channels // self._of(self.array.chunks, "C"))

    def decoded(self, row: int, col: int) -> Pixels:
        """One tile `(h, w, C)`, put together from the chunks of all channels."""
        step = self._of(self.array.chunks, "C")
        parts = [self._part(row, col, n) for n in range(-(-self.channels // step))]
        whole = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=2)
        tile = whole[: self.shape[0] - row * self.tile[0], : self.shape[1] - col * self.tile[1]]
        return np.ascontiguousarray(tile[..., : self.channels], self.dtype)

    def _part(self, row: int, col: int, channel: int) -> Pixels:
        """The plane's part of a chunk: `(h, w, C)`."""
        numbers = {"Y": row, "X": col, "C": channel}
        index, key = [], []
        for axis, side in zip(self.axes, self.array.chunks, strict=True):
            number, within = divmod(self.position.get(axis, 0), side)
            index.append(numbers.get(axis, number))
            key.append(slice(None) if axis in numbers else within)
        found = self.array.chunk(tuple(index))[tuple(key)]
        kept = [axis for axis in self.axes if axis in numbers]
        order = [kept.index(axis) for axis in "YXC" if axis in kept]
        return found.transpose(order).reshape(*self.tile, -1)

    def _of(self, lengths: tuple[int, ...], axis: str) -> int:
        return lengths[self.axes.index(axis)] if axis in self.axes else 1


def is_zarr(path: Path) -> bool:
    """Say whether a folder is a Zarr image."""
    return any((path / name).exists() for name in _MARKS)


def opened_zarr(path: Path, resources: ExitStack) -> ZarrImage:
    """Read the metadata of a folder or a zip file.

    Raises
    ------
    UnreadableImageError
        If it holds no image that is accepted.
    """
    store = FolderStore(path) if stat.S_ISDIR(path.stat().st_mode) else ZipStore.of(path)
    resources.callback(store.close)
    try:
        return _image(store, "")
    except (UnreadableImageError, OSError):
        raise
    except Exception as error:
        # Metadata of strangers may be of any shape.
        raise damaged(path, "OME-Zarr") from error


def read_zarr(path: Path, plane: int | None) -> Decoded:
    """Decode one plane at full resolution: `(H, W, C)`."""
    with ExitStack() as resources:
        image = opened_zarr(path, resources)
        n_planes = prod(image.stack_axes.values())
        grid = image.grids(require_plane(path, plane, n_planes))[0]
        require_memory(path, grid.shape[0] * grid.shape[1] * grid.channels * grid.dtype.itemsize)
        whole: Box = slice(0, grid.shape[0]), slice(0, grid.shape[1])
        return Decoded(assembled(grid, whole), n_planes, image.pixel_size)


def describe_zarr(path: Path) -> ImageFile:
    """Say what a folder or zip file holds from its metadata."""
    with ExitStack() as resources:
        return opened_zarr(path, resources).described()


def _image(store: Store, key: str, n_series: int = 1) -> ZarrImage:
    attributes = _attributes(store, key)
    if "plate" in attributes or "well" in attributes:
        raise UnreadableImageError(
            f"{store.path} is a plate of many images; accepted are single images. Open the folder "
            "of a field in it, such as A/1/0."
        )
    multiscales = attributes.get("multiscales")
    if multiscales:
        return _multiscale(store, key, multiscales[0], n_series)
    series = _series(store, key, attributes) if n_series == 1 and not key else []
    if series:
        return _image(store, series[0], len(series))
    return _plain(store, key)


def _attributes(store: Store, key: str) -> dict[str, Any]:
    base = f"{key}/" if key else ""
    third = metadata(store, f"{base}zarr.json")
    if third is None:
        return metadata(store, f"{base}.zattrs") or {}
    attributes = third.get("attributes") or {}
    return {**attributes, **(attributes.get("ome") or {})}


def _series(store: Store, key: str, attributes: dict[str, Any]) -> list[str]:
    """Where the images of a store of several lie."""
    if "bioformats2raw.layout" not in attributes:
        return []
    listed = _attributes(store, "OME").get("series") or ["0"]
    return [str(name) for name in listed]


def _multiscale(store: Store, key: str, meta: dict[str, Any], n_series: int) -> ZarrImage:
    datasets = meta["datasets"]
    if not 0 < len(datasets) <= _MAX_LEVELS:
        raise damaged(store.path, "OME-Zarr")
    paths = [str(dataset["path"]) for dataset in datasets]
    keys = [f"{key}/{path}" if key else path for path in paths]
    arrays = [ZarrArray.opened(store, name) for name in keys]
    axes = _axes(meta.get("axes"), len(arrays[0].shape))
    size = _pixel_size(meta, axes)
    kept = [array for array in arrays if _is_smaller(array, arrays[0], axes)]
    image = ZarrImage(store, axes, (arrays[0], *kept), size, n_series)
    return _checked(image)


def _plain(store: Store, key: str) -> ZarrImage:
    array = ZarrArray.opened(store, key)
    axes = _PLAIN_AXES[-len(array.shape) :]
    return _checked(ZarrImage(store, axes, (array,)))


def _axes(meta: Any, ndim: int) -> str:
    """A letter for each axis; before version 0.3 they were always these five."""
    names = [axis if isinstance(axis, str) else str(axis["name"]) for axis in meta or _OLD_AXES]
    letters = [name[:1].upper() for name in names]
    kinds = [axis.get("type") if isinstance(axis, dict) else None for axis in meta or ()]
    for n, kind in enumerate(kinds):
        letters[n] = {"channel": "C", "time": "T"}.get(kind or "", letters[n])
    return "".join(letters)[-ndim:] if meta is None else "".join(letters)


def _is_smaller(array: ZarrArray, full: ZarrArray, axes: str) -> bool:
    """Say whether an array is a smaller version of another, and not the other itself."""
    if array is full or len(array.shape) != len(full.shape) or array.dtype != full.dtype:
        return False
    triples = list(zip(axes, array.shape, full.shape, strict=True))
    same = all(a == b for axis, a, b in triples if axis not in "YX")
    return same and all(a <= b for _, a, b in triples) and array.shape != full.shape


def _checked(image: ZarrImage) -> ZarrImage:
    axes, first = image.axes, image.arrays[0]
    if len(axes) != len(first.shape) or len(set(axes)) != len(axes) or not {"Y", "X"} <= set(axes):
        raise UnreadableImageError(
            f"{image.path} stores the axes {axes!r:.80} of shape {first.shape}; accepted are "
            "images with one Y and one X axis. Save single planes instead."
        )
    if prod(image.stack_axes.values()) > MAX_PLANES:
        raise UnreadableImageError(
            f"{image.path} claims {prod(image.stack_axes.values())} planes; accepted are up to "
            f"{MAX_PLANES}. Cut it into parts."
        )
    for grid in image.grids(0)[:1]:
        require_size(image.path, (*grid.shape, grid.channels), grid.dtype.itemsize)
        if grid.n_chunks > MAX_CHUNKS:
            raise UnreadableImageError(
                f"{image.path} stores a plane in {grid.n_chunks} chunks; accepted are up to "
                f"{MAX_CHUNKS}. Save it with larger chunks."
            )
    return image


def _pixel_size(meta: dict[str, Any], axes: str) -> tuple[float, float] | None:
    """(row, column) in micrometres at full resolution: both scales, where a unit is given."""
    scale = np.ones(len(axes))
    for holder in (meta["datasets"][0], meta):
        for step in holder.get("coordinateTransformations") or ():
            if step.get("type") == "scale" and isinstance(step.get("scale"), list):
                scale = scale * np.array(step["scale"], np.float64)
    entries = meta.get("axes") or []
    units = {
        letter: str(entry.get("unit", ""))
        for letter, entry in zip(axes, entries, strict=False)
        if isinstance(entry, dict)
    }
    rows, cols = (micrometres(float(scale[axes.index(axis)]), units.get(axis, "")) for axis in "YX")
    return (rows, cols) if rows and cols else None
