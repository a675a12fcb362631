"""How soon each label wins: so that outlines come to lie on the contours of the image.

Where a label is likely is learned from few strokes well enough; from how much on it should win is
not, and a stroke on something unusual moves that for the whole image. The image knows: at the
right threshold the outline runs along contours, at a wrong one across plain regions. So for every
threshold the mean barrier along the outline is found, all of them in one pass: a pair of
neighbours is cut by the thresholds between its two values.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from unseg_studio.features.lazy_torch import torch
from unseg_studio.refinement.propagation import Grid

Numbers = NDArray[np.float64]
Steps = NDArray[np.int16]

REACH = 2.0
"""Thresholds are looked for within so many standard deviations of a label's lead."""

THRESHOLDS = np.linspace(-REACH, REACH, 61)

RELUCTANCE, PER_LABEL = 1.5, 2.0
"""What a threshold one deviation away costs, as a barrier, for two labels; it grows with this
power of K / 2, since the more labels there are, the more their balance is told by the strokes."""

OBEDIENCE = 8.0
"""What it costs if all scribbled pixels of a label are on the wrong side: as much as the highest
barrier, so that no contour is worth a stroke."""

STRIDE = 2
"""Pairs in every second row and column are enough to know the mean."""

FREE_PAIRS = 100
"""Pairs without a barrier that are added to each outline, so that a tiny one does not win."""

MOST_LABELS = 24
"""With more of them the reluctance leaves nothing to be found."""


def balanced(posterior: torch.Tensor, seeds: NDArray[np.int32], grid: Grid) -> torch.Tensor:
    """Raise or lower each label everywhere, so that its outline lies on contours.

    Parameters
    ----------
    posterior : Tensor, (K, h, w) float32
        Probabilities of each label; K at least 2.
    seeds : ndarray, (h, w) int32
        Index of the label that is scribbled at a pixel, -1 where none is.
    grid : Grid
        Edges of the image; a weight's negative logarithm is the barrier of its pair.

    Returns
    -------
    Tensor, (K, h, w) float32
        Probabilities; they sum to 1 at each pixel.
    """
    n_labels = len(posterior)
    if n_labels > MOST_LABELS:
        return posterior
    known = posterior.clamp_min(1e-6).log()
    leads = _leads(known).numpy()
    spread = leads.std(axis=(1, 2), dtype=np.float64) + 1e-6
    steps = _steps(leads / spread[:, None, None])
    gain = _mean_barriers(steps, grid) - OBEDIENCE * _disobedience(steps, seeds)
    gain -= RELUCTANCE * (n_labels / 2) ** PER_LABEL * THRESHOLDS**2
    best = THRESHOLDS[gain.argmax(axis=1)] * spread
    # Of two labels each takes half of the way, since the other one moves as well.
    offsets = torch.from_numpy(best * (1 - 1 / n_labels)).to(known.dtype)
    return (known - offsets[:, None, None]).softmax(dim=0)


def _leads(known: torch.Tensor) -> torch.Tensor:
    """By how much each label is ahead of the best other one, (K, h, w)."""
    first, second = known[0], torch.full_like(known[0], -torch.inf)
    for plane in known[1:]:  # much quicker than topk along the first axis
        second = torch.maximum(second, torch.minimum(first, plane))
        first = torch.maximum(first, plane)
    return known - torch.where(known == first, second, first)


def _steps(leads: NDArray[np.float32]) -> Steps:
    """How many of the thresholds each lead passes, (K, h, w)."""
    pace = (len(THRESHOLDS) - 1) / (2 * REACH)
    return np.asarray(np.ceil((leads + REACH) * pace).clip(0, len(THRESHOLDS)), np.int16)


def _mean_barriers(steps: Steps, grid: Grid) -> Numbers:
    """Along the outline of each label at each threshold, (K, thresholds)."""
    right, down = grid.barriers
    rows, cols = steps[:, ::STRIDE], steps[:, :, ::STRIDE]
    barriers, pairs = np.add(
        _cuts(rows[:, :, :-1], rows[:, :, 1:], right[::STRIDE]),
        _cuts(cols[:, :-1], cols[:, 1:], down[:, ::STRIDE]),
    )
    return np.asarray(barriers / (pairs + FREE_PAIRS))


def _cuts(one: Steps, other: Steps, barrier: NDArray[np.float32]) -> Numbers:
    """Sum of barriers, and number, of the pairs that each threshold cuts, (2, K, thresholds)."""
    n_labels, n_bins = len(one), len(THRESHOLDS) + 1
    cut = np.flatnonzero(one != other)
    label, place = np.divmod(cut, barrier.size)
    weight, first = barrier.ravel()[place], label * n_bins
    one, other = one.ravel()[cut], other.ravel()[cut]
    begins, ends = first + np.minimum(one, other), first + np.maximum(one, other)
    changes = [
        np.bincount(begins, each, n_labels * n_bins) - np.bincount(ends, each, n_labels * n_bins)
        for each in (weight, None)
    ]
    return np.reshape(changes, (2, n_labels, n_bins)).cumsum(axis=2)[:, :, :-1]


def _disobedience(steps: Steps, seeds: NDArray[np.int32]) -> Numbers:
    """Share of the seeds of a label, and of the others', on the wrong side, (K, thresholds)."""
    n_labels, n_bins = len(steps), len(THRESHOLDS) + 1
    marked = seeds >= 0
    labels, values = seeds[marked], steps[:, marked]
    every = np.arange(n_labels)[:, None] * n_bins + values
    own = every[labels, np.arange(labels.size)]
    all_, own_ = (
        np.bincount(bins.ravel(), minlength=n_labels * n_bins).reshape(n_labels, n_bins)
        for bins in (every, own)
    )
    return _share_below(own_) + 1 - _share_below(all_ - own_)


def _share_below(counts: NDArray[np.int64]) -> Numbers:
    """Of what is counted in the bins of each label: how much passes no further, 0 to 1."""
    return np.asarray(counts.cumsum(axis=1)[:, :-1] / counts.sum(axis=1, keepdims=True).clip(1))
