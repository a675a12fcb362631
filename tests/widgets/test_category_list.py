"""The category list: everything that can be done to a category, by mouse and keyboard."""

from __future__ import annotations

import pytest
from qtpy.QtCore import Qt, QTimer
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QApplication, QColorDialog, QLineEdit, QTreeWidget

from unseg_studio.data import new_category
from unseg_studio.widgets import CategoryList
from unseg_studio.widgets.category_list import AREA, COLOR, KEY, KIND, LOCK, NAME

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def categories(qtbot, document, live):
    widget = CategoryList(document, live)
    qtbot.addWidget(widget)
    widget.resize(300, 240)
    widget.show()
    return widget


def rows_of(categories):
    return categories.findChild(QTreeWidget)


def click(qtbot, categories, row, column):
    rows = rows_of(categories)
    where = rows.visualItemRect(rows.topLevelItem(row))
    where.setLeft(rows.columnViewportPosition(column))
    where.setWidth(rows.columnWidth(column))
    qtbot.mouseClick(rows.viewport(), LEFT, pos=where.center())
    return where.center()


def rename(qtbot, categories, row, name):
    center = click(qtbot, categories, row, NAME)
    qtbot.mouseDClick(rows_of(categories).viewport(), LEFT, pos=center)
    editor = rows_of(categories).findChild(QLineEdit)
    editor.selectAll()
    qtbot.keyClicks(editor, name)
    qtbot.keyClick(editor, Qt.Key.Key_Return)


def test_a_click_makes_a_category_the_active_one(qtbot, categories, document):
    click(qtbot, categories, 1, NAME)
    assert document.active == 2
    assert rows_of(categories).topLevelItem(1).font(NAME).bold()
    assert not rows_of(categories).topLevelItem(0).font(NAME).bold()


def test_the_active_one_of_the_document_is_the_current_row(categories, document):
    document.set_active(2)
    assert rows_of(categories).currentItem() is rows_of(categories).topLevelItem(1)


def test_rows_tell_key_name_and_kind(categories):
    item = rows_of(categories).topLevelItem(1)
    assert (item.text(KEY), item.text(NAME), item.text(KIND)) == ("2", "category 2", "thing")


def test_the_tenth_category_has_no_key(categories, document):
    for _ in range(8):
        document.add_category()
    assert rows_of(categories).topLevelItem(9).text(KEY) == ""


def test_a_name_is_edited_in_place(qtbot, categories, document):
    rename(qtbot, categories, 0, "cell")
    qtbot.waitUntil(lambda: document.category(1).name == "cell")


def test_a_name_that_is_taken_is_refused_and_taken_back(qtbot, categories, document):
    with qtbot.waitSignal(categories.refused) as said:
        rename(qtbot, categories, 0, "category 2")
    assert "category 2" in said.args[0]
    assert rows_of(categories).topLevelItem(0).text(NAME) == "category 1"


def test_an_empty_name_is_refused(qtbot, categories, document):
    center = click(qtbot, categories, 0, NAME)
    qtbot.mouseDClick(rows_of(categories).viewport(), LEFT, pos=center)
    editor = rows_of(categories).findChild(QLineEdit)
    editor.clear()
    with qtbot.waitSignal(categories.refused):
        qtbot.keyClick(editor, Qt.Key.Key_Return)
    assert document.category(1).name == "category 1"


def test_a_click_on_the_kind_changes_it_and_undo_takes_it_back(qtbot, categories, document):
    click(qtbot, categories, 0, KIND)
    assert document.category(1).kind == "stuff"
    document.undo()
    assert rows_of(categories).topLevelItem(0).text(KIND) == "thing"


def test_a_click_on_the_lock_locks(qtbot, categories, document):
    click(qtbot, categories, 0, LOCK)
    assert document.locks == {1}
    click(qtbot, categories, 0, LOCK)
    assert not document.locks


def test_a_click_on_the_colour_asks_for_another_one(qtbot, categories, document):
    def choose():
        dialog = QApplication.activeModalWidget()
        assert isinstance(dialog, QColorDialog)
        dialog.setCurrentColor(QColor("#123456"))
        dialog.accept()

    QTimer.singleShot(50, choose)
    click(qtbot, categories, 0, COLOR)
    assert document.category(1).color == "#123456"


def test_adding_lets_the_name_be_typed_at_once(qtbot, categories, document):
    categories.add()
    assert document.active == 3
    editor = rows_of(categories).findChild(QLineEdit)
    editor.selectAll()
    qtbot.keyClicks(editor, "nucleus")
    qtbot.keyClick(editor, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: document.category(3).name == "nucleus")


def test_removing_takes_the_active_one(categories, document):
    document.set_active(2)
    categories.remove_active()
    assert [c.id for c in document.categories] == [1]
    assert rows_of(categories).topLevelItemCount() == 1


def test_the_last_category_stays(qtbot, categories, document):
    categories.remove_active()
    with qtbot.waitSignal(categories.refused):
        categories.remove_active()
    assert len(document.categories) == 1


def test_areas_are_counted_in_pixels_and_per_cent(qtbot, categories):
    item = rows_of(categories).topLevelItem(0)
    qtbot.waitUntil(lambda: item.text(AREA) == "200 px\n8.3 %")


def test_unnamed_clusters_are_mentioned(qtbot, categories):
    qtbot.waitUntil(lambda: categories._rest.text() == "2 clusters unnamed, 92 %")


def test_a_category_of_another_program_part_appears(categories, document):
    document.add_category("mitochondrion")
    assert rows_of(categories).topLevelItem(2).text(NAME) == "mitochondrion"
    assert new_category(document.categories).id == 4
