"""The windows beside the window that are about projects: files, missing images, unsaved work."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QDialog,
    QFileDialog,
    QHeaderView,
    QLabel,
    QMessageBox,
    QPushButton,
    QTreeWidget,
    QTreeWidgetItem,
    QWidget,
)

from unseg_studio.app.faults import message_of
from unseg_studio.app.message_bar import MessageBar
from unseg_studio.data import IMAGE_SUFFIXES
from unseg_studio.project import SUFFIX, ImageEntry, Project, RelinkReport
from unseg_studio.widgets import Background
from unseg_studio.widgets.layout import button, column, row, words

_NAMES = f"Projects (*{SUFFIX})"
MOST_SHOWN = 1000
"""Rows of missing images; more are counted."""

BY_CONTENT, BY_NAME, NOT_THERE = "found by its content", "found by its name", "not in there"


def project_dialog(parent: QWidget, folder: str) -> QFileDialog:
    """Ask for a project to open."""
    dialog = _dialog(parent, "Open project", folder, f"{_NAMES};;All files (*)")
    dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
    return dialog


def save_dialog(parent: QWidget, title: str, proposal: Path) -> QFileDialog:
    """Ask where a project should be."""
    dialog = _dialog(parent, title, str(proposal.parent), _NAMES)
    dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
    dialog.setFileMode(QFileDialog.FileMode.AnyFile)
    dialog.setDefaultSuffix(SUFFIX.removeprefix("."))
    dialog.selectFile(proposal.name)
    return dialog


def images_dialog(parent: QWidget, folder: str) -> QFileDialog:
    """Ask for image files, several at once."""
    suffixes = " ".join(f"*{suffix}" for suffix in sorted(IMAGE_SUFFIXES))
    dialog = _dialog(parent, "Add images", folder, f"Images ({suffixes});;All files (*)")
    dialog.setFileMode(QFileDialog.FileMode.ExistingFiles)
    return dialog


def folder_dialog(parent: QWidget, title: str, folder: str) -> QFileDialog:
    """Ask for a folder."""
    dialog = _dialog(parent, title, folder, "")
    dialog.setFileMode(QFileDialog.FileMode.Directory)
    dialog.setOption(QFileDialog.Option.ShowDirsOnly)
    return dialog


def _dialog(parent: QWidget, title: str, folder: str, names: str) -> QFileDialog:
    dialog = QFileDialog(parent, title, folder, names)
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    return dialog


def question(
    parent: QWidget, title: str, text: str, *, more: str, choices: Sequence[str]
) -> QMessageBox:
    """Ask with some buttons; Cancel unless another one is pressed. The last one destroys."""
    box = QMessageBox(parent)
    box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    box.setIcon(QMessageBox.Icon.Warning)
    box.setWindowTitle(title)
    box.setText(text)
    box.setInformativeText(more)
    for choice in choices[:-1]:
        box.addButton(choice, QMessageBox.ButtonRole.AcceptRole)
    box.addButton(choices[-1], QMessageBox.ButtonRole.DestructiveRole)
    cancel = box.addButton(QMessageBox.StandardButton.Cancel)
    box.setDefaultButton(cancel)
    box.setEscapeButton(cancel)
    return box


class RelinkDialog(QDialog):
    """Images whose files have gone, and a folder where they may be now.

    Parameters
    ----------
    project : Project
        Whose images.
    folder : str
        Where the file dialog begins.
    parent : QWidget
        The window.
    """

    def __init__(self, project: Project, folder: str, parent: QWidget) -> None:
        super().__init__(parent)
        self._project, self._folder = project, folder
        self._background = Background(self)
        self.bar = MessageBar()
        self.summary = words()
        self.table = self._make_table()
        self.choose = button("Look in folder …", "Folders in it are looked through too", self._ask)
        self.choose.setDefault(True)
        close = button("Close", "Back to the window", self.close)
        self._busy = QLabel()
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("Find missing images")
        self.resize(720, 440)
        explained = words(
            "Files are known by their content, so renamed folders and files are found, too. "
            "Nothing is changed but where the project looks for them.", quiet=True,
        )  # fmt: skip
        layout = column(
            self, self.bar, self.summary, self.table, explained,
            row(self._busy, self.choose, close, stretch=0), margin=12,
        )  # fmt: skip
        layout.setStretch(2, 1)
        self._begin()

    def look_in(self, folder: Path) -> None:
        """Look for the missing images in a folder."""
        self._folder = str(folder)
        self.choose.setEnabled(False)
        self.choose.setToolTip("The folder is being looked through.")
        self._busy.setText(f"Looking through {folder.name} …")
        self._background.run(
            partial(self._project.relink, folder), self._on_relinked, self._on_failed
        )

    def _begin(self) -> None:
        missing = self._project.missing()
        self._show(missing)
        if missing:
            n = len(missing)
            self.summary.setText(
                f"{n} image{' is' if n == 1 else 's are'} not where the project last saw "
                f"{'it' if n == 1 else 'them'}."
            )
            return
        self.summary.setText("Every image of the project is where it was.")

    def _make_table(self) -> QTreeWidget:
        table = QTreeWidget()
        table.setHeaderLabels(("Image", "Now", "Folder"))
        table.setRootIsDecorated(False)
        table.setUniformRowHeights(True)
        table.setAlternatingRowColors(True)
        table.header().setSectionResizeMode(0, QHeaderView.ResizeMode.ResizeToContents)
        table.header().setSectionResizeMode(1, QHeaderView.ResizeMode.ResizeToContents)
        return table

    def _ask(self) -> None:
        dialog = folder_dialog(self, "Look for images in", self._folder)
        dialog.fileSelected.connect(lambda name: self.look_in(Path(name)))
        dialog.open()

    def _show(self, entries: Sequence[ImageEntry], said: dict[int, str] | None = None) -> None:
        self.table.clear()
        for entry in entries[:MOST_SHOWN]:
            said_here = (said or {}).get(entry.id, "missing")
            item = QTreeWidgetItem([entry.name, said_here, str(Path(entry.path).parent)])
            item.setToolTip(2, str(entry.file))
            self.table.addTopLevelItem(item)

    def _on_relinked(self, report: RelinkReport) -> None:
        self._rest()
        said = {
            **dict.fromkeys(report.found, BY_CONTENT),
            **dict.fromkeys(report.by_name, BY_NAME),
            **dict.fromkeys(report.missing, NOT_THERE),
        }
        self._show([self._project.image(id_) for id_ in said], said)
        n_found, n = len(report.found) + len(report.by_name), len(said)
        more = " Look in another folder for the others." if report.missing else ""
        self.summary.setText(f"{n_found} of {n} images found in {Path(self._folder).name}.{more}")

    def _on_failed(self, error: Exception) -> None:
        self._rest()
        self.bar.tell(message_of(error))

    def _rest(self) -> None:
        self._busy.clear()
        self.choose.setEnabled(True)
        self.choose.setToolTip("Folders in it are looked through too")


def pressed(box: QMessageBox, push: QPushButton) -> str:
    """The words on the button that was pressed, empty for Cancel."""
    return "" if box.buttonRole(push) == QMessageBox.ButtonRole.RejectRole else push.text()
