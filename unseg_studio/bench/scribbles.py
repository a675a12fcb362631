"""How good the scribbles are: the robot and people's strokes, every method beside the others.

Image by image, each method plays after the other, so that whatever else the machine does meets all
of them alike.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import ExitStack, closing
from functools import partial

from rich.console import Console

from unseg_studio.bench.game import ROBOT, Opponent, Turn, play, play_human
from unseg_studio.bench.methods import Method
from unseg_studio.bench.plan import Plan, require_extra
from unseg_studio.bench.records import Record
from unseg_studio.bench.report import (
    WIDTH,
    human_table,
    plot,
    quality_table,
    remarks,
    times_table,
)
from unseg_studio.bench.robot import categories_in
from unseg_studio.bench.scores import by_set, scores_of
from unseg_studio.bench.screen import circumstances, progress, wide_console
from unseg_studio.bench.seats import Seat, chosen_method
from unseg_studio.bench.sets import Case, unscored_strokes
from unseg_studio.bench.verdict import verdict
from unseg_studio.formats.atomic import write_bytes
from unseg_studio.segmenters import resolve_device

CSV, HUMAN_CSV, PLOT = "scribbles.csv", "scribbles_human.csv", "scribbles.png"


def run_scribbles(plan: Plan) -> None:
    """Play, print the tables and write scribbles.csv, scribbles_human.csv and scribbles.png.

    Raises
    ------
    OSError, ValueError
        If something that was asked for is not there or the files cannot be written, in a sentence.
    KeyboardInterrupt
        After the tables of what was played until then.
    """
    chosen = plan.chosen_methods()
    n_matches = plan.count_matches()
    require_extra(chosen)
    if plan.device != "auto":
        resolve_device(plan.device)
    console = wide_console(WIDTH)
    robot, human = _records(plan)
    try:
        matches = _play_all(plan, robot, human)
        with robot, human, progress() as bar, closing(matches):
            task = bar.add_task("", total=n_matches)
            for match in matches:
                bar.update(task, advance=1, description=match)
    except KeyboardInterrupt:
        _print_tables(console, plan, robot.turns, human.turns)
        console.print(
            f"Interrupted; what was played is in {robot.part} and {human.part}, and the same "
            "command with --resume goes on from there."
        )
        raise
    _print_tables(console, plan, robot.turns, human.turns)
    _print_verdict(console, plan, robot.turns)
    _write_plot(plan, robot.turns)
    for name in (CSV, HUMAN_CSV, PLOT):
        if (plan.out / name).exists():
            console.print(str(plan.out / name))


def _records(plan: Plan) -> tuple[Record, Record]:
    """The two files, with what an interrupted run has left where this one goes on.

    Raises
    ------
    ValueError
        If that does not belong to this plan.
    """
    robot, human = (Record(plan.out / name, goes_on=plan.goes_on) for name in (CSV, HUMAN_CSV))
    rounds = {len(game.turns) for score in scores_of(robot.turns) for game in score.games}
    if rounds - {plan.n_rounds}:
        raise ValueError(
            f"{robot.part} holds games of {max(rounds)} rounds, but this run has {plan.n_rounds}; "
            "go on with the same --rounds, or begin anew without --resume."
        )
    return robot, human


def _play_all(plan: Plan, robot: Record, human: Record) -> Generator[str, None, None]:
    """Every method on every image; gives the name of each match before it begins."""
    seats: dict[str, Seat] = {}
    with ExitStack() as stack:
        for case, method in plan.matches():
            yield f"{case.set} {case.name} {method.name}"
            if method.name not in seats:
                seats[method.name] = stack.enter_context(closing(_seat(plan, method)))
            seat = seats[method.name]
            if method.plays(len(categories_in(case.truth))):
                _play_robot(case, method, seat, record=robot, rounds=plan.n_rounds)
                _play_people(case, method, seat, record=human)


def _seat(plan: Plan, method: Method) -> Seat:
    return Seat(partial(chosen_method, method.name, plan.seed, plan.device), limit=method.limit)


def _play_robot(
    case: Case, method: Method, opponent: Opponent, *, record: Record, rounds: int
) -> None:
    if not record.has(method.name, (case.set, case.name), ROBOT):
        record.add(play(case, method.name, opponent, rounds=rounds))


def _play_people(case: Case, method: Method, opponent: Opponent, *, record: Record) -> None:
    for folder in case.strokes:
        if not record.has(method.name, (case.set, case.name), folder):
            record.add([play_human(case, method.name, opponent, strokes_by=folder)])


def _print_tables(console: Console, plan: Plan, robot: list[Turn], human: list[Turn]) -> None:
    scores = scores_of(robot)
    for name, group in by_set(scores).items():
        console.print(quality_table(name, group))
        console.print(times_table(name, group))
    if human:
        console.print(human_table(human))
        for sentence in _unscored(plan):
            console.print(sentence)
    for sentence in (*_legend(), *remarks(scores)):
        console.print(sentence)


def _legend() -> Iterator[str]:
    yield (
        "Strokes to a score: median, mean, share of the images that reached it; where it was not "
        "reached, the mean counts one stroke more than there could be. Best mean in bold."
    )


def _unscored(plan: Plan) -> Iterator[str]:
    if left_out := unscored_strokes(plan.data):
        images = ", ".join(f"{count} of {name}" for name, count in left_out.items())
        yield f"A person drew on more images, but they have no mask and are left out: {images}."


def _print_verdict(console: Console, plan: Plan, turns: list[Turn]) -> None:
    ours = {name for name, method in plan.chosen_methods().items() if method.is_ours}
    if plan.quick:
        console.print(
            f"This was a quick run to see that all works, on planes cut to {plan.side} px; margins "
            "are not judged."
        )
    else:
        for sentence in verdict(scores_of(turns), ours, rounds=plan.n_rounds):
            console.print(sentence)
    for sentence in circumstances():
        console.print(sentence)


def _write_plot(plan: Plan, turns: list[Turn]) -> None:
    ours = {name for name, method in plan.chosen_methods().items() if method.is_ours}
    if turns:
        write_bytes(plan.out / PLOT, plot(scores_of(turns), ours))
