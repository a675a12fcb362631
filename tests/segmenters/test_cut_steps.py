"""Steps of a cut: none waits for the device, and a recording of them does what they do."""

from __future__ import annotations

import pytest
import torch

from tests.recording import NoWaits, Tape
from unseg_studio.segmenters import cut_steps, cuts
from unseg_studio.segmenters.cut_steps import Aim, CutSteps, Rest
from unseg_studio.segmenters.descent import AdamW
from unseg_studio.segmenters.iterations import Pace

N_NODES, N_FEATURES, K = 30, 6, 3


def aim(shift: float = 0.0, *, is_scribbled: bool = True) -> Aim:
    features = (
        torch.linspace(-1, 1, N_NODES * N_FEATURES).reshape(N_NODES, N_FEATURES).sin() + shift
    )
    weights = cuts.cosine_affinity(features).clamp_min(0)
    targets = torch.full((N_NODES,), -1)
    targets[:3], targets[-3:] = 0, 1
    return Aim(features, weights, None, targets if is_scribbled else None)


def objective(aim: Aim, logits: torch.Tensor, shares: torch.Tensor) -> torch.Tensor:
    assert aim.weights is not None
    loss = cuts.ncut_loss(aim.weights, shares)
    if aim.targets is None:
        return loss
    return loss + torch.nn.functional.cross_entropy(logits, aim.targets, ignore_index=-1)


def made(
    *, recorder: Tape | None = None, is_still: bool = False, dropout: float = 0.0
) -> tuple[CutSteps, torch.nn.Sequential]:
    torch.manual_seed(3)
    net = cuts.network(N_FEATURES, K, dropout=dropout)
    descent = AdamW(net.parameters(), 0.01, is_still=is_still)
    steps = CutSteps(net, descent, aim(), objective, dropout=dropout, seed=5, recorder=recorder)
    return steps, net


def losses(steps: CutSteps, budget: int = 12, shift: float = 0.0) -> list[float]:
    return [*steps.run(aim(shift), budget, Rest(0), n_done=0)]


def test_a_step_waits_for_nothing() -> None:
    steps, _ = made(is_still=True)
    with NoWaits():
        steps._take()


def test_a_step_with_dropout_waits_for_nothing_either() -> None:
    steps, _ = made(recorder=Tape(), is_still=True, dropout=0.25)
    steps._draw(0)
    with NoWaits():
        steps._take()


@pytest.mark.parametrize("dropout", [0.0, 0.25])
def test_a_recording_gives_the_losses_of_the_steps(dropout: float) -> None:
    tape = Tape()
    recorded, net = made(recorder=tape, is_still=True, dropout=dropout)
    plain, other = made(recorder=Tape(fails="no"), is_still=True, dropout=dropout)
    for shift in (0.0, 0.4):  # a second aim of the kind takes the same recording
        assert losses(recorded, shift=shift) == pytest.approx(losses(plain, shift=shift), abs=1e-6)
        torch.testing.assert_close(recorded.shares, plain.shares)
    assert (tape.n_recorded, tape.n_replayed) == (1, 24)
    for one, two in zip(net.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(one, two)


def test_the_processor_takes_the_same_steps_as_ever() -> None:
    steps, net = made(dropout=0.0)
    found = losses(steps)
    torch.manual_seed(3)
    plain = cuts.network(N_FEATURES, K, dropout=0.0)
    descent, expected = AdamW(plain.parameters(), 0.01), []
    for _ in range(12):
        logits = plain(aim().inputs)
        loss = objective(aim(), logits, logits.softmax(dim=1))
        descent.step(loss)
        expected.append(loss.item())
    assert found == expected[cut_steps.STRIDE - 1 :: cut_steps.STRIDE]
    assert all(map(torch.equal, net.parameters(), plain.parameters()))


def test_losses_are_read_late_and_still_end_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Pace, "of", lambda _device: Pace(delay=4, stride=8))
    steps, _ = made(recorder=Tape(), is_still=True)
    shown = [*steps.run(aim(), 20, Rest(0), n_done=0)]
    assert (len(shown), steps.n_taken) == (3, 20)  # 8, 16 and the last
    monkeypatch.setattr(cut_steps, "RESTING_LOSS", 1e9)  # every loss rests
    assert len([*steps.run(aim(), 50, Rest(3), n_done=0)]) == 1
    assert 3 <= steps.n_taken <= 8


def test_what_was_shown_is_not_changed_by_later_steps() -> None:
    steps, _ = made(recorder=Tape(), is_still=True)
    run = steps.run(aim(), 2 * cut_steps.STRIDE, Rest(0), n_done=0)
    next(run)
    first = steps.shares
    kept = first.clone()
    next(run)
    assert torch.equal(first, kept)
    assert not torch.equal(first, steps.shares)


def test_large_affinities_are_those_of_one_product(monkeypatch: pytest.MonkeyPatch) -> None:
    features = aim().inputs
    whole = [cuts.cosine_affinity(features), cuts.published_affinity(features, k_less=True)]
    monkeypatch.setattr(cuts, "BLOCK", 7)
    blocks = [cuts.cosine_affinity(features), cuts.published_affinity(features, k_less=True)]
    for one, other in zip(whole, blocks, strict=True):
        torch.testing.assert_close(one, other)
