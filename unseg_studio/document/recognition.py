"""What a person made of one image proposes the labels of another one: a job for the worker.

Unlike planes of a stack (see `carry`), the images of a project have nothing in common but what
their categories look like. On microscopes' images that is enough. Mean IoU with what people drew,
learned from the image before, beside clusters each of which is given its best category: .884 and
.799 on fluorescent nuclei, .756 and .676 on stained tissue, .837 and .591 in bright field, .745 and
.501 on EM sections; and it takes half the time. On photographs it is worse (.415 and .661 on VOC,
.381 and .675 on GrabCut), so nobody asks for it there. Weights of DiffCluster that go on from the
image before make worse clusters: .733 and .774 on stained tissue, .761 and .781 on nuclei.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Generator
from dataclasses import dataclass

import numpy as np

from unseg_studio.data import NOTHING, Image, Mosaic, is_large
from unseg_studio.data.labels import is_cluster
from unseg_studio.document.carry import Ids, Origin, examples_of
from unseg_studio.document.solve import Fits, Frame, Wanted
from unseg_studio.document.state import State
from unseg_studio.features.kind import is_photograph
from unseg_studio.refinement import Guide, Knowledge, Uncertainty, learned, recognised, sharpened


class Taught:
    """What an image teaches that a person has finished; learned when first asked for.

    Parameters
    ----------
    origin : Origin
        The image, as it was left; see `can_teach`.
    """

    def __init__(self, origin: Origin) -> None:
        self._origin: Origin | None = origin
        self._known: tuple[Ids, Knowledge] | None = None
        self._learning = threading.Lock()

    def known(self) -> tuple[Ids, Knowledge]:
        """Categories, and what they look like; the image is let go of then."""
        with self._learning:
            if self._known is None:
                assert self._origin is not None
                ids = tuple(sorted(self._origin.state.shown.areas))
                self._known = ids, learned([*examples_of([self._origin], ids)])
                self._origin = None
            return self._known


def can_teach(image: Image, state: State) -> bool:
    """Say whether an image is of the kind where this helps, and all of it has a category."""
    ids = state.shown.areas.keys()
    is_named = len(ids) > 1 and NOTHING not in ids and not any(map(is_cluster, ids))
    return is_named and can_learn(image)


def can_learn(image: Image) -> bool:
    """Say whether an image is of the kind where this helps."""
    return not is_large(image.shape) and not is_photograph(image)


@dataclass(frozen=True, eq=False)
class Recognition:
    """Labels of an image, all of them categories.

    Parameters
    ----------
    image : Image
        The image.
    taught : Taught
        Of another one.
    """

    image: Image
    taught: Taught

    def results(self, _fits: Fits, _wanted: Wanted) -> Generator[Frame | None, None, None]:
        """One frame; every yield is a place to stop."""
        began = time.perf_counter()
        yield None
        ids, knowledge = self.taught.known()
        yield None
        guide = Guide(self.image.rgb, like=knowledge.standard)
        for prepare in (lambda: guide.filters, lambda: guide.levels, lambda: guide.grid):
            prepare()
            yield None
        shares = recognised(knowledge, guide, None).numpy()
        yield None
        labels = np.asarray(ids, np.int32)[sharpened(shares, guide)]
        settled = np.zeros(guide.shape, bool)
        mosaic = Mosaic.of(labels)
        yield Frame(
            labels=labels,
            step=1,
            total=1,
            loss=float("nan"),
            n_labels=len(mosaic.areas),
            seconds=time.perf_counter() - began,
            is_last=True,
            uncertainty=Uncertainty.of(shares, ids, settled=settled, shape=self.image.shape),
            mosaic=mosaic,
        )
