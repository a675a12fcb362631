"""Learn from the images of a project; what was learned stays in it, and can be gone on with."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import suppress
from typing import overload

from unseg_studio.data import Image, read_image
from unseg_studio.project.entries import ImageEntry
from unseg_studio.project.inheriting import ancestor, inherit
from unseg_studio.project.project import Project
from unseg_studio.project.trained import TrainedModel
from unseg_studio.segmenters.peers import peers_here
from unseg_studio.segmenters.training import Trainable, TrainingStep


class EntryImages(Sequence[Image]):
    """The images of a project, each read when it is asked for."""

    def __init__(self, entries: Sequence[ImageEntry]) -> None:
        self._entries = entries

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def names(self) -> tuple[str, ...]:
        """As lists show them."""
        return tuple(entry.name for entry in self._entries)

    @overload
    def __getitem__(self, index: int) -> Image: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Image]: ...
    def __getitem__(self, index: int | slice) -> Image | Sequence[Image]:
        if isinstance(index, slice):
            return EntryImages(self._entries[index])
        entry = self._entries[index]
        return read_image(entry.file, entry.plane)


def learned_from(project: Project, images: Sequence[int] | None = None) -> EntryImages:
    """The images of a project that a training learns from.

    Parameters
    ----------
    project : Project
        Where they are.
    images : sequence of int or None
        Which ones; None: all that are not rejected.
    """
    chosen = None if images is None else set(images)
    return EntryImages(
        [
            entry
            for entry in project.images()
            if (entry.status != "rejected" if chosen is None else entry.id in chosen)
        ]
    )


def train_on(
    project: Project,
    segmenter: Trainable,
    *,
    images: Sequence[int] | None = None,
    device: str = "auto",
    name: str = "",
) -> Generator[TrainingStep, None, None]:
    """Train on images of a project, going on where an earlier training of this kind was left.

    A closed iterator is a cancelled training: the project has what it needs to go on. After the
    last step the model is in the project, and clusters that overlap those of an earlier model have
    their names; see `inheriting`.

    Parameters
    ----------
    project : Project
        Open for writing, by the first of several processes that train together (`Peers`).
    segmenter : Trainable
        Method and parameters.
    images : sequence of int or None
        Which ones; None: all that are not rejected.
    device : str
        See `resolve_device`.
    name : str
        Of the model, for people; empty: the method and a number.

    Yields
    ------
    TrainingStep

    Raises
    ------
    ValueError, OSError
        As `Trainable.train`.
    """
    start, writes = project.trained.unfinished(segmenter), peers_here().is_first
    for step in segmenter.train(learned_from(project, images), device, start=start):
        if writes and step.model is not None and not step.is_last:
            project.trained.keep_unfinished(step.model)
        if writes and step.is_last and step.model is not None:
            trained = project.trained.add(step.model, name)
            project.trained.end_unfinished(segmenter.name)
            _inherit(project, trained, device)
        yield step


def _inherit(project: Project, trained: TrainedModel, device: str) -> None:
    """Names survive; where they cannot, the gallery offers them again."""
    old = ancestor(project, trained)
    if old is None or project.trained.naming(trained.digest).names:
        return
    with suppress(ValueError, OSError):
        for _ in inherit(project, old, trained, device=device):
            pass
