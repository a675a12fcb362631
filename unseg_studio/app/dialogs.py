"""The windows beside the window: import, export, keys, details, the question about unsaved work."""

from __future__ import annotations

from functools import partial
from html import escape
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QElapsedTimer, Qt, QTimer, Signal
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
    QProgressBar,
    QPushButton,
    QScrollArea,
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
from unseg_studio.app.preview import SIDE, export_preview, qimage
from unseg_studio.data import IMAGE_SUFFIXES
from unseg_studio.formats import FORMATS, Format, Preflight, recognised
from unseg_studio.widgets import (
    Background,
    ExportCheck,
    ExportForm,
    ExportWish,
    Written,
    renamed,
    target_dialog,
)
from unseg_studio.widgets.export_job import Course, Job
from unseg_studio.widgets.icons import icon, swatch
from unseg_studio.widgets.layout import SPACING, button, column, row, words

LOOK_MS = 200

UNSAVED = "The masks of this image have not been exported since you last changed them."


def image_dialog(parent: QWidget, folder: str) -> QFileDialog:
    """Ask for an image file."""
    suffixes = " ".join(f"*{suffix}" for suffix in sorted(IMAGE_SUFFIXES))
    return _file_dialog(parent, "Open image", folder, f"Images ({suffixes});;All files (*)")


def labels_dialog(parent: QWidget, folder: str) -> LabelsDialog:
    """Ask for a file or a folder with masks."""
    return LabelsDialog(parent, folder)


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


class LabelsDialog(QDialog):
    """Choose a file or a folder with masks; says of what format it is before it is read.

    Parameters
    ----------
    parent : QWidget
        The window.
    folder : str
        Where to begin.
    """

    fileSelected = Signal(str)  # noqa: N815 - as a file dialog has it
    """The person chose this; named like that of a `QFileDialog`."""

    def __init__(self, parent: QWidget, folder: str) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("Import labels")
        self.resize(520, 0)
        self._folder = folder
        self.path = QLineEdit()
        self.path.setAccessibleName("File or folder")
        self.path.setPlaceholderText("A file, or the folder of a data set")
        self._note = words()
        self._buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self.import_button = QPushButton(icon("open"), "Import")
        self._buttons.addButton(self.import_button, QDialogButtonBox.ButtonRole.AcceptRole)
        self._buttons.button(QDialogButtonBox.StandardButton.Cancel).setAutoDefault(False)
        file = button("File …", "Choose a file with masks", self._ask_for_file)
        set_ = button("Folder …", "Choose a folder: YOLO, VOC, OME-Zarr, ...", self._ask_for_folder)
        column(
            self, words("The masks will lie over the image, to be corrected."),
            row(self.path, file, set_, stretch=0), self._note, words(_READABLE, quiet=True),
            self._buttons, margin=12,
        )  # fmt: skip
        self._show_note()
        self.import_button.setDefault(True)

        self.path.textChanged.connect(self._show_note)
        self._buttons.accepted.connect(self._choose)
        self._buttons.rejected.connect(self.reject)

    def _ask_for_file(self) -> None:
        endings = {f.suffix or f.single for f in FORMATS.values() if f.read} | {".txt", ".yaml"}
        every = " ".join(f"*{ending}" for ending in sorted(endings) if ending)
        dialog = _file_dialog(
            self, "Import labels", self._folder, f"Masks ({every} *.tif *.tiff);;All files (*)"
        )
        dialog.fileSelected.connect(self.path.setText)
        dialog.open()

    def _ask_for_folder(self) -> None:
        dialog = QFileDialog(self, "Import labels from folder", self._folder)
        dialog.setFileMode(QFileDialog.FileMode.Directory)
        dialog.setOption(QFileDialog.Option.ShowDirsOnly)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.fileSelected.connect(self.path.setText)
        dialog.open()

    def _show_note(self) -> None:
        text = self.path.text().strip()
        path = Path(text).expanduser()
        format_ = recognised(path) if text and path.exists() else None
        self.import_button.setEnabled(format_ is not None)
        self._note.setText(_about_choice(text, path, format_))
        self._note.setVisible(bool(text))

    def _choose(self) -> None:
        self.fileSelected.emit(str(Path(self.path.text().strip()).expanduser()))
        self.accept()


_READABLE = "Read are: " + ", ".join(f.title for f in FORMATS.values() if f.read) + "."


def _about_choice(text: str, path: Path, format_: Format | None) -> str:
    if format_ is not None:
        return f"This is {format_.title}."
    if text and not path.exists():
        return "There is nothing at this path."
    return "This is none of the formats that are read here; choose another file or folder."


_COLUMNS = ("Category", "Kind", "Regions", "Pixels")


_LEFT, _HEIGHT = 340, 620


def _scrolled(inside: QWidget) -> QScrollArea:
    """As wide as what is in it; many findings make it no higher."""
    area = QScrollArea()
    area.setFrameShape(QScrollArea.Shape.NoFrame)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setWidgetResizable(True)
    area.setWidget(inside)
    area.setFixedWidth(inside.maximumWidth() + area.verticalScrollBar().sizeHint().width())
    return area


class ExportDialog(QDialog):
    """Choose a file or folder, see what it will hold, write it.

    The dialog stays open when writing fails, so that another folder can be chosen.

    Parameters
    ----------
    form : ExportForm
        What is exported, one image or many, and what can be chosen about it.
    wish : ExportWish
        What is chosen at first.
    path : Path
        The file that is proposed; its name follows the format.
    parent : QWidget
        The window.
    """

    exported = Signal(object, object)
    """(Written, State or None): what was written, and what was true of the document then."""

    def __init__(self, form: ExportForm, *, wish: ExportWish, path: Path, parent: QWidget) -> None:
        super().__init__(parent)
        self._background, self._painter = Background(self), Background(self)
        self._look = QTimer(self, interval=LOOK_MS)
        self._clock, self._stage = QElapsedTimer(), ""
        self._job: Job | None = None
        self.form = form
        self.form.show_wish(wish)
        self.path = QLineEdit(str(path))
        self.path.setAccessibleName("File")
        self._note = words(quiet=True)
        self._bar = MessageBar()
        self._progress = QProgressBar()
        self._progress.hide()
        self._picture = self._make_picture()
        self._table = self._make_table()
        self._buttons, self.write_button = self._make_buttons()
        self._lay_out()
        self._follow_format()
        self.write_button.setDefault(True)
        self.write_button.setFocus()

        self.form.checked.connect(self._on_checked)
        self.form.format_chosen.connect(self._follow_format)
        self.path.textChanged.connect(self._show_note)
        self._buttons.accepted.connect(self._write)
        self._buttons.rejected.connect(self.reject)
        self._look.timeout.connect(self._show_course)
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
        if self.form.source.image is None:
            picture.hide()
        return picture

    def _make_table(self) -> QTreeWidget:
        table = QTreeWidget()
        table.setHeaderLabels((*_COLUMNS, "Images") if self.form.source.many else _COLUMNS)
        table.setRootIsDecorated(False)
        table.setMinimumHeight(120)
        table.header().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        return table

    def _make_buttons(self) -> tuple[QDialogButtonBox, QPushButton]:
        box = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        box.button(QDialogButtonBox.StandardButton.Cancel).setAutoDefault(False)
        write = QPushButton(icon("export"), "Export")
        box.addButton(write, QDialogButtonBox.ButtonRole.AcceptRole)
        return box, write

    def _lay_out(self) -> None:
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("Export")
        left, right = QWidget(), QWidget()
        left.setFixedWidth(_LEFT)
        inside = column(left, self.form, margin=0)
        inside.setContentsMargins(0, 0, SPACING, 0)
        inside.addStretch(1)
        right.setMinimumWidth(SIDE)
        column(right, self._picture, self._table, margin=0)
        scroll = _scrolled(left)
        browse = button("Browse …", "Choose folder and name", self._browse)
        body = row(scroll, right, stretch=1)
        body.setSpacing(16)
        file_row = row(QLabel("File"), self.path, browse, stretch=1)
        layout: QVBoxLayout = column(
            self, self._bar, body, file_row, self._note, self._progress, self._buttons, margin=12
        )
        layout.setStretch(1, 1)
        self._note.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.resize(self.sizeHint().width(), _HEIGHT)

    # The person

    def reject(self) -> None:
        """Close; many images that are being written are stopped, and nothing of them is left."""
        self.form.stop_checking()
        if self._job is not None:
            self._job.course.stop()
        super().reject()

    def _browse(self) -> None:
        dialog = target_dialog(
            self, Path(self.path.text()), self.form.format, many=self.form.source.many
        )
        dialog.setOption(QFileDialog.Option.DontConfirmOverwrite)  # the dialog itself says so
        dialog.fileSelected.connect(self.path.setText)
        dialog.open()

    def _follow_format(self) -> None:
        """Give the file the name that it has in this format."""
        path, format_ = Path(self.path.text()), self.form.format
        self.path.setText(str(renamed(path, format_, many=self.form.source.many)))
        self._show_note()

    def _show_note(self) -> None:
        path, is_folder = Path(self.path.text()), self.form.format.is_folder
        ending = self.form.format.single
        single = bool(ending) and path.name.lower().endswith(ending)
        if path.is_file():
            note = "This file exists and will be replaced."
        elif path.is_dir() and is_folder:
            note = "This folder exists; files of the same names in it will be replaced."
        else:
            note = "A folder of this name will be made." if is_folder and not single else ""
        self._note.setText(note)

    def _write(self) -> None:
        self.form.stop_checking()
        self._job = job = self.form.source.job(self.form.wish)
        path = Path(self.path.text()).expanduser()
        self.write_button.setEnabled(False)
        self.write_button.setText("Exporting …")
        self._background.run(
            partial(job.write, path), partial(self._on_written, job), self._on_failed
        )
        if self.form.source.many:
            self._clock.start()
            self._look.start()

    def _show_course(self) -> None:
        if self._job is not None:
            course = self._job.course
            self._progress.show()
            self._progress.setRange(0, course.total)
            self._progress.setValue(min(course.done, course.total))
            self._progress.setFormat(f"{course.stage} %v of %m{self._left(course)}")

    def _left(self, course: Course) -> str:
        """How long this stage still takes, once that can be told."""
        if course.stage != self._stage:
            self._stage = course.stage
            self._clock.start()
        seconds = self._clock.elapsed() / 1000
        if seconds < 1 or not 0 < course.done < course.total:
            return ""
        return f", {seconds / course.done * (course.total - course.done):.0f} s left"

    # What came of it

    def _on_written(self, job: Job, written: Written) -> None:
        self._look.stop()
        self.exported.emit(written, job.state)
        self.accept()

    def _on_failed(self, error: Exception) -> None:
        self._look.stop()
        self._progress.hide()
        self.write_button.setEnabled(True)
        self.write_button.setText("Export")
        self._bar.tell(message_of(error))

    def _on_checked(self, check: ExportCheck) -> None:
        self.write_button.setEnabled(not check.refused)
        self._show_table(check.told)
        image = self.form.source.image
        if image is not None and check.annotation is not None:
            self._painter.run(partial(export_preview, image, check.annotation), self._show_picture)

    def _show_table(self, told: Preflight) -> None:
        self._table.clear()
        for category in told.categories:
            name = category.name
            counts = [told.regions[name], told.pixels[name], told.images[name]]
            cells = [name, category.kind, *(f"{n:,}" for n in counts)]
            item = QTreeWidgetItem(cells[: self._table.columnCount()])
            item.setIcon(0, swatch(category.color))
            for at in range(2, len(cells)):
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
