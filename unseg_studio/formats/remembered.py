"""Annotations that are made once and gone over several times: looked at, written, compared."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from unseg_studio.data import Annotation, Patch, Region
from unseg_studio.data.ordered import in_order

MOST_BYTES = 2**28
"""What is remembered takes no more than this; larger data sets are made anew each time."""


@dataclass(frozen=True)
class _Packed:
    """A region whose mask is a bit for each pixel, compressed."""

    category: int
    rows: slice
    cols: slice
    bits: bytes

    @classmethod
    def of(cls, region: Region) -> _Packed:
        bits = zlib.compress(np.packbits(region.patch.mask).tobytes(), level=1)
        return cls(region.category, *region.patch.slices, bits)

    @property
    def region(self) -> Region:
        shape = self.rows.stop - self.rows.start, self.cols.stop - self.cols.start
        bits = np.frombuffer(zlib.decompress(self.bits), np.uint8)
        mask = np.unpackbits(bits, count=shape[0] * shape[1]).view(bool).reshape(shape)
        return Region(self.category, Patch(self.rows, self.cols, mask))


_Kept = tuple[Annotation, tuple[_Packed, ...]]


def _unpacked(kept: _Kept) -> Annotation:
    bare, regions = kept
    return replace(bare, regions=tuple(packed.region for packed in regions))


class Remembered:
    """The same annotations, made no more than once as long as they fit into memory.

    Parameters
    ----------
    annotations : iterable of Annotation
        Can be gone over again.
    most_bytes : int
        Of the packed masks together.
    """

    def __init__(self, annotations: Iterable[Annotation], *, most_bytes: int = MOST_BYTES) -> None:
        self._annotations = annotations
        self._most_bytes = most_bytes
        self._kept: list[_Kept] | None = None

    def __iter__(self) -> Iterator[Annotation]:
        if self._kept is None:
            return self._made()
        return in_order(_unpacked, self._kept)

    def _made(self) -> Iterator[Annotation]:
        kept, n_bytes = [], 0
        for annotation in self._annotations:
            if n_bytes <= self._most_bytes:
                regions = tuple(map(_Packed.of, annotation.regions))
                n_bytes += sum(len(region.bits) for region in regions)
                kept.append((replace(annotation, regions=()), regions))
            yield annotation
        if n_bytes <= self._most_bytes:
            self._kept = kept
