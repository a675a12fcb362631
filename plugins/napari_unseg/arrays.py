"""The arrays of the layers: as large as the data, in memory only where something is written."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unseg.planes import Axes
from unseg_studio.data import Box
from unseg_studio.document import PlaneIndex

Shown = NDArray[np.uint16]
"""Ids as layers hold them."""

LARGEST = int(np.iinfo(np.uint16).max)
"""The largest label of the layers."""


def room(axes: Axes, dtype: type[np.generic] = np.uint16) -> NDArray[Any]:
    """Zeros of the shape of the data, in which all channels of a plane share their memory.

    Memory is taken by the pages that are written to.
    """
    lengths = [1 if axis == axes.channel else n for axis, n in enumerate(axes.shape)]
    try:
        ids = np.zeros(lengths, dtype)
    except (MemoryError, ValueError) as error:
        raise ValueError(
            f"There is not enough memory for labels of the shape {axes.shape}. Choose a part of "
            "the stack, or close other programs."
        ) from error
    if axes.channel is None:
        return ids
    strides = [0 if axis == axes.channel else step for axis, step in enumerate(ids.strides)]
    return np.lib.stride_tricks.as_strided(ids, axes.shape, strides)


def places_of(atom: Any, axes: Axes) -> Iterator[tuple[PlaneIndex, Box]]:
    """Which planes, and which rectangle of each, one change of a Labels layer touched.

    Napari describes it by slices, or up to 0.8 by the indices of the pixels.
    """
    key = getattr(atom, "slice_key", None)
    if key is None:
        ends = [(int(np.min(at)), int(np.max(at)) + 1) for at in map(np.asarray, atom[0])]
        indices = set(zip(*(np.ravel(atom[0][axis]).tolist() for axis in axes.others), strict=True))
        spans = [slice(*end) for end in ends]
    else:
        spans = list(key)
        indices = set(product(*(range(spans[a].start, spans[a].stop) for a in axes.others)))
    rows, cols = (spans[axis] for axis in axes.shown)
    for index in sorted(indices) if axes.others else [()]:
        yield index, (rows, cols)
