"""The dock: choose a layer, watch its labels form, name them, export them."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any

from napari.components import ViewerModel
from napari.utils.theme import get_theme
from qtpy.QtCore import QEvent, QObject, QSize, Qt, QTimer
from qtpy.QtGui import QColor, QPalette
from qtpy.QtWidgets import QFrame, QScrollArea, QVBoxLayout, QWidget

from napari_unseg.keys import Action, Keys
from napari_unseg.panels import Panels
from napari_unseg.planes import Planes
from napari_unseg.planes_box import PlanesBox
from napari_unseg.session import Session
from unseg_studio.widgets.background import Background
from unseg_studio.widgets.category_list import HOTKEYS
from unseg_studio.widgets.engine_loading import EngineLoading
from unseg_studio.widgets.following import when_gone
from unseg_studio.widgets.icons import draw_with
from unseg_studio.widgets.layout import button, column, row, words

WIDTH = 300
"""Least width of the dock, in pixels."""

_TIP = "Find clusters in the selected image layer, and steer them with scribbles."
_WELCOME = (
    "Clusters are found without any labels. Paint a few strokes to say what is what, and the "
    "masks follow; correct what is left by hand, then export them."
)
_AGAIN = "Add the layers that were removed, with everything that was drawn in them."


class Dock(QWidget):
    """UnSeg Studio inside napari.

    Parameters
    ----------
    napari_viewer : ViewerModel
        Whose layers to work on; napari fills it in by this name.
    """

    def __init__(self, napari_viewer: ViewerModel) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self._session: Session | None = None
        self._open_titles: set[str] = set()
        draw_with(palette_of(napari_viewer.theme))
        self._choice = words()
        self._begin = button("Segment this layer", _TIP, self.begin, picture="run")
        self._message = words()
        self._again = button("Show the layers again", _AGAIN, self._restore, picture="undo")
        self._content: QVBoxLayout | None = None
        self._panels: Panels | None = None
        self._area = _Area()
        self._leaving = QTimer(self, singleShot=True, interval=0)
        self._leaving.timeout.connect(self._go_unless_docked)
        head = QWidget()
        column(head, self._choice, row(self._begin), self._message, row(self._again))
        column(self, head, self._area, margin=0).setStretch(1, 1)
        self._again.hide()
        self._on_layer_chosen()
        self._say(_WELCOME)

        EngineLoading(self).failed.connect(self._say)
        _load_soon(self, "pandas")
        self._follow(napari_viewer.layers.selection.events.active)
        when_gone(self, Keys(napari_viewer, self._actions()).close)
        when_gone(self, partial(draw_with, None))

    def _follow(self, chosen: Any) -> None:
        # No method: napari compares what a method belongs to, also once that is gone.
        def look() -> None:
            self._on_layer_chosen()

        chosen.connect(look)
        when_gone(self, partial(chosen.disconnect, look))

    @property
    def session(self) -> Session | None:
        """What is under work, None before the first layer and after its end."""
        return self._session

    @property
    def panels(self) -> Panels | None:
        """What shows and changes the plane at work."""
        return self._panels

    @property
    def message(self) -> str:
        """The last sentence that was said."""
        return str(self._message.text())

    def begin(self) -> None:
        """Segment the selected layer; the one before it is let go, its layers stay."""
        try:
            session = Session(self._viewer, self._viewer.layers.selection.active)
        except ValueError as error:
            self._say(str(error))
            return
        self.end()
        self._session = session
        session.said.connect(self._say)
        session.moved.connect(self._show_panels)
        session.layers_changed.connect(self._on_layers_changed)
        session.ended.connect(self._on_ended)
        self._make_content(session)
        self._on_layer_chosen()
        self._say(
            f"Paint in the layer {session.link.scribbles.name!r}; a new label is a new category. "
            f"What is painted in {session.link.corrections.name!r} stays as it is."
        )
        session.start()

    def end(self) -> None:
        """Let go of the layer under work, if there is one."""
        if self._session is None:
            return
        self._session.close()
        self._session.deleteLater()
        self._session = self._content = self._panels = None
        self._again.hide()
        self._area.takeWidget().deleteLater()

    def changeEvent(self, event: QEvent) -> None:
        """Go when napari takes the dock away for good, for nobody else deletes it."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.ParentChange and self.parent() is None:
            self._leaving.start()

    def _go_unless_docked(self) -> None:
        if self.parent() is None:
            self.end()
            self.deleteLater()

    def _say(self, sentence: str) -> None:
        self._message.setText(sentence)
        self._message.setVisible(bool(sentence))

    # Parts

    def _make_content(self, session: Session) -> None:
        content = QWidget()
        self._panels = self._made_panels(session)
        boxes = [PlanesBox(session)] if session.is_stack else []
        self._content = column(content, *boxes, self._panels, margin=0)
        when_gone(content, session.close)
        self._area.setWidget(content)

    def _made_panels(self, session: Session) -> Panels:
        panels = Panels(session, self._open_titles)
        panels.said.connect(self._say)
        return panels

    def _show_panels(self) -> None:
        """Those of the plane that is at work now, in the place of the others."""
        old, session = self._panels, self._session
        if old is None or session is None or self._content is None:
            return
        self._panels = self._made_panels(session)
        self._content.replaceWidget(old, self._panels)
        old.hide()
        old.deleteLater()

    # The person

    def _actions(self) -> dict[str, Action]:
        """What the keys do; every one also has a button."""
        keys: dict[str, Callable[[Session], object]] = {
            "Alt-N": lambda session: session.carry(everywhere=False),
            "Alt-A": lambda session: session.carry(everywhere=True),
            "Alt-T": lambda session: session.work_here(),
            "Alt-R": lambda session: session.document.run(),
            "Alt-S": lambda session: session.live.stop(),
            "Alt-U": lambda session: session.doubt.show(not session.doubt.is_shown),
            "Alt-J": lambda session: session.look_at_hint(),
            "Alt-Z": lambda session: session.document.undo(),
            "Alt-0": lambda session: session.choose_nothing(),
        }
        for place in range(HOTKEYS):
            keys[f"Alt-{place + 1}"] = partial(_choose, place=place)
        return {key: partial(self._do, action) for key, action in keys.items()}

    def _do(self, action: Callable[[Session], object]) -> None:
        if self._session is not None:
            action(self._session)

    def _restore(self) -> None:
        if self._session is not None:
            self._session.restore()
            self._say("The layers are back, with everything that was drawn.")

    # The viewer

    def _on_layers_changed(self) -> None:
        session = self._session
        self._again.setVisible(session is not None and not session.link.is_whole)

    def _on_ended(self, sentence: str) -> None:
        self.end()
        self._say(sentence)

    def _on_layer_chosen(self) -> None:
        layer, session = self._viewer.layers.selection.active, self._session
        if session is not None and session.owns(layer):
            self._offer(f"At work on {session.link.layer.name!r}.", possible=False)
            return
        try:
            planes = Planes.of(layer)
        except ValueError as error:
            self._offer(str(error), possible=False)
        else:
            self._offer(_about(planes), possible=True)

    def _offer(self, sentence: str, *, possible: bool) -> None:
        self._choice.setText(sentence)
        self._begin.setEnabled(possible)


def _load_soon(parent: QObject, library: str) -> None:
    """Import beside the GUI thread what napari asks for with its first Labels layer: a second."""
    Background(parent).run(
        partial(import_module, library),
        lambda _module: None,
        lambda _error: None,  # napari says what it lacks
    )


def _choose(session: Session, *, place: int) -> None:
    """Make the category at this place of the list the active one, where there is one."""
    if place < len(session.document.categories):
        session.document.set_active(session.document.categories[place].id)


def _about(planes: Planes) -> str:
    """Size and planes of a layer, in words."""
    height, width = planes.axes.plane_shape
    n_planes = math.prod(planes.axes.counts)
    stack = f", {n_planes} planes" if planes.axes.counts else ""
    return f"{planes.name!r}, {width} x {height} px{stack}"


class _Area(QScrollArea):
    """Scrolls up and down only, and is as wide as its content has to be in napari's style."""

    def __init__(self) -> None:
        super().__init__()
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)

    def minimumSizeHint(self) -> QSize:
        bar, content = self.verticalScrollBar(), self.widget()
        needed = content.minimumSizeHint().width() + bar.sizeHint().width() if content else 0
        return QSize(max(WIDTH, needed), super().minimumSizeHint().height())

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.LayoutRequest:
            self.updateGeometry()
        return bool(super().eventFilter(watched, event))


def palette_of(theme: str) -> QPalette:
    """The text colours of a theme of napari, which colours by a style sheet."""
    ink, group = QColor(get_theme(theme).text.as_hex()), QPalette.ColorGroup
    grey = QColor(ink)
    grey.setAlphaF(0.4)
    palette = QPalette()
    palette.setColor(group.Active, QPalette.ColorRole.WindowText, ink)
    palette.setColor(group.Disabled, QPalette.ColorRole.WindowText, grey)
    return palette
