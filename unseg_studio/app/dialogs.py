"""The windows beside the window: export, keys, details, the question about unsaved work."""

from __future__ import annotations

from functools import partial
from html import escape
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QFontDatabase, QGuiApplication, QPixmap
from qtpy.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QHeaderView,
    QLabel,
    QLineEdit,
    QMessageBox,
    QPlainTextEdit,
    QPushButton,
    QSizePolicy,
    QTextBrowser,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from unseg_studio.app.actions import COMMANDS, MENUS, NUMBERED, keys_of
from unseg_studio.app.faults import message_of
from unseg_studio.app.message_bar import Message, MessageBar
from unseg_studio.app.preview import SIDE, export_preview, pixels_per_category, qimage
from unseg_studio.data import IMAGE_SUFFIXES, Annotation
from unseg_studio.document import Document, Live
from unseg_studio.formats import FORMATS
from unseg_studio.widgets import Background, ExportCheck, ExportForm, ExportJob, ExportWish
from unseg_studio.widgets.icons import icon, swatch
from unseg_studio.widgets.layout import button, column, row, words

UNSAVED = "The masks of this image have not been exported since you last changed them."


def image_dialog(parent: QWidget, folder: str) -> QFileDialog:
    """Ask for an image file."""
    suffixes = " ".join(f"*{suffix}" for suffix in sorted(IMAGE_SUFFIXES))
    return _file_dialog(parent, "Open image", folder, f"Images ({suffixes});;All files (*)")


def labels_dialog(parent: QWidget, folder: str) -> QFileDialog:
    """Ask for a file with masks."""
    readable = [f for f in FORMATS.values() if f.read is not None]
    every = " ".join(f"*{f.suffix}" for f in readable)
    single = [f"{f.title} (*{f.suffix})" for f in readable]
    return _file_dialog(parent, "Import labels", folder, ";;".join([f"Masks ({every})", *single]))


def _file_dialog(parent: QWidget, title: str, folder: str, names: str) -> QFileDialog:
    dialog = QFileDialog(parent, title, folder, names)
    dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    return dialog


def unsaved_dialog(parent: QWidget, *, verb: str) -> QMessageBox:
    """Ask what becomes of unsaved work; Cancel unless another button is pressed."""
    box = QMessageBox(parent)
    box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    box.setIcon(QMessageBox.Icon.Warning)
    box.setWindowTitle("Export first?")
    box.setText(UNSAVED)
    box.setInformativeText(f"Export them before you {verb}, or discard them for good.")
    box.addButton("Export …", QMessageBox.ButtonRole.AcceptRole)
    box.addButton("Discard", QMessageBox.ButtonRole.DestructiveRole)
    cancel = box.addButton(QMessageBox.StandardButton.Cancel)
    box.setDefaultButton(cancel)
    box.setEscapeButton(cancel)
    return box


class DetailsDialog(QDialog):
    """A message and what stands behind it, to be copied."""

    def __init__(self, message: Message, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("Details")
        self.resize(640, 360)
        text = QPlainTextEdit(f"{message.sentence}\n\n{message.details}", readOnly=True)
        text.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        copy = button("Copy", "Copy everything for a report", lambda: _copy(text.toPlainText()))
        close = button("Close", "Back to the window", self.close)
        column(self, text, row(copy, close))


def _copy(text: str) -> None:
    clipboard = QGuiApplication.clipboard()
    clipboard.setText(text)


class KeySheet(QDialog):
    """Every key, by menu; stays open beside the work."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("Keys")
        self.resize(680, 640)
        sheet = QTextBrowser()
        sheet.setHtml(key_sheet())
        column(self, sheet, row(button("Close", "Back to the window", self.close)))


def key_sheet() -> str:
    """Every key of the table of actions, as HTML."""
    lines = [f"<tr>{_head(menu)}</tr>{_key_rows(menu)}" for menu in MENUS]
    mouse = "".join(_key_row(*line) for line in _MOUSE)
    rows = "".join([*lines, f"<tr>{_head('Mouse')}</tr>{mouse}"])
    return f'<table cellpadding="3">{rows}</table>'


_MOUSE = (
    ("Wheel", "Zoom", "At the pointer."),
    ("Middle button", "Pan", "Space and the left button do the same."),
    ("Right button", "Erase", "With Scribble and Paint correction."),
    ("Double click", "Fit image", "With Polygon it closes the outline."),
)


def _key_rows(menu: str) -> str:
    here = [command for command in COMMANDS if command.menu == menu and keys_of(command)]
    numbers = [command for command in here if command.name in NUMBERED]
    rows = [_key_row(keys_of(c), c.text, c.tip) for c in here if c not in numbers]
    if numbers:
        keys = f"{keys_of(numbers[0])} – {keys_of(numbers[-1])}"
        rows.insert(0, _key_row(keys, "Choose category", numbers[0].tip))
    return "".join(rows)


def _head(title: str) -> str:
    return f'<td colspan="3"><br><b>{escape(title)}</b></td>'


def _key_row(keys: str, what: str, how: str) -> str:
    return (
        f'<tr><td width="130"><b>{escape(keys)}</b></td>'
        f'<td width="140">{escape(what)}</td><td>{escape(how)}</td></tr>'
    )


class ExportDialog(QDialog):
    """Choose a file, see what it will hold, write it.

    The dialog stays open when writing fails, so that another folder can be chosen.

    Parameters
    ----------
    document, live : Document, Live
        What is exported.
    wish : ExportWish
        What is chosen at first.
    path : Path
        The file that is proposed; its suffix follows the format.
    parent : QWidget
        The window.
    """

    exported = Signal(object, object)
    """(Path, State): what was written, and what was true then."""

    def __init__(
        self, document: Document, live: Live, *, wish: ExportWish, path: Path, parent: QWidget
    ) -> None:
        super().__init__(parent)
        self._document, self._live = document, live
        self._background, self._painter = Background(self), Background(self)
        self.form = ExportForm(document, live)
        self.form.show_wish(wish)
        self.path = QLineEdit(str(path))
        self.path.setAccessibleName("File")
        self._note = words(quiet=True)
        self._bar = MessageBar()
        self._picture = self._make_picture()
        self._table = self._make_table()
        self._buttons, self.write_button = self._make_buttons()
        self._lay_out()
        self._follow_format()
        self.write_button.setFocus()

        self.form.checked.connect(self._on_checked)
        self.form.format_chosen.connect(self._follow_format)
        self.path.textChanged.connect(self._show_note)
        self._buttons.accepted.connect(self._write)
        self._buttons.rejected.connect(self.reject)
        self._bar.details_requested.connect(lambda m: DetailsDialog(m, self).open())

    @property
    def message(self) -> Message:
        """What was said last about a failed export."""
        return self._bar.message

    @property
    def preview_is_shown(self) -> bool:
        """The picture of what will be written is there."""
        return not self._picture.pixmap().isNull()

    # Parts

    def _make_picture(self) -> QLabel:
        picture = QLabel()
        picture.setFixedSize(SIDE, SIDE * 3 // 4)
        picture.setAlignment(Qt.AlignmentFlag.AlignCenter)
        picture.setToolTip("What will be written; the rest is dimmed.")
        return picture

    def _make_table(self) -> QTreeWidget:
        table = QTreeWidget()
        table.setHeaderLabels(("Category", "Kind", "Regions", "Pixels"))
        table.setRootIsDecorated(False)
        table.setMinimumHeight(120)
        table.header().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        return table

    def _make_buttons(self) -> tuple[QDialogButtonBox, QPushButton]:
        box = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        write = QPushButton(icon("export"), "Export")
        box.addButton(write, QDialogButtonBox.ButtonRole.AcceptRole)
        write.setDefault(True)
        return box, write

    def _lay_out(self) -> None:
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("Export")
        left, right = QWidget(), QWidget()
        left.setFixedWidth(340)
        column(left, self.form, margin=0).addStretch(1)
        column(right, self._picture, self._table, margin=0)
        browse = button("Browse …", "Choose folder and name", self._browse)
        body = row(left, right, stretch=1)
        body.setSpacing(16)
        file_row = row(QLabel("File"), self.path, browse, stretch=1)
        layout: QVBoxLayout = column(
            self, self._bar, body, file_row, self._note, self._buttons, margin=12
        )
        layout.setStretch(1, 1)
        self._note.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    # The person

    def _browse(self) -> None:
        dialog = QFileDialog(self, "Export to", self.path.text())
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setOption(QFileDialog.Option.DontConfirmOverwrite)  # the dialog itself says so
        dialog.fileSelected.connect(self.path.setText)
        dialog.fileSelected.connect(self._follow_format)
        dialog.open()

    def _follow_format(self) -> None:
        """Give the file the suffix of the format."""
        path = Path(self.path.text())
        suffix = FORMATS[self.form.wish.format].suffix
        if path.name and path.suffix != suffix:
            known = {f.suffix for f in FORMATS.values()}
            stem = path.stem if path.suffix in known else path.name
            self.path.setText(str(path.with_name(stem + suffix)))
        self._show_note()

    def _show_note(self) -> None:
        path = Path(self.path.text())
        self._note.setText("This file exists and will be replaced." if path.is_file() else "")

    def _write(self) -> None:
        job = ExportJob.of(self._document, self._live, self.form.wish)
        path = Path(self.path.text()).expanduser()
        self.write_button.setEnabled(False)
        self.write_button.setText("Exporting …")
        self._background.run(
            partial(job.write, path), lambda _: self._on_written(path, job), self._on_failed
        )

    # What came of it

    def _on_written(self, path: Path, job: ExportJob) -> None:
        self.exported.emit(path, job.state)
        self.accept()

    def _on_failed(self, error: Exception) -> None:
        self.write_button.setEnabled(True)
        self.write_button.setText("Export")
        self._bar.tell(message_of(error))

    def _on_checked(self, check: ExportCheck) -> None:
        self.write_button.setEnabled(not check.refused)
        self._show_table(check.annotation)
        self._painter.run(
            partial(export_preview, self._document.image, check.annotation), self._show_picture
        )

    def _show_table(self, annotation: Annotation) -> None:
        self._table.clear()
        for category, regions, pixels in pixels_per_category(annotation):
            item = QTreeWidgetItem([category.name, category.kind, f"{regions:,}", f"{pixels:,}"])
            item.setIcon(0, swatch(category.color))
            for at in (2, 3):
                item.setTextAlignment(at, Qt.AlignmentFlag.AlignRight)
            self._table.addTopLevelItem(item)

    def _show_picture(self, rgb: NDArray[np.uint8]) -> None:
        picture = QPixmap.fromImage(qimage(rgb))
        self._picture.setPixmap(
            picture.scaled(
                self._picture.size(),
                Qt.AspectRatioMode.KeepAspectRatio,
                Qt.TransformationMode.SmoothTransformation,
            )
        )
