"""How good proposals are without a single label: every method beside the others.

Image by image, each method after the other, so that whatever else the machine does meets all of
them alike. Each runs in a process of its own.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import partial
from typing import Protocol

from rich.console import Console

from unseg_studio.bench.dividing import Proposal
from unseg_studio.bench.game import NoAnswerError
from unseg_studio.bench.outcomes import Outcome, results_of, scored
from unseg_studio.bench.own_process import OwnProcess, Serve, forget_peak, peak_mib
from unseg_studio.bench.records import LineFile
from unseg_studio.bench.screen import circumstances, progress, wide_console
from unseg_studio.bench.seats import tiny_image
from unseg_studio.bench.sets import Annotated, kind_of
from unseg_studio.bench.unsupervised_methods import Proposer, chosen_proposer
from unseg_studio.bench.unsupervised_plan import UnsupervisedPlan
from unseg_studio.bench.unsupervised_report import WIDTH, legend, overview, remarks, set_table
from unseg_studio.bench.unsupervised_verdict import verdict
from unseg_studio.data import Image
from unseg_studio.segmenters import resolve_device


class Runner(Protocol):
    """Who runs a method: this process or one of its own."""

    def run(self, image: Image, seed: int) -> tuple[Proposal, float, float]:
        """Give the proposal, its seconds and the most memory in MiB, NaN where nobody knows.

        Raises
        ------
        NoAnswerError
            If the method fails or does not return.
        """
        ...

    def close(self) -> None:
        """End what was begun."""
        ...


class RunnerAside:
    """A method in a process of its own, which is started when it is first needed.

    Before its first image it gets a tiny one, so that loading libraries does not count.
    """

    def __init__(self, name: str, device: str, *, limit: float) -> None:
        self._process = OwnProcess(partial(_running, name, device), limit=limit)

    def run(self, image: Image, seed: int) -> tuple[Proposal, float, float]:
        """See `Runner.run`."""
        self._process.begin()
        proposal, seconds, peak = self._process.ask(image, seed)
        return proposal, seconds, peak

    def close(self) -> None:
        """See `Runner.close`."""
        self._process.close()


def timed(proposer: Proposer, image: Image, seed: int) -> tuple[Proposal, float, float]:
    """Run a method here; see `Runner.run`."""
    forget_peak()
    began = time.perf_counter()
    proposal = proposer.propose(image, seed)
    return proposal, time.perf_counter() - began, peak_mib()


def _running(name: str, device: str) -> Serve:
    """What the other process answers with, once it is warm."""
    proposer = chosen_proposer(name, device)
    proposer.propose(tiny_image(), 0)
    return partial(timed, proposer)


def run_unsupervised(plan: UnsupervisedPlan) -> None:
    """Run, print the tables and write a file with a line for each image, method and seed.

    Raises
    ------
    OSError, ValueError
        If something that was asked for is not there or the file cannot be written, in a sentence.
    KeyboardInterrupt
        After the tables of what was run until then.
    """
    n_matches = plan.count_matches()
    if plan.device != "auto":
        resolve_device(plan.device)
    console = wide_console(WIDTH)
    file = LineFile(plan.csv, Outcome, goes_on=plan.goes_on)
    try:
        with file, progress() as bar, closing(_run_all(plan, file)) as matches:
            task = bar.add_task("", total=n_matches)
            for match in matches:
                bar.update(task, advance=1, description=match)
    except KeyboardInterrupt:
        _print_tables(console, plan, file.lines)
        console.print(
            f"Interrupted; what was run is in {file.part}, and the same command with --resume goes "
            "on from there."
        )
        raise
    _print_tables(console, plan, file.lines)
    _print_verdict(console, plan, file.lines)
    console.print(str(plan.csv))


def _run_all(plan: UnsupervisedPlan, file: LineFile[Outcome]) -> Generator[str, None, None]:
    """Every method on every image; gives the name of each match before it begins."""
    runners: dict[str, Runner] = {}
    done = {(line.set, line.image, line.method, line.seed) for line in file.lines}
    with ExitStack() as stack:
        for case, kind, proposer, seed in plan.matches():
            yield f"{case.set} {case.name} {proposer.name}"
            if (case.set, case.name, proposer.name, seed) in done:
                continue
            if proposer.name not in runners:
                runners[proposer.name] = stack.enter_context(closing(_runner(plan, proposer)))
            outcome = Outcome(case.set, case.name, proposer.name, seed)
            file.add([_run(outcome, case, kind, runner=runners[proposer.name])])


def _runner(plan: UnsupervisedPlan, proposer: Proposer) -> Runner:
    return RunnerAside(proposer.name, plan.device, limit=proposer.limit)


def _run(outcome: Outcome, case: Annotated, kind: str, *, runner: Runner) -> Outcome:
    try:
        proposal, seconds, peak = runner.run(case.image, outcome.seed)
    except NoAnswerError as error:
        return replace(outcome, note=str(error))
    measured = replace(outcome, seconds=seconds, peak_mib=peak)
    return scored(measured, case, kind, proposal=proposal)


def _print_tables(console: Console, plan: UnsupervisedPlan, lines: Iterable[Outcome]) -> None:
    results = results_of(lines)
    run = {result.set for result in results}
    kinds = {
        name: kind_of(manifest) for name, manifest in plan.chosen_sets().items() if name in run
    }
    for name, kind in kinds.items():
        console.print(set_table(name, kind, [r for r in results if r.set == name]))
    if len(kinds) > 1:
        console.print(overview(kinds, results))
    for sentence in (*legend(kinds), *remarks(results)):
        console.print(sentence)


def _print_verdict(console: Console, plan: UnsupervisedPlan, lines: Iterable[Outcome]) -> None:
    ours = {name for name, proposer in plan.chosen_methods().items() if proposer.is_ours}
    if plan.quick:
        console.print(
            f"This was a quick run to see that all works, on images of {plan.side} px; nothing "
            "is judged."
        )
    else:
        for sentence in verdict(results_of(lines), ours):
            console.print(sentence)
    for sentence in circumstances():
        console.print(sentence)
