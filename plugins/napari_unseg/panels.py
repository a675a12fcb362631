"""Everything that shows and changes the plane at work."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QWidget

from napari_unseg.exporting import PlaneAnnotations
from napari_unseg.folds import fold
from napari_unseg.keys import KEYS
from napari_unseg.session import Session
from napari_unseg.set_export import SetExport
from napari_unseg.training import kept_choices
from unseg_studio.formats import FORMATS
from unseg_studio.widgets import (
    Background,
    CategoryList,
    ExportBox,
    ExportJob,
    ExportWish,
    FilmstripBar,
    RunBar,
    SegmenterBox,
    SetSource,
    target_dialog,
)
from unseg_studio.widgets.following import follow
from unseg_studio.widgets.layout import MARGIN, button, column, row, small_button

_NOTHING_TIP = (
    "Paint in the corrections layer where nothing is (Alt+0); its eraser takes corrections away."
)
_ALL_TIP = "Write every plane that has labels, after a look at what the files will hold."
_NO_LABELS = "No plane has labels yet; segment one first."


class Panels(QWidget):
    """The shared widgets, bound to one document; another plane at work gets others.

    Parameters
    ----------
    session : Session
        Whose plane at work to show.
    open_titles : set of str
        Which parts are unfolded; kept up to date.
    """

    said = Signal(str)
    """A sentence for the person."""

    def __init__(self, session: Session, open_titles: set[str]) -> None:
        super().__init__()
        self._session = session
        self._document, self._live = session.document, session.live
        self._background = Background(self)
        self._undo = small_button("undo", "", self._document.undo)
        self._redo = small_button("redo", "", self._document.redo)
        self._doubt = self._make_doubt()
        self._hint = button("Where next?", "", session.look_at_hint, picture="target")
        nothing = button("Correct to nothing", _NOTHING_TIP, session.choose_nothing)
        categories = CategoryList(self._document, self._live, keys=KEYS)
        folded = partial(fold, open_titles=open_titles)
        column(
            self, _indented(self._undo, self._redo, self._doubt, self._hint),
            RunBar(self._document, self._live, keys=KEYS), categories, _indented(nothing),
            folded("Clusters and parameters", self._make_segmenter),
            folded("Compare numbers of clusters", self._make_filmstrip),
            folded("Export", self._make_export), margin=0,
        ).addStretch(1)  # fmt: skip
        self._on_history_changed()
        self._on_uncertainty_changed()
        self._on_doubt_shown(session.doubt.is_shown)

        categories.refused.connect(self.said)
        follow(self, self._document.events.history_changed, self._on_history_changed)
        follow(self, self._document.events.uncertainty_changed, self._on_uncertainty_changed)
        follow(self, session.doubt.shown_changed, self._on_doubt_shown)

    # Parts

    def _make_doubt(self) -> QPushButton:
        made = button(
            "Uncertainty", "Show as a layer where the labels are in doubt (Alt+U)",
            lambda: None, picture="uncertainty",
        )  # fmt: skip
        made.setCheckable(True)
        made.clicked.connect(self._session.doubt.show)
        return made

    def _make_segmenter(self) -> QWidget:
        made = SegmenterBox(self._document, self._live, keys=KEYS)
        made.refused.connect(self.said)
        made.models.set_source(kept_choices)
        return made

    def _make_filmstrip(self) -> QWidget:
        return FilmstripBar(self._document, self._live)

    def _make_export(self) -> QWidget:
        made, box = QWidget(), ExportBox(self._document, self._live, keys=KEYS)
        box.export_requested.connect(self._ask_for_export)
        layout = column(made, box, margin=0)
        if self._session.is_stack:
            ask = partial(self._ask_for_stack_export, box)
            export = button("Export all planes …", _ALL_TIP, ask, picture="export")
            layout.addLayout(_indented(export))
        return made

    # The person

    def _ask_for_export(self, wish: ExportWish) -> None:
        dialog = target_dialog(self, Path(), FORMATS[wish.format], many=False)
        dialog.fileSelected.connect(lambda path: self.export(wish, Path(path)))
        dialog.open()

    def _ask_for_stack_export(self, box: ExportBox) -> None:
        labelled = self._session.stack.labelled()
        if not labelled:
            self.said.emit(_NO_LABELS)
            return
        planes = PlaneAnnotations(labelled, self._live.computed_on)
        source = SetSource(planes, len(planes), planes.sources)
        dialog = SetExport(source, planes.place, wish=box.form.wish, parent=self)
        dialog.written.connect(lambda written: self.said.emit(written.sentence))
        dialog.open()

    def export(self, wish: ExportWish, path: Path) -> None:
        """Write what is shown of the plane at work; `said` tells what came of it."""
        job = ExportJob.of(self._document, self._live, wish)
        self._background.run(
            partial(job.write, path),
            lambda written: self.said.emit(written.sentence),
            lambda error: self.said.emit(str(error)),
        )

    # The document

    def _on_history_changed(self) -> None:
        for undo, verb, text in (
            (self._undo, "Undo", self._document.undo_text),
            (self._redo, "Redo", self._document.redo_text),
        ):
            undo.setEnabled(text is not None)
            undo.setToolTip(f"{verb} {text}" if text else f"Nothing to {verb.lower()}.")

    def _on_uncertainty_changed(self) -> None:
        hint = self._document.hint
        self._hint.setEnabled(hint is not None)
        self._hint.setToolTip(
            "Move to the place where one more stroke would help most (Alt+J)"
            if hint
            else "Nothing is in doubt enough for a stroke."
        )

    def _on_doubt_shown(self, shown: bool) -> None:
        self._doubt.setChecked(shown)


def _indented(*parts: QWidget) -> QHBoxLayout:
    """A row as far from the edge as what is in the shared widgets."""
    layout = row(*parts)
    layout.setContentsMargins(MARGIN, 0, MARGIN, 0)
    return layout
