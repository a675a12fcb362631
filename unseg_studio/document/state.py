"""All that is true of one image under work, as one frozen value."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from unseg_studio.data import (
    NOTHING,
    UNEDITED,
    UNMARKED,
    Category,
    Edits,
    Image,
    Scribbles,
    compose,
)
from unseg_studio.data.labels import is_cluster
from unseg_studio.refinement import Uncertainty
from unseg_studio.segmenters import Segmenter

Phase = Literal["idle", "preparing", "running", "done", "stopped", "failed"]


@dataclass(frozen=True, eq=False)
class State:
    """The undoable truth about one image.

    Parameters
    ----------
    categories : tuple of Category
        The category table, in the order of the list.
    scribbles : Scribbles
        What steers the segmenter.
    named : Edits
        Where clusters were named or merged by hand, with the ids they got: a cluster of a later
        frame or run takes the id that most of its pixels have here.
    edits : Edits
        What was corrected by hand, pixel for pixel.
    locks : frozenset of int
        Categories that neither lose nor gain pixels.
    segmenter : Segmenter
        Method and parameters.
    fill : bool
        Once two categories have scribbles, they share the image and clusters without a name end.
    live : ndarray, (H, W) int32
        The newest labels from the engine, before the edits; 0 where there are none yet.
    uncertainty : Uncertainty or None
        How sure the engine was of them; None: it has not said.
    """

    categories: tuple[Category, ...]
    scribbles: Scribbles
    named: Edits
    edits: Edits
    locks: frozenset[int]
    segmenter: Segmenter
    fill: bool
    live: NDArray[np.int32]
    uncertainty: Uncertainty | None = None
    _shown: list[NDArray[np.int32]] = field(default_factory=list, init=False, repr=False)

    def __post_init__(self) -> None:
        self.live.setflags(write=False)

    @property
    def labels(self) -> NDArray[np.int32]:
        """What is on the screen and exported: the live labels under the edits.

        `(H, W)` int32, read-only.
        """
        if not self._shown:
            self._shown.append(compose(self.live, self.edits))
        return self._shown[0]

    def changed(self, **changes: Any) -> State:
        """A copy with other values; this very state where none of them is different."""
        different = {name: v for name, v in changes.items() if not same(getattr(self, name), v)}
        if not different:
            return self
        new = replace(self, **different)
        if not different.keys() & {"live", "edits"}:
            new._shown.extend(self._shown)
        return new


UNDOABLE = tuple(f.name for f in fields(State) if f.init)

Plane = Scribbles | Edits | np.ndarray
"""What of a state has a value for every pixel."""

AnyPlane = TypeVar("AnyPlane", bound=Plane)


def ids_of(plane: Plane) -> NDArray[np.int32]:
    """The `(H, W)` int32 array of a plane."""
    return plane if isinstance(plane, np.ndarray) else plane.ids


def same(one: Any, other: Any) -> bool:
    """Say whether two values of a field of `State` are equal."""
    if isinstance(one, Plane):
        return one is other or np.array_equal(ids_of(one), ids_of(other))
    return bool(one == other)


def renamed(state: State, old: int, new: int) -> State:
    """Show every pixel of one id under another, now and in later frames and runs."""
    named = (state.labels == old) | (state.named.ids == old)
    if state.labels is not state.live:
        named |= state.live == old
    return state.changed(
        scribbles=_replaced(state.scribbles, old, UNMARKED if is_cluster(new) else new),
        named=_put(state.named, named, new),
        edits=_replaced(state.edits, old, new),
        live=_replaced(state.live, old, new),
        uncertainty=state.uncertainty and state.uncertainty.renamed(old, new),
    )


def without_category(state: State, id_: int) -> State:
    """Remove a category, its scribbles, names and corrections, and its pixels.

    Where its corrections lie over a locked category, which must not gain them, nothing is left.
    """
    over_locked = (state.edits.ids == id_) & np.isin(state.live, list(state.locks))
    return state.changed(
        categories=tuple(c for c in state.categories if c.id != id_),
        scribbles=_replaced(state.scribbles, id_, UNMARKED),
        named=_replaced(state.named, id_, UNEDITED),
        edits=_replaced(_put(state.edits, over_locked, NOTHING), id_, UNEDITED),
        live=_replaced(state.live, id_, NOTHING),
        uncertainty=state.uncertainty and state.uncertainty.renamed(id_, NOTHING),
    )


def with_locks_kept(new: State, old: State) -> State:
    """Take back the corrections by which a locked category would lose or gain pixels."""
    if not old.locks or new.edits is old.edits or new.live is not old.live:
        return new
    locked = list(old.locks)
    held = np.isin(old.labels, locked) | np.isin(new.labels, locked)
    refused = held & (old.labels != new.labels)
    values = {name: getattr(new, name) for name in UNDOABLE}
    values["edits"] = Edits(np.where(refused, old.edits.ids, new.edits.ids))
    return old.changed(**values)


def with_ids(plane: AnyPlane, ids: NDArray[np.int32]) -> AnyPlane:
    """A plane of the same kind with other ids, read-only."""
    ids.setflags(write=False)
    return cast("AnyPlane", ids if isinstance(plane, np.ndarray) else type(plane)(ids))


def _replaced(plane: AnyPlane, old: int, new: int) -> AnyPlane:
    return _put(plane, ids_of(plane) == old, new)


def _put(plane: AnyPlane, mask: NDArray[np.bool_], id_: int) -> AnyPlane:
    """The plane with `id_` where the mask is set; the plane itself where that is nowhere."""
    if not mask.any():
        return plane
    ids = ids_of(plane).copy()
    ids[mask] = id_
    return with_ids(plane, ids)


def fresh_state(image: Image, categories: tuple[Category, ...], segmenter: Segmenter) -> State:
    """Nothing drawn, nothing computed."""
    return State(
        categories=categories,
        scribbles=Scribbles.empty(image.shape),
        named=Edits.none(image.shape),
        edits=Edits.none(image.shape),
        locks=frozenset(),
        segmenter=segmenter,
        fill=True,
        live=np.zeros(image.shape, np.int32),
    )


@dataclass(frozen=True)
class RunStatus:
    """What the engine is doing, for the run bar and the status bar.

    Parameters
    ----------
    phase : str
        "idle" before the first run, "preparing" while features or networks are made, "running",
        "done", "stopped" by the person, "failed".
    step, total : int
        Iterations done and at most to do.
    loss : float
        Value of the objective, NaN where there is none.
    n_labels : int
        Clusters and categories in the newest labels.
    seconds : float
        Since the run was asked for.
    message : str
        A sentence for the person; after a failure: what happened and what to do.
    """

    phase: Phase = "idle"
    step: int = 0
    total: int = 0
    loss: float = float("nan")
    n_labels: int = 0
    seconds: float = 0.0
    message: str = ""

    @property
    def is_busy(self) -> bool:
        """The engine works."""
        return self.phase in ("preparing", "running")
