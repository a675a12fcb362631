"""One run as a stream of frames: the segmenter fits and refines, or strokes decide; decode.

Pure of threads and screens; the worker drives it, a script may do so too.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from unseg_studio.data import NOTHING, Image, Mosaic, Scribbles, Tile, heap, is_large
from unseg_studio.document.decode import (
    Context,
    Decoded,
    answers_of,
    answers_of_strokes,
    strokes_decide,
)
from unseg_studio.document.earlier import EarlierAnswers
from unseg_studio.document.ground import grounded
from unseg_studio.document.placed import PlacedFit, place_of_fit
from unseg_studio.document.scheduler import is_address
from unseg_studio.document.sight import Sight
from unseg_studio.document.state import State
from unseg_studio.features.devices import DeviceError, Place, give_back, working
from unseg_studio.refinement import Uncertainty, guide_of
from unseg_studio.segmenters import Estimate, Fit, Segmenter
from unseg_studio.segmenters.models import digest_in

REST = 4
"""Times as long as it takes to lay a frame into a large image, the engine then works on."""

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
        See `place_or_cpu`; or the address of a cluster, see `remote`.
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
        return Context(
            state.live, state.named, _locked(state), state.fill, state.edits,
            is_learned=bool(digest_in(state.segmenter)),
        )  # fmt: skip

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
        Live labels, before the edits; with a `sight`, those of what was worked on.
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
        The labels of the image in tiles, those shared that are as before; None: still to be
        compared.
    sight : Sight or None
        What of a large image was worked on; None: all of the image.
    part : Mosaic or None
        With a `sight`, `labels` in tiles.
    note : str
        See `Estimate`.
    place : Place or None
        Where it was made; None: on another machine, or by strokes alone.
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
    sight: Sight | None = None
    part: Mosaic | None = None
    note: str = ""
    place: Place | None = None


class Fits:
    """The fit of the last image and parameters, so that the next stroke starts warm."""

    def __init__(self) -> None:
        self._key: tuple[Image, Segmenter, str] | None = None
        self._fit: Fit | None = None
        self._part: tuple[Image, Sight, Image] | None = None
        self._earlier: WeakKeyDictionary[Image, EarlierAnswers] = WeakKeyDictionary()

    def earlier(self, run: Run) -> EarlierAnswers:
        """The answers to the strokes on the image of a run; none yet where it starts cold."""
        if run.cold:
            self._earlier.pop(run.image, None)
        return self._earlier.setdefault(run.image, EarlierAnswers())

    def part(self, image: Image, sight: Sight) -> Image:
        """What to work on of a large image: the last one where it serves, a new one otherwise."""
        if self._part is None or self._part[0] is not image or self._part[1] != sight:
            self._part = None  # the old one goes first: both may not fit
            self.forget()
            heap.give_back()
            self._part = image, sight, sight.image(image)
        return self._part[2]

    def of(self, run: Run) -> Fit:
        """The fit for a run: the last one where it serves, a new one otherwise."""
        key = (run.image, run.segmenter, run.device)
        if self._fit is None or run.cold or key != self._key:
            self._fit = _fit_on(run.device, run.segmenter, run.image)
            self._key = key
        if run.memory is not None:
            self._fit.recall(run.memory)
        return self._fit

    def forget(self) -> None:
        """Start cold next time, as after a failure."""
        self._key = self._fit = None

    def rest(self) -> None:
        """Let other windows have the memory of the device that nothing here needs now."""
        if (place := self._place) is not None:
            give_back(place)

    def leave(self) -> None:
        """Let other windows have all of it: nothing will be asked for any more."""
        place = self._place
        self.forget()
        if place is not None:
            give_back(place)

    @property
    def _place(self) -> Place | None:
        return None if self._fit is None else place_of_fit(self._fit)


def _fit_on(device: str, segmenter: Segmenter, image: Image) -> Fit:
    """A fit on a device of this machine, or in a worker of the cluster at an address."""
    if not is_address(device):
        return PlacedFit(segmenter, image, device)
    from unseg_studio.document.remote import RemoteFit

    return RemoteFit(segmenter, image, device)


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
    mosaic = run.around.proposal if isinstance(run.around, State) else None
    earlier = fits.earlier(run)
    context = replace(run.context, earlier=earlier.before(run.seeds))
    alone = strokes_decide(run.seeds, context)
    steps = _steps_of_strokes(run, fits, context) if alone else _steps(run, fits, context, wanted)
    for step in steps:
        if step is None:
            yield None
            continue
        shown = step.shown
        if shown.is_last:
            earlier.keep(run.seeds, shown.labels)
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
            note=step.note,
            place=step.place,
        )
        if shown.is_last:
            return


class _Step(NamedTuple):
    """Labels, and where the segmenter stood when it gave them."""

    shown: Decoded
    loss: float = float("nan")
    memory: object = None
    note: str = ""
    place: Place | None = None


def _steps_of_strokes(run: Run, fits: Fits, context: Context) -> Iterator[_Step]:
    """Nobody but the strokes is asked."""
    if run.cold:
        fits.forget()  # for the next run that asks the segmenter
    return map(_Step, answers_of_strokes(run.image, run.seeds, context=context))


def _steps(run: Run, fits: Fits, context: Context, wanted: Wanted) -> Iterator[_Step | None]:
    """The segmenter refines, None where nobody wanted to see what it has."""
    fit = fits.of(run)
    estimates, failure = fit.refine(run.seeds), None
    while (estimate := _next(estimates, failure)) is not None:
        failure = None
        if not (estimate.is_last or wanted(estimate)):
            yield None
            continue
        place = place_of_fit(fit)
        try:
            for shown in _answers(estimate, run, context, place):
                context = context.followed_by(shown.labels)
                memory = None if shown.is_soon else fit.memory()
                yield _Step(shown, estimate.loss, memory, estimate.note, place)
        except DeviceError as error:
            failure = error


def _next(estimates: Iterator[Estimate], failure: DeviceError | None) -> Estimate | None:
    """The next estimate; after a failure of the device, one from another place."""
    if failure is None:
        return next(estimates, None)
    if not isinstance(estimates, Generator):
        raise failure
    found: Estimate = estimates.throw(failure)
    return found


def _answers(
    estimate: Estimate, run: Run, context: Context, place: Place | None
) -> Iterator[Decoded]:
    """Labels of an estimate, made where it was."""
    answers = answers_of(estimate, run.image, run.seeds, context=context)
    while True:
        with working("decode", place):
            shown = next(answers, None)
        if shown is None:
            return
        yield shown


class _Pace:
    """Fewer frames where it takes long to lay them into a large image: the engine goes first.

    Parameters
    ----------
    wanted : callable
        Whether somebody waits for an estimate at all.
    """

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self._began = self._next = 0.0

    def wanted(self, estimate: Estimate) -> bool:
        """Say whether it is time for another frame, and somebody waits for it."""
        return time.perf_counter() >= self._next and self._wanted(estimate)

    def __enter__(self) -> None:
        self._began = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        now = time.perf_counter()
        self._next = now + REST * (now - self._began)


@dataclass(frozen=True, eq=False)
class PartRun:
    """A job for the worker: a run on what is seen of a large image.

    Parameters
    ----------
    image : Image
        The plane.
    state : State
        Of the document, as it was when the run was asked for.
    sight : Sight
        What is seen.
    device, cold, memory, is_grounded
        As for `Run`.
    fills : bool
        Only what has no label yet gets one.
    """

    image: Image
    state: State
    sight: Sight
    device: str = "auto"
    cold: bool = False
    memory: object = None
    is_grounded: bool = False
    fills: bool = False

    def results(self, fits: Fits, wanted: Wanted) -> Generator[Frame | None, None, None]:
        """The frames of the part, laid into the labels of the whole."""
        yield None
        if self.fills and _part_of(self.image, self.sight, fits) is None:
            yield self._unchanged()
            return
        part = fits.part(self.image, self.sight)
        yield None
        small = self.sight.state(self.state)
        run = Run.of(part, small, device=self.device, cold=self.cold)
        run = replace(run, memory=self.memory, is_grounded=self.is_grounded)
        before, onto, pace = small.proposal, self.state.proposal, _Pace(wanted)
        for frame in solve(run, fits, pace.wanted):
            if frame is None:
                yield None
                continue
            after = frame.mosaic or Mosaic.of(frame.labels, like=before)
            with pace:
                onto = self.sight.laid(self.state, before, after, onto=onto, fills=self.fills)
                placed = self._placed(frame, onto)
            before = after
            yield replace(placed, part=after)

    def _unchanged(self) -> Frame:
        """Where nobody asked and there is nothing to segment, nothing happens."""
        return Frame(
            labels=np.zeros(self.sight.small, np.int32),
            step=0,
            total=0,
            loss=float("nan"),
            n_labels=len(self.state.proposal.areas.keys() - {NOTHING}),
            seconds=0.0,
            is_last=True,
            uncertainty=self.state.uncertainty,
            mosaic=self.state.proposal,
            sight=self.sight,
        )

    def _placed(self, frame: Frame, mosaic: Mosaic) -> Frame:
        return replace(
            frame,
            mosaic=mosaic,
            n_labels=len(mosaic.areas.keys() - {NOTHING}),
            uncertainty=self.sight.uncertainty(frame.uncertainty),
            sight=self.sight,
        )


def first_run(image: Image, state: State, *, device: str = "auto") -> Run | PartRun:
    """The run from cold on the whole of an image, coarsely where that is large."""
    if is_large(image.shape):
        return PartRun(image, state, Sight.of(image.shape, None), device, cold=True)
    return Run.of(image, state, device=device, cold=True)


@dataclass(frozen=True, eq=False)
class Preparation:
    """A job that shows nothing: what the first stroke on an image will need.

    Parameters
    ----------
    image : Image
        The plane.
    sight : Sight or None
        What is seen of a large one.
    """

    image: Image
    sight: Sight | None = None

    def results(self, fits: Fits, _wanted: Wanted) -> Generator[Frame | None, None, None]:
        """Make the contours and features of the image; every yield is a place to stop."""
        image = self.image if self.sight is None else _part_of(self.image, self.sight, fits)
        if image is None:
            return
        guide = guide_of(image)
        for prepare in (lambda: guide.grid, lambda: guide.views, lambda: guide.halved):
            if self.sight is not None:
                heap.give_back()
            prepare()
            yield None


def _part_of(image: Image, sight: Sight, fits: Fits) -> Image | None:
    """What is seen; None where that cannot be segmented, which a stroke there will say."""
    try:
        return fits.part(image, sight)
    except ValueError:
        return None
