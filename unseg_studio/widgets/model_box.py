"""Which trained model makes the labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import QComboBox, QWidget

from unseg_studio.segmenters import SEGMENTERS, Segmenter
from unseg_studio.widgets.background import Background

ALONE = "None"
_ALONE_TIP = "The method learns from each image alone."
_TIP = "A model that was trained on many images; its clusters mean the same in each of them."


@dataclass(frozen=True)
class ModelChoice:
    """A model that can be chosen.

    Parameters
    ----------
    name : str
        For people.
    method : str
        A key of `SEGMENTERS`.
    digest : str
        See `Model.digest`.
    segmenter : callable
        Makes what proposes with it, its model where the engine finds it; called in a thread.
    tip : str
        What it was learned from.
    """

    name: str
    method: str
    digest: str
    segmenter: Callable[[], Segmenter]
    tip: str = ""


def _nothing() -> Sequence[ModelChoice]:
    return ()


class ModelBox(QComboBox):
    """The models that there are, looked up whenever the list opens."""

    wished = Signal(object)
    """The person wants this Segmenter; with an empty model: the method without any."""
    refused = Signal(str)
    """A model cannot be used; in a sentence."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._source: Callable[[], Sequence[ModelChoice]] = _nothing
        self._choices: Sequence[ModelChoice] = ()
        self._digest = ""
        self._background = Background(self)
        self.setObjectName("model")
        self.setAccessibleName("Model")
        self.setToolTip(_TIP)
        self.setMinimumContentsLength(8)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.refresh()
        self.activated.connect(self._on_chosen)

    def set_source(self, source: Callable[[], Sequence[ModelChoice]]) -> None:
        """Ask this for the models from now on."""
        self._source = source
        self.refresh()

    @property
    def choices(self) -> Sequence[ModelChoice]:
        """The models that the list shows."""
        return self._choices

    def show_model(self, digest: str) -> None:
        """Show that this one is in use; empty: none."""
        self._digest = digest
        self.refresh()

    def refresh(self) -> None:
        """Look up which models there are."""
        self._choices = tuple(self._source())
        with QSignalBlocker(self):
            self.clear()
            self._add(ALONE, "", _ALONE_TIP)
            for choice in self._choices:
                title = SEGMENTERS[choice.method].title if choice.method in SEGMENTERS else ""
                self._add(choice.name, choice.digest, f"{title}. {choice.tip}".strip())
            if self.findData(self._digest) < 0:
                self._add(f"model {self._digest[:8]}", self._digest, "A model from elsewhere.")
            self.setCurrentIndex(self.findData(self._digest))

    def _add(self, text: str, digest: str, tip: str) -> None:
        self.addItem(text, digest)
        self.setItemData(self.count() - 1, tip, Qt.ItemDataRole.ToolTipRole)

    def showPopup(self) -> None:
        """Open the list, with what was trained meanwhile."""
        self.refresh()
        super().showPopup()

    def _on_chosen(self, index: int) -> None:
        digest = self.itemData(index)
        if digest == self._digest:
            return
        choice = next((c for c in self._choices if c.digest == digest), None)
        if choice is None:
            self.wished.emit(None)
        else:
            self._background.run(choice.segmenter, self.wished.emit, self._on_failed)

    def _on_failed(self, error: Exception) -> None:
        self.refresh()
        self.refused.emit(str(error))
