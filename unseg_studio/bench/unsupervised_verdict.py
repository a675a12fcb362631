"""What our methods must reach without labels, and whether they do, in sentences."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from unseg_studio.bench.outcomes import MEASURES, Measure, Result
from unseg_studio.bench.unsupervised_methods import BLANK

REGION_SET = "bsds500_test"

N_REGION_IMAGES = 60
"""The images of that set that the figures below are of."""

BLANK_ROW = {"all": 0.0471, "fine": 0.0246, "coarse": 0.1101}
"""What the measures must give for one constant label: else they are not those that are meant."""

WANTED = {"all": 0.364, "fine": 0.357, "coarse": 0.420}
"""To be exceeded, with one setting for all three: the best that was published without guidance by
labels."""

DIVIDERS = ("kmeans-5", "kmeans-17", "felzenszwalb-100", "felzenszwalb-500")
"""To be exceeded in covering and adjusted Rand index."""

OBJECT_SETS = ("voc_fgbg", "grabcut")

MARGINS = {"grabcut-frame": 0.10, "spectral-5": 0.0}
"""Method -> IoU of the object that is wanted above its own."""


@dataclass(frozen=True)
class Demand:
    """One thing that a method must reach.

    Parameters
    ----------
    what : str
        Set, measure and, where there is one, rival.
    reached, wanted : float
        The second is to be exceeded.
    """

    what: str
    reached: float
    wanted: float

    @property
    def is_kept(self) -> bool:
        """Whether it is met."""
        return self.reached > self.wanted

    def __str__(self) -> str:
        return f"{self.what} {self.reached:.3f} (above {self.wanted:.3f})"


def verdict(results: Sequence[Result], ours: Collection[str]) -> Iterator[str]:
    """Say which demands our methods keep, each for itself.

    Parameters
    ----------
    results : sequence of Result
        Of a whole run.
    ours : collection of str
        Names of the program's own methods.
    """
    yield from blank_check(results)
    for method in dict.fromkeys(r.method for r in results if r.method in ours):
        found = [*demands(results, method)]
        for kept, start in ((True, "keeps"), (False, "does not keep")):
            if named := [str(demand) for demand in found if demand.is_kept is kept]:
                yield f"{method} {start}: {'; '.join(named)}."


def blank_check(results: Sequence[Result]) -> Iterator[str]:
    """Whether the measures are those that are meant, by what a blank prediction gets."""
    blank = _of(results, REGION_SET, BLANK)
    if blank is None:
        return
    values = {name: blank.value(_measure(name)).mean for name in BLANK_ROW}
    said = " / ".join(f"{value:.4f}" for value in values.values())
    wanted = " / ".join(f"{value:.4f}" for value in BLANK_ROW.values())
    if blank.n_images != N_REGION_IMAGES:
        yield (
            f"A blank prediction has {said} on these {blank.n_images} images of {REGION_SET}; on "
            f"its {N_REGION_IMAGES} it must have {wanted}."
        )
        return
    same = all(math.isclose(values[name], BLANK_ROW[name], abs_tol=5e-5) for name in values)
    yield (
        f"A blank prediction has {said} on {REGION_SET}, "
        + ("as it must." if same else f"but it must have {wanted}: the measures are not right.")
    )


def demands(results: Sequence[Result], method: str) -> Iterator[Demand]:
    """Everything that a method can be held against in these results."""
    if (own := _of(results, REGION_SET, method)) is not None:
        for name, wanted in WANTED.items():
            yield Demand(f"{REGION_SET} {name}", own.value(_measure(name)).mean, wanted)
        for name in ("covering", "adjusted_rand"):
            yield from _above(results, own, _measure(name), margins=dict.fromkeys(DIVIDERS, 0.0))
    for set_ in OBJECT_SETS:
        if (own := _of(results, set_, method)) is not None:
            yield from _above(results, own, _measure("foreground_iou"), margins=MARGINS)


def _above(
    results: Sequence[Result], own: Result, measure: Measure, *, margins: dict[str, float]
) -> Iterator[Demand]:
    reached = own.value(measure).mean
    for rival, margin in margins.items():
        if (theirs := _of(results, own.set, rival)) is not None:
            wanted = theirs.value(measure).mean + margin
            more = f" + {margin:.2f}" if margin else ""
            yield Demand(f"{own.set} {measure.title} beside {rival}{more}", reached, wanted)


def _of(results: Sequence[Result], set_: str, method: str) -> Result | None:
    """The result of a method on a set, if it has a score there."""
    there = (r for r in results if (r.set, r.method) == (set_, method) and r.answered)
    return next(there, None)


def _measure(name: str) -> Measure:
    return next(m for measures in MEASURES.values() for m in measures if m.name == name)
