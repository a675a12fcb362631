"""The brush suits the image until the person chooses another."""

from __future__ import annotations

import pytest
from qtpy.QtCore import QSettings

from unseg_studio.app.canvas import Canvas
from unseg_studio.app.display_box import DisplayBox


@pytest.fixture
def settings(tmp_path):
    return QSettings(str(tmp_path / "settings.ini"), QSettings.Format.IniFormat)


@pytest.fixture
def canvas(qtbot):
    canvas = Canvas()
    qtbot.addWidget(canvas)
    return canvas


def box_of(qtbot, canvas, settings):
    box = DisplayBox(canvas, settings)
    qtbot.addWidget(box)
    return box


@pytest.mark.parametrize(("longer", "radius"), [(60, 1.0), (256, 2.5), (480, 5.0), (2048, 20.5)])
def test_the_first_brush_suits_the_size_of_the_image(qtbot, canvas, settings, longer, radius):
    box_of(qtbot, canvas, settings).suit((longer // 2, longer))
    assert canvas.brush_radius() == radius
    assert settings.value("display/brush") is None


def test_a_chosen_brush_stays_for_the_next_image(qtbot, canvas, settings):
    box = box_of(qtbot, canvas, settings)
    box.suit((256, 256))
    canvas.set_brush_radius(7.0)
    box.suit((2048, 2048))
    assert canvas.brush_radius() == 7.0
    box_of(qtbot, canvas, settings).suit((100, 100))
    assert canvas.brush_radius() == 7.0
