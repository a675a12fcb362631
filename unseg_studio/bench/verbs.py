"""How long the verbs of a document hold the thread that calls them: the window's own.

No view listens and no engine runs: what the screen and the run cost comes on top.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from unseg_studio.data import FIRST_CLUSTER, Category, Image, Mosaic
from unseg_studio.document import Document

ROUNDS = 15
N_CLUSTERS = 12

PAINTING = 0.016
"""Seconds that an event of painting may take, and the arrival of a frame."""

CHANGING = 0.050
"""Seconds that a verb on whole ids may take, and the undo of it."""

LIMITS: dict[str, float] = {
    "scribble, one mouse move": PAINTING,
    "scribble, a whole stroke": PAINTING,
    "erase scribbles": PAINTING,
    "correction brush": PAINTING,
    "show a frame": PAINTING,
    "show a frame, all of it new": CHANGING,
    "fill a region": CHANGING,
    "name a cluster": CHANGING,
    "merge two clusters": CHANGING,
    "undo": CHANGING,
    "redo": CHANGING,
    "undo of an earlier step": CHANGING,
}
"""What is measured, and the seconds that are allowed."""

Seconds = dict[str, list[float]]
Timed = Callable[[str, Callable[[], object]], None]


def measure_verbs(
    image: Image, categories: tuple[Category, ...], *, seed: int = 0, rounds: int = ROUNDS
) -> Seconds:
    """Call every verb again and again.

    Parameters
    ----------
    image : Image
        The plane; only its size matters, at least 32 x 32 px.
    categories : tuple of Category
        The category table, of two categories or more.
    seed : int
        Of strokes and labels.
    rounds : int
        How often.

    Returns
    -------
    dict of str to list of float
        The seconds of every call, by the names of `LIMITS`.
    """
    rng = np.random.default_rng(seed)
    document, seconds = Document(image, categories), {what: list[float]() for what in LIMITS}

    def timed(what: str, verb: Callable[[], object]) -> None:
        began = time.perf_counter()
        verb()
        seconds[what].append(time.perf_counter() - began)

    for number in range(rounds):
        document.show(_frame(document, patches(image.shape, rng)))
        document.set_active(categories[number % len(categories)].id)
        _paint(document, rng, timed)
        _change(document, rng, timed)
    return seconds


def _paint(document: Document, rng: np.random.Generator, timed: Timed) -> None:
    shape = document.image.shape
    radius = max(shape) / 120
    move, stroke, wipe, correction = (random_stroke(shape, rng, n) for n in (2, 16, 16, 16))
    timed("scribble, one mouse move", lambda: document.paint(move, radius=radius))
    timed("scribble, a whole stroke", lambda: document.paint(stroke, radius=radius))
    frame = _frame(document, _with_square(document, rng))
    timed("show a frame", lambda: document.show(frame))
    timed("erase scribbles", lambda: document.erase(wipe, radius=radius))
    timed("correction brush", lambda: document.brush(correction, radius=radius))
    whole = _frame(document, patches(shape, rng))
    timed("show a frame, all of it new", lambda: document.show(whole))


def _change(document: Document, rng: np.random.Generator, timed: Timed) -> None:
    row, col = (int(rng.integers(side)) for side in document.image.shape)
    timed("fill a region", lambda: document.fill_region((row, col)))
    first, second, third = sorted(id_ for id_ in document.shown.areas if id_ >= FIRST_CLUSTER)[:3]
    timed("name a cluster", lambda: document.name_cluster(first))
    timed("merge two clusters", lambda: document.merge(second, third))
    timed("undo", document.undo)
    timed("redo", document.redo)
    document.undo()
    timed("undo of an earlier step", document.undo)


def random_stroke(
    shape: tuple[int, int], rng: np.random.Generator, n_points: int = 16
) -> NDArray[np.float64]:
    """A gently bent stroke inside the image, a sixth of its longer side for 16 points: (N, 2)."""
    heading = rng.uniform(0, 2 * np.pi) + np.cumsum(rng.normal(0, 0.3, n_points))
    steps = max(shape) / 96 * np.stack([np.sin(heading), np.cos(heading)], axis=1)
    start = rng.uniform((0, 0), shape)
    return np.clip(start + np.cumsum(steps, axis=0), 0, np.array(shape) - 1)


def patches(shape: tuple[int, int], rng: np.random.Generator) -> NDArray[np.int32]:
    """Clusters in patches of many sizes, `(H, W)` int32: each has some in most of the image."""
    height, width = shape
    size = max(1, width // 4), max(1, height // 4)
    noise = rng.normal(size=(N_CLUSTERS, 20, 20)).astype(np.float32)
    planes = [cv2.resize(plane, size, interpolation=cv2.INTER_CUBIC) for plane in noise]
    ids = np.argmax(planes, axis=0).astype(np.uint8)
    enlarged = cv2.resize(ids, (width, height), interpolation=cv2.INTER_NEAREST)
    return np.asarray(enlarged, np.int32) + FIRST_CLUSTER


def _with_square(document: Document, rng: np.random.Generator) -> NDArray[np.int32]:
    """The labels with a square of the active category: what a stroke makes of them."""
    labels = np.array(document.state.live)
    top, left = (int(rng.integers(side)) for side in labels.shape)
    side = max(labels.shape) // 8
    labels[top : top + side, left : left + side] = document.active
    return labels


def _frame(document: Document, labels: NDArray[np.int32]) -> Mosaic:
    """What the worker makes of labels before it hands them over: compared and counted."""
    mosaic = Mosaic.of(labels, like=document.state.proposal)
    _ = mosaic.areas
    return mosaic
