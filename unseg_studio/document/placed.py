"""A fit that goes on when its device fails, and says so.

    ran out of memory:    let go of what can be made again, and once more there
                          -> at half the working size there, if the method has one
                          -> on the CPU
    lost, or unable to:   on the CPU

Where the failed device can still be read, the next fit begins from where the last one stood;
otherwise it begins anew. Scribbles, edits and undo are the document's, and no device has them. What
a place cannot do for one image it may do for the next one, so each fit begins at the best place
again; only a place that is lost stays so.

Going to half the size is left to methods that say which parameter it is (`Param.is_working_size`):
DiffCluster does; what the others hold on a device does not grow with the image.
"""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterator
from contextlib import suppress
from dataclasses import replace

from unseg_studio.data import Image, Scribbles, heap
from unseg_studio.document.moving import moved
from unseg_studio.features.devices import (
    DeviceError,
    Place,
    cpu,
    is_lost,
    make_room,
    place_or_cpu,
    working,
)
from unseg_studio.features.failing import Trouble, trouble_of
from unseg_studio.features.turns import turn
from unseg_studio.segmenters import Estimate, Fit, Segmenter
from unseg_studio.segmenters.base import coarser

log = logging.getLogger(__name__)

_UNREADABLE = (RuntimeError, ValueError, TypeError, KeyError, MemoryError, OSError)
"""What a fit raises for a memory that is on a lost device, or of a fit of another size."""


class PlacedFit:
    """A fit of an image at the best place that there is for it; see `Fit`.

    Parameters
    ----------
    segmenter, image
        What to fit.
    device : str
        See `place_or_cpu`.

    Raises
    ------
    ValueError, OSError, MemoryError, RuntimeError
        What the method raises on the CPU, too.
    """

    def __init__(self, segmenter: Segmenter, image: Image, device: str) -> None:
        self._segmenter, self._image = segmenter, image
        self.place = place_or_cpu(device)
        self._note = self._brief = ""
        if self.place.is_cpu and device not in ("auto", "cpu") and not is_lost(device):
            self._brief = self.place.reason
        self._has_made_room = False
        self._memory: object = None
        self._fit: Fit | None = None
        self._fit = self._standing()

    def refine(self, scribbles: Scribbles) -> Generator[Estimate, None, None]:
        """Optimise on, wherever that works; see `Fit.refine`.

        A consumer whose own part of the work has failed there may throw its `DeviceError` in, and
        gets the next estimate from another place.
        """
        scribbles.require_shape(self._image.shape)
        self._has_made_room = False
        estimates: Iterator[Estimate] | None = None
        while True:
            try:
                if estimates is None:
                    estimates = self._standing().refine(scribbles)
                with turn(self.place), working("refine", self.place):
                    estimate = next(estimates, None)
                if estimate is None:
                    self._brief = ""
                    return
                yield self._told(estimate)
            except Exception as error:  # all but trouble with the device is raised on
                estimates = None
                self._step_down(error)

    def memory(self) -> object:
        """Where it stands; see `Fit.memory`."""
        return None if self._fit is None else self._fit.memory()

    def recall(self, memory: object) -> None:
        """Go back to that, as far as it can be read; see `Fit.recall`."""
        try:
            with working("fit", self.place):
                self._standing().recall(moved(memory, self.place.torch_device))
        except Exception as error:  # as above
            if self.place.is_cpu and trouble_of(error) == "lost":
                self._fit = None  # it was made on a device that is gone, so the run begins anew
                return
            self._step_down(error)
            self.recall(memory)

    @property
    def reason(self) -> str:
        """What the person should know of how it came to be here."""
        return " ".join(filter(None, (self._note, self._brief)))

    def _told(self, estimate: Estimate) -> Estimate:
        note = " ".join(filter(None, (self.reason, estimate.note)))
        return replace(estimate, note=note) if note else estimate

    def _standing(self) -> Fit:
        """The fit, made here if there is none, and where the one before stood."""
        while self._fit is None:
            try:
                with working("fit", self.place):
                    fit = self._segmenter.fit(self._image, self.place.device)
                    self._go_on(fit)
            except Exception as error:  # as above
                self._step_down(error)
            else:
                self._fit, self._memory = fit, None
        return self._fit

    def _go_on(self, fit: Fit) -> None:
        if self._memory is not None:
            with suppress(*_UNREADABLE):
                fit.recall(moved(self._memory, self.place.torch_device))

    def _step_down(self, error: Exception) -> None:
        """Choose where to go on after a failure; raises what is none of the device's."""
        trouble = error.trouble if isinstance(error, DeviceError) else trouble_of(error)
        if trouble is None or (self.place.is_cpu and trouble != "full"):
            raise error
        self._leave(trouble)
        if trouble == "full" and not self._has_made_room:
            self._has_made_room = True
            if self.place.is_cpu or not place_or_cpu(self.place.device).is_cpu:
                self._brief = f"{_said(error, self.place)} Memory was freed, and it went on there."
                return
        half = coarser(self._segmenter, self._image.shape) if trouble == "full" else None
        if half is not None:
            self._segmenter, size = half
            self._note = f"{_said(error, self.place)} It goes on there at {size} px."
            self._brief = ""
        elif not self.place.is_cpu:
            self._go_to_the_cpu(error)
        else:
            raise error
        log.warning(self.reason)

    def _go_to_the_cpu(self, error: Exception) -> None:
        said = f"{_said(error, self.place)} It goes on on the CPU."
        self._note, self._brief = ("", said) if is_lost(self.place.device) else (said, "")
        self.place = cpu(said)

    def _leave(self, trouble: Trouble) -> None:
        """Let go of the fit, and of all else that takes memory, but not of where it stood."""
        fit, self._fit = self._fit, None
        if fit is not None and trouble != "lost":
            with suppress(*_UNREADABLE):
                self._memory = moved(fit.memory(), cpu().torch_device)
        if trouble == "lost":
            self._memory = None
        del fit
        make_room(self.place)
        heap.give_back()


def _said(error: Exception, place: Place) -> str:
    """What has happened, in a sentence."""
    if isinstance(error, DeviceError):
        return str(error)
    return f"There was not enough memory on {'this machine' if place.is_cpu else place.name}."


def place_of_fit(fit: Fit) -> Place | None:
    """Where a fit is; None: on another machine, or nobody knows."""
    place = getattr(fit, "place", None)
    return place if isinstance(place, Place) else None
