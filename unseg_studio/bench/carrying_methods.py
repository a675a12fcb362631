"""What may be made of the other planes of a sequence once one of them is finished."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from unseg_studio.bench.baselines import (
    RandomWalker,
    forest_features,
    forest_labels,
    taught_forest,
)
from unseg_studio.bench.carrying_sets import Labels, Sequence
from unseg_studio.bench.methods import SegmenterPlayer, seeded
from unseg_studio.bench.robot import first_strokes, next_stroke
from unseg_studio.data import Category, Image, Mosaic, Scribbles
from unseg_studio.document import Carry, Document, Fits, Origin
from unseg_studio.segmenters import Segmenter, leave_a_core, make_segmenter

ROUNDS = 8
"""One stroke for every category of the origin, then seven corrections."""

OURS = "carry"


@dataclass(frozen=True, eq=False)
class Start:
    """A sequence of which one plane is finished.

    Parameters
    ----------
    sequence : Sequence
        All planes.
    number : int
        The finished one.
    drawn : ndarray, (H, W) int32
        The strokes on it.
    labels : ndarray, (H, W) int32
        What is shown there.
    """

    sequence: Sequence
    number: int
    drawn: Labels
    labels: Labels

    @property
    def targets(self) -> tuple[int, ...]:
        """The planes that are scored."""
        return tuple(n for n, s in enumerate(self.sequence.scored) if s and n != self.number)


Step = tuple[int, Labels, float]
"""Plane, its labels, and the seconds that they took."""

Method = Callable[[Start], Iterator[Step]]


def begun(sequence: Sequence, number: int, *, rounds: int, seed: int, device: str) -> Start:
    """Finish a plane: the robot draws, our own engine answers, round after round."""
    truth, player = sequence.truths[number], _player(sequence.images[number], seed, device)
    drawn = first_strokes(truth)
    labels = player.update(drawn)
    for _ in range(rounds - 1):
        stroke = next_stroke(truth, labels)
        if stroke is None:
            break
        drawn = np.where(stroke > 0, stroke, drawn)
        labels = player.update(drawn)
    return Start(sequence, number, drawn, labels)


def methods(*, seed: int = 0, device: str = "auto") -> dict[str, Method]:
    """Name -> method: the baselines, then our own."""
    return {
        "copied_labels": copied,
        "random_forest": partial(forest, seed=seed),
        "copied_strokes_walker": walker,
        "copied_strokes_ours": partial(engine, seed=seed, device=device),
        OURS: partial(carry, seed=seed, device=device),
    }


def copied(start: Start) -> Iterator[Step]:
    """The labels as they are."""
    for number in start.targets:
        yield number, start.labels, 0.0


def forest(start: Start, *, seed: int) -> Iterator[Step]:
    """Features and a random forest, taught by the strokes and applied to the other planes."""
    images, began = start.sequence.images, time.perf_counter()
    trees = taught_forest(forest_features(images[start.number]), start.drawn, seed)
    for number in start.targets:
        labels = forest_labels(trees, forest_features(images[number]))
        yield number, labels, time.perf_counter() - began
        began = time.perf_counter()


def walker(start: Start) -> Iterator[Step]:
    """The same strokes on each plane, and the random walker."""
    for number in start.targets:
        began = time.perf_counter()
        labels = RandomWalker(start.sequence.images[number]).update(start.drawn)
        yield number, labels, time.perf_counter() - began


def engine(start: Start, *, seed: int, device: str) -> Iterator[Step]:
    """The same strokes on each plane, and our own engine as it answers to strokes."""
    for number in start.targets:
        began = time.perf_counter()
        labels = _player(start.sequence.images[number], seed, device).update(start.drawn)
        yield number, labels, time.perf_counter() - began


def carry(start: Start, *, seed: int, device: str) -> Iterator[Step]:
    """Our own job; it goes through all planes, since each learns from the one before."""
    leave_a_core()
    images, began, n_done = start.sequence.images, time.perf_counter(), 0
    numbers = range(len(images))
    job = Carry(
        {(start.number,): _origin(start, seed)},
        tuple((number,) for number in numbers),
        lambda index: images[index[0]],
        device,
    )
    for answer in job.results(Fits(), lambda _: True):
        for plane in () if answer is None else answer.planes[n_done:]:
            number, labels = plane.index[0], _labels(plane.mosaic, images[plane.index[0]])
            if number in start.targets:
                yield number, labels, time.perf_counter() - began
            began, n_done = time.perf_counter(), n_done + 1


def _origin(start: Start, seed: int) -> Origin:
    image = start.sequence.images[start.number]
    document = Document(image, _table(start), _segmenter(seed))
    document.show(start.labels.copy())
    state = document.state.changed(scribbles=Scribbles(start.drawn.copy()))
    return Origin(image, state)


def _table(start: Start) -> tuple[Category, ...]:
    return tuple(
        Category(int(id_), f"category {id_}", "#808080") for id_ in np.unique(start.labels) if id_
    )


def _labels(mosaic: Mosaic | None, image: Image) -> Labels:
    """What is shown; nothing where a plane failed."""
    return np.zeros(image.shape, np.int32) if mosaic is None else mosaic.array


def _segmenter(seed: int) -> Segmenter:
    return seeded(make_segmenter("diffcluster"), seed)


def _player(image: Image, seed: int, device: str) -> SegmenterPlayer:
    """Our engine after the unsupervised run that the window begins with."""
    player = SegmenterPlayer(_segmenter(seed), image, device=device)
    player.open()
    return player
