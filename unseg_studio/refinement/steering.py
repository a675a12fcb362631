"""From scribbles of every label to probabilities at each pixel: soon, and then better."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from unseg_studio.features.lazy_torch import torch
from unseg_studio.refinement.appearance import Classifiers, Lesson, taught
from unseg_studio.refinement.balance import balanced
from unseg_studio.refinement.guide import Guide
from unseg_studio.refinement.propagation import Grid, doubled, propagate

Plane = NDArray[np.int32]
Planes = Callable[[tuple[int, int]], Plane]

N_LESSONS = 2
"""How often unmarked pixels teach what they have been given before an answer is final."""

MOST_TAKEN = 2
"""Times as many pixels of a label's strokes others may have taken from it, and it still teaches:
of an answer that is mostly wrong each correction would have to undo the lesson of the whole."""

FEW_LABELS = 4
"""Beyond so many, the first answer on the working plane is the enlarged small one, and one lesson
less is enough where an earlier answer has taught: thin things lose a little by it, and the time
that every label costs is saved."""


def steered(
    seeds: Planes, n_labels: int, guide: Guide, *, earlier: Planes | None = None
) -> Iterator[torch.Tensor]:
    """Learn what the strokes look like, and let it walk; then learn from the answer, too.

    Whoever corrects one place has seen the others and let them pass. So where an answer to fewer
    strokes is known, it teaches first, along with the strokes; but not those of its labels that
    the strokes contradict, see `MOST_TAKEN`.

    Parameters
    ----------
    seeds : callable
        Shape (h, w) of a plane -> (h, w) int32: index of the label that is scribbled at a pixel,
        -1 where none is.
    n_labels : int
        K, at least 2; each has a scribble.
    guide : Guide
        The image.
    earlier : callable or None
        The same of the label that was shown at a pixel before the newest strokes; None: nobody
        knows.

    Yields
    ------
    Tensor, (K, h, w) float32
        Probabilities: first on the plane of 2 x 2 blocks, taught by the strokes and the earlier
        answer, then on the working plane, taught by unmarked pixels as well.
    """
    grid, views = guide.halved
    small = seeds(grid.shape)
    classifiers = taught(views, _first_lesson(small, n_labels, earlier))
    posterior = _walked(classifiers, views, small, grid)
    yield posterior
    grid, views = guide.grid, guide.views
    whole = seeds(grid.shape)
    drawn = Lesson.of_seeds(whole, n_labels)
    posterior = doubled(posterior, grid.shape)
    are_few = n_labels <= FEW_LABELS
    if are_few:
        classifiers = taught(views, _first_lesson(whole, n_labels, earlier), classifiers)
        posterior = _walked(classifiers, views, whole, grid)
    for _ in range(N_LESSONS if are_few or earlier is None else N_LESSONS - 1):
        classifiers = taught(views, drawn.and_(Lesson.of_posterior(posterior)), classifiers)
        posterior = _walked(classifiers, views, whole, grid)
    yield posterior


def _first_lesson(seeds: Plane, n_labels: int, earlier: Planes | None) -> Lesson:
    """What is scribbled, and what of the earlier answer is to be trusted."""
    drawn = Lesson.of_seeds(seeds, n_labels)
    if earlier is None:
        return drawn
    shown = _trusted(earlier((seeds.shape[0], seeds.shape[1])), seeds, n_labels)
    return drawn.and_(Lesson.of_labels(shown, n_labels))


def _trusted(shown: Plane, seeds: Plane, n_labels: int) -> Plane:
    """The labels that were shown, -1 for those that the strokes contradict; see `MOST_TAKEN`."""
    marked = (seeds >= 0) & (shown >= 0)
    before, now = shown[marked], seeds[marked]
    given = np.bincount(now[now == before], minlength=n_labels)
    taken = np.bincount(before[now != before], minlength=n_labels)
    return np.where((taken > MOST_TAKEN * given)[np.maximum(shown, 0)], np.int32(-1), shown)


def _walked(
    classifiers: Classifiers, views: torch.Tensor, seeds: Plane, grid: Grid
) -> torch.Tensor:
    prior = classifiers.posterior(views).reshape(-1, *grid.shape)
    return propagate(balanced(prior, seeds, grid), seeds, grid)
