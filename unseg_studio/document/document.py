"""One image under work: the only place where its truth lives.

Views call the verbs below; the document answers with signals that say what is now true. Every verb
that changes the state is one undo step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from psygnal import Signal, SignalGroup

from unseg_studio.data import (
    FIRST_CLUSTER,
    NOTHING,
    UNEDITED,
    Annotation,
    Box,
    Category,
    Edits,
    Image,
    Mosaic,
    Patch,
    Scribbles,
    Tile,
    is_large,
    new_category,
    polygon_patch,
    present_ids,
    regions_from_labels,
    regions_from_mosaic,
    stroke_patch,
)
from unseg_studio.data.category import Kind
from unseg_studio.data.labels import is_cluster
from unseg_studio.data.region import Connectivity
from unseg_studio.document import corrections
from unseg_studio.document.corrections import Correction
from unseg_studio.document.history import NAMES_OF_PROJECT, RUN, History, Record
from unseg_studio.document.provenance import provenance
from unseg_studio.document.state import (
    RunStatus,
    State,
    fresh_state,
    renamed,
    with_locks_kept,
    without_category,
)
from unseg_studio.refinement import Hint, Uncertainty
from unseg_studio.segmenters import Segmenter, default_segmenter

Labels = NDArray[np.int32]

FIRST_SPLIT = FIRST_CLUSTER + 1000
"""Ids of parts that were cut off begin here, beyond those that segmenters give their channels."""


class DocumentEvents(SignalGroup):
    """What is now true; emitted in the thread that called the verb."""

    scribbles_changed = Signal(Scribbles, tuple)
    """The scribbles, and the rectangle in which they are different, as two slices."""
    labels_changed = Signal(tuple)
    """Rows and columns, as slices, of the rectangle in which the labels are different."""
    uncertainty_changed = Signal(object)
    categories_changed = Signal(tuple)
    locks_changed = Signal(frozenset)
    segmenter_changed = Signal(object)
    fill_changed = Signal(bool)
    active_changed = Signal(int)
    status_changed = Signal(RunStatus)
    history_changed = Signal()
    steered = Signal(bool)
    """The labels should follow what the person did; True: from a cold start."""
    looked_at = Signal(tuple)
    """The rectangle of the image on the screen, as two slices."""
    travelled = Signal()
    """Undo or redo: whatever runs is out of date."""


class Document:
    """One image under work.

    Parameters
    ----------
    image : Image
        The plane to annotate.
    categories : sequence of Category
        The category table; where it is empty, one category is made.
    segmenter : Segmenter or None
        Method and parameters; None: the one the window starts with.
    state : State or None
        All of the beginning, instead of categories and segmenter; of the image's size.
    history : History or None
        What led to that state; None: nothing that can be undone.
    """

    def __init__(
        self,
        image: Image,
        categories: Sequence[Category] = (),
        segmenter: Segmenter | None = None,
        *,
        state: State | None = None,
        history: History | None = None,
    ) -> None:
        table = tuple(categories) or (new_category(()),)
        self.image = image
        self.events = DocumentEvents(self)
        self._state = state or fresh_state(image, table, segmenter or default_segmenter())
        self._active = self._state.categories[0].id
        self._status = RunStatus()
        self._seen: Box | None = None
        self._history = history or History()

    # What is true

    @property
    def state(self) -> State:
        """All undoable truth, frozen: safe to hand to another thread."""
        return self._state

    @property
    def record(self) -> Record:
        """The state and every step that can be undone or redone, frozen: what a project keeps."""
        return self._history.record(self._state)

    @property
    def labels(self) -> Labels:
        """What is shown and exported, `(H, W)` int32, read-only.

        Put together when it is asked for; `shown` costs nothing.
        """
        return self._state.labels

    @property
    def shown(self) -> Mosaic:
        """The labels in tiles: for a part of them, a pixel, their areas."""
        return self._state.shown

    @property
    def uncertainty(self) -> Uncertainty | None:
        """How sure the engine was of its newest labels; None before the first frame."""
        return self._state.uncertainty

    @property
    def hint(self) -> Hint | None:
        """Where one stroke would help most; None where nothing is in doubt enough."""
        hint = self.uncertainty.hint if self.uncertainty else None
        if hint is None or self.edits.mosaic.at(hint.row, hint.col) != UNEDITED:
            return None  # what was corrected since the frame needs no stroke
        return hint

    @property
    def scribbles(self) -> Scribbles:
        """What steers the segmenter."""
        return self._state.scribbles

    @property
    def edits(self) -> Edits:
        """What was corrected by hand."""
        return self._state.edits

    @property
    def categories(self) -> tuple[Category, ...]:
        """The category table."""
        return self._state.categories

    @property
    def locks(self) -> frozenset[int]:
        """Categories that neither lose nor gain pixels."""
        return self._state.locks

    @property
    def segmenter(self) -> Segmenter:
        """Method and parameters."""
        return self._state.segmenter

    @property
    def active(self) -> int:
        """Id of the category that the tools paint with."""
        return self._active

    @property
    def seen(self) -> Box | None:
        """Rows and columns, as slices, of the image on the screen; None: all, or nobody looks."""
        return self._seen

    @property
    def status(self) -> RunStatus:
        """What the engine is doing."""
        return self._status

    @property
    def undo_text(self) -> str | None:
        """What `undo` would take back, None when there is nothing."""
        return self._history.undo_text

    @property
    def redo_text(self) -> str | None:
        """What `redo` would do again, None when there is nothing."""
        return self._history.redo_text

    def category(self, id_: int) -> Category:
        """The category with this id.

        Raises
        ------
        ValueError
            If there is none; the message lists what exists.
        """
        for category in self.categories:
            if category.id == id_:
                return category
        names = ", ".join(f"{c.id} ({c.name})" for c in self.categories)
        raise ValueError(f"There is no category {id_}; there are {names}.")

    # Scribbles

    def paint(self, points: ArrayLike, *, radius: float) -> None:
        """Scribble with the active category through `points`, (N, 2) (row, column)."""
        self.require_unlocked(self._active)
        scribbles = self.scribbles.painted(points, self._active, radius=radius)
        self._act("stroke", scribbles=scribbles)

    def mark(self, patch: Patch, ids: Labels) -> None:
        """Scribble on the pixels of a patch, whatever tool drew them.

        Parameters
        ----------
        patch : Patch
            Which pixels.
        ids : ndarray, (h, w) int32
            What is drawn on the rectangle of the patch: categories, 0 to erase.

        Raises
        ------
        ValueError
            If a category is locked or does not exist.
        """
        for id_ in present_ids(ids[patch.mask]):
            self.category(id_)
            self.require_unlocked(id_)
        text = "stroke" if ids[patch.mask].any() else "erase stroke"
        self._act(text, scribbles=Scribbles(self.scribbles.mosaic.painted(patch, ids)))

    def erase(self, points: ArrayLike, *, radius: float) -> None:
        """Remove scribbles along a stroke."""
        self._act("erase stroke", scribbles=self.scribbles.erased(points, radius=radius))

    def clear_scribbles(self) -> None:
        """Remove every scribble."""
        self._act("clear scribbles", scribbles=Scribbles.empty(self.image.shape))

    def set_scribbles(self, scribbles: Scribbles) -> None:
        """Replace all scribbles, such as by those of a file.

        Raises
        ------
        ValueError
            If they are of another size or use a category that does not exist.
        """
        scribbles.require_shape(self.image.shape)
        for id_ in scribbles.categories:
            self.category(id_)
        self._act("load scribbles", scribbles=scribbles)

    # Hand corrections

    def brush(self, points: ArrayLike, *, radius: float, id_: int | None = None) -> None:
        """Correct along a stroke; `id_` None: the active category, 0: nothing there."""
        self.correct("brush", stroke_patch(self.image.shape, points, radius), id_)

    def polygon(self, points: ArrayLike, *, id_: int | None = None) -> None:
        """Correct inside a closed polygon or lasso; `id_` as in `brush`."""
        self.correct("polygon", polygon_patch(self.image.shape, points), id_)

    def fill_region(self, point: tuple[int, int], *, id_: int | None = None) -> None:
        """Correct the connected region around a (row, column); `id_` as in `brush`."""
        self.correct("fill", corrections.touched_region(self.shown, point), id_)

    def uncorrect(self, points: ArrayLike, *, radius: float) -> None:
        """Give the pixels along a stroke back to the live labels."""
        self.correct(
            "take back correction", stroke_patch(self.image.shape, points, radius), UNEDITED
        )

    def correct(self, text: str, patch: Patch, id_: int | None = None) -> None:
        """Lay one id over the pixels of a patch, locked pixels excepted.

        Raises
        ------
        ValueError
            If the category is locked or does not exist.
        """
        id_ = self._active if id_ is None else id_
        self.require_usable(id_)
        self._act(text, edits=self.edits.put(patch, id_))

    def fill_holes(self, id_: int) -> None:
        """Give the pixels that an id encloses to it."""
        self.require_usable(id_)
        self.lay(corrections.holes_filled(self._state, id_))

    def remove_small(self, id_: int, *, min_area: int) -> None:
        """Give parts of an id below `min_area` pixels to their surroundings."""
        self.require_usable(id_)
        self.lay(corrections.small_parts_removed(self._state, id_, min_area=min_area))

    def smooth(self, id_: int, *, radius: float = 2.0) -> None:
        """Smooth the outline of an id."""
        self.require_usable(id_)
        self.lay(corrections.outline_smoothed(self._state, id_, radius=radius))

    def lay(self, correction: Correction) -> None:
        """Take a correction of a whole id, which may have been made in another thread.

        Raises
        ------
        ValueError
            If the category was locked or removed meanwhile.
        """
        self.require_usable(correction.id_)
        self._act(correction.text, edits=correction.onto(self.edits))

    def clear_edits(self) -> None:
        """Give every pixel back to the live labels."""
        self._act("clear corrections", edits=Edits.none(self.image.shape))

    # Clusters

    def name_cluster(self, cluster: int, category: int | None = None) -> None:
        """Give a cluster a category (None: the active one); later runs keep the name."""
        category = self._active if category is None else category
        self.category(category)
        self._rename("name cluster", cluster, category)

    def merge(self, source: int, target: int) -> None:
        """Give every pixel of one id to another; later runs keep them together.

        Of a category, the scribbles go along; it stays in the table.

        Raises
        ------
        ValueError
            If one of them is locked or not there.
        """
        self._require_shown(target)
        self._rename("merge", source, target)

    def split(self, id_: int, parts: Labels | Mosaic) -> None:
        """Cut one id into several.

        Parameters
        ----------
        id_ : int
            What is cut.
        parts : ndarray, (H, W) int32, or Mosaic
            0 outside; part 1 keeps the id, part 2, 3, ... become new clusters. Where the id is
            not shown, parts have no effect.

        Raises
        ------
        ValueError
            If the id is locked or the parts are of another size than the image.
        """
        self.require_unlocked(id_)
        if parts.shape != self.image.shape:
            raise ValueError(
                f"The parts were given as an array of shape {parts.shape}; accepted is the "
                f"image's, {self.image.shape}."
            )
        cut = partial(_cut_tile, id_, self._free_cluster())
        pieces = parts if isinstance(parts, Mosaic) else Mosaic.of(np.array(parts, np.int32))
        self._act("split", edits=Edits(self.edits.mosaic.mapped(cut, self.shown, pieces)))

    def name_all_clusters(self, prefix: str = "cluster") -> None:
        """Make a category of every cluster without a name, as a batch without a person does."""
        state = self._state
        for cluster in sorted(filter(is_cluster, self.shown.areas)):
            category = new_category(state.categories, _free_name(prefix, state.categories), "stuff")
            named = renamed(state, cluster, category.id)
            state = named.changed(categories=(*state.categories, category))
        self._take("name all clusters", state)

    def follow_names(self, state: State) -> None:
        """Show clusters as all images of the project do now; one step, which no person made here.

        Parameters
        ----------
        state : State
            The newest one of this document with other ids in its planes.
        """
        self._take(NAMES_OF_PROJECT, state)

    # Categories

    def add_category(self, name: str | None = None, kind: Kind = "thing") -> Category:
        """Append a category and make it the active one; `name` None: one is made up."""
        category = new_category(self.categories, name, kind)
        self._act("add category", categories=(*self.categories, category))
        self.set_active(category.id)
        return category

    def change_category(self, category: Category) -> None:
        """Replace name, colour or kind of the category that has the same id.

        Raises
        ------
        ValueError
            If another category has that name.
        """
        self.category(category.id)
        if any(c.name == category.name and c.id != category.id for c in self.categories):
            raise ValueError(f"There is a category {category.name!r} already; choose another name.")
        table = tuple(category if c.id == category.id else c for c in self.categories)
        self._act("change category", categories=table)

    def remove_category(self, id_: int) -> None:
        """Remove a category with its scribbles and corrections.

        Raises
        ------
        ValueError
            If it does not exist, is locked or the last one.
        """
        self.category(id_)
        self.require_unlocked(id_)
        rest = without_category(self._state, id_)
        if not rest.categories:
            raise ValueError("This is the last category; rename it, or add another one first.")
        if id_ == self._active:
            self.set_active(rest.categories[0].id)
        self._take("remove category", rest)

    def share_categories(self, table: Sequence[Category]) -> None:
        """Take the table as another document has it, which knows how to undo it; no step here.

        Every category that occurs here must be in it.
        """
        if tuple(table) == self.categories:
            return
        self._history.settle(self._state)
        new = self._state.changed(categories=tuple(table))
        self._keep_active_in(new)
        self._become(new)

    def set_active(self, id_: int) -> None:
        """Choose the category that the tools paint with; no undo step."""
        if id_ != self._active:
            self._active = self.category(id_).id
            self.events.active_changed.emit(self._active)

    def toggle_lock(self, id_: int) -> None:
        """Lock or unlock a category: a locked one neither loses nor gains pixels."""
        self.category(id_)
        self._act("lock" if id_ not in self.locks else "unlock", locks=self.locks ^ {id_})

    def require_unlocked(self, id_: int) -> None:
        """Raise ValueError, in a sentence for the person, if this is a locked category."""
        if id_ in self.locks:
            raise ValueError(f"{self.category(id_).name!r} is locked; unlock it first (key X).")

    def require_usable(self, id_: int) -> None:
        """Raise ValueError, in a sentence for the person, if nothing can be given to this id."""
        if id_ not in (UNEDITED, NOTHING) and not is_cluster(id_):
            self.category(id_)
            self.require_unlocked(id_)

    # The engine

    def set_segmenter(self, segmenter: Segmenter) -> None:
        """Change method or parameters and start from cold."""
        self._act("change parameters", segmenter=segmenter)

    def set_fill(self, fill: bool) -> None:
        """Whether scribbled categories share the whole image or leave clusters without a name."""
        self._act("change fill", fill=fill)

    def run(self) -> None:
        """Run again from a cold start."""
        self._begin(RUN)
        self.events.history_changed.emit()
        self.events.steered.emit(True)

    def propose(self) -> None:
        """Ask for the first labels of a new document; no undo step."""
        self.events.steered.emit(True)

    def show(self, live: Labels | Mosaic, uncertainty: Uncertainty | None = None) -> None:
        """Take new labels from the engine: part of the step that asked for them.

        After undo no step is open; what the engine shows then is a step of its own.
        """
        proposal = self._as_proposal(live)
        new = self._state.changed(proposal=proposal, uncertainty=uncertainty)
        if new is self._state:
            return
        apart = self._history.is_between_steps
        if apart:
            self._begin(RUN)
        self._become(new)
        if apart:
            self.events.history_changed.emit()

    def begin_with(self, mosaic: Mosaic, uncertainty: Uncertainty | None = None) -> None:
        """Show labels that came from another image, as if they were named here; no undo step.

        Later runs leave them their categories, as they do with clusters that were named.
        """
        named = Edits(mosaic.replaced(NOTHING, UNEDITED))
        self._become(self._state.changed(proposal=mosaic, named=named, uncertainty=uncertainty))

    @property
    def is_grounded(self) -> bool:
        """Every pixel has been named: strokes need change no more than is around them."""
        named = self._state.named.mosaic.areas
        return UNEDITED not in named and not any(map(is_cluster, named))

    def look_back(
        self, live: Labels | Mosaic, step: int, *, uncertainty: Uncertainty | None = None
    ) -> None:
        """Show the labels of an earlier step of the run again; what was named since stays so."""
        proposal = self._as_proposal(live).mapped(_renamed_tile, self._state.named.mosaic)
        self._act(f"look back to step {step}", proposal=proposal, uncertainty=uncertainty)

    def look_at(self, box: Box) -> None:
        """Say which rectangle of the image is on the screen; no undo step.

        Of a large image, that is what runs work on; see `is_large`.
        """
        if box != self._seen:
            self._seen = box
            self.events.looked_at.emit(box)

    def report(self, status: RunStatus) -> None:
        """Say what the engine is doing."""
        if status != self._status:
            self._status = status
            self.events.status_changed.emit(status)

    def start_from(self, annotation: Annotation) -> None:
        """Take the masks of a file as corrections; categories are matched by name.

        Locked categories stay as they are.

        Raises
        ------
        ValueError
            If the masks are of another size than the image.
        """
        if annotation.shape != self.image.shape:
            raise ValueError(
                f"The masks are {annotation.shape[1]} x {annotation.shape[0]} px, the image is "
                f"{self.image.shape[1]} x {self.image.shape[0]} px; accepted are masks of the "
                "image's size. Open the image that they belong to."
            )
        table, ids = joined_tables(self.categories, annotation.categories)
        if is_large(self.image.shape):
            edits = self.edits
            for region in annotation.regions:
                edits = edits.put(region.patch, ids[region.category])
        else:
            edits = self._edited(annotation, ids)
        self._act("import", categories=table, edits=edits)

    def _edited(self, annotation: Annotation, ids: dict[int, int]) -> Edits:
        labels, edits = annotation.labels(), self.edits.ids.copy()
        for region_id, own_id in ids.items():
            edits[labels == region_id] = own_id
        return Edits(edits)

    # Undo

    def undo(self) -> None:
        """Go back before the newest step; the labels from then come back with it."""
        self._travel(self._history.undo_text, self._history.undo)

    def redo(self) -> None:
        """Do the step again that was undone last."""
        self._travel(self._history.redo_text, self._history.redo)

    # Export

    def annotation(
        self, *, min_area: int = 1, connectivity: Connectivity = 8, device: str = "cpu"
    ) -> Annotation:
        """Everything that has a category, cut into regions; see `regions_from_labels`."""
        large = is_large(self.image.shape)
        regions = (regions_from_mosaic if large else regions_from_labels)(
            self.shown if large else self.labels,  # type: ignore[arg-type]
            self.categories,
            min_area=min_area,
            connectivity=connectivity,
        )
        made = provenance(self._state, device=device)
        return Annotation(
            self.image.shape, self.image.source, self.categories, regions, made,
            unnamed=self.shown.areas_of(is_cluster),
        )  # fmt: skip

    # How it is done

    def _rename(self, text: str, old: int, new: int) -> None:
        if old == new:
            return
        self._require_shown(old)
        self.require_unlocked(old)
        self.require_unlocked(new)
        self._take(text, renamed(self._state, old, new))

    def _as_proposal(self, live: Labels | Mosaic) -> Mosaic:
        if isinstance(live, Mosaic):
            return live
        return Mosaic.of(np.asarray(live, np.int32), like=self._state.proposal)

    def _require_shown(self, id_: int) -> None:
        """Raise ValueError if this is neither a category nor a cluster on the screen."""
        if not is_cluster(id_):
            self.category(id_)
        elif not self.shown.holds(id_):
            raise ValueError(
                f"There is no cluster {id_} on the image; accepted are clusters that are shown, "
                "and categories. Point at one."
            )

    def _free_cluster(self) -> int:
        mosaics = (self._state.proposal, self.edits.mosaic, self._state.named.mosaic)
        return max(FIRST_SPLIT, 1 + max(max(mosaic.areas) for mosaic in mosaics))

    def _act(self, text: str, **changes: Any) -> None:
        self._take(text, with_locks_kept(self._state.changed(**changes), self._state))

    def _take(self, text: str, new: State) -> None:
        """Make a new state true as one step; where nothing is different, there is no step."""
        old = self._state
        if new is old:
            return
        self._begin(text)
        self._become(new)
        self.events.history_changed.emit()
        if new.segmenter != old.segmenter:
            self.events.steered.emit(True)
        elif _steers(old, new) or (self._status.is_busy and _concerns_a_run(old, new)):
            self.events.steered.emit(False)

    def _begin(self, text: str) -> None:
        self._history.begin(text, self._state)

    def _travel(self, text: str | None, move: Callable[[State], State | None]) -> None:
        if text is None:
            return
        self.events.travelled.emit()  # before anything moves: who listens sees one whole moment
        state = move(self._state)
        if state is None:
            return
        self._keep_active_in(state)
        self._become(state)
        self.events.history_changed.emit()

    def _keep_active_in(self, state: State) -> None:
        """Paint with another category where a state about to come lacks the active one."""
        if self._active not in {c.id for c in state.categories}:
            self._active = state.categories[0].id
            self.events.active_changed.emit(self._active)

    def _become(self, new: State) -> None:
        """Take a new state and say what is different."""
        old, self._state = self._state, new
        if new.categories != old.categories:
            self.events.categories_changed.emit(new.categories)
        if drawn := new.scribbles.mosaic.difference(old.scribbles.mosaic):
            self.events.scribbles_changed.emit(new.scribbles, drawn)
        if new.locks != old.locks:
            self.events.locks_changed.emit(new.locks)
        if new.segmenter != old.segmenter:
            self.events.segmenter_changed.emit(new.segmenter)
        if new.fill != old.fill:
            self.events.fill_changed.emit(new.fill)
        if relabeled := new.shown.difference(old.shown):
            self.events.labels_changed.emit(relabeled)
        if new.uncertainty is not old.uncertainty:
            self.events.uncertainty_changed.emit(new.uncertainty)


def _steers(old: State, new: State) -> bool:
    """Say whether the engine has to answer: strokes, the rule for filling, or labels given up."""
    if new.scribbles is not old.scribbles or new.fill != old.fill:
        return True
    return any(
        _gives_up(new.proposal.tiles[number], old.proposal.tiles[number])
        for number in new.proposal.apart(old.proposal)
    )


def _gives_up(now: Tile, then: Tile) -> bool:
    return now.holds(NOTHING) and bool((now.mask_of(NOTHING) & ~then.mask_of(NOTHING)).any())


def _concerns_a_run(old: State, new: State) -> bool:
    """Say whether the frames of a run that began before would contradict the new state."""
    return new.named is not old.named or new.locks != old.locks


def _cut_tile(id_: int, first: int, edits: Tile, shown: Tile, parts: Tile) -> Tile | None:
    """Part 2, 3, ... of an id, where it is shown, become the ids `first`, `first` + 1, ..."""
    cut = parts.mask(lambda part: part > 1) & shown.mask_of(id_)
    pieces = Tile(tuple(part - 2 + first for part in parts.palette), parts.pattern)
    return edits.overlaid(cut, pieces) if cut.any() else None


def _renamed_tile(live: Tile, named: Tile) -> Tile | None:
    """Clusters take the ids under which they were named."""
    given = named.mask(lambda id_: id_ != UNEDITED) & live.mask(is_cluster)
    return live.overlaid(given, named) if given.any() else None


def _free_name(prefix: str, categories: Sequence[Category]) -> str:
    taken = {category.name for category in categories}
    return next(name for i in count(1) if (name := f"{prefix} {i}") not in taken)


def joined_tables(
    own: tuple[Category, ...], other: tuple[Category, ...]
) -> tuple[tuple[Category, ...], dict[int, int]]:
    """Add the categories of another table, matched by name: (table, other id -> own id)."""
    table, ids = own, {}
    for category in other:
        known = next((c for c in table if c.name == category.name), None)
        if known is None:
            known = replace(new_category(table, category.name, category.kind), color=category.color)
            table = (*table, known)
        ids[category.id] = known.id
    return table, ids
