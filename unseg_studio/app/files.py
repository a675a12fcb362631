"""Open, import and export, beside the GUI thread and with nothing lost on the way."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from qtpy.QtCore import QObject, QSettings, Signal
from qtpy.QtWidgets import QMessageBox, QWidget

from unseg_studio.app.dialogs import (
    ExportDialog,
    image_dialog,
    labels_dialog,
    unsaved_dialog,
)
from unseg_studio.app.faults import message_of
from unseg_studio.app.message_bar import Message
from unseg_studio.app.project_export import export_dialog
from unseg_studio.app.work import Work
from unseg_studio.data import Annotation, Category, open_image, regions_from_labels
from unseg_studio.data.image import Source
from unseg_studio.data.samples import sample_path
from unseg_studio.document import Document, Live, State
from unseg_studio.formats import FORMATS, StartingLabels, are_labels, image_name, load
from unseg_studio.project import Project
from unseg_studio.segmenters import default_segmenter
from unseg_studio.widgets import Background, ExportWish, Written, document_form

SAMPLE = "cat"


class Files(QObject):
    """The way of files into the window and out of it.

    Parameters
    ----------
    window : QWidget
        Parent of the dialogs.
    settings : QSettings
        Remembers folders.
    """

    document_made = Signal(object)
    """A Document of an image that was read; nothing stands against showing it."""
    said = Signal(object)
    """A Message."""
    busy_changed = Signal(str)
    """What is going on, empty when nothing is."""
    exported = Signal()
    """The masks are in a file."""

    def __init__(self, window: QWidget, settings: QSettings) -> None:
        super().__init__(window)
        self._window, self._settings = window, settings
        self._background = Background(self)
        self._work: Work | None = None
        self._document: Document | None = None
        self._live: Live | None = None
        self._wish = ExportWish()

    def take(self, document: Document, live: Live) -> None:
        """From now on this document is the one that is imported into and exported."""
        self._document, self._live = document, live
        self._work = Work(document)

    @property
    def is_dirty(self) -> bool:
        """There is work that no file holds."""
        return self._work is not None and self._work.is_dirty

    @property
    def may_be_dirty(self) -> bool:
        """The same as a quick guess, for the mark in the title."""
        return self._work is not None and self._work.may_be_dirty

    def kept(self) -> None:
        """A project has the work on the document as it is now."""
        if self._work is not None and self._document is not None:
            self._work.written(self._document.state)

    # Open

    def ask_for_image(self) -> None:
        """Ask for an image and open it."""
        dialog = image_dialog(self._window, self._folder("open"))
        dialog.fileSelected.connect(lambda name: self.open(Path(name)))
        dialog.open()

    def open(self, path: Path) -> None:
        """Read an image; it is shown once nothing unsaved is in the way."""
        self._say_busy(f"Opening {path.name} …")
        categories = self._document.categories if self._document else ()
        self._background.run(partial(_made, path, categories), self._on_made, self._on_failed)

    def open_sample(self) -> None:
        """Open the sample image."""
        try:
            self.open(sample_path(SAMPLE))
        except OSError as error:
            self._on_failed(error)

    def open_dropped(self, paths: list[Path]) -> None:
        """Open what was dropped on the window: masks, or the first image."""
        masks = [path for path in paths if are_labels(path)]
        images = [path for path in paths if path not in masks]
        if images:
            self.open(images[0])
        elif masks:
            self.import_labels(masks[0])
        if len(images) > 1:
            self.said.emit(Message(
                f"{len(images)} files were dropped and one image is shown at a time: this is "
                f"{images[0].name}. Drop the others one by one.", grade="info",
            ))  # fmt: skip

    def _on_made(self, document: Document) -> None:
        self._say_busy("")
        path = document.image.source.path
        if path is not None and not _is_sample(path):
            self._remember("open", path)
        self.guard(lambda: self.document_made.emit(document), verb="open another image")

    # Import

    def ask_for_labels(self) -> None:
        """Ask for a file with masks and take them as corrections."""
        dialog = labels_dialog(self._window, self._folder("import"))
        dialog.fileSelected.connect(lambda name: self.import_labels(Path(name)))
        dialog.open()

    def import_labels(self, path: Path) -> None:
        """Take the masks of a file or folder of any readable format as corrections."""
        if self._document is None:
            return
        document = self._document
        self._say_busy(f"Importing {path.name} …")
        self._background.run(
            partial(_read_labels, path, document.image.shape, document.image.source),
            partial(self._on_labels_read, document, path),
            self._on_failed,
        )

    def _on_labels_read(
        self, document: Document, path: Path, read: tuple[StartingLabels, Annotation]
    ) -> None:
        self._say_busy("")
        starting, annotation = read
        try:
            document.start_from(annotation)
        except ValueError as error:
            self._on_failed(error)
            return
        self._remember("import", path)
        count = len(annotation.regions)
        news = f"{count} region{'s' * (count != 1)} of {path.name} lie over the image now."
        self.said.emit(Message(" ".join([news, *starting.notes]), grade="info"))

    # Export

    def ask_for_export(
        self, wish: ExportWish | None = None, then: Callable[[], None] | None = None
    ) -> None:
        """Open the export dialog; `then` is called after a file was written."""
        if self._document is None or self._live is None:
            return
        dialog = ExportDialog(
            document_form(self._document, self._live),
            wish=wish or self._wish,
            path=self._proposal(self._document.image.source),
            parent=self._window,
        )
        dialog.exported.connect(partial(self._on_exported, dialog, then))
        dialog.open()

    def ask_for_project_export(self, project: Project | None) -> None:
        """Open the export dialog about all images of a project."""
        if project is None:
            return
        folder = Path(str(self._settings.value("folders/export", project.folder)))
        dialog = export_dialog(project, self._wish, folder, self._window)
        dialog.exported.connect(partial(self._on_project_exported, dialog))
        dialog.open()

    def _on_project_exported(self, dialog: ExportDialog, written: Written, _: None) -> None:
        self._wish = dialog.form.wish
        self._remember("export", written.path)
        self.said.emit(Message(written.sentence, grade="info"))

    def _on_exported(
        self, dialog: ExportDialog, then: Callable[[], None] | None, written: Written, state: State
    ) -> None:
        self._wish = dialog.form.wish
        self._remember("export", written.path)
        if self._work is not None:
            self._work.written(state)
        self.said.emit(Message(written.sentence, grade="info"))
        self.exported.emit()
        if then is not None:
            then()

    def _proposal(self, source: Source) -> Path:
        here = source.path.parent if source.path and not _is_sample(source.path) else Path.home()
        folder = Path(str(self._settings.value("folders/export", here)))
        return folder / FORMATS[self._wish.format].named(Path(image_name(source)).stem)

    # Unsaved work

    def guard(self, then: Callable[[], None], *, verb: str) -> None:
        """Call `then` at once, or after the person said what becomes of unsaved work."""
        if not self.is_dirty:
            then()
            return
        box = unsaved_dialog(self._window, verb=verb)
        box.buttonClicked.connect(lambda button: self._on_answer(box.buttonRole(button), then))
        box.open()

    def _on_answer(self, role: QMessageBox.ButtonRole, then: Callable[[], None]) -> None:
        if role == QMessageBox.ButtonRole.DestructiveRole:
            then()
        elif role == QMessageBox.ButtonRole.AcceptRole:
            self.ask_for_export(then=then)

    # Shared

    def _on_failed(self, error: Exception) -> None:
        self._say_busy("")
        self.said.emit(message_of(error))

    def _say_busy(self, what: str) -> None:
        self.busy_changed.emit(what)

    def _folder(self, purpose: str) -> str:
        return str(self._settings.value(f"folders/{purpose}", Path.home()))

    def _remember(self, purpose: str, path: Path) -> None:
        self._settings.setValue(f"folders/{purpose}", str(path.resolve().parent))


def _made(path: Path, categories: tuple[Category, ...]) -> Document:
    """Read an image and do here, in the thread, what its first picture needs."""
    image = open_image(path)
    document = Document(image, categories, default_segmenter(image))
    _ = document.shown
    return document


def _read_labels(
    path: Path, shape: tuple[int, int], source: Source
) -> tuple[StartingLabels, Annotation]:
    starting = load(path, shape=shape, file_name=image_name(source))
    regions = regions_from_labels(starting.labels, starting.categories)
    return starting, Annotation(shape, source, starting.categories, regions)


def _is_sample(path: Path) -> bool:
    return path.parent.name == "samples"
