"""The export of many planes, with what is to be said about it before and after."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from qtpy.QtCore import Qt, QTimer, Signal
from qtpy.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QWidget,
)

from unseg_studio.widgets import (
    Background,
    ExportCheck,
    ExportForm,
    ExportWish,
    SetSource,
    Written,
    renamed,
    target_dialog,
)
from unseg_studio.widgets.export_job import Job
from unseg_studio.widgets.icons import icon
from unseg_studio.widgets.layout import column, words

LOOK_MS = 200
_WIDTH, _HEIGHT = 400, 560


class SetExport(QDialog):
    """Choose tool, format and split, see the preflight, then a place; stays open on failure.

    Parameters
    ----------
    source : SetSource
        The planes.
    place : Path
        Where a file or folder is proposed, without an ending.
    wish : ExportWish or None
        What is chosen at first.
    parent : QWidget or None
        The window.
    """

    written = Signal(object)
    """A `Written`: it is done."""

    def __init__(
        self,
        source: SetSource,
        place: Path,
        *,
        wish: ExportWish | None = None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._place = place
        self._background = Background(self)
        self._job: Job | None = None
        self._look = QTimer(self, interval=LOOK_MS)
        self.form = ExportForm(source)
        if wish is not None:
            self.form.show_wish(wish)
        self._said, self._progress = words(), QProgressBar()
        self._said.hide()
        self._progress.hide()
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self.export_button = QPushButton(icon("export"), "Export …")
        buttons.addButton(self.export_button, QDialogButtonBox.ButtonRole.AcceptRole)
        self._lay_out(buttons)

        self.form.checked.connect(self._on_checked)
        self._look.timeout.connect(self._show_course)
        buttons.accepted.connect(self._ask)
        buttons.rejected.connect(self.reject)

    def _lay_out(self, buttons: QDialogButtonBox) -> None:
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("Export labels")
        inside, area = QWidget(), QScrollArea()
        column(inside, self.form, margin=0).addStretch(1)
        area.setFrameShape(QScrollArea.Shape.NoFrame)
        area.setWidgetResizable(True)
        area.setWidget(inside)
        column(self, area, self._said, self._progress, buttons, margin=12).setStretch(0, 1)
        self.resize(_WIDTH, _HEIGHT)

    def reject(self) -> None:
        """Close; what is being written is stopped, and nothing of it is left."""
        self.form.stop_checking()
        if self._job is not None:
            self._job.course.stop()
        super().reject()

    def _ask(self) -> None:
        place = renamed(self._place, self.form.format, many=True)
        dialog = target_dialog(self, place, self.form.format, many=True)
        dialog.fileSelected.connect(lambda name: self.write(Path(name)))
        dialog.open()

    def write(self, path: Path) -> None:
        """Write what is chosen; `written` says when it is done."""
        self.form.stop_checking()
        self._job = job = self.form.source.job(self.form.wish)
        self.export_button.setEnabled(False)
        self._said.hide()
        self._look.start()
        self._background.run(partial(job.write, path), self._on_written, self._on_failed)

    def _on_checked(self, check: ExportCheck) -> None:
        self.export_button.setEnabled(not check.refused)

    def _on_written(self, written: Written) -> None:
        self._look.stop()
        self.written.emit(written)
        self.accept()

    def _on_failed(self, error: Exception) -> None:
        self._look.stop()
        self._progress.hide()
        self.export_button.setEnabled(True)
        self._said.setText(str(error))
        self._said.show()

    def _show_course(self) -> None:
        if self._job is not None:
            course = self._job.course
            self._progress.show()
            self._progress.setRange(0, course.total)
            self._progress.setValue(min(course.done, course.total))
            self._progress.setFormat(f"{course.stage} %v of %m")
