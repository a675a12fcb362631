"""Projects in the window: made, opened, added to, copied, closed; and what they have to say."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from pathlib import Path

import platformdirs
import psygnal
from qtpy.QtCore import QObject, QSettings, QTimer, Signal
from qtpy.QtWidgets import QMessageBox, QWidget

from unseg_studio.app.faults import message_of
from unseg_studio.app.gathering import Gathered, gathered, is_image_folder, project_in
from unseg_studio.app.message_bar import Message
from unseg_studio.app.project_dialogs import (
    RelinkDialog,
    folder_dialog,
    images_dialog,
    pressed,
    project_dialog,
    question,
    save_dialog,
)
from unseg_studio.app.queue_order import Wish, ordered
from unseg_studio.app.review import NO_PROJECT
from unseg_studio.data import Category
from unseg_studio.project import SUFFIX, ImageEntry, Project
from unseg_studio.widgets import Background

MOST_RECENT = 8
BREATH_FILES, BREATH_S = 10, 0.001
"""After so many files, whoever looks for them rests so long."""

HEAR_MS = 30
"""How often what other threads say of the project is heard."""

SAVE_AS, KEEP, DISCARD = "Save project as …", "Keep for later", "Discard"
SAVE_COPY, CLOSE_ANYWAY = "Save a copy …", "Lose what is not in the file"

Then = Callable[[], object]


class Projects(QObject):
    """The way of projects into the window and out of it.

    Parameters
    ----------
    window : QWidget
        Parent of the dialogs.
    settings : QSettings
        Remembers folders and what was open.
    """

    changed = Signal()
    """Another project is open, or none."""
    images_changed = Signal()
    entry_changed = Signal(object)
    """An ImageEntry of the project."""
    images_added = Signal(object)
    """The entries of files that the person added; never none."""
    said = Signal(object)
    """A Message."""
    busy_changed = Signal(str)
    """What is going on, empty when nothing is."""

    def __init__(self, window: QWidget, settings: QSettings) -> None:
        super().__init__(window)
        self._window, self._settings = window, settings
        self._gathering, self._copying = Background(self), Background(self)
        self._looking, self._opening = Background(self), Background(self)
        self._told: set[str] = set()
        self.project: Project | None = None
        self.is_unsaved = False
        self.goes_on = False
        """What is being opened is a copy of what was open."""
        self._ear = QTimer(self, interval=HEAR_MS)
        self._ear.timeout.connect(psygnal.emit_queued)
        self.categories: Callable[[], Sequence[Category]] = tuple
        """Asked for those that a new project begins with."""

    # What is true

    @property
    def title(self) -> str:
        """As the window's title has it; empty where there is no project."""
        if self.project is None:
            return ""
        more = ", not saved yet" if self.is_unsaved else ", read only"
        has_more = self.is_unsaved or self.project.read_only
        return self.project.path.stem + (more if has_more else "")

    @property
    def is_dirty(self) -> bool:
        """The file does not follow any more."""
        return self.project is not None and bool(self.project.dirty_reason)

    @property
    def is_keeping(self) -> bool:
        """There is a project, and it takes down what happens."""
        return self.project is not None and not self.project.read_only

    @property
    def recent(self) -> list[Path]:
        """What was open lately and is still there, the newest first."""
        kept = self._settings.value("projects/recent") or []
        paths = [kept] if isinstance(kept, str) else list(kept)  # what Qt makes of a list of one
        return [path for path in map(Path, paths) if path.is_file()]

    def why_none(self) -> str:
        """Why nothing can be done with the project."""
        return NO_PROJECT if self.project is None else ""

    def why_not_exported(self) -> str:
        """Why the project cannot be exported."""
        if self.project is None:
            return NO_PROJECT
        if all(entry.status in ("new", "rejected") for entry in self.project.images()):
            return "No image of the project has labels yet; accept one first."
        return ""

    def why_not_changed(self) -> str:
        """Why nothing can be added to the project."""
        if self.project is not None and self.project.read_only:
            return self.project.notice or "The project is open for reading only."
        return ""

    # Open and make

    def ask_for_new(self) -> None:
        """Ask where a new project should be, and make it."""
        proposal = Path(self._folder("project")) / f"project{SUFFIX}"
        dialog = save_dialog(self._window, "New project", proposal)
        dialog.fileSelected.connect(lambda name: self.guard(partial(self.make, Path(name))))
        dialog.open()

    def ask_for_project(self) -> None:
        """Ask for a project and open it."""
        dialog = project_dialog(self._window, self._folder("project"))
        dialog.fileSelected.connect(lambda name: self.guard(partial(self.open, Path(name))))
        dialog.open()

    def make(self, path: Path) -> bool:
        """Make a project and open it; says whether that went well."""
        try:
            project = _created(path, self.categories())
        except (ValueError, OSError) as error:
            self.said.emit(message_of(error))
            return False
        self._take(project)
        return True

    def make_unsaved(self, name: str) -> bool:
        """Make a project in a place of the program's own; it is whole at any moment, as all are."""
        now = datetime.now()
        folder = self._unsaved_folder()
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            self.said.emit(message_of(error))
            return False
        path = folder / f"{name[:100]} {now:%Y-%m-%d %H.%M.%S}{SUFFIX}"
        while path.exists():
            path = path.with_stem(f"{path.stem}+")
        return self.make(path)

    def open(self, path: Path, then: Then | None = None, otherwise: Then | None = None) -> None:
        """Open a project; the one that is open stays until it is there.

        Parameters
        ----------
        path : Path
            The file.
        then, otherwise : callable or None
            Called when it is open, and when it cannot be, which was said then.
        """
        self.busy_changed.emit(f"Opening {path.name} …")
        self._opening.run(
            partial(_opened, path),
            partial(self._on_opened, then),
            partial(self._on_not_opened, otherwise),
            dropped=Project.close,
        )

    def _on_opened(self, then: Then | None, project: Project) -> None:
        self.busy_changed.emit("")
        self._take(project)
        if project.notice:
            self._tell_once(project.notice)
        self._looking.run(partial(_n_missing, project.images()), self._on_missing, lambda _: None)
        if then is not None:
            then()

    def _on_not_opened(self, otherwise: Then | None, error: Exception) -> None:
        self._on_failed(error)
        if otherwise is not None:
            otherwise()

    def leftover(self) -> Path | None:
        """The newest project that was never saved, such as after a crash."""
        here = self._unsaved_folder()
        return next((path for path in self.recent if path.parent == here), None)

    def _take(self, project: Project) -> None:
        self.let_go()
        self.project = project
        self.is_unsaved = project.path.parent == self._unsaved_folder()
        events = project.events
        events.images_changed.connect(self._on_images_changed, thread="main")
        events.entry_changed.connect(self._on_entry_changed, thread="main")
        events.trouble.connect(self._tell_once, thread="main")
        self._ear.start()
        self._remember(project.path)
        self.changed.emit()

    # Images

    def ask_for_images(self) -> None:
        """Ask for images and add them, to a new project where there is none."""
        dialog = images_dialog(self._window, self._folder("open"))
        dialog.filesSelected.connect(lambda names: self.add([Path(name) for name in names]))
        dialog.open()

    def ask_for_folder(self) -> None:
        """Ask for a folder and add the images in it."""
        dialog = folder_dialog(self._window, "Add the images in a folder", self._folder("open"))
        dialog.fileSelected.connect(lambda name: self.add([Path(name)]))
        dialog.open()

    def add(self, paths: Sequence[Path]) -> None:
        """Add files, and of folders the images in them; without a project to a new one."""
        if reason := self.why_not_changed():
            self.said.emit(Message(reason))
            return
        folder = paths[0] if is_image_folder(paths[0]) else paths[0].parent
        self._settings.setValue("folders/open", str(folder.absolute()))
        there = project_in(folder) if [folder] == list(paths) else None
        if self.project is None and there is not None:
            news = Message(f"{there.name} is the project in this folder.", grade="info")
            self.open(there, lambda: self.said.emit(news), lambda: self._gather(paths, folder))
        else:
            self._gather(paths, folder)

    def _gather(self, paths: Sequence[Path], folder: Path) -> None:
        """Look for images; those that are found go into the project that is open then."""
        self.busy_changed.emit(f"Looking for images in {folder.name} …")
        done = partial(self._on_gathered, folder.absolute().name or "images")
        self._gathering.run(partial(gathered, paths), done, self._on_failed)

    def _on_gathered(self, name: str, found: Gathered) -> None:
        if self.project is None and not self.make_unsaved(name):
            return
        assert self.project is not None
        self.busy_changed.emit(f"Adding {len(found.files)} files …")
        self._gathering.run(partial(_added, self.project, found), self._on_added, self._on_failed)

    def _on_added(self, added: tuple[int, tuple[ImageEntry, ...]]) -> None:
        psygnal.emit_queued()  # the list has them before one of them is opened
        self.busy_changed.emit("")
        n_new, entries = added
        self.said.emit(Message(self._news(n_new, len(entries)), grade="info"))
        if entries:
            self.images_added.emit(entries)

    def _news(self, n_new: int, n_given: int) -> str:
        assert self.project is not None
        words = f"{n_new} image{'s' * (n_new != 1)} added"
        if n_new < n_given:
            words += f", {n_given - n_new} were there already"
        if not self.is_unsaved:
            return f"{words}."
        return f"{words}. Every stroke is kept; Ctrl+S gives the project a name and a place."

    # Save

    def save(self) -> None:
        """Bring the file up to date, or ask where an unsaved project should be."""
        if self.project is None:
            raise ValueError(NO_PROJECT)
        if self.is_unsaved:
            self.ask_for_copy()
            return
        if self.project.read_only:
            raise ValueError(f"{self.project.notice or 'It is open for reading only.'}")
        if self.is_dirty and not self.project.try_again():
            raise ValueError(self.project.dirty_reason)
        self.project.flush()
        self.changed.emit()
        news = f"Everything is in {self.project.path.name}; every stroke goes there at once."
        self.said.emit(Message(news, grade="info"))

    def ask_for_copy(self, then: Then | None = None) -> None:
        """Ask for a place and write everything there."""
        if self.project is None:
            return
        stem = self.project.path.stem if self.is_unsaved else f"{self.project.path.stem} copy"
        title = "Save project as" if self.is_unsaved else "Save a copy"
        proposal = Path(self._folder("project")) / f"{stem}{SUFFIX}"
        dialog = save_dialog(self._window, title, proposal)
        dialog.fileSelected.connect(lambda name: self.save_copy(Path(name), then))
        dialog.open()

    def save_copy(self, path: Path, then: Then | None = None) -> None:
        """Write everything to another file; an unsaved project goes on there."""
        if self.project is None:
            return
        self.busy_changed.emit(f"Writing {path.name} …")
        self._copying.run(
            partial(self.project.save_copy, path), lambda _: self._on_copied(path, then),
            self._on_failed,
        )  # fmt: skip

    def _on_copied(self, path: Path, then: Then | None) -> None:
        self.busy_changed.emit("")
        self._settings.setValue("folders/project", str(path.absolute().parent))
        self.said.emit(Message(f"Everything is in {path}.", grade="info"))
        if (self.is_unsaved or self.is_dirty) and not self._go_on_in(path):
            return
        if then is not None:
            then()

    def _go_on_in(self, path: Path) -> bool:
        """Open the copy at once: a stroke before that would be in the old file only."""
        old, discards = self.project, self.is_unsaved
        try:
            project = Project.open(path)
        except (ValueError, OSError) as error:
            self._on_failed(error)
            return False
        self.goes_on = True
        self._on_opened(None, project)
        self.goes_on = False
        if discards and old is not None:
            _remove(old.path)
            self._remember(path)
        return True

    # Missing images

    def relink(self) -> None:
        """Open the dialog that looks for missing images."""
        if self.project is None:
            raise ValueError(NO_PROJECT)
        RelinkDialog(self.project, self._folder("open"), self._window).open()

    def _on_missing(self, n: int) -> None:
        if n:
            self.said.emit(Message(
                f"{n} image{' is' if n == 1 else 's are'} not where the project last saw "
                f"{'it' if n == 1 else 'them'}. File > Find missing images looks for "
                f"{'it' if n == 1 else 'them'} in another folder."
            ))  # fmt: skip

    # Close

    def close(self) -> None:
        """Close the project, after a question where something would be lost."""
        self.guard(self.let_go)

    def guard(self, then: Then) -> None:
        """Call `then` at once, or after the person said what becomes of the project."""
        project = self.project
        if project is None:
            then()
        elif self.is_dirty and not project.try_again():
            box = question(
                self._window, "The project file does not follow", project.dirty_reason,
                more="Save a copy elsewhere, or lose what came after.",
                choices=(SAVE_COPY, CLOSE_ANYWAY),
            )  # fmt: skip
            self._ask(box, then)
        elif self.is_unsaved and _has_work(project):
            box = question(
                self._window, "Save the project?", f"“{project.path.stem}” has no place yet.",
                more="Everything in it is kept until you discard it; File > Open recent has it.",
                choices=(SAVE_AS, KEEP, DISCARD),
            )  # fmt: skip
            self._ask(box, then)
        else:
            self._let_go_for(then, discards=self.is_unsaved)

    def _ask(self, box: QMessageBox, then: Then) -> None:
        box.buttonClicked.connect(lambda push: self._on_answer(pressed(box, push), then))
        box.open()

    def _on_answer(self, answer: str, then: Then) -> None:
        if answer in (SAVE_AS, SAVE_COPY):
            self.ask_for_copy(then)
        elif answer in (KEEP, CLOSE_ANYWAY):
            self._let_go_for(then, discards=False)
        elif answer == DISCARD:
            self._let_go_for(then, discards=True)

    def _let_go_for(self, then: Then, *, discards: bool) -> None:
        path = self.project.path if self.project else None
        if discards and path is not None:
            self.let_go()
            _remove(path)
        then()

    def let_go(self) -> None:
        """Close the project; the file has everything, but for what it refuses."""
        project, self.project = self.project, None
        self.is_unsaved = False
        self._ear.stop()
        for background in (self._gathering, self._copying, self._looking, self._opening):
            background.forget()
        self.busy_changed.emit("")
        self._told.clear()
        if project is None:
            return
        self.changed.emit()  # whoever follows it lets go first
        with suppress(OSError):  # it has said so
            project.close()

    # What it says

    def _on_images_changed(self) -> None:
        if self.project is not None:
            self.images_changed.emit()

    def _on_entry_changed(self, entry: ImageEntry) -> None:
        if self.project is not None:
            self.entry_changed.emit(entry)

    def _tell_once(self, sentence: str) -> None:
        if sentence in self._told:
            return
        self._told.add(sentence)
        self.said.emit(Message(sentence))
        self.changed_state()

    def changed_state(self) -> None:
        """Say that the title and what can be used may be different."""
        if self.project is not None:
            self.images_changed.emit()

    def _on_failed(self, error: Exception) -> None:
        self.busy_changed.emit("")
        self.said.emit(message_of(error))

    # Shared

    def _unsaved_folder(self) -> Path:
        default = platformdirs.user_data_path("unseg-studio", appauthor=False) / "unsaved"
        return Path(str(self._settings.value("folders/unsaved", default)))

    def _folder(self, purpose: str) -> str:
        return str(self._settings.value(f"folders/{purpose}", Path.home()))

    def _remember(self, path: Path) -> None:
        path = path.absolute()
        known = [str(path), *(str(other) for other in self.recent if other != path)]
        self._settings.setValue("projects/recent", known[:MOST_RECENT])
        if path.parent != self._unsaved_folder():
            self._settings.setValue("folders/project", str(path.parent))


def _opened(path: Path) -> Project:
    """Open a project, and split the names up here, where nobody waits for it."""
    project = Project.open(path)
    ordered(project.images(), Wish())
    return project


def _added(project: Project, found: Gathered) -> tuple[int, tuple[ImageEntry, ...]]:
    """How many images are new, and the entries of all that were found."""
    before = {entry.id for entry in project.images()}
    entries = project.add_images(found.files, found.planes)
    ordered(entries, Wish())
    return sum(entry.id not in before for entry in entries), entries


def _created(path: Path, categories: Sequence[Category]) -> Project:
    project = Project.create(path)
    if categories:
        project.set_categories(categories)
    return project


def _has_work(project: Project) -> bool:
    return any(e.comment or e.status not in ("new", "proposed") for e in project.images())


def _n_missing(entries: Sequence[ImageEntry]) -> int:
    """How many images have no file; slowly, for the window is busy showing the first of them."""
    there: dict[Path, bool] = {}
    for number, entry in enumerate(entries):
        if number % BREATH_FILES == 0:
            time.sleep(BREATH_S)
        file = entry.file
        if file not in there:
            there[file] = os.path.exists(file)  # noqa: PTH110 - a path method refuses long names
    return sum(not is_there for is_there in there.values())


def _remove(path: Path) -> None:
    """A project that nobody wants; what the system does not let go of stays."""
    for suffix in ("", "-wal", "-shm", "-lock"):
        with suppress(OSError):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
