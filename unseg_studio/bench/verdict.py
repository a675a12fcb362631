"""What our best segmenter must reach, and whether it does, in sentences."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from unseg_studio.bench.game import ROUNDS
from unseg_studio.bench.scores import Score, by_set, lead

PHOTOGRAPHS = ("bsds500_test", "grabcut", "voc_fgbg", "camvid")

MARGINS: dict[str, float] = {
    "bsds500_test": 0.08,
    "grabcut": 0.08,
    "voc_fgbg": 0.10,
    "camvid": 0.13,
    "dsb2018_histology": 0.08,
    "dsb2018_fluo": 0.02,
    "dsb2018_brightfield": 0.02,
    "em_isbi2012": 0.02,
    "em_vnc_sstem": 0.02,
}
"""Set -> mean IoU over the rounds that is wanted above its best baseline; any other set: 0."""

FIRST_MARGIN = 0.10
"""Wanted on photographs after one stroke for every category."""

STROKES_SET, STROKES_IOU, STROKES_RIVAL = "grabcut", 0.90, "random_walker"
"""Half of this rival's strokes must be enough there."""

ENOUGH = 0.5
"""Share of a set's images that a baseline must have played to be compared with."""


@dataclass(frozen=True)
class Finding:
    """One demand.

    Parameters
    ----------
    what : str
        The set and what is compared.
    reached, wanted : float
        IoU above the baseline.
    rival : str
        The baseline, the one that comes closest or wins.
    """

    what: str
    reached: float
    wanted: float
    rival: str

    @property
    def is_kept(self) -> bool:
        """Whether the demand is met."""
        return self.reached >= self.wanted

    def __str__(self) -> str:
        return f"{self.what} {self.reached:+.3f} to {self.rival} (wanted {self.wanted:+.2f})"


def verdict(scores: Collection[Score], ours: Collection[str], *, rounds: int) -> Iterator[str]:
    """Say which margins are kept.

    Parameters
    ----------
    scores : collection of Score
        Of a whole run.
    ours : collection of str
        Names of the program's own methods; the other ones are baselines.
    rounds : int
        How many were played.
    """
    best = best_of(scores, ours)
    if rounds != ROUNDS:
        yield f"The margins hold for {ROUNDS} rounds, so they are not judged after {rounds}."
        return
    found = [] if best is None else [*findings(scores, best, ours)]
    if not found:
        yield "The margins are not judged: they need one of our segmenters and a baseline."
        return
    yield f"Our best segmenter is {best}; mean IoU above the best baseline:"
    for kept, start in ((True, "Kept"), (False, "Not kept")):
        if named := [str(finding) for finding in found if finding.is_kept is kept]:
            yield f"{start}: {'; '.join(named)}."
    if best is not None:
        yield from _strokes(scores, best)


def best_of(scores: Iterable[Score], ours: Collection[str]) -> str | None:
    """Which of our segmenters is best, on the mean over all sets: one for all of them."""
    means: dict[str, list[float]] = {}
    for score in scores:
        if score.method in ours and not math.isnan(score.mean):
            means.setdefault(score.method, []).append(score.mean)
    return max(means, key=lambda name: float(np.mean(means[name])), default=None)


def findings(scores: Iterable[Score], best: str, ours: Collection[str]) -> Iterator[Finding]:
    """Every margin that these scores can be held against, set by set."""
    for set_, group in by_set(scores).items():
        n_images = max(len(score.games) for score in group)
        rivals = [
            score
            for score in group
            if score.method not in ours and len(score.complete) >= ENOUGH * n_images
        ]
        for score in (score for score in group if score.method == best):
            met = [rival for rival in rivals if not math.isnan(lead(score, rival))]
            if met:
                yield _finding(set_, score, met, MARGINS.get(set_, 0.0))
                if set_ in PHOTOGRAPHS:
                    yield _finding(f"{set_} round 0", score, met, FIRST_MARGIN, round=0)


def _finding(
    what: str, score: Score, rivals: list[Score], wanted: float, *, round: int | None = None
) -> Finding:
    leads = {rival.method: lead(score, rival, round=round) for rival in rivals}
    rival = min(leads, key=lambda name: leads[name])
    return Finding(what, leads[rival], wanted, rival)


def _strokes(scores: Iterable[Score], best: str) -> Iterator[str]:
    there = {score.method: score for score in scores if score.set == STROKES_SET}
    if best not in there or STROKES_RIVAL not in there:
        return
    ours, theirs = (there[name].reach(STROKES_IOU).mean for name in (best, STROKES_RIVAL))
    kept = "kept" if ours < theirs / 2 else "not kept"
    yield (
        f"Strokes to {STROKES_IOU:.2f} on {STROKES_SET}: {ours:.1f} beside {theirs:.1f} of "
        f"{STROKES_RIVAL}, fewer than half are wanted: {kept}."
    )
