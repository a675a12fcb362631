"""What every segmenter is: frozen parameters, a dear `fit` once per image, a cheap `refine`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import Field, dataclass, field, fields, replace
from functools import cache
from threading import Lock
from types import MappingProxyType
from typing import Any, ClassVar, Protocol, runtime_checkable

from unseg_studio.data import Image, Scribbles
from unseg_studio.features.devices import resolve_device as resolve_device
from unseg_studio.features.lazy_torch import torch


@dataclass(frozen=True, eq=False)
class Estimate:
    """A segmentation in flight.

    Parameters
    ----------
    scores : Tensor, (K, h, w) float32
        Unnormalised log-probabilities, at any resolution whose aspect ratio is the image's.
    ids : tuple of int, length K
        What each channel of `scores` stands for: a category id, or a cluster id from
        `FIRST_CLUSTER` up. The same fit gives the same cluster the same id from frame to frame.
    step, total : int
        Iterations done, and the most that there will be.
    loss : float
        Value of the objective at this step, NaN where there is none.
    is_last : bool
        Nothing follows: this is the settled result.
    is_outlined : bool
        The scores change along outlines of the image already, so nobody need look for these.
    note : str
        What the person should know of how it was made, in a sentence; mostly empty.
    """

    scores: torch.Tensor
    ids: tuple[int, ...]
    step: int
    total: int
    loss: float
    is_last: bool = False
    is_outlined: bool = False
    note: str = ""

    @property
    def n_labels(self) -> int:
        """How many channels win at least one pixel."""
        return int(torch.unique(self.scores.argmax(dim=0)).numel())


@runtime_checkable
class Fit(Protocol):
    """One segmenter's memory of one image (features, graph, network weights)."""

    def refine(self, scribbles: Scribbles) -> Iterator[Estimate]:
        """Optimise on, from where the last call left off, towards the scribbles.

        Each `yield` is a result, a place to pause (do not ask for the next) and to cancel (close
        the iterator); the fit stays usable after both. At least one estimate is yielded and the
        last one of an undisturbed run has `is_last`.

        Raises
        ------
        ValueError
            If the scribbles are of another size than the image.
        """
        ...

    def memory(self) -> object:
        """What `refine` would go on from now: a value that later work does not change."""
        ...

    def recall(self, memory: object) -> None:
        """Go back to what `memory` gave, by this fit or by one of the same segmenter and image."""
        ...


@runtime_checkable
class Segmenter(Protocol):
    """The parameters of one method: a frozen dataclass whose fields carry `param` metadata.

    Attributes
    ----------
    name : str
        As scripts and files call it.
    title, summary : str
        As people read it; one sentence on what it does and needs.
    presets : dict
        Name of a preset -> the parameters that differ from the defaults. The first one has none.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    summary: ClassVar[str]
    presets: ClassVar[dict[str, dict[str, Any]]]
    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    def fit(self, image: Image, device: str = "auto") -> Fit:
        """Prepare for one image: dear, once per image and parameters.

        Raises
        ------
        ValueError
            If the device is unknown or absent.
        """
        ...


@dataclass(frozen=True)
class Param:
    """What a form, the command line and an error message need to know of a parameter.

    Parameters
    ----------
    label : str
        Its name for people.
    help : str
        One sentence: what changes when it grows.
    low, high : float or None
        Accepted range, ends included; None where it does not apply.
    step : float or None
        What one click changes.
    unit : str
        Shown behind the value.
    choices : tuple of str
        Accepted words, for a parameter of type str.
    advanced : bool
        Folded away at first.
    is_working_size : bool
        Longer side of the plane that is worked on, in pixels; 0 takes the image's own. Half of it
        takes a quarter of the memory.
    """

    label: str
    help: str
    low: float | None = None
    high: float | None = None
    step: float | None = None
    unit: str = ""
    choices: tuple[str, ...] = ()
    advanced: bool = False
    is_working_size: bool = False


def param(
    default: Any,
    label: str,
    help: str,
    **more: Any,
) -> Any:
    """Make a dataclass field with a default and its `Param`; `more` as in `Param`."""
    return field(default=default, metadata={"param": Param(label, help, **more)})


def params_of(segmenter: Segmenter | type[Segmenter]) -> Mapping[str, Param]:
    """Name -> `Param` of every parameter, in the order of the dataclass."""
    return _params_of(segmenter if isinstance(segmenter, type) else type(segmenter))


@cache  # forms ask for each of their fields
def _params_of(kind: type[Segmenter]) -> Mapping[str, Param]:
    found = {f.name: f.metadata["param"] for f in fields(kind) if "param" in f.metadata}
    return MappingProxyType(found)


SMALLEST_SIZE = 64
"""Working size, in pixels, below which little is to be seen."""


def coarser(segmenter: Segmenter, shape: tuple[int, int]) -> tuple[Segmenter, int] | None:
    """The same method at half its working size, for an image of this shape, and that size.

    None for a method without such a parameter, and where half of it would be too coarse.
    """
    for name, spec in params_of(segmenter).items():
        if spec.is_working_size:
            size = (getattr(segmenter, name) or max(shape)) // 2
            if size < max(SMALLEST_SIZE, spec.low or 0):
                return None
            half: Segmenter = replace(segmenter, **{name: size})
            return half, size
    return None


def check_params(segmenter: Segmenter) -> None:
    """Raise ValueError for the first parameter outside its range or choices.

    To be called from `__post_init__`, so that a segmenter that exists is a valid one.
    """
    for f in fields(segmenter):
        value = getattr(segmenter, f.name)
        if "param" in f.metadata and (wish := _unmet(f.metadata["param"], f.default, value)):
            raise ValueError(f"{segmenter.name}: {f.name} is {value!r}; {wish}.")


def _unmet(spec: Param, default: Any, value: Any) -> str | None:
    """What is accepted instead of a value, None where it is accepted."""
    if spec.choices:
        return None if value in spec.choices else f"accepted are {', '.join(spec.choices)}"
    if isinstance(default, str):
        return None if isinstance(value, str) else "a text is accepted"
    if isinstance(default, bool):
        return None if isinstance(value, bool) else "accepted are True and False"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return "a number is accepted"
    if isinstance(default, int) and not isinstance(value, int):
        return "a whole number is accepted"
    low = -math.inf if spec.low is None else spec.low
    high = math.inf if spec.high is None else spec.high
    return None if low <= value <= high else f"accepted is {low:g} to {high:g}"


_SEEDING = Lock()


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draw torch's random numbers from a seed, and leave those of everybody else as they were.

    torch has one generator for all threads, so one thread at a time draws here.
    """
    with _SEEDING, torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield
