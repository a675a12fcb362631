"""The canvas: real mouse and key events arrive as what the person did, in image coordinates."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from qtpy.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from qtpy.QtGui import QDragEnterEvent, QDropEvent, QWheelEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from unseg_studio.app.canvas import Canvas, Hover
from unseg_studio.app.tools import Tool
from unseg_studio.data import FIRST_CLUSTER, Image
from unseg_studio.document import Document

LEFT, RIGHT = Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton
NO_KEY = Qt.KeyboardModifier.NoModifier
MIDDLE = Qt.MouseButton.MiddleButton
SHAPE = (100, 200)
A, B = FIRST_CLUSTER, FIRST_CLUSTER + 1


def photograph():
    pixels = np.full((*SHAPE, 3), 100, np.uint8)
    pixels[:, 100:] = 140
    return Image.of(pixels)


def halves():
    """Cluster A on the left, B on the right, a strip of nothing at the bottom."""
    labels = np.full(SHAPE, A, np.int32)
    labels[:, 100:] = B
    labels[90:] = 0
    return labels


@pytest.fixture
def canvas(qtbot):
    canvas = Canvas()
    qtbot.addWidget(canvas)
    canvas.resize(400, 300)
    canvas.set_document(Document(photograph()))
    canvas.document().show(halves())
    canvas.show()
    qtbot.waitExposed(canvas)
    canvas.set_brush_radius(3)
    return canvas


@pytest.fixture
def heard(canvas):
    """Everything the canvas has said, as (signal, values)."""
    said = []
    for name in ("stroke_drawn", "polygon_drawn", "point_clicked", "ids_dragged", "files_dropped"):
        getattr(canvas, name).connect(lambda *values, name=name: said.append((name, values)))
    canvas.click_taken_back.connect(lambda: said.append(("click_taken_back", ())))
    return said


def at(canvas, row, col):
    """The view position of an image position, for the mouse."""
    x, y = canvas.viewport().to_view(row, col)
    return QPoint(round(x), round(y))


def press(canvas, place, button=LEFT):
    """Through the window system, as a real mouse does; so are the ones below."""
    QTest.mousePress(canvas.windowHandle(), button, NO_KEY, place)


def move(canvas, place):
    """Come from the side: the window system says nothing of a mouse that is there already."""
    QTest.mouseMove(canvas.windowHandle(), place + QPoint(0, 1))
    QTest.mouseMove(canvas.windowHandle(), place)


def release(canvas, place, button=LEFT):
    QTest.mouseRelease(canvas.windowHandle(), button, NO_KEY, place)


def click(canvas, place, button=LEFT):
    press(canvas, place, button)
    release(canvas, place, button)


def double_click(canvas, place):
    QTest.mouseDClick(canvas.windowHandle(), LEFT, NO_KEY, place)


def drag(canvas, points, button=LEFT):
    places = [at(canvas, *point) for point in points]
    press(canvas, places[0], button)
    for place in places[1:]:
        QTest.mouseMove(canvas.windowHandle(), place)
    release(canvas, places[-1], button)


def scroll(canvas, place, notches=1, modifiers=NO_KEY):
    point = QPointF(place)
    event = QWheelEvent(
        point,
        point,
        QPoint(),
        QPoint(0, 120 * notches),
        Qt.MouseButton.NoButton,
        modifiers,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(canvas, event)


def color(canvas, row, col):
    place = at(canvas, row, col)
    image = canvas.grab_view()
    ratio = image.devicePixelRatio()
    pixel = image.pixelColor(round(place.x() * ratio), round(place.y() * ratio))
    return np.array([pixel.red(), pixel.green(), pixel.blue()])


# Strokes


def test_a_stroke_arrives_once_with_its_way_in_the_image(canvas, heard):
    drag(canvas, [(20, 30), (25, 60), (40, 90)])
    [(name, (tool, points))] = heard
    assert (name, tool) == ("stroke_drawn", Tool.SCRIBBLE)
    assert points == pytest.approx(np.array([(20, 30), (25, 60), (40, 90)]), abs=0.5)


@pytest.mark.parametrize("scale", [0.7, 3.0, 12.0])
def test_strokes_are_exact_under_zoom_and_pan(canvas, heard, scale):
    canvas.zoom_to(scale)
    drag(canvas, [(50, 100), (52, 103)], button=MIDDLE)
    drag(canvas, [(50, 100), (54, 106)])
    assert heard[-1][1][1] == pytest.approx(np.array([(50, 100), (54, 106)]), abs=0.51 / scale)


def test_a_single_click_is_a_stroke_of_one_point(canvas, heard):
    click(canvas, at(canvas, 20, 30))
    assert heard[0][1][1].shape == (1, 2)


def test_a_stroke_beside_the_image_says_nothing(canvas, heard):
    drag(canvas, [(-30, 30), (-30, 60)])
    assert heard == []


def test_a_stroke_may_begin_beside_the_image(canvas, heard):
    drag(canvas, [(-20, 30), (20, 30)])
    assert len(heard) == 1


@pytest.mark.parametrize(
    ("tool", "meant"), [(Tool.SCRIBBLE, Tool.ERASE_SCRIBBLE), (Tool.PAINT, Tool.ERASER)]
)
def test_the_right_button_erases(canvas, heard, tool, meant):
    canvas.set_tool(tool)
    drag(canvas, [(20, 30), (25, 60)], button=RIGHT)
    assert [values[0] for _, values in heard] == [meant]


def test_the_right_button_does_nothing_with_other_tools(canvas, heard):
    canvas.set_tool(Tool.FILL)
    click(canvas, at(canvas, 20, 30), RIGHT)
    assert heard == []


def test_another_button_does_not_end_a_stroke(canvas, heard):
    press(canvas, at(canvas, 20, 30))
    click(canvas, at(canvas, 25, 40), RIGHT)
    assert heard == []
    release(canvas, at(canvas, 30, 50))
    assert [values[0] for _, values in heard] == [Tool.SCRIBBLE]


def test_the_stroke_in_progress_is_on_screen_and_not_in_the_document(qtbot, canvas):
    press(canvas, at(canvas, 20, 30))
    move(canvas, at(canvas, 20, 90))
    assert color(canvas, 20, 60).tolist() == list(canvas.document().category(1).rgb)
    assert canvas.document().scribbles.is_empty
    qtbot.keyClick(canvas, Qt.Key.Key_Escape)
    assert color(canvas, 20, 60).tolist() != list(canvas.document().category(1).rgb)


def test_a_stroke_in_progress_shows_the_brush_and_the_category_as_they_become(canvas):
    canvas.set_brush_radius(2)
    press(canvas, at(canvas, 40, 40))
    move(canvas, at(canvas, 40, 80))
    document = canvas.document()
    first = list(document.category(1).rgb)
    assert color(canvas, 48, 60).tolist() != first
    canvas.set_brush_radius(12)  # what is drawn on release is as wide everywhere
    assert color(canvas, 48, 60).tolist() == first
    second = document.add_category()
    assert color(canvas, 48, 60).tolist() == list(second.rgb)


def test_escape_drops_a_stroke(qtbot, canvas, heard):
    press(canvas, at(canvas, 20, 30))
    move(canvas, at(canvas, 20, 90))
    qtbot.keyClick(canvas, Qt.Key.Key_Escape)
    release(canvas, at(canvas, 20, 90))
    assert heard == []


# Polygon and lasso


def corners_of_a_polygon(canvas, corners=((20, 30), (20, 80), (60, 80))):
    canvas.set_tool(Tool.POLYGON)
    for corner in corners:
        click(canvas, at(canvas, *corner))
    return np.array(corners)


def test_enter_closes_a_polygon(qtbot, canvas, heard):
    corners = corners_of_a_polygon(canvas)
    assert heard == []
    qtbot.keyClick(canvas, Qt.Key.Key_Return)
    [(name, (points,))] = heard
    assert name == "polygon_drawn"
    assert points == pytest.approx(corners, abs=0.5)


def test_a_click_on_the_first_corner_closes_a_polygon(canvas, heard):
    corners_of_a_polygon(canvas)
    click(canvas, at(canvas, 21, 31))
    assert [values[0].shape for _, values in heard] == [(3, 2)]


def test_a_double_click_closes_a_polygon_with_its_corner_and_does_not_fit(canvas, heard):
    canvas.zoom_to(2.5)
    before = canvas.viewport()
    corners_of_a_polygon(canvas)
    double_click(canvas, at(canvas, 60, 40))
    assert [values[0].shape for _, values in heard] == [(4, 2)]
    assert canvas.viewport() == before


def test_backspace_takes_the_last_corner_back(qtbot, canvas, heard):
    corners_of_a_polygon(canvas, [(20, 30), (20, 80), (60, 80), (60, 30)])
    qtbot.keyClick(canvas, Qt.Key.Key_Backspace)
    qtbot.keyClick(canvas, Qt.Key.Key_Return)
    assert len(heard[0][1][0]) == 3


@pytest.mark.parametrize("dropped", ["escape", "another tool", "another document"])
def test_a_dropped_polygon_is_never_drawn(qtbot, canvas, heard, dropped):
    corners_of_a_polygon(canvas)
    if dropped == "escape":
        qtbot.keyClick(canvas, Qt.Key.Key_Escape)
    elif dropped == "another tool":
        canvas.set_tool(Tool.PAINT)
        canvas.set_tool(Tool.POLYGON)
    else:
        canvas.set_document(Document(photograph()))
    qtbot.keyClick(canvas, Qt.Key.Key_Return)
    assert heard == []


def test_two_corners_are_no_polygon(qtbot, canvas, heard):
    corners_of_a_polygon(canvas, [(20, 30), (20, 80)])
    qtbot.keyClick(canvas, Qt.Key.Key_Return)
    assert heard == []


def test_a_lasso_is_a_polygon_along_the_way(canvas, heard):
    canvas.set_tool(Tool.LASSO)
    drag(canvas, [(20, 30), (20, 80), (60, 80), (60, 30)])
    [(name, (points,))] = heard
    assert name == "polygon_drawn"
    assert points == pytest.approx(np.array([(20, 30), (20, 80), (60, 80), (60, 30)]), abs=0.5)


def test_a_click_with_the_lasso_says_nothing(canvas, heard):
    canvas.set_tool(Tool.LASSO)
    click(canvas, at(canvas, 20, 30))
    assert heard == []


# Clicks and drags


@pytest.mark.parametrize("tool", [Tool.FILL, Tool.NAME])
def test_a_click_says_which_pixel(canvas, heard, tool):
    canvas.set_tool(tool)
    click(canvas, at(canvas, 20.2, 130.2))
    assert heard == [("point_clicked", (tool, 20, 130))]


def test_a_click_beside_the_image_says_nothing(canvas, heard):
    canvas.set_tool(Tool.FILL)
    click(canvas, at(canvas, -10, 130))
    assert heard == []


def test_a_merge_says_from_which_id_to_which(canvas, heard):
    canvas.set_tool(Tool.MERGE)
    drag(canvas, [(20, 150), (30, 100), (40, 20)])
    assert heard == [("ids_dragged", (B, A))]


@pytest.mark.parametrize("end", [(40, 30), (95, 30), (-20, 30)])
def test_a_merge_with_itself_or_with_nothing_says_nothing(canvas, heard, end):
    canvas.set_tool(Tool.MERGE)
    drag(canvas, [(20, 20), end])
    assert heard == []


# View


def test_the_wheel_keeps_the_point_under_the_cursor(canvas):
    place = at(canvas, 30, 150)
    before = canvas.viewport().to_image(place.x(), place.y())
    scroll(canvas, place, 3)
    after = canvas.viewport()
    assert after.scale == pytest.approx(2 * 1.25**3)
    assert after.to_image(place.x(), place.y()) == pytest.approx(before)


def test_the_wheel_with_ctrl_changes_the_brush(qtbot, canvas):
    scale = canvas.viewport().scale
    with qtbot.waitSignal(canvas.brush_radius_changed) as changed:
        scroll(canvas, at(canvas, 30, 150), 1, Qt.KeyboardModifier.ControlModifier)
    assert changed.args == [pytest.approx(3.45)]
    assert canvas.viewport().scale == scale


@pytest.mark.parametrize("how", ["middle", "space", "tool"])
def test_dragging_pans_and_draws_nothing(qtbot, canvas, heard, how):
    canvas.zoom_to(6)
    x, y = canvas.viewport().to_view(50, 100)
    if how == "space":
        qtbot.keyPress(canvas, Qt.Key.Key_Space)
    if how == "tool":
        canvas.set_tool(Tool.PAN)
    drag(canvas, [(50, 100), (45, 90)], button=MIDDLE if how == "middle" else LEFT)
    qtbot.keyRelease(canvas, Qt.Key.Key_Space)
    assert canvas.viewport().to_view(50, 100) == pytest.approx((x - 60, y - 30))
    assert heard == []


def test_after_space_is_released_the_tool_draws_again(qtbot, canvas, heard):
    qtbot.keyClick(canvas, Qt.Key.Key_Space)
    drag(canvas, [(50, 100), (45, 90)])
    assert len(heard) == 1


def test_a_double_click_fits_and_takes_its_first_click_back(canvas, heard):
    fitted = canvas.viewport()
    canvas.zoom_to(5)
    double_click(canvas, at(canvas, 50, 100))
    assert canvas.viewport() == fitted
    assert [name for name, _ in heard] == ["stroke_drawn", "click_taken_back"]


def test_a_double_click_that_said_nothing_takes_nothing_back(canvas, heard):
    click(canvas, at(canvas, 50, 100))
    canvas.set_tool(Tool.PAN)
    double_click(canvas, at(canvas, 50, 100))
    assert [name for name, _ in heard] == ["stroke_drawn"]


def test_a_fitted_view_stays_fitted_when_the_window_grows(qtbot, canvas):
    canvas.resize(800, 300)
    qtbot.waitUntil(lambda: canvas.viewport().view == (300, 800))
    assert canvas.viewport() == canvas.viewport().fitted()


def test_a_zoomed_view_keeps_its_middle_when_the_window_grows(qtbot, canvas):
    canvas.zoom_to(5)
    middle = canvas.viewport().to_image(200, 150)
    canvas.resize(800, 320)
    qtbot.waitUntil(lambda: canvas.viewport().view == (320, 800))
    assert canvas.viewport().to_image(400, 160) == pytest.approx(middle)


def test_keys_pan_and_zoom(qtbot, canvas):
    canvas.zoom_to(5)
    qtbot.keyClick(canvas, Qt.Key.Key_Plus)
    assert canvas.viewport().scale == pytest.approx(6.25)
    left = canvas.viewport().left
    qtbot.keyClick(canvas, Qt.Key.Key_Right)
    assert canvas.viewport().left > left


@pytest.mark.parametrize(("given", "kept"), [(0, 0.5), (7.5, 7.5), (1000, 200)])
def test_the_brush_radius_stays_within_limits(canvas, given, kept):
    canvas.set_brush_radius(given)
    assert canvas.brush_radius() == kept


def test_the_same_radius_is_not_announced_again(qtbot, canvas):
    with qtbot.assertNotEmitted(canvas.brush_radius_changed):
        canvas.set_brush_radius(3)


# What is on the screen


def test_opacity_goes_from_the_image_to_the_colour_of_the_category(canvas):
    canvas.document().show(np.ones(SHAPE, np.int32))
    canvas.set_opacity(0)
    assert color(canvas, 20, 30).tolist() == [100] * 3
    canvas.set_opacity(1)
    assert color(canvas, 20, 30).tolist() == list(canvas.document().category(1).rgb)


def test_contours_leave_the_inside_bare(canvas):
    canvas.set_contours(True)
    assert color(canvas, 20, 30).tolist() == [100] * 3
    assert color(canvas, 20, 99.7).tolist() != [100] * 3


def test_hiding_shows_the_bare_image_without_scribbles(canvas):
    canvas.document().paint([(20, 30)], radius=5)
    canvas.set_overlay_hidden(True)
    assert color(canvas, 20, 30).tolist() == [100] * 3
    canvas.set_overlay_hidden(False)
    assert color(canvas, 20, 30).tolist() == list(canvas.document().category(1).rgb)


def test_the_overlay_is_hidden_while_tab_is_held(qtbot, canvas):
    qtbot.keyPress(canvas, Qt.Key.Key_Tab)
    assert color(canvas, 20, 30).tolist() == [100] * 3
    qtbot.keyRelease(canvas, Qt.Key.Key_Tab)
    assert color(canvas, 20, 30).tolist() != [100] * 3


def test_scribbles_lie_opaque_over_the_labels(canvas):
    canvas.document().paint([(20, 30), (20, 60)], radius=4)
    assert color(canvas, 20, 45).tolist() == list(canvas.document().category(1).rgb)


@pytest.mark.parametrize("scale", [0.3, 1.0, 9.0])
def test_scribbles_lie_where_they_were_drawn_at_every_scale(canvas, scale):
    document = canvas.document()
    document.paint([(48, 95), (48, 105)], radius=4)
    document.paint([(60, 120)], radius=4)
    canvas.zoom_to(scale)
    assert color(canvas, 48.4, 100.4).tolist() == list(document.category(1).rgb)
    assert color(canvas, 60.4, 100.4).tolist() != list(document.category(1).rgb)


def test_new_labels_and_new_colours_are_shown_at_once(canvas):
    document = canvas.document()
    canvas.set_opacity(1)
    document.show(np.ones(SHAPE, np.int32))
    assert color(canvas, 20, 30).tolist() == [0xE6, 0x9F, 0x00]
    category = document.category(1)
    document.change_category(type(category)(1, category.name, "#112233"))
    assert color(canvas, 20, 30).tolist() == [0x11, 0x22, 0x33]


def test_contrast_makes_a_dim_sixteen_bit_image_visible(canvas):
    pixels = np.full(SHAPE, 2000, np.uint16)
    pixels[:, 100:] = 2100
    canvas.set_document(Document(Image.of(pixels)))
    canvas.set_contrast(0, 65_535, 1.0)
    dim = color(canvas, 20, 150) - color(canvas, 20, 50)
    canvas.set_contrast(2000, 2100, 1.0)
    assert dim.max() <= 1
    assert (color(canvas, 20, 150) - color(canvas, 20, 50)).tolist() == [255] * 3


def test_hidden_channels_lose_their_light(canvas):
    canvas.set_opacity(0)
    canvas.set_visible_channels((0, 2))
    assert color(canvas, 20, 30).tolist() == [100, 0, 100]
    canvas.set_visible_channels((1,))
    assert color(canvas, 20, 30).tolist() == [100] * 3


def test_a_channel_that_does_not_exist_is_refused(canvas):
    with pytest.raises(ValueError, match="accepted are 0 to 2"):
        canvas.set_visible_channels((0, 3))


def test_a_large_image_gets_smooth_once_its_pyramid_is_built(qtbot, canvas):
    checkers = (np.indices((2048, 1024)).sum(axis=0) % 2 * 255).astype(np.uint8)
    canvas.set_document(Document(Image.of(checkers)))
    qtbot.waitUntil(lambda: abs(int(color(canvas, 500, 500)[0]) - 127) <= 2)


def test_the_pixel_grid_appears_between_large_pixels(canvas):
    canvas.set_opacity(0)
    canvas.zoom_to(10)
    edge, inside = color(canvas, 49.5, 100), color(canvas, 50, 101)
    canvas.zoom_to(7)
    assert edge.tolist() != inside.tolist()
    assert color(canvas, 49.5, 101).tolist() == inside.tolist()


# Under the cursor


def hovered(canvas, row, col):
    """The last thing that is said while the mouse goes there."""
    said = []
    canvas.hovered.connect(said.append)
    move(canvas, at(canvas, row, col))
    canvas.hovered.disconnect(said.append)
    return said[-1]


def test_hovering_says_pixel_values_and_id(canvas):
    hovered(canvas, 10, 10)
    assert hovered(canvas, 20, 150) == Hover(20, 150, (140, 140, 140), B)
    assert hovered(canvas, 95, 150).id == 0


def test_beside_the_image_nothing_is_hovered(canvas):
    hovered(canvas, 20, 150)
    assert hovered(canvas, -10, 150) is None


def test_the_hovered_id_follows_new_labels(qtbot, canvas):
    hovered(canvas, 20, 150)
    with qtbot.waitSignal(canvas.hovered) as heard:
        canvas.document().show(np.full(SHAPE, A, np.int32))
    assert heard.args[0].id == A


def test_the_cluster_under_the_cursor_is_outlined(canvas):
    canvas.set_opacity(0)
    move(canvas, at(canvas, 20, 150))
    assert color(canvas, 60, 99.6).min() > 200
    assert color(canvas, 60, 150).tolist() == [140] * 3


@pytest.mark.parametrize("tool", [Tool.NAME, Tool.MERGE, Tool.FILL])
def test_tools_that_mean_a_whole_cluster_highlight_it(canvas, tool):
    canvas.set_opacity(0)
    canvas.set_tool(tool)
    move(canvas, at(canvas, 20, 150))
    assert color(canvas, 60, 150).min() > 150
    assert color(canvas, 60, 50).tolist() == [100] * 3


def test_fill_highlights_the_connected_region_only(canvas):
    labels = np.full(SHAPE, A, np.int32)
    labels[:, 90:110] = B
    canvas.document().show(labels)
    canvas.set_opacity(0)
    canvas.set_tool(Tool.FILL)
    move(canvas, at(canvas, 20, 150))
    assert color(canvas, 60, 150).min() > 150
    assert color(canvas, 60, 50).tolist() == [100] * 3


def test_the_brush_circle_shows_the_reach_in_the_image(canvas):
    canvas.set_opacity(0)
    canvas.set_brush_radius(20)
    move(canvas, at(canvas, 50, 60))
    on_circle, inside = color(canvas, 50, 80), color(canvas, 50, 70)
    assert np.abs(on_circle - canvas.document().category(1).rgb).max() < 60
    assert inside.tolist() == [100] * 3


# Empty, dropped files, accessibility


def test_without_a_document_it_invites_and_survives_the_mouse(canvas, heard):
    canvas.set_document(None)
    image = canvas.grab_view()
    middle = image.height() // 2
    shades = {image.pixelColor(x, middle).red() for x in range(image.width())}
    drag_from, drag_to = QPoint(50, 50), QPoint(90, 90)
    press(canvas, drag_from)
    move(canvas, drag_to)
    release(canvas, drag_to)
    double_click(canvas, drag_from)
    scroll(canvas, drag_from)
    assert len(shades) > 2
    assert heard == []
    assert canvas.accessibleDescription() == "Open an image or drop one here"


def test_the_old_document_is_not_listened_to_any_more(canvas):
    old = canvas.document()
    canvas.set_document(Document(photograph()))
    before = color(canvas, 20, 30)
    old.show(np.ones(SHAPE, np.int32))
    assert color(canvas, 20, 30).tolist() == before.tolist()


def test_dropped_files_are_announced_as_paths(canvas, heard, tmp_path):
    data = QMimeData()
    files = [tmp_path / "one.png", tmp_path / "two words.tif"]
    web = QUrl("https://example.org/x.png")
    data.setUrls([*(QUrl.fromLocalFile(str(path)) for path in files), web])
    copy = Qt.DropAction.CopyAction
    with warnings.catch_warnings():  # newer bindings want a QPointF, which older ones refuse
        warnings.simplefilter("ignore", DeprecationWarning)
        enter = QDragEnterEvent(QPoint(10, 10), copy, data, LEFT, NO_KEY)
    QApplication.sendEvent(canvas, enter)
    assert enter.isAccepted()
    QApplication.sendEvent(canvas, QDropEvent(QPointF(10, 10), copy, data, LEFT, NO_KEY))
    assert heard == [("files_dropped", (files,))]
    assert all(isinstance(path, Path) for path in heard[0][1][0])


def test_screen_readers_hear_what_the_tool_does(canvas):
    canvas.set_tool(Tool.MERGE)
    assert canvas.accessibleName() == "Image"
    assert canvas.accessibleDescription() == Tool.MERGE.hint


def test_every_tool_has_words_and_a_key_of_its_own():
    assert all(tool.title and tool.hint.endswith(".") for tool in Tool)
    assert len({tool.key for tool in Tool}) == len(Tool)
