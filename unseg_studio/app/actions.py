"""Everything that can be done by key, button or menu: one table for all three and the key sheet."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Literal

from qtpy.QtCore import QObject, Qt
from qtpy.QtGui import QAction, QKeySequence
from qtpy.QtWidgets import QMenuBar, QToolBar

from unseg_studio.app.faults import message_of
from unseg_studio.app.status_line import NO_DOUBT
from unseg_studio.app.tools import Tool
from unseg_studio.document import dial
from unseg_studio.widgets.category_list import HOTKEYS
from unseg_studio.widgets.icons import icon

if TYPE_CHECKING:
    from unseg_studio.app.window import MainWindow

Menu = Literal[
    "File", "Project", "Images", "Edit", "Tools", "Categories", "Clusters", "View", "Help"
]
MENUS: tuple[Menu, ...] = (
    "File", "Project", "Images", "Edit", "Tools", "Categories", "Clusters", "View", "Help",
)  # fmt: skip
Bar = Literal["", "main", "tools"]

GROW = 1.25
"""One press of a key changes brush size and zoom by this factor."""


NO_FRAME = "There are no labels yet that could be in doubt; wait for the first ones of a run."


def _never(window: MainWindow) -> str:
    return ""


@dataclass(frozen=True)
class Command:
    """One line of the table.

    Parameters
    ----------
    name : str
        As programs call it.
    text, tip : str
        In the menu, and one sentence more.
    menu : str
        Where it stands.
    run : callable
        What it does with the window.
    keys : tuple of str
        Shortcuts; the first one is shown.
    icon : str
        A key of `widgets.icons.DRAWINGS`.
    bar : str
        The tool bar that it is on.
    blocked : callable
        Why it cannot be used now, in a sentence; empty when it can. Asked often, so it looks at
        no pixels.
    checked : callable or None
        Whether it is on; None for what is no switch.
    label : callable or None
        A text that changes.
    is_local : bool
        Its keys count on the canvas and in the list of images only, since they mean something else
        where text is typed.
    """

    name: str
    text: str
    tip: str
    menu: Menu
    run: Callable[[MainWindow], object]
    keys: tuple[str, ...] = ()
    icon: str = ""
    bar: Bar = ""
    blocked: Callable[[MainWindow], str] = _never
    checked: Callable[[MainWindow], bool] | None = None
    label: Callable[[MainWindow], str] | None = None
    is_local: bool = False


def _tool_command(tool: Tool) -> Command:
    menu: Menu = "Clusters" if tool in (Tool.NAME, Tool.MERGE) else "Tools"
    return Command(
        f"tool_{tool.name.lower()}", tool.title, tool.hint, menu, lambda w: w.set_tool(tool),
        keys=(tool.key,), icon=tool.name.lower(), bar="tools",
        checked=lambda w: w.tool is tool,
    )  # fmt: skip


def _category_command(number: int) -> Command:
    return Command(
        f"category_{number}", f"Category {number}",
        "Make it the active category; the next free number adds one.", "Categories",
        lambda w: w.choose_category(number), keys=(str(number),),
        blocked=lambda w: _no_such_category(w, number),
        checked=lambda w: w.place_of_active == number,
        label=lambda w: w.name_of_place(number),
    )  # fmt: skip


def _no_such_category(window: MainWindow, number: int) -> str:
    n = len(window.document.categories)
    if number <= n + 1:
        return ""
    return f"There are {n} categories; add another one first."


def _no_undo(window: MainWindow) -> str:
    return "" if window.document.undo_text else "There is nothing to take back."


def _no_redo(window: MainWindow) -> str:
    return "" if window.document.redo_text else "There is nothing to do again."


def _not_running(window: MainWindow) -> str:
    return "" if window.document.status.is_busy else "Nothing is running."


def _no_k(window: MainWindow) -> str:
    if dial.has_k(window.document.segmenter):
        return ""
    return f"{window.document.segmenter.title} has no number of clusters to choose."


def _no_uncertainty(window: MainWindow) -> str:
    """A heat map that is on can always be switched off."""
    return "" if window.display.uncertainty or window.document.uncertainty else NO_FRAME


def _no_hint(window: MainWindow) -> str:
    if window.document.uncertainty is None:
        return NO_FRAME
    return "" if window.document.hint else NO_DOUBT


def _last_category(window: MainWindow) -> str:
    if len(window.document.categories) > 1:
        return ""
    return "This is the last category; rename it, or add another one first."


def _unnamed(window: MainWindow) -> str:
    return "Save project as …" if window.projects.is_unsaved else "Save a copy …"


COMMANDS: tuple[Command, ...] = (
    Command("open", "Open image …", "PNG, JPEG, BMP, WebP or TIFF; dropping a file does the same.",
            "File", lambda w: w.ask_for_image(), ("Ctrl+O",), "open", "main"),
    Command("add_images", "Add images …", "Into the project; without one, into a new one.",
            "File", lambda w: w.ask_for_images(), blocked=lambda w: w.projects.why_not_changed()),
    Command("add_folder", "Add folder …",
            "The images in a folder and in the folders in it, into the project or a new one.",
            "File", lambda w: w.ask_for_folder(), ("Ctrl+Shift+O",),
            blocked=lambda w: w.projects.why_not_changed()),
    Command("new_project", "New project …", "Many images and every stroke on them in one file.",
            "File", lambda w: w.projects.ask_for_new()),
    Command("open_project", "Open project …", "Go on where a project was left.",
            "File", lambda w: w.projects.ask_for_project(), ("Ctrl+Shift+P",)),
    Command("save", "Save now", "Every stroke is kept at once; this makes sure of it.",
            "File", lambda w: w.projects.save(), ("Ctrl+S",),
            blocked=lambda w: w.projects.why_none()),
    Command("save_copy", "Save a copy …", "Write the project to another file; images stay.",
            "File", lambda w: w.projects.ask_for_copy(), ("Ctrl+Shift+S",), label=_unnamed,
            blocked=lambda w: w.projects.why_none()),
    Command("relink", "Find missing images …",
            "Look for images whose folder was moved or renamed; they are known by their content.",
            "File", lambda w: w.projects.relink(),
            blocked=lambda w: w.projects.why_none() or w.projects.why_not_changed()),
    Command("close_project", "Close project", "Everything is kept in its file.",
            "File", lambda w: w.close_project(), ("Ctrl+W",),
            blocked=lambda w: w.projects.why_none()),
    Command("import", "Import labels …", "Take masks of a COCO file or an indexed PNG as start.",
            "File", lambda w: w.files.ask_for_labels(), ("Ctrl+I",), "import"),
    Command("export", "Export …", "Write the masks, after a look at what the file will hold.",
            "File", lambda w: w.files.ask_for_export(), ("Ctrl+E",), "export", "main"),
    Command("export_project", "Export project …",
            "Write the masks of many images into one data set, after a look at all of them.",
            "File", lambda w: w.files.ask_for_project_export(w.projects.project),
            ("Ctrl+Shift+E",), blocked=lambda w: w.projects.why_not_exported()),
    Command("quit", "Quit", "Close the window.", "File", lambda w: w.close(), ("Ctrl+Q",)),
    Command("train", "Train on this project …",
            "Learn one set of clusters from all images, so that each is named once for all.",
            "Project", lambda w: w.train(), ("Ctrl+T",),
            blocked=lambda w: w.trainings.why_not()),
    Command("clusters", "Clusters …",
            "What a trained model found in all images: name, merge, split or ignore it once.",
            "Project", lambda w: w.show_clusters(), ("Ctrl+G",),
            blocked=lambda w: w.projects.why_none()),
    Command("previous", "Previous", "Show the image above in the list.", "Images",
            lambda w: w.review.step(-1), ("PgUp",), "up",
            blocked=lambda w: w.review.why_not_step(-1)),
    Command("next", "Next", "Show the image below in the list.", "Images",
            lambda w: w.review.step(1), ("PgDown",), "down",
            blocked=lambda w: w.review.why_not_step(1)),
    Command("accept", "Accept and next", "The image is done; the next unfinished one opens.",
            "Images", lambda w: w.review.accept(device=w.live.computed_on), ("Return", "Enter"),
            "accept",
            blocked=lambda w: w.review.why_not_judge(), is_local=True),
    Command("reject", "Reject", "The image is no use; the next unfinished one opens.", "Images",
            lambda w: w.review.reject(), ("Ctrl+Backspace",), "reject",
            blocked=lambda w: w.review.why_not_judge()),
    Command("most_uncertain", "Most uncertain",
            "Show the unfinished image whose labels are most in doubt.", "Images",
            lambda w: w.review.open_most_uncertain(), ("Ctrl+J",), "uncertainty",
            blocked=lambda w: w.review.why_not_uncertain()),
    Command("comment", "Comment", "Write something about the image that is open.", "Images",
            lambda w: w.write_comment(), ("Ctrl+M",),
            blocked=lambda w: w.review.why_not_judge()),
    Command("find", "Find image", "Type a part of a name or of a comment.", "Images",
            lambda w: w.find_image(), ("Ctrl+F",), blocked=lambda w: w.projects.why_none()),
    Command("undo", "Undo", "Take the last step back; the labels from before come back with it.",
            "Edit", lambda w: w.document.undo(), ("Ctrl+Z",), "undo", "main", _no_undo,
            label=lambda w: f"Undo {w.document.undo_text or ''}".strip()),
    Command("redo", "Redo", "Do the step again that was taken back.",
            "Edit", lambda w: w.document.redo(), ("Ctrl+Shift+Z", "Ctrl+Y"), "redo", "main",
            _no_redo, label=lambda w: f"Redo {w.document.redo_text or ''}".strip()),
    Command("clear_scribbles", "Clear scribbles", "Remove every scribble of every category.",
            "Edit", lambda w: w.clear_scribbles()),
    Command("clear_edits", "Clear corrections", "Give every pixel back to the live labels.",
            "Edit", lambda w: w.clear_edits()),
    *(_tool_command(tool) for tool in Tool),
    Command("brush_smaller", "Smaller brush", "Make scribbles and brushes thinner.", "Tools",
            lambda w: w.scale_brush(1 / GROW), ("[",)),
    Command("brush_larger", "Larger brush", "Make scribbles and brushes thicker.", "Tools",
            lambda w: w.scale_brush(GROW), ("]",)),
    *(_category_command(number) for number in range(1, HOTKEYS + 1)),
    Command("add_category", "Add category", "A new category, ready to be named.", "Categories",
            lambda w: w.panels.categories.add(), ("Ctrl+N",), "plus"),
    Command("remove_category", "Remove category", "Remove the active one with all its work.",
            "Categories", lambda w: w.panels.categories.remove_active(), icon="minus",
            blocked=_last_category),
    Command("lock", "Lock category", "The active one neither loses nor gains pixels.",
            "Categories", lambda w: w.document.toggle_lock(w.document.active), ("X",), "lock",
            checked=lambda w: w.document.active in w.document.locks),
    Command("name_all", "Name all clusters", "Make a category of every cluster without a name.",
            "Categories", lambda w: w.document.name_all_clusters()),
    Command("split", "Split cluster", "Cut the cluster under the pointer into two.", "Clusters",
            lambda w: w.split_cluster(), ("Shift+M",), "split"),
    Command("k_up", "More clusters", "One cluster more.", "Clusters",
            lambda w: w.panels.segmenter.dial.more(), ("K",), "plus", blocked=_no_k),
    Command("k_down", "Fewer clusters", "One cluster less.", "Clusters",
            lambda w: w.panels.segmenter.dial.fewer(), ("Shift+K",), "minus", blocked=_no_k),
    Command("k_less", "k-less", "The image decides how many clusters there are.", "Clusters",
            lambda w: w.panels.segmenter.dial.toggle_k_less(), ("Ctrl+K",),
            blocked=lambda w: dial.why_no_k_less(w.document.segmenter),
            checked=lambda w: w.panels.segmenter.dial.is_k_less),
    Command("run", "Run again", "Start afresh from the scribbles; corrections stay.", "Clusters",
            lambda w: w.document.run(), ("R",), "run", "main"),
    Command("stop", "Stop", "End the run; the labels stay as they are.", "Clusters",
            lambda w: w.live.stop(), ("Esc",), "stop", "main", _not_running),
    Command("hide", "Hide labels", "Show the bare image; the key does so while it is held.",
            "View", lambda w: w.toggle_overlay(), icon="hide", bar="main",
            checked=lambda w: w.overlay_hidden),
    Command("contours", "Outlines only", "Show outlines instead of filled areas.", "View",
            lambda w: w.toggle_contours(), ("C",), "contours", "main",
            checked=lambda w: w.display.contours),
    Command("uncertainty", "Uncertainty", "Bright is where a scribble helps; dark is certain.",
            "View", lambda w: w.toggle_uncertainty(), ("U",), "uncertainty", "main",
            _no_uncertainty, checked=lambda w: w.display.uncertainty),
    Command("next_stroke", "Go to next best stroke",
            "Bring the place where one scribble would help most to the middle.", "View",
            lambda w: w.go_to_next_stroke(), ("J",), "target", blocked=_no_hint),
    Command("filmstrip", "Filmstrip",
            "Other numbers of clusters side by side; a click takes one.", "View",
            lambda w: w.toggle_filmstrip(), icon="filmstrip", bar="main",
            checked=lambda w: w.filmstrip_shown),
    Command("fit", "Fit image", "Show the whole image; a double click does the same.", "View",
            lambda w: w.canvas.fit_view(), ("Ctrl+0",), "fit", "main"),
    Command("actual", "Actual size", "One image pixel on one screen pixel.", "View",
            lambda w: w.canvas.zoom_to(1.0), ("Ctrl+1",)),
    Command("zoom_in", "Zoom in", "The mouse wheel zooms at the pointer.", "View",
            lambda w: w.canvas.zoom_by(GROW), ("Ctrl++", "Ctrl+=")),
    Command("zoom_out", "Zoom out", "The mouse wheel zooms at the pointer.", "View",
            lambda w: w.canvas.zoom_by(1 / GROW), ("Ctrl+-",)),
    Command("keys", "Keys", "Every key on one sheet.", "Help", lambda w: w.show_keys(),
            ("F1", "?"), "help", "main"),
    Command("steps", "First steps", "Open the sample image with the three steps.", "Help",
            lambda w: w.files.open_sample()),
)  # fmt: skip

NUMBERED = frozenset(f"category_{number}" for number in range(1, HOTKEYS + 1))
"""Commands that stand on one line of the key sheet."""

HELD_KEYS = {"hide": "Tab (held)"}
"""Keys that are no shortcuts, for the key sheet."""


@cache
def keys_of(command: Command) -> str:
    """The keys as people read them; empty where there are none."""
    native = [QKeySequence(key).toString(QKeySequence.SequenceFormat.NativeText)
              for key in command.keys]  # fmt: skip
    return " or ".join([*native, *([HELD_KEYS[command.name]] if command.name in HELD_KEYS else [])])


class Actions(QObject):
    """The table as Qt actions of one window."""

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        self._window = window
        self._actions = {command.name: self._make_action(command) for command in COMMANDS}

    def __getitem__(self, name: str) -> QAction:
        return self._actions[name]

    def fill_menus(self, bar: QMenuBar) -> None:
        """Make the menus of the table."""
        for title in MENUS:
            menu = bar.addMenu(f"&{title}")
            menu.setObjectName(f"menu_{title}")
            menu.setToolTipsVisible(True)
            for command in _of_menu(title):
                menu.addAction(self._actions[command.name])

    def fill_bar(self, bar: QToolBar, name: Bar) -> None:
        """Put the buttons of one tool bar on it."""
        for command in COMMANDS:
            if command.bar == name:
                bar.addAction(self._actions[command.name])

    def refresh(self) -> None:
        """Say of each action whether it can be used, and why not."""
        for command in COMMANDS:
            action = self._actions[command.name]
            why_not = command.blocked(self._window)
            action.setEnabled(not why_not)
            if command.label is not None:
                action.setText(command.label(self._window))
            if command.checked is not None:
                action.setChecked(command.checked(self._window))
            action.setToolTip(_tip(command, action.text(), why_not))
            action.setStatusTip("")

    def refresh_icons(self) -> None:
        """Draw the icons again, in the colours of a new palette."""
        for command in COMMANDS:
            if command.icon:
                self._actions[command.name].setIcon(icon(command.icon))

    def _make_action(self, command: Command) -> QAction:
        action = QAction(command.text, self._window)
        action.setObjectName(command.name)
        action.setIconText(command.text.removesuffix(" …"))
        action.setShortcuts([QKeySequence(key) for key in command.keys])
        action.setCheckable(command.checked is not None)
        if command.icon:
            action.setIcon(icon(command.icon))
        action.triggered.connect(lambda: self._run(command))
        if command.is_local:
            action.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
            for widget in (self._window.canvas, self._window.queue.list):
                widget.addAction(action)
        else:
            self._window.addAction(action)
        return action

    def _run(self, command: Command) -> None:
        try:
            command.run(self._window)
        except (ValueError, OSError) as error:
            self._window.tell(message_of(error))
        self.refresh()


def _of_menu(title: Menu) -> Iterator[Command]:
    return (command for command in COMMANDS if command.menu == title)


def _tip(command: Command, text: str, why_not: str) -> str:
    keys = keys_of(command)
    head = f"{text} ({keys})" if keys else text
    return f"{head}\n{why_not or command.tip}"
