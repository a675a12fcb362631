"""The moments of a run: what was shown, and where the segmenter stood then."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unseg_studio.data import Mosaic
from unseg_studio.document.history import Packed
from unseg_studio.document.sight import Sight
from unseg_studio.document.solve import Frame
from unseg_studio.document.state import State
from unseg_studio.refinement import Uncertainty

MOST = 64
"""When there are more moments, every second one is forgotten: the steps between them double."""


@dataclass(frozen=True, eq=False)
class Moment:
    """One frame of a run, packed.

    Parameters
    ----------
    step, total : int
        Iterations done and at most to do.
    loss : float
        Value of the objective.
    n_labels : int
        Clusters and categories.
    memory : object
        See `Fit.memory`.
    uncertainty : Uncertainty or None
        How sure the labels were.
    sight : Sight or None
        What of a large image was worked on: nothing else of it is kept.
    """

    step: int
    total: int
    loss: float
    n_labels: int
    memory: object
    uncertainty: Uncertainty | None
    _labels: Packed
    sight: Sight | None = None

    @classmethod
    def of(cls, frame: Frame) -> Moment:
        """Keep a frame."""
        known = frame.mosaic if frame.sight is None else frame.part
        packed = Packed(known or Mosaic.of(frame.labels))
        return cls(
            step=frame.step,
            total=frame.total,
            loss=frame.loss,
            n_labels=frame.n_labels,
            memory=frame.memory,
            uncertainty=frame.uncertainty,
            _labels=packed,
            sight=frame.sight,
        )

    @property
    def labels(self) -> NDArray[np.int32]:
        """The live labels of the moment, `(H, W)` int32; with a `sight`, of what was worked on."""
        return self.mosaic.array

    @property
    def mosaic(self) -> Mosaic:
        """The live labels of the moment; with a `sight`, those of what was worked on."""
        return self._labels.mosaic

    def onto(self, state: State) -> Mosaic:
        """The live labels of the moment, and those of today where nobody looked then."""
        if self.sight is None:
            return self.mosaic
        now = self.sight.sampled(state.proposal)
        return self.sight.laid(state, now, self.mosaic, onto=state.proposal, fills=False)


def with_moment(moments: tuple[Moment, ...], frame: Frame) -> tuple[Moment, ...]:
    """Add a frame; the first and the last moment are always kept."""
    if len(moments) >= MOST:
        moments = moments[::2]
    return (*moments, Moment.of(frame))
