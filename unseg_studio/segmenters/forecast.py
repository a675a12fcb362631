"""How long a training will take and how much memory, before it starts: measured on a few images.

A learner of its own takes steps on some of the images until it has taken some of each kind, and is
thrown away. What a step of each kind took, times the steps that the plan of the method has, is what
the training will take. Images are changed by a pixel first, so that their features are not known
yet, as they will not be known when the training looks at them first.
"""

from __future__ import annotations

import os
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar, runtime_checkable

import numpy as np

from unseg_studio.data import Image
from unseg_studio.features.augment import Photometry, Rgb
from unseg_studio.features.cache import MEMORY_BYTES, default_cache
from unseg_studio.features.lazy_torch import torch
from unseg_studio.segmenters.base import resolve_device
from unseg_studio.segmenters.plan import Plan
from unseg_studio.segmenters.training import (
    KEPT_BYTES,
    N_PREVIEWS,
    N_SCORED,
    Album,
    Learner,
    Trainable,
    steps_apart,
)

T = TypeVar("T")

N_REHEARSED = 8
"""Images that are trained on for the forecast, at most."""

ENOUGH_S, OFTEN = 4.0, 5
"""No step is repeated after so long, nor more often than this for each kind."""

LEAST, MOST = 0.7, 1.5
"""The training will take so many times what was measured; see `Forecast`."""

COPIES = 4
"""Of what is learned: at work, the best, the last that was looked at, and a model to go on from."""

SCORE_BYTES = 16
"""That the agreement of two views takes for each place and cluster: float32 twice, float64."""

LOOK_S = 0.003
"""How often the memory in use is asked for."""


@dataclass(frozen=True)
class Forecast:
    """What a training will take; it may end sooner, for it does when the score rests.

    Parameters
    ----------
    n_steps : int
        The most that there will be.
    seconds : float
        For all of them, as measured.
    n_bytes : int
        Of memory that the training takes beside what the program has already.
    is_settled : bool
        False: measuring goes on, and this is what is known so far.
    """

    n_steps: int
    seconds: float
    n_bytes: int
    is_settled: bool = True

    @property
    def shortest(self) -> float:
        """Seconds; all steps will hardly take less."""
        return LEAST * self.seconds

    @property
    def longest(self) -> float:
        """Seconds; they will hardly take more, as long as nothing else needs the machine."""
        return MOST * self.seconds

    @property
    def sentence(self) -> str:
        """For people."""
        memory = f"{max(0.1, self.n_bytes / 1e9):.1f} GB of memory"
        return f"{self.n_steps:,} steps will take {span(self.shortest, self.longest)} and {memory}."


def span(low: float, high: float) -> str:
    """From so many seconds to so many, in words."""
    for unit, size in (("h", 3600.0), ("min", 60.0)):
        if high >= 2 * size:
            a, b = max(1, round(low / size)), max(1, round(high / size))
            return f"about {b} {unit}" if a == b else f"about {a} to {b} {unit}"
    if high < 2:
        return "about a second" if high >= 0.5 else "less than a second"
    a, b = max(1, round(low)), max(1, round(high))
    return f"about {b} s" if a == b else f"about {a} to {b} s"


class Planned(Learner, Protocol):
    """A learner that knows its steps before it takes them."""

    def plan(self, n_images: int) -> Plan:
        """The steps of a training on so many images."""
        ...

    def kind(self, number: int) -> str:
        """Of which `Work` a step is."""
        ...


@runtime_checkable
class Foreseeable(Trainable, Protocol):
    """A segmenter whose training can be tried on a few images."""

    def learner(self, album: Album, device: torch.device, /) -> Planned:
        """Takes the steps of a training."""
        ...


def forecast(
    segmenter: Trainable, images: Sequence[Image], device: str = "auto"
) -> Iterator[Forecast | None]:
    """Measure what a training would take; seconds.

    Parameters
    ----------
    segmenter : Trainable
        Method and parameters.
    images : sequence of Image
        All that it would learn from; at most `N_REHEARSED` are read, more where some are broken.
    device : str
        See `resolve_device`.

    Yields
    ------
    Forecast or None
        Each a place to stop; None as long as nothing is known. The last one is settled.

    Raises
    ------
    ValueError
        If none of the images can be read, or the method cannot be tried; in a sentence.
    """
    if not isinstance(segmenter, Foreseeable):
        raise ValueError(f"How long {segmenter.title} will take cannot be told before it starts.")
    yield None
    trial = _Trial(segmenter, images, device)
    yield from trial.forecasts()


@dataclass(frozen=True)
class _Taken:
    """What a step took: seconds, its amount, and how many images it was the first to see."""

    seconds: float
    amount: float
    n_new: int


class _Sample(Album):
    """A few images of an album, each changed by a pixel; which of them were seen is known."""

    def __init__(self, album: Album) -> None:
        found = [rgb for _, rgb in album.spread(N_REHEARSED)]
        super().__init__([Image.of(_changed(rgb)) for rgb in found])
        self.seen: set[int] = set()
        self.n_bytes = round(sum(rgb.nbytes for rgb in found) / len(found))
        """Of one image."""

    def rgb(self, index: int) -> Rgb | None:
        """See `Album.rgb`."""
        self.seen.add(index)
        return super().rgb(index)


class _Trial:
    """A training on a few images, timed."""

    def __init__(self, segmenter: Foreseeable, images: Sequence[Image], device: str) -> None:
        self._n_images = len(images)
        place = resolve_device(device)
        self._memory = _Memory()
        self._reading, self._sample = _timed(lambda: _Sample(Album(images)))
        self._n_kept = default_cache().n_bytes
        self._starting, self._learner = _timed(lambda: segmenter.learner(self._sample, place))
        self._saw_all = len(self._sample.seen) == len(self._sample)
        self._taken: dict[str, list[_Taken]] = defaultdict(list)
        self._settling = self._first_look = self._next_look = 0.0
        self._n_scores = 0

    def forecasts(self) -> Iterator[Forecast | None]:
        """Step by step."""
        with self._memory:
            plan, began = self._learner.plan(len(self._sample)), time.perf_counter()
            for number in range(plan.total):
                is_over = time.perf_counter() - began > ENOUGH_S
                if self._has_each(plan, 1 if is_over else OFTEN):
                    break
                self._take(number, plan)
                yield self._told(is_settled=False) if self._has_each(plan, 1) else None
            for _ in self._looks(plan):
                yield self._told(is_settled=False)
            yield self._told(is_settled=True)

    def _has_each(self, plan: Plan, n: int) -> bool:
        """Whether so many steps of each kind were taken."""
        return all(len(self._taken[work.kind]) >= min(n, work.n_steps) for work in plan.works)

    def _take(self, number: int, plan: Plan) -> None:
        kind, n_seen = self._learner.kind(number), len(self._sample.seen)
        seconds, _ = _timed(lambda: self._learner.step(number))
        n_new = len(self._sample.seen) - n_seen
        self._taken[kind].append(_Taken(seconds, plan.work(kind).amount, n_new))

    def _looks(self, plan: Plan) -> Iterator[None]:
        """Time what the score and the previews of an image take."""
        settling, scorer = _timed(lambda: (self._learner.tensors(), self._learner.scorer())[1])
        self._settling = settling / plan.settling
        yield
        ((_, rgb),) = self._sample.spread(1)
        view = Photometry.drawn(np.random.default_rng()).of(rgb)
        self._first_look, scores = _timed(lambda: scorer(view).cpu())
        self._n_scores = scores.numel()
        yield
        self._next_look, _ = _timed(lambda: scorer(view).cpu())
        yield

    def _told(self, *, is_settled: bool) -> Forecast:
        plan = self._learner.plan(self._n_images)
        seconds = sum(w.n_steps * w.amount * self._pace(w.kind) for w in plan.works)
        seconds += self._starting + self._n_images * self._reading / len(self._sample)
        seconds += (self._n_images - len(self._sample)) * self._newness()
        seconds += self._watching(plan)
        return Forecast(plan.total, seconds, self._n_bytes(), is_settled)

    def _watching(self, plan: Plan) -> float:
        """Seconds for the score and the previews, as far as that is measured."""
        n_looks = -(-plan.total // steps_apart(plan.total))
        n_scores = 1 if plan.is_late else n_looks
        n_views = 2 * min(N_SCORED, self._n_images)
        n_again = n_looks * min(N_PREVIEWS, self._n_images) + (n_scores - 1) * n_views
        once = n_views * self._first_look
        return n_looks * plan.settling * self._settling + once + n_again * self._next_look

    def _pace(self, kind: str) -> float:
        """Seconds of a step for an amount of 1; of those that saw no new image, if there are."""
        known = [t for t in self._taken[kind] if not t.n_new] or self._taken[kind]
        return float(np.median([taken.seconds / taken.amount for taken in known]))

    def _newness(self) -> float:
        """Seconds that an image takes more when it is seen first."""
        if self._saw_all:
            return self._starting / len(self._sample)
        return max(0.0, *(self._newness_in(kind) for kind in self._taken))

    def _newness_in(self, kind: str) -> float:
        taken = self._taken[kind]
        if all(t.n_new for t in taken):  # it is in the pace
            return 0.0
        more = [(t.seconds - t.amount * self._pace(kind)) / t.n_new for t in taken if t.n_new]
        return float(np.mean(more)) if more else 0.0

    def _n_bytes(self) -> int:
        """What was measured, and what more images, the score and the models take beside that."""
        n_watched = 2 * min(N_SCORED, self._n_images) + min(N_PREVIEWS, self._n_images)
        images = min(KEPT_BYTES, self._sample.n_bytes * self._n_images)
        images += n_watched * self._sample.n_bytes
        features = (default_cache().n_bytes - self._n_kept) / len(self._sample) * self._n_images
        features = min(MEMORY_BYTES, max(0.0, features))
        learned = sum(tensor.nbytes for tensor in self._learner.tensors().values())
        judged = 2 * min(N_SCORED, self._n_images) * self._n_scores * SCORE_BYTES
        return int(self._memory.grown + images + features + COPIES * learned + judged)


class _Memory:
    """How much more memory this process has taken at most since it was made, while it is open."""

    def __init__(self) -> None:
        self._before = self._most = _resident_bytes()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="unseg-memory", daemon=True)

    @property
    def grown(self) -> int:
        """In bytes."""
        self._most = max(self._most, _resident_bytes())
        return self._most - self._before

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_error: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(LOOK_S):
            self._most = max(self._most, _resident_bytes())


def _resident_bytes() -> int:
    """Memory of this process; where the system does not say, what it took at most so far, or 0."""
    try:
        n_pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        return n_pages * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        pass
    try:
        import resource
    except ImportError:  # Windows
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS


def _timed(work: Callable[[], T]) -> tuple[float, T]:
    """Seconds that it takes, and what it gives."""
    began = time.perf_counter()
    result = work()
    return time.perf_counter() - began, result


def _changed(rgb: Rgb) -> Rgb:
    """The same but for a pixel, drawn anew each time."""
    random, changed = np.random.default_rng(), rgb.copy()
    row, col = (int(random.integers(extent)) for extent in rgb.shape[:2])
    changed[row, col] = random.integers(256, size=3)
    return changed
