"""The dock with the images of a project: find, filter, sort, go on, accept."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from qtpy.QtCore import QModelIndex, QSignalBlocker, QSize, Qt, QTimer, Signal
from qtpy.QtGui import QAction
from qtpy.QtWidgets import (
    QComboBox,
    QHeaderView,
    QLabel,
    QLineEdit,
    QProgressBar,
    QSizePolicy,
    QStackedLayout,
    QTableView,
    QToolButton,
    QWidget,
)

from unseg_studio.app.queue_delegate import HEIGHT, QueueDelegate
from unseg_studio.app.queue_model import QueueModel
from unseg_studio.app.queue_order import FILTERS, SORTS, UNFINISHED, Wish
from unseg_studio.app.queue_thumbnails import Thumbnails
from unseg_studio.project import ImageEntry, Project
from unseg_studio.widgets.layout import column, row, words

BUTTONS = (("previous", "next", "most_uncertain"), ("reject", "accept"))
"""Commands that have a button below the list, line by line."""

_TYPING_MS = 150
_TITLES = {"": "All", UNFINISHED: "Unfinished"}

NO_PROJECT = (
    "A project keeps many images, and every stroke on them, in one file. Drop a folder here, or "
    "begin with one of these:"
)


class QueuePanel(QWidget):
    """The list with what is asked for, how far the work is, and the comment on an image."""

    chosen = Signal(int)
    """Image that the person wants to see."""
    comment_written = Signal(str)
    """On the image that is open."""
    wish_changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.thumbnails = Thumbnails(self)
        self.model = QueueModel(self.thumbnails)
        self.list = self._make_list()
        self.search = self._make_search()
        self.filter = self._make_choice("Show", {_title(f): f for f in FILTERS})
        self.sort = self._make_choice("Sort by", {text: sort for sort, text in SORTS.items()})
        self.counter = QLabel()
        self._progress = self._make_progress()
        self.comment = self._make_comment()
        self._nothing = words(quiet=True)
        self._project: Project | None = None
        self._current: int | None = None
        self._typing = QTimer(self, singleShot=True, interval=_TYPING_MS)
        self._counting = QTimer(self, singleShot=True, interval=0)
        self._slots: dict[str, QToolButton] = {}
        self._pages = QStackedLayout(self)
        self._pages.addWidget(self._make_start())
        self._pages.addWidget(self._make_queue())

        self._typing.timeout.connect(self._ask)
        self._counting.timeout.connect(self._tell)
        self.search.textChanged.connect(lambda _: self._typing.start())
        self.filter.currentIndexChanged.connect(lambda _: self._ask())
        self.sort.currentIndexChanged.connect(lambda _: self._ask())
        self.list.activated.connect(self._on_chosen)
        self.list.clicked.connect(self._on_chosen)
        self.comment.editingFinished.connect(self._on_comment_written)

    # What the window says

    def put_buttons(self, action: Callable[[str], QAction]) -> None:
        """Show commands of the table of actions as buttons, with their tooltips."""
        for names in BUTTONS:
            for name in names:
                self._slots[name].setDefaultAction(action(name))
        for name in ("new_project", "open_project", "add_folder"):
            self._slots[name].setDefaultAction(action(name))

    def take(self, project: Project | None) -> None:
        """Show the images of a project; of none, what to do."""
        self._project = project
        self._current = None
        self.thumbnails.take(project)
        self.model.take(project)
        self._pages.setCurrentIndex(0 if project is None else 1)
        self._counting.start()

    def show_current(self, entry: ImageEntry | None) -> None:
        """Mark the image that is open."""
        self._current = entry.id if entry else None
        if not (self.model.wish.is_lasting and self.model.row_of(self._current) >= 0):
            self.model.arrange(keep=self._current)
        self._bring_into_sight()
        with QSignalBlocker(self.comment):
            self.comment.setText(entry.comment if entry else "")
        usable = entry is not None and self._project is not None and not self._project.read_only
        self.comment.setEnabled(usable)
        self.comment.setToolTip(
            "What others, or you, should know of this image."
            if usable
            else "Comments go with an image of a project that can be changed."
        )

    def refresh(self, entry: ImageEntry) -> None:
        """Something about an image is different."""
        self.model.refresh(entry.id)
        if entry.id == self._current and not self.comment.hasFocus():
            self.comment.setText(entry.comment)
        self._counting.start()

    def arrange(self) -> None:
        """Filter and sort again, and bring the open image into sight."""
        self.model.arrange(keep=self._current)
        self._bring_into_sight()

    def _bring_into_sight(self) -> None:
        row_ = self.model.row_of(self._current)
        if row_ >= 0:
            self.list.setCurrentIndex(self.model.index(row_))
            self.list.scrollTo(self.model.index(row_))
        else:
            self.list.clearSelection()
        self._counting.start()

    # Parts

    def _make_list(self) -> QTableView:
        """A table of one column, for Qt asks a list for every row whenever one has changed."""
        view = QTableView()
        view.setModel(self.model)
        view.setItemDelegate(QueueDelegate(view))
        view.horizontalHeader().hide()
        view.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        view.verticalHeader().hide()
        view.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        view.verticalHeader().setDefaultSectionSize(HEIGHT)
        view.setShowGrid(False)
        view.setTabKeyNavigation(False)
        view.setSelectionBehavior(QTableView.SelectionBehavior.SelectRows)
        view.setSelectionMode(QTableView.SelectionMode.SingleSelection)
        view.setEditTriggers(QTableView.EditTrigger.NoEditTriggers)
        view.setVerticalScrollMode(QTableView.ScrollMode.ScrollPerPixel)
        view.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        view.setAccessibleName("Images")
        view.setMinimumHeight(120)
        return view

    def _make_search(self) -> QLineEdit:
        line = QLineEdit()
        line.setPlaceholderText("Find a name or a comment")
        line.setClearButtonEnabled(True)
        line.setAccessibleName("Find")
        return line

    def _make_choice(self, name: str, choices: Mapping[str, str]) -> QComboBox:
        box = QComboBox()
        for text, data in choices.items():
            box.addItem(text, data)
        box.setAccessibleName(name)
        box.setToolTip(name)
        box.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        box.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        return box

    def _make_progress(self) -> QProgressBar:
        bar = QProgressBar()
        bar.setTextVisible(False)
        bar.setMaximumHeight(6)
        bar.setAccessibleName("Images that are done or rejected")
        return bar

    def _make_comment(self) -> QLineEdit:
        line = QLineEdit()
        line.setPlaceholderText("Comment on this image")
        line.setAccessibleName("Comment")
        return line

    def _make_start(self) -> QWidget:
        page = QWidget()
        buttons = [self._slot(name) for name in ("add_folder", "open_project", "new_project")]
        for button in buttons:
            button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        column(page, words(NO_PROJECT), *buttons).addStretch(1)
        return page

    def _make_queue(self) -> QWidget:
        page = QWidget()
        lines = [row(*(self._slot(name) for name in names)) for names in BUTTONS]
        choices = row(QLabel("Show"), self.filter, QLabel("by"), self.sort)
        layout = column(
            page, self.search, choices, self._nothing, self.list, self.counter, self._progress,
            self.comment, *lines,
        )  # fmt: skip
        layout.setStretch(layout.indexOf(self.list), 1)
        return page

    def _slot(self, name: str) -> QToolButton:
        button = QToolButton()
        button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        button.setIconSize(QSize(16, 16))
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self._slots[name] = button
        return button

    # The person

    def _ask(self) -> None:
        self._typing.stop()
        wish = Wish(self.filter.currentData(), self.search.text(), self.sort.currentData())
        self.model.ask(wish, keep=self._current)
        self.arrange()
        self.wish_changed.emit()

    def _on_chosen(self, index: QModelIndex) -> None:
        entry = self.model.entry(index.row())
        if entry is not None:
            self.chosen.emit(entry.id)

    def _on_comment_written(self) -> None:
        self.comment_written.emit(self.comment.text().strip())

    # What is true

    def _tell(self) -> None:
        entries = self._project.images() if self._project else ()
        n_done = sum(entry.status == "done" for entry in entries)
        n_rejected = sum(entry.status == "rejected" for entry in entries)
        text = f"{n_done} of {len(entries)} done"
        self.counter.setText(text + (f", {n_rejected} rejected" if n_rejected else ""))
        self._progress.setRange(0, max(1, len(entries)))
        self._progress.setValue(n_done + n_rejected)
        n_shown = self.model.rowCount()
        few = f"{n_shown} of {len(entries)} images are shown." if n_shown < len(entries) else ""
        none = "" if entries else "There is no image yet: drop files or a folder on the window."
        self._nothing.setText(none or few)
        self._nothing.setVisible(bool(none or few))


def _title(status: str) -> str:
    return _TITLES.get(status, status.capitalize())
