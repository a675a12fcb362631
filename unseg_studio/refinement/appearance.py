"""What the strokes look like: small classifiers on features of the image, taught by every stroke.

This is the scribble loss of DiffCluster (W. Kim, A. Kanezaki, M. Tanaka, IEEE TIP 29, 2020) with
the paper's feature extractor exchanged, as it allows: instead of a convolutional network from
scratch, fixed features and a linear layer on top, so that a stroke costs milliseconds. The other
two losses are there as well. Similarity: unmarked pixels teach the labels that they have been
given, as in the paper's own loop. Continuity: these labels come from the random walk, so they
change where the image does.

There are several views of the image (see `Guide.views`), each with its own classifier; their
log-probabilities are averaged. Kernels among the views make a classifier say little about what
resembles no stroke; there the walk decides.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unseg_studio.features.halves import halved
from unseg_studio.features.lazy_torch import torch

RIDGE = 2e-2
"""Weight decay: how much evidence a feature needs before it counts."""

FIRST_STEPS, MORE_STEPS, MOST_STEPS = 12, 8, 40
"""Steps of a classifier that begins from nothing, of one that has been taught before, and of one
that nobody waits for."""

MOST_SEEDS = 600
"""Scribbled pixels that are looked at; more say nothing new."""

N_UNMARKED = 800
"""Unmarked pixels that teach what they have been given."""

UNMARKED_WEIGHT = 2.0
"""Of all unmarked pixels together, against 1 for all scribbled ones."""

EARLIER_STEP = 64
"""One of so many pixels teaches what was shown there before the newest strokes."""

N_SHOWN = 2500
"""Pixels of a finished plane that teach what is shown there."""

SHOWN_WEIGHT = 2.0
"""Of all of them together, against 1 for all scribbled ones."""

CONFIDENCE = 3.0
"""Probabilities are raised to this power before unmarked pixels teach them."""

LEAST = -9.2
"""Log-probability below which a view does not go, so that none can forbid a label alone."""

SEED = 0


@dataclass(frozen=True, eq=False)
class Lesson:
    """Pixels and what they should be.

    Parameters
    ----------
    pixels : Tensor, (N,) int64
        Index into the raveled plane.
    targets : Tensor, (K, N) float32
        Probabilities; they sum to 1.
    weights : Tensor, (N,) float32
        How much each pixel counts, > 0.
    """

    pixels: torch.Tensor
    targets: torch.Tensor
    weights: torch.Tensor

    @classmethod
    def of_seeds(cls, seeds: NDArray[np.int32], n_labels: int) -> Lesson:
        """What was scribbled: (h, w) index of the label, -1 where there is none."""
        plane = seeds.ravel()
        marked = np.flatnonzero(plane >= 0)
        if len(marked) > MOST_SEEDS:
            # Of each label apart, so that a single pixel is not left out for a large area.
            step = 1 + len(marked) // MOST_SEEDS
            places = [np.flatnonzero(plane == label)[::step] for label in range(n_labels)]
            marked = np.concatenate(places)
        labels = torch.from_numpy(plane[marked]).long()
        targets = torch.nn.functional.one_hot(labels, n_labels).T.float()
        return cls(torch.from_numpy(marked), targets, _balanced(targets, torch.ones(len(marked))))

    @classmethod
    def of_posterior(cls, posterior: torch.Tensor) -> Lesson:
        """What a sample of the pixels has been given, (K, h, w); what is clear counts more."""
        n_labels = len(posterior)
        planes = posterior.reshape(n_labels, -1)
        order = np.random.default_rng(SEED).permutation(planes.shape[1])[:N_UNMARKED]
        pixels = torch.from_numpy(order)
        sharp = planes[:, pixels] ** CONFIDENCE
        targets = sharp / sharp.sum(dim=0)
        clear = (targets.amax(dim=0) * n_labels - 1) / (n_labels - 1)
        return cls(pixels, targets, UNMARKED_WEIGHT * _balanced(targets, clear + 1e-6))

    @classmethod
    def of_labels(cls, labels: NDArray[np.int32], n_labels: int) -> Lesson:
        """What a sample of the pixels of a plane is called: (h, w) index, -1 where it is not."""
        plane = labels.ravel()
        order = np.random.default_rng(SEED).permutation(plane.size)
        pixels = torch.from_numpy(order[plane[order] >= 0][: 1 + plane.size // EARLIER_STEP])
        called = torch.from_numpy(plane)[pixels].long()
        targets = torch.nn.functional.one_hot(called, n_labels).T.float()
        return cls(pixels, targets, UNMARKED_WEIGHT * _balanced(targets, torch.ones(len(pixels))))

    @classmethod
    def of_shown(cls, shares: torch.Tensor) -> Lesson:
        """What is shown at a sample of the pixels of a finished plane: (K, h, w) shares."""
        planes = shares.reshape(len(shares), -1)
        order = np.random.default_rng(SEED).permutation(planes.shape[1])[:N_SHOWN]
        pixels = torch.from_numpy(order)
        targets = planes[:, pixels]
        return cls(pixels, targets, SHOWN_WEIGHT * _balanced(targets, torch.ones(len(order))))

    def and_(self, other: Lesson) -> Lesson:
        """Both lessons."""
        return Lesson(
            torch.cat([self.pixels, other.pixels]),
            torch.cat([self.targets, other.targets], dim=1),
            torch.cat([self.weights, other.weights]),
        )


def _balanced(targets: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Weights that sum to 1, raised where a label is rare.

    Two labels count the same, however much is drawn of each. The more labels there are, the more
    the length of the strokes tells of how common each is, and the less it is balanced: the
    exponent is the square of 2 / K.
    """
    mass = (targets * weights).sum(dim=1).clamp_min(1e-2)
    rarity = (targets * mass[:, None] ** -((2 / len(targets)) ** 2)).sum(dim=0)
    return weights * rarity / (weights * rarity).sum()


@dataclass(frozen=True, eq=False)
class Classifiers:
    """One multinomial logistic regression for each view: (V, K, F) float32."""

    weights: torch.Tensor

    def posterior(self, views: torch.Tensor) -> torch.Tensor:
        """Probabilities of (V, N, F) pixels: (K, N) float32."""
        return halved(
            lambda part: self._posterior(views[:, part]),
            views.shape[1],
            dim=1,
            is_shared=not views.is_cuda,
        )

    def _posterior(self, views: torch.Tensor) -> torch.Tensor:
        # A tall matrix times a narrow one is much quicker than the other way round.
        logits = (views @ self.weights.mT).mT.contiguous()
        known = torch.log_softmax(logits, dim=1).clamp_min(LEAST)
        return known.mean(dim=0).softmax(dim=0)


def taught(
    views: torch.Tensor,
    lesson: Lesson,
    before: Classifiers | None = None,
    *,
    steps: int | None = None,
) -> Classifiers:
    """Teach the classifiers a lesson.

    Accelerated gradient steps with a fixed bound of the curvature (D. Böhning, Annals of the
    Institute of Statistical Mathematics 44, 1992), so that one small matrix is inverted for each
    view, whatever the number of labels.

    Parameters
    ----------
    views : Tensor, (V, h * w, F) float32
        Features of every pixel; one of them is constant.
    lesson : Lesson
        What to learn.
    before : Classifiers or None
        Where to begin.
    steps : int or None
        How many; None: `FIRST_STEPS` or `MORE_STEPS`.
    """
    if steps is None:
        steps = FIRST_STEPS if before is None else MORE_STEPS
    shape = (len(views), len(lesson.targets), views.shape[2])
    start = torch.zeros(shape) if before is None else before.weights
    weights = halved(
        lambda some: _learned(views[some, lesson.pixels], lesson, start[some], steps), len(views)
    )
    return Classifiers(weights)


def _learned(
    samples: torch.Tensor, lesson: Lesson, start: torch.Tensor, steps: int
) -> torch.Tensor:
    """Weights of the classifiers of some views, whose (V, M, F) `samples` the lesson is about."""
    weighted = samples * lesson.weights[:, None]
    curvature = 0.5 * weighted.mT @ samples + RIDGE * torch.eye(samples.shape[2])
    step = torch.cholesky_inverse(torch.linalg.cholesky(curvature))
    weights = ahead = start
    pace = 1.0
    for _ in range(steps):
        error = torch.softmax(ahead @ samples.mT, dim=1) - lesson.targets
        further = ahead - (error @ weighted + RIDGE * ahead) @ step
        quicker = (1 + (1 + 4 * pace * pace) ** 0.5) / 2
        ahead = further + ((pace - 1) / quicker) * (further - weights)
        weights, pace = further, quicker
    return weights
