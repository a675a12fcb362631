"""The category table: key, colour, name, kind, lock, area; the active one is highlighted."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from qtpy.QtCore import QSignalBlocker, QSize, Qt, Signal
from qtpy.QtGui import QColor
from qtpy.QtWidgets import (
    QAbstractItemView,
    QColorDialog,
    QHeaderView,
    QTreeWidget,
    QTreeWidgetItem,
    QWidget,
)

from unseg_studio.data import FIRST_CLUSTER, Category
from unseg_studio.document import Document, Live
from unseg_studio.widgets.areas import AreaCounter, in_words
from unseg_studio.widgets.following import follow
from unseg_studio.widgets.icons import icon, swatch
from unseg_studio.widgets.keys import WINDOW, Keys, with_key
from unseg_studio.widgets.layout import column, row, small_button, words

KEY, COLOR, NAME, KIND, LOCK, AREA = range(6)
"""Columns."""

HOTKEYS = 9
"""So many categories have a number key."""

_HEADS = ("", "", "Name", "Kind", "", "Area")
_TIPS = {
    COLOR: "Click to choose another colour.",
    NAME: "Double click to rename it.",
    KIND: "thing: every part is exported by itself. stuff: all parts together. Click to change.",
}
_ID = Qt.ItemDataRole.UserRole


class CategoryList(QWidget):
    """Categories of a document: choose, add, rename, colour, lock, remove.

    Parameters
    ----------
    document, live : Document, Live
        Whose categories to show and change.
    keys : Keys
        Which keys the tooltips name.
    """

    refused = Signal(str)
    """A change was not possible; in a sentence."""

    def __init__(self, document: Document, live: Live, *, keys: Keys = WINDOW) -> None:
        super().__init__()
        self._document = document
        locked = with_key("A locked category neither loses nor gains pixels.", keys.lock)
        self._tips = {
            **_TIPS,
            KEY: f"{keys.category} that makes it the active category.",
            LOCK: f"{locked} Click to change.",
        }
        self._rows = self._make_rows()
        self._rest = words(quiet=True)
        self._counter = AreaCounter(document, self)
        add = small_button("plus", "Add a category", self.add)
        remove = small_button("minus", "Remove the active category, with all that was drawn "
                              "with it", self.remove_active)  # fmt: skip
        name_all = small_button("name", "Make a category of every cluster without a name",
                                document.name_all_clusters)  # fmt: skip
        column(self, self._rows, row(add, remove, name_all, self._rest, stretch=3))
        self._show_rows()

        self._rows.itemClicked.connect(self._on_clicked)
        self._rows.currentItemChanged.connect(self._on_current_changed)
        self._rows.itemDoubleClicked.connect(self._on_double_clicked)
        self._rows.itemChanged.connect(self._on_item_edited)
        self._counter.counted.connect(self._show_areas)
        follow(self, document.events.categories_changed, self._show_rows)
        follow(self, document.events.locks_changed, self._show_rows)
        follow(self, document.events.active_changed, self._show_active)

    def add(self) -> None:
        """Add a category and let its name be typed."""
        self._try(self._document.add_category)
        if (item := self._rows.currentItem()) is not None:
            self._edit_name(item)

    def remove_active(self) -> None:
        """Remove the active category."""
        self._try(lambda: self._document.remove_category(self._document.active))

    def choose_color(self, category: Category) -> None:
        """Ask for another colour."""
        color = QColorDialog.getColor(QColor(category.color), self, f"Colour of {category.name}")
        if color.isValid():
            self._document.change_category(replace(category, color=color.name()))

    # Parts

    def _make_rows(self) -> QTreeWidget:
        rows = QTreeWidget()
        rows.setColumnCount(len(_HEADS))
        rows.setHeaderLabels(_HEADS)
        rows.setRootIsDecorated(False)
        rows.setIndentation(0)
        rows.setUniformRowHeights(True)
        rows.setAllColumnsShowFocus(True)
        rows.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        rows.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        rows.setMinimumHeight(110)
        rows.setFocusPolicy(Qt.FocusPolicy.TabFocus)  # a click leaves the keys to the canvas
        rows.setAccessibleName("Categories")
        head = rows.header()
        head.setStretchLastSection(False)
        head.setMinimumSectionSize(20)
        head.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        head.setSectionResizeMode(NAME, QHeaderView.ResizeMode.Stretch)
        return rows

    def _make_row(self, place: int, category: Category) -> QTreeWidgetItem:
        item = QTreeWidgetItem()
        item.setFlags(item.flags() | Qt.ItemFlag.ItemIsEditable)
        locked = category.id in self._document.locks
        item.setData(NAME, _ID, category.id)
        item.setText(KEY, str(place + 1) if place < HOTKEYS else "")
        item.setIcon(COLOR, swatch(category.color))
        item.setText(NAME, category.name)
        item.setText(KIND, category.kind)
        item.setIcon(LOCK, icon("lock") if locked else icon("unlock", faint=True))
        item.setTextAlignment(AREA, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        for at, tip in self._tips.items():
            item.setToolTip(at, tip)
        item.setToolTip(NAME, f"{category.name}\n{_TIPS[NAME]}")
        item.setSizeHint(NAME, QSize(0, 2 * self.fontMetrics().height() + 4))
        return item

    # The person

    def _on_clicked(self, item: QTreeWidgetItem, at: int) -> None:
        category = self._document.category(item.data(NAME, _ID))
        if at == COLOR:
            self.choose_color(category)
        elif at == KIND:
            other = replace(category, kind="stuff" if category.kind == "thing" else "thing")
            self._try(lambda: self._document.change_category(other))
        elif at == LOCK:
            self._document.toggle_lock(category.id)

    def _on_double_clicked(self, item: QTreeWidgetItem, at: int) -> None:
        if at in (KEY, NAME, AREA):
            self._edit_name(item)

    def _edit_name(self, item: QTreeWidgetItem) -> None:
        self._rows.editItem(item, NAME)

    def _on_current_changed(self, item: QTreeWidgetItem | None) -> None:
        if item is not None:
            self._document.set_active(item.data(NAME, _ID))

    def _on_item_edited(self, item: QTreeWidgetItem, at: int) -> None:
        category = self._document.category(item.data(NAME, _ID))
        name = item.text(NAME).strip()
        if at == NAME and name != category.name:
            self._try(lambda: self._document.change_category(replace(category, name=name)))
            self._show_rows()

    def _try(self, act: Callable[[], object]) -> None:
        try:
            act()
        except ValueError as error:
            self.refused.emit(str(error))

    # The document

    def _show_rows(self) -> None:
        with QSignalBlocker(self._rows):
            self._rows.clear()
            for place, category in enumerate(self._document.categories):
                self._rows.addTopLevelItem(self._make_row(place, category))
        self._show_active()
        self._show_areas()

    def _show_active(self) -> None:
        with QSignalBlocker(self._rows):
            for item in self._items():
                active = item.data(NAME, _ID) == self._document.active
                font = item.font(NAME)
                font.setBold(active)
                item.setFont(NAME, font)
                if active:
                    self._rows.setCurrentItem(item)

    def _show_areas(self) -> None:
        areas, total = self._counter.areas, math.prod(self._document.image.shape)
        with QSignalBlocker(self._rows):
            for item in self._items():
                text = in_words(areas.get(item.data(NAME, _ID), 0), total)
                item.setText(AREA, text.replace("px, ", "px\n"))
        clusters = {id_: pixels for id_, pixels in areas.items() if id_ >= FIRST_CLUSTER}
        self._rest.setText(_about_clusters(clusters, total))

    def _items(self) -> list[QTreeWidgetItem]:
        items = (self._rows.topLevelItem(i) for i in range(self._rows.topLevelItemCount()))
        return [item for item in items if item is not None]


def _about_clusters(areas: dict[int, int], total: int) -> str:
    if not areas:
        return ""
    plural = "s" * (len(areas) != 1)
    share = f"{sum(areas.values()) / total:.0%}".replace("%", " %")
    return f"{len(areas)} cluster{plural} unnamed, {share}"
