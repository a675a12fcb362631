"""What a person made of some planes of a stack, carried on to others: a job for the worker."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from unseg_studio.data import NOTHING, Image, Mosaic
from unseg_studio.data.labels import is_cluster
from unseg_studio.document.solve import Fits, Wanted
from unseg_studio.document.state import State
from unseg_studio.refinement import (
    Example,
    Guide,
    Knowledge,
    Trace,
    Uncertainty,
    learned,
    recognised,
    sharpened,
)

PlaneIndex = tuple[int, ...]
"""Position along the axes that are not shown, in the order of the data; () for a 2-D image."""

Labels = NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Origin:
    """A plane as a person left it.

    Parameters
    ----------
    image : Image
        The plane.
    state : State
        What was drawn, named and corrected there, and what is shown.
    """

    image: Image
    state: State


@dataclass(frozen=True, eq=False)
class CarriedPlane:
    """What has become of one target.

    Parameters
    ----------
    index : tuple of int
        Which plane.
    mosaic : Mosaic or None
        Its labels, in the ids of the origins; None where there are none.
    uncertainty : Uncertainty or None
        How sure they are.
    failure : str
        Why there are no labels, as a sentence for the person; empty where there are.
    """

    index: PlaneIndex
    mosaic: Mosaic | None
    uncertainty: Uncertainty | None = None
    failure: str = ""


@dataclass(frozen=True, eq=False)
class Carried:
    """All targets that are done so far, in the order in which they were done.

    Parameters
    ----------
    planes : tuple of CarriedPlane
        Those of earlier answers of the same job are among them.
    total : int
        How many there will be.
    is_last : bool
        All are done.
    """

    planes: tuple[CarriedPlane, ...]
    total: int
    is_last: bool


@dataclass(frozen=True, eq=False)
class Carry:
    """A job for the worker: carry labels from the planes that a person made to other ones.

    Parameters
    ----------
    origins : mapping of tuple of int to Origin
        Planes as a person left them; they are not carried to.
    targets : tuple of tuple of int
        Planes to carry to; those among the origins are left alone.
    read : callable
        Gives the image of a target. It is called in the worker's thread, once for each target and
        when its turn has come; whatever it raises becomes a failure of that plane.
    device : str
        See `resolve_device`.
    """

    origins: Mapping[PlaneIndex, Origin]
    targets: tuple[PlaneIndex, ...]
    read: Callable[[PlaneIndex], Image]
    device: str = "auto"

    def results(self, _fits: Fits, _wanted: Wanted) -> Generator[Carried | None, None, None]:
        """All that is done, after every plane; every yield is a place to stop."""
        origins = {index: o for index, o in self.origins.items() if _shows_something(o)}
        ways, left_alone = ways_of(origins, self.targets), self.origins.keys() - origins.keys()
        ways = tuple(way for way in ways if way.target not in left_alone)
        planes: tuple[CarriedPlane, ...] = ()
        if not ways:
            yield Carried((), 0, is_last=True)
        teacher = Teacher(origins, ways)
        for way in ways:
            yield None
            plane = yield from self._carried(way, teacher)
            planes = (*planes, plane)
            yield Carried(planes, len(ways), is_last=len(planes) == len(ways))

    def _carried(self, way: Way, teacher: Teacher) -> Generator[None, None, CarriedPlane]:
        try:
            image = self.read(way.target)
            yield None
            return (yield from teacher.carried(way, image))
        except Exception as error:  # the other planes go on
            teacher.pass_on(way)
            return CarriedPlane(way.target, None, failure=_sentence(error))


def _shows_something(origin: Origin) -> bool:
    return bool(origin.state.shown.areas.keys() - {NOTHING})


@dataclass(frozen=True)
class Way:
    """How labels come to a plane.

    Parameters
    ----------
    target : tuple of int
        The plane.
    origin : tuple of int
        Its nearest origin.
    beyond : tuple of int or None
        The nearest origin on the other side; None where there is none.
    via : tuple of int
        The plane beside it that is done before: a target or an origin.
    """

    target: PlaneIndex
    origin: PlaneIndex
    beyond: PlaneIndex | None
    via: PlaneIndex


def ways_of(
    origins: Mapping[PlaneIndex, Origin], targets: tuple[PlaneIndex, ...]
) -> tuple[Way, ...]:
    """A way to every target that is no origin; what lies nearest to an origin comes first."""
    if not origins:
        return ()
    open_ = [target for target in dict.fromkeys(targets) if target not in origins]
    nearest = {t: min(origins, key=lambda o: (_distance(t, o), o)) for t in open_}
    order = sorted(open_, key=lambda t: (_distance(t, nearest[t]), t))
    return tuple(
        Way(target, origin, _beyond(target, origin, origins), _via(target, nearest))
        for target, origin in ((target, nearest[target]) for target in order)
    )


def _beyond(
    target: PlaneIndex, origin: PlaneIndex, origins: Iterable[PlaneIndex]
) -> PlaneIndex | None:
    """The nearest other origin such that the target lies between the two."""
    near = _distance(target, origin)
    others = (
        other
        for other in origins
        if other != origin and near + _distance(target, other) == _distance(origin, other)
    )
    return min(others, key=lambda o: (_distance(target, o), o), default=None)


def _via(target: PlaneIndex, nearest: Mapping[PlaneIndex, PlaneIndex]) -> PlaneIndex:
    """One step nearer to the origin, where that plane has the same one; else the origin itself."""
    origin = nearest[target]
    for axis, (here, there) in enumerate(zip(target, origin, strict=True)):
        if here != there:
            step = here + (1 if there > here else -1)
            beside = (*target[:axis], step, *target[axis + 1 :])
            if nearest.get(beside) == origin:
                return beside
    return origin


def _distance(one: PlaneIndex, other: PlaneIndex) -> int:
    return sum(abs(a - b) for a, b in zip(one, other, strict=True))


Ids = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Left:
    """What a plane that is done leaves for the next one: ids of the labels, and their trace."""

    ids: Ids
    trace: Trace

    def trace_of(self, ids: Ids) -> Trace:
        """The trace of these labels, in this order; one that was not there has nothing."""
        if ids == self.ids:
            return self.trace
        planes = dict(zip(self.ids, self.trace.shares, strict=True))
        nothing = np.zeros(self.trace.shares.shape[1:], np.float32)
        return Trace(self.trace.grey, np.stack([planes.get(id_, nothing) for id_ in ids]))


class Teacher:
    """What was learned from the origins, and what the planes that are done have left.

    Of a plane that is done only a trace is kept, and only as long as a plane beside it needs it.
    """

    def __init__(self, origins: Mapping[PlaneIndex, Origin], ways: tuple[Way, ...]) -> None:
        self._origins = origins
        self._known: dict[tuple[PlaneIndex, ...], tuple[Ids, Knowledge]] = {}
        self._left: dict[PlaneIndex, Left] = {}
        self._waiting = Counter(way.via for way in ways)

    def carried(self, way: Way, image: Image) -> Generator[None, None, CarriedPlane]:
        """Label a plane; every yield is a place to stop."""
        _require_shape(image, self._origins[way.origin])
        ids, knowledge = self._knowledge(way)
        yield None
        guide = Guide(image.rgb, like=knowledge.standard)
        for prepare in (lambda: guide.filters, lambda: guide.levels, lambda: guide.grid):
            prepare()
            yield None
        left = self._before(way)
        before = None if left is None else left.trace_of(ids)
        shares = recognised(knowledge, guide, before).numpy()
        yield None
        labels = np.asarray(ids, np.int32)[sharpened(shares, guide)]
        settled = np.zeros(guide.shape, bool)
        uncertainty = Uncertainty.of(shares, ids, settled=settled, shape=image.shape)
        self._leave(way, Left(ids, Trace.of(guide, shares)))
        return CarriedPlane(way.target, Mosaic.of(labels), uncertainty)

    def pass_on(self, way: Way) -> None:
        """The plane has no labels: what the one before has left goes to the next one."""
        self._leave(way, self._before(way))

    def _knowledge(self, way: Way) -> tuple[Ids, Knowledge]:
        """What the origins of a way say of each label, and the labels' ids."""
        teachers = self._teachers(way)
        if teachers not in self._known:
            origins = [self._origins[index] for index in teachers]
            ids = tuple(sorted({id_ for origin in origins for id_ in origin.state.shown.areas}))
            self._known[teachers] = ids, learned([*examples_of(origins, ids)])
        return self._known[teachers]

    def _teachers(self, way: Way) -> tuple[PlaneIndex, ...]:
        """The nearest origin, and the one beyond where both speak of categories.

        A cluster means something on its own plane only, and on what was carried from there.
        """
        if way.beyond is None or any(
            is_cluster(id_)
            for index in (way.origin, way.beyond)
            for id_ in self._origins[index].state.shown.areas
        ):
            return (way.origin,)
        return way.origin, way.beyond

    def _before(self, way: Way) -> Left | None:
        if way.via not in self._left and way.via in self._origins:
            self._left[way.via] = _left_by(self._origins[way.via])
        return self._left.get(way.via)

    def _leave(self, way: Way, left: Left | None) -> None:
        self._waiting[way.via] -= 1
        if not self._waiting[way.via]:
            self._left.pop(way.via, None)
        if left is not None and self._waiting[way.target]:
            self._left[way.target] = left


def examples_of(origins: Iterable[Origin], ids: Ids) -> Iterator[Example]:
    """What the origins show, with the features of all standardised by the first one's."""
    standard = None
    for origin in origins:
        # Not `guide_of`, which would keep what it finds as long as the image.
        guide = Guide(origin.image.rgb, like=standard)
        standard = guide.standard
        yield Example(guide, _shares(origin, ids, guide.shape), _seeds(origin, ids, guide.shape))


def _left_by(origin: Origin) -> Left:
    ids = tuple(sorted(origin.state.shown.areas))
    guide = Guide(origin.image.rgb)
    return Left(ids, Trace.of(guide, _shares(origin, ids, guide.shape)))


def _shares(origin: Origin, ids: Ids, shape: tuple[int, int]) -> NDArray[np.float32]:
    """How much of each pixel of a smaller plane has each id, (K, h, w)."""
    labels = origin.state.labels
    planes = [np.asarray(labels == id_, np.float32) for id_ in ids]
    return np.stack([cv2.resize(p, shape[::-1], interpolation=cv2.INTER_AREA) for p in planes])


def _seeds(origin: Origin, ids: Ids, shape: tuple[int, int]) -> Labels:
    """Index of the id that is scribbled at each pixel of a smaller plane, -1 where none is."""
    drawn = origin.state.scribbles.resized(shape).ids
    index = np.full(drawn.shape, -1, np.int32)
    for number, id_ in enumerate(ids):
        index[(drawn == id_) & (id_ != NOTHING)] = number
    return index


def _require_shape(image: Image, origin: Origin) -> None:
    if image.shape != origin.image.shape:
        (height, width), (own_height, own_width) = image.shape, origin.image.shape
        raise ValueError(
            f"This plane is {width} x {height} px, the one to carry from is {own_width} x "
            f"{own_height} px; accepted are planes of one size. Segment this plane by itself."
        )


def _sentence(error: Exception) -> str:
    if isinstance(error, (ValueError, OSError)) and str(error):
        return str(error)
    if isinstance(error, MemoryError) or "memory" in str(error).lower():
        return "There is not enough memory for this plane. Close other programs, and try again."
    return f"This plane could not be read or segmented: {type(error).__name__}: {error}."
