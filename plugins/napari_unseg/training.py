"""Train on images: one set of clusters from selected layers, all planes of a stack, or a folder.

The model is kept among those of this machine, where the dock offers it at once, and in a file that
the person chooses. A training that was cancelled is kept as well, by the names of its images.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from functools import partial
from itertools import product
from pathlib import Path
from typing import overload

from napari.components import ViewerModel
from napari.layers import Image as ImageLayer
from qtpy.QtCore import QEvent, QTimer
from qtpy.QtWidgets import QFileDialog, QWidget

from napari_unseg.planes import Planes
from unseg_studio.data import IMAGE_SUFFIXES, Image, read_image
from unseg_studio.features.folders import cache_folder
from unseg_studio.project.trained import BrokenOff
from unseg_studio.segmenters import SEGMENTERS, Segmenter, make_segmenter
from unseg_studio.segmenters.models import (
    SUFFIX,
    KeptModel,
    Model,
    all_kept,
    digest_in,
    keep,
    kept,
    load,
)
from unseg_studio.segmenters.training import Trainable, TrainingStep, parameters_of
from unseg_studio.widgets.background import Background
from unseg_studio.widgets.following import when_gone
from unseg_studio.widgets.layout import button, column, row, words
from unseg_studio.widgets.model_box import ModelChoice
from unseg_studio.widgets.training_source import Proposed
from unseg_studio.widgets.training_view import TrainingView

Read = Callable[[], Image]

MODELS = f"Models (*{SUFFIX});;All files (*)"
NO_IMAGES = "Select one or more image layers, or choose a folder; every plane of a stack counts."


class ManyImages(Sequence[Image]):
    """Images with names, each read when it is asked for."""

    def __init__(self, named: Sequence[tuple[str, Read]]) -> None:
        self._named = tuple(named)

    @property
    def names(self) -> tuple[str, ...]:
        """As lists show them."""
        return tuple(name for name, _ in self._named)

    def __len__(self) -> int:
        return len(self._named)

    @overload
    def __getitem__(self, index: int) -> Image: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Image]: ...
    def __getitem__(self, index: int | slice) -> Image | Sequence[Image]:
        if isinstance(index, slice):
            return ManyImages(self._named[index])
        return self._named[index][1]()


def images_of(viewer: ViewerModel) -> ManyImages:
    """All planes of the selected image layers; those that cannot be segmented are left out."""
    named: list[tuple[str, Read]] = []
    for layer in viewer.layers:
        if layer in viewer.layers.selection and isinstance(layer, ImageLayer):
            with suppress(ValueError):
                named += _planes_of(Planes.of(layer))
    return ManyImages(named)


def _planes_of(planes: Planes) -> list[tuple[str, Read]]:
    indices = product(*(range(count) for count in planes.axes.counts))
    return [
        (planes.title(index).replace("'", ""), partial(planes.read, index)) for index in indices
    ]


def images_in(folder: Path) -> ManyImages:
    """The image files of a folder, in the order of their names; of a stack the first plane."""
    files = sorted(
        file
        for file in folder.iterdir()
        if file.name.lower().endswith(IMAGE_SUFFIXES) and not file.name.startswith(".")
    )
    return ManyImages([(str(file), partial(read_image, file, 0)) for file in files])


class KeptTrainings:
    """Images, and a file of this machine for a training that is broken off; see `TrainingSource`.

    Parameters
    ----------
    images : ManyImages
        To learn from.
    device : str
        See `resolve_device`.
    """

    def __init__(self, images: ManyImages, *, device: str = "auto") -> None:
        self._images, self._device = images, device

    @property
    def names(self) -> Sequence[str]:
        """Of the images."""
        return self._images.names

    def images(self) -> Sequence[Image]:
        """Each read when it is asked for."""
        return self._images

    def left(self) -> tuple[BrokenOff, ...]:
        """One for each method at most."""
        models = [model for name in SEGMENTERS if (model := self._unfinished(name)) is not None]
        return tuple(
            BrokenOff(m.method, m.parameters, int(m.facts.get("n_steps", 0))) for m in models
        )

    def forget(self, method: str) -> None:
        """The next training of this method begins anew."""
        self._file(method).unlink(missing_ok=True)

    def train(self, segmenter: Trainable) -> Generator[TrainingStep, None, None]:
        """Go on, or begin; what is needed to go on is kept whenever there is some."""
        start = self._unfinished(segmenter.name)
        if start is not None and start.parameters != parameters_of(segmenter):
            start = None
        for step in segmenter.train(self._images, self._device, start=start):
            if step.is_last:
                self.forget(segmenter.name)
            elif step.model is not None:
                file = self._file(segmenter.name)
                file.parent.mkdir(parents=True, exist_ok=True)
                step.model.save(file)
            yield step

    def propose(self, _segmenter: Segmenter) -> Generator[Proposed, None, None] | None:
        """Nobody takes labels for all images at once; the dock makes them layer by layer."""
        return None

    def _unfinished(self, method: str) -> Model | None:
        file = self._file(method)
        try:
            return load(file) if file.is_file() else None
        except (ValueError, OSError):  # damaged, or gone meanwhile
            return None

    def _file(self, method: str) -> Path:
        told = hashlib.sha256("\n".join(self._images.names).encode()).hexdigest()
        return cache_folder() / "trainings" / f"{method}-{told[:24]}{SUFFIX}"


def kept_choices() -> tuple[ModelChoice, ...]:
    """The models of this machine for a `ModelBox`, the newest first."""
    return tuple(_choice(model) for model in all_kept() if model.method in SEGMENTERS)


def _choice(model: KeptModel) -> ModelChoice:
    title, n = SEGMENTERS[model.method].title, model.facts.get("n_images")
    name = f"{title}, {n} image{'' if n == 1 else 's'} ({model.digest[:6]})"

    def segmenter() -> Segmenter:
        return make_segmenter(model.method, None, **{**model.parameters, "model": model.digest})

    return ModelChoice(name, model.method, model.digest, segmenter, f"Learned from {n} images.")


class TrainDock(QWidget):
    """Train on images of napari; the model is at hand in the other dock at once.

    Parameters
    ----------
    napari_viewer : ViewerModel
        Whose layers to learn from; napari fills it in by this name.
    """

    def __init__(self, napari_viewer: ViewerModel) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self._folder: Path | None = None
        self._model = ""
        self._background = Background(self)
        self._about = words()
        self._said = words()
        self.layers_button = button(
            "Selected layers", "Learn from all planes of the image layers that are selected",
            self.take_layers,
        )  # fmt: skip
        self.folder_button = button(
            "Folder …", "Learn from the image files in a folder", self._ask_for_folder,
            picture="open",
        )  # fmt: skip
        self.keep_button = button(
            "Keep the model as …", "Write it into a file, to be used elsewhere",
            self._ask_where_to_keep, picture="export",
        )  # fmt: skip
        self.open_button = button(
            "Open a model …", "Take a model from a file; the other dock offers it then",
            self._ask_for_model,
        )  # fmt: skip
        images = images_of(napari_viewer)
        self.view = TrainingView(KeptTrainings(images), is_narrow=True, method="neural_eigen")
        column(
            self, self._about, row(self.layers_button, self.folder_button), self.view, self._said,
            row(self.keep_button, self.open_button),
        ).setStretch(2, 1)  # fmt: skip
        self._leaving = QTimer(self, singleShot=True, interval=0)
        self._leaving.timeout.connect(self._go_unless_docked)
        self._show_images(images)
        self._show_model()

        self.view.trained.connect(self._on_trained)
        self.view.phase_changed.connect(self._show_model)
        self._follow(napari_viewer.layers.selection.events.changed)

    def _follow(self, chosen: object) -> None:
        # No method: napari compares what a method belongs to, also once that is gone.
        def look() -> None:
            self._on_selected()

        chosen.connect(look)  # type: ignore[attr-defined]
        when_gone(self, partial(chosen.disconnect, look))  # type: ignore[attr-defined]

    def changeEvent(self, event: QEvent) -> None:
        """Go when napari takes the dock away for good, for nobody else deletes it."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.ParentChange and self.parent() is None:
            self._leaving.start()

    def _go_unless_docked(self) -> None:
        if self.parent() is None:
            self.view.stop()
            self.deleteLater()

    @property
    def said(self) -> str:
        """The last sentence."""
        return str(self._said.text())

    # Images

    def take_layers(self) -> None:
        """Learn from the image layers that are selected."""
        self._folder = None
        self._take(images_of(self._viewer))

    def take_folder(self, folder: Path) -> None:
        """Learn from the image files in a folder."""
        try:
            images = images_in(folder)
        except OSError as error:
            self._said.setText(f"{folder} cannot be looked into ({error.strerror}).")
            return
        self._folder = folder
        self._take(images)

    def _on_selected(self) -> None:
        if self._folder is None and self.view.phase == "choosing":
            images = images_of(self._viewer)
            if images.names != self.view.names:
                self._take(images)

    def _take(self, images: ManyImages) -> None:
        self.view.take(KeptTrainings(images))
        self._show_images(images)

    def _show_images(self, images: ManyImages) -> None:
        where = f"in {self._folder.name}" if self._folder else "in the selected layers"
        plural = "" if len(images) == 1 else "s"
        self._about.setText(f"{len(images):,} image{plural} {where}." if images else NO_IMAGES)

    def _ask_for_folder(self) -> None:
        dialog = QFileDialog(self, "Learn from the images in a folder")
        dialog.setFileMode(QFileDialog.FileMode.Directory)
        dialog.fileSelected.connect(lambda name: self.take_folder(Path(name)))
        dialog.open()

    # Models

    def _on_trained(self, segmenter: Segmenter) -> None:
        self._model = digest_in(segmenter)
        self._said.setText(
            "Under Clusters and parameters, Model, the dock “Segment and annotate” has it now."
        )
        self._show_model()

    def _show_model(self) -> None:
        for part in (self.layers_button, self.folder_button):
            part.setEnabled(self.view.phase in ("choosing", "done"))
        self.keep_button.setVisible(bool(self._model))

    def _ask_where_to_keep(self) -> None:
        dialog = QFileDialog(self, "Keep the model as", "", MODELS)
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setDefaultSuffix(SUFFIX.removeprefix("."))
        dialog.fileSelected.connect(lambda name: self.keep_as(Path(name)))
        dialog.open()

    def keep_as(self, path: Path) -> None:
        """Write the newest model into a file."""
        digest = self._model
        self._do(lambda: kept(digest).save(path), f"The model is in {path}.")

    def _ask_for_model(self) -> None:
        dialog = QFileDialog(self, "Open a model", "", MODELS)
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        dialog.fileSelected.connect(lambda name: self.open_model(Path(name)))
        dialog.open()

    def open_model(self, path: Path) -> None:
        """Take a model from a file."""
        told = f"{path.name} is among the models that the other dock offers now."
        self._do(lambda: keep(load(path)), told)

    def _do(self, work: Callable[[], object], told: str) -> None:
        self._background.run(
            work,
            lambda _: self._said.setText(told),
            lambda error: self._said.setText(str(error)),
        )
