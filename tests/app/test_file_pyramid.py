"""A large image on the screen: coarse at once, band by band, and sharp where the view is."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile

from unseg_studio.app import file_pyramid
from unseg_studio.app.canvas import Canvas
from unseg_studio.app.display import Look, Pyramid
from unseg_studio.app.file_pyramid import FilePyramid
from unseg_studio.app.viewport import Viewport
from unseg_studio.data import LargeImage, image, open_image, read_image
from unseg_studio.document import Document

SHAPE = (1200, 1600)


@pytest.fixture(autouse=True)
def low_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image, "LARGE", 500_000)
    monkeypatch.setattr(file_pyramid, "OVERVIEW", 400)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    small = np.random.default_rng(0).integers(0, 255, (24, 32, 3)).astype(np.uint8)
    pixels = cv2.resize(small, SHAPE[::-1], interpolation=cv2.INTER_CUBIC)
    tifffile.imwrite(
        tmp_path / "a.tif", pixels, tile=(128, 128), compression="lzw", photometric="rgb"
    )
    return tmp_path / "a.tif"


@pytest.fixture
def large(path: Path) -> LargeImage:
    opened = open_image(path)
    assert isinstance(opened, LargeImage)
    return opened


def views() -> list[Viewport]:
    view = Viewport(SHAPE, (300.0, 400.0))
    return [
        view.fitted(),
        view.centred(600, 800, scale=0.4),
        view.centred(600, 800, scale=1.0),
        view.centred(5, 5, scale=3.0),
        view.centred(1190, 1590, scale=0.7),
    ]


def reads_on(qtbot, pyramid: FilePyramid) -> None:
    qtbot.waitUntil(lambda: not pyramid.is_reading)


@pytest.mark.parametrize("number", range(5))
def test_every_view_shows_what_it_would_of_an_image_in_memory(qtbot, large, path, number):
    viewport, whole = views()[number], read_image(path)
    pyramid, other = FilePyramid(large), Pyramid(whole.pixels)
    pyramid.build()
    other.build()
    look = Look.of(whole)
    pyramid.rendered(viewport, look)
    reads_on(qtbot, pyramid)
    apart = np.abs(pyramid.rendered(viewport, look).astype(int) - other.rendered(viewport, look))
    assert apart.max() <= 2


def test_a_view_is_coarse_until_its_part_was_read(qtbot, large):
    pyramid, viewport = FilePyramid(large), views()[2]
    pyramid.build()
    before = pyramid.version
    coarse = pyramid.rendered(viewport, Look.of(large))
    assert coarse.std() > 10
    reads_on(qtbot, pyramid)
    assert pyramid.version > before
    fine = pyramid.rendered(viewport, Look.of(large))
    assert np.abs(fine.astype(int) - coarse).max() > 2
    assert not pyramid.is_reading


def test_a_small_move_needs_no_file(qtbot, large):
    pyramid, viewport = FilePyramid(large), views()[2]
    pyramid.build()
    pyramid.rendered(viewport, Look.of(large))
    reads_on(qtbot, pyramid)
    pyramid.rendered(viewport.panned(30, 30), Look.of(large))
    assert not pyramid.is_reading


def test_before_the_first_band_nothing_is_shown(large):
    assert not FilePyramid(large).rendered(views()[0], Look.of(large)).any()


def test_a_canvas_gets_complete_and_says_what_is_looked_at(qtbot, large):
    canvas = Canvas()
    qtbot.addWidget(canvas)
    canvas.resize(400, 300)
    document = Document(large)
    canvas.set_document(document)
    canvas.show()
    assert document.seen == (slice(0, 1200), slice(0, 1600))
    qtbot.waitUntil(lambda: not canvas._building.isActive())
    shown = canvas.grab_view()
    assert len({shown.pixel(x, 290) for x in range(20, 380, 20)}) > 5
    canvas.zoom_to(1.0)
    qtbot.waitUntil(lambda: document.seen == (slice(450, 750), slice(600, 1000)))
    canvas.set_document(None)
