"""COCO's run lengths: masks to counts and back, counts to the compressed string and back.

Masks come as patches, a boolean rectangle and its place in the plane, so that the work grows with
the region and not with the image.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from unseg_studio.data import Patch
from unseg_studio.formats.geometry import NOWHERE, Shape, tight

_CHARACTERS_PER_COUNT = 7
"""Five bits each: enough for the 32 bits of a run."""


def run_lengths(patch: Patch, shape: Shape) -> NDArray[np.int64]:
    """Run lengths of a mask, column after column, zeros first, as COCO counts them.

    Parameters
    ----------
    patch : Patch
        The region.
    shape : (int, int)
        Height and width of the plane.

    Returns
    -------
    ndarray, (N,) int64
        Their sum is height x width. The first is 0 where the first pixel is set.
    """
    height, width = shape
    turns = _turns_of(patch, height)
    counts = np.empty(turns.size + 1, np.int64)
    counts[:-1], counts[-1] = turns, height * width
    counts[1:] -= turns
    # A run that goes on at the top of the next column was cut in two there.
    if turns.size and not (inner := counts[1:-1]).all():
        kept = np.ones(turns.size, bool)
        kept[:-1] &= inner > 0
        kept[1:] &= inner > 0
        counts = np.diff(turns[kept], prepend=0, append=height * width)
    return counts if counts[-1] or counts.size == 1 else counts[:-1]


def _turns_of(patch: Patch, height: int) -> NDArray[np.int64]:
    """Where runs start and end by turns, column after column of the plane; none spans two."""
    rows, cols = patch.mask.shape
    if not patch.mask.size:
        return np.zeros(0, np.int64)
    apart = np.zeros((cols, rows + 1), np.uint8)  # one pixel of nothing ends every column
    # OpenCV turns a plane several times as quick as numpy.
    apart[:, :rows] = cv2.transpose(np.ascontiguousarray(patch.mask).view(np.uint8))
    flat = apart.ravel()
    turns = np.flatnonzero(flat[1:] != flat[:-1])
    turns += 1
    if flat[0]:
        turns = np.concatenate([np.zeros(1, turns.dtype), turns])
    # A column of the plane is so much longer than one here.
    turns += turns // (rows + 1) * (height - rows - 1)
    turns += patch.cols.start * height + patch.rows.start
    return turns


def patch_of_runs(counts: NDArray[np.int64], shape: Shape) -> Patch:
    """Decode run lengths into the tight patch of their mask.

    Raises
    ------
    ValueError
        If a run is negative or the runs do not cover the plane exactly.
    """
    height, width = shape
    ends = _checked_ends(counts, height * width)
    starts, ends = ends[0::2][: ends.size // 2], ends[1::2]
    kept = ends > starts
    starts, ends = starts[kept], ends[kept]
    if not starts.size:
        return NOWHERE
    first, last = int(starts[0]) // height, (int(ends[-1]) - 1) // height + 1
    turns = np.stack([starts, ends], axis=1).ravel() - first * height
    runs = np.diff(turns, prepend=0, append=(last - first) * height)
    values = np.arange(runs.size) % 2 == 1
    columns = np.repeat(values, runs).reshape(last - first, height)
    return tight(Patch(slice(0, height), slice(first, last), columns.T))


def _checked_ends(counts: NDArray[np.int64], n_pixels: int) -> NDArray[np.int64]:
    if (counts < 0).any() or (counts > n_pixels).any():
        raise ValueError("its run lengths are broken: one is negative or longer than the image")
    ends = np.cumsum(counts, dtype=np.int64)
    total = int(ends[-1]) if ends.size else 0
    if total != n_pixels:
        raise ValueError(f"its run lengths cover {total} of {n_pixels} pixels")
    return ends


def text_of_runs(counts: NDArray[np.int64]) -> str:
    """Pack run lengths into COCO's compressed string.

    From the fourth on, each count is written as the difference to the last but one; five bits a
    character, lowest first, the sixth bit says that more follow.
    """
    values = counts.astype(np.int32)  # of planes that can be opened at all
    values[3:] -= counts[1:-2].astype(np.int32)
    sizes = values ^ (values >> 31)
    n_characters, largest = 1, int(sizes.max(initial=0))
    while largest >> (5 * n_characters - 1):
        n_characters += 1
    place = np.arange(n_characters, dtype=np.int32)
    characters = (values[:, None] >> (5 * place)) & 31
    follows = sizes[:, None] >= 1 << (5 * place[1:] - 1)
    characters[:, :-1] += follows * np.int32(32)
    kept = np.ones(characters.shape, bool)
    kept[:, 1:] = follows
    return (characters[kept] + 48).astype(np.uint8).tobytes().decode("ascii")


def runs_of_text(text: str) -> NDArray[np.int64]:
    """Unpack COCO's compressed string into run lengths, (N,) int64.

    Raises
    ------
    ValueError
        If a character cannot be part of such a string, or the string breaks off.
    """
    codes = np.frombuffer(text.encode("utf-8"), np.uint8).astype(np.int64) - 48
    if ((codes < 0) | (codes > 63)).any():
        raise ValueError("its RLE string is broken: it holds characters that no such string has")
    last = (codes & 32) == 0
    if codes.size and not last[-1]:
        raise ValueError("its RLE string is broken: it ends in the middle of a number")
    ends = np.flatnonzero(last)
    starts = np.r_[0, ends + 1][: ends.size]
    place = np.arange(codes.size) - np.repeat(starts, ends - starts + 1)
    if codes.size and int(place.max()) >= _CHARACTERS_PER_COUNT:
        raise ValueError("its RLE string is broken: it holds a number of more than 32 bits")
    values = np.add.reduceat((codes & 31) << (5 * place), starts) if ends.size else codes
    values = values - np.where(codes[ends] & 16, 32 << (5 * place[ends]), 0)
    for parity in (1, 2):
        values[parity::2] = np.cumsum(values[parity::2])
    return values
