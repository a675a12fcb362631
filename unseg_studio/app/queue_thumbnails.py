"""Thumbnails: of the rows that are looked at first, of all others while nothing else is to do.

GUI thread                                  one thread, which lets others go first
of(entry): not there -> asked, newest first
                                    ->      thumbnail in the project, else made of the file
timer: pixmap, `set_thumbnail`      <-      PNG
timer: all at rest -> the next one
that the project lacks is asked     ->      one image at a time is in memory
"""

from __future__ import annotations

import queue
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import cv2
import numpy as np
from qtpy.QtCore import QObject, QTimer, Signal
from qtpy.QtGui import QPixmap

from unseg_studio.data import Image, open_levels
from unseg_studio.document.thumbnails import shrunken
from unseg_studio.document.worker import let_others_go_first
from unseg_studio.project import ImageEntry, Project

SIDE = 96
"""Longer side, in pixels; shown at half of that, for sharp screens."""

MOST_KEPT = 2000
"""Pixmaps in memory, at about 50 kB."""

MOST_ASKED = 64
"""Rows that are waited for; those that were scrolled past are forgotten."""

FILL_MS = 100
"""So often, at most, one is begun that nobody looks at."""

_LOOK_MS = 30
_OVERVIEW = 512


class _Asked(NamedTuple):
    project: Project
    entry: ImageEntry
    is_seen: bool


class _Made(NamedTuple):
    project: Project
    image_id: int
    png: bytes
    is_new: bool
    is_seen: bool


class Thumbnails(QObject):
    """Gives the pictures that are there, and makes the others."""

    made = Signal(int)
    """There is one of this image now."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._project: Project | None = None
        self._pixmaps: OrderedDict[int, QPixmap] = OrderedDict()
        self._asked: OrderedDict[int, _Asked] = OrderedDict()
        self._underway: set[int] = set()
        self._wake = threading.Condition()
        self._found: queue.SimpleQueue[_Made] = queue.SimpleQueue()
        self._is_closing = False
        self._thread: threading.Thread | None = None
        self._timer = QTimer(self, interval=_LOOK_MS)
        self._timer.timeout.connect(self._look)
        self._is_resting: Callable[[], bool] = lambda: True
        self._lacking: Iterator[int] = iter(())
        self._filling = QTimer(self, interval=FILL_MS)
        self._filling.timeout.connect(self._fill)

    def fill_while(self, is_resting: Callable[[], bool]) -> None:
        """Make those that nobody looks at while this says that nothing else is to do."""
        self._is_resting = is_resting

    def fill(self) -> None:
        """There may be images that have none."""
        project = self._project
        if project is None or project.read_only:
            self._filling.stop()
            return
        self._lacking = iter([e.id for e in project.images() if not e.has_thumbnail])
        self._filling.start()

    def take(self, project: Project | None) -> None:
        """Show those of another project, or none."""
        with self._wake:
            self._asked.clear()
        self._project = project
        self._underway.clear()
        self._pixmaps.clear()
        self.fill()

    def of(self, entry: ImageEntry) -> QPixmap | None:
        """The picture of an image, None where it is still to come."""
        if (pixmap := self._pixmaps.get(entry.id)) is not None:
            self._pixmaps.move_to_end(entry.id)
            return pixmap
        if entry.id not in self._underway and self._project is not None:
            self._ask(_Asked(self._project, entry, is_seen=True))
        return None

    def close(self) -> None:
        """End the thread after the picture that it makes."""
        self._timer.stop()
        self._filling.stop()
        with self._wake:
            self._is_closing = True
            self._wake.notify_all()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _ask(self, asked: _Asked) -> None:
        with self._wake:
            if self._is_closing:
                return
            self._underway.add(asked.entry.id)
            self._asked[asked.entry.id] = asked
            while len(self._asked) > MOST_ASKED:
                forgotten, _ = self._asked.popitem(last=False)
                self._underway.discard(forgotten)
            self._wake.notify_all()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="unseg-thumbs", daemon=True)
            self._thread.start()
        self._timer.start()

    def _fill(self) -> None:
        project = self._project
        if project is None or self._underway or project.dirty_reason or not self._is_resting():
            return
        entry = next(filter(None, map(partial(_without, project), self._lacking)), None)
        if entry is None:
            self._filling.stop()
        else:
            self._ask(_Asked(project, entry, is_seen=False))

    def _look(self) -> None:
        while not self._found.empty():
            made = self._found.get()
            if made.project is self._project:
                self._show(made)
        if not self._underway:
            self._timer.stop()

    def _show(self, made: _Made) -> None:
        self._underway.discard(made.image_id)
        if made.is_seen:
            self._keep_pixmap(made)
        if made.is_new and made.png and not made.project.read_only:
            try:
                made.project.set_thumbnail(made.image_id, made.png)
            except ValueError:  # removed meanwhile
                return
        self.made.emit(made.image_id)

    def _keep_pixmap(self, made: _Made) -> None:
        pixmap = QPixmap()
        if not made.png or not pixmap.loadFromData(made.png):
            pixmap = QPixmap(1, 1)  # no image: asked for once
            pixmap.fill()
        pixmap.setDevicePixelRatio(2)
        self._pixmaps[made.image_id] = pixmap
        while len(self._pixmaps) > MOST_KEPT:
            self._pixmaps.popitem(last=False)

    # In the thread

    def _run(self) -> None:
        let_others_go_first()
        while (asked := self._next()) is not None:
            self._found.put(_made(asked))

    def _next(self) -> _Asked | None:
        with self._wake:
            self._wake.wait_for(lambda: self._asked or self._is_closing)
            return None if self._is_closing else self._asked.popitem(last=True)[1]


def _made(asked: _Asked) -> _Made:
    """The thumbnail that the project keeps, else a new one; no bytes where there can be none."""
    project, entry, is_seen = asked
    try:
        if entry.has_thumbnail and (png := project.thumbnail(entry.id)):
            return _Made(project, entry.id, png, is_new=False, is_seen=is_seen)
        return _Made(project, entry.id, thumbnail_png(entry), is_new=True, is_seen=is_seen)
    except Exception:  # a row without a picture; opening the image says what is wrong with it
        return _Made(project, entry.id, b"", is_new=False, is_seen=is_seen)


def _without(project: Project, image_id: int) -> ImageEntry | None:
    """An image that has no thumbnail still; None: it has one, or was removed."""
    try:
        entry = project.image(image_id)
    except ValueError:
        return None
    return None if entry.has_thumbnail else entry


def thumbnail_png(entry: ImageEntry) -> bytes:
    """Read an image, from a smaller level where its file has one, and make its thumbnail.

    Raises
    ------
    ValueError, OSError
        If it cannot be read.
    """
    with open_levels(entry.file, entry.plane) as levels:
        pixels = None
        for pixels in levels.overview(_OVERVIEW):  # noqa: B007 - the last one is complete
            pass
    assert pixels is not None
    small = shrunken(Image.of(pixels, entry.source), SIDE)
    ok, png = cv2.imencode(".png", np.ascontiguousarray(small.rgb[..., ::-1]))
    if not ok:
        raise ValueError(f"No thumbnail could be made of {entry.name}; open it to see why.")
    return png.tobytes()
