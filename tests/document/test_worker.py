"""The worker by itself: no Qt, no document, jobs that the test lets through step by step."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import torch

from unseg_studio.document import Failure, Fits, Frame, Worker
from unseg_studio.segmenters import Estimate

SECONDS = 20.0
LABELS = np.ones((2, 2), np.int32)


def frame(step: int, total: int) -> Frame:
    return Frame(LABELS, step, total, 0.0, 1, 0.0, is_last=step == total)


def estimate(step: int, total: int) -> Estimate:
    return Estimate(torch.zeros(1, 2, 2), (1001,), step, total, 0.0, is_last=step == total)


@dataclass(eq=False)
class Counted:
    """A job of `total` steps that makes a frame where one is wanted, and of the last."""

    total: int = 5
    fails_at: int = -1
    is_open: bool = True
    gate: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    arrived: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    ended: threading.Event = field(default_factory=threading.Event)
    made: list[int] = field(default_factory=list)
    thread: threading.Thread | None = None
    reached: int = 0

    def results(self, fits: Fits, wanted: Any) -> Generator[Frame | None, None, None]:
        self.thread = threading.current_thread()
        try:
            for step in range(1, self.total + 1):
                self.arrived.release()
                assert self.is_open or self.gate.acquire(timeout=SECONDS)
                if step == self.fails_at:
                    raise ArithmeticError("step failed")
                if step < self.total and not wanted(estimate(step, self.total)):
                    yield None
                    continue
                self.made.append(step)
                yield frame(step, self.total)
        finally:
            self.ended.set()

    def reaches(self, step: int) -> None:
        """Let the steps before this one through and wait until it stands before the gate."""
        while self.reached < step:
            if self.reached:
                self.gate.release()
            assert self.arrived.acquire(timeout=SECONDS)
            self.reached += 1


@pytest.fixture
def worker() -> Iterator[Worker]:
    worker = Worker()
    yield worker
    worker.close()


def taken(worker: Worker) -> Frame | Failure:
    assert worker.wait(SECONDS)
    result = worker.take()
    assert isinstance(result, (Frame, Failure))
    return result


def until_the_last(worker: Worker) -> list[int]:
    steps: list[int] = []
    while True:
        result = taken(worker)
        assert isinstance(result, Frame)
        steps.append(result.step)
        if result.is_last:
            return steps


def test_frames_come_in_order_and_the_last_one_always(worker: Worker) -> None:
    worker.submit(Counted(total=300))
    steps = until_the_last(worker)
    assert steps == sorted(set(steps))
    assert steps[-1] == 300


def test_nobody_looking_costs_one_frame_and_the_last(worker: Worker) -> None:
    job = Counted(total=50)
    worker.submit(job)
    assert job.ended.wait(SECONDS)
    assert job.made == [1, 50]
    assert taken(worker).step == 50  # type: ignore[union-attr]
    assert worker.take() is None


def test_a_frame_is_made_when_the_last_one_was_taken(worker: Worker) -> None:
    job = Counted(total=4, is_open=False)
    worker.submit(job)
    job.reaches(2)
    assert job.made == [1]
    assert taken(worker).step == 1  # type: ignore[union-attr]
    job.reaches(4)
    assert job.made == [1, 2]
    job.gate.release(9)


def test_the_newest_job_wins(worker: Worker) -> None:
    old, new = Counted(total=50, is_open=False), Counted(total=3)
    worker.submit(old)
    old.reaches(3)
    worker.submit(new)
    old.gate.release()
    assert old.ended.wait(SECONDS)
    assert until_the_last(worker)[-1] == 3
    assert 4 not in old.made


def test_a_job_that_was_superseded_before_it_began_never_begins(worker: Worker) -> None:
    running, waiting, newest = Counted(is_open=False), Counted(), Counted(total=2)
    worker.submit(running)
    running.reaches(1)
    worker.submit(waiting)
    worker.submit(newest)
    running.gate.release()
    assert until_the_last(worker)[-1] == 2
    assert waiting.thread is None


def test_cancel_ends_the_job_at_its_next_yield(worker: Worker) -> None:
    job = Counted(total=50, is_open=False)
    worker.submit(job)
    job.reaches(2)
    worker.cancel()
    job.gate.release(9)
    assert job.ended.wait(SECONDS)
    assert worker.take() is None
    assert max(job.made) <= 2


def test_frames_of_a_job_that_is_past_are_dropped(worker: Worker) -> None:
    old, new = Counted(total=9, is_open=False), Counted(total=9, is_open=False)
    worker.submit(old)
    old.reaches(2)
    assert worker.wait(SECONDS)  # its frame lies in the mailbox
    worker.submit(new)
    assert worker.take() is None
    old.gate.release()
    new.reaches(2)
    result = worker.take()
    assert isinstance(result, Frame) and result.total == 9
    assert new.made == [1]
    new.gate.release(9)


def test_a_failure_is_handed_over_and_the_next_job_works(worker: Worker) -> None:
    worker.submit(Counted(fails_at=1))
    result = taken(worker)
    assert isinstance(result, Failure)
    assert str(result.error) == "step failed"
    worker.submit(Counted(total=2))
    assert until_the_last(worker)[-1] == 2


def test_a_failure_of_a_job_that_is_past_is_nobodys_concern(worker: Worker) -> None:
    old, new = Counted(fails_at=1, is_open=False), Counted(total=2)
    worker.submit(old)
    old.reaches(1)
    worker.submit(new)
    old.gate.release()
    assert until_the_last(worker)[-1] == 2
    assert worker.take() is None


def test_a_failure_replaces_the_frame_before_it(worker: Worker) -> None:
    job = Counted(total=9, fails_at=4)
    worker.submit(job)
    assert job.ended.wait(SECONDS)
    worker.submit(Counted(total=1))
    assert until_the_last(worker) == [1]


def test_jobs_run_in_one_thread_that_is_not_the_asking_one(worker: Worker) -> None:
    first, second = Counted(), Counted()
    for job in (first, second):
        worker.submit(job)
        until_the_last(worker)
    assert first.thread is second.thread
    assert first.thread is not threading.current_thread()


def test_close_ends_the_thread_while_a_job_runs() -> None:
    worker, job = Worker(), Counted(total=10**9)
    worker.submit(job)
    assert job.arrived.acquire(timeout=SECONDS)
    worker.close()
    assert job.ended.is_set()
    assert job.thread is not None and not job.thread.is_alive()


def test_close_ends_an_idle_thread_and_may_be_repeated() -> None:
    worker = Worker()
    worker.close()
    worker.close()
    assert worker.take() is None


def test_waiting_for_nothing_ends(worker: Worker) -> None:
    assert not worker.wait(0.0)


def test_a_program_that_ends_while_a_job_runs_waits_for_its_next_yield() -> None:
    program = """
import threading
from unseg_studio.document import Worker
begun = threading.Event()
class Endless:
    def results(self, fits, wanted):
        try:
            while True:
                begun.set()
                yield None
        finally:
            print("the job was closed")
worker = Worker()
worker.submit(Endless())
begun.wait()
"""
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "the job was closed\n", "")
