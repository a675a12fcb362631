"""The dock: choose a layer, watch its labels form, name them, export them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from napari.components import ViewerModel
from napari.layers import Layer
from napari.utils.theme import get_theme
from qtpy.QtCore import QEvent, QObject, QSize, Qt, QTimer, Signal
from qtpy.QtGui import QColor, QPalette
from qtpy.QtWidgets import QFileDialog, QFrame, QScrollArea, QWidget
from superqt import QCollapsible

from napari_unseg.link import LayerLink, image_of, require_plane
from unseg_studio.document import PULL_MS, Document, Live
from unseg_studio.formats import FORMATS
from unseg_studio.widgets import (
    Background,
    CategoryList,
    ExportBox,
    ExportJob,
    ExportWish,
    FilmstripBar,
    Pump,
    RunBar,
    SegmenterBox,
)
from unseg_studio.widgets.following import follow
from unseg_studio.widgets.icons import draw_with
from unseg_studio.widgets.layout import button, column, row, small_button, words

WIDTH = 300
"""Least width of the dock, in pixels."""

_TIP = "Find clusters in the selected image layer, and steer them with scribbles."


@dataclass(frozen=True, eq=False)
class Session:
    """One layer under work."""

    document: Document
    live: Live
    link: LayerLink

    @classmethod
    def on(cls, viewer: ViewerModel, layer: Layer | None) -> Session:
        """Begin to work on a layer; ValueError, in a sentence, where that is not possible."""
        document = Document(image_of(layer))
        return cls(document, Live(document), LayerLink(viewer, require_plane(layer), document))

    def close(self) -> None:
        """End the worker; the layers stay. Closing twice is closing once."""
        self.link.close()
        self.live.close()


class Panels(QWidget):
    """Everything that shows and changes a session, which ends with them."""

    said = Signal(str)
    """A sentence for the person."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        document, live = session.document, session.live
        self._background = Background(self)
        self._paint = QTimer(self, singleShot=True, interval=PULL_MS)
        self._undo = small_button("undo", "", document.undo)
        self._redo = small_button("redo", "", document.redo)
        segmenter = SegmenterBox(document, live)
        categories = CategoryList(document, live)
        export = ExportBox(document, live)
        column(
            self, row(self._undo, self._redo), RunBar(document, live), categories,
            _folded("Clusters and parameters", segmenter),
            _seldom("Compare numbers of clusters", FilmstripBar(document, live)),
            _folded("Export", export), margin=0,
        ).addStretch(1)  # fmt: skip
        Pump(document, live, self)
        self._on_history_changed()

        self._paint.timeout.connect(session.link.show_labels)
        segmenter.refused.connect(self.said)
        categories.refused.connect(self.said)
        export.export_requested.connect(self._on_export_requested)
        follow(self, document.events.labels_changed, self._on_labels_changed)
        follow(self, document.events.history_changed, self._on_history_changed)
        follow(self, session.link.refused, self._on_refused)
        self.destroyed.connect(lambda: session.close())

    # The person

    def _on_export_requested(self, wish: ExportWish) -> None:
        dialog = QFileDialog(self, "Export to")
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setDefaultSuffix(FORMATS[wish.format].suffix.lstrip("."))
        dialog.fileSelected.connect(lambda path: self.export(wish, Path(path)))
        dialog.open()

    def export(self, wish: ExportWish, path: Path) -> None:
        """Write what is shown now; `said` tells what came of it."""
        job = ExportJob.of(self._session.document, self._session.live, wish)
        self._background.run(
            partial(job.write, path),
            lambda _: self.said.emit(f"Exported to {path}."),
            lambda error: self.said.emit(str(error)),
        )

    # The document

    def _on_refused(self, sentence: str) -> None:
        self.said.emit(sentence)

    def _on_labels_changed(self) -> None:
        """At most every `PULL_MS`: napari uploads the whole layer each time."""
        if not self._paint.isActive():
            self._paint.start()

    def _on_history_changed(self) -> None:
        document = self._session.document
        for undo, verb, text in (
            (self._undo, "Undo", document.undo_text),
            (self._redo, "Redo", document.redo_text),
        ):
            undo.setEnabled(text is not None)
            undo.setToolTip(f"{verb} {text}" if text else f"Nothing to {verb.lower()}.")


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
        draw_with(palette_of(napari_viewer.theme))
        self._choice = words()
        self._begin = button("Segment this layer", _TIP, self.begin, picture="run")
        self._message = words()
        self._area = _Area()
        head = QWidget()
        column(head, self._choice, row(self._begin), self._message)
        column(self, head, self._area, margin=0).setStretch(1, 1)
        self._on_layer_chosen()
        self._say("")

        chosen = napari_viewer.layers.selection.events.active
        chosen.connect(self._on_layer_chosen)
        self.destroyed.connect(partial(chosen.disconnect, self._on_layer_chosen))
        self.destroyed.connect(lambda: draw_with(None))

    @property
    def session(self) -> Session | None:
        """What is under work, None before the first layer and after its end."""
        return self._session

    @property
    def panels(self) -> Panels | None:
        """What shows and changes the session."""
        panels = self._area.widget()
        return panels if isinstance(panels, Panels) else None

    @property
    def message(self) -> str:
        """The last sentence that was said."""
        return str(self._message.text())

    def begin(self) -> None:
        """Segment the selected layer; the one before it is let go, its layers stay."""
        try:
            session = Session.on(self._viewer, self._viewer.layers.selection.active)
        except ValueError as error:
            self._say(str(error))
            return
        self.end()
        self._session = session
        panels = Panels(session)
        panels.said.connect(self._say)
        session.link.ended.connect(self._on_link_ended)
        self._area.setWidget(panels)
        self._on_layer_chosen()
        self._say(
            f"Paint in the layer {session.link.scribbles.name!r}; a new label is a new category."
        )
        session.live.start()

    def end(self) -> None:
        """Let go of the layer under work, if there is one."""
        if self._session is None:
            return
        self._session.close()
        self._session = None
        self._area.takeWidget().deleteLater()

    def changeEvent(self, event: QEvent) -> None:
        """Go when napari takes the dock away for good, for nobody else deletes it."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.ParentChange and self.parent() is None:
            QTimer.singleShot(0, self, self._go_unless_docked)

    def _go_unless_docked(self) -> None:
        if self.parent() is None:
            self.end()
            self.deleteLater()

    def _say(self, sentence: str) -> None:
        self._message.setText(sentence)
        self._message.setVisible(bool(sentence))

    # The viewer

    def _on_link_ended(self, name: str) -> None:
        self.end()
        self._say(f"The layer {name!r} was removed, which ended the work on its image.")

    def _on_layer_chosen(self) -> None:
        layer, session = self._viewer.layers.selection.active, self._session
        if session is not None and session.link.owns(layer):
            self._offer(f"At work on {session.link.layer.name!r}.", possible=False)
            return
        try:
            height, width = require_plane(layer).data.shape[:2]
        except ValueError as error:
            self._offer(str(error), possible=False)
        else:
            self._offer(f"{layer.name!r}, {width} x {height} px", possible=True)

    def _offer(self, sentence: str, *, possible: bool) -> None:
        self._choice.setText(sentence)
        self._begin.setEnabled(possible)


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


def _folded(title: str, content: QWidget) -> QCollapsible:
    box = QCollapsible(title)
    box.setDuration(0)
    box.addWidget(content)  # unlike setContent, this lets the content grow
    box.layout().setContentsMargins(0, 0, 0, 0)
    box.content().layout().setContentsMargins(0, 0, 0, 0)
    box.collapse(animate=False)
    return box


def _seldom(title: str, content: QWidget) -> QCollapsible:
    """Folded, and hidden then: what is only folded counts as visible, and would go on working."""
    box = _folded(title, content)
    content.hide()
    box.toggled.connect(content.setVisible)
    return box


def palette_of(theme: str) -> QPalette:
    """The text colours of a theme of napari, which colours by a style sheet."""
    ink, group = QColor(get_theme(theme).text.as_hex()), QPalette.ColorGroup
    grey = QColor(ink)
    grey.setAlphaF(0.4)
    palette = QPalette()
    palette.setColor(group.Active, QPalette.ColorRole.WindowText, ink)
    palette.setColor(group.Disabled, QPalette.ColorRole.WindowText, grey)
    return palette
