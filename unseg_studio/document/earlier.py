"""What was shown before the newest strokes: whoever corrects one place has let the others pass."""

from __future__ import annotations

from collections import deque

import cv2
import numpy as np
from numpy.typing import NDArray

from unseg_studio.data import Scribbles
from unseg_studio.refinement import WORKING_SIZE, limited

Labels = NDArray[np.int32]

MOST_ANSWERS = 8
"""So many are kept: after so many strokes taken back, the next is answered by strokes alone."""


class EarlierAnswers:
    """The settled answers to the strokes on one image, the newest last."""

    def __init__(self) -> None:
        self._answers: deque[tuple[Scribbles, Labels]] = deque(maxlen=MOST_ANSWERS)

    def keep(self, scribbles: Scribbles, labels: Labels) -> None:
        """Remember what strokes were answered with, as small as it is enough to teach."""
        size = limited((labels.shape[0], labels.shape[1]), WORKING_SIZE)[::-1]
        small = cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST)
        self._answers.append((scribbles, np.asarray(small)))

    def before(self, scribbles: Scribbles) -> Labels | None:
        """The newest answer to fewer strokes of the same categories; None: there is none.

        What was answered to strokes that have been taken back teaches no more, nor what a
        category could not yet take part in. And the same strokes are answered alike, whether they
        were answered before or not.
        """
        for drawn, labels in reversed(self._answers):
            if scribbles.categories == drawn.categories and scribbles.adds_to(drawn):
                return labels
        return None
