"""From turns to the figures of a table: one `Score` for each method on each set."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby, pairwise

import numpy as np
from numpy.typing import NDArray

from unseg_studio.bench.game import Turn

GOOD = (0.85, 0.90)
"""Scores whose cost in strokes is told."""

SETBACK = 0.03
"""A stroke after which the score is lower by more than this has made it worse."""


@dataclass(frozen=True)
class Game:
    """What one method did on one image, in the order of the rounds."""

    turns: tuple[Turn, ...]

    @property
    def image(self) -> str:
        """The image's name."""
        return self.turns[0].image

    @property
    def is_complete(self) -> bool:
        """Every round has a score."""
        return not any(math.isnan(turn.iou) for turn in self.turns)

    @property
    def note(self) -> str:
        """Why there is no score, empty where there is one."""
        return next((turn.note for turn in self.turns if turn.note), "")

    @property
    def mean(self) -> float:
        """Mean IoU over the rounds, NaN for an incomplete game."""
        return float(np.mean([turn.iou for turn in self.turns]))

    def strokes_to(self, iou: float) -> int | None:
        """Strokes after which the score was reached first, None where it was not."""
        return next((turn.strokes for turn in self.turns if turn.iou >= iou), None)

    @property
    def too_many(self) -> int:
        """What a score that was not reached costs: one stroke more than there could be."""
        return self.turns[0].strokes + len(self.turns)


@dataclass(frozen=True)
class Reach:
    """How many strokes a score took.

    Parameters
    ----------
    median, mean : float
        Over the images; where it was not reached, one stroke more than there could be counts, and
        a median of such is infinite.
    share : float
        Of the images on which it was reached.
    """

    median: float
    mean: float
    share: float


@dataclass(frozen=True)
class Times:
    """Percentiles of seconds; NaN where nothing was measured."""

    p50: float
    p95: float

    @classmethod
    def of(cls, seconds: Iterable[float]) -> Times:
        """Of the values that are no NaN."""
        known = [value for value in seconds if not math.isnan(value)]
        if not known:
            return cls(math.nan, math.nan)
        return cls(float(np.percentile(known, 50)), float(np.percentile(known, 95)))


@dataclass(frozen=True)
class Score:
    """One method on one set; scores are means over the images whose games are complete.

    Parameters
    ----------
    set, method : str
        Whose.
    games : tuple of Game
        All of them.
    """

    set: str
    method: str
    games: tuple[Game, ...]

    @cached_property
    def complete(self) -> tuple[Game, ...]:
        """The games in which the method always answered."""
        return tuple(game for game in self.games if game.is_complete)

    @property
    def per_round(self) -> NDArray[np.float64]:
        """Mean IoU after each round, (rounds,); NaN where no game is complete."""
        if not self.complete:
            return np.full(len(self.games[0].turns), math.nan)
        ious = np.array([[turn.iou for turn in game.turns] for game in self.complete])
        return np.asarray(ious.mean(axis=0))

    @property
    def mean(self) -> float:
        """Mean over the rounds."""
        return float(self.per_round.mean())

    @property
    def worse(self) -> float:
        """Share of the corrections that made it worse, NaN where there are none."""
        falls = [
            before.iou - after.iou
            for game in self.complete
            for before, after in pairwise(game.turns)
        ]
        return float(np.mean(np.array(falls) > SETBACK)) if falls else math.nan

    @property
    def notes(self) -> dict[str, int]:
        """Why games are incomplete, and how many are for that reason."""
        notes = sorted(game.note for game in self.games if game.note)
        return {note: len([*same]) for note, same in groupby(notes)}

    @property
    def opening(self) -> Times:
        """Seconds before the first stroke."""
        return Times.of(game.turns[0].opening_seconds for game in self.games)

    @property
    def first_update(self) -> Times:
        """Seconds of round 0."""
        return Times.of(game.turns[0].seconds for game in self.games)

    @property
    def later_update(self) -> Times:
        """Seconds of the other rounds."""
        return Times.of(turn.seconds for game in self.games for turn in game.turns[1:])

    @property
    def first_frame(self) -> Times:
        """Seconds of the other rounds until the first labels, for methods that show frames."""
        return Times.of(turn.first_frame_seconds for game in self.games for turn in game.turns[1:])

    @property
    def peak_mib(self) -> float:
        """Most memory, NaN where nobody knows."""
        peaks = [turn.peak_mib for game in self.games for turn in game.turns]
        return max((peak for peak in peaks if not math.isnan(peak)), default=math.nan)

    def reach(self, iou: float) -> Reach:
        """How many strokes it takes to a score; NaN where no game is complete."""
        if not self.complete:
            return Reach(math.nan, math.nan, math.nan)
        reached = [game.strokes_to(iou) for game in self.complete]
        counted = [n or game.too_many for n, game in zip(reached, self.complete, strict=True)]
        median = np.median([math.inf if n is None else n for n in reached])
        share = sum(n is not None for n in reached) / len(reached)
        return Reach(float(median), float(np.mean(counted)), share)


def scores_of(turns: Iterable[Turn]) -> list[Score]:
    """A score for each method on each set, in the order in which they were played."""
    sets: dict[tuple[str, str], dict[str, list[Turn]]] = {}
    for turn in turns:
        images = sets.setdefault((turn.set, turn.method), {})
        images.setdefault(turn.image, []).append(turn)
    return [
        Score(set_, method, tuple(Game(tuple(game)) for game in images.values()))
        for (set_, method), images in sets.items()
    ]


def by_set(scores: Iterable[Score]) -> dict[str, list[Score]]:
    """Set -> its scores."""
    sets: dict[str, list[Score]] = {}
    for score in scores:
        sets.setdefault(score.set, []).append(score)
    return sets


def lead(one: Score, other: Score, *, round: int | None = None) -> float:
    """By how much one score is above another, on the images that both played to the end.

    Parameters
    ----------
    one, other : Score
        Of the same set.
    round : int or None
        After this round; None: averaged over the rounds.

    Returns
    -------
    float
        NaN where they have no image in common.
    """
    theirs = {game.image: _value(game, round) for game in other.complete}
    ours = {game.image: _value(game, round) for game in one.complete if game.image in theirs}
    if not ours:
        return math.nan
    return float(np.mean([value - theirs[image] for image, value in ours.items()]))


def _value(game: Game, round_: int | None) -> float:
    return game.mean if round_ is None else game.turns[round_].iou
