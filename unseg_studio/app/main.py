"""Start the window: on the screen first, the engine after it."""

from __future__ import annotations

import gc
import linecache
import sys
from contextlib import suppress
from pathlib import Path

from unseg_studio.features.lazy_torch import TorchMissingError, load_torch

if sys.platform == "win32":
    # torch cannot load its DLLs there once Qt has loaded its own; everywhere else the window
    # comes first and the worker loads torch.
    with suppress(TorchMissingError):  # the first run says it
        load_torch()

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication

from unseg_studio.app.faults import catch_faults, message_of
from unseg_studio.app.files import SAMPLE
from unseg_studio.app.gathering import is_image_folder
from unseg_studio.app.message_bar import Message
from unseg_studio.app.window import TITLE, MainWindow
from unseg_studio.data import Image, heap, open_image, read_image
from unseg_studio.data.samples import sample_path
from unseg_studio.project import SUFFIX

SWITCH_S = 0.001
"""How long another thread may keep the interpreter when the window wants it: drawing asks often."""


SPARE_MS = 200


def open_window(path: Path | None = None, *more: Path) -> int:
    """Open the window and stay until it is closed.

    Parameters
    ----------
    path : Path or None
        The image to open; None for the sample image with the first steps. Where the image cannot
        be read, the window says why and shows the sample. A project, or a folder of images.
    *more : Path
        Other images: they become one project.

    Returns
    -------
    int
        Exit code.
    """
    app = make_application()
    window = make_window(path, *more)
    before = catch_faults(window.tell)
    spare_the_collector(window)
    window.show()
    try:
        return int(app.exec())
    finally:
        sys.excepthook = before


def make_application() -> QApplication:
    """The Qt application, in a style that looks the same everywhere and follows light and dark."""
    heap.keep_little()
    app = QApplication.instance() or QApplication([TITLE])
    if not isinstance(app, QApplication):
        raise TypeError("A Qt application without windows runs already; start another process.")
    app.setApplicationName(TITLE)
    app.setStyle("Fusion")
    sys.setswitchinterval(SWITCH_S)
    return app


def spare_the_collector(window: MainWindow) -> None:
    """Keep what the libraries hold, once the engine has run, out of Python's search for garbage.

    It stays for good, and looking through it holds every thread for a fifth of a second. Their
    source text, which PySide6 has read, goes: 20 MB.
    """
    timer = QTimer(window, interval=SPARE_MS)

    def look() -> None:
        if window.document.status.phase == "done":
            timer.stop()
            linecache.clearcache()
            gc.freeze()

    timer.timeout.connect(look)
    timer.start()


def make_window(path: Path | None, *more: Path) -> MainWindow:
    """The window on an image; on the sample, with the reason, where that cannot be read."""
    if path is not None and (more or is_image_folder(path) or path.suffix == SUFFIX):
        window = MainWindow(read_image(sample_path(SAMPLE)))
        window.open_paths([path, *more])
        return window
    image, failure = _image_of(path)
    window = MainWindow(image, is_sample=path is None or failure is not None)
    if failure is not None:
        window.tell(failure)
    elif path is None and (left := window.projects.leftover()) is not None:
        news = f"“{left.stem}” has no place yet and is as you left it: File > Open recent."
        window.tell(Message(news, grade="info"))
    return window


def _image_of(path: Path | None) -> tuple[Image, Message | None]:
    if path is None:
        return read_image(sample_path(SAMPLE)), None
    try:
        return open_image(path), None
    except (ValueError, OSError) as error:
        return read_image(sample_path(SAMPLE)), message_of(error)
