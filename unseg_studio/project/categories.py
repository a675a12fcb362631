"""The categories of a project: one table, which all its documents have."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial

from unseg_studio.data import Category, new_category
from unseg_studio.document import Document
from unseg_studio.document.values import categories_of, plain_categories
from unseg_studio.project.database import Connection, Database, ProjectError
from unseg_studio.project.held import HeldDocuments
from unseg_studio.project.writer import Writer


class SharedCategories:
    """The table, in step with every document that somebody holds.

    Parameters
    ----------
    store : Database
        Where it lies.
    writer : Writer
        Of that database.
    documents : HeldDocuments
        Those that have the table, too.
    changed : callable
        Gets the table when it is another one.
    trouble : callable
        Gets a sentence when a category had to stay.
    """

    def __init__(
        self,
        store: Database,
        writer: Writer,
        documents: HeldDocuments,
        *,
        changed: Callable[[tuple[Category, ...]], object],
        trouble: Callable[[str], object],
    ) -> None:
        self._database, self._writer, self._documents = store, writer, documents
        self._changed, self._trouble = changed, trouble
        self._is_closed = False
        self.table: tuple[Category, ...] = ()

    def read(self, connection: Connection) -> None:
        """Take what is in the file; a new one has one category.

        Raises
        ------
        ProjectError
            If it is damaged; in a sentence.
        """
        row = connection.execute("SELECT value FROM settings WHERE name = 'categories'").fetchone()
        if row is None:
            self.table = (new_category(()),)
            return
        try:
            self.table = categories_of(json.loads(row[0]))
        except (ValueError, TypeError, RecursionError) as error:
            raise ProjectError(
                f"The table of categories in this project is damaged ({error}). Open a copy of it."
            ) from error

    def share_with(self, image_id: int, document: Document) -> None:
        """Give a document the table, and follow what it changes."""
        document.share_categories(self.table)
        document.events.categories_changed.connect(partial(self.take_over, image_id))

    def take_over(self, image_id: int | None, table: tuple[Category, ...]) -> None:
        """One document, or the project, has another table: so have all, but for what is in use."""
        if table == self.table or self._is_closed:
            return
        gone = {c.id: c for c in self.table if c.id not in {new.id for new in table}}
        kept = tuple(gone[id_] for id_ in sorted(self._in_use(image_id) & gone.keys()))
        self.table = (*table, *kept)
        if not self._database.read_only:
            text = json.dumps(plain_categories(self.table))
            self._writer.submit(partial(_write, text=text))
        for document in self._documents:
            document.share_categories(self.table)
        self._changed(self.table)
        if kept:
            names = ", ".join(repr(category.name) for category in kept)
            self._trouble(
                f"{names} is used, or was before undo, in other images of the project, so it stays "
                "in the table; give its pixels there to another category first."
            )

    def close(self) -> None:
        """Follow nothing any more: documents may live longer than the project."""
        self._is_closed = True

    def _in_use(self, image_id: int | None) -> set[int]:
        """Categories that occur in any image but this one."""
        self._writer.flush()
        with self._database.reading() as connection:
            query = "SELECT DISTINCT category FROM uses WHERE image IS NOT ?"
            return {row[0] for row in connection.execute(query, (image_id,))}


def _write(connection: Connection, *, text: str) -> None:
    connection.execute("INSERT OR REPLACE INTO settings VALUES ('categories', ?)", (text,))
