"""The window: canvas in the middle, panels on the right, and what the keys do with them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

from qtpy.QtCore import QEvent, QObject, QSettings, QSize, Qt, QTimer
from qtpy.QtGui import QCloseEvent, QDragEnterEvent, QDropEvent, QIcon, QShowEvent
from qtpy.QtWidgets import QGridLayout, QMainWindow, QMenu, QToolBar, QWidget

from unseg_studio.app.actions import Actions, Bar
from unseg_studio.app.ahead import Prepared
from unseg_studio.app.brush import BrushController
from unseg_studio.app.canvas import Canvas, Hover
from unseg_studio.app.dialogs import DetailsDialog, KeySheet
from unseg_studio.app.display_box import DisplayBox
from unseg_studio.app.files import Files
from unseg_studio.app.gallery import GalleryDialog
from unseg_studio.app.gathering import is_image_folder
from unseg_studio.app.hint_bar import HintBar
from unseg_studio.app.message_bar import Message, MessageBar
from unseg_studio.app.panels import Docks, Panels
from unseg_studio.app.projects import Projects
from unseg_studio.app.queue_panel import QueuePanel
from unseg_studio.app.review import Review
from unseg_studio.app.status_line import StatusLine, hint_in_words
from unseg_studio.app.tools import ERASERS, Tool
from unseg_studio.app.training import Trainings
from unseg_studio.data import NOTHING, Category, Image, new_category
from unseg_studio.data.samples import icon_path
from unseg_studio.document import Document, Live, RunStatus
from unseg_studio.formats import are_labels
from unseg_studio.project import SUFFIX, ImageEntry
from unseg_studio.segmenters import default_segmenter
from unseg_studio.widgets import ExportWish, Pump
from unseg_studio.widgets.following import follow

TITLE = "UnSeg Studio"
SIZE = QSize(1280, 800)

FIRST_RUN_MS = 100
"""The first picture is on the screen before the engine, and torch with it, is asked for."""

RUN_MS = 30
"""Every other picture is on the screen before the engine takes a part of the processor."""


def window_settings() -> QSettings:
    """What the window remembers between starts."""
    return QSettings(TITLE, TITLE)


class MainWindow(QMainWindow):
    """One image under work, on the screen.

    Parameters
    ----------
    image : Image
        What to show first.
    settings : QSettings or None
        Where sizes and habits are kept; None: the person's own.
    is_sample : bool
        Show the three steps of the first start.
    """

    document: Document
    live: Live
    panels: Panels
    canvas: Canvas
    display: DisplayBox
    files: Files
    projects: Projects
    trainings: Trainings
    queue: QueuePanel
    review: Review
    settings: QSettings
    overlay_hidden: bool

    def __init__(
        self, image: Image, settings: QSettings | None = None, *, is_sample: bool = False
    ) -> None:
        super().__init__()
        self.settings = settings or window_settings()
        self.canvas = Canvas()
        self.display = DisplayBox(self.canvas, self.settings)
        self.messages = MessageBar()
        self.status_line = StatusLine()
        self.files = Files(self, self.settings)
        self.projects = Projects(self, self.settings)
        self.trainings = Trainings(self)
        self.queue = QueuePanel()
        self.review = Review(self.queue, self._guard_image, self)
        self.overlay_hidden = False
        self._hint: HintBar | None = None
        self._hovered: Hover | None = None
        self._is_leaving = False
        self._phase = ""
        self._left: int | None = None
        self._known = False, False
        self._docks = Docks(self, self.display, self.queue)
        self._middle = self._make_middle()
        self._take(Document(image, _first_categories(), default_segmenter(image)))
        self.actions_ = Actions(self)
        self.queue.put_buttons(self.actions_.__getitem__)
        self._make_frame()
        self._restore()
        self._docks["Images"].hide()
        if is_sample and self.settings.value("steps/dismissed") is None:
            self.show_steps()
        self.set_tool(Tool.SCRIBBLE)

        self.canvas.hovered.connect(self._on_hovered)
        self.canvas.files_dropped.connect(self.open_paths)
        self.canvas.installEventFilter(self)
        self._docks["Filmstrip"].visibilityChanged.connect(lambda _: self.actions_.refresh())
        self.display.contours_changed.connect(lambda _: self.actions_.refresh())
        self.display.uncertainty_changed.connect(self._on_uncertainty_toggled)
        self.actions_["uncertainty"].changed.connect(self._tell_display)
        self._tell_display()
        self.messages.details_requested.connect(lambda m: DetailsDialog(m, self).open())
        self.files.document_made.connect(self._on_document_made)
        self.files.said.connect(self.tell)
        self.files.busy_changed.connect(self.status_line.show_busy)
        self.files.exported.connect(self._on_exported)
        self._connect_projects()

    # What the actions do

    @property
    def tool(self) -> Tool:
        """What the left button does."""
        return self.canvas.tool()

    @property
    def place_of_active(self) -> int:
        """Place of the active category in the list, counted from 1."""
        return [c.id for c in self.document.categories].index(self.document.active) + 1

    def name_of_place(self, number: int) -> str:
        """Name of the category at a place; what the key would do where there is none."""
        categories = self.document.categories
        return categories[number - 1].name if number <= len(categories) else "Add a category"

    def set_tool(self, tool: Tool) -> None:
        """Choose what the left button does."""
        self.canvas.set_tool(tool)
        self._say_what_helps()
        self.actions_.refresh()

    def choose_category(self, number: int) -> None:
        """Make the category at a place the active one; the next free place adds one."""
        categories = self.document.categories
        if number <= len(categories):
            self.document.set_active(categories[number - 1].id)
        else:
            self.document.add_category()
        if self.tool in ERASERS:
            self.set_tool(Tool.SCRIBBLE if self.tool is Tool.ERASE_SCRIBBLE else Tool.PAINT)

    def scale_brush(self, factor: float) -> None:
        """Make the brush larger or smaller, by half a pixel at least."""
        radius = self.canvas.brush_radius()
        step = max(abs(radius * factor - radius), 0.5)
        self.canvas.set_brush_radius(round(2 * (radius + (step if factor > 1 else -step))) / 2)

    def split_cluster(self) -> None:
        """Cut what lies under the pointer into two, by clustering inside it."""
        id_ = self._hovered.id if self._hovered else NOTHING
        if id_ == NOTHING:
            raise ValueError("There is no cluster under the pointer; point at one, then split it.")
        self.live.split(id_, 2)

    def clear_scribbles(self) -> None:
        """Remove every scribble, where there is one."""
        if self.document.scribbles.is_empty:
            raise ValueError("There is no scribble to remove.")
        self.document.clear_scribbles()

    def clear_edits(self) -> None:
        """Take every hand correction back, where there is one."""
        if self.document.edits.is_empty:
            raise ValueError("There is no hand correction to take back.")
        self.document.clear_edits()

    def toggle_overlay(self) -> None:
        """Show the bare image, or the labels again."""
        self._hide_overlay(not self.overlay_hidden)

    def toggle_contours(self) -> None:
        """Show outlines instead of filled areas, or the other way round."""
        self.display.set_contours(not self.display.contours)

    def toggle_uncertainty(self) -> None:
        """Show where the labels are in doubt, or the labels alone."""
        self.display.set_uncertainty(not self.display.uncertainty)

    def toggle_filmstrip(self) -> None:
        """Show the strip of thumbnails, or hide it."""
        self._docks["Filmstrip"].setVisible(not self.filmstrip_shown)

    @property
    def filmstrip_shown(self) -> bool:
        """The strip of thumbnails has a place in the window."""
        return not self._docks["Filmstrip"].isHidden()

    def go_to_next_stroke(self) -> None:
        """Show the place where one stroke would help most, and say what it would decide."""
        self.canvas.show_hint()
        self.status_line.show_hint(hint_in_words(self.document))

    def show_keys(self) -> None:
        """Open the sheet with every key."""
        KeySheet(self).show()

    def show_steps(self) -> None:
        """Show the three steps of the first start."""
        self._drop_hint()
        self._hint = HintBar(self.document)
        self._hint.dismissed.connect(lambda: self.settings.setValue("steps/dismissed", True))
        self._middle.addWidget(self._hint, 1, 0)

    def tell(self, message: Message) -> None:
        """Tell the person something, in the window."""
        self.messages.tell(message)

    # Images and projects

    def open_paths(self, paths: list[Path]) -> None:
        """Open what was dropped or named: a project, images, folders of them, masks."""
        projects = [path for path in paths if path.suffix == SUFFIX and path.is_file()]
        if projects:
            self._guard_all(lambda: self.projects.open(projects[0]), verb="open a project")
            return
        labels = {path for path in paths if are_labels(path)}
        images = [path for path in paths if path not in labels]
        many = len(images) > 1 or any(is_image_folder(path) for path in images)
        if self.projects.project is not None and images:
            self.projects.add(images)
        elif many:
            self.files.guard(lambda: self.projects.add(images), verb="open a project")
        else:
            self.files.open_dropped(paths)

    def ask_for_image(self) -> None:
        """Ask for an image; with a project, for images to add to it."""
        if self.projects.project is None:
            self.files.ask_for_image()
        else:
            self.projects.ask_for_images()

    def ask_for_images(self) -> None:
        """Ask for images for the project, or for a new one."""
        self._guard_image(self.projects.ask_for_images)

    def ask_for_folder(self) -> None:
        """Ask for a folder with images for the project, or for a new one."""
        self._guard_image(self.projects.ask_for_folder)

    def train(self) -> None:
        """Learn one set of clusters from all images of the project; strokes go on beside it."""
        self.trainings.open(others_wait=lambda: self.document.status.is_busy)

    def show_clusters(self) -> None:
        """Show what the models of the project found in all images, to be named once."""
        if self.projects.project is None:
            raise ValueError(self.projects.why_none())
        GalleryDialog(self.projects.project, self).open()

    def write_comment(self) -> None:
        """Put the cursor into the comment on the image."""
        self._docks["Images"].show()
        self.queue.comment.setFocus()

    def find_image(self) -> None:
        """Put the cursor into the search for an image."""
        self._docks["Images"].show()
        self.queue.search.setFocus()
        self.queue.search.selectAll()

    def close_project(self) -> None:
        """Close the project and show the sample again."""
        self.projects.guard(self._show_sample)

    def _show_sample(self) -> None:
        self.projects.let_go()
        self.files.open_sample()

    def _guard_image(self, then: Callable[[], None]) -> None:
        """Nobody is asked where the project keeps what was done."""
        if self.projects.is_keeping and self.review.current is not None:
            then()
        else:
            self.files.guard(then, verb="open another image")

    def _guard_all(self, then: Callable[[], object], *, verb: str) -> None:
        """Before the project goes, and the image that is no part of one."""
        if self.projects.is_keeping and self.review.current is not None:
            self.projects.guard(then)
        else:
            self.files.guard(lambda: self.projects.guard(then), verb=verb)

    # The document

    def show_document(self, document: Document, prepared: Prepared | None = None) -> None:
        """Let go of the document and show another one, with what was prepared for it."""
        old_live, old_brush, old_pump = self.live, self._brush, self._pump
        self._drop_hint()
        self._let_go(old_live)
        self.setUpdatesEnabled(False)  # one picture of all that changes
        try:
            self._take(document, prepared)
        finally:
            self.setUpdatesEnabled(True)
        old_brush.deleteLater()
        old_pump.deleteLater()
        self._known = False, False
        self._say_what_helps()
        if prepared is None:  # else the queue says in a moment that everything is different
            self.actions_.refresh()
        QTimer.singleShot(RUN_MS, self, self._start)

    def _take(self, document: Document, prepared: Prepared | None = None) -> None:
        image = document.image
        self.document = document
        self.live = prepared.live if prepared else Live(document)
        self.canvas.set_document(self.document)
        self.display.suit(image.shape)
        made = prepared.panels if prepared else None
        self.panels = Panels.of(self.document, self.live, self.canvas, made)
        self.panels.segmenter.models.set_source(self.trainings.choices)
        self._pump = Pump(self.document, self.live, self)
        self._brush = BrushController(self.document, self.canvas)
        self._docks.fill(self.panels)
        self.files.take(self.document, self.live)
        self.status_line.take(self.document, self.live)
        self._phase = document.status.phase
        self._show_title()
        self._connect_document()

    def _connect_projects(self) -> None:
        self.projects.categories = lambda: self.document.categories
        self.trainings.said.connect(self.tell)
        self.trainings.trained.connect(self._on_trained)
        self.trainings.gallery_requested.connect(lambda _: self.show_clusters())
        self.trainings.offer_gallery()
        for part in (self.projects, self.review):
            part.said.connect(self.tell)
            part.busy_changed.connect(self.status_line.show_busy)
        self.projects.changed.connect(self._on_project_changed)
        self.projects.images_changed.connect(self._on_images_changed)
        self.projects.entry_changed.connect(self._on_entry_changed)
        self.projects.images_added.connect(self._on_images_added)
        self.review.kept.connect(self.files.kept)
        self.review.shown.connect(self._on_prepared)
        self.review.changed.connect(self._on_image_changed)

    def _connect_document(self) -> None:
        panels = self.panels
        for view in (panels.categories, panels.segmenter):
            view.refused.connect(self._on_refused)
        panels.corrections.when_made(lambda box: box.refused.connect(self._on_refused))
        self._brush.refused.connect(self._on_refused)
        panels.export.when_made(lambda box: box.export_requested.connect(self._on_export_requested))
        events = self.document.events
        follow(self, events.history_changed, self._on_history_changed)
        follow(self, events.categories_changed, self._on_choice_changed)
        follow(self, events.active_changed, self._on_choice_changed)
        follow(self, events.locks_changed, self._on_choice_changed)
        follow(self, events.segmenter_changed, self._on_choice_changed)
        follow(self, events.status_changed, self._on_status_changed)
        follow(self, events.uncertainty_changed, self._on_uncertainty_changed)

    def _let_go(self, live: Live) -> None:
        live.stop()
        # Its thread ends at the next yield, which may take a while: nobody waits for that.
        threading.Thread(target=live.close, name="unseg-closing").start()

    def _drop_hint(self) -> None:
        if self._hint is not None:
            self._hint.deleteLater()
            self._hint = None

    # Parts

    def _make_middle(self) -> QGridLayout:
        """Messages lie over the canvas: the image must not jump under a stroke."""
        middle = QWidget()
        layout = QGridLayout(middle)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.canvas, 0, 0)
        layout.addWidget(self.messages, 0, 0, Qt.AlignmentFlag.AlignTop)
        layout.setRowStretch(0, 1)
        self.setCentralWidget(middle)
        return layout

    def _make_frame(self) -> None:
        self.setWindowIcon(QIcon(str(icon_path())))
        self.setStatusBar(self.status_line)
        self.actions_.fill_menus(self.menuBar())
        self._add_dock_menu()
        self._add_recent_menu()
        self._make_bar("main", Qt.ToolBarArea.TopToolBarArea)
        self._make_bar("tools", Qt.ToolBarArea.LeftToolBarArea)
        self.setAcceptDrops(True)

    def _make_bar(self, name: Bar, area: Qt.ToolBarArea) -> None:
        bar = QToolBar(f"{name.capitalize()} bar")
        bar.setObjectName(f"bar_{name}")
        bar.setIconSize(QSize(18, 18))
        if name == "main":
            bar.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.actions_.fill_bar(bar, name)
        self.addToolBar(area, bar)

    def _add_dock_menu(self) -> None:
        view = self.menuBar().findChild(QObject, "menu_View")
        for dock in self._docks.all():
            if dock is self._docks["Filmstrip"]:
                continue  # a command of its own, with a button
            view.addAction(dock.toggleViewAction())  # type: ignore[union-attr]

    def _add_recent_menu(self) -> None:
        self._recent = QMenu("Open recent", self)
        self._recent.setObjectName("menu_recent")
        self._recent.setToolTipsVisible(True)
        self._recent.aboutToShow.connect(self._fill_recent)
        file = self.menuBar().findChild(QMenu, "menu_File")
        file.insertMenu(self.actions_["save"], self._recent)  # type: ignore[union-attr]

    def _fill_recent(self) -> None:
        self._recent.clear()
        for path in self.projects.recent:
            action = self._recent.addAction(path.stem)
            action.setToolTip(str(path))
            action.triggered.connect(partial(self.open_paths, [path]))
        if self._recent.isEmpty():
            self._recent.addAction("No project was opened yet").setEnabled(False)

    # The person

    def _on_hovered(self, hover: Hover | None) -> None:
        self._hovered = hover
        self.review.tick()
        self.status_line.show_hover(hover)

    def _on_export_requested(self, wish: ExportWish) -> None:
        self.files.ask_for_export(wish)

    def _on_document_made(self, document: Document) -> None:
        """Show what was opened; categories go on to it, for they are the project's."""
        self.messages.hide()
        if document.categories != self.document.categories:  # they changed meanwhile
            document = Document(document.image, self.document.categories, document.segmenter)
        self.review.step_out()
        self.show_document(document)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Give the keys to the canvas when the pointer comes to it: 2 means a category there."""
        if event.type() == QEvent.Type.Enter and self.isActiveWindow():
            self.canvas.setFocus()
        return super().eventFilter(watched, event)

    def _say_what_helps(self) -> None:
        """Beside the heat map: where a stroke helps; otherwise what the tool does."""
        asked = self.display.uncertainty and self.document.uncertainty
        self.status_line.show_hint(hint_in_words(self.document) if asked else self.tool.hint)

    def _tell_display(self) -> None:
        action = self.actions_["uncertainty"]
        self.display.tell_uncertainty(action.toolTip(), usable=action.isEnabled())

    def _hide_overlay(self, hidden: bool) -> None:
        self.overlay_hidden = hidden
        self.canvas.set_overlay_hidden(hidden)
        self.actions_.refresh()

    # The project says

    def _on_trained(self) -> None:
        self.panels.segmenter.models.refresh()

    def _on_project_changed(self) -> None:
        project = self.projects.project
        self.trainings.take(project)
        self.panels.segmenter.models.refresh()
        if project is not self.review.project:
            current = self.review.current
            self._left = current.id if current else self._left
            self.review.take(project)
            self._docks["Images"].setVisible(project is not None)
            self.review.open_first(self._left if self.projects.goes_on else None)
        self._show_title()
        self.actions_.refresh()

    def _on_images_changed(self) -> None:
        self.review.arrange()
        self._show_title()

    def _on_entry_changed(self, entry: ImageEntry) -> None:
        self.review.refresh(entry)

    def _on_images_added(self, entries: tuple[ImageEntry, ...]) -> None:
        if self.review.current is None:
            self.review.open_first()

    def _on_prepared(self, prepared: Prepared) -> None:
        self.show_document(prepared.document, prepared)

    def _on_image_changed(self) -> None:
        self._show_title()
        self.actions_.refresh()

    # The document says

    def _on_refused(self, sentence: str) -> None:
        self.tell(Message(sentence))

    def _show_title(self) -> None:
        parts = (f"{self.document.image.source.name}[*]", self.projects.title, TITLE)
        self.setWindowTitle(" – ".join(part for part in parts if part))
        self._show_dirty()

    def _show_dirty(self) -> None:
        is_kept = self.projects.is_keeping and self.review.current is not None
        self.setWindowModified(self.projects.is_dirty if is_kept else self.files.may_be_dirty)

    def _on_history_changed(self) -> None:
        self._show_dirty()
        self.review.tick()
        self._say_what_helps()
        self.actions_.refresh()

    def _on_uncertainty_toggled(self) -> None:
        self._say_what_helps()
        self.actions_.refresh()

    def _on_uncertainty_changed(self) -> None:
        """Frames come often; what can be used changes seldom."""
        known = self.document.uncertainty is not None, self.document.hint is not None
        if known != self._known:
            self._known = known
            self.actions_.refresh()
        self._say_what_helps()

    def _on_choice_changed(self) -> None:
        self._say_what_helps()
        self.actions_.refresh()

    def _on_status_changed(self, status: RunStatus) -> None:
        if status.phase == self._phase:
            return
        self._phase = status.phase
        self.actions_.refresh()
        if status.phase == "failed":
            self.tell(Message(status.message))

    def _on_exported(self) -> None:
        self._show_dirty()
        if self._hint is not None:
            self._hint.tick(2)

    # Coming and going

    def showEvent(self, event: QShowEvent) -> None:
        """Ask for the first proposal once the image is on the screen."""
        super().showEvent(event)
        self.canvas.setFocus()
        if self.document.status.phase == "idle":
            QTimer.singleShot(FIRST_RUN_MS, self, self._start)

    def _start(self) -> None:
        if self.document.status.phase == "idle" and not self._is_leaving:
            self.live.start()

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Accept files anywhere, as on the canvas."""
        self.canvas.dragEnterEvent(event)

    def dropEvent(self, event: QDropEvent) -> None:
        """Open what was dropped beside the canvas, such as on the queue."""
        self.canvas.dropEvent(event)

    def changeEvent(self, event: QEvent) -> None:
        """Follow the system from light to dark."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "actions_"):
            self.actions_.refresh_icons()

    def closeEvent(self, event: QCloseEvent) -> None:
        """Ask about unsaved work before the window goes."""
        if not self._is_leaving:
            self._guard_all(self.leave, verb="close the window")
        if not self._is_leaving:  # the answer will close it
            event.ignore()
            return
        self.settings.setValue("window/geometry", self.saveGeometry())
        self.settings.setValue("window/state", self.saveState())
        self.hide()
        self.live.close()
        self.review.close()
        self.projects.let_go()
        if self.panels.filmstrip.is_made:
            self.panels.filmstrip.panel.filmstrip.close()
        super().closeEvent(event)

    def leave(self) -> None:
        """Close without asking about unsaved work."""
        self._is_leaving = True
        self.close()

    def _restore(self) -> None:
        self.resize(SIZE)
        self._docks.share_height()
        for key, restore in (
            ("window/geometry", self.restoreGeometry),
            ("window/state", self.restoreState),
        ):
            if (value := self.settings.value(key)) is not None:
                restore(value)


def _first_categories() -> tuple[Category, ...]:
    """Two, since telling apart takes two."""
    first = new_category(())
    return first, new_category((first,))
