"""A training on the project that is open: its images, its models, and the window that shows it."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing
from functools import partial
from typing import Any

from qtpy.QtCore import QObject, Qt, Signal
from qtpy.QtWidgets import QDialog, QWidget

from unseg_studio.app.message_bar import Message
from unseg_studio.app.review import NO_PROJECT
from unseg_studio.data import Image
from unseg_studio.project import Project
from unseg_studio.project.batch import propose, unproposed
from unseg_studio.project.train import learned_from, train_on
from unseg_studio.project.trained import BrokenOff, TrainedModel
from unseg_studio.segmenters import Segmenter
from unseg_studio.segmenters.models import digest_in
from unseg_studio.segmenters.training import Trainable, TrainingStep
from unseg_studio.widgets.layout import column
from unseg_studio.widgets.model_box import ModelChoice
from unseg_studio.widgets.stream import Stream
from unseg_studio.widgets.training_source import OthersWait, Proposed
from unseg_studio.widgets.training_view import TrainingView


class ProjectSource:
    """The images of a project, and the project for what is learned; see `TrainingSource`.

    Parameters
    ----------
    project : Project
        Open for writing.
    device : str
        See `resolve_device`.
    """

    def __init__(self, project: Project, *, device: str = "auto") -> None:
        self._project, self._device = project, device
        self._images = learned_from(project)

    @property
    def names(self) -> Sequence[str]:
        """Of the images that are not rejected."""
        return self._images.names

    def images(self) -> Sequence[Image]:
        """Each read when it is asked for."""
        return self._images

    def left(self) -> tuple[BrokenOff, ...]:
        """What the project keeps of trainings that were broken off."""
        return self._project.trained.left()

    def forget(self, method: str) -> None:
        """The next training of this method begins anew."""
        self._project.trained.end_unfinished(method)

    def train(self, segmenter: Trainable) -> Generator[TrainingStep, None, None]:
        """See `train_on`."""
        return train_on(self._project, segmenter, device=self._device)

    def propose(self, segmenter: Segmenter) -> Generator[Proposed, None, None] | None:
        """Labels for all images that nobody has worked on."""
        return _proposals(self._project, segmenter, self._device)


def _proposals(
    project: Project, segmenter: Segmenter, device: str
) -> Generator[Proposed, None, None]:
    images = unproposed(project, segmenter)
    yield Proposed(0, len(images))
    with closing(propose(project, segmenter, images, device=device)) as outcomes:
        for done, outcome in enumerate(outcomes, 1):
            yield Proposed(done, len(images), outcome.problem)


def model_choices(project: Project | None) -> tuple[ModelChoice, ...]:
    """The models of a project for a `ModelBox`, the newest first."""
    if project is None:
        return ()
    known = reversed(project.trained.all())
    return tuple(
        ModelChoice(m.name, m.method, m.digest, partial(_provided, project, m), _about(m))
        for m in known
    )


def _provided(project: Project, model: TrainedModel) -> Segmenter:
    """What proposes with a model, and the model where the engine looks for it."""
    segmenter = model.segmenter
    project.trained.provide(segmenter)
    return segmenter


def _about(model: TrainedModel) -> str:
    n, score = model.facts.get("n_images"), model.facts.get("score")
    told = f"Learned from {n} image{'' if n == 1 else 's'}"
    return f"{told}, views agree {score:.2f}." if isinstance(score, float) else f"{told}."


class TrainingDialog(QDialog):
    """The view of a training, beside the window; closing it cancels what goes on."""

    left = Signal()
    """It is closed."""

    def __init__(self, view: TrainingView, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("Train on this project")
        self.setModal(False)  # strokes go on beside it
        self.resize(880, 640)
        self.view = view
        column(self, view, margin=12)

    def done(self, result: int) -> None:
        """Nothing goes on that nobody sees, however it was closed."""
        self.view.stop()
        self.left.emit()
        super().done(result)


class Trainings(QObject):
    """Trainings on the project that is open; one dialog at a time.

    Parameters
    ----------
    window : QWidget
        Parent of the dialog.
    """

    trained = Signal(object)
    """A Segmenter with a model that the project has now."""
    gallery_requested = Signal(object)
    """The person wants to look at the clusters of this Segmenter."""
    said = Signal(object)
    """A Message."""

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        self._window = window
        self._project: Project | None = None
        self._dialog: TrainingDialog | None = None
        self._ending: tuple[Stream[Any], ...] = ()
        self._has_gallery = False

    @property
    def dialog(self) -> TrainingDialog | None:
        """The one that is open."""
        return self._dialog

    def take(self, project: Project | None) -> None:
        """Another project is open, or none; nothing reads or writes the old one after this."""
        if project is self._project:
            return
        if self._dialog is not None:
            self._dialog.close()
        for stream in self._ending:
            stream.close()
        self._ending = ()
        self._project = project

    def why_not(self) -> str:
        """Why nothing can be learned, in a sentence; empty where it can."""
        project = self._project
        if project is None:
            return NO_PROJECT
        if project.read_only:
            return project.notice or "The project is open for reading only."
        if all(entry.status == "rejected" for entry in project.images()):
            return "The project has no image to learn from; add some."
        return ""

    def choices(self) -> tuple[ModelChoice, ...]:
        """The models of the project."""
        return model_choices(self._project)

    def offer_gallery(self) -> None:
        """There is somebody who listens to `gallery_requested`."""
        self._has_gallery = True

    def open(self, *, device: str = "auto", others_wait: OthersWait | None = None) -> None:
        """Show the dialog, a new one where none is open.

        Raises
        ------
        ValueError
            If nothing can be learned; see `why_not`.
        """
        if (reason := self.why_not()) or self._project is None:
            raise ValueError(reason)
        if self._dialog is None:
            self._dialog = self._made(self._project, device, others_wait)
        self._dialog.show()
        self._dialog.raise_()
        self._dialog.activateWindow()

    def _made(
        self, project: Project, device: str, others_wait: OthersWait | None
    ) -> TrainingDialog:
        source = ProjectSource(project, device=device)
        view = TrainingView(source, device=device, others_wait=others_wait, method="neural_eigen")
        if self._has_gallery:
            view.offer_gallery()
        view.trained.connect(self._on_trained)
        view.gallery_requested.connect(self.gallery_requested)
        dialog = TrainingDialog(view, self._window)
        dialog.left.connect(self._on_left)
        return dialog

    def _on_left(self) -> None:
        """Nobody looks at it any more; what it does ends at its next step."""
        if self._dialog is not None:
            streams = (*self._ending, *self._dialog.view.streams)
            self._ending = tuple(stream for stream in streams if not stream.is_over)
            self._dialog = None

    def _on_trained(self, segmenter: Segmenter) -> None:
        self.trained.emit(segmenter)
        name = next((c.name for c in self.choices() if c.digest == digest_in(segmenter)), "")
        self.said.emit(Message(
            f"The project has a new model, {name!r}; Clusters > Model uses it on the open image.",
            grade="info",
        ))  # fmt: skip
