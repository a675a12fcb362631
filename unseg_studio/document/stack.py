"""The planes of one image layer: one table of categories, a document for each that is worked on.

plane        what there is of it
untouched    nothing, or a document that nobody has drawn in
carried      labels from other planes; a document that begins with them once it is looked into
scribbled    a document with strokes or named clusters
corrected    a document with hand corrections
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from types import MappingProxyType
from typing import Literal, NamedTuple

from psygnal import Signal, SignalGroup

from unseg_studio.data import (
    NOTHING,
    UNEDITED,
    Annotation,
    Category,
    Edits,
    Image,
    Mosaic,
    Source,
    new_category,
    regions_from_labels,
)
from unseg_studio.data.labels import is_cluster
from unseg_studio.document.carry import Carried, CarriedPlane, Carry, Origin, PlaneIndex
from unseg_studio.document.document import Document
from unseg_studio.document.provenance import provenance
from unseg_studio.document.state import State, fresh_state
from unseg_studio.refinement import Uncertainty
from unseg_studio.segmenters import Segmenter, default_segmenter

PlaneStatus = Literal["untouched", "carried", "scribbled", "corrected"]


class StackEvents(SignalGroup):
    """What is now true; emitted in the thread that called the verb."""

    opened = Signal(object, object)
    """A plane has a document now: its index, the document."""
    let_go = Signal(object, object)
    """A document that nobody drew in made way for carried labels: its index, the document."""
    moved = Signal(object)
    """Another plane is at work: its index."""
    carried = Signal(tuple)
    """Planes, by index, that have got labels from others."""
    categories_changed = Signal(tuple)
    kept = Signal(str)
    """A category could not go, since other planes use it; in a sentence."""


class Tally(NamedTuple):
    """How many planes are in which status, the untouched ones left out."""

    carried: int = 0
    scribbled: int = 0
    corrected: int = 0


@dataclass(frozen=True, eq=False)
class LabelledPlane:
    """One plane as it would be exported: safe to hand to a thread.

    Parameters
    ----------
    index : tuple of int
        Which plane.
    source : Source
        Where its image came from.
    labels : Mosaic
        What is shown.
    categories : tuple of Category
        The table of the stack.
    state : State or None
        What made the labels, where a person worked on the plane; None: they were carried.
    """

    index: PlaneIndex
    source: Source
    labels: Mosaic
    categories: tuple[Category, ...]
    state: State | None

    def annotation(self, *, min_area: int = 1, device: str = "cpu") -> Annotation:
        """Everything that has a category, cut into regions; see `regions_from_labels`."""
        regions = regions_from_labels(self.labels.array, self.categories, min_area=min_area)
        made: dict[str, object] = {"method": "carried"}
        if self.state is not None:
            made = provenance(self.state, device=device)
        return Annotation(
            self.labels.shape, self.source, self.categories, regions, made,
            unnamed=self.labels.areas_of(is_cluster),
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class _Opened:
    """A document, and how it began."""

    document: Document
    start: State

    @property
    def is_scribbled(self) -> bool:
        now, named = self.document.state, self.document.state.named
        return not (now.scribbles.is_empty and named.mosaic.equals(self.start.named.mosaic))

    @property
    def status(self) -> PlaneStatus:
        if not self.document.edits.is_empty:
            return "corrected"
        return "scribbled" if self.is_scribbled else "untouched"


class Stack:
    """The planes of one image layer; a 2-D image is a stack of one plane with the index ().

    Parameters
    ----------
    read : callable
        Gives the image of a plane; dear, called when a plane is opened. Raises ValueError, in a
        sentence, where that is not possible.
    counts : tuple of int
        How many planes there are along each axis that is not shown.
    shape : (int, int)
        Height and width of every plane.
    source : callable or None
        Says where a plane came from, without reading it; None: nobody knows.
    categories : sequence of Category
        The table of all planes; where it is empty, one category is made.
    """

    def __init__(
        self,
        read: Callable[[PlaneIndex], Image],
        counts: tuple[int, ...],
        *,
        shape: tuple[int, int],
        source: Callable[[PlaneIndex], Source] | None = None,
        categories: Sequence[Category] = (),
    ) -> None:
        self.read = read
        self.counts = counts
        self.shape = shape
        self.events = StackEvents(self)
        self._source = source or (lambda _index: Source())
        self._table = tuple(categories) or (new_category(()),)
        self._opened: dict[PlaneIndex, _Opened] = {}
        self._carried: dict[PlaneIndex, CarriedPlane] = {}
        self._at_work: PlaneIndex | None = None
        self._n_taken = 0

    # What is true

    @property
    def n_planes(self) -> int:
        """How many planes there are."""
        return prod(self.counts)

    @property
    def indices(self) -> Iterator[PlaneIndex]:
        """Every plane, in the order of the data."""
        return product(*map(range, self.counts))

    @property
    def categories(self) -> tuple[Category, ...]:
        """The one table."""
        return self._table

    @property
    def documents(self) -> Mapping[PlaneIndex, Document]:
        """Planes that were opened."""
        return MappingProxyType({index: o.document for index, o in self._opened.items()})

    @property
    def at_work(self) -> PlaneIndex:
        """The plane at work.

        Raises
        ------
        LookupError
            Before the first `work_on`.
        """
        if self._at_work is None:
            raise LookupError("No plane is at work yet; call `work_on` first.")
        return self._at_work

    @property
    def document(self) -> Document:
        """The document of the plane at work."""
        return self._opened[self.at_work].document

    def document_of(self, index: PlaneIndex) -> Document | None:
        """The document of a plane; None where it was not opened."""
        opened = self._opened.get(index)
        return opened.document if opened else None

    def status(self, index: PlaneIndex) -> PlaneStatus:
        """What became of a plane so far."""
        opened = self._opened.get(index)
        status: PlaneStatus = opened.status if opened else "untouched"
        return "carried" if status == "untouched" and index in self._carried else status

    def began_carried(self, index: PlaneIndex) -> bool:
        """Say whether the document of a plane began with labels that were carried to it."""
        return index in self._opened and index in self._carried

    def is_touched(self, index: PlaneIndex) -> bool:
        """Say whether a person drew on a plane: nothing is ever carried to it."""
        return self.status(index) in ("scribbled", "corrected")

    @property
    def tally(self) -> Tally:
        """Counts of planes by status."""
        found = [self.status(index) for index in self.indices_with_labels]
        return Tally(*(found.count(name) for name in ("carried", "scribbled", "corrected")))

    def shown(self, index: PlaneIndex) -> Mosaic | None:
        """The labels of a plane, in tiles; None where there are none."""
        if index in self._opened:
            return self._opened[index].document.shown
        return self._carried[index].mosaic if index in self._carried else None

    @property
    def indices_with_labels(self) -> tuple[PlaneIndex, ...]:
        """Planes that were opened or carried to, in the order of the data."""
        return tuple(sorted({**self._opened, **self._carried}))

    def uncertainty(self, index: PlaneIndex) -> Uncertainty | None:
        """How sure the labels of a plane are; None where nobody has said."""
        if index in self._opened:
            return self._opened[index].document.uncertainty
        return self._carried[index].uncertainty if index in self._carried else None

    def labelled(self) -> tuple[LabelledPlane, ...]:
        """Every plane that has labels, in the order of the data."""
        planes = map(self._labelled, self.indices_with_labels)
        return tuple(plane for plane in planes if set(plane.labels.areas) != {NOTHING})

    def _labelled(self, index: PlaneIndex) -> LabelledPlane:
        labels, document = self.shown(index), self.document_of(index)
        own = document.state if document and self.status(index) != "carried" else None
        return LabelledPlane(
            index, self._source(index), labels or Mosaic.full(self.shape, NOTHING), self._table, own
        )

    # Work

    def work_on(self, index: PlaneIndex) -> Document:
        """Make a plane the one at work; it is read if it has no document yet.

        Raises
        ------
        ValueError
            If there is no such plane or it cannot be read; the plane before stays at work.
        """
        opened = self._opened.get(index) or self._open(index)
        if index != self._at_work:
            before = self._opened.get(self._at_work) if self._at_work is not None else None
            if before is not None and before.document.active in _ids(opened.document.categories):
                opened.document.set_active(before.document.active)
            self._at_work = index
            self.events.moved.emit(index)
        return opened.document

    def _open(self, index: PlaneIndex) -> _Opened:
        self._require_plane(index)
        document = Document(image := self.read(index), state=self._first_state(image, index))
        opened = _Opened(document, document.state)
        document.events.categories_changed.connect(self._on_categories_changed)
        self._opened[index] = opened
        self.events.opened.emit(index, document)
        return opened

    def _first_state(self, image: Image, index: PlaneIndex) -> State:
        """Method and rules of the plane at work, and the labels that were carried."""
        segmenter, fill = self._manner(image)
        state = fresh_state(image, self._table, segmenter).changed(fill=fill)
        plane = self._carried.get(index)
        if plane is None or plane.mosaic is None:
            return state
        named = Edits(plane.mosaic.replaced(NOTHING, UNEDITED))
        return state.changed(proposal=plane.mosaic, named=named, uncertainty=plane.uncertainty)

    def _manner(self, image: Image) -> tuple[Segmenter, bool]:
        if self._at_work is None:
            return default_segmenter(image), True
        state = self.document.state
        return state.segmenter, state.fill

    def _require_plane(self, index: PlaneIndex) -> None:
        fits = len(index) == len(self.counts)
        if not fits or any(not 0 <= i < n for i, n in zip(index, self.counts, strict=True)):
            raise ValueError(
                f"There is no plane {index}; accepted are {len(self.counts)} numbers counted from "
                f"0, below {self.counts}."
            )

    # Carrying on

    def targets(self, axis: int | None = None) -> tuple[PlaneIndex, ...]:
        """Planes that labels may be carried to.

        Parameters
        ----------
        axis : int or None
            The next plane along this axis only; None: all planes that no person drew on.
        """
        at = self.at_work
        if axis is None:
            wanted = [index for index in self.indices if index != at]
        else:
            stepped = tuple(i + (n == axis) for n, i in enumerate(at))
            wanted = [stepped] if stepped[axis] < self.counts[axis] else []
        return tuple(index for index in wanted if not self.is_touched(index))

    def carry(self, targets: Sequence[PlaneIndex], *, device: str = "auto") -> Carry:
        """The job that carries labels to these planes, from all that a person made so far.

        To a single plane they are carried from the one at work.
        """
        indices = [index for index in self._opened if self.is_touched(index)]
        chosen = {self.at_work} if len(targets) == 1 else {self.at_work, *indices}
        origins = {index: self._origin(index) for index in sorted(chosen)}
        self._n_taken = 0
        return Carry(origins, tuple(t for t in targets if t not in origins), self.read, device)

    def take(self, answer: Carried) -> tuple[CarriedPlane, ...]:
        """Take what the newest answer has more than the one before; gives what was new.

        A plane that a person drew on meanwhile, or that is at work, stays as it is.
        """
        new, self._n_taken = answer.planes[self._n_taken :], len(answer.planes)
        kept = [p for p in new if p.mosaic is not None and not self._is_in_use(p.index)]
        for plane in kept:
            self._let_go(plane.index)
            self._carried[plane.index] = plane
        if kept:
            self.events.carried.emit(tuple(plane.index for plane in kept))
        return new

    def _origin(self, index: PlaneIndex) -> Origin:
        document = self._opened[index].document
        return Origin(document.image, document.state)

    def _is_in_use(self, index: PlaneIndex) -> bool:
        return index == self._at_work or self.is_touched(index)

    def _let_go(self, index: PlaneIndex) -> None:
        opened = self._opened.pop(index, None)
        if opened is not None:
            opened.document.events.categories_changed.disconnect(self._on_categories_changed)
            self.events.let_go.emit(index, opened.document)

    # The table

    def _on_categories_changed(self, table: tuple[Category, ...]) -> None:
        """One document has another table: so have all, except for what cannot go."""
        if table == self._table:
            return
        gone = [c for c in self._table if c.id not in _ids(table) and self._uses(c.id)]
        self._table = (*table, *gone)
        for opened in self._opened.values():
            opened.document.share_categories(self._table)
        self.events.categories_changed.emit(self._table)
        if gone:
            names = ", ".join(repr(category.name) for category in gone)
            self.events.kept.emit(
                f"{names} is in use on other planes, so it stays in the table; remove it there "
                "first, or give its pixels to another category."
            )

    def _uses(self, id_: int) -> bool:
        states = (opened.document.state for opened in self._opened.values())
        carried = (plane.mosaic for plane in self._carried.values())
        return any(_holds(state, id_) for state in states) or any(
            mosaic.holds(id_) for mosaic in carried if mosaic is not None
        )


def _holds(state: State, id_: int) -> bool:
    mosaics = (state.scribbles.mosaic, state.edits.mosaic, state.named.mosaic, state.proposal)
    return any(mosaic.holds(id_) for mosaic in mosaics)


def _ids(table: Sequence[Category]) -> set[int]:
    return {category.id for category in table}
