"""How good labels are on the other planes of a sequence: one plane is drawn on, then carried.

The robot draws on one plane; each method makes of it what it can on the others, without another
stroke. Only planes are scored on which nothing of the engine was fitted.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from rich.console import Console

from unseg_studio.bench.carrying_methods import ROUNDS, Method, Start, begun, methods
from unseg_studio.bench.carrying_report import (
    WIDTH,
    Outcome,
    by_distance_table,
    seconds_table,
    sequence_table,
    verdict,
)
from unseg_studio.bench.carrying_sets import SIDE, Sequence, known_sets, sequences_in
from unseg_studio.bench.plan import known_names
from unseg_studio.bench.records import LineFile
from unseg_studio.bench.robot import mean_iou
from unseg_studio.bench.screen import circumstances, progress, wide_console
from unseg_studio.segmenters import resolve_device

CSV, QUICK_CSV = "carry.csv", "carry_quick.csv"

QUICK_SIDE, QUICK_PLANES, QUICK_ROUNDS = 192, 4, 2


@dataclass(frozen=True)
class CarryPlan:
    """What to carry.

    Parameters
    ----------
    data, out : Path
        The folder of sets, and the folder for the file.
    sets : tuple of str
        Names; empty: all that are sequences.
    methods : tuple of str
        Names; empty: all.
    seed : int
        Of every method that draws random numbers.
    device : str
        Where the program's own methods compute, see `resolve_device`.
    quick : bool
        To see that it works, in less than two minutes.
    """

    data: Path
    out: Path
    sets: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    seed: int = 0
    device: str = "auto"
    quick: bool = False

    @property
    def csv(self) -> Path:
        """The file."""
        return self.out / (QUICK_CSV if self.quick else CSV)

    @property
    def rounds(self) -> int:
        """How often the robot draws."""
        return QUICK_ROUNDS if self.quick else ROUNDS

    @cached_property
    def chosen_sets(self) -> tuple[str, ...]:
        """What to read; raises OSError or ValueError where it is not there."""
        known = known_sets(self.data)
        return known_names(self.sets or known, known, "set")

    def chosen_methods(self) -> dict[str, Method]:
        """Name -> method; raises ValueError where there is none of a name."""
        known = methods(seed=self.seed, device=self.device)
        names = known_names(self.methods or tuple(known), known, "method")
        return {name: known[name] for name in names}

    def sequences(self) -> Generator[Sequence, None, None]:
        """One after the other."""
        side, planes = (QUICK_SIDE, QUICK_PLANES) if self.quick else (SIDE, None)
        yield from sequences_in(self.data, self.chosen_sets, side=side, planes=planes)

    def start(self, sequence: Sequence, number: int) -> Start:
        """A sequence of which one plane is finished."""
        return begun(sequence, number, rounds=self.rounds, seed=self.seed, device=self.device)


def run_carry(plan: CarryPlan) -> None:
    """Carry, print the tables and write a file with a line for each plane and method.

    Raises
    ------
    OSError, ValueError
        If something that was asked for is not there or the file cannot be written, in a sentence.
    """
    n_methods = len(plan.chosen_methods())
    if plan.device != "auto":
        resolve_device(plan.device)
    _ = plan.chosen_sets
    console = wide_console(WIDTH)
    file = LineFile(plan.csv, Outcome)
    with file, progress() as bar, closing(_carry_all(plan, file)) as done:
        task = bar.add_task("", total=None)
        for what in done:
            bar.update(task, advance=1 / n_methods, description=what)
    _print(console, plan, file.lines)


def _carry_all(plan: CarryPlan, file: LineFile[Outcome]) -> Generator[str, None, None]:
    """Every method from the first and from the middle plane of every sequence."""
    for sequence in plan.sequences():
        for origin, number in (("first", 0), ("middle", len(sequence.images) // 2)):
            yield f"{sequence.name}: drawing"
            start = plan.start(sequence, number)
            own = mean_iou(sequence.truths[number], start.labels)
            for name, method in plan.chosen_methods().items():
                yield f"{sequence.name} from the {origin}: {name}"
                file.add(_outcomes(start, origin, name, method=method, own=own))


def _outcomes(start: Start, origin: str, name: str, *, method: Method, own: float) -> list[Outcome]:
    sequence = start.sequence
    return [
        Outcome(
            *(sequence.set, sequence.name, origin, name),
            plane=number,
            distance=abs(number - start.number),
            iou=mean_iou(sequence.truths[number], labels),
            seconds=seconds if seconds > 0 else math.nan,
            origin_iou=own,
        )
        for number, labels, seconds in method(start)
    ]


def _print(console: Console, plan: CarryPlan, lines: list[Outcome]) -> None:
    for origin in ("first", "middle"):
        console.print(sequence_table(origin, [line for line in lines if line.origin == origin]))
    console.print(by_distance_table(lines))
    console.print(seconds_table(lines))
    if plan.quick:
        console.print(
            f"This was a quick run to see that all works, on planes of {QUICK_SIDE} px; nothing is "
            "judged."
        )
    else:
        for sentence in verdict(lines):
            console.print(sentence)
    for sentence in circumstances(where="all methods in one process"):
        console.print(sentence)
    console.print(str(plan.csv))
