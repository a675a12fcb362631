"""The heat map and the next best stroke, with real keys on a real window."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import QPoint, QRect, Qt
from qtpy.QtGui import QImage
from qtpy.QtWidgets import QCheckBox

from unseg_studio.app.glow import glow, ramp
from unseg_studio.app.status_line import NO_DOUBT
from unseg_studio.app.viewport import Viewport
from unseg_studio.data import FIRST_CLUSTER
from unseg_studio.refinement import Uncertainty

from .conftest import SHAPE
from .test_window import CTRL, LEFT, NONE, draw, key, menu_entry

IDS = (FIRST_CLUSTER, FIRST_CLUSTER + 1)
PLACE = (14, 46)


def blob(row=PLACE[0], col=PLACE[1], radius=6):
    rows, cols = np.indices(SHAPE)
    return ((rows - row) ** 2 + (cols - col) ** 2 <= radius**2).astype(np.float32)


def made(doubt):
    planes = np.stack([1 - doubt / 2, doubt / 2]).astype(np.float32)
    return Uncertainty.of(planes, IDS, settled=np.zeros(SHAPE, bool), shape=SHAPE)


def show(window, doubt):
    window.document.show(window.document.state.live, made(doubt))


@pytest.fixture
def doubtful(window):
    """In doubt around one place."""
    show(window, blob())
    return window


def at(window, row, col):
    x, y = window.canvas.viewport().to_view(row, col)
    return QPoint(round(x), round(y))


def light(window, row, col):
    """How bright the screen is at a pixel of the image, 0 to 255."""
    image = window.canvas.grab_view()
    place = at(window, row, col) * image.devicePixelRatio()
    return image.pixelColor(place).lightness()


def ring(window, row, col, reach=100):
    """What is on the screen around a pixel of the image."""
    middle = at(window, row, col)
    return window.canvas.grab(
        QRect(middle - QPoint(reach, reach), middle + QPoint(reach, reach))
    ).toImage()


def white_share(image):
    """Share of white pixels, as only the ring has them."""
    rgb = image.convertToFormat(QImage.Format.Format_RGB32)
    values = np.frombuffer(rgb.constBits(), np.uint8).reshape(rgb.height(), rgb.width(), 4)
    return (values[..., :3] > 250).all(axis=2).mean()


class TestHeatMap:
    def test_u_shows_and_hides_it(self, qtbot, doubtful):
        before = doubtful.canvas.grab_view()
        key(qtbot, doubtful, "U")
        assert doubtful.display.uncertainty
        assert menu_entry(doubtful, "uncertainty").isChecked()
        shown = doubtful.canvas.grab_view()
        assert shown != before
        key(qtbot, doubtful, "U")
        assert not doubtful.display.uncertainty
        assert doubtful.canvas.grab_view() == before

    def test_doubt_glows_and_what_is_certain_is_dimmed(self, qtbot, doubtful):
        row, col = PLACE[0] + 4, PLACE[1] + 2  # inside the blob, beside the ring
        before = light(doubtful, row, col), light(doubtful, 40, 46)
        key(qtbot, doubtful, "U")
        assert light(doubtful, row, col) > light(doubtful, 40, 46) + 60
        assert light(doubtful, 40, 46) < before[1]

    def test_a_ring_marks_the_place(self, qtbot, doubtful):
        plain = white_share(ring(doubtful, *PLACE))
        key(qtbot, doubtful, "U")
        assert white_share(ring(doubtful, *PLACE)) > plain + 0.01

    def test_it_follows_every_frame(self, qtbot, doubtful):
        key(qtbot, doubtful, "U")
        glowing = light(doubtful, PLACE[0] + 4, PLACE[1] + 2)
        show(doubtful, blob(36, 14))
        assert light(doubtful, PLACE[0] + 4, PLACE[1] + 2) < glowing - 60
        assert white_share(ring(doubtful, 36, 14)) > 0.01

    def test_tab_shows_the_bare_image_as_long_as_it_is_held(self, qtbot, doubtful):
        key(qtbot, doubtful, "H")
        qtbot.keyPress(doubtful.canvas, Qt.Key.Key_Tab)
        bare = doubtful.canvas.grab_view()
        qtbot.keyRelease(doubtful.canvas, Qt.Key.Key_Tab)
        key(qtbot, doubtful, "U")
        qtbot.keyPress(doubtful.canvas, Qt.Key.Key_Tab)
        assert doubtful.canvas.grab_view() == bare
        qtbot.keyRelease(doubtful.canvas, Qt.Key.Key_Tab)
        assert doubtful.canvas.grab_view() != bare

    def test_the_display_box_has_a_switch(self, qtbot, doubtful):
        doubtful._docks["Display"].raise_()
        (switch,) = (box for box in doubtful.display.findChildren(QCheckBox) if "(U)" in box.text())
        qtbot.mouseClick(switch, LEFT, pos=QPoint(8, switch.height() // 2))
        assert menu_entry(doubtful, "uncertainty").isChecked()
        key(qtbot, doubtful, "U")
        assert not switch.isChecked()

    def test_before_the_first_frame_it_says_why_it_cannot_be_shown(self, qtbot, window):
        key(qtbot, window, "U")
        assert not window.display.uncertainty
        (switch,) = (box for box in window.display.findChildren(QCheckBox) if "(U)" in box.text())
        for part in (menu_entry(window, "uncertainty"), menu_entry(window, "next_stroke"), switch):
            assert not part.isEnabled()
            assert "wait for the first ones" in part.toolTip()
        show(window, blob())
        assert switch.isEnabled() and menu_entry(window, "next_stroke").isEnabled()
        assert "wait" not in switch.toolTip()

    def test_it_stays_on_for_the_next_document_and_waits_for_its_frames(
        self, qtbot, doubtful, small_image
    ):
        from unseg_studio.document import Document

        key(qtbot, doubtful, "U")
        doubtful.show_document(Document(small_image, doubtful.document.categories))
        doubtful.live.stop()
        assert menu_entry(doubtful, "uncertainty").isEnabled()
        assert doubtful.tool.hint in doubtful.status_line.text()
        doubtful.canvas.grab_view()
        show(doubtful, blob())
        assert "One stroke" in doubtful.status_line.text()

    def test_a_real_run_brings_doubt(self, qtbot, make_window):
        window = make_window(idle=False)
        qtbot.waitUntil(lambda: window.document.uncertainty is not None, timeout=60_000)
        key(qtbot, window, "U")
        assert window.display.uncertainty
        qtbot.waitUntil(lambda: window.document.status.phase == "done", timeout=60_000)
        assert window.document.uncertainty.image_shape == SHAPE


class TestNextBestStroke:
    def test_the_status_line_says_where_and_between_what(self, qtbot, doubtful):
        key(qtbot, doubtful, "U")
        text = doubtful.status_line.text()
        assert "One stroke at the ring would help most: cluster 1 or cluster 2?" in text
        doubtful.document.name_cluster(IDS[1], 2)
        assert "cluster 1 or category 2?" in doubtful.status_line.text()
        key(qtbot, doubtful, "U")
        assert doubtful.tool.hint in doubtful.status_line.text()

    def test_j_brings_the_place_to_the_middle_and_flashes_it(self, qtbot, doubtful):
        assert not doubtful.display.uncertainty
        key(qtbot, doubtful, "J")
        hint, canvas = doubtful.document.hint, doubtful.canvas
        x, y = canvas.viewport().to_view(hint.row, hint.col)
        assert abs(x - canvas.width() / 2) <= canvas.viewport().scale
        assert abs(y - canvas.height() / 2) <= canvas.viewport().scale
        assert "One stroke" in doubtful.status_line.text()
        assert white_share(ring(doubtful, hint.row, hint.col)) > 0.01
        qtbot.waitUntil(lambda: white_share(ring(doubtful, hint.row, hint.col)) < 0.005)

    def test_a_tiny_place_is_magnified(self, qtbot, doubtful):
        doubtful.canvas.zoom_to(1.0)
        show(doubtful, blob(radius=3))
        key(qtbot, doubtful, "J")
        hint, scale = doubtful.document.hint, doubtful.canvas.viewport().scale
        assert scale > 4
        assert hint.radius * scale == pytest.approx(40) or scale == 8

    def test_a_close_view_is_not_zoomed_out(self, qtbot, doubtful):
        doubtful.canvas.zoom_to(30.0)
        key(qtbot, doubtful, "J")
        assert doubtful.canvas.viewport().scale == pytest.approx(30)

    def test_where_nothing_is_in_doubt_it_says_so(self, qtbot, doubtful):
        show(doubtful, 0 * blob())
        key(qtbot, doubtful, "U")
        assert NO_DOUBT in doubtful.status_line.text()
        assert not menu_entry(doubtful, "next_stroke").isEnabled()
        assert NO_DOUBT in menu_entry(doubtful, "next_stroke").toolTip()
        before = doubtful.canvas.viewport()
        key(qtbot, doubtful, "J")
        assert doubtful.canvas.viewport() == before

    def test_a_correction_at_the_place_takes_the_ring_away_and_undo_brings_it_back(
        self, qtbot, doubtful
    ):
        key(qtbot, doubtful, "U")
        key(qtbot, doubtful, "P", NONE)
        hint = doubtful.document.hint
        draw(qtbot, doubtful, (hint.row, hint.col - 3), (hint.row, hint.col + 3))
        assert NO_DOUBT in doubtful.status_line.text()
        assert not menu_entry(doubtful, "next_stroke").isEnabled()
        key(qtbot, doubtful, "Z", CTRL)
        assert "One stroke" in doubtful.status_line.text()
        assert menu_entry(doubtful, "next_stroke").isEnabled()


class TestGlow:
    def test_more_doubt_is_never_darker_nor_more_transparent(self):
        alpha, red, green, blue = ((ramp() >> shift & 255).astype(int) for shift in (24, 16, 8, 0))
        assert (np.diff(alpha) >= 0).all()
        for ground in (0, 255):  # over a black and over a white image
            shown = 0.2126 * red + 0.7152 * green + 0.0722 * blue + ground * (255 - alpha) / 255
            assert shown[-1] > shown[0] + 50
            assert (np.diff(shown[::16]) > -6).all()

    @pytest.mark.parametrize("plane_shape", [(10, 20), (37, 51), (100, 200)])
    @pytest.mark.parametrize("scale", [0.4, 1.0, 7.3, 64.0])
    def test_it_lies_where_the_doubt_is(self, plane_shape, scale):
        rows, cols = np.indices(plane_shape)
        plane = (cols + 0.5) / plane_shape[1] * np.ones_like(rows)
        view = Viewport((100, 200), (60.0, 80.0)).centred(47, 106, scale=scale)
        samples = view.samples()
        found = _levels(glow(plane.astype(np.float32), view))
        wanted = 255 * (samples.cols + 0.5) / 200
        middle = found[len(found) // 2]
        inner = (wanted > 255 / plane_shape[1]) & (wanted < 255 - 255 / plane_shape[1])
        assert found.shape == samples.shape
        assert np.abs(middle - wanted)[inner].max() <= 2 + 255 / 200 / min(scale, 1)

    def test_a_view_beside_the_image_shows_nothing(self):
        view = Viewport((10, 10), (0.0, 0.0))
        assert glow(np.ones((4, 4), np.float32), view).size == 0


def _levels(argb):
    """The doubt behind each colour."""
    known = {int(color): level for level, color in enumerate(ramp())}
    return np.vectorize(lambda color: known[int(color)])(argb)
