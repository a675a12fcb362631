"""Carried labels as tables, and whether ours are the best."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from rich.table import Table

from unseg_studio.bench import cells
from unseg_studio.bench.carrying_methods import OURS
from unseg_studio.bench.scores import Times

WIDTH = 180
"""Columns of text that the tables need."""

TIE = 0.005
"""Mean IoU; a smaller lead is none."""

DISTANCES = ((1, 1), (2, 3), (4, 7), (8, 15), (16, 31))
"""Planes between origin and target, from and to."""


@dataclass(frozen=True)
class Outcome:
    """What a method made of one plane: a line of the file.

    Parameters
    ----------
    set, sequence, origin, method : str
        What was carried, from its "first" or "middle" plane, and how.
    plane, distance : int
        The target, and how many planes it lies away from the origin.
    iou : float
        Mean over the categories of the target.
    seconds : float
        For this plane; NaN where there was nothing to do.
    origin_iou : float
        Of the finished plane itself.
    """

    set: str
    sequence: str
    origin: str
    method: str
    plane: int
    distance: int
    iou: float
    seconds: float
    origin_iou: float


def sequence_table(origin: str, lines: Sequence[Outcome]) -> Table:
    """Mean IoU of each sequence: a line for each method, the best of a sequence marked."""
    titles = [*dict.fromkeys(line.sequence for line in lines)]
    table = _table(f"carried from the {origin} plane: mean IoU of the others (best marked *)")
    for title in (*titles, "mean"):
        table.add_column(title, justify="right")
    best = {title: max(_means(lines, title).values()) for title in titles}
    own = {line.sequence: line.origin_iou for line in lines}
    table.add_row("(the plane itself)", *(cells.share(own[title]) for title in titles), "")
    for method in _methods(lines):
        means = [_means(lines, title)[method] for title in titles]
        marked = [
            cells.share(mean) + ("*" if mean >= best[title] else " ")
            for title, mean in zip(titles, means, strict=True)
        ]
        style = "bold" if method == OURS else ""
        table.add_row(method, *marked, cells.share(_mean(means)), style=style)
    return table


def by_distance_table(lines: Sequence[Outcome]) -> Table:
    """Mean IoU by how far the targets lie away: a line for each method."""
    table = _table("mean IoU by distance in planes, over all sequences and both origins")
    known = [reach for reach in DISTANCES if _within(lines, reach)]
    for low, high in known:
        table.add_column(f"{low}" if low == high else f"{low}-{high}", justify="right")
    for method in _methods(lines):
        own = [line for line in lines if line.method == method]
        shares = [cells.share(_mean(line.iou for line in _within(own, r))) for r in known]
        table.add_row(method, *shares, style="bold" if method == OURS else "")
    return table


def seconds_table(lines: Sequence[Outcome]) -> Table:
    """Seconds for each plane: a line for each method."""
    titles = [*dict.fromkeys(line.sequence for line in lines)]
    table = _table("seconds a plane, p50 / p95")
    for title in titles:
        table.add_column(title, justify="right")
    for method in _methods(lines):
        times = [
            Times.of(x.seconds for x in lines if (x.method, x.sequence) == (method, title))
            for title in titles
        ]
        table.add_row(method, *map(cells.times, times), style="bold" if method == OURS else "")
    return table


def verdict(lines: Sequence[Outcome]) -> Iterator[str]:
    """Say on which sequences our own labels are the best, and where they are not."""
    rivals = [method for method in _methods(lines) if method != OURS]
    if not rivals or len(rivals) == len(_methods(lines)):
        yield f"Nothing is judged: it takes {OURS} and a baseline."
        return
    leads = [*_leads(lines)]
    behind = [f"{what} {lead:+.3f} to {rival}" for what, lead, rival in leads if lead < -TIE]
    ahead = sum(lead > TIE for _, lead, _ in leads)
    level = len(leads) - ahead - len(behind)
    yield (
        f"Beside the best baseline of each sequence, {OURS} is ahead in {ahead}, level "
        f"(within {TIE:g}) in {level} and behind in {len(behind)} of {len(leads)}."
    )
    if behind:
        yield f"Behind: {'; '.join(behind)}."


def _leads(lines: Sequence[Outcome]) -> Iterator[tuple[str, float, str]]:
    """Sequence and origin, our lead there over the best baseline, and which that is."""
    for origin in dict.fromkeys(line.origin for line in lines):
        own = [line for line in lines if line.origin == origin]
        for title in dict.fromkeys(line.sequence for line in own):
            means = _means(own, title)
            ours = means.pop(OURS)
            rival = max(means, key=lambda method: means[method])
            yield f"{title} from the {origin}", ours - means[rival], rival


def _table(title: str) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("method")
    return table


def _methods(lines: Iterable[Outcome]) -> list[str]:
    return [*dict.fromkeys(line.method for line in lines)]


def _means(lines: Sequence[Outcome], title: str) -> dict[str, float]:
    """Method -> mean IoU on one sequence."""
    return {
        method: _mean(x.iou for x in lines if (x.method, x.sequence) == (method, title))
        for method in _methods(lines)
    }


def _within(lines: Sequence[Outcome], reach: tuple[int, int]) -> list[Outcome]:
    return [line for line in lines if reach[0] <= line.distance <= reach[1]]


def _mean(values: Iterable[float]) -> float:
    known = [*values]
    return float(np.mean(known)) if known else math.nan
