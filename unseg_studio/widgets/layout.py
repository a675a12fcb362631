"""The few shapes that every box is made of, with one set of margins."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from qtpy.QtCore import Qt
from qtpy.QtGui import QPalette
from qtpy.QtWidgets import (
    QBoxLayout,
    QHBoxLayout,
    QLabel,
    QLayout,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from unseg_studio.widgets.icons import icon

MARGIN = 8
SPACING = 6


def column(owner: QWidget, *parts: QWidget | QLayout, margin: int = MARGIN) -> QVBoxLayout:
    """Lay parts out below each other in `owner`."""
    layout = QVBoxLayout(owner)
    layout.setContentsMargins(margin, margin, margin, margin)
    _fill(layout, parts)
    return layout


def row(*parts: QWidget | QLayout, stretch: int | None = None) -> QHBoxLayout:
    """Lay parts out beside each other; the one numbered `stretch` takes what is left."""
    layout = QHBoxLayout()
    layout.setContentsMargins(0, 0, 0, 0)
    _fill(layout, parts)
    if stretch is None:
        layout.addStretch(1)
    else:
        layout.setStretch(stretch, 1)
    return layout


def _fill(layout: QBoxLayout, parts: Sequence[QWidget | QLayout]) -> None:
    layout.setSpacing(SPACING)
    for part in parts:
        if isinstance(part, QWidget):
            layout.addWidget(part)
        else:
            layout.addLayout(part)


def words(text: str = "", *, quiet: bool = False) -> QLabel:
    """Text that wraps and can be copied; `quiet` for what is secondary."""
    label = QLabel(text)
    label.setWordWrap(True)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
    if quiet:
        label.setForegroundRole(QPalette.ColorRole.PlaceholderText)
    return label


def button(text: str, tip: str, pressed: Callable[[], object], *, picture: str = "") -> QPushButton:
    """A button with words; it does not take the keyboard from the canvas."""
    made = QPushButton(text)
    made.setAutoDefault(False)
    made.setToolTip(tip)
    made.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    made.clicked.connect(lambda: pressed())
    if picture:
        made.setIcon(icon(picture))
    return made


def small_button(picture: str, tip: str, pressed: Callable[[], object]) -> QToolButton:
    """A flat button with a picture; what it does is its tooltip and its accessible name."""
    made = QToolButton()
    made.setAutoRaise(True)
    made.setIcon(icon(picture))
    made.setToolTip(tip)
    made.setAccessibleName(tip)
    made.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    made.clicked.connect(lambda: pressed())
    return made
