"""Which network gives the features: what it costs, and how to get it where it is not there."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from qtpy.QtCore import QSignalBlocker, Qt, QTimer, Signal
from qtpy.QtWidgets import (
    QComboBox,
    QDialog,
    QFileDialog,
    QFormLayout,
    QProgressBar,
    QWidget,
)

from unseg_studio.features import weights
from unseg_studio.features.catalogue import BACKBONES, BUNDLED, Backbone, backbone
from unseg_studio.widgets.background import Background
from unseg_studio.widgets.download import Download, Standing, bytes_there, download, running
from unseg_studio.widgets.layout import button, column, row, words

BACKBONE, WEIGHTS = "backbone", "weights"
FIELDS = (BACKBONE, WEIGHTS)
"""Parameters of a segmenter that are chosen here."""

LOOK_MS = 100
"""How often a download is asked how far it is."""

FILES = "Weights (*.safetensors *.pth *.pt *.bin);;All files (*)"

_INSTEAD = f"{BACKBONES[BUNDLED].title.removesuffix(' (bundled)')} is bundled and always there."


class BackboneBox(QWidget):
    """Choose a backbone, and bring its weights here."""

    wished = Signal(dict)
    """The person wants these parameters to have these values."""
    arrived = Signal()
    """The weights have come without which the chosen one could not run."""

    def __init__(self) -> None:
        super().__init__()
        self._name, self._file = BUNDLED, ""
        self._wanted = ""
        self._download: Download | None = running()
        self._background = Background(self)
        self._choice = self._make_choice()
        self._facts = words(quiet=True)
        self._get = button("Get the weights …", "Download them, or name a file with them",
                           lambda: self.ask(self._name))  # fmt: skip
        self._bar, self._progress = self._make_bar(), words()
        self._cancel = button("Cancel", "Stop; what has come is kept for the next try", self.cancel)
        self._come = QWidget()
        column(self._come, row(self._bar, self._cancel, stretch=0), self._progress, margin=0)
        self._problem = words()
        self._look = QTimer(self, interval=LOOK_MS)
        column(
            self, self._make_head(), self._facts, row(self._get), self._come, self._problem,
            margin=0,
        )  # fmt: skip
        self._show()

        self._choice.activated.connect(self._on_chosen)
        self._look.timeout.connect(self._on_look)

    # What is true

    def show_values(self, values: dict[str, Any]) -> None:
        """Show what a segmenter has, or will have once the person rests."""
        if BACKBONE not in values:
            return
        self._name, self._file = values[BACKBONE], values.get(WEIGHTS, "")
        self._show()

    @property
    def is_missing(self) -> bool:
        """The weights of the chosen one are not on this machine."""
        return not (self._file or weights.available(self._name))

    def _show(self) -> None:
        chosen, is_coming = backbone(self._name), self._download is not None
        with QSignalBlocker(self._choice):
            self._choice.setCurrentIndex(self._choice.findData(self._name))
        self._choice.setToolTip(about(chosen))
        for index, entry in enumerate(BACKBONES.values()):
            self._choice.setItemText(index, _entry(entry))
        self._facts.setText(facts(chosen, self._file))
        self._facts.setToolTip(about(chosen))
        self._get.setVisible(self.is_missing and not is_coming)
        self._come.setVisible(is_coming)
        self._problem.setVisible(bool(self._problem.text()))
        if is_coming and not self._look.isActive():
            self._look.start()
            self._on_look()

    # The person

    def _on_chosen(self, index: int) -> None:
        name = self._choice.itemData(index)
        self._say("")
        if name == self._name:
            return
        if weights.available(name):
            self._wish(name)
        else:
            self._show()  # until the weights are there, the one before stays
            self.ask(name)

    def ask(self, name: str) -> None:
        """Ask how the weights of a backbone are to come here."""
        is_lost = name == self._name
        stays = backbone(BUNDLED if is_lost else self._name)
        dialog = BackboneDialog(backbone(name), stays, self, verb="Take" if is_lost else "Keep")
        dialog.download_wanted.connect(lambda: self.download(name))
        dialog.file_wanted.connect(lambda: self._ask_for_file(name))
        if is_lost:
            dialog.other_wanted.connect(lambda: self._wish(stays.name))
        dialog.open()

    def download(self, name: str) -> None:
        """Bring the weights of a backbone, then choose it."""
        self._say("")
        self._wanted = name
        self._download = download(name)
        self._show()

    def cancel(self) -> None:
        """Stop the download; what has come is kept."""
        if self._download is not None:
            self._download.cancel()
        self._cancel.setEnabled(False)

    def take_file(self, name: str, path: Path) -> None:
        """Choose a backbone with the weights of a file, if they are its weights."""
        self._say("Reading the file …")
        self._background.run(
            partial(weights.load, name, path),
            lambda _: self._wish(name, str(path)),
            lambda error: self._say(f"{error} {_INSTEAD}"),
        )

    def _ask_for_file(self, name: str) -> None:
        dialog = QFileDialog(self, f"Weights of {backbone(name).title}", "", FILES)
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.fileSelected.connect(lambda path: self.take_file(name, Path(path)))
        dialog.open()

    def _wish(self, name: str, file: str = "") -> None:
        self._say("")
        self.wished.emit({BACKBONE: name, WEIGHTS: file})

    def _say(self, sentence: str) -> None:
        self._problem.setText(sentence)
        self._problem.setVisible(bool(sentence))

    # The download

    def _on_look(self) -> None:
        if self._download is None:
            return
        standing, title = self._download.standing, backbone(self._download.name).title
        self._bar.setRange(0, 1000 if standing.total else 0)
        self._bar.setValue(1000 * standing.done // max(1, standing.total))
        self._progress.setText(f"{title}: {progress_in_words(standing)}")
        if not self._download.is_running:
            self._on_ended(self._download)

    def _on_ended(self, download: Download) -> None:
        self._look.stop()
        self._download = None
        self._cancel.setEnabled(True)
        wanted, self._wanted = self._wanted, ""
        self._show()
        if download.standing.phase == "failed":
            self._say(download.standing.message)
        elif download.standing.phase == "done" and self._name == download.name:
            self.arrived.emit()
        elif download.standing.phase == "done" and wanted == download.name:
            self._wish(wanted)
        elif download.standing.phase == "done":
            self._say(f"{backbone(download.name).title} is on this machine now; choose it above.")

    # Parts

    def _make_choice(self) -> QComboBox:
        box = QComboBox()
        box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        box.setMinimumContentsLength(8)
        box.setAccessibleName("Backbone")
        for name, entry in BACKBONES.items():
            box.addItem(_entry(entry), name)
            box.setItemData(box.count() - 1, about(entry), Qt.ItemDataRole.ToolTipRole)
        return box

    def _make_head(self) -> QFormLayout:
        layout = QFormLayout()
        layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        layout.addRow("Backbone", self._choice)
        return layout

    def _make_bar(self) -> QProgressBar:
        bar = QProgressBar()
        bar.setTextVisible(False)
        bar.setMaximumHeight(8)
        bar.setAccessibleName("Progress of the download")
        return bar


class BackboneDialog(QDialog):
    """Asks what is to be done about weights that are not on this machine.

    Parameters
    ----------
    wanted, stays : Backbone
        What was chosen, and what there is without it.
    parent : QWidget
        Over which it opens.
    verb : str
        What is done with the other one: "Keep" or "Take".
    """

    download_wanted = Signal()
    file_wanted = Signal()
    other_wanted = Signal()

    def __init__(
        self, wanted: Backbone, stays: Backbone, parent: QWidget, *, verb: str = "Keep"
    ) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(f"Get {wanted.title}?")
        there = bytes_there(wanted.name)
        keep = f"{verb} {'the bundled one' if stays.is_bundled else stays.title}"
        self.download_button = button(
            "Go on downloading" if there else f"Download {wanted.megabytes} MB",
            "The work goes on meanwhile", self._on_download,
        )  # fmt: skip
        self.file_button = button(
            "Choose a file …", "For machines without a network: a file with the weights",
            self._on_file,
        )  # fmt: skip
        self.keep_button = button(keep, f"Go on with {stays.title}", self._on_keep)
        self.download_button.setDefault(True)
        text = words(_question(wanted, stays, there))
        text.setMinimumWidth(400)
        column(self, text, row(self.download_button, self.file_button, self.keep_button))

    def _on_download(self) -> None:
        self.accept()
        self.download_wanted.emit()

    def _on_file(self) -> None:
        self.accept()
        self.file_wanted.emit()

    def _on_keep(self) -> None:
        self.reject()
        self.other_wanted.emit()


def facts(chosen: Backbone, file: str = "") -> str:
    """Size, licence, time, and whether it is there, in one line."""
    time = f"about {chosen.seconds:g} s an image"
    if chosen.is_bundled:
        return f"bundled · {chosen.licence} · {time}"
    size = f"{chosen.megabytes} MB"
    if file:
        where = f"{size} from {Path(file).name}"
    elif weights.available(chosen.name):
        where = f"{size} downloaded"
    else:
        where = f"to be downloaded ({size})"
    return f"{where} · {chosen.licence} · {time}"


def about(chosen: Backbone) -> str:
    """What is said of a backbone under the pointer."""
    return (
        f"{chosen.title}: {facts(chosen)}.\n"
        "The time is for a photograph of 481 x 321 pixels on two processor cores."
    )


def progress_in_words(standing: Standing) -> str:
    """Megabytes that are there and will be, and the time left."""
    done, total = (round(n / 1e6) for n in (standing.done, standing.total))
    if not standing.total:
        return f"{done} MB" if standing.done else "asking the server …"
    if standing.seconds_left is None:
        return f"{done} of {total} MB"
    return f"{done} of {total} MB, {_left(standing.seconds_left)} left"


def _left(seconds: float) -> str:
    return f"{round(seconds / 60)} min" if seconds >= 90 else f"{max(1, round(seconds))} s"


def _entry(entry: Backbone) -> str:
    if weights.available(entry.name):
        return entry.title
    return f"{entry.title} ({entry.megabytes} MB to download)"


def _question(wanted: Backbone, stays: Backbone, there: int) -> str:
    resumed = f"{round(there / 1e6)} MB of it are here already. " if there else ""
    return (
        f"The weights of {wanted.title} are not on this machine: {wanted.megabytes} MB to "
        f"download. {resumed}Their licence is {wanted.licence}. An image takes about "
        f"{wanted.seconds:g} s with it, and {stays.seconds:g} s with {stays.title}."
    )
