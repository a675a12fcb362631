"""Tidy up one category or cluster: fill holes, smooth, drop crumbs."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QComboBox, QDoubleSpinBox, QPushButton, QSpinBox, QWidget

from unseg_studio.data import FIRST_CLUSTER
from unseg_studio.document import Document, Live, State, corrections
from unseg_studio.document.corrections import Correction
from unseg_studio.widgets.areas import AreaCounter, in_words
from unseg_studio.widgets.background import Background
from unseg_studio.widgets.following import follow
from unseg_studio.widgets.layout import button, column, row, words

_AT_ONCE = 1_000_000
"""Images of at most so many pixels are corrected in the window's own thread."""

ACTIVE = 0
"""Stands for whichever category is the active one."""


class CorrectionsBox(QWidget):
    """Corrections that mean a whole id and need no drawing.

    Parameters
    ----------
    document, live : Document, Live
        What to correct.
    """

    refused = Signal(str)
    """A correction was not possible; in a sentence."""

    def __init__(self, document: Document, live: Live) -> None:
        super().__init__()
        self._document = document
        self._target = QComboBox()
        self._target.setToolTip("What the buttons below correct.")
        self._target.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self._radius = self._make_radius()
        self._min_area = self._make_min_area()
        self._holes = self._make_button("Fill holes", "Give it what it encloses.", self._fill_holes)
        self._smooth = self._make_button("Smooth", "Round its outline.", self._smooth_outline)
        self._small = self._make_button(
            "Remove parts below", "Give small parts to their surroundings.", self._remove_small
        )
        self._clear = button(
            "Clear all corrections",
            "Take every hand correction back; scribbles and names stay.",
            document.clear_edits,
        )
        self._doing = words(quiet=True)
        self._background = Background(self)
        column(
            self, self._target, row(self._holes, self._smooth, self._radius),
            row(self._small, self._min_area), row(self._clear), self._doing,
        ).addStretch(1)  # fmt: skip
        self._counter = AreaCounter(document, self)
        self._show_targets()
        self._on_history_changed()

        self._counter.counted.connect(self._show_targets)
        follow(self, document.events.active_changed, self._show_targets)
        follow(self, document.events.categories_changed, self._show_targets)
        follow(self, document.events.history_changed, self._on_history_changed)

    @property
    def target(self) -> int:
        """Id that the buttons correct."""
        chosen = int(self._target.currentData() or ACTIVE)
        return chosen if chosen != ACTIVE else self._document.active

    def select(self, id_: int) -> None:
        """Choose what the buttons correct."""
        self._target.setCurrentIndex(max(0, self._target.findData(id_)))

    # Parts

    def _make_radius(self) -> QDoubleSpinBox:
        box = QDoubleSpinBox(minimum=0.5, maximum=50.0, value=2.0, singleStep=0.5, decimals=1)
        box.setSuffix(" px")
        box.setToolTip("Radius of the smoothing: 0.5 to 50 px.")
        return box

    def _make_min_area(self) -> QSpinBox:
        box = QSpinBox(minimum=2, maximum=1_000_000, value=50)
        box.setSuffix(" px")
        box.setToolTip("Parts with fewer pixels go: 2 to 1,000,000 px.")
        return box

    def _make_button(self, text: str, tip: str, act: Callable[[], None]) -> QPushButton:
        return button(text, tip, lambda: self._try(act))

    # The person

    def _fill_holes(self) -> None:
        self._tidy("Filling holes …", corrections.holes_filled)

    def _smooth_outline(self) -> None:
        made = partial(corrections.outline_smoothed, radius=self._radius.value())
        self._tidy("Smoothing …", made)

    def _remove_small(self) -> None:
        made = partial(corrections.small_parts_removed, min_area=self._min_area.value())
        self._tidy("Removing small parts …", made)

    def _tidy(self, doing: str, made: Callable[[State, int], Correction]) -> None:
        """Correct at once, or in a thread where the window would stand still."""
        document, target = self._document, self.target
        document.require_usable(target)
        if math.prod(document.image.shape) <= _AT_ONCE:
            document.lay(made(document.state, target))
        else:
            self._say(doing)
            self._background.run(partial(made, document.state, target), self._lay, self._fail)

    def _lay(self, correction: Correction) -> None:
        self._say("")
        self._try(lambda: self._document.lay(correction))

    def _fail(self, error: Exception) -> None:
        self._say("")
        raise error

    def _say(self, doing: str) -> None:
        """Say what is being done; one thing at a time."""
        self._doing.setText(doing)
        for press in (self._holes, self._smooth, self._small):
            press.setEnabled(not doing)

    def _try(self, act: Callable[[], None]) -> None:
        try:
            act()
        except ValueError as error:
            self.refused.emit(str(error))

    # The document

    def _show_targets(self) -> None:
        chosen, document = self._target.currentData(), self._document
        total = math.prod(document.image.shape)
        self._target.clear()
        self._target.addItem(f"Active: {document.category(document.active).name}", ACTIVE)
        for id_, pixels in sorted(self._counter.areas.items()):
            if id_ and id_ != document.active:
                self._target.addItem(self._name(id_), id_)
                tip = in_words(pixels, total)
                self._target.setItemData(self._target.count() - 1, tip, Qt.ItemDataRole.ToolTipRole)
        self.select(int(chosen or ACTIVE))

    def _name(self, id_: int) -> str:
        names = {category.id: category.name for category in self._document.categories}
        return names.get(id_, f"cluster {id_ - FIRST_CLUSTER + 1}")

    def _on_history_changed(self) -> None:
        corrected = not self._document.edits.is_empty
        self._clear.setEnabled(corrected)
        self._clear.setToolTip(
            "Take every hand correction back; scribbles and names stay."
            if corrected
            else "There is no hand correction yet."
        )
