"""Parts of the dock that are made when they are unfolded first, and rest while they are folded."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtWidgets import QWidget
from superqt import QCollapsible


def fold(title: str, make: Callable[[], QWidget], *, open_titles: set[str]) -> QCollapsible:
    """A title that unfolds.

    Parameters
    ----------
    title : str
        What is inside.
    make : callable
        Makes the content, once.
    open_titles : set of str
        Those that are unfolded; kept up to date, so that the next document looks the same.
    """
    box = QCollapsible(title)
    made: list[QWidget] = []

    def on_toggled(unfolded: bool) -> None:
        (open_titles.add if unfolded else open_titles.discard)(title)
        if unfolded and not made:
            made.append(make())
            box.addWidget(made[0])  # unlike setContent, this lets the content grow
        for content in made:
            # What is only folded counts as visible, and would go on working.
            content.setVisible(unfolded)

    box.setDuration(0)
    box.layout().setContentsMargins(0, 0, 0, 0)
    box.content().layout().setContentsMargins(0, 0, 0, 0)
    box.collapse(animate=False)
    box.toggled.connect(on_toggled)
    if title in open_titles:
        box.expand(animate=False)
    return box
