"""Rectangles of a plane."""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np
from numpy.typing import NDArray

Box = tuple[slice, slice]
"""Rows and columns of a rectangle, counted from 0; `array[box]` is what it holds."""


def size_of(box: Box) -> tuple[int, int]:
    """Height and width."""
    rows, cols = box
    return rows.stop - rows.start, cols.stop - cols.start


def bounds(mask: NDArray[np.bool_]) -> Box | None:
    """The smallest rectangle that holds every set pixel; None where none is set."""
    rows = np.flatnonzero(mask.any(axis=1))
    if not rows.size:
        return None
    band = slice(int(rows[0]), int(rows[-1]) + 1)
    cols = np.flatnonzero(mask[band].any(axis=0))
    return band, slice(int(cols[0]), int(cols[-1]) + 1)


def parts(mask: NDArray[np.bool_]) -> tuple[Box, ...]:
    """The rectangle around each connected part, corners included, the largest part first."""
    _, _, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    order = np.argsort(-stats[1:, cv2.CC_STAT_AREA], kind="stable")
    return tuple(
        (slice(int(top), int(top + height)), slice(int(left), int(left + width)))
        for left, top, width, height, _ in stats[1:][order]
    )


def union(boxes: Iterable[Box]) -> Box | None:
    """The smallest rectangle that holds them all; None where there are none."""
    both = [*zip(*boxes, strict=True)]
    if not both:
        return None
    rows, cols = (slice(min(s.start for s in axis), max(s.stop for s in axis)) for axis in both)
    return rows, cols


def overlap(one: Box, other: Box) -> Box | None:
    """The rectangle that both cover; None where they do not meet."""
    rows, cols = (
        slice(max(a.start, b.start), min(a.stop, b.stop)) for a, b in zip(one, other, strict=True)
    )
    return (rows, cols) if rows.start < rows.stop and cols.start < cols.stop else None


def grown(box: Box, margin: int, shape: tuple[int, int]) -> Box:
    """The rectangle and so many pixels around it, as far as the plane reaches."""
    rows, cols = (
        slice(max(0, axis.start - margin), min(length, axis.stop + margin))
        for axis, length in zip(box, shape, strict=True)
    )
    return rows, cols


def shifted(box: Box, down: int, right: int) -> Box:
    """The rectangle moved."""
    rows, cols = box
    return slice(rows.start + down, rows.stop + down), slice(cols.start + right, cols.stop + right)


def inside(box: Box, around: Box) -> Box:
    """The rectangle counted from the corner of another one."""
    return shifted(box, -around[0].start, -around[1].start)
