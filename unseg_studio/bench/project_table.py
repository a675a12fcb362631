"""What trainings came to: lines of a file, and a table of their means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from statistics import fmean, stdev

from rich.table import Table


@dataclass(frozen=True)
class Line:
    """What one training came to.

    Parameters
    ----------
    set, method : str
        Which.
    seed, images, clusters : int
        Of the training.
    one_to_one, one_accuracy, many_to_one, many_accuracy, by_strokes, strokes_accuracy : float
        Mean IoU and accuracy of each way to name clusters.
    train_s, apply_s, peak_mib : float
        Seconds of the training and of labelling an image, most memory.
    problem : str
        Why there is none.
    """

    set: str
    method: str
    seed: int
    images: int
    clusters: int
    one_to_one: float = float("nan")
    one_accuracy: float = float("nan")
    many_to_one: float = float("nan")
    many_accuracy: float = float("nan")
    by_strokes: float = float("nan")
    strokes_accuracy: float = float("nan")
    train_s: float = float("nan")
    apply_s: float = float("nan")
    peak_mib: float = float("nan")
    problem: str = ""


def table(name: str, lines: Sequence[Line]) -> Table:
    """Means over the seeds, with their spread."""
    title = f"{name}: mean IoU (accuracy) of the clusters of a model in all images"
    shown = Table(title=title, title_justify="left")
    for column in ("method", "one to one", "many to one", "named by strokes",
                   "training s", "image s", "MiB"):  # fmt: skip
        shown.add_column(column, justify="left" if column == "method" else "right")
    for method in dict.fromkeys(line.method for line in lines):
        own = [line for line in lines if line.method == method and not line.problem]
        if not own:
            problem = next(line.problem for line in lines if line.method == method)
            shown.add_row(method, problem)
            continue
        mean = partial(_mean, own)
        shown.add_row(
            method,
            f"{mean('one_to_one')} {_spread_of(own)} ({mean('one_accuracy')})",
            f"{mean('many_to_one')} ({mean('many_accuracy')})",
            f"{mean('by_strokes')} ({mean('strokes_accuracy')})",
            f"{fmean(line.train_s for line in own):.1f}",
            f"{fmean(line.apply_s for line in own):.2f}",
            f"{max(line.peak_mib for line in own):.0f}",
        )
    return shown


def _mean(lines: Sequence[Line], field: str) -> str:
    return f"{fmean(getattr(line, field) for line in lines):.3f}"


def _spread_of(lines: Sequence[Line]) -> str:
    values = [line.one_to_one for line in lines]
    return f"± {stdev(values):.3f}" if len(values) > 1 else ""
