"""One image under work: the only place where its truth lives.

Views call the verbs below; the document answers with signals that say what is now true. Every verb
that changes the state is one undo step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from psygnal import Signal, SignalGroup

from unseg_studio.data import (
    FIRST_CLUSTER,
    NOTHING,
    UNEDITED,
    Annotation,
    Category,
    Edits,
    Image,
    Patch,
    Scribbles,
    new_category,
    polygon_patch,
    regions_from_labels,
    stroke_patch,
)
from unseg_studio.data.category import Kind
from unseg_studio.data.labels import is_cluster
from unseg_studio.data.region import Connectivity
from unseg_studio.document import corrections
from unseg_studio.document.history import History
from unseg_studio.document.provenance import provenance
from unseg_studio.document.state import RunStatus, State, fresh_state
from unseg_studio.segmenters import Segmenter, default_segmenter

Labels = NDArray[np.int32]


class DocumentEvents(SignalGroup):
    """What is now true; emitted in the thread that called the verb."""

    scribbles_changed = Signal(Scribbles)
    labels_changed = Signal(np.ndarray)
    categories_changed = Signal(tuple)
    locks_changed = Signal(frozenset)
    segmenter_changed = Signal(object)
    fill_changed = Signal(bool)
    active_changed = Signal(int)
    status_changed = Signal(RunStatus)
    history_changed = Signal()
    steered = Signal(bool)
    """The labels should follow what the person did; True: from a cold start."""
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
    """

    def __init__(
        self,
        image: Image,
        categories: Sequence[Category] = (),
        segmenter: Segmenter | None = None,
    ) -> None:
        table = tuple(categories) or (new_category(()),)
        self.image = image
        self.events = DocumentEvents(self)
        self._state = fresh_state(image, table, segmenter or default_segmenter())
        self._active = table[0].id
        self._status = RunStatus()
        self._history = History()

    # What is true

    @property
    def state(self) -> State:
        """All undoable truth, frozen: safe to hand to another thread."""
        return self._state

    @property
    def labels(self) -> Labels:
        """What is shown and exported, `(H, W)` int32, read-only."""
        return self._state.labels

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
        self._require_unlocked(self._active)
        scribbles = self.scribbles.painted(points, self._active, radius=radius)
        self._steer("stroke", scribbles=scribbles)

    def erase(self, points: ArrayLike, *, radius: float) -> None:
        """Remove scribbles along a stroke."""
        self._steer("erase stroke", scribbles=self.scribbles.erased(points, radius=radius))

    def clear_scribbles(self) -> None:
        """Remove every scribble."""
        self._steer("clear scribbles", scribbles=Scribbles.empty(self.image.shape))

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
        self._steer("load scribbles", scribbles=scribbles)

    # Hand corrections

    def brush(self, points: ArrayLike, *, radius: float, id_: int | None = None) -> None:
        """Correct along a stroke; `id_` None: the active category, 0: nothing there."""
        self.correct("brush", stroke_patch(self.image.shape, points, radius), id_)

    def polygon(self, points: ArrayLike, *, id_: int | None = None) -> None:
        """Correct inside a closed polygon or lasso; `id_` as in `brush`."""
        self.correct("polygon", polygon_patch(self.image.shape, points), id_)

    def fill_region(self, point: tuple[int, int], *, id_: int | None = None) -> None:
        """Correct the connected region around a (row, column); `id_` as in `brush`."""
        self.correct("fill", corrections.touched_region(self.labels, point), id_)

    def uncorrect(self, points: ArrayLike, *, radius: float) -> None:
        """Give the pixels along a stroke back to the live labels."""
        self.correct("take back correction", stroke_patch(self.image.shape, points, radius), UNEDITED)

    def correct(self, text: str, patch: Patch, id_: int | None = None) -> None:
        """Lay one id over the pixels of a patch, locked pixels excepted.

        Raises
        ------
        ValueError
            If the category is locked.
        """
        id_ = self._active if id_ is None else id_
        self._require_unlocked(id_)
        self._act(text, edits=self.edits.put(self._unlocked(patch), id_))

    def fill_holes(self, id_: int) -> None:
        """Give the pixels that an id encloses to it."""
        self.correct("fill holes", corrections.holes(self.labels, id_), id_)

    def remove_small(self, id_: int, *, min_area: int) -> None:
        """Give parts of an id below `min_area` pixels to their surroundings."""
        self._require_unlocked(id_)
        patch = corrections.small_parts(self.labels, id_, min_area=min_area)
        self._act("remove small parts", edits=self._given_to_surroundings(patch))

    def smooth(self, id_: int, *, radius: float = 2.0) -> None:
        """Smooth the outline of an id."""
        self._require_unlocked(id_)
        gained, lost = corrections.smoothed(self.labels, id_, radius=radius)
        edits = self._given_to_surroundings(lost).put(self._unlocked(gained), id_)
        self._act("smooth", edits=edits)

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
        """Give every pixel of one id to another; later runs keep them together."""
        if source != target:
            self._rename("merge", source, target)

    def split(self, id_: int, parts: Labels) -> None:
        """Cut one id into several.

        Parameters
        ----------
        id_ : int
            What is cut.
        parts : ndarray, (H, W) int32
            0 outside; part 1 keeps the id, part 2, 3, ... become new clusters.
        """
        self._require_unlocked(id_)
        mask = (parts > 1) & (self.labels == id_)
        first = self._free_cluster()
        ids = np.where(mask, parts - 2 + first, self.edits.ids).astype(np.int32)
        self._act("split", edits=Edits(ids))

    def name_all_clusters(self, prefix: str = "cluster") -> None:
        """Make a category of every cluster without a name, as a batch without a person does."""
        table, ids = self.categories, np.array(self.labels)
        for cluster in (int(i) for i in np.unique(self.labels) if is_cluster(i)):
            category = new_category(table, f"{prefix} {cluster - FIRST_CLUSTER + 1}", "stuff")
            table = (*table, category)
            ids[ids == cluster] = category.id
        self._act("name all clusters", categories=table, edits=Edits(ids))

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
            raise ValueError(
                f"There is a category {category.name!r} already; choose another name."
            )
        table = tuple(category if c.id == category.id else c for c in self.categories)
        self._act("change category", categories=table)

    def remove_category(self, id_: int) -> None:
        """Remove a category with its scribbles and corrections.

        Raises
        ------
        ValueError
            If it is locked or the last one.
        """
        self._require_unlocked(id_)
        rest = tuple(c for c in self.categories if c != self.category(id_))
        if not rest:
            raise ValueError("This is the last category; rename it, or add another one first.")
        if id_ == self._active:
            self.set_active(rest[0].id)
        self._steer(
            "remove category",
            categories=rest,
            scribbles=self.scribbles.without(id_),
            named=_without(self._state.named, id_),
            edits=_without(self.edits, id_),
            live=np.where(self._state.live == id_, np.int32(NOTHING), self._state.live),
        )

    def set_active(self, id_: int) -> None:
        """Choose the category that the tools paint with; no undo step."""
        if id_ != self._active:
            self._active = self.category(id_).id
            self.events.active_changed.emit(self._active)

    def toggle_lock(self, id_: int) -> None:
        """Lock or unlock a category: a locked one neither loses nor gains pixels."""
        self.category(id_)
        self._act("lock" if id_ not in self.locks else "unlock", locks=self.locks ^ {id_})
        if self._status.is_busy:
            self.events.steered.emit(False)

    # The engine

    def set_segmenter(self, segmenter: Segmenter) -> None:
        """Change method or parameters and start from cold."""
        if segmenter != self.segmenter:
            self._steer("change parameters", cold=True, segmenter=segmenter)

    def set_fill(self, fill: bool) -> None:
        """Whether scribbled categories share the whole image or leave clusters without a name."""
        if fill != self._state.fill:
            self._steer("change fill", fill=fill)

    def run(self) -> None:
        """Run again from a cold start."""
        self._steer("run", cold=True)

    def propose(self) -> None:
        """Ask for the first labels of a new document; no undo step."""
        self.events.steered.emit(True)

    def show(self, live: Labels) -> None:
        """Take new labels from the engine: part of the step that asked for them."""
        live.setflags(write=False)
        self._become(self._state.changed(live=live))

    def report(self, status: RunStatus) -> None:
        """Say what the engine is doing."""
        self._status = status
        self.events.status_changed.emit(status)

    def start_from(self, annotation: Annotation) -> None:
        """Take the masks of a file as corrections; categories are matched by name.

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
        labels, edits = annotation.labels(), self.edits.ids.copy()
        for region_id, own_id in ids.items():
            edits[labels == region_id] = own_id
        self._act("import", categories=table, edits=Edits(edits))

    # Undo

    def undo(self) -> None:
        """Go back before the newest step; the labels from then come back with it."""
        self._travel(self._history.undo(self._state))

    def redo(self) -> None:
        """Do the step again that was undone last."""
        self._travel(self._history.redo(self._state))

    # Export

    def annotation(
        self, *, min_area: int = 1, connectivity: Connectivity = 8, device: str = "cpu"
    ) -> Annotation:
        """Everything that has a category, cut into regions; see `regions_from_labels`."""
        regions = regions_from_labels(
            self.labels, self.categories, min_area=min_area, connectivity=connectivity
        )
        made = provenance(self._state, device=device)
        return Annotation(self.image.shape, self.image.source, self.categories, regions, made)

    # How it is done

    def _rename(self, text: str, old: int, new: int) -> None:
        """Show every pixel of one id under another, now and in later frames."""
        self._require_unlocked(old)
        self._require_unlocked(new)
        mask = self.labels == old
        self._act(
            text,
            named=Edits(np.where(mask, np.int32(new), self._state.named.ids)),
            edits=Edits(np.where(self.edits.ids == old, np.int32(new), self.edits.ids)),
            live=np.where(self._state.live == old, np.int32(new), self._state.live),
        )

    def _given_to_surroundings(self, patch: Patch) -> Edits:
        free = self._unlocked(patch)
        ids = self.edits.ids.copy()
        ids[free.slices][free.mask] = corrections.surroundings(self.labels, patch)[free.mask]
        return Edits(ids)

    def _unlocked(self, patch: Patch) -> Patch:
        free = ~np.isin(self.labels[patch.slices], list(self.locks))
        return replace(patch, mask=patch.mask & free)

    def _require_unlocked(self, id_: int) -> None:
        if id_ in self.locks:
            raise ValueError(f"{self.category(id_).name!r} is locked; unlock it first (key X).")

    def _free_cluster(self) -> int:
        planes = (self._state.live, self.edits.ids, self._state.named.ids)
        return max(FIRST_CLUSTER, 1 + max(int(plane.max()) for plane in planes))

    def _act(self, text: str, **changes: Any) -> None:
        self._history.begin(text, self._state)
        self._become(self._state.changed(**changes))
        self.events.history_changed.emit()

    def _steer(self, text: str, *, cold: bool = False, **changes: Any) -> None:
        self._act(text, **changes)
        self.events.steered.emit(cold)

    def _travel(self, state: State) -> None:
        if state is not self._state:
            self.events.travelled.emit()
            if self._active not in {c.id for c in state.categories}:
                self._active = state.categories[0].id
                self.events.active_changed.emit(self._active)
            self._become(state)
            self.events.history_changed.emit()

    def _become(self, new: State) -> None:
        """Take a new state and say what is different."""
        old, self._state = self._state, new
        if new.categories != old.categories:
            self.events.categories_changed.emit(new.categories)
        if new.scribbles is not old.scribbles:
            self.events.scribbles_changed.emit(new.scribbles)
        if new.locks != old.locks:
            self.events.locks_changed.emit(new.locks)
        if new.segmenter != old.segmenter:
            self.events.segmenter_changed.emit(new.segmenter)
        if new.fill != old.fill:
            self.events.fill_changed.emit(new.fill)
        if new.live is not old.live or new.edits is not old.edits:
            self.events.labels_changed.emit(new.labels)


def _without(plane: Edits, id_: int) -> Edits:
    return Edits(np.where(plane.ids == id_, np.int32(UNEDITED), plane.ids))


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
