"""The brush: what the canvas says becomes the document's verbs, refusals become sentences."""

from __future__ import annotations

import numpy as np
import pytest

from unseg_studio.app.brush import BrushController
from unseg_studio.app.canvas import Canvas
from unseg_studio.app.tools import Tool
from unseg_studio.data import FIRST_CLUSTER, UNEDITED, Image
from unseg_studio.document import Document

A, B = FIRST_CLUSTER, FIRST_CLUSTER + 1
WAY = np.array([[5.0, 5.0], [5.0, 15.0]])


@pytest.fixture
def document():
    pixels = np.random.default_rng(7).integers(0, 255, (20, 30)).astype(np.uint8)
    labels = np.full((20, 30), A, np.int32)
    labels[:, 20:] = B
    labels[18:] = 0
    document = Document(Image.of(pixels))
    document.show(labels)
    return document


@pytest.fixture
def canvas(qtbot, document):
    canvas = Canvas()
    qtbot.addWidget(canvas)
    canvas.set_document(document)
    canvas.set_brush_radius(1)
    return canvas


@pytest.fixture
def brush(document, canvas):
    return BrushController(document, canvas)


@pytest.fixture
def refusals(brush):
    sentences = []
    brush.refused.connect(sentences.append)
    return sentences


def test_a_scribble_steers_with_the_brush_radius(document, canvas, brush):
    canvas.stroke_drawn.emit(Tool.SCRIBBLE, WAY)
    assert document.scribbles.ids[4:7, 10].tolist() == [1, 1, 1]
    assert document.scribbles.ids[[3, 7], 10].tolist() == [0, 0]


def test_erasing_removes_scribbles(document, canvas, brush):
    canvas.stroke_drawn.emit(Tool.SCRIBBLE, WAY)
    canvas.stroke_drawn.emit(Tool.ERASE_SCRIBBLE, WAY)
    assert document.scribbles.is_empty


def test_erasing_where_nothing_is_scribbled_is_no_step(document, canvas, brush):
    canvas.stroke_drawn.emit(Tool.ERASE_SCRIBBLE, WAY)
    assert document.undo_text is None


def test_painting_corrects_with_the_active_category(document, canvas, brush):
    document.add_category("wall")
    canvas.stroke_drawn.emit(Tool.PAINT, WAY)
    assert document.labels[5, 10] == 2
    assert document.scribbles.is_empty


def test_the_eraser_leaves_nothing(document, canvas, brush):
    canvas.stroke_drawn.emit(Tool.ERASER, WAY)
    assert document.labels[5, 10] == 0
    assert document.edits.ids[5, 10] == 0


def test_a_polygon_corrects_its_inside(document, canvas, brush):
    canvas.polygon_drawn.emit(np.array([[2.0, 2.0], [2.0, 12.0], [12.0, 12.0], [12.0, 2.0]]))
    assert (document.labels[2:13, 2:13] == 1).all()
    assert (document.edits.ids == UNEDITED).sum() == 20 * 30 - 11 * 11


def test_a_fill_gives_the_region_to_the_active_category(document, canvas, brush):
    canvas.point_clicked.emit(Tool.FILL, 3, 3)
    assert (document.labels[:18, :20] == 1).all()
    assert (document.labels[:18, 20:] == B).all()


def test_filling_what_is_filled_already_is_no_step(document, canvas, brush):
    canvas.point_clicked.emit(Tool.FILL, 3, 3)
    canvas.point_clicked.emit(Tool.FILL, 3, 3)
    document.undo()
    assert document.undo_text is None


def test_a_click_names_a_cluster(document, canvas, brush):
    canvas.point_clicked.emit(Tool.NAME, 3, 25)
    assert (document.labels[:18, 20:] == 1).all()


def test_a_drag_merges(document, canvas, brush):
    canvas.ids_dragged.emit(A, B)
    assert (document.labels[:18] == B).all()


def test_naming_nothing_is_refused_in_words(document, canvas, brush, refusals):
    canvas.point_clicked.emit(Tool.NAME, 19, 3)
    assert "no cluster" in refusals[0]
    assert document.undo_text is None


def test_naming_what_belongs_to_another_category_is_refused_in_words(
    document, canvas, brush, refusals
):
    canvas.point_clicked.emit(Tool.NAME, 3, 3)
    document.add_category("wall")
    canvas.point_clicked.emit(Tool.NAME, 3, 3)
    assert "'category 1'" in refusals[0]
    assert document.labels[3, 3] == 1


def test_a_locked_category_is_refused_in_words(document, canvas, brush, refusals):
    document.toggle_lock(1)
    canvas.stroke_drawn.emit(Tool.SCRIBBLE, WAY)
    assert "locked" in refusals[0]
    assert document.scribbles.is_empty


def test_a_double_click_leaves_no_trace(document, canvas, brush):
    canvas.stroke_drawn.emit(Tool.SCRIBBLE, WAY[:1])
    canvas.click_taken_back.emit()
    assert document.scribbles.is_empty
    assert document.undo_text is None


def test_only_the_click_itself_is_taken_back(document, canvas, brush):
    canvas.stroke_drawn.emit(Tool.SCRIBBLE, WAY[:1])
    document.add_category("wall")
    canvas.click_taken_back.emit()
    assert not document.scribbles.is_empty


def test_a_refused_click_takes_back_nothing(document, canvas, brush, refusals):
    canvas.stroke_drawn.emit(Tool.SCRIBBLE, WAY)
    canvas.point_clicked.emit(Tool.NAME, 19, 3)
    canvas.click_taken_back.emit()
    assert not document.scribbles.is_empty


def test_a_document_that_is_not_shown_is_left_alone(document, canvas, brush):
    canvas.set_document(Document(document.image))
    canvas.stroke_drawn.emit(Tool.SCRIBBLE, WAY)
    assert document.scribbles.is_empty
