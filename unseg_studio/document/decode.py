"""From scores in flight to the label map on the screen; the same for every segmenter."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from unseg_studio.data import Edits, Image, Scribbles
from unseg_studio.segmenters import Estimate

Labels = NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Context:
    """What new labels must respect.

    Parameters
    ----------
    previous : ndarray, (H, W) int32
        The labels before: a cluster keeps the id of the cluster that it overlaps most.
    named : Edits
        Where clusters were named or merged by hand: a cluster takes the id that most of its
        pixels have here.
    locked : ndarray, (H, W) int32
        Ids of locked categories where they are, 0 elsewhere: kept, and put nowhere else.
    fill : bool
        Once two categories have scribbles, clusters without a name end.
    """

    previous: Labels
    named: Edits
    locked: Labels
    fill: bool = True

    @classmethod
    def empty(cls, shape: tuple[int, int]) -> Context:
        """Nothing was shown, named or locked before."""
        nothing = np.zeros(shape, np.int32)
        return cls(nothing, Edits.none(shape), nothing)

    def followed_by(self, labels: Labels) -> Context:
        """The context of the frame after `labels`."""
        return replace(self, previous=labels)


def decode(
    estimate: Estimate, image: Image, scribbles: Scribbles, *, context: Context | None = None
) -> Labels:
    """Make full-resolution labels."""
    raise NotImplementedError
