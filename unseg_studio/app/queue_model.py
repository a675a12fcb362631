"""The images of a project as Qt's list views see them; pictures only of rows that are looked at."""

from __future__ import annotations

from qtpy.QtCore import QAbstractListModel, QModelIndex, QPersistentModelIndex, Qt
from qtpy.QtGui import QPixmap

from unseg_studio.app.queue_order import Wish, ordered
from unseg_studio.app.queue_thumbnails import Thumbnails
from unseg_studio.project import ImageEntry, Project

Index = QModelIndex | QPersistentModelIndex

ENTRY = int(Qt.ItemDataRole.UserRole)
"""Role of the ImageEntry."""


class QueueModel(QAbstractListModel):
    """Rows of the queue, filtered and sorted.

    Rows keep their places while their images change, so that nothing jumps under the pointer;
    `arrange` puts them in order again.
    """

    def __init__(self, thumbnails: Thumbnails) -> None:
        super().__init__(thumbnails)
        self._thumbnails = thumbnails
        self._project: Project | None = None
        self._wish = Wish()
        self._order: list[int] = []
        self._rows: dict[int, int] = {}
        thumbnails.made.connect(self._on_thumbnail)

    @property
    def wish(self) -> Wish:
        """What is asked for."""
        return self._wish

    def take(self, project: Project | None) -> None:
        """Show another project, or nothing."""
        self._project = project
        self.arrange()

    def ask(self, wish: Wish, *, keep: int | None = None) -> None:
        """Show what is wished for; `keep` stays in the list whatever it is."""
        self._wish = wish
        self.arrange(keep=keep)

    def arrange(self, *, keep: int | None = None) -> None:
        """Filter and sort again."""
        entries = self._project.images() if self._project else ()
        order = ordered(entries, self._wish, keep=keep)
        if order == self._order:
            return
        self.beginResetModel()
        self._order = order
        self._rows = {id_: row for row, id_ in enumerate(order)}
        self.endResetModel()

    @property
    def order(self) -> list[int]:
        """Ids of what is shown."""
        return self._order

    def entries(self) -> list[ImageEntry]:
        """Everything that is shown, in its order."""
        if self._project is None or not self._order:
            return []
        known = {entry.id: entry for entry in self._project.images()}
        return [known[id_] for id_ in self._order if id_ in known]

    def entry(self, row: int) -> ImageEntry | None:
        """What stands in a row."""
        if self._project is None or not 0 <= row < len(self._order):
            return None
        try:
            return self._project.image(self._order[row])
        except ValueError:  # removed; `arrange` follows
            return None

    def row_of(self, image_id: int | None) -> int:
        """Where an image stands, -1 where it does not."""
        return -1 if image_id is None else self._rows.get(image_id, -1)

    def refresh(self, image_id: int) -> None:
        """Something about an image is different."""
        row = self.row_of(image_id)
        if row >= 0:
            index = self.index(row)
            self.dataChanged.emit(index, index)

    # For Qt

    def rowCount(self, parent: Index | None = None) -> int:
        """How many images are shown."""
        return 0 if parent is not None and parent.isValid() else len(self._order)

    def data(self, index: Index, role: int = int(Qt.ItemDataRole.DisplayRole)) -> object:
        """Name, picture, tooltip or entry of a row."""
        entry = self.entry(index.row())
        if entry is None:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return entry.name
        if role == Qt.ItemDataRole.DecorationRole:
            return self._picture(entry)
        if role == Qt.ItemDataRole.ToolTipRole:
            return tip_of(entry)
        return entry if role == ENTRY else None

    def _picture(self, entry: ImageEntry) -> QPixmap | None:
        return self._thumbnails.of(entry)

    def _on_thumbnail(self, image_id: int) -> None:
        self.refresh(image_id)


def tip_of(entry: ImageEntry) -> str:
    """All that is known of an image, line by line."""
    lines = [str(entry.file), facts_of(entry), *([size_of(entry)] if entry.size else [])]
    if entry.seconds >= 1:
        lines.append(f"{_time(entry.seconds)} of work")
    if entry.comment:
        lines.append(f"“{entry.comment}”")
    return "\n".join(lines)


def facts_of(entry: ImageEntry) -> str:
    """Status and doubt in one line."""
    parts: list[str] = [entry.status]
    if entry.uncertainty:
        parts.append(f"doubt {100 * entry.uncertainty:.0f} %")
    return " · ".join(parts)


def size_of(entry: ImageEntry) -> str:
    """Width and height in pixels, empty as long as nobody has opened the image."""
    return f"{entry.size[1]} × {entry.size[0]}" if entry.size else ""


def _time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
