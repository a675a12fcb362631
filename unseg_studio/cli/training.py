"""A training on the images of a project, while nobody sits at the screen."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from unseg_studio.cli.console import StoppedError, reporting
from unseg_studio.project import Project
from unseg_studio.project.train import learned_from, train_on
from unseg_studio.project.trained import TrainedModel
from unseg_studio.segmenters import SEGMENTERS, Segmenter, make_segmenter
from unseg_studio.segmenters.forecast import forecast
from unseg_studio.segmenters.peers import peers_here
from unseg_studio.segmenters.training import Trainable


def run_training(
    path: Path, segmenter: Segmenter, *, name: str = "", out: Path | None = None, device: str
) -> tuple[TrainedModel, list[str]]:
    """Train, keep the model in the project, and write it to a file if that is wished.

    Returns
    -------
    TrainedModel
        As the project has it.
    list of str
        What is wrong with images that could not be read.

    Raises
    ------
    OSError, ValueError
        If the project cannot be written, or the method does not learn; in a sentence.
    StoppedError
        After Ctrl+C.
    """
    trainable = required_trainable(segmenter)
    with Project.open(path) as project, reporting(1) as reporter:
        reporter.begin(segmenter.title)
        if peers_here().n > 1:
            peers_here().meet()  # the others open the project once it is open here
        else:
            reporter.say(_foreseen(project, trainable, device))
        steps = train_on(project, trainable, device=device, name=name)
        try:
            with closing(steps):
                for step in steps:
                    reporter.step(step.step, step.total)
        except KeyboardInterrupt as stop:
            raise StoppedError(
                "Stopped; the same command goes on from where the score was looked at last."
            ) from stop
        assert step.model is not None
        trained = project.trained.add(step.model)
        if out is not None:
            step.model.save(out)
        return trained, list(step.skipped)


def run_helping(path: Path, segmenter: Segmenter, *, device: str) -> None:
    """Train along with the process that `run_training` is in, and write nothing.

    Raises
    ------
    OSError, ValueError
        As `run_training`.
    """
    trainable = required_trainable(segmenter)
    peers_here().meet()
    with Project.open(path, read_only=True) as project:
        for _ in train_on(project, trainable, device=device):
            pass


def _foreseen(project: Project, segmenter: Trainable, device: str) -> str:
    """What the training will take, in a sentence; the training itself says what is wrong."""
    images = learned_from(project)
    try:
        *_, last = forecast(segmenter, images, device)
    except (ValueError, OSError) as error:
        return str(error)
    told = f"{segmenter.title}, {len(images)} images: {last.sentence}" if last else ""
    if (start := project.trained.unfinished(segmenter)) is not None:
        told += f" It goes on after step {start.facts.get('n_steps')}."
    return told


def required_trainable(segmenter: Segmenter) -> Trainable:
    """The segmenter, where it learns from many images.

    Raises
    ------
    ValueError
        If it does not; lists those that do.
    """
    if isinstance(segmenter, Trainable):
        return segmenter
    learn = [name for name in SEGMENTERS if isinstance(make_segmenter(name), Trainable)]
    raise ValueError(
        f"{segmenter.name} learns nothing from other images; accepted are {', '.join(learn)}."
    )
