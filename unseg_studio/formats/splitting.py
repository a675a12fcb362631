"""Split a data set into a part to train on and a part to validate with.

Where an image belongs follows from its name and the seed alone: it stays
there when images are added, and on every machine.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from unseg_studio.data import Annotation, Source

TRAIN = "train"
VAL = "val"


def split(
    annotations: Iterable[Annotation],
    *,
    val: float,
    seed: int = 0,
    sources: Iterable[Source] | None = None,
) -> Split:
    """Give each annotation its part of the data set, "train" or "val".

    Parameters
    ----------
    annotations : iterable of Annotation
        Gone over anew, one by one, each time that the result is; an iterator only once.
    val : float
        Expected share of "val", above 0 and below 1. Planes of one stack stay together, since a
        plane in "val" beside its neighbours in "train" would make a score look better than it is.
    seed : int
        Another one gives another split.
    sources : iterable of Source or None
        Those of all annotations, where they are had for less than the annotations themselves,
        which are gone over once more otherwise.

    Returns
    -------
    Split
        Iterable of Annotation. Where there are two files or more, neither part is empty; that
        alone may move an image, and only while a part has no more than that one.

    Raises
    ------
    ValueError
        If `val` leaves one part empty.
    """
    if not 0 < val < 1:
        raise ValueError(f"The share to validate with is {val!r}; accepted is one between 0 and 1.")
    return Split(annotations, val=val, seed=seed, sources=sources)


class Split:
    """Annotations with their parts; see `split`."""

    def __init__(
        self,
        annotations: Iterable[Annotation],
        *,
        val: float,
        seed: int,
        sources: Iterable[Source] | None = None,
    ) -> None:
        self._annotations = annotations
        self._sources = sources
        self._val = val
        self._seed = seed
        self._forced: dict[str, str] | None = None

    def __iter__(self) -> Iterator[Annotation]:
        if self._forced is None:
            self._forced = self._balanced()
        for annotation in self._annotations:
            key = _key(annotation.source)
            yield replace(annotation, subset=self._forced.get(key) or self._by_hash(key))

    def _by_hash(self, key: str) -> str:
        return VAL if _position(key, self._seed) < self._val else TRAIN

    def _balanced(self) -> dict[str, str]:
        """Who has to change sides so that neither part is empty; gone over once before all else."""
        keys = {_key(source) for source in self._all_sources()}
        by_position = sorted(keys, key=lambda key: _position(key, self._seed))
        parts = {self._by_hash(key) for key in keys}
        if len(keys) < 2 or len(parts) == 2:
            return {}
        return {by_position[0]: VAL} if parts == {TRAIN} else {by_position[-1]: TRAIN}

    def _all_sources(self) -> Iterable[Source]:
        if self._sources is not None:
            return self._sources
        if iter(self._annotations) is self._annotations:
            self._annotations = tuple(self._annotations)
        return (annotation.source for annotation in self._annotations)


def _key(source: Source) -> str:
    """What stays together: a file, by its name without the folder, which may move."""
    return (source.path or Path("array")).name


def _position(key: str, seed: int) -> float:
    """A number from 0 to 1 that looks drawn by chance."""
    digest = hashlib.blake2b(f"{seed}\0{key}".encode("utf-8", "replace"), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64
