"""The moments of a run: what was shown, and where the segmenter stood then."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unseg_studio.data import Mosaic
from unseg_studio.document.history import Packed
from unseg_studio.document.solve import Frame
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
    """

    step: int
    total: int
    loss: float
    n_labels: int
    memory: object
    uncertainty: Uncertainty | None
    _labels: Packed

    @classmethod
    def of(cls, frame: Frame) -> Moment:
        """Keep a frame."""
        packed = Packed(frame.mosaic or Mosaic.of(frame.labels))
        return cls(
            step=frame.step,
            total=frame.total,
            loss=frame.loss,
            n_labels=frame.n_labels,
            memory=frame.memory,
            uncertainty=frame.uncertainty,
            _labels=packed,
        )

    @property
    def labels(self) -> NDArray[np.int32]:
        """The live labels of the moment, `(H, W)` int32."""
        return self.mosaic.array

    @property
    def mosaic(self) -> Mosaic:
        """The live labels of the moment."""
        return self._labels.mosaic


def with_moment(moments: tuple[Moment, ...], frame: Frame) -> tuple[Moment, ...]:
    """Add a frame; the first and the last moment are always kept."""
    if len(moments) >= MOST:
        moments = moments[::2]
    return (*moments, Moment.of(frame))
