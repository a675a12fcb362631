"""What a person made of some planes of a stack, carried on to others: a job for the worker."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from unseg_studio.data import Image, Mosaic
from unseg_studio.document.solve import Fits, Wanted
from unseg_studio.document.state import State
from unseg_studio.refinement import Uncertainty, guide_of, sharpened, steered

PlaneIndex = tuple[int, ...]
"""Position along the axes that are not shown, in the order of the data; () for a 2-D image."""

Labels = NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Origin:
    """A plane as a person left it.

    Parameters
    ----------
    image : Image
        The plane.
    state : State
        What was drawn, named and corrected there, and what is shown.
    """

    image: Image
    state: State


@dataclass(frozen=True, eq=False)
class CarriedPlane:
    """What has become of one target.

    Parameters
    ----------
    index : tuple of int
        Which plane.
    mosaic : Mosaic or None
        Its labels, in the ids of the origins; None where there are none.
    uncertainty : Uncertainty or None
        How sure they are.
    failure : str
        Why there are no labels, as a sentence for the person; empty where there are.
    """

    index: PlaneIndex
    mosaic: Mosaic | None
    uncertainty: Uncertainty | None = None
    failure: str = ""


@dataclass(frozen=True, eq=False)
class Carried:
    """All targets that are done so far, in the order in which they were done.

    Parameters
    ----------
    planes : tuple of CarriedPlane
        Those of earlier answers of the same job are among them.
    total : int
        How many there will be.
    is_last : bool
        All are done.
    """

    planes: tuple[CarriedPlane, ...]
    total: int
    is_last: bool


@dataclass(frozen=True, eq=False)
class Carry:
    """A job for the worker: carry labels from the planes that a person made to other ones.

    Parameters
    ----------
    origins : mapping of tuple of int to Origin
        Planes as a person left them; they are not carried to.
    targets : tuple of tuple of int
        Planes to carry to; those among the origins are left alone.
    read : callable
        Gives the image of a target. It is called in the worker's thread, once for each target and
        when its turn has come; whatever it raises becomes a failure of that plane.
    device : str
        See `resolve_device`.
    """

    origins: Mapping[PlaneIndex, Origin]
    targets: tuple[PlaneIndex, ...]
    read: Callable[[PlaneIndex], Image]
    device: str = "auto"

    def results(self, _fits: Fits, _wanted: Wanted) -> Generator[Carried | None, None, None]:
        """All that is done, after every plane; every yield is a place to stop."""
        ways = self._ways()
        planes: tuple[CarriedPlane, ...] = ()
        if not ways:
            yield Carried((), 0, is_last=True)
        for target, origin in ways.items():
            yield None
            planes = (*planes, self._carried(target, self.origins[origin]))
            yield Carried(planes, len(ways), is_last=len(planes) == len(ways))

    def _ways(self) -> dict[PlaneIndex, PlaneIndex]:
        """Target -> its nearest origin; the targets that lie nearest to one come first."""
        open_ = [t for t in dict.fromkeys(self.targets) if t not in self.origins]
        nearest = {t: min(self.origins, key=lambda o: (_distance(t, o), o)) for t in open_}
        order = sorted(open_, key=lambda t: (_distance(t, nearest[t]), t))
        return {target: nearest[target] for target in order}

    def _carried(self, index: PlaneIndex, origin: Origin) -> CarriedPlane:
        try:
            image = self.read(index)
            _require_shape(image, origin)
            labels = _carried_labels(origin, image)
        except Exception as error:  # the other planes go on
            return CarriedPlane(index, None, failure=_sentence(error))
        return CarriedPlane(index, Mosaic.of(labels))


def _distance(one: PlaneIndex, other: PlaneIndex) -> int:
    return sum(abs(a - b) for a, b in zip(one, other, strict=True))


def _require_shape(image: Image, origin: Origin) -> None:
    if image.shape != origin.image.shape:
        (height, width), (own_height, own_width) = image.shape, origin.image.shape
        raise ValueError(
            f"This plane is {width} x {height} px, the one to carry from is {own_width} x "
            f"{own_height} px; accepted are planes of one size. Segment this plane by itself."
        )


def _sentence(error: Exception) -> str:
    if isinstance(error, (ValueError, OSError)) and str(error):
        return str(error)
    if isinstance(error, MemoryError) or "memory" in str(error).lower():
        return "There is not enough memory for this plane. Close other programs, and try again."
    return f"This plane could not be read or segmented: {type(error).__name__}: {error}."


def _carried_labels(origin: Origin, image: Image) -> Labels:
    """The origin's labels, less a margin, as strokes on another plane."""
    ids, shown = np.unique(origin.state.labels, return_inverse=True)
    if len(ids) == 1:
        return np.array(origin.state.labels)
    index = shown.reshape(image.shape).astype(np.uint8)

    def seeds(shape: tuple[int, int]) -> Labels:
        small = cv2.resize(index, shape[::-1], interpolation=cv2.INTER_NEAREST)
        edge = cv2.morphologyEx(small, cv2.MORPH_GRADIENT, np.ones((5, 5), np.uint8)) > 0
        return np.where(edge, np.int32(-1), small.astype(np.int32))

    guide = guide_of(image)
    *_, planes = steered(seeds, len(ids), guide)
    return np.asarray(ids[sharpened(planes.numpy(), guide)], np.int32)
