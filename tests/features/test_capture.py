"""Steps that are recorded once and replayed, with a stand-in for the device that records."""

from __future__ import annotations

import pytest
import torch

from tests.recording import NoWaits, Tape, WaitsError
from unseg_studio.features.capture import CaptureShelf, capture, rounded_convolutions

CPU = torch.device("cpu")


class Counting:
    """Adds a step to a sum, and keeps the square of it where it was when this was recorded."""

    def __init__(self) -> None:
        self.sum, self.square = torch.zeros(2), torch.zeros(2)
        self.n_run = 0

    def __call__(self) -> None:
        self.n_run += 1
        self.sum.add_(1)
        self.square = self.sum * self.sum


def test_where_nothing_records_the_step_itself_runs() -> None:
    step = Counting()
    captured = capture(step, [step.sum], CPU)
    assert step.n_run == 0 and not captured.is_replayed and not captured.note
    captured()
    assert step.n_run == 1 and step.sum.tolist() == [1, 1]


def test_a_recording_runs_no_python_and_gives_results_where_they_were() -> None:
    step, tape = Counting(), Tape()
    captured = capture(step, [step.sum], CPU, recorder=tape)
    ran, square = step.n_run, step.square
    start = step.sum[0].item()
    for number in range(1, 4):
        captured()
        assert square.tolist() == [(start + number) ** 2] * 2
    assert captured.is_replayed and step.n_run == ran and tape.n_replayed == 3


def test_steps_that_warm_up_are_undone() -> None:
    step = Counting()
    capture(step, [step.sum], CPU, recorder=Tape())
    assert step.sum.tolist() == [0, 0]


def test_what_cannot_be_recorded_runs_one_by_one_and_says_why() -> None:
    step = Counting()
    captured = capture(step, [step.sum], CPU, recorder=Tape("operation not permitted.\nat x"))
    assert not captured.is_replayed
    assert captured.note == (
        "Steps run one by one, which is slower: they could not be recorded (operation not "
        "permitted)."
    )
    assert step.sum.tolist() == [0, 0]
    captured()
    assert step.sum.tolist() == [1, 1]


@pytest.mark.parametrize(
    "asks",
    [
        lambda t: t.sum().item(),
        lambda t: bool(t.any()),
        lambda t: torch.unique(t),
        lambda t: t[t > 1],
        lambda t: t.nonzero(),
    ],
)
def test_the_stand_in_refuses_what_a_device_would_wait_for(asks) -> None:
    with pytest.raises(WaitsError), NoWaits():
        asks(torch.arange(4.0))
    step = capture(lambda: asks(torch.arange(4.0)), [], CPU, recorder=Tape())
    assert "waits for the device" in step.note


def test_a_shelf_keeps_what_was_used_last() -> None:
    shelf, made = CaptureShelf[str](2), []

    def make(key: str) -> str:
        return shelf.get(key, lambda: made.append(key) or key)

    assert [make(key) for key in "abacab"] == list("abacab")
    assert made == ["a", "b", "c", "b"]
    assert len(shelf) == 2
    shelf.clear()
    assert len(shelf) == 0


def test_rounding_is_nobody_elses_setting() -> None:
    before = torch.backends.cudnn.allow_tf32
    with rounded_convolutions(CPU, allowed=not before):
        assert torch.backends.cudnn.allow_tf32 == before
    with rounded_convolutions(torch.device("cuda"), allowed=not before):
        assert torch.backends.cudnn.allow_tf32 != before
    assert torch.backends.cudnn.allow_tf32 == before
