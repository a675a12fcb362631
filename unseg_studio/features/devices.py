"""Where computations run: the place is chosen by trying it, and the choice says its reason.

    place = place_of("auto")        try what there is, best first; each of them once per process
    tensor.to(place.torch_device)
    with working("refine", place):  what the device raises comes out as a `DeviceError`
        ...

"auto" takes the CUDA card with most free memory, else Apple's MPS, else the CPU. A device counts
only if a small convolution and a matrix product come back from it with the right numbers. One that
was asked for by name is taken or refused, never replaced, by `place_of`; windows, whose person
wants to go on, use `place_or_cpu`.

No window waits for this: `known_place` says what was found so far, and tries nothing.

Who keeps something on devices that can be made again says so with `frees`, so that `make_room` can
let go of it.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Literal

from unseg_studio.features.determinism import begin_if_wanted
from unseg_studio.features.driver import Card, Driver
from unseg_studio.features.failing import Trouble, first_line, trouble_of, why_no_card
from unseg_studio.features.lazy_torch import torch
from unseg_studio.features.machine import processor

Stage = Literal["probe", "features", "fit", "refine", "decode", "training"]
"""What a device is at."""

WORDS: dict[str, str] = {
    "probe": "it was tried",
    "features": "features were computed",
    "fit": "the image was prepared",
    "refine": "the run was optimising",
    "decode": "labels were drawn",
    "training": "it was training",
}
"""What goes on at each stage, for the end of a sentence."""

ASKED = "It was asked for, and it works."

GIB = 2**30
TOLERANCE = 1e-2
"""Of the numbers that come back from a device when it is tried: TF32 has 10 bits."""


@dataclass(frozen=True)
class Place:
    """Where something is computed.

    Parameters
    ----------
    device : str
        "cpu", "cuda:N" or "mps".
    name : str
        What people call it, such as "NVIDIA H200, 139 GiB".
    reason : str
        Why it is this one, in a sentence or more.
    """

    device: str
    name: str
    reason: str

    @property
    def kind(self) -> str:
        """Of device: "cpu", "cuda" or "mps"."""
        return self.device.partition(":")[0]

    @property
    def label(self) -> str:
        """For where there is little room, such as CPU, CUDA or CUDA:1."""
        return self.device.upper().removesuffix(":0")

    @property
    def is_cpu(self) -> bool:
        """Nothing is behind it."""
        return self.device == "cpu"

    @property
    def torch_device(self) -> torch.device:
        """Where tensors go.

        With the stand-in of the tests this is the CPU for every place, so whoever needs what only
        a card has asks the tensor (`is_cuda`), not the place.
        """
        return _driver.device(self.device)


class DeviceError(OSError):
    """A device has failed; says so in a sentence.

    Parameters
    ----------
    place : Place
        Which one.
    stage : Stage
        What it was at.
    said : str
        What torch said.
    """

    trouble: Trouble

    def __init__(self, place: Place, stage: Stage, said: str = "") -> None:
        self.place, self.stage, self.said = place, stage, said
        super().__init__(self._sentence())

    def _sentence(self) -> str:
        raise NotImplementedError


class DeviceFullError(DeviceError):
    """It has no memory left."""

    trouble: Trouble = "full"

    def _sentence(self) -> str:
        return f"{self.place.name} ran out of memory while {WORDS[self.stage]}."


class DeviceLostError(DeviceError):
    """It is gone for the rest of the process."""

    trouble: Trouble = "lost"

    def _sentence(self) -> str:
        return (
            f"{self.place.name} stopped answering while {WORDS[self.stage]} ({self.said}); "
            "start the program again to use it again."
        )


class DeviceUnableError(DeviceError):
    """It cannot do what it was asked for."""

    trouble: Trouble = "unable"

    def _sentence(self) -> str:
        return f"{self.place.name} failed while {WORDS[self.stage]} ({self.said})."


ERRORS: dict[Trouble, type[DeviceError]] = {
    "full": DeviceFullError,
    "lost": DeviceLostError,
    "unable": DeviceUnableError,
}

_driver = Driver()
_choosing = threading.RLock()
_known: dict[str, Place] = {}
_lost: dict[str, str] = {}
"""Kind -> why nothing can be done there until the program is started again: a broken context of
CUDA breaks what is done on other cards, too."""

_forgetters: list[Callable[[], object]] = []
_ambient = threading.local()


# Choosing


def resolve_device(device: str) -> torch.device:
    """Turn "auto", "cpu", "cuda", "cuda:N" or "mps" into a torch device that works.

    Raises
    ------
    ValueError
        If the word is unknown, or there is no such device, or it does not work.
    """
    return place_of(device).torch_device


def place_of(device: str) -> Place:
    """The place that a word stands for, tried once per process; any thread may ask.

    Parameters
    ----------
    device : str
        "auto", "cpu", "cuda" (the card with most free memory), "cuda:N" or "mps".

    Raises
    ------
    ValueError
        If the word is unknown, or there is no such device, or it does not work; the sentence says
        why, and what does.
    """
    with _choosing:
        if device not in _known:
            begin_if_wanted()
            place = _known[device] = _chosen(device)
            _known.setdefault(place.device, replace(place, reason=ASKED))
        return _known[device]


def place_or_cpu(device: str) -> Place:
    """As `place_of`, but where the device does not work it is the CPU, which says the reason.

    Raises
    ------
    ValueError
        If the word is unknown.
    """
    _kind_of(device)
    try:
        return place_of(device)
    except ValueError as error:
        return replace(place_of("cpu"), reason=str(error))


def known_place(device: str) -> Place | None:
    """What a word was found to stand for, None where nobody has looked yet; at once."""
    return _known.get(device)


def forget_places() -> None:
    """Look again next time: what is free, and what works, may be different by now."""
    with _choosing:
        _known.clear()


def cpu(reason: str = ASKED) -> Place:
    """The place that is always there."""
    return Place("cpu", processor(), reason)


def _kind_of(device: str) -> str:
    """Raise ValueError for a word that nobody knows."""
    kind, colon, index = device.partition(":")
    is_index = index.isdigit() if kind == "cuda" and colon else not colon
    if kind not in ("auto", "cpu", "cuda", "mps") or not is_index:
        raise ValueError(
            f"Unknown device {device!r}; accepted are auto, cpu, cuda, cuda:N and mps."
        )
    return kind


def _chosen(device: str) -> Place:
    kind = _kind_of(device)
    if kind == "cpu":
        return cpu()
    found = _found(kind, device.partition(":")[2])
    if found.works is not None:
        return found.works
    why = "; ".join(found.faults)
    if kind == "auto":
        return cpu(f"There is no GPU that works here: {why}.")
    raise ValueError(
        f"The device {device!r} is not on this machine, or does not work: {why}. "
        f"{_working_words()} Choose auto or cpu."
    )


def _working_words() -> str:
    place_of("auto")
    others = sorted({place.device for place in _known.values() if not place.is_cpu})
    return f"What works is {', '.join(('cpu', *others))}."


@dataclass(frozen=True)
class _Found:
    """The best place of a kind, and what is wrong with the others."""

    works: Place | None
    faults: tuple[str, ...]


def _found(kind: str, index: str) -> _Found:
    faults: tuple[str, ...] = ()
    if kind in ("auto", "cuda"):
        cards = _best_card(int(index) if index else None)
        if cards.works is not None or kind == "cuda":
            return cards
        faults = cards.faults
    return _mps(faults, is_asked=kind == "mps")


def _best_card(index: int | None) -> _Found:
    """The card with most free memory that works; with an index, that one or none."""
    if "cuda" in _lost:
        return _Found(None, (_lost["cuda"],))
    wheel = _driver.wheel()
    if not wheel:
        return _Found(None, ("this torch was installed for the CPU only",))
    try:
        count = _driver.count()
    except (RuntimeError, AssertionError) as error:
        return _Found(None, (why_no_card(error, wheel),))
    if index is not None and index >= count:
        there = f"there {'is' if count == 1 else 'are'} {count} of kind cuda"
        return _Found(None, (there,))
    faults: list[str] = []
    cards = _cards(range(count) if index is None else [index], faults)
    for number, card in sorted(cards.items(), key=lambda pair: -pair[1].free):
        name = f"{card.name}, {card.total / GIB:.0f} GiB"
        if fault := _fault(f"cuda:{number}", name):
            faults.append(fault)
            continue
        others = [other for other in cards if other != number]
        if index is not None:
            reason = ASKED
        else:
            reason = _why(card, [cards[other] for other in others], faults)
        return _Found(Place(f"cuda:{number}", name, reason), tuple(faults))
    return _Found(None, tuple(faults) or ("no GPU is to be seen here",))


def _cards(indices: range | list[int], faults: list[str]) -> dict[int, Card]:
    """Those that torch was built for."""
    cards, built = {}, _driver.architectures()
    for index in indices:
        try:
            card = _driver.card(index)
        except RuntimeError as error:
            faults.append(f"cuda:{index} cannot be used ({first_line(error)})")
            continue
        if _has_code_for(card, built):
            cards[index] = card
        else:
            major, minor = card.capability
            faults.append(
                f"{card.name} is passed over, for this torch was not built for its kind "
                f"(compute capability {major}.{minor})"
            )
    return cards


def _has_code_for(card: Card, built: tuple[str, ...]) -> bool:
    """Code for a card of the same generation, or such as every later card can translate."""
    major, minor = card.capability
    for word in built:
        kind, _, digits = word.partition("_")
        digits = digits.rstrip("af")  # of a kind that only one generation knows
        if not digits.isdigit():
            return True  # ROCm has other names; the trial tells
        known = int(digits[:-1]), int(digits[-1])
        if kind == "sm" and known[0] == major and known[1] <= minor:
            return True
        if kind == "compute" and known <= (major, minor):
            return True
    return not built


def _why(card: Card, others: list[Card], faults: list[str]) -> str:
    if not others:
        first = "It is the GPU that works here."
    else:
        rest = ", ".join(f"{o.name} with {o.free / GIB:.0f} GiB" for o in others)
        first = f"It has the most free memory, {card.free / GIB:.0f} GiB, beside {rest}."
    return " ".join((first, *(f"{fault[0].upper()}{fault[1:]}." for fault in faults)))


def _mps(faults: tuple[str, ...], *, is_asked: bool) -> _Found:
    if not _driver.has_mps():
        return _Found(
            None, (*faults, "there is no Mac's GPU that torch can use") if is_asked else faults
        )
    if fault := _lost.get("mps") or _fault("mps", "Apple GPU"):
        return _Found(None, (*faults, fault))
    reason = ASKED if is_asked else "It is the GPU that works here."
    return _Found(Place("mps", "Apple GPU", reason), faults)


def _fault(word: str, name: str) -> str:
    """What is wrong with a device, as the end of a sentence; empty: it computes rightly."""
    try:
        with _driver.at(word, "probe"):
            is_right = _computes_rightly(_driver.device(word))
    except (RuntimeError, NotImplementedError, AssertionError, MemoryError) as error:
        match trouble_of(error):
            case "full":
                return f"{name} is full, other programs have its memory"
            case "unable" if "kernel image" in str(error):
                return f"{name} is of a kind that this torch was not built for"
            case _:
                return f"{name} does not compute ({first_line(error)})"
    return "" if is_right else f"{name} computes wrong numbers"


def _computes_rightly(device: torch.device) -> bool:
    """Whether a small convolution and a matrix product come back with the right numbers."""
    planes = torch.arange(2 * 3 * 8 * 8).reshape(2, 3, 8, 8).float().remainder(7) / 7
    kernel = torch.arange(4 * 3 * 3 * 3).reshape(4, 3, 3, 3).float().remainder(5) / 5

    def answer(on: torch.device) -> torch.Tensor:
        rows = torch.nn.functional.conv2d(planes.to(on), kernel.to(on)).flatten(1)
        return (rows @ rows.T).cpu()

    return torch.allclose(answer(device), answer(torch.device("cpu")), rtol=TOLERANCE)


# Working


@contextmanager
def working(stage: Stage, place: Place | None = None) -> Iterator[None]:
    """Work on a place: what torch raises because the place fails comes out as a `DeviceError`.

    The CPU fails no more than the machine does: what is raised there is raised as it is.

    Parameters
    ----------
    stage : Stage
        What for.
    place : Place or None
        Where; None: where the work runs that this is a part of, the CPU if there is none.

    Raises
    ------
    DeviceFullError, DeviceLostError, DeviceUnableError
        In a sentence. A place that is lost stays so until the program is started again; this is
        said by all who ask for it.
    """
    outer = getattr(_ambient, "place", None)
    here = place or outer or cpu()
    if here.kind in _lost:
        raise DeviceLostError(here, stage, _lost[here.kind])
    _ambient.place = here
    try:
        with _driver.at(here.device, stage):
            yield
    except DeviceError:
        raise
    except Exception as error:
        trouble = trouble_of(error)
        if trouble is None or here.is_cpu:
            raise
        if trouble == "lost":
            _lost[here.kind] = f"{here.name} does not answer any more ({first_line(error)})"
        forget_places()
        raise ERRORS[trouble](here, stage, first_line(error)) from error
    finally:
        _ambient.place = outer


def here() -> Place:
    """Where the work runs that this is a part of, see `working`; the CPU if there is none."""
    return getattr(_ambient, "place", None) or cpu()


def is_part() -> bool:
    """Whether this is a part of some work, which then goes on elsewhere where a device fails."""
    return getattr(_ambient, "place", None) is not None


def is_lost(device: str) -> bool:
    """Nothing can be done there until the program is started again."""
    return device.partition(":")[0] in _lost


def select(device: str) -> None:
    """What this process does without saying where is done there, from now on."""
    _driver.select(device)


def finish(place: Place) -> None:
    """Wait until the place has done what it was told."""
    _driver.finish(place.device)


# Making room


def frees(forget: Callable[[], object]) -> None:
    """Call this when a device is full: it lets go of what can be made again."""
    _forgetters.append(forget)


def make_room(place: Place) -> None:
    """Let go of everything on a device that can be made again, and of what torch keeps for later.

    Takes a while, and is for when the device is full.
    """
    for forget in _forgetters:
        forget()
    gc.collect()
    give_back(place)


def give_back(place: Place) -> None:
    """Let others have the memory of a place that this process keeps but does not use now."""
    if not place.is_cpu and not is_lost(place.device):
        with suppress(RuntimeError):  # of a device that is gone, which the next run there says
            _driver.give_back(place.device)


# For tests


@contextmanager
def standing_in(driver: Driver) -> Iterator[None]:
    """Another driver in the place of torch's, and nothing known of any device before and after."""
    global _driver
    before, _driver = _driver, driver
    _start_afresh()
    try:
        yield
    finally:
        _driver = before
        _start_afresh()


def _start_afresh() -> None:
    forget_places()
    _lost.clear()
