"""The documents of a project that somebody holds, and what of each of them lies in the file."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from weakref import WeakSet, WeakValueDictionary

from unseg_studio.data import Category, Image
from unseg_studio.document import Document, History, Record
from unseg_studio.project import shelf
from unseg_studio.project.database import Connection, Database
from unseg_studio.project.shelf import Shelf
from unseg_studio.project.writer import Writer


class HeldDocuments:
    """Takes documents from their shelves, and writes there only what is new.

    Parameters
    ----------
    store : Database
        Where they lie.
    writer : Writer
        Of that database.
    """

    def __init__(self, store: Database, writer: Writer) -> None:
        self._database, self._writer = store, writer
        self._held: WeakValueDictionary[int, Document] = WeakValueDictionary()
        self._outdated: WeakSet[Document] = WeakSet()
        self._shelves: dict[int, Shelf] = {}
        self.lock = threading.RLock()
        """To be held while a record is read and written: names are followed in another thread."""

    def __contains__(self, image: int) -> bool:
        return image in self._held

    def __iter__(self) -> Iterator[Document]:
        return iter(list(self._held.values()))

    @property
    def images(self) -> tuple[int, ...]:
        """Those whose documents somebody holds."""
        return tuple(sorted(self._held))

    def of(self, image: int) -> Document | None:
        """The document of an image, where somebody holds it."""
        return self._held.get(image)

    def take(
        self, id_: int, image: Image, *, categories: tuple[Category, ...]
    ) -> tuple[Document, tuple[str, ...]]:
        """The document of an image as it was left, and sentences about what is not as it was kept.

        Raises
        ------
        ValueError, DamagedError
            As `shelf.take`.
        """
        with self.lock:
            self._writer.flush()
            found = shelf.take(self._database, id_, image, categories=categories)
            record = found.record if found else shelf.fresh_record(image, categories)
            document = Document(
                image, state=record.state, history=History(record.steps, record.n_done)
            )
            self._shelves[id_] = Shelf(id_, record if found else None)
            self._held[id_] = document
        return document, found.notes if found else ()

    def hold(self, image: int, document: Document) -> bool:
        """Know a document that came from elsewhere; False where it is known already."""
        if self._held.get(image) is document:
            return False
        self._held[image] = document
        return True

    def outdate(self, image: int, but: object) -> None:
        """Labels of an image were written that its document, unless it is this one, lacks."""
        held = self._held.get(image)
        if held is not None and held is not but:
            self._outdated.add(held)

    def is_current(self, document: Document) -> bool:
        """Whether nobody has written labels of its image that a document lacks."""
        return document not in self._outdated

    def forget(self, image: int) -> None:
        """The image is no longer in the project."""
        self._shelves.pop(image, None)
        self._held.pop(image, None)

    def put(
        self,
        image: int,
        record: Record,
        also: Callable[[Connection], object] = lambda _connection: None,
    ) -> Future[None]:
        """Write a record soon, and something else in the same transaction."""
        with self.lock:
            for forgotten in self._shelves.keys() - {image, *self._held}:
                del self._shelves[forgotten]  # nobody holds its document any more
            place = self._shelves.setdefault(image, Shelf(image))

            def write(connection: Connection) -> None:
                place.put(connection, record)
                also(connection)

            def job() -> None:
                self._database.write(write)
                place.written = record

            return self._writer.submit_bare(job)

    def change(self, image: int, job: Callable[[Connection], None]) -> bool:
        """Write to a document that nobody holds, now; False where somebody does."""
        with self.lock:
            if image in self._held:
                return False
            self._shelves.pop(image, None)
            self._writer.run(job)
        return True
