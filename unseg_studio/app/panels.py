"""The panels of one document, and the docks that they live in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QDockWidget, QFrame, QMainWindow, QScrollArea, QVBoxLayout, QWidget

from unseg_studio.app.canvas import Canvas
from unseg_studio.app.contrast_box import ContrastBox
from unseg_studio.app.display_box import DisplayBox
from unseg_studio.app.queue_panel import QueuePanel
from unseg_studio.document import Document, Live
from unseg_studio.widgets import (
    CategoryList,
    CorrectionsBox,
    ExportBox,
    FilmstripBar,
    RunBar,
    SegmenterBox,
)

WIDTH = 300
"""Least width of a dock, in pixels; everything in it is made for that."""

HEIGHTS = {"Categories": 230, "Run": 110, "Clusters": 380}
"""Of the docks at the first start, in pixels."""

_RIGHT = Qt.DockWidgetArea.RightDockWidgetArea
_LEFT = Qt.DockWidgetArea.LeftDockWidgetArea
_BELOW = Qt.DockWidgetArea.BottomDockWidgetArea

WHOLE = frozenset({"Categories", "Run", "Filmstrip", "Images"})
"""Docks that are never scrolled."""


Panel = TypeVar("Panel", bound=QWidget)


class Late(QWidget, Generic[Panel]):
    """The place of a panel that is made when its dock is first in sight.

    Most images come and go without anybody opening the tabs behind the first one.

    Parameters
    ----------
    make : callable
        Makes the panel.
    """

    def __init__(self, make: Callable[[], Panel]) -> None:
        super().__init__()
        self._make = make
        self._panel: Panel | None = None
        self._greetings: list[Callable[[Panel], object]] = []
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)

    @property
    def is_made(self) -> bool:
        """It is more than a place."""
        return self._panel is not None

    @property
    def panel(self) -> Panel:
        """The panel; made now, if it was not there."""
        if self._panel is None:
            self._panel = self._make()
            self._layout.addWidget(self._panel)
            self._panel.show()  # at once, not in the next turn of the event loop
            for greet in self._greetings:
                greet(self._panel)
        return self._panel

    def when_made(self, greet: Callable[[Panel], object]) -> None:
        """Call this with the panel once it is there."""
        self._greetings.append(greet)
        if self._panel is not None:
            greet(self._panel)


@dataclass(frozen=True, eq=False)
class Panels:
    """What is made anew for every document."""

    categories: CategoryList
    run: RunBar
    segmenter: SegmenterBox
    corrections: Late[CorrectionsBox]
    contrast: Late[ContrastBox]
    export: Late[ExportBox]
    filmstrip: Late[FilmstripBar]

    @classmethod
    def of(
        cls,
        document: Document,
        live: Live,
        canvas: Canvas,
        made: Mapping[str, QWidget] | None = None,
    ) -> Panels:
        """Panels that show and change this document; those of `PARTS` that are made are used."""
        made = made or {}
        parts: dict[str, Any] = {
            name: made[name] if name in made else make(document, live)
            for name, make in PARTS.items()
        }
        return cls(
            **parts,
            corrections=Late(partial(CorrectionsBox, document, live)),
            contrast=Late(partial(ContrastBox, document, canvas)),
            export=Late(partial(ExportBox, document, live)),
            filmstrip=Late(partial(FilmstripBar, document, live)),
        )


PARTS: dict[str, Callable[[Document, Live], QWidget]] = {
    "categories": CategoryList,
    "run": RunBar,
    "segmenter": SegmenterBox,
}
"""Panels that are in sight at once, and can be made before their document is shown."""


class Docks:
    """The docks: made once, filled for every document.

    On the right, categories and the run are always in sight; the others are tabs. The filmstrip
    lies below the canvas, and is hidden until somebody asks for it: it costs height and time. The
    images of a project are on the left, and hidden as long as there is none.
    """

    def __init__(self, window: QMainWindow, display: DisplayBox, queue: QueuePanel) -> None:
        self._window = window
        self._display = display
        self._in_sight: set[str] = set()
        self._late: dict[str, Late[Any]] = {}
        self._docks = {
            name: self._make_dock(name)
            for name in ("Categories", "Run", "Clusters", "Correct", "Display", "Export")
        }
        first_tab = self._docks["Clusters"]
        for name in ("Correct", "Display", "Export"):
            window.tabifyDockWidget(first_tab, self._docks[name])
        first_tab.raise_()
        self._docks["Filmstrip"] = self._make_dock("Filmstrip", _BELOW)
        self._docks["Filmstrip"].hide()
        self._docks["Images"] = self._make_dock("Images", _LEFT)
        self._docks["Images"].setWidget(queue)
        self._docks["Images"].hide()
        window.setCorner(Qt.Corner.BottomRightCorner, _RIGHT)
        window.setCorner(Qt.Corner.BottomLeftCorner, _LEFT)
        self._display_slot = self._make_display_area()

    def __getitem__(self, name: str) -> QDockWidget:
        return self._docks[name]

    def all(self) -> list[QDockWidget]:
        """Every dock, for the View menu."""
        return list(self._docks.values())

    def fill(self, panels: Panels) -> None:
        """Show the panels of another document."""
        self._put("Categories", panels.categories)
        self._put("Run", panels.run)
        self._put("Clusters", panels.segmenter)
        self._put("Correct", panels.corrections)
        self._put("Export", panels.export)
        self._put("Filmstrip", panels.filmstrip)
        old = self._display_slot.takeAt(1)
        if old is not None and (widget := old.widget()) is not None:
            widget.deleteLater()
        self._display_slot.insertWidget(1, panels.contrast)
        self._late = {
            "Correct": panels.corrections,
            "Display": panels.contrast,
            "Export": panels.export,
            "Filmstrip": panels.filmstrip,
        }
        for name in self._in_sight:
            self._make_late(name)

    def share_height(self) -> None:
        """Give most of the height to the tabs."""
        names = list(HEIGHTS)
        self._window.resizeDocks(
            [self._docks[name] for name in names],
            [HEIGHTS[name] for name in names],
            Qt.Orientation.Vertical,
        )

    def _make_dock(self, name: str, area: Qt.DockWidgetArea = _RIGHT) -> QDockWidget:
        dock = QDockWidget(name, self._window)
        dock.setObjectName(f"dock_{name}")
        dock.setMinimumWidth(WIDTH)
        dock.setFeatures(
            QDockWidget.DockWidgetFeature.DockWidgetMovable
            | QDockWidget.DockWidgetFeature.DockWidgetClosable
            | QDockWidget.DockWidgetFeature.DockWidgetFloatable
        )
        if name not in WHOLE:
            dock.setWidget(_make_area())
        dock.visibilityChanged.connect(partial(self._on_visibility_changed, name))
        self._window.addDockWidget(area, dock)
        return dock

    def _make_display_area(self) -> QVBoxLayout:
        """Display settings stay, the contrast below them belongs to a document."""
        both = QWidget()
        layout = QVBoxLayout(both)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self._display)
        layout.addWidget(QWidget())
        layout.addStretch(1)
        self._put("Display", both)
        return layout

    def _on_visibility_changed(self, name: str, is_in_sight: bool) -> None:
        """A tab that lies behind another one is visible for Qt, but for this signal."""
        if is_in_sight:
            self._in_sight.add(name)
            self._make_late(name)
        else:
            self._in_sight.discard(name)

    def _make_late(self, name: str) -> None:
        if name in self._late:
            _ = self._late[name].panel

    def _put(self, name: str, panel: QWidget) -> None:
        area = self._docks[name].widget()
        if isinstance(area, QScrollArea):
            area.setWidget(panel)  # deletes the panel that was there
            return
        self._docks[name].setWidget(panel)
        if area is not None:
            area.deleteLater()


def _make_area() -> QScrollArea:
    area = QScrollArea()
    area.setWidgetResizable(True)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    return area
