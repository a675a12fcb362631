"""Scores as tables and as a plot."""

from __future__ import annotations

import io
import math
from collections.abc import Collection, Iterator, Sequence

from rich.table import Table

from unseg_studio.bench import cells
from unseg_studio.bench.game import Turn
from unseg_studio.bench.scores import GOOD, Reach, Score, by_set, scores_of

WIDTH = 134
"""Columns of text that the tables need."""

_COLUMNS_OF_PLOT = 3


def quality_table(set_: str, scores: Sequence[Score]) -> Table:
    """Mean IoU after each round and strokes to a good score: a line for each method."""
    rounds = [str(n) for n in range(len(scores[0].games[0].turns))]
    table = _table(
        f"{set_}: mean IoU after each round, strokes that made it worse, strokes to a good one"
    )
    for column in ("images", *rounds, "mean", "worse", *(f"to {iou:.2f}" for iou in GOOD)):
        table.add_column(column, justify="right")
    best = _best(scores)
    for score in scores:
        values = [*map(cells.share, [*score.per_round, score.mean]), cells.percent(score.worse)]
        reaches = [_reach(score.reach(iou)) for iou in GOOD]
        style = "bold" if score is best else ""
        table.add_row(score.method, _count(score), *values, *reaches, style=style)
    return table


def times_table(set_: str, scores: Sequence[Score]) -> Table:
    """Seconds and memory: a line for each method."""
    table = _table(f"{set_}: seconds p50 / p95, memory")
    columns = ("opening", "first update", "later update", "later first frame", "peak")
    for column in columns:
        table.add_column(column, justify="right")
    for score in scores:
        seconds = (score.opening, score.first_update, score.later_update, score.first_frame)
        table.add_row(score.method, *map(cells.times, seconds), cells.mib(score.peak_mib))
    return table


def human_table(turns: Sequence[Turn]) -> Table:
    """The strokes of people: a line for each method on each folder of strokes."""
    table = _table("strokes that people drew: mean IoU of one update with all of them")
    table.add_column("set")
    for column in ("images", "IoU", "seconds p50 / p95"):
        table.add_column(column, justify="right")
    for name, scores in _by_folder(turns).items():
        best = _best(scores)
        for score in scores:
            style = "bold" if score is best else ""
            iou, seconds = cells.share(score.mean), cells.times(score.first_update)
            table.add_row(score.method, name, _count(score), iou, seconds, style=style)
    return table


def remarks(scores: Sequence[Score]) -> Iterator[str]:
    """Why a method has no score on some images."""
    for score in scores:
        for note, count in score.notes.items():
            images = "image" if count == 1 else "images"
            yield f"{score.set}: {score.method} {note} on {count} {images}; not counted."


def plot(scores: Sequence[Score], ours: Collection[str]) -> bytes:
    """Mean IoU over the rounds, a panel for each set, as PNG; our own methods are thick."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    sets = by_set(scores)
    n_rows = -(-len(sets) // _COLUMNS_OF_PLOT)
    figure = Figure(figsize=(4 * _COLUMNS_OF_PLOT, 3 * n_rows), layout="constrained")
    panels = figure.subplots(n_rows, _COLUMNS_OF_PLOT, squeeze=False, sharey=True).ravel()
    colours = {name: f"C{i}" for i, name in enumerate(dict.fromkeys(s.method for s in scores))}
    for panel, (name, group) in zip(panels, sets.items(), strict=False):
        n_rounds = max(len(score.per_round) for score in group)
        panel.set(title=name, xlabel="round", ylim=(0, 1), xticks=range(n_rounds))
        for score in group:
            style = {"color": colours[score.method], "linewidth": 3 if score.method in ours else 1}
            panel.plot(score.per_round, marker=".", label=score.method, **style)
    panels[0].set_ylabel("mean IoU")
    for panel in panels[len(sets) :]:
        panel.set_axis_off()
    lines = {line.get_label(): line for panel in panels for line in panel.get_lines()}
    figure.legend([*lines.values()], [*lines], loc="outside lower center", ncols=len(lines))
    file = io.BytesIO()
    FigureCanvasAgg(figure)
    figure.savefig(file, format="png")
    return file.getvalue()


def _table(title: str) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("method")
    return table


def _by_folder(turns: Sequence[Turn]) -> dict[str, list[Score]]:
    """Set and folder -> a score for each method."""
    folders: dict[str, list[Turn]] = {}
    for turn in turns:
        folders.setdefault(f"{turn.set}/{turn.strokes_by}", []).append(turn)
    return {name: scores_of(group) for name, group in folders.items()}


def _best(scores: Sequence[Score]) -> Score | None:
    """The best mean of those that answered on the most images."""
    most = max(len(score.complete) for score in scores)
    whole = [score for score in scores if most and len(score.complete) == most]
    return max(whole, key=lambda score: score.mean, default=None)


def _count(score: Score) -> str:
    whole, played = len(score.complete), len(score.games)
    return str(whole) if whole == played else f"{whole} of {played}"


def _reach(reach: Reach) -> str:
    if math.isnan(reach.share):
        return "-"
    median = "never" if math.isinf(reach.median) else f"{reach.median:g}"
    return f"{median}, {reach.mean:.1f}, {cells.percent(reach.share)}"
