"""Proposals for the images of a project, while nobody sits at the screen."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from unseg_studio.cli.console import Counter, StoppedError, counting
from unseg_studio.project import Project
from unseg_studio.project.batch import Outcome, propose, unproposed
from unseg_studio.segmenters import Segmenter, make_segmenter, resolve_device
from unseg_studio.segmenters.models import keep, load


@dataclass(frozen=True)
class Tally:
    """How many images got a proposal, how many could not be segmented, how many were left alone."""

    n_kept: int = 0
    n_failed: int = 0
    n_left: int = 0


def run_apply(
    path: Path,
    segmenter: Segmenter,
    *,
    only_new: bool = False,
    device: str = "auto",
    n_processes: int | None = None,
    cluster: str = "",
) -> Tally:
    """Propose labels for what a project has no such proposals for; see `propose`.

    Raises
    ------
    OSError, ValueError
        If the project cannot be written, or a setting is not accepted; in a sentence.
    StoppedError
        After Ctrl+C.
    """
    if not cluster:  # its workers say which devices they have
        resolve_device(device)
    outcomes: list[Outcome] = []
    with Project.open(path) as project:
        images = unproposed(project, segmenter, only_new=only_new)
        batch = propose(
            project, segmenter, images, device=device, n_processes=n_processes, cluster=cluster
        )
        try:
            with counting(len(images)) as counter, closing(batch):
                for outcome in batch:
                    outcomes.append(outcome)
                    _tell(counter, outcome)
        except KeyboardInterrupt as stop:
            n_kept = sum(outcome.is_kept for outcome in outcomes)
            raise StoppedError(
                f"Stopped; {n_kept} proposals are kept. The same command goes on with the rest."
            ) from stop
        n_left = len(project.images()) - len(images)
    n_kept = sum(outcome.is_kept for outcome in outcomes)
    return Tally(n_kept, sum(bool(outcome.problem) for outcome in outcomes), n_left)


def segmenter_of_model(path: Path, name: str) -> Segmenter:
    """What proposes with a model of a project, or with the model in a file.

    Raises
    ------
    OSError, ValueError
        If there is none, or it cannot be read; in a sentence.
    """
    if Path(name).is_file():
        model = load(name)
        digest = keep(model)
        return make_segmenter(model.method, **{**model.parameters, "model": digest})
    with Project.open(path, read_only=True) as project:
        return project.trained.named(name).segmenter


def _tell(counter: Counter, outcome: Outcome) -> None:
    if outcome.problem:
        counter.complain(outcome.problem)
    counter.ended(outcome.image.name)
