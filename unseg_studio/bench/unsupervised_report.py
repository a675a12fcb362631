"""Results without labels as tables."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from rich.table import Table

from unseg_studio.bench import cells
from unseg_studio.bench.outcomes import MEASURES, Measure, Result, Spread

WIDTH = 158
"""Columns of text that the tables need."""


def set_table(name: str, kind: str, results: Sequence[Result]) -> Table:
    """All scores on one set, times and memory: a line for each method."""
    measures = MEASURES[kind]
    table = Table(title=f"{name}: mean ± deviation over seeds", title_justify="left")
    table.add_column("method")
    counts = ("labels", "parts", "follows") if kind == "region" else ("labels",)
    titles = (measure.title for measure in measures)
    for column in ("images", "seeds", *titles, *counts, "seconds p50 / p95", "peak"):
        table.add_column(column, justify="right")
    best = {measure.name: _best(results, measure) for measure in measures}
    for result in results:
        scores = (
            _marked(spread(result.value(measure)), is_best=best[measure.name] is result)
            for measure in measures
        )
        said = {
            "labels": f"{result.mean('n_labels'):.1f}",
            "parts": f"{result.mean('n_parts'):.0f}",
            "follows": cells.share(result.follows),
        }
        table.add_row(
            result.method,
            _count(result),
            str(result.n_seeds),
            *scores,
            *(said[column] for column in counts),
            cells.times(result.seconds),
            cells.mib(result.peak_mib),
        )
    return table


def overview(kinds: dict[str, str], results: Sequence[Result]) -> Table:
    """The most important score on every set, side by side: a line for each method.

    Parameters
    ----------
    kinds : dict of str to str
        Set -> kind, of the columns.
    results : sequence of Result
        Of a whole run.
    """
    table = Table(title="side by side, means over seeds", title_justify="left")
    table.add_column("method")
    for name, kind in kinds.items():
        table.add_column(f"{name}\n{MEASURES[kind][0].title}", justify="right")
    found = {(result.method, result.set): result for result in results}
    for method in dict.fromkeys(result.method for result in results):
        scores = []
        for name, kind in kinds.items():
            result, measure = found.get((method, name)), MEASURES[kind][0]
            best = _best([r for r in results if r.set == name], measure)
            text = "-" if result is None else cells.share(result.value(measure).mean)
            scores.append(_marked(text, is_best=result is not None and result is best))
        table.add_row(method, *scores)
    return table


def legend(kinds: dict[str, str]) -> Iterator[str]:
    """What the columns mean."""
    if "region" in kinds.values():
        yield (
            "all, fine, coarse: best IoU of each true segment with a connected part of the labels, "
            "pooled over the segments of all images; of every annotation, of the one with the most "
            "segments, of the one with the fewest. follows: rank correlation of the number of "
            "labels with that of true segments."
        )
    if "fg-bg" in kinds.values():
        yield (
            "CorLoc: share of the images on which the box of the largest part found has an IoU of "
            "0.5 or more with that of an object. Where labels do not say what is object, it is "
            "what keeps away from the border."
        )
    if "semantic" in kinds.values():
        yield (
            "mIoU: clusters named by the truth, image by image, each by the category it overlaps "
            "most, or at most one for each category."
        )
    yield "* marks the best of the methods that answered on the most images."


def remarks(results: Sequence[Result]) -> Iterator[str]:
    """Why a method has no score on some images."""
    for result in results:
        for note, count in result.notes.items():
            runs = "run" if count == 1 else "runs"
            yield f"{result.set}: {result.method} {note} in {count} {runs}; not counted."


def spread(value: Spread) -> str:
    """Mean and, for several seeds, deviation."""
    if math.isnan(value.deviation):
        return cells.share(value.mean)
    return f"{cells.share(value.mean)} ±{cells.share(value.deviation)}"


def _marked(text: str, *, is_best: bool) -> str:
    return f"*{text}" if is_best else text


def _best(results: Sequence[Result], measure: Measure) -> Result | None:
    """The best of those that answered on the most images."""
    most = max((result.n_answered for result in results), default=0)
    whole = [result for result in results if most and result.n_answered == most]
    sign = -1 if measure.less_is_better else 1
    return max(whole, key=lambda result: sign * result.value(measure).mean, default=None)


def _count(result: Result) -> str:
    whole, run = result.n_answered, result.n_images
    return str(whole) if whole == run else f"{whole} of {run}"
