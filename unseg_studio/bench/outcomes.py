"""What one method reached on one image without labels: a line of the file, and how lines add up."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from unseg_studio.bench.dividing import Proposal
from unseg_studio.bench.partition_scores import bsds_scores, connected_parts
from unseg_studio.bench.region_scores import (
    foreground_iou,
    hungarian_iou,
    is_localised,
    matched_iou,
)
from unseg_studio.bench.scores import Times
from unseg_studio.bench.sets import Annotated


@dataclass(frozen=True)
class Outcome:
    """A line of the file; NaN where something does not apply to the set.

    Parameters
    ----------
    set, image, method : str
        What was run.
    seed : int
        Of the random numbers.
    n_labels, n_parts : int
        Ids in the labels, and connected parts of them.
    seconds, peak_mib : float
        What it took; NaN where nobody knows.
    all, fine, coarse : float
        Mean best IoU of the image's true segments; see `partition_scores`.
    n_all, n_fine, n_coarse : int
        How many those are: `all` of each image weighs as many in the mean over a set.
    n_annotations : int
        How many people divided the image.
    covering, variation_of_information, adjusted_rand : float
        Means over those people.
    foreground_iou, localised : float
        Of the object; `localised` is 0 or 1.
    matched_iou, hungarian_iou : float
        Of categories, with clusters named by the truth.
    note : str
        Why there is no score.
    """

    set: str
    image: str
    method: str
    seed: int
    n_labels: int = 0
    n_parts: int = 0
    seconds: float = math.nan
    peak_mib: float = math.nan
    all: float = math.nan
    fine: float = math.nan
    coarse: float = math.nan
    n_all: int = 0
    n_fine: int = 0
    n_coarse: int = 0
    n_annotations: int = 0
    covering: float = math.nan
    variation_of_information: float = math.nan
    adjusted_rand: float = math.nan
    foreground_iou: float = math.nan
    localised: float = math.nan
    matched_iou: float = math.nan
    hungarian_iou: float = math.nan
    note: str = ""


@dataclass(frozen=True)
class Measure:
    """A column of the tables.

    Parameters
    ----------
    name : str
        Field of `Outcome`.
    title : str
        As tables call it.
    weight : str
        Field that says how much an image weighs; empty: all alike.
    less_is_better : bool
        As it says.
    """

    name: str
    title: str
    weight: str = ""
    less_is_better: bool = False


MEASURES: dict[str, tuple[Measure, ...]] = {
    "region": (
        Measure("all", "all", "n_all"),
        Measure("fine", "fine", "n_fine"),
        Measure("coarse", "coarse", "n_coarse"),
        Measure("covering", "covering"),
        Measure("variation_of_information", "VI (bits)", less_is_better=True),
        Measure("adjusted_rand", "ARI"),
    ),
    "fg-bg": (Measure("foreground_iou", "object IoU"), Measure("localised", "CorLoc")),
    "semantic": (
        Measure("matched_iou", "mIoU, each its best"),
        Measure("hungarian_iou", "mIoU, one to one"),
    ),
}
"""Kind of a set -> what is measured on it, the most important first."""


def scored(outcome: Outcome, case: Annotated, kind: str, *, proposal: Proposal) -> Outcome:
    """The outcome with the scores that belong to a kind of set."""
    counted = replace(
        outcome,
        n_labels=len(np.unique(proposal.labels)),
        n_parts=int(connected_parts(proposal.labels).max()),
    )
    return _SCORERS[kind](counted, case, proposal)


def _score_regions(outcome: Outcome, case: Annotated, proposal: Proposal) -> Outcome:
    found = bsds_scores(proposal.labels, case.annotations)
    return replace(
        outcome,
        all=float(found.all.mean()),
        fine=float(found.fine.mean()),
        coarse=float(found.coarse.mean()),
        n_all=len(found.all),
        n_fine=len(found.fine),
        n_coarse=len(found.coarse),
        n_annotations=len(case.annotations),
        covering=found.covering,
        variation_of_information=found.variation_of_information,
        adjusted_rand=found.adjusted_rand,
    )


def _score_object(outcome: Outcome, case: Annotated, proposal: Proposal) -> Outcome:
    truth = case.annotations[0]
    return replace(
        outcome,
        foreground_iou=foreground_iou(truth, proposal.foreground),
        localised=float(is_localised(truth, proposal.foreground)),
    )


def _score_categories(outcome: Outcome, case: Annotated, proposal: Proposal) -> Outcome:
    truth = case.annotations[0]
    return replace(
        outcome,
        matched_iou=matched_iou(truth, proposal.labels),
        hungarian_iou=hungarian_iou(truth, proposal.labels),
    )


_SCORERS: dict[str, Callable[[Outcome, Annotated, Proposal], Outcome]] = {
    "region": _score_regions,
    "fg-bg": _score_object,
    "semantic": _score_categories,
}


@dataclass(frozen=True)
class Spread:
    """A mean over seeds and the deviation between them, NaN for one seed."""

    mean: float
    deviation: float


@dataclass(frozen=True)
class Result:
    """One method on one set.

    Parameters
    ----------
    set, method : str
        Whose.
    outcomes : tuple of Outcome
        Of all images and seeds.
    """

    set: str
    method: str
    outcomes: tuple[Outcome, ...]

    @cached_property
    def answered(self) -> tuple[Outcome, ...]:
        """Those with a score."""
        return tuple(outcome for outcome in self.outcomes if not outcome.note)

    @property
    def n_images(self) -> int:
        """Images that were run."""
        return len({outcome.image for outcome in self.outcomes})

    @property
    def n_answered(self) -> int:
        """Images on which every seed has a score."""
        return self.n_images - len({o.image for o in self.outcomes if o.note})

    @property
    def n_seeds(self) -> int:
        """How many seeds were run."""
        return len({outcome.seed for outcome in self.outcomes})

    def value(self, measure: Measure) -> Spread:
        """The set's value for each seed, then mean and deviation of those."""
        seeds = sorted({outcome.seed for outcome in self.answered})
        values = [
            _mean([o for o in self.answered if o.seed == seed], measure.name, measure.weight)
            for seed in seeds
        ]
        deviation = float(np.std(values, ddof=1)) if len(values) > 1 else math.nan
        return Spread(float(np.mean(values)) if values else math.nan, deviation)

    def mean(self, name: str) -> float:
        """Mean of a field over images and seeds."""
        return _mean(self.answered, name)

    @property
    def follows(self) -> float:
        """Rank correlation over images of the number of labels with that of true segments.

        NaN where either is the same for all images.
        """
        from scipy.stats import spearmanr

        pairs = np.array([(o.n_labels, o.n_all / max(1, o.n_annotations)) for o in self.answered])
        if len(pairs) < 3 or (pairs == pairs[0]).all(axis=0).any():
            return math.nan
        return float(spearmanr(*pairs.T).statistic)

    @property
    def seconds(self) -> Times:
        """For an image."""
        return Times.of(outcome.seconds for outcome in self.answered)

    @property
    def peak_mib(self) -> float:
        """Most memory, NaN where nobody knows."""
        peaks = [o.peak_mib for o in self.answered if not math.isnan(o.peak_mib)]
        return max(peaks, default=math.nan)

    @property
    def notes(self) -> dict[str, int]:
        """Why there is no score, and how often for that reason."""
        notes = sorted(outcome.note for outcome in self.outcomes if outcome.note)
        return {note: notes.count(note) for note in dict.fromkeys(notes)}


def results_of(outcomes: Iterable[Outcome]) -> list[Result]:
    """A result for each method on each set, in the order in which they were run."""
    groups: dict[tuple[str, str], list[Outcome]] = {}
    for outcome in outcomes:
        groups.setdefault((outcome.set, outcome.method), []).append(outcome)
    return [Result(*key, tuple(group)) for key, group in groups.items()]


def _mean(outcomes: Sequence[Outcome], name: str, weight: str = "") -> float:
    if not outcomes:
        return math.nan
    values = [getattr(outcome, name) for outcome in outcomes]
    weights = [getattr(outcome, weight) for outcome in outcomes] if weight else None
    return float(np.average(values, weights=weights))
