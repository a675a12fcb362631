"""When widgets paint themselves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from qtpy.QtWidgets import QWidget


@contextmanager
def painted_later(widget: QWidget) -> Iterator[None]:
    """Let a widget change without painting itself there and then; it follows with all the others.

    A progress bar paints at every step. In a window with an OpenGL canvas, such as napari's, each
    time the whole window is put together anew.
    """
    widget.setUpdatesEnabled(False)
    try:
        yield
    finally:
        widget.setUpdatesEnabled(True)
