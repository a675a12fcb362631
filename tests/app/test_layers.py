"""What is drawn anew in part looks as if all of it had been drawn anew."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qtpy.QtCore import QRect
from qtpy.QtGui import QImage, QPainter

from unseg_studio.app.layers import Layers, Style
from unseg_studio.app.viewport import Viewport
from unseg_studio.data import FIRST_CLUSTER, Box, Category, Image, Mosaic
from unseg_studio.document import Document

SHAPE = (330, 300)

VIEWS = {
    "fitted": (Viewport(SHAPE, (120.0, 170.0)).fitted(), 1.0),
    "tiny": (Viewport(SHAPE, (33.0, 29.0)).fitted(), 1.0),
    "one to one": (Viewport(SHAPE, (150.0, 200.0)).centred(160, 140, scale=1.0), 1.0),
    "enlarged": (Viewport(SHAPE, (150.0, 200.0)).centred(250, 260, scale=3.7), 1.0),
    "partly outside": (Viewport(SHAPE, (150.0, 200.0)).centred(5, 5, scale=0.6), 1.0),
    "fine screen": (Viewport(SHAPE, (120.0, 170.0)).fitted(), 1.5),
}
STYLES = (Style(), Style(contours=True))


def made() -> Document:
    """A document with clusters and a stroke."""
    table = (Category(1, "cell", "#e69f00"), Category(2, "wall", "#56b4e9"))
    document = Document(Image.of(np.arange(SHAPE[0] * SHAPE[1]).reshape(SHAPE) % 251.0), table)
    rows, cols = np.indices(SHAPE)
    document.show((FIRST_CLUSTER + rows // 60 + 2 * (cols // 70)).astype(np.int32))
    document.paint([(20, 20), (200, 220)], radius=4)
    return document


class Following:
    """Layers that follow a document as the canvas makes them, and what it would repaint."""

    def __init__(self, document: Document, viewport: Viewport, ratio: float) -> None:
        self.layers = Layers(document)
        self.layers.set_view(viewport, ratio)
        self.places: list[QRect] = []
        document.events.labels_changed.connect(self._on_labels_changed)
        document.events.scribbles_changed.connect(self._on_scribbles_changed)

    def _on_labels_changed(self, box: Box) -> None:
        self.places.append(self.layers.relabel(box))

    def _on_scribbles_changed(self, _scribbles: object, box: Box) -> None:
        self.places.append(self.layers.remark(box))

    def look(self, style: Style) -> QImage:
        """What is on the screen."""
        view, ratio = self.layers.viewport.view, self.layers.ratio
        image = QImage(round(view[1] * ratio), round(view[0] * ratio), QImage.Format.Format_ARGB32)
        image.setDevicePixelRatio(ratio)
        image.fill(0)
        painter = QPainter(image)
        self.layers.labels(style).draw(painter, ratio)
        if marks := self.layers.marks():
            marks.draw(painter, ratio)
        painter.end()
        return image


def act(document: Document, random: np.random.Generator) -> None:
    """Something that a person or the engine does."""
    path = random.uniform((-20, -20), (SHAPE[0] + 20, SHAPE[1] + 20), (3, 2))
    radius = float(random.uniform(0, 12))
    document.set_active(int(random.integers(1, 3)))
    labels = np.array(document.state.live)
    top, left = random.integers(0, SHAPE)
    labels[top : top + 40, left : left + 90] = random.integers(1, 3)
    verbs = (
        lambda: document.paint(path, radius=radius),
        lambda: document.erase(path, radius=radius),
        lambda: document.brush(path, radius=radius),
        lambda: document.show(Mosaic.of(labels, like=document.state.proposal)),
        document.clear_scribbles,
        document.undo,
        document.redo,
    )
    verbs[int(random.integers(len(verbs)))]()


@pytest.mark.parametrize("style", STYLES, ids=["filled", "contours"])
@pytest.mark.parametrize("name", VIEWS)
@settings(max_examples=12, deadline=None, print_blob=True)
@given(seed=st.integers(0, 2**32 - 1))
def test_parts_that_are_drawn_anew_fit_in(qapp, name, style, seed):
    document = made()
    following = Following(document, *VIEWS[name])
    ratio, random = VIEWS[name][1], np.random.default_rng(seed)
    shown = pixels(following.look(style))
    for _ in range(6):
        following.places.clear()
        act(document, random)
        before, shown = shown, pixels(following.look(style))
        np.testing.assert_array_equal(shown, pixels(Following(document, *VIEWS[name]).look(style)))
        assert not (before != shown)[~under(following.places, shown.shape, ratio)].any()


def pixels(image: QImage) -> np.ndarray:
    bits = np.frombuffer(image.constBits(), np.uint32).reshape(image.height(), -1)
    return bits[:, : image.width()].copy()


def under(places: list[QRect], shape: tuple[int, ...], ratio: float) -> np.ndarray:
    """Device pixels that are repainted."""
    mask = np.zeros(shape, bool)
    for place in places:
        top, left = max(0, place.top()), max(0, place.left())
        bottom, right = place.top() + place.height(), place.left() + place.width()
        rows, cols = (slice(round(a * ratio), round(b * ratio))
                      for a, b in ((top, bottom), (left, right)))  # fmt: skip
        mask[rows, cols] = True
    return mask
