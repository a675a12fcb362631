"""All that is true of one image under work, as one frozen value."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from functools import partial, reduce
from operator import or_
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
    Mosaic,
    Scribbles,
    Tile,
)
from unseg_studio.data.edits import shown_tile
from unseg_studio.data.labels import is_cluster
from unseg_studio.features.devices import Place
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
    proposal : Mosaic
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
    proposal: Mosaic
    uncertainty: Uncertainty | None = None
    _shown: list[Mosaic] = field(default_factory=list, init=False, repr=False)

    @property
    def shown(self) -> Mosaic:
        """What is on the screen and exported: the live labels under the edits."""
        if not self._shown:
            self._shown.append(self.edits.over(self.proposal))
        return self._shown[0]

    @property
    def labels(self) -> NDArray[np.int32]:
        """`shown` as an array, `(H, W)` int32, read-only; put together when first asked for."""
        return self.shown.array

    @property
    def live(self) -> NDArray[np.int32]:
        """`proposal` as an array, `(H, W)` int32, read-only; put together when first asked for."""
        return self.proposal.array

    def changed(self, **changes: Any) -> State:
        """A copy with other values; this very state where none of them is different."""
        different = {name: v for name, v in changes.items() if not same(getattr(self, name), v)}
        return self.with_values(**different) if different else self

    def with_values(self, **values: Any) -> State:
        """A copy that has these very values, whether they are different or not."""
        new = replace(self, **values)
        new._shown.append(self._shown_in(new))
        return new

    def _shown_in(self, new: State) -> Mosaic:
        """What another state shows, made anew only where it has other tiles."""
        proposed, edited = new.proposal, new.edits.mosaic
        apart = {*proposed.apart(self.proposal), *edited.apart(self.edits.mosaic)}
        tiles = {n: shown_tile(proposed.tiles[n], edited.tiles[n]) for n in apart}
        shown = self.shown.with_tiles(tiles)
        return proposed if shown.tiles == proposed.tiles else shown


UNDOABLE = tuple(f.name for f in fields(State) if f.init)

Plane = Scribbles | Edits | Mosaic
"""What of a state has a value for every pixel."""

AnyPlane = TypeVar("AnyPlane", bound=Plane)


def mosaic_of(plane: Plane) -> Mosaic:
    """The ids of a plane."""
    return plane if isinstance(plane, Mosaic) else plane.mosaic


def with_mosaic(plane: AnyPlane, mosaic: Mosaic) -> AnyPlane:
    """A plane of the same kind with other ids; the plane itself where they are the same."""
    if mosaic is mosaic_of(plane):
        return plane
    return cast("AnyPlane", mosaic if isinstance(plane, Mosaic) else type(plane)(mosaic))


def same(one: Any, other: Any) -> bool:
    """Say whether two values of a field of `State` are equal."""
    if isinstance(one, Plane):
        return one is other or mosaic_of(one).equals(mosaic_of(other))
    return bool(one == other)


def renamed(state: State, old: int, new: int) -> State:
    """Show every pixel of one id under another, now and in later frames and runs."""
    named = partial(_named_tile, old, new)
    return state.changed(
        scribbles=_replaced(state.scribbles, old, UNMARKED if is_cluster(new) else new),
        named=Edits(state.named.mosaic.mapped(named, state.shown, state.proposal)),
        edits=_replaced(state.edits, old, new),
        proposal=_replaced(state.proposal, old, new),
        uncertainty=state.uncertainty and state.uncertainty.renamed(old, new),
    )


def _named_tile(old: int, new: int, *tiles: Tile) -> Tile | None:
    """Write the new name where the names before, what is shown or the proposal are the old id."""
    holders = {tile for tile in tiles if tile.holds(old)}
    if not holders:
        return None
    return tiles[0].marked(reduce(or_, [tile.mask_of(old) for tile in holders]), new)


def without_category(state: State, id_: int) -> State:
    """Remove a category, its scribbles, names and corrections, and its pixels.

    Where its corrections lie over a locked category, which must not gain them, nothing is left.
    """

    def given_back(edits: Tile, live: Tile) -> Tile | None:
        if not edits.holds(id_):
            return None
        over_locked = edits.mask_of(id_) & live.mask(state.locks.__contains__)
        return edits.marked(over_locked, NOTHING).replaced(id_, UNEDITED)

    return state.changed(
        categories=tuple(c for c in state.categories if c.id != id_),
        scribbles=_replaced(state.scribbles, id_, UNMARKED),
        named=_replaced(state.named, id_, UNEDITED),
        edits=Edits(state.edits.mosaic.mapped(given_back, state.proposal)),
        proposal=_replaced(state.proposal, id_, NOTHING),
        uncertainty=state.uncertainty and state.uncertainty.renamed(id_, NOTHING),
    )


def with_locks_kept(new: State, old: State) -> State:
    """Take back the corrections by which a locked category would lose or gain pixels."""
    if not old.locks or new.edits is old.edits or new.proposal is not old.proposal:
        return new

    def kept(edits: Tile, before: Tile, shown: Tile, was: Tile) -> Tile | None:
        if edits is before:
            return None
        held = was.mask(old.locks.__contains__) | shown.mask(old.locks.__contains__)
        return edits.overlaid(held & was.differs(shown), before)

    values = {name: getattr(new, name) for name in UNDOABLE}
    mosaic = new.edits.mosaic.mapped(kept, old.edits.mosaic, new.shown, old.shown)
    return old.changed(**{**values, "edits": Edits(mosaic)})


def _replaced(plane: AnyPlane, old: int, new: int) -> AnyPlane:
    return with_mosaic(plane, mosaic_of(plane).replaced(old, new))


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
        proposal=Mosaic.full(image.shape, NOTHING),
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
        A sentence for the person. After a failure: what happened and what to do; of a large image:
        how coarsely it is worked on; after trouble with a device: how it went on.
    place : Place or None
        Where the newest labels were made; None: on another machine, by strokes alone, or nobody
        knows yet.
    """

    phase: Phase = "idle"
    step: int = 0
    total: int = 0
    loss: float = float("nan")
    n_labels: int = 0
    seconds: float = 0.0
    message: str = ""
    place: Place | None = None

    @property
    def is_busy(self) -> bool:
        """The engine works."""
        return self.phase in ("preparing", "running")
