"""All that is true of one image under work, as one frozen value."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from unseg_studio.data import Category, Edits, Image, Scribbles, compose
from unseg_studio.segmenters import Segmenter

Phase = Literal["idle", "preparing", "running", "done", "stopped", "failed"]


@dataclass(frozen=True, eq=False)
class State:
    """The undoable truth about one image.

    Parameters
    ----------
    categories : tuple of Category
        The category table, in the order of the list.
    scribbles : Scribbles
        What steers the segmenter.
    named : Edits
        Where clusters were named or merged by hand, with the ids they got: a cluster of a later
        frame or run takes the id that most of its pixels have here.
    edits : Edits
        What was corrected by hand, pixel for pixel.
    locks : frozenset of int
        Categories that neither lose nor gain pixels.
    segmenter : Segmenter
        Method and parameters.
    fill : bool
        Once two categories have scribbles, they share the image and clusters without a name end.
    live : ndarray, (H, W) int32
        The newest labels from the engine, before the edits; 0 where there are none yet.
    """

    categories: tuple[Category, ...]
    scribbles: Scribbles
    named: Edits
    edits: Edits
    locks: frozenset[int]
    segmenter: Segmenter
    fill: bool
    live: NDArray[np.int32]
    _shown: list[NDArray[np.int32]] = field(default_factory=list, init=False, repr=False)

    @property
    def labels(self) -> NDArray[np.int32]:
        """What is on the screen and exported: the live labels under the edits, `(H, W)` int32."""
        if not self._shown:
            self._shown.append(compose(self.live, self.edits))
        return self._shown[0]

    def changed(self, **changes: Any) -> State:
        """A copy with other values."""
        return replace(self, **changes)


UNDOABLE = tuple(f.name for f in fields(State) if f.init)


def fresh_state(image: Image, categories: tuple[Category, ...], segmenter: Segmenter) -> State:
    """Nothing drawn, nothing computed."""
    return State(
        categories=categories,
        scribbles=Scribbles.empty(image.shape),
        named=Edits.none(image.shape),
        edits=Edits.none(image.shape),
        locks=frozenset(),
        segmenter=segmenter,
        fill=True,
        live=np.zeros(image.shape, np.int32),
    )


@dataclass(frozen=True)
class RunStatus:
    """What the engine is doing, for the run bar and the status bar.

    Parameters
    ----------
    phase : str
        "idle" before the first run, "preparing" while features or networks are made, "running",
        "done", "stopped" by the person, "failed".
    step, total : int
        Iterations done and at most to do.
    loss : float
        Value of the objective, NaN where there is none.
    n_labels : int
        Clusters and categories in the newest labels.
    seconds : float
        Since the run was asked for.
    message : str
        A sentence for the person; after a failure: what happened and what to do.
    """

    phase: Phase = "idle"
    step: int = 0
    total: int = 0
    loss: float = float("nan")
    n_labels: int = 0
    seconds: float = 0.0
    message: str = ""

    @property
    def is_busy(self) -> bool:
        """The engine works."""
        return self.phase in ("preparing", "running")
