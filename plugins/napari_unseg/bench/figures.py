"""Samples as lines of a table, beside what the design wants; needs neither Qt nor napari."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from rich.table import Table

Unit = Literal["ms", "ratio", "count", "MiB", "GB"]

UPDATED = "stroke: release to first new preview"
DRAWN = "stroke: the same, drawn on the canvas"
SETTLED = "stroke: release to settled preview"
HELD = "stroke: the release holds the window for"
BARE = "stroke: to first labels without napari"

ALONE = "slider: image alone"
PLAIN = "slider: with three ordinary labels layers"
WORKING = "slider: with the plugin at work"
TO_PLAIN = "slider: plugin / three ordinary labels layers"
TO_ALONE = "slider: plugin / image alone"
JOBS = "slider: jobs that were submitted"
READ = "slider: planes that the plugin read"

OPENED = "dock opened and drawn"
BLOCKED = "longest pause of the window while libraries load"
BEGUN = "'Segment this layer' to layers drawn"
LABELLED = "'Segment this layer' to first labels"

SIZE = "stack that lies elsewhere"
READ_WORKED = "planes of it that the plugin read, 3 worked on"
GREW_BEGIN = "memory for the first plane at work"
GREW_WORK = "memory for two more"
GREW_SCROLL = "memory for scrolling through 40 planes"

UNITS: dict[str, Unit] = {
    TO_PLAIN: "ratio", TO_ALONE: "ratio", JOBS: "count", READ: "count", SIZE: "GB",
    READ_WORKED: "count", GREW_BEGIN: "MiB", GREW_WORK: "MiB", GREW_SCROLL: "MiB",
}  # fmt: skip
"""Where it is not milliseconds, given as seconds."""

LIMITS: dict[tuple[str, int], float] = {
    (UPDATED, 50): 0.100, (UPDATED, 95): 0.200,
    (TO_PLAIN, 50): 1.15, (TO_PLAIN, 95): 1.30,
    (JOBS, 50): 0, (READ, 50): 0,
    (OPENED, 50): 1.0, (OPENED, 95): 1.0,
    (READ_WORKED, 50): 3,
}  # fmt: skip
"""What is wanted on two processor cores, by figure and percentile."""


@dataclass(frozen=True)
class Line:
    """One line of a table: a percentile beside its limit."""

    what: str
    percentile: int
    value: float
    limit: float | None = None

    @property
    def is_met(self) -> bool | None:
        """Whether the limit is kept; None where there is none."""
        return None if self.limit is None else self.value <= self.limit


def lines_of(which: str, samples: Mapping[str, Sequence[float]]) -> tuple[Line, ...]:
    """The lines of one measure: medians, and the 95th percentile of what was measured often."""
    lines = tuple(
        _line(what, at, float(np.percentile(found, at)))
        for what, found in samples.items()
        for at in ((50, 95) if len(found) > 1 else (50,))
    )
    return (*lines, *ratios(lines)) if which == "sliders" else lines


def ratios(lines: Iterable[Line]) -> Iterator[Line]:
    """Percentiles with the plugin over those without; moves in turn saw the same load."""
    found = {(line.what, line.percentile): line.value for line in lines}
    for name, without in ((TO_PLAIN, PLAIN), (TO_ALONE, ALONE)):
        for at in (50, 95):
            yield _line(name, at, found[WORKING, at] / found[without, at])


def _line(what: str, at: int, value: float) -> Line:
    return Line(what, at, value, LIMITS.get((what, at)))


def table(which: str, lines: Iterable[Line]) -> Table:
    """A table as it is printed."""
    shown = Table(title=which, title_justify="left")
    shown.add_column("what")
    for column in ("", "measured", "wanted"):
        shown.add_column(column, justify="right")
    shown.add_column("met")
    for line in lines:
        wanted = "" if line.limit is None else in_units(line.what, line.limit)
        met = {True: "yes", False: "NO", None: ""}[line.is_met]
        value = in_units(line.what, line.value)
        shown.add_row(line.what, f"p{line.percentile}", value, wanted, met)
    return shown


def in_units(what: str, value: float) -> str:
    """A figure as people read it."""
    match UNITS.get(what, "ms"):
        case "ms":
            return f"{value * 1000:.0f} ms"
        case "ratio":
            return f"{value:.2f}"
        case "count":
            return f"{value:.0f}"
        case unit:
            return f"{value:.1f} {unit}"


def verdict(lines: Sequence[Line]) -> Iterator[str]:
    """Which limits are met, in words."""
    for met, start in ((True, "Met"), (False, "Not met")):
        names = [f"{line.what}, p{line.percentile}" for line in lines if line.is_met is met]
        if names:
            yield f"{start}: {'; '.join(names)}."
