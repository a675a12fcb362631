"""The game: the robot draws, a method answers, the score is written down; round after round."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from unseg_studio.bench.methods import Method, Player
from unseg_studio.bench.robot import categories_in, first_strokes, mean_iou, next_stroke
from unseg_studio.bench.sets import Case
from unseg_studio.data import Image

Labels = NDArray[np.int32]

ROUNDS = 7
"""One stroke for every category, then six corrections."""

HUMAN_ROUND = 0
"""The strokes of a person are played in one round."""


@dataclass(frozen=True, eq=False)
class Answer:
    """Labels, and what they cost.

    Parameters
    ----------
    labels : ndarray, (H, W) int32
        Category ids.
    seconds : float
        Until these labels.
    first_frame : float
        Seconds until the first labels, NaN where all come at once.
    peak_mib : float
        Most memory of the method's process while it played this image, NaN where nobody knows.
    """

    labels: Labels
    seconds: float
    first_frame: float = math.nan
    peak_mib: float = math.nan


class NoAnswerError(Exception):
    """A method failed or did not return; the message says which in a few words."""


class Opponent(Protocol):
    """Who answers: a method in this process or in one of its own."""

    def open(self, image: Image, ids: tuple[int, ...]) -> float:
        """Begin with an image; gives the seconds it took.

        Raises
        ------
        NoAnswerError
            If the method fails or does not return.
        """
        ...

    def update(self, scribbles: Labels) -> Answer:
        """Answer to all the strokes so far; raises as `open`."""
        ...


class Here:
    """A method in this process."""

    def __init__(self, method: Method) -> None:
        self._method = method
        self._player: Player | None = None

    def open(self, image: Image, ids: tuple[int, ...]) -> float:
        """See `Opponent.open`."""
        began = time.perf_counter()
        self._player = self._method.start(image, ids)
        return time.perf_counter() - began

    def update(self, scribbles: Labels) -> Answer:
        """See `Opponent.update`."""
        if self._player is None:
            raise NoAnswerError("no image is open")
        began = time.perf_counter()
        labels = self._player.update(scribbles)
        return Answer(labels, time.perf_counter() - began, self._player.first_frame)


@dataclass(frozen=True)
class Turn:
    """One round of one method on one image: a line of the file.

    Parameters
    ----------
    set, image, strokes_by, method : str
        What was played; `strokes_by` is "robot" or the folder of a person's strokes.
    round : int
        From 0.
    strokes : int
        Drawn so far, those of round 0 included.
    iou : float
        Mean over the categories of the image; NaN where there was no answer.
    seconds, first_frame_seconds : float
        Of this update; NaN where none was needed, since nothing was wrong any more.
    opening_seconds : float
        What the method did before the first stroke.
    peak_mib : float
        See `Answer`.
    note : str
        Why there is no score.
    """

    set: str
    image: str
    strokes_by: str
    method: str
    round: int
    strokes: int
    iou: float = math.nan
    seconds: float = math.nan
    first_frame_seconds: float = math.nan
    opening_seconds: float = math.nan
    peak_mib: float = math.nan
    note: str = ""


ROBOT = "robot"


def play(case: Case, method: str, opponent: Opponent, *, rounds: int = ROUNDS) -> Iterator[Turn]:
    """Play one image with the robot.

    Parameters
    ----------
    case : Case
        The image.
    method : str
        Name for the turns.
    opponent : Opponent
        Who answers.
    rounds : int
        How many. A method that has nothing wrong keeps its score for the rest of them, one that
        did not answer has none for the rest.

    Yields
    ------
    Turn
        One for each round.
    """
    turn = Turn(case.set, case.name, ROBOT, method, 0, len(categories_in(case.truth)))
    drawn = first_strokes(case.truth)
    try:
        turn = replace(turn, opening_seconds=_opened(case, opponent))
        for number in range(rounds):
            answer = opponent.update(drawn)
            turn = _scored(replace(turn, round=number), case.truth, answer)
            yield turn
            stroke = next_stroke(case.truth, answer.labels)
            if stroke is None:
                break
            drawn = np.where(stroke > 0, stroke, drawn)
            turn = replace(turn, round=number + 1, strokes=turn.strokes + 1)
    except NoAnswerError as error:
        turn = _missing(turn, error)
        yield turn
    for number in range(turn.round + 1, rounds):
        yield replace(turn, round=number, seconds=math.nan, first_frame_seconds=math.nan)


def play_human(case: Case, method: str, opponent: Opponent, *, strokes_by: str) -> Turn:
    """Play one image once, with all the strokes that a person drew on it.

    Parameters
    ----------
    case : Case
        The image.
    method : str
        Name for the turn.
    opponent : Opponent
        Who answers.
    strokes_by : str
        A key of `case.strokes`.
    """
    drawn = case.strokes[strokes_by]
    turn = Turn(case.set, case.name, strokes_by, method, HUMAN_ROUND, len(categories_in(drawn)))
    try:
        turn = replace(turn, opening_seconds=_opened(case, opponent))
        return _scored(turn, case.truth, opponent.update(drawn))
    except NoAnswerError as error:
        return _missing(turn, error)


def _opened(case: Case, opponent: Opponent) -> float:
    return opponent.open(case.image, tuple(categories_in(case.truth)))


def _scored(turn: Turn, truth: Labels, answer: Answer) -> Turn:
    return replace(
        turn,
        iou=mean_iou(truth, answer.labels),
        seconds=answer.seconds,
        first_frame_seconds=answer.first_frame,
        peak_mib=answer.peak_mib,
    )


def _missing(turn: Turn, error: NoAnswerError) -> Turn:
    nothing = math.nan
    return replace(turn, iou=nothing, seconds=nothing, first_frame_seconds=nothing, note=str(error))
