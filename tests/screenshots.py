"""Drive the real window with real mouse events and keep its picture at some moments.

Run as `python -m tests.screenshots`, on a display of 1600 x 1000 or more (`make screenshots` brings
a virtual one). Writes assets/screenshots/{1-proposal,2-two-scribbles,3-export,4-filmstrip,
8-preflight,9-queue,10-relink,11-training,12-clusters}.png.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

from PIL import Image as Pil
from qtpy.QtCore import QEventLoop, QPoint, QSettings, Qt, QTimer
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QComboBox, QLabel, QLineEdit, QTreeWidget, QWidget

from unseg_studio.app.dialogs import ExportDialog
from unseg_studio.app.gallery import GalleryDialog
from unseg_studio.app.main import make_application
from unseg_studio.app.project_dialogs import RelinkDialog
from unseg_studio.app.training import TrainingDialog
from unseg_studio.app.window import MainWindow
from unseg_studio.data import read_image
from unseg_studio.data.samples import sample_path
from unseg_studio.project import Project
from unseg_studio.project.batch import propose, unproposed
from unseg_studio.project.train import train_on
from unseg_studio.segmenters.multilevel import Multilevel
from unseg_studio.widgets.category_list import KIND

FOLDER = Path(__file__).resolve().parents[1] / "assets" / "screenshots"
WIDTH, HEIGHT = 1440, 900
PATIENCE_S = 120

LEFT = Qt.MouseButton.LeftButton
Point = tuple[float, float]

ON_CAT: tuple[Sequence[Point], ...] = (
    [(0.30, 0.45), (0.45, 0.50), (0.62, 0.52)],
    [(0.70, 0.20), (0.80, 0.35), (0.85, 0.50)],
)
BEHIND: tuple[Sequence[Point], ...] = (
    [(0.12, 0.90), (0.45, 0.93), (0.90, 0.88)],
    [(0.10, 0.03), (0.40, 0.03)],
)
EYES: tuple[Sequence[Point], ...] = (
    [(0.33, 0.36), (0.43, 0.39), (0.33, 0.40), (0.43, 0.43), (0.34, 0.37)],
    [(0.38, 0.69), (0.50, 0.70), (0.38, 0.72), (0.50, 0.74), (0.42, 0.68)],
)
"""Paths as shares of height and width."""


def main() -> int:
    """Take all pictures."""
    app = make_application()
    with tempfile.TemporaryDirectory() as folder:
        settings = QSettings(str(Path(folder) / "settings.ini"), QSettings.Format.IniFormat)
        settings.setValue("folders/export", "/data/masks")
        FOLDER.mkdir(parents=True, exist_ok=True)
        window = opened(settings, is_sample=True)
        take_all(app, window)
        window.leave()
        window = opened(settings)
        take_filmstrip(window)
        window.leave()
        settings.setValue("folders/unsaved", str(Path(folder) / "unsaved"))
        window = opened(settings)
        take_queue(app, window, Path(folder))
        window.leave()
        window = opened(settings)
        take_training(app, window, Path(folder))
        window.leave()
        window = opened(settings)
        take_clusters(app, window, Path(folder) / "learned.unseg")
        window.leave()
    return 0


def opened(settings: QSettings, *, is_sample: bool = False) -> MainWindow:
    """The window with the cat."""
    window = MainWindow(read_image(sample_path("cat")), settings, is_sample=is_sample)
    window.setFixedSize(WIDTH, HEIGHT)
    window.move(0, 0)
    window.show()
    return window


def take_all(app: QApplication, window: MainWindow) -> None:
    """Work as a person would and stop three times."""
    settle(window)
    keep(window, "1-proposal")
    rename(window, 0, "cat")
    rename(window, 1, "background")
    make_stuff(window, 1)
    scribble(window, "1", ON_CAT[:1])
    scribble(window, "2", BEHIND[:1])
    keep(window, "2-two-scribbles")
    scribble(window, "1", ON_CAT[1:])
    scribble(window, "2", BEHIND[1:])
    correct(window)
    QTest.keyClick(window.canvas, "e", Qt.KeyboardModifier.ControlModifier)
    dialog = next(w for w in app.topLevelWidgets() if isinstance(w, ExportDialog))
    until(lambda: dialog.preview_is_shown)
    dialog.move((WIDTH - dialog.width()) // 2, (HEIGHT - dialog.height()) // 2)
    keep(window, "3-export")
    mean_for(dialog, "Label Studio")
    keep(window, "8-preflight")
    dialog.reject()


def mean_for(dialog: ExportDialog, title: str) -> None:
    """Choose the tool that will read the file with the keys, and wait for what is said of it."""
    box = next(b for b in dialog.findChildren(QComboBox) if b.findText(title) >= 0)
    while box.currentText() != title:
        QTest.keyClick(box, Qt.Key.Key_Down)
    until(lambda: any(title in label.text() for label in dialog.form.findChildren(QLabel)))


def take_filmstrip(window: MainWindow) -> None:
    """Compare numbers of clusters and take one by a click."""
    settle(window)
    choose_method(window, "DeepCut")
    settle(window)
    window.actions_["filmstrip"].trigger()
    strip = window.panels.filmstrip.panel
    until(lambda: strip.is_complete)
    QTest.mouseClick(strip.card(4), LEFT)
    settle(window)
    keep(window, "4-filmstrip")


def take_queue(app: QApplication, window: MainWindow, folder: Path) -> None:
    """Review a folder of images, then look for them where they were moved to."""
    images = tiles(folder / "slides")
    path = folder / "slides.unseg"
    with Project.create(path) as project:
        project.add_images(images)
        project.wait_for_fingerprints()
    window.open_paths([path])
    until(lambda: window.review.current is not None)
    settle(window)
    bring_forward(window)
    for key in (Qt.Key.Key_Return, Qt.Key.Key_Return, Qt.Key.Key_PageDown):
        until(lambda: window.review.ahead.is_ready)
        QTest.keyClick(window.canvas, key)
        settle(window)
    QTest.keyClick(window.canvas, Qt.Key.Key_Backspace, Qt.KeyboardModifier.ControlModifier)
    settle(window)
    QTest.keyClick(window.canvas, "m", Qt.KeyboardModifier.ControlModifier)
    QTest.keyClicks(window.queue.comment, "fold at the left edge")
    QTest.keyClick(window.queue.comment, Qt.Key.Key_Return)
    until(lambda: window.review.ahead.is_ready)
    keep(window, "9-queue")
    moved = (folder / "slides").rename(folder / "archive")
    (moved / images[0].name).unlink()
    window.actions_["relink"].trigger()
    dialog = next(w for w in app.topLevelWidgets() if isinstance(w, RelinkDialog))
    dialog.look_in(moved)
    until(lambda: "images found" in dialog.summary.text())
    dialog.move((WIDTH - dialog.width()) // 2, (HEIGHT - dialog.height()) // 2)
    keep(window, "10-relink")
    dialog.reject()


def take_training(app: QApplication, window: MainWindow, folder: Path) -> None:
    """Learn one set of clusters from twelve images."""
    path = folder / "learned.unseg"
    with Project.create(path) as project:
        project.add_images(tiles(folder / "learned"))
        project.wait_for_fingerprints()
    window.open_paths([path])
    until(lambda: window.review.current is not None)
    settle(window)
    bring_forward(window)
    QTest.keyClick(window.canvas, "t", Qt.KeyboardModifier.ControlModifier)
    dialog = next(w for w in app.topLevelWidgets() if isinstance(w, TrainingDialog))
    view = dialog.view
    until(lambda: "ends sooner" in view.told and "Still" not in view.told)
    QTest.mouseClick(view.start_button, LEFT)
    until(lambda: len(view.curve.scores) > 5 or view.phase == "done")
    keep(dialog, "11-training")
    dialog.close()


def take_clusters(app: QApplication, window: MainWindow, path: Path) -> None:
    """Name clusters of these images, and cut one in two."""
    segmenter = Multilevel(n_clusters=6)
    with Project.open(path) as project:
        for _ in train_on(project, segmenter, device="cpu"):
            pass
        learned = project.trained.all()[-1].segmenter
        for _ in propose(project, learned, unproposed(project, learned), device="cpu"):
            pass
    window.open_paths([path])
    until(lambda: window.review.current is not None)
    settle(window)
    bring_forward(window)
    QTest.keyClick(window.canvas, "g", Qt.KeyboardModifier.ControlModifier)
    until(lambda: bool(galleries(app)))
    (dialog,) = galleries(app)
    until(lambda: not dialog.is_busy)
    name_cluster(dialog, 1, "cat")
    name_cluster(dialog, 2, "nuclei")
    choose_cluster(dialog, 0)
    QTest.mouseClick(dialog.split_button, LEFT)
    until(lambda: not dialog.is_busy)
    name_cluster(dialog, 1, "tissue")
    keep(dialog, "12-clusters")
    dialog.reject()


def galleries(app: QApplication) -> list[GalleryDialog]:
    """Those that are on the screen."""
    return [w for w in app.topLevelWidgets() if isinstance(w, GalleryDialog) and w.isVisible()]


def name_cluster(dialog: GalleryDialog, number: int, name: str) -> None:
    """Click on a row, type, and press the button."""
    choose_cluster(dialog, number)
    edit = dialog.category.lineEdit()
    assert edit is not None
    edit.selectAll()
    QTest.keyClicks(edit, name)
    QTest.mouseClick(dialog.name_button, LEFT)
    until(lambda: not dialog.is_busy)


def choose_cluster(dialog: GalleryDialog, number: int) -> None:
    """Click on a row."""
    item = dialog.list.topLevelItem(number)
    QTest.mouseClick(dialog.list.viewport(), LEFT, pos=dialog.list.visualItemRect(item).center())


def tiles(folder: Path) -> list[Path]:
    """Twelve parts of the samples as files."""
    folder.mkdir()
    paths = []
    for name in ("tissue", "nuclei", "cat"):
        rgb = read_image(sample_path(name)).rgb
        height, width = rgb.shape[0] // 2, rgb.shape[1] // 2
        for row, col in ((0, 0), (0, 1), (1, 0), (1, 1)):
            part = rgb[row * height : (row + 1) * height, col * width : (col + 1) * width]
            paths.append(folder / f"{name} {2 * row + col + 1}.png")
            Pil.fromarray(part).save(paths[-1])
    return paths


def choose_method(window: MainWindow, title: str) -> None:
    """Choose a method with the keys."""
    box = next(b for b in window.panels.segmenter.findChildren(QComboBox) if b.findText(title) >= 0)
    while box.currentText() != title:
        QTest.keyClick(box, Qt.Key.Key_Down if box.currentIndex() == 0 else Qt.Key.Key_Up)


def scribble(window: MainWindow, key: str, paths: Sequence[Sequence[Point]]) -> None:
    """Choose a category by its key and draw with it."""
    bring_forward(window)
    QTest.keyClick(window.canvas, key)
    for path in paths:
        drag(window.canvas, [place(window, point) for point in path])
    settle(window)


def correct(window: MainWindow) -> None:
    """Paint the eyes by hand, with a larger brush."""
    for key in ("p", "1", *4 * "]"):
        QTest.keyClick(window.canvas, key)
    for path in EYES:
        drag(window.canvas, [place(window, point) for point in path])


def make_stuff(window: MainWindow, number: int) -> None:
    """Click on the kind of a category: it is exported as a whole."""
    rows = window.panels.categories.findChild(QTreeWidget)
    assert rows is not None
    cell = rows.visualItemRect(rows.topLevelItem(number))
    left = rows.columnViewportPosition(KIND)
    QTest.mouseClick(rows.viewport(), LEFT, pos=QPoint(left + 5, cell.center().y()))


def rename(window: MainWindow, number: int, name: str) -> None:
    """Type another name for a category."""
    rows = window.panels.categories.findChild(QTreeWidget)
    assert rows is not None
    item = rows.topLevelItem(number)
    center = rows.visualItemRect(item).center()
    QTest.mouseClick(rows.viewport(), LEFT, pos=center)
    QTest.mouseDClick(rows.viewport(), LEFT, pos=center)
    editor = rows.findChild(QLineEdit)
    assert editor is not None
    editor.selectAll()
    QTest.keyClicks(editor, name)
    QTest.keyClick(editor, Qt.Key.Key_Return)
    until(lambda: window.document.categories[number].name == name)


def place(window: MainWindow, point: Point) -> QPoint:
    """Where a share of height and width lies on the canvas."""
    height, width = window.document.image.shape
    viewport = window.canvas.viewport()
    assert viewport is not None
    x, y = viewport.to_view(point[0] * height, point[1] * width)
    return QPoint(round(x), round(y))


def drag(widget: QWidget, path: Sequence[QPoint]) -> None:
    """Press, move in small steps, release."""
    QTest.mousePress(widget, LEFT, pos=path[0])
    for start, end in pairwise(path):
        for step in range(1, 11):
            QTest.mouseMove(widget, start + (end - start) * (step / 10))
            rest(8)
    QTest.mouseRelease(widget, LEFT, pos=path[-1])


def bring_forward(window: MainWindow) -> None:
    """Make it the window that keys go to."""
    window.activateWindow()
    until(window.isActiveWindow)


def settle(window: MainWindow) -> None:
    """Wait for the end of the run, and for everything that follows it."""
    until(lambda: window.document.status.phase == "done")
    rest(600)


def until(condition: Callable[[], bool]) -> None:
    """Let the window live until something is true."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"Not within {PATIENCE_S} s: {condition}")
        rest(20)


def rest(milliseconds: int) -> None:
    """Let the window live for a while; unlike `QTest.qWait`, other threads may work meanwhile."""
    loop = QEventLoop()
    QTimer.singleShot(milliseconds, loop.quit)
    loop.exec()


def keep(window: QWidget, name: str) -> None:
    """Write what is on the screen where the window is, dialogs included."""
    rest(300)
    picture = window.screen().grabWindow(0, window.x(), window.y(), window.width(), window.height())
    path = FOLDER / f"{name}.png"
    if not picture.save(str(path)):
        raise OSError(f"{path} was not written; check the folder's permissions.")
    sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    sys.exit(main())
