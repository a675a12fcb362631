"""From one plane of a stack to the others: what labels look like, and where they were.

On a finished plane the classifiers of the scribbles (see `appearance`) are taught by all that is
shown there, in full instead of by a few strokes. On another plane they are applied as they are: its
features are standardised by the finished one's, so that what looks alike has the same features
even where more or less of it is there. The labels of the plane before, moved along with the image,
have a say as well: the more, the more they agree with what the classifiers see. A random walk on
the plane's own contours makes the answer. Errors do not add up along a stack, since appearance is
always that of the finished plane.

Measured over eight sequences (`unseg-studio bench carry`) with the origin at the start and in the
middle, as mean IoU: standardising by the origin gains .010, the labels before .002, the heavier
prior .007. Teaching the classifiers further on each target loses .019, so it is not done. Where the
origin has clusters only, which are told apart by the category that they mostly cover there, this
has .541, DiffCluster's network with its weights as they are .533, and that network trained on from
there on each target, its clusters matched by overlap, .512: what is learned on a target drifts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unseg_studio.features.lazy_torch import torch
from unseg_studio.refinement.appearance import MOST_STEPS, Classifiers, Lesson, taught
from unseg_studio.refinement.balance import balanced
from unseg_studio.refinement.guide import Guide, Standard
from unseg_studio.refinement.motion import Grey, followed, grey_of
from unseg_studio.refinement.propagation import propagate

Shares = NDArray[np.float32]

GAMMA = 0.05
"""Weight of the prior against the edges: more than beside a few strokes, since it knows more."""

CHANCE = 0.5
"""Mean IoU with what the classifiers see, at and below which the labels of the plane before have no
say; at 1 they have as much."""

SOFTENING = 0.1
"""Share of every label that may be anywhere, whatever was there before."""

LEAST = 1e-5


@dataclass(frozen=True, eq=False)
class Knowledge:
    """What the labels of a finished plane look like; small, so that it may be kept.

    Parameters
    ----------
    classifiers : Classifiers
        Of features that are standardised by `standard`.
    standard : Standard
        The finished plane's.
    """

    classifiers: Classifiers
    standard: Standard


@dataclass(frozen=True, eq=False)
class Trace:
    """What a plane leaves for the next one; small, too.

    Parameters
    ----------
    grey : ndarray, (h, w) uint8
        See `motion.grey_of`.
    shares : ndarray, (K, h, w) float32
        Of each label, on the working plane.
    """

    grey: Grey
    shares: Shares

    @classmethod
    def of(cls, guide: Guide, shares: Shares) -> Trace:
        """That of a finished plane."""
        return cls(grey_of(guide.rgb), shares)


@dataclass(frozen=True, eq=False)
class Example:
    """A finished plane.

    Parameters
    ----------
    guide : Guide
        The plane.
    shares : ndarray, (K, h, w) float32
        How much each label has of each pixel of the working plane; they sum to 1.
    seeds : ndarray, (h, w) int32
        Index of the label that is scribbled there, -1 where none is.
    """

    guide: Guide
    shares: Shares
    seeds: NDArray[np.int32]

    @property
    def lesson(self) -> Lesson:
        """What is shown, and what was scribbled."""
        shown = Lesson.of_shown(torch.from_numpy(self.shares))
        if not (self.seeds >= 0).any():
            return shown
        return Lesson.of_seeds(self.seeds, len(self.shares)).and_(shown)


def learned(examples: Sequence[Example]) -> Knowledge:
    """Learn from finished planes with the same labels; all but the first are `like` the first."""
    lessons = [example.lesson for example in examples]
    samples = [e.guide.views_at(s.pixels) for e, s in zip(examples, lessons, strict=True)]
    together = Lesson(
        torch.arange(sum(len(lesson.pixels) for lesson in lessons)),
        torch.cat([lesson.targets for lesson in lessons], dim=1),
        torch.cat([lesson.weights for lesson in lessons]) / len(lessons),
    )
    classifiers = taught(torch.cat(samples, dim=1), together, steps=MOST_STEPS)
    return Knowledge(classifiers, examples[0].guide.standard)


def recognised(knowledge: Knowledge, guide: Guide, before: Trace | None) -> torch.Tensor:
    """Label another plane.

    Parameters
    ----------
    knowledge : Knowledge
        Of the plane to carry from.
    guide : Guide
        The plane to carry to, whose `like` is the standard of that knowledge.
    before : Trace or None
        Of the plane beside it; None: there is none.

    Returns
    -------
    Tensor, (K, h, w) float32
        Probabilities of each label; they sum to 1 at each pixel.
    """
    parts = map(knowledge.classifiers.posterior, guide.parts_of_views())
    prior = torch.cat([*parts], dim=1).reshape(-1, *guide.shape)
    if len(prior) == 1:
        return prior
    if before is not None:
        prior = _reminded(prior, followed(before.shares, before.grey, grey_of(guide.rgb)))
    free = np.full(guide.shape, -1, np.int32)
    return propagate(balanced(prior, free, guide.grid), free, guide.grid, gamma=GAMMA)


def _reminded(prior: torch.Tensor, moved: Shares) -> torch.Tensor:
    """The prior and the labels before, which are trusted as far as they agree with it."""
    there = torch.from_numpy(moved)
    trust = max(0.0, (agreement(prior, there) - CHANCE) / (1 - CHANCE))
    softened = (1 - SOFTENING) * there + SOFTENING / len(there)
    return (prior.clamp_min(LEAST).log() + trust * softened.log()).softmax(dim=0)


def agreement(one: torch.Tensor, other: torch.Tensor) -> float:
    """Mean IoU of the labels that win in (K, h, w) planes and in others, over those that occur."""
    n_labels = len(one)
    pairs = (one.argmax(dim=0) * n_labels + other.argmax(dim=0)).ravel()
    counts = torch.bincount(pairs, minlength=n_labels**2).reshape(n_labels, n_labels)
    both, either = counts.diag(), counts.sum(dim=0) + counts.sum(dim=1) - counts.diag()
    return float((both[either > 0] / either[either > 0]).mean())
