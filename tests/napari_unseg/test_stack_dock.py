"""The dock on stacks, inside a real napari window, painted in with the mouse."""

from __future__ import annotations

import json
import threading
import time

import dask
import dask.array as da
import numpy as np
import pytest
from napari_unseg.planes_box import PlanesBox
from napari_unseg.set_export import SetExport
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QApplication, QLabel, QPushButton
from superqt import QCollapsible

from unseg_studio.document import Live
from unseg_studio.widgets import CategoryList, RunBar

WAIT_MS = 20_000
SHAPE = (48, 64)
SQUARE, OUTSIDE = (24, 28), (24, 58)


@pytest.fixture
def session(viewer, dock, cells):
    viewer.layers.selection.active = cells
    dock.begin()
    viewer.layers.selection.active = dock.session.link.scribbles
    return dock.session


def button(dock, text):
    return next(b for b in dock.findChildren(QPushButton) if b.text() == text)


def workers():
    return [t for t in threading.enumerate() if t.name == "unseg-worker"]


def texts(dock):
    labels = dock.findChild(PlanesBox).findChildren(QLabel)
    return " ".join(label.text() for label in labels if not label.isHidden())


def wait_until_done(qtbot, document):
    qtbot.waitUntil(lambda: document.status.phase in ("done", "failed"), timeout=WAIT_MS)
    assert document.status.phase == "done", document.status.message


def place(viewer, layer, row, col):
    """Where the canvas shows a pixel of the plane that is shown."""
    canvas = viewer.window._qt_viewer.canvas
    node = canvas.layer_to_visual[getattr(layer, "__wrapped__", layer)].node
    x, y = node.get_transform("visual", "canvas").map([col + 0.5, row + 0.5])[:2]
    return QPoint(round(float(x)), round(float(y)))


def drag(qtbot, viewer, layer, *points):
    """A stroke with the left button, from pixel to pixel."""
    native = viewer.window._qt_viewer.canvas.native
    spots = [place(viewer, layer, *point) for point in points]
    left = Qt.MouseButton.LeftButton
    qtbot.mouseMove(native, spots[0])
    QApplication.processEvents()
    qtbot.mousePress(native, left, pos=spots[0])
    for spot in spots[1:]:
        qtbot.mouseMove(native, spot)
        QApplication.processEvents()
    qtbot.mouseRelease(native, left, pos=spots[-1])
    QApplication.processEvents()


def paint(session, layer, label, *points, plane):
    """The same without a mouse."""
    with layer.block_history():
        for point in points:
            layer.paint((plane, *point), label)


def drawn(qtbot, session):
    """Two categories on the plane at work, and their labels."""
    plane = session.stack.at_work[0]
    paint(session, session.link.scribbles, 1, SQUARE, plane=plane)
    paint(session, session.link.scribbles, 2, OUTSIDE, plane=plane)
    wait_until_done(qtbot, session.document)


def carried(qtbot, session):
    session.carry(everywhere=True)
    qtbot.waitUntil(lambda: not session.is_carrying, timeout=WAIT_MS)


def test_the_mouse_paints_on_the_plane_that_is_shown(qtbot, viewer, dock, session):
    viewer.window._qt_window.show()
    qtbot.waitExposed(viewer.window._qt_window)
    viewer.reset_view()
    viewer.screenshot(canvas_only=True, flash=False)  # drawn once, it knows where its pixels are
    drag(qtbot, viewer, session.link.scribbles, (20, 20), (20, 30))
    assert session.stack.at_work == (2,)
    assert session.document.scribbles.ids[20, 25] == 1
    viewer.dims.set_current_step(0, 4)
    drag(qtbot, viewer, session.link.scribbles, (30, 20), (30, 30))
    assert session.stack.at_work == (4,)
    assert session.document.scribbles.ids[30, 25] == 1
    native = viewer.window._qt_viewer.canvas.native
    qtbot.keyClick(native, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert session.document.scribbles.is_empty
    assert not session.link.scribbles.data[4].any()
    control = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier
    qtbot.keyClick(native, Qt.Key.Key_Z, control)
    assert session.document.scribbles.ids[30, 25] == 1


def test_the_box_says_where_the_work_is(qtbot, viewer, dock, session):
    assert "Plane 2" in texts(dock)
    assert button(dock, "Work on this plane").isHidden()
    viewer.dims.set_current_step(0, 5)
    qtbot.waitUntil(lambda: "plane 5, not worked on yet" in texts(dock))
    button(dock, "Work on this plane").click()
    assert session.stack.at_work == (5,)
    assert "Plane 5" in texts(dock)
    assert session.document.status.is_busy


def test_a_flat_image_has_no_box_for_planes(dock, image):
    dock.begin()
    assert dock.findChild(PlanesBox) is None


def test_moving_a_slider_reads_and_computes_nothing(qtbot, viewer, dock, session, monkeypatch):
    wait_until_done(qtbot, session.document)
    monkeypatch.setattr(Live, "start", lambda _: pytest.fail("A run began."))
    for plane in (0, 1, 5, 3):
        viewer.dims.set_current_step(0, plane)
    qtbot.waitUntil(lambda: "plane 3" in texts(dock))
    assert set(session.stack.documents) == {(2,)}
    assert len(workers()) == 1


def test_a_run_ends_in_its_own_plane(qtbot, viewer, dock, session):
    first = session.document
    assert first.status.is_busy
    viewer.dims.set_current_step(0, 5)
    session.work_here()
    wait_until_done(qtbot, first)
    wait_until_done(qtbot, session.document)
    preview = session.link.preview
    for plane, document in ((2, first), (5, session.document)):
        qtbot.waitUntil(lambda p=plane, d=document: np.array_equal(preview.data[p], d.labels))
    assert not preview.data[0].any()


def test_another_plane_at_work_gets_other_panels(qtbot, viewer, dock, session):
    before = dock.panels
    button(dock, "Clusters and parameters").click()
    viewer.dims.set_current_step(0, 5)
    session.work_here()
    assert dock.panels is not before
    assert button(dock.panels, "Clusters and parameters").isChecked()
    assert len(dock.panels.findChildren(RunBar)) == 1
    session.document.add_category("nucleus")
    rows = dock.panels.findChild(CategoryList)._rows
    assert rows.topLevelItem(1).text(2) == "nucleus"
    assert session.stack.documents[2,].categories == session.document.categories


def test_few_engines_are_kept(qtbot, session):
    for plane in range(6):
        session.stack.work_on((plane,))
        session.live.stop()
    qtbot.waitUntil(lambda: len(workers()) <= 3)


def test_labels_are_carried_to_all_planes(qtbot, viewer, dock, session):
    drawn(qtbot, session)
    button(dock, "To all planes").click()
    assert not button(dock, "To all planes").isEnabled()
    assert not button(dock, "Cancel").isHidden()
    qtbot.waitUntil(lambda: not session.is_carrying, timeout=WAIT_MS)
    assert dock.message == "Carried to 5 planes."
    assert button(dock, "Cancel").isHidden()
    qtbot.waitUntil(lambda: session.link.preview.data[5].any())
    assert session.link.preview.data[5][SQUARE] == 1
    assert session.link.preview.data[0][OUTSIDE] == 2
    assert "5 carried" in texts(dock)


def test_labels_are_carried_to_the_next_plane_along_the_slider_moved_last(qtbot, viewer, dock):
    pixels = np.random.default_rng(1).integers(0, 99, (2, 3, *SHAPE)).astype(np.uint8)
    pixels[..., 32:] += 100
    viewer.add_image(pixels)
    viewer.dims.current_step = (0, 0, 0, 0)
    dock.begin()
    session = dock.session
    wait_until_done(qtbot, session.document)
    for step, wanted in (((0, 0, 0, 0), (0, 1)), ((1, 0, 0, 0), (1, 0))):
        viewer.dims.current_step = step
        session.carry(everywhere=False)
        qtbot.waitUntil(lambda: not session.is_carrying, timeout=WAIT_MS)
        assert session.stack.status(wanted) == "carried"


def test_carrying_can_be_cancelled(qtbot, dock, session):
    drawn(qtbot, session)
    session.carry(everywhere=True)
    session.carry(everywhere=False)
    assert "carried already" in dock.message
    button(dock, "Cancel").click()
    assert not session.is_carrying
    assert button(dock, "To all planes").isEnabled()
    carried(qtbot, session)
    assert session.stack.tally.carried == 5


def test_planes_that_were_drawn_on_are_not_touched(qtbot, dock, session):
    link = session.link
    paint(session, link.corrections, 1, (5, 5), plane=4)
    session.live.stop()
    session.stack.work_on((2,))
    drawn(qtbot, session)
    before = link.corrections.data[4].copy()
    carried(qtbot, session)
    assert session.stack.status((4,)) == "corrected"
    assert session.stack.tally.carried == 4
    np.testing.assert_array_equal(link.corrections.data[4], before)


def test_a_stroke_on_a_carried_plane_starts_from_its_labels(qtbot, viewer, dock, session):
    drawn(qtbot, session)
    carried(qtbot, session)
    viewer.dims.set_current_step(0, 3)
    paint(session, session.link.scribbles, 2, (24, 30), plane=3)
    assert session.stack.at_work == (3,)
    wait_until_done(qtbot, session.document)
    assert session.document.labels[OUTSIDE] == 2
    assert session.document.labels[24, 30] == 2
    assert set(session.document.shown.areas) == {1, 2}
    session.document.undo()
    assert session.stack.status((3,)) == "carried"


def test_before_there_are_labels_nothing_is_carried(dock, session):
    session.stack.work_on((0,))
    session.carry(everywhere=True)
    assert "no labels to carry yet" in dock.message
    assert not session.is_carrying


def exporting(qtbot, dock):
    """The dialog behind the button, after its look at what will be written."""
    next(f for f in dock.findChildren(QCollapsible) if f.text() == "Export").expand(animate=False)
    button(dock, "Export all planes …").click()
    dialog = next(w for w in QApplication.topLevelWidgets() if isinstance(w, SetExport))
    with qtbot.waitSignal(dialog.form.checked, timeout=WAIT_MS):
        pass
    return dialog


def test_all_planes_are_looked_at_and_exported_to_one_coco_file(qtbot, dock, session, tmp_path):
    drawn(qtbot, session)
    carried(qtbot, session)
    dialog = exporting(qtbot, dock)
    assert dialog.form.summary.endswith("6 images will be written.")
    with qtbot.waitSignal(dialog.written, timeout=WAIT_MS):
        dialog.write(tmp_path / "out.json")
    content = json.loads((tmp_path / "out.json").read_text())
    names = [entry["file_name"] for entry in content["images"]]
    assert names == [f"array_z000{plane}" for plane in range(6)]
    assert {entry["image_id"] for entry in content["annotations"]} == set(range(1, 7))
    assert "6 images" in dock.message and "IoU 1.000" in dock.message


def test_without_labels_no_plane_is_exported(dock, session, monkeypatch):
    monkeypatch.setattr(session.stack, "labelled", tuple)  # the engine may have been quicker
    fold = next(f for f in dock.findChildren(QCollapsible) if f.text() == "Export")
    fold.expand(animate=False)
    button(dock, "Export all planes …").click()
    assert dock.message == "No plane has labels yet; segment one first."


def test_uncertainty_belongs_to_its_plane(qtbot, viewer, dock, session):
    wait_until_done(qtbot, session.document)
    session.doubt.show(True)
    values = viewer.layers["uncertainty"].data
    assert values.shape == (6, *SHAPE)
    assert values[2].any()
    assert not values[3].any()


def test_in_3d_and_back_a_run_goes_on(qtbot, viewer, dock, session):
    viewer.dims.ndisplay = 3
    wait_until_done(qtbot, session.document)
    labels = session.document.labels
    qtbot.waitUntil(lambda: np.array_equal(session.link.preview.data[2], labels))
    viewer.dims.ndisplay = 2
    paint(session, session.link.scribbles, 1, SQUARE, plane=2)
    assert not session.document.scribbles.is_empty


def test_closing_the_viewer_while_all_runs_ends_every_worker(qtbot, viewer, dock, session):
    drawn(qtbot, session)
    session.carry(everywhere=True)
    session.stack.work_on((5,))
    session.start()
    assert len(workers()) > 2
    viewer.close()
    qtbot.waitUntil(lambda: not workers(), timeout=WAIT_MS)


def test_removing_the_image_while_it_is_carried_ends_in_a_sentence(qtbot, viewer, dock, session):
    drawn(qtbot, session)
    session.carry(everywhere=True)
    viewer.layers.remove(session.link.layer)
    assert dock.session is None
    assert "was removed" in dock.message
    qtbot.waitUntil(lambda: not workers(), timeout=WAIT_MS)


@pytest.fixture
def read():
    """Which planes of the large stack were read."""
    return []


@pytest.fixture
def large(viewer, read):
    """2 GB in 1000 planes, none of which is there before it is asked for."""

    def plane(z):
        read.append(z)
        if z == 7:
            raise OSError("the disk is gone")
        pixels = np.random.default_rng(z).integers(0, 999, (1, 1024, 1024)).astype(np.uint16)
        pixels[..., 500:] += 5000
        return pixels

    shape = (1, 1024, 1024)
    parts = [da.from_delayed(dask.delayed(plane)(z), shape, np.uint16) for z in range(1000)]
    layer = viewer.add_image(da.concatenate(parts), contrast_limits=(0, 6000), name="large")
    viewer.dims.set_current_step(0, 3)
    return layer


def test_of_a_stack_of_2_gb_only_planes_that_are_worked_on_are_read(
    qtbot, viewer, dock, large, read
):
    assert large.data.nbytes >= 2 * 10**9
    viewer.layers.selection.active = large
    read.clear()
    dock.begin()
    session = dock.session
    session.live.stop()
    assert set(read) == {3}
    paint(session, session.link.scribbles, 1, (100, 100), plane=900)
    session.live.stop()
    assert set(read) == {3, 900}
    assert session.link.scribbles.data[900, 100, 100] == 1
    assert session.stack.status((900,)) == "scribbled"


def test_a_plane_that_fails_to_load_is_said_and_the_work_goes_on(qtbot, viewer, dock, large):
    viewer.layers.selection.active = large
    dock.begin()
    session = dock.session
    session.live.stop()
    paint(session, session.link.scribbles, 1, (100, 100), plane=7)
    assert "plane 7 could not be read (OSError: the disk is gone)" in dock.message
    assert not session.link.scribbles.data[7].any()
    assert session.stack.at_work == (3,)
    paint(session, session.link.scribbles, 1, (100, 100), plane=3)
    session.live.stop()
    assert not session.document.scribbles.is_empty


def test_another_plane_is_at_work_at_once(dock, session):
    session.stack.work_on((0,))
    session.live.stop()
    session.stack.work_on((2,))
    began = time.perf_counter()
    session.stack.work_on((0,))
    assert time.perf_counter() - began < 0.5  # a tenth of it on an idle machine
