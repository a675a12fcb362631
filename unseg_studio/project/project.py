"""Many images, one table of categories, everything in one file."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar
from weakref import WeakSet

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal, SignalGroup

from unseg_studio.data import (
    NOTHING,
    Annotation,
    Category,
    Edits,
    Image,
    Mosaic,
    Scribbles,
    open_image,
    regions_from_labels,
)
from unseg_studio.data.labels import is_cluster
from unseg_studio.data.region import Connectivity
from unseg_studio.document import Document, Record, State
from unseg_studio.document.history import NAMES_OF_PROJECT
from unseg_studio.document.provenance import provenance
from unseg_studio.project import accepted, database, shelf
from unseg_studio.project.accepted import Annotations
from unseg_studio.project.categories import SharedCategories
from unseg_studio.project.database import Connection, Database, ProjectError
from unseg_studio.project.entries import (
    ImageEntry,
    Status,
    entries_of,
    insert,
    kept_path,
    move,
    read_rows,
    require_status,
    update,
)
from unseg_studio.project.fingerprint import Fingerprinter, Found
from unseg_studio.project.found import FoundClusters
from unseg_studio.project.held import HeldDocuments
from unseg_studio.project.journal import Journal
from unseg_studio.project.relink import RelinkReport, found_again
from unseg_studio.project.trained import TrainedModels
from unseg_studio.project.writer import Writer
from unseg_studio.segmenters import Segmenter, default_segmenter

SUFFIX = ".unseg"
"""Of project files."""

T = TypeVar("T")


class ProjectEvents(SignalGroup):
    """What is now true; emitted in the thread that called the verb, except for `trouble`."""

    images_changed = Signal()
    """Images were added, removed or found again."""
    entry_changed = Signal(ImageEntry)
    """Anything that the queue shows of one image; status included."""
    status_changed = Signal(int, str)
    """Image, and its status."""
    categories_changed = Signal(tuple)
    trouble = Signal(str)
    """A sentence: the file no longer follows, or something could not be read as it was kept.

    It may come from the thread that writes; connect with `thread="main"` where that matters."""


class Project:
    """A project file that is open; see `create` and `open`.

    What the queue shows is in memory and true at once; the file follows within milliseconds, in
    the order in which things were said. `flush` waits for it.
    """

    def __init__(self, store: Database) -> None:
        self.events = ProjectEvents(self)
        self._database = store
        self._journals: WeakSet[Journal] = WeakSet()
        self._fingerprinter: Fingerprinter | None = None
        self._is_closed = False
        self._entries: dict[int, ImageEntry] = {}
        self._guard = threading.Lock()  # of the entries, which `add_images` changes in its thread
        self._writer = Writer(store, self.events.trouble.emit)
        self.trained = TrainedModels(store, self._writer)
        """The models that were trained on its images."""
        self._documents = HeldDocuments(store, self._writer)
        self._shared = SharedCategories(
            *(store, self._writer, self._documents),
            changed=self.events.categories_changed.emit,
            trouble=self.events.trouble.emit,
        )
        self.found = FoundClusters(
            store, self._writer, self._documents, self.trained,
            entries=lambda: self._entries, table=lambda: self.categories,
        )  # fmt: skip
        """What these models found in each of them."""
        try:
            with store.reading() as connection:
                rows = read_rows(connection)
                self._shared.read(connection)
            self._entries = entries_of(rows, self.folder)
            self._take_fingerprints()
        except BaseException:
            self.close()
            raise

    @classmethod
    def create(cls, path: str | Path) -> Project:
        """Make a new project and open it.

        Raises
        ------
        ProjectError
            If there is a file of that name already, or it cannot be written; in a sentence.
        """
        database.create(Path(path))
        return cls(Database(Path(path)))

    @classmethod
    def open(cls, path: str | Path, *, read_only: bool = False) -> Project:
        """Open a project.

        Where another process has it open, or it cannot be written to, it is open for reading only;
        `read_only` and `notice` say so.

        Raises
        ------
        ProjectError
            If it is no project, damaged, or cannot be read; in a sentence.
        NewerProjectError
            If a later version of the program made it.
        """
        return cls(Database(Path(path), read_only=read_only))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # The file

    @property
    def path(self) -> Path:
        """The project file."""
        return self._database.path

    @property
    def folder(self) -> Path:
        """Where it lies; paths of images are relative to this."""
        return self.path.parent

    @property
    def read_only(self) -> bool:
        """Nothing can be changed."""
        return self._database.read_only

    @property
    def notice(self) -> str:
        """Why the project is open for reading only, in a sentence; empty where nobody wonders."""
        return self._database.notice

    @property
    def dirty_reason(self) -> str:
        """Why the file does not follow any more, in a sentence; empty as long as it does.

        Work goes on in memory meanwhile: `try_again` or `save_copy` before closing.
        """
        return self._database.reason

    def flush(self) -> None:
        """Wait until everything that was said so far is written."""
        self._writer.flush()

    def try_again(self) -> bool:
        """Bring the file up to date after trouble; False where that still fails."""
        return self._writer.submit_bare(self._database.try_again).result()

    def save_copy(self, path: str | Path) -> None:
        """Write everything as a project of another name; images stay where they are.

        This project stays the open one.

        Raises
        ------
        ProjectError
            If that is not possible; in a sentence.
        """
        target = Path(path)
        if target.absolute() == self.path.absolute():
            raise ProjectError(f"{target} is the open project itself; choose another name.")
        moved = {id_: kept_path(entry.file, target.parent) for id_, entry in self._entries.items()}
        self._writer.submit_bare(lambda: self._database.copy_to(target, moved)).result()

    def close(self) -> None:
        """Close the journals, write what waits, and let go of the file; may be called again."""
        if self._is_closed:
            return
        for journal in list(self._journals):
            journal.close()
        with self._guard:
            self._is_closed = True
        self._shared.close()
        if self._fingerprinter is not None:
            self._fingerprinter.close()
        if self.dirty_reason:
            self.try_again()
        self._writer.close()
        self._database.close()

    # Images

    def images(self) -> tuple[ImageEntry, ...]:
        """Every image, in the order in which they were added."""
        return tuple(self._entries.values())

    def image(self, image_id: int) -> ImageEntry:
        """One image.

        Raises
        ------
        ValueError
            If there is none of this id.
        """
        if image_id not in self._entries:
            raise ValueError(
                f"The project has no image {image_id}; it has {len(self._entries)} images. "
                "It may have been removed."
            )
        return self._entries[image_id]

    def add_images(
        self, paths: Sequence[str | Path], planes: int | Sequence[int] | None = None
    ) -> tuple[ImageEntry, ...]:
        """Add image files; none of them is read.

        Ten thousand take a second, so this may be called in another thread than everything else.

        Parameters
        ----------
        paths : sequence of path
            The files. One that is there already stays as it is.
        planes : int, sequence of int or None
            How many planes the files have, one number for all or one for each; each plane becomes
            an entry. None: every file is one image, of a stack its first plane.

        Returns
        -------
        tuple of ImageEntry
            The entries of these files, in their order, new or not.
        """
        rows = _rows(paths, planes, self.folder)
        newest = max(self._entries, default=0)
        self._write_now(lambda connection: insert(connection, rows))
        with self._database.reading() as connection:
            rows_after = read_rows(connection, after=newest)
        new = entries_of(rows_after, self.folder)
        with self._guard:
            self._entries = {**self._entries, **new}
        wanted = {(path, plane) for path, plane, _ in rows}
        added = tuple(e for e in self._entries.values() if (e.path, e.plane) in wanted)
        self._take_fingerprints()
        self.events.images_changed.emit()
        return added

    def remove_images(self, image_ids: Sequence[int]) -> None:
        """Take images and all work on them out of the project; their files stay."""
        gone = set(image_ids) & self._entries.keys()
        self._write_now(
            lambda connection: connection.executemany(
                "DELETE FROM images WHERE id = ?", [(id_,) for id_ in gone]
            )
        )
        with self._guard:
            self._entries = {id_: e for id_, e in self._entries.items() if id_ not in gone}
        for id_ in gone:
            self._documents.forget(id_)
        self.events.images_changed.emit()

    def set_status(self, image_id: int, status: Status) -> None:
        """Say what became of an image: "new", "proposed", "in work", "done" or "rejected"."""
        require_status(status)
        self._change(image_id, status=status)

    def set_comment(self, image_id: int, comment: str) -> None:
        """Write something about an image."""
        self._change(image_id, comment=comment)

    def set_uncertainty(self, image_id: int, uncertainty: float | None) -> None:
        """How much in doubt the labels of an image are, 0 to 1; None: unknown."""
        self._change(image_id, uncertainty=None if uncertainty is None else float(uncertainty))

    def add_seconds(self, image_id: int, seconds: float) -> None:
        """Add to the time that was spent on an image."""
        self._change(image_id, seconds=self.image(image_id).seconds + seconds)

    def thumbnail(self, image_id: int) -> bytes | None:
        """The thumbnail of an image as a PNG file; None where there is none."""
        with self._database.reading() as connection:
            row = connection.execute(
                "SELECT png FROM thumbnails WHERE image = ?", (image_id,)
            ).fetchone()
        return row[0] if row and isinstance(row[0], bytes) else None

    def set_thumbnail(self, image_id: int, png: bytes) -> None:
        """Keep a thumbnail."""

        def put(connection: Connection) -> None:
            connection.execute("INSERT OR REPLACE INTO thumbnails VALUES (?, ?)", (image_id, png))

        self._database.require_writable()
        self.image(image_id)
        self._writer.submit(put)
        self._say(replace(self.image(image_id), has_thumbnail=True))

    # Files that moved

    def missing(self) -> tuple[ImageEntry, ...]:
        """Images whose files are not where they were."""
        there: dict[Path, bool] = {}
        for entry in self._entries.values():
            if entry.file not in there:
                # A path method would raise where a name is too long for any file.
                there[entry.file] = os.path.exists(entry.file)  # noqa: PTH110
        return tuple(entry for entry in self._entries.values() if not there[entry.file])

    def relink(self, folder: str | Path) -> RelinkReport:
        """Look for missing images in a folder and in the folders in it."""
        self.flush()
        with self._database.reading() as connection:
            query = "SELECT id, fingerprint FROM images WHERE typeof(fingerprint) = 'blob'"
            prints = dict(connection.execute(query).fetchall())
        missing = [(entry.id, entry.file) for entry in self.missing()]
        places, report = found_again(missing, prints, Path(folder))
        taken = {(entry.path, entry.plane) for entry in self._entries.values()}
        for id_, file in places.items():
            entry = replace(self._entries[id_], path=kept_path(file, self.folder))
            if (entry.path, entry.plane) not in taken:  # which was added anew meanwhile
                taken.add((entry.path, entry.plane))
                self._database.require_writable()
                self._writer.submit(partial(move, entry=entry))
                self._say(entry)
        self._take_fingerprints()
        self.events.images_changed.emit()
        return report

    def wait_for_fingerprints(self) -> None:
        """Until every image can be found again; they are taken in the background."""
        if self._fingerprinter is not None:
            self._fingerprinter.wait()
        self.flush()

    # Categories

    @property
    def categories(self) -> tuple[Category, ...]:
        """The one table of all images."""
        return self._shared.table

    def set_categories(self, table: Sequence[Category]) -> None:
        """Replace the table; what other images use stays in it, and `trouble` says so."""
        self._database.require_writable()
        self._shared.take_over(None, tuple(table))

    # Documents

    def open_document(self, image_id: int, image: Image | None = None) -> Document:
        """The document of an image as it was left, undo and redo included.

        Parameters
        ----------
        image_id : int
            Which image.
        image : Image or None
            Its pixels, where they are read already.

        Raises
        ------
        ValueError, OSError
            If the image cannot be read, has another size than before, or the work on it is
            damaged; in a sentence.
        """
        entry = self.image(image_id)
        image = image or open_image(entry.file, entry.plane)
        document, notes = self._documents.take(image_id, image, categories=self.categories)
        self._shared.share_with(image_id, document)
        self._provide(document.segmenter)
        if not self.read_only:  # a batch has said the size, but nothing of pixels in micrometres
            self._keep_entry(entry.seen(image))
        for note in notes:
            self.events.trouble.emit(f"{entry.name}: {note}")
        return document

    @property
    def open_images(self) -> tuple[int, ...]:
        """Images whose documents somebody holds."""
        return self._documents.images

    def journal(self, document: Document, image_id: int) -> Journal:
        """Keep everything that happens to a document from now on; close it when that ends."""
        self._database.require_writable()
        self.image(image_id)
        if self._documents.hold(image_id, document):
            self._shared.share_with(image_id, document)
        journal = Journal(document, partial(self._keep, image_id))
        self._journals.add(journal)
        return journal

    def accept(
        self, image_id: int, document: Document, *, device: str = "cpu", seconds: float = 0.0
    ) -> None:
        """Take what a document shows for the labels of an image; its status becomes "done".

        Parameters
        ----------
        image_id : int
            Which image.
        document : Document
            Its document.
        device : str
            Where the engine ran, for the provenance.
        seconds : float
            Time spent on it that was not added before.
        """
        self._database.require_writable()
        entry, record = self.image(image_id), document.record
        entry = replace(entry.seen(document.image), status="done", seconds=entry.seconds + seconds)

        def put(connection: Connection) -> None:
            made = provenance(record.state, device=device)
            accepted.put(
                connection, image_id, record.state.shown, made={**made, "seconds": entry.seconds}
            )
            update(connection, entry)

        self._documents.put(image_id, record, put)
        self._say(entry)

    def proposed(
        self,
        image_id: int,
        proposal: Document | State | Mosaic | NDArray[np.int32],
        *,
        segmenter: Segmenter | None = None,
        uncertainty: float | None = None,
        doubts: Mapping[int, float] | None = None,
        seconds: float = 0.0,
        pixel_size: tuple[float, float] | None = None,
    ) -> bool:
        """Keep what a batch made of an image, unless a person has worked on it.

        Parameters
        ----------
        image_id : int
            Which image.
        proposal : Document, State, Mosaic or ndarray, (H, W) int32
            What to begin with; of a mosaic or array, the ids of categories and clusters.
        segmenter : Segmenter or None
            What made the mosaic or array.
        uncertainty : float or None
            How much in doubt it is, 0 to 1.
        doubts : mapping of int to float or None
            The same of each cluster; None: as far as the proposal itself says it.
        seconds : float
            How long it took.
        pixel_size : (float, float) or None
            Height and width of a pixel in micrometres, where the image says it.

        Returns
        -------
        bool
            False where a person has worked on the image: nothing was changed.
        """
        self._database.require_writable()
        entry = self.image(image_id)
        if entry.status not in ("new", "proposed") or self._has_steps(image_id):
            return False
        plain = self._as_state(proposal, segmenter)
        state, note = self.found.named(image_id, plain, doubts)
        if isinstance(proposal, Document):
            proposal.follow_names(state)
        entry = replace(
            entry,
            size=state.proposal.shape,
            status="proposed",
            uncertainty=uncertainty,
            seconds=entry.seconds + seconds,
            pixel_size=pixel_size or entry.pixel_size,
        )

        def put(connection: Connection) -> None:
            update(connection, entry)
            note(connection)

        self._documents.put(image_id, Record(state), put)
        self._documents.outdate(image_id, proposal)
        self._say(entry)
        return True

    def is_current(self, document: Document) -> bool:
        """Whether a document has what was proposed of its image after it was opened."""
        return self._documents.is_current(document)

    def made_by(self, segmenter: Segmenter) -> frozenset[int]:
        """Images that were segmented last with exactly this method and these parameters."""
        self.flush()
        with self._database.reading() as connection:
            return shelf.made_by(connection, segmenter)

    # Export

    def annotation(
        self, image_id: int, *, min_area: int = 1, connectivity: Connectivity = 8
    ) -> Annotation:
        """The regions of an image: those accepted, else those that its document shows.

        The image file is not needed.

        Raises
        ------
        ValueError
            If there is no such image, or nothing was ever made of it; in a sentence.
        """
        entry = self.image(image_id)
        self.flush()
        labels, made = self._labels(entry)
        return Annotation(
            labels.shape,
            entry.source,
            self.categories,
            regions_from_labels(
                labels.array, self.categories, min_area=min_area, connectivity=connectivity
            ),
            made,
            unnamed=labels.areas_of(is_cluster),
        )

    def annotations(
        self,
        statuses: Sequence[Status] = ("done",),
        *,
        min_area: int = 1,
        connectivity: Connectivity = 8,
    ) -> Annotations:
        """The annotations of all images with these statuses, one in memory at a time."""
        for status in statuses:
            require_status(status)
        ids = [entry.id for entry in self._entries.values() if entry.status in statuses]
        read = partial(self.annotation, min_area=min_area, connectivity=connectivity)
        return Annotations(ids, read)

    def _labels(self, entry: ImageEntry) -> tuple[Mosaic, dict[str, object]]:
        kept = accepted.take(self._database, entry.id)
        if kept is not None and entry.status == "done":
            return kept
        shape = shelf.shape_on_shelf(self._database, entry.id)
        if shape is not None:
            return shelf.labels_on_shelf(self._database, entry.id, shape)
        if kept is None:
            raise ValueError(
                f"Nothing was made of {entry.name} yet, so there is nothing to export; open it, or "
                "leave it out."
            )
        return kept

    # How it is done

    def _write_now(self, job: Callable[[Connection], T]) -> T:
        self._database.require_writable()
        return self._writer.run(job)

    def _change(self, image_id: int, **changes: object) -> None:
        self._keep_entry(replace(self.image(image_id), **changes))  # type: ignore[arg-type]

    def _keep_entry(self, entry: ImageEntry) -> None:
        self._database.require_writable()
        if entry != self._entries[entry.id]:
            self._writer.submit(lambda connection: update(connection, entry))
            self._say(entry)

    def _say(self, entry: ImageEntry) -> None:
        with self._guard:
            before, self._entries[entry.id] = self._entries[entry.id], entry
        if entry != before:
            self.events.entry_changed.emit(entry)
        if entry.status != before.status:
            self.events.status_changed.emit(entry.id, entry.status)

    def _take_fingerprints(self) -> None:
        if self.read_only:
            return
        if self._fingerprinter is not None:
            self._fingerprinter.close()
        self._writer.flush()
        with self._database.reading() as connection:
            ids = connection.execute("SELECT id FROM images WHERE fingerprint IS NULL").fetchall()
        entries = (self._entries.get(id_) for (id_,) in ids)
        files = ((entry.id, entry.file) for entry in entries if entry is not None)
        with self._guard:
            if not self._is_closed:
                self._fingerprinter = Fingerprinter(files, self._keep_fingerprints) if ids else None

    def _keep_fingerprints(self, found: Found) -> None:
        rows = [(print_, id_) for id_, print_ in found]
        self._writer.submit(
            lambda connection: connection.executemany(
                "UPDATE images SET fingerprint = ? WHERE id = ?", rows
            )
        )

    def _keep(self, image_id: int, record: Record, by_person: bool) -> Future[None]:
        """Write a record of a document; what a person works on is in work."""
        entry = self._entries.get(image_id)
        if entry is None:  # removed while it was open
            return self._writer.submit_bare(lambda: None)
        size = record.state.proposal.shape
        entry = replace(entry, size=size, status="in work" if by_person else entry.status)
        if entry == self._entries[image_id]:
            return self._documents.put(image_id, record)
        done = self._documents.put(image_id, record, lambda connection: update(connection, entry))
        self._say(entry)
        return done

    def _has_steps(self, image_id: int) -> bool:
        self.flush()
        with self._database.reading() as connection:
            query = "SELECT 1 FROM steps WHERE image = ? AND text != ? LIMIT 1"
            found = connection.execute(query, (image_id, NAMES_OF_PROJECT)).fetchone()
        return found is not None

    def _as_state(
        self,
        proposal: Document | State | Mosaic | NDArray[np.int32],
        segmenter: Segmenter | None,
    ) -> State:
        if isinstance(proposal, Document):
            return proposal.state
        if isinstance(proposal, State):
            return proposal
        labels = proposal
        if not isinstance(labels, Mosaic):
            labels = Mosaic.of(np.array(labels, np.int32))
        return State(
            categories=self.categories,
            scribbles=Scribbles.empty(labels.shape),
            named=Edits.none(labels.shape),
            edits=Edits.none(labels.shape),
            locks=frozenset(),
            segmenter=segmenter or default_segmenter(),
            fill=True,
            proposal=Mosaic.full(labels.shape, NOTHING).with_tiles(dict(enumerate(labels.tiles))),
        )

    def _provide(self, segmenter: Segmenter) -> None:
        """Have the model that a segmenter needs; without it the labels are there all the same."""
        try:
            self.trained.provide(segmenter)
        except (ValueError, OSError) as error:
            self.events.trouble.emit(str(error))


def _rows(
    paths: Sequence[str | Path], planes: int | Sequence[int] | None, folder: Path
) -> list[tuple[str, int | None, int]]:
    """What to insert: path, plane, number of planes."""
    counts = [planes] * len(paths) if planes is None or isinstance(planes, int) else list(planes)
    if len(counts) != len(paths):
        raise ValueError(
            f"{len(paths)} files were given with {len(counts)} numbers of planes; accepted is one "
            "number for each, or one for all."
        )
    return [
        (kept_path(path, folder), plane, count or 1)
        for path, count in zip(paths, counts, strict=True)
        for plane in (range(count) if count is not None and count > 1 else (None,))
    ]
