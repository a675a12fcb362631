"""Errors and news inside the window, once, in words, with details on demand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QPalette
from qtpy.QtWidgets import QFrame, QLabel, QToolButton, QWidget

from unseg_studio.widgets.icons import icon
from unseg_studio.widgets.layout import column, row, small_button, words

Grade = Literal["info", "warning"]


@dataclass(frozen=True)
class Message:
    """What the person is told.

    Parameters
    ----------
    sentence : str
        What happened and what to do.
    details : str
        For a report of the fault; empty where there are none.
    grade : {"info", "warning"}
        News, or something went wrong.
    """

    sentence: str
    details: str = ""
    grade: Grade = "warning"


class MessageBar(QFrame):
    """One message at the top of the window; the next one takes its place."""

    details_requested = Signal(object)
    """A `Message`."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._message = Message("")
        self._picture = QLabel()
        self._words = words()
        self._details = self._make_details()
        self._close = small_button("close", "Close this message", self.hide)
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self.setAutoFillBackground(True)
        self.setBackgroundRole(QPalette.ColorRole.ToolTipBase)
        self._words.setForegroundRole(QPalette.ColorRole.ToolTipText)
        column(self, row(self._picture, self._words, self._details, self._close, stretch=1),
               margin=4)  # fmt: skip
        self.hide()

    @property
    def message(self) -> Message:
        """The newest message, shown or closed."""
        return self._message

    def tell(self, message: Message) -> None:
        """Show a message until it is closed or the next one comes."""
        self._message = message
        self._picture.setPixmap(icon(message.grade).pixmap(16))
        self._words.setText(message.sentence)
        self._details.setVisible(bool(message.details))
        self.show()

    def _make_details(self) -> QToolButton:
        button = QToolButton()
        button.setText("Details")
        button.setAutoRaise(True)
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        button.clicked.connect(lambda: self.details_requested.emit(self._message))
        return button
