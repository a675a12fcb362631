"""What an image file holds, known from its header."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod
from pathlib import Path

import numpy as np

_WORDS = {"I": "page", "Q": "page"}
"""Axes whose letter says nothing to people."""


@dataclass(frozen=True)
class ImageFile:
    """What an image file holds; its pixels were not decoded.

    Parameters
    ----------
    path : Path
        The file or the OME-Zarr folder.
    kind : str
        Its format: "PNG", "TIFF", "OME-Zarr", ...
    shape : (int, int)
        Height and width of a plane in pixels, upright.
    channels : int
        Channels of a plane, as `read_image` gives them.
    dtype : np.dtype
        Type of its values.
    axes : dict of str to int
        Lengths of the axes that planes are counted along, in file order, the slowest first:
        `{"T": 3, "Z": 5}`. Empty for a single plane.
    pixel_size : tuple of float or None
        (row, column) size of a pixel in micrometres, where the file says so.
    levels : tuple of (int, int)
        (height, width) of each level of a pyramid, from full resolution on.
    n_series : int
        How many images (series, scenes) the file holds; the first is the one that is read.
    """

    path: Path
    kind: str
    shape: tuple[int, int]
    channels: int
    dtype: np.dtype[np.generic]
    axes: dict[str, int] = field(default_factory=dict)
    pixel_size: tuple[float, float] | None = None
    levels: tuple[tuple[int, int], ...] = ()
    n_series: int = 1

    @property
    def height(self) -> int:
        """Rows of a plane."""
        return self.shape[0]

    @property
    def width(self) -> int:
        """Columns of a plane."""
        return self.shape[1]

    @property
    def n_planes(self) -> int:
        """How many planes `read_image` can read."""
        return prod(self.axes.values())

    @property
    def raw_bytes(self) -> int:
        """Memory that one decoded plane takes."""
        return self.height * self.width * self.channels * self.dtype.itemsize

    @property
    def remark(self) -> str:
        """What a person should know: which of several series is read; empty where nothing."""
        if self.n_series == 1:
            return ""
        return f"{self.path.name} holds {self.n_series} images; the first one is read."

    def plane_name(self, plane: int) -> str:
        """The name of a plane, such as "t 2, z 5", counted from 0; empty for a single plane."""
        return plane_name(self.axes, plane)


def plane_name(axes: dict[str, int], plane: int) -> str:
    """Name a plane by its place along the axes, counted from 0: "t 2, z 5".

    Parameters
    ----------
    axes : dict of str to int
        Lengths of the axes, the slowest first.
    plane : int
        Index of the plane, counted over all axes in that order.

    Raises
    ------
    ValueError
        If there is no such plane.
    """
    position = plane_position(axes, plane)
    return ", ".join(f"{_WORDS.get(axis, axis.lower())} {at}" for axis, at in position.items())


def plane_position(axes: dict[str, int], plane: int) -> dict[str, int]:
    """Where a plane lies along each axis, counted from 0: `{"T": 2, "Z": 5}`."""
    n_planes = prod(axes.values())
    if not 0 <= plane < n_planes:
        raise ValueError(f"There is no plane {plane}; accepted are 0 to {n_planes - 1}.")
    position = {}
    for axis, length in reversed(axes.items()):
        plane, position[axis] = divmod(plane, length)
    return dict(reversed(position.items()))


def plane_index(axes: dict[str, int], position: dict[str, int]) -> int:
    """The index of the plane at a place; axes that are not named count as 0.

    Raises
    ------
    ValueError
        If an axis is not there or not so long.
    """
    index = 0
    for axis, length in axes.items():
        at = position.get(axis, 0)
        if not 0 <= at < length:
            raise ValueError(f"{axis} is {at}; accepted are 0 to {length - 1}.")
        index = index * length + at
    unknown = set(position) - set(axes)
    if unknown:
        raise ValueError(f"There is no axis {min(unknown)!r}; accepted are {', '.join(axes)}.")
    return index
