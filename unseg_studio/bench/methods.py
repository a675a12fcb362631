"""Every method that is played: a name and how it starts on an image.

The program's own methods do for a stroke what the program does for it: one unsupervised run when
the image opens, then for every update a warm run through `solve`, which decodes the first frame,
then one whenever a view would have pulled the last, and the settled one. The published DiffCluster
answers as in its paper: with what its own network says of each pixel.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from unseg_studio.bench.baselines import FeaturesAndForest, GrabCut, RandomWalker
from unseg_studio.data import Image, Scribbles
from unseg_studio.document import PULL_MS, Context, Fits, Run, solve
from unseg_studio.segmenters import (
    SEGMENTERS,
    DiffCluster,
    Estimate,
    Segmenter,
    leave_a_core,
    make_segmenter,
)

Labels = NDArray[np.int32]

LIMIT = 20.0
"""Seconds after which an update of a method counts as one that does not return."""

PAPER = "diffcluster-paper"

PAPER_SECONDS = 60.0
"""What the published settings get for an update; to their end they take from minutes to an hour."""


class Player(Protocol):
    """A method at work on one image.

    Attributes
    ----------
    first_frame : float
        Seconds until there were first labels in the last update; NaN where all come at once.
    """

    first_frame: float

    def update(self, scribbles: Labels, /) -> Labels:
        """Labels for all the strokes so far: `(H, W)` int32 ids, 0 = unmarked."""
        ...


Start = Callable[[Image, tuple[int, ...]], Player]
"""Image and ids of the categories -> a player; whatever opening the image costs is done here."""


@dataclass(frozen=True)
class Method:
    """One line of the tables.

    Parameters
    ----------
    name : str
        As tables, files and the command line call it.
    start : callable
        See `Start`.
    is_ours : bool
        One of the program's own, with its default parameters.
    most_categories : int or None
        More cannot be told apart.
    most_images : int or None
        Images of a set that it plays, since it is slow.
    limit : float
        Seconds that opening or an update may take.
    """

    name: str
    start: Start
    is_ours: bool = False
    most_categories: int | None = None
    most_images: int | None = None
    limit: float = LIMIT

    def plays(self, n_categories: int) -> bool:
        """Whether it can tell that many categories apart."""
        return self.most_categories is None or n_categories <= self.most_categories


def methods(*, seed: int = 0, device: str = "auto") -> dict[str, Method]:
    """Name -> method: the baselines, the published DiffCluster, then the program's own.

    Parameters
    ----------
    seed : int
        Of every method that draws random numbers.
    device : str
        Where the program's own compute, see `resolve_device`.
    """
    paper = partial(_published, device=device, seed=seed)
    table = [
        Method("random_walker", lambda image, _: RandomWalker(image)),
        Method("random_forest", lambda image, _: FeaturesAndForest(image, seed=seed)),
        Method("grabcut", lambda image, _: GrabCut(image, seed=seed), most_categories=2),
        Method(PAPER, paper, most_images=1, limit=2 * PAPER_SECONDS + LIMIT),
    ]
    for name in SEGMENTERS:
        start = partial(_own, seeded(make_segmenter(name), seed), device=device)
        table.append(Method(name, start, is_ours=True))
    return {method.name: method for method in table}


def seeded(segmenter: Segmenter, seed: int) -> Segmenter:
    """The same with another seed, where it has one."""
    has_seed = any(f.name == "seed" for f in fields(segmenter))
    return replace(segmenter, seed=seed) if has_seed else segmenter


def _own(
    segmenter: Segmenter, image: Image, _ids: tuple[int, ...], *, device: str
) -> SegmenterPlayer:
    player = SegmenterPlayer(segmenter, image, device=device)
    player.open()
    return player


def _published(image: Image, _ids: tuple[int, ...], *, device: str, seed: int) -> PublishedPlayer:
    """As in the paper there is no run before the first strokes."""
    return PublishedPlayer(make_segmenter(DiffCluster.name, "paper", seed=seed), image, device)


class PublishedPlayer:
    """A segmenter whose own scores are its answer: nothing carries the strokes any further.

    A cluster that no stroke named stays a cluster, and is wrong.

    Parameters
    ----------
    segmenter : Segmenter
        Method and parameters.
    image : Image
        The plane.
    device : str
        See `resolve_device`.
    seconds : float
        An update is stopped, with the labels it has reached, when it took that long.
    """

    def __init__(
        self, segmenter: Segmenter, image: Image, device: str, seconds: float = PAPER_SECONDS
    ) -> None:
        self._fit = segmenter.fit(image, device)
        self._seconds = seconds
        self.first_frame = math.nan

    def update(self, scribbles: Labels) -> Labels:
        """Run on from where the last update ended; see `Player.update`."""
        began = time.perf_counter()
        for estimate in self._fit.refine(Scribbles(scribbles.copy())):
            reached = estimate
            if time.perf_counter() - began > self._seconds:
                break
        channels = reached.scores.argmax(dim=0).cpu().numpy().astype(np.int32)
        size = scribbles.shape[1], scribbles.shape[0]
        channels = cv2.resize(channels, size, interpolation=cv2.INTER_NEAREST)
        labels = np.asarray(reached.ids, np.int32)[channels]
        return np.where(scribbles > 0, scribbles, labels)


class SegmenterPlayer:
    """A segmenter and what the document does with it, without the document.

    Parameters
    ----------
    segmenter : Segmenter
        Method and parameters.
    image : Image
        The plane.
    device : str
        See `resolve_device`.
    """

    def __init__(self, segmenter: Segmenter, image: Image, *, device: str = "auto") -> None:
        nothing = Scribbles.empty(image.shape)
        self._run = Run(image, segmenter, nothing, Context.empty(image.shape), device)
        self._fits = Fits()
        self.first_frame = math.nan

    def open(self) -> None:
        """The unsupervised run that the window begins with."""
        self.update(self._run.scribbles.ids)

    def update(self, scribbles: Labels) -> Labels:
        """Run on from where the last update ended; see `Player.update`."""
        leave_a_core()
        run = replace(self._run, scribbles=Scribbles(scribbles.copy()))
        pulls = Pulls()
        with closing(solve(run, self._fits, pulls.wants)) as frames:
            for frame in frames:
                if frame is not None:
                    pulls.show()
                    run = replace(run, around=run.context.followed_by(frame.labels))
        self._run, self.first_frame = run, pulls.first
        return run.context.previous


class Pulls:
    """When a view asks for frames: at once for the first, then every `PULL_MS`."""

    def __init__(self) -> None:
        self._began = time.perf_counter()
        self._shown = math.nan
        self.first = math.nan

    def wants(self, _estimate: Estimate) -> bool:
        """Whether the last frame has been pulled by now."""
        passed = time.perf_counter() - self._began
        return math.isnan(self._shown) or passed - self._shown >= PULL_MS / 1000

    def show(self) -> None:
        """A frame has arrived."""
        self._shown = time.perf_counter() - self._began
        if math.isnan(self.first):
            self.first = self._shown
