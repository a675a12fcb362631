"""The dock inside a real napari window."""

from __future__ import annotations

import json
import threading

import numpy as np
import pytest
from napari_unseg.dock import WIDTH, Dock, palette_of
from napari_unseg.strokes import NOTHING_HERE
from qtpy.QtCore import Qt
from qtpy.QtGui import QPalette
from qtpy.QtWidgets import QPushButton

from unseg_studio.refinement import Uncertainty
from unseg_studio.widgets import ExportWish, FilmstripBar

WAIT_MS = 20_000


def button(dock):
    return next(b for b in dock.findChildren(QPushButton) if b.text() == "Segment this layer")


def workers():
    return [t for t in threading.enumerate() if t.name == "unseg-worker"]


def wait_until_done(qtbot, dock):
    phases = ("done", "failed")
    qtbot.waitUntil(lambda: dock.session.document.status.phase in phases, timeout=WAIT_MS)
    assert dock.session.document.status.phase == "done", dock.session.document.status.message


@pytest.fixture
def session(dock, image):
    button(dock).click()
    return dock.session


def test_the_dock_opens_from_the_plugin_menu(viewer, qtbot):
    own = next(a for a in viewer.window.plugins_menu.actions() if a.text() == "UnSeg Studio")
    next(a for a in own.menu().actions() if "Segment and annotate" in a.text()).trigger()
    dock = viewer.window._qt_window.findChild(Dock)
    assert isinstance(dock, Dock)
    assert dock.minimumSizeHint().width() == WIDTH
    assert not button(dock).isEnabled()


@pytest.mark.parametrize(("theme", "light"), [("dark", True), ("light", False)])
def test_icons_are_drawn_in_the_text_colour_of_the_theme(theme, light):
    ink = palette_of(theme).color(QPalette.ColorRole.WindowText)
    assert (ink.lightness() > 128) is light


def test_the_button_waits_for_an_image(viewer, dock, image):
    assert button(dock).isEnabled()
    viewer.add_labels(np.zeros((4, 5), int))
    assert not button(dock).isEnabled()
    assert "accepted are image layers" in dock._choice.text()
    viewer.layers.selection.active = image
    assert button(dock).isEnabled()


def test_an_image_without_content_is_refused_with_a_sentence(viewer, dock):
    viewer.add_image(np.zeros((40, 60)))
    button(dock).click()
    assert "nothing to segment" in dock.message
    assert dock.session is None
    assert not workers()


def test_labels_of_a_layer_form_in_the_preview(qtbot, dock, session):
    wait_until_done(qtbot, dock)
    preview = session.link.preview
    qtbot.waitUntil(lambda: np.array_equal(preview.data, session.document.labels))
    assert len(np.unique(preview.data)) > 1


def test_strokes_steer_the_labels(qtbot, viewer, dock, session):
    scribbles = session.link.scribbles
    assert viewer.layers.selection.active == scribbles
    for label, column in ((1, 10), (2, 50)):
        with scribbles.block_history():
            scribbles.paint((20, column), label)
    wait_until_done(qtbot, dock)
    preview = session.link.preview
    qtbot.waitUntil(lambda: preview.data[20, 10] == 1 and preview.data[20, 50] == 2)
    assert {c.id for c in session.document.categories} == {1, 2}


def test_an_export_writes_the_categories(qtbot, dock, session, tmp_path):
    wait_until_done(qtbot, dock)
    session.document.name_all_clusters()
    path = tmp_path / "out.json"
    panels = dock.panels
    with qtbot.waitSignal(panels.said, timeout=WAIT_MS):
        panels.export(ExportWish(), path)
    assert json.loads(path.read_text())["annotations"]
    assert str(path) in dock.message


def test_an_export_that_fails_says_so(qtbot, dock, session, tmp_path):
    with qtbot.waitSignal(dock.panels.said, timeout=WAIT_MS):
        dock.panels.export(ExportWish(), tmp_path / "absent" / "out.json")
    assert "absent" in dock.message


@pytest.mark.parametrize("which", ["preview", "corrections", "scribbles"])
def test_a_deleted_layer_is_offered_back(viewer, dock, session, which):
    again = next(b for b in dock.findChildren(QPushButton) if b.text() == "Show the layers again")
    assert again.isHidden()
    viewer.layers.remove(getattr(session.link, which))
    assert "Nothing is lost" in dock.message
    assert not again.isHidden()
    again.click()
    assert again.isHidden()
    assert getattr(session.link, which) in viewer.layers


def test_deleting_the_image_ends_the_work_in_a_sentence(viewer, dock, session):
    viewer.layers.remove(session.link.layer)
    assert dock.session is None
    assert "was removed" in dock.message
    assert [layer.name for layer in viewer.layers] == ["preview", "corrections", "scribbles"]
    assert not workers()


def test_another_layer_replaces_the_one_under_work(viewer, dock, session):
    viewer.add_image(np.eye(30))
    button(dock).click()
    assert dock.session.document.image.shape == (30, 30)
    assert len(workers()) == 1
    assert session.link.preview in viewer.layers


def test_closing_the_viewer_ends_the_worker(qtbot, viewer, dock, session):
    assert workers()
    viewer.close()
    qtbot.waitUntil(lambda: not workers())


def test_closing_the_dock_ends_the_worker_and_deletes_it(qtbot, viewer, dock, session):
    gone = []
    dock.destroyed.connect(lambda: gone.append(True))
    viewer.window.remove_dock_widget(dock)
    qtbot.waitUntil(lambda: bool(gone))
    assert not workers()
    viewer.add_image(np.eye(9))


def test_a_hidden_dock_goes_on_working(qtbot, viewer, dock, session):
    dock.parent().hide()
    wait_until_done(qtbot, dock)


def test_numbers_of_clusters_are_compared_once_that_is_unfolded(qtbot, viewer, session, dock):
    viewer.window._qt_window.show()
    wait_until_done(qtbot, dock)
    assert dock.panels.findChild(FilmstripBar) is None
    assert len(workers()) == 1
    folded = next(
        b for b in dock.findChildren(QPushButton) if b.text() == "Compare numbers of clusters"
    )
    qtbot.mouseClick(folded, Qt.MouseButton.LeftButton)
    strip = dock.panels.findChild(FilmstripBar)
    card = next(iter(strip._cards.values()))
    qtbot.waitUntil(lambda: card.lines[1] != "…", timeout=WAIT_MS)
    assert strip.height() >= card.height()
    qtbot.mouseClick(folded, Qt.MouseButton.LeftButton)
    assert not strip.filmstrip.is_working


def test_uncertainty_is_a_layer_as_long_as_it_is_wanted(qtbot, viewer, dock, session):
    wait_until_done(qtbot, dock)
    switch = next(b for b in dock.findChildren(QPushButton) if b.text() == "Uncertainty")
    switch.click()
    layer = viewer.layers["uncertainty"]
    assert layer.blending == "additive"
    np.testing.assert_allclose(layer.translate, session.link.layer.translate)
    assert layer.data.max() > 0
    values = layer.data
    session.document.run()
    wait_until_done(qtbot, dock)
    assert layer.data is values
    switch.click()
    assert "uncertainty" not in viewer.layers
    switch.click()
    viewer.layers.remove("uncertainty")
    assert not switch.isChecked()


def test_the_view_moves_to_where_a_stroke_helps_most(qtbot, viewer, dock, session):
    wait_until_done(qtbot, dock)
    posterior = np.zeros((2, 40, 60), np.float32)
    posterior[0], posterior[:, 10:30, 35:55] = 1, 0.5
    doubt = Uncertainty.of(posterior, (1, 2), settled=np.zeros((40, 60), bool), shape=(40, 60))
    session.document.show(session.document.labels, doubt)
    next(b for b in dock.findChildren(QPushButton) if b.text() == "Where next?").click()
    wanted = session.link.layer.data_to_world((doubt.hint.row, doubt.hint.col))
    center = getattr(viewer, "scene", viewer).camera.center
    np.testing.assert_allclose(center[-2:], wanted)


def test_keys_are_none_of_naparis(viewer, dock):
    from napari.utils.shortcuts import default_shortcuts

    own = {str(key) for key in viewer.keymap}
    theirs = {str(key) for keys in default_shortcuts.values() for key in keys}
    assert {"Alt+N", "Alt+A", "Alt+T", "Alt+U", "Alt+0", "Alt+9"} <= own
    assert not own & theirs


def test_keys_work_in_the_canvas(qtbot, viewer, dock, session):
    session.document.add_category()
    canvas = viewer.window._qt_viewer.canvas.native
    alt = Qt.KeyboardModifier.AltModifier
    qtbot.keyClick(canvas, Qt.Key.Key_1, alt)
    assert session.document.active == 1
    qtbot.keyClick(canvas, Qt.Key.Key_2, alt)
    assert session.document.active == session.link.scribbles.selected_label == 2
    qtbot.keyClick(canvas, Qt.Key.Key_0, alt)
    assert session.link.corrections.selected_label == NOTHING_HERE
    assert viewer.layers.selection.active == session.link.corrections


def test_keys_go_with_the_dock(qtbot, viewer, dock):
    viewer.window.remove_dock_widget(dock)
    qtbot.waitUntil(lambda: "Alt+N" not in {str(key) for key in viewer.keymap})
