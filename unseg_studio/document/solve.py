"""One run as a stream of frames: the segmenter fits and refines, or strokes decide; decode.

Pure of threads and screens; the worker drives it, a script may do so too.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from unseg_studio.data import NOTHING, Image, Mosaic, Scribbles, Tile
from unseg_studio.document.decode import (
    Context,
    Decoded,
    answers_of,
    answers_of_strokes,
    strokes_decide,
)
from unseg_studio.document.ground import grounded
from unseg_studio.document.state import State
from unseg_studio.refinement import Uncertainty, guide_of
from unseg_studio.segmenters import Estimate, Fit, Segmenter

Wanted = Callable[[Estimate], bool]
"""Whether somebody waits for the labels of this estimate."""


@dataclass(frozen=True, eq=False)
class Run:
    """A job for the worker: everything that a run needs, as it was when the run was asked for.

    Parameters
    ----------
    image : Image
        The plane.
    segmenter : Segmenter
        Method and parameters.
    scribbles : Scribbles
        What steers.
    around : Context or State
        What the labels must respect; of a state, the worker finds it out.
    device : str
        See `resolve_device`.
    cold : bool
        Forget the fit of the last run.
    memory : object or None
        Go on from this moment, see `Fit.recall`; None: from where the last run ended.
    is_grounded : bool
        What was named before steers along with the strokes; see `grounded`.
    """

    image: Image
    segmenter: Segmenter
    scribbles: Scribbles
    around: Context | State
    device: str = "auto"
    cold: bool = False
    memory: object = None
    is_grounded: bool = False

    @classmethod
    def of(cls, image: Image, state: State, *, device: str = "auto", cold: bool = False) -> Run:
        """The run that a document asks for now."""
        return cls(image, state.segmenter, state.scribbles, state, device, cold)

    @cached_property
    def context(self) -> Context:
        """What the labels must respect; for the worker, since it looks at every pixel."""
        state = self.around
        if isinstance(state, Context):
            return state
        return Context(state.live, state.named, _locked(state), state.fill, state.edits)

    @cached_property
    def seeds(self) -> Scribbles:
        """All that steers; for the worker, since it looks at every pixel."""
        return grounded(self.scribbles, self.context.named) if self.is_grounded else self.scribbles

    def results(self, fits: Fits, wanted: Wanted) -> Generator[Frame | None, None, None]:
        """The stream of frames; see `solve`."""
        return solve(self, fits, wanted)


def _locked(state: State) -> NDArray[np.int32]:
    """Ids of locked categories where they are, 0 elsewhere."""
    if not state.locks:
        return np.zeros_like(state.live)

    def locked(tile: Tile) -> Tile:
        ids = (id_ if id_ in state.locks else NOTHING for id_ in tile.palette)
        return Tile(tuple(ids), tile.pattern)

    return state.shown.mapped(locked).array


@dataclass(frozen=True, eq=False)
class Frame:
    """Labels on their way to the screen.

    Parameters
    ----------
    labels : ndarray, (H, W) int32
        Live labels, before the edits.
    step, total : int
        Iterations done and at most to do.
    loss : float
        Value of the objective.
    n_labels : int
        Clusters and categories in `labels`.
    seconds : float
        Since the run began.
    is_last : bool
        The settled result.
    memory : object
        Where the segmenter stood, see `Fit.memory`; None with a first answer, which a better one
        follows at once.
    uncertainty : Uncertainty or None
        How sure the labels are; None: unknown.
    mosaic : Mosaic or None
        The labels in tiles, those shared that are as before; None: still to be compared.
    """

    labels: NDArray[np.int32]
    step: int
    total: int
    loss: float
    n_labels: int
    seconds: float
    is_last: bool
    memory: object = None
    uncertainty: Uncertainty | None = None
    mosaic: Mosaic | None = None


class Fits:
    """The fit of the last image and parameters, so that the next stroke starts warm."""

    def __init__(self) -> None:
        self._key: tuple[Image, Segmenter, str] | None = None
        self._fit: Fit | None = None

    def of(self, run: Run) -> Fit:
        """The fit for a run: the last one where it serves, a new one otherwise."""
        key = (run.image, run.segmenter, run.device)
        if self._fit is None or run.cold or key != self._key:
            self._fit = run.segmenter.fit(run.image, run.device)
            self._key = key
        if run.memory is not None:
            self._fit.recall(run.memory)
        return self._fit

    def forget(self) -> None:
        """Start cold next time, as after a failure."""
        self._key = self._fit = None


def solve(run: Run, fits: Fits, wanted: Wanted) -> Generator[Frame | None, None, None]:
    """Fit, refine, decode.

    Parameters
    ----------
    run : Run
        What to do.
    fits : Fits
        Memory between runs.
    wanted : callable
        Whether this estimate is worth decoding; the last one always is.

    Yields
    ------
    Frame or None
        None for an iteration that nobody wanted to see; every yield is a place to stop.
    """
    began = time.perf_counter()
    yield None
    alone = strokes_decide(run.seeds, run.context)
    mosaic = run.around.proposal if isinstance(run.around, State) else None
    for step in _steps_of_strokes(run, fits) if alone else _steps(run, fits, wanted):
        if step is None:
            yield None
            continue
        shown = step.shown
        mosaic = Mosaic.of(shown.labels, like=mosaic)
        yield Frame(
            labels=shown.labels,
            step=shown.step,
            total=shown.total,
            loss=step.loss,
            n_labels=len(mosaic.areas),
            seconds=time.perf_counter() - began,
            is_last=shown.is_last,
            memory=step.memory,
            uncertainty=shown.uncertainty,
            mosaic=mosaic,
        )
        if shown.is_last:
            return


class _Step(NamedTuple):
    """Labels, and where the segmenter stood when it gave them."""

    shown: Decoded
    loss: float = float("nan")
    memory: object = None


def _steps_of_strokes(run: Run, fits: Fits) -> Iterator[_Step]:
    """Nobody but the strokes is asked."""
    if run.cold:
        fits.forget()  # for the next run that asks the segmenter
    return map(_Step, answers_of_strokes(run.image, run.seeds, context=run.context))


def _steps(run: Run, fits: Fits, wanted: Wanted) -> Iterator[_Step | None]:
    """The segmenter refines, None where nobody wanted to see what it has."""
    context = run.context
    fit = fits.of(run)
    for estimate in fit.refine(run.seeds):
        if not (estimate.is_last or wanted(estimate)):
            yield None
            continue
        for shown in answers_of(estimate, run.image, run.seeds, context=context):
            context = context.followed_by(shown.labels)
            yield _Step(shown, estimate.loss, None if shown.is_soon else fit.memory())


@dataclass(frozen=True, eq=False)
class Preparation:
    """A job that shows nothing: what the first stroke on an image will need.

    Parameters
    ----------
    image : Image
        The plane.
    """

    image: Image

    def results(self, _fits: Fits, _wanted: Wanted) -> Generator[Frame | None, None, None]:
        """Make the contours and features of the image; every yield is a place to stop."""
        guide = guide_of(self.image)
        for prepare in (lambda: guide.grid, lambda: guide.views, lambda: guide.halved):
            prepare()
            yield None
