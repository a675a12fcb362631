"""Objectives against values computed by hand."""

from __future__ import annotations

import math

import pytest
import torch

from tests.recording import NoWaits
from unseg_studio.segmenters.losses import (
    UNSCRIBBLED,
    continuity,
    continuity_in_place,
    missed,
    objective,
    similarity,
)

LN3 = math.log(3)
RESPONSE = torch.tensor([[[0.0, 0.0], [LN3, 0.0]], [[0.0, LN3], [LN3, LN3]]])  # (2, 2, 2)
"""Softmax of the first score: 1/2 and 3/4 above, 1/4 and 1/2 below."""


def close(value: torch.Tensor, expected: float) -> None:
    assert value.shape == ()
    assert value.item() == pytest.approx(expected, abs=1e-6)


def test_similarity_is_the_mean_cross_entropy_with_the_targets() -> None:
    targets = torch.tensor([[0, 0], [0, 1]])
    probabilities = [1 / 2, 3 / 4, 1 / 4, 1 / 2]
    close(similarity(RESPONSE, targets), -sum(map(math.log, probabilities)) / 4)


def test_similarity_counts_only_pixels_that_have_a_target() -> None:
    targets = torch.tensor([[UNSCRIBBLED, 1], [1, UNSCRIBBLED]])
    close(similarity(RESPONSE, targets), -(math.log(1 / 4) + math.log(3 / 4)) / 2)


def test_similarity_with_no_target_at_all_is_nothing() -> None:
    close(similarity(RESPONSE, torch.full((2, 2), UNSCRIBBLED)), 0.0)


def test_continuity_is_the_mean_step_down_plus_the_mean_step_right() -> None:
    response = torch.tensor([[[0.0], [1.0]], [[3.0], [7.0]]])
    close(continuity(response), (3 + 6) / 2 + (1 + 4) / 2)


def test_continuity_is_a_mean_over_the_channels_too() -> None:
    response = torch.tensor([[[0.0], [1.0]], [[3.0], [-7.0]]])
    twice = torch.cat([response, torch.zeros_like(response)], dim=2)
    close(continuity(twice), continuity(response).item() / 2)


def test_without_scribbles_the_objective_is_similarity_and_continuity() -> None:
    labels = RESPONSE.argmax(dim=2)
    loss = objective(RESPONSE, labels, torch.full((2, 2), UNSCRIBBLED), mu=3.0, nu=100.0)
    close(loss, similarity(RESPONSE, labels).item() + 3 * continuity(RESPONSE).item())


def test_scribbled_pixels_follow_their_category_and_the_others_themselves() -> None:
    labels = torch.tensor([[0, 0], [1, 0]])
    targets = torch.tensor([[1, UNSCRIBBLED], [UNSCRIBBLED, 1]])
    own = -(math.log(3 / 4) + math.log(3 / 4)) / 2
    drawn = -(math.log(1 / 2) + math.log(1 / 2)) / 2
    loss = objective(RESPONSE, labels, targets, mu=0.0, nu=0.5)
    close(loss, own + 0.5 * drawn)
    weighted = objective(RESPONSE, labels, targets, mu=2.0, nu=0.5)
    close(weighted, own + 0.5 * drawn + 2 * continuity(RESPONSE).item())


def test_an_image_scribbled_all_over_has_a_finite_objective() -> None:
    targets = torch.zeros(2, 2, dtype=torch.int64)
    loss = objective(RESPONSE, RESPONSE.argmax(dim=2), targets, mu=1.0, nu=1.0)
    assert torch.isfinite(loss)


def test_gradients_pull_scribbled_pixels_to_their_category() -> None:
    response = torch.zeros(2, 2, 3, requires_grad=True)
    targets = torch.tensor([[2, UNSCRIBBLED], [UNSCRIBBLED, UNSCRIBBLED]])
    labels = torch.zeros(2, 2, dtype=torch.int64)
    objective(response, labels, targets, mu=0.0, nu=1.0).backward()
    assert response.grad is not None
    assert response.grad[0, 0, 2] < 0 < response.grad[0, 0, 0]
    assert response.grad[1, 1, 0] < 0 < response.grad[1, 1, 2]


@pytest.mark.parametrize("shape", [(2, 2, 1), (5, 7, 3), (31, 20, 6)])
def test_continuity_through_less_memory_has_the_same_value_and_gradient(
    shape: tuple[int, int, int],
) -> None:
    values, gradients = [], []
    for measure in (continuity, continuity_in_place):
        response = torch.randn(shape, generator=torch.Generator().manual_seed(1))
        response[0] = response[1]  # no step down
        response.requires_grad_()
        loss = 3 * measure(response)
        (gradient,) = torch.autograd.grad(loss, response)
        values.append(loss.detach())
        gradients.append(gradient)
    torch.testing.assert_close(*values, rtol=1e-5, atol=0)
    torch.testing.assert_close(*gradients, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("targets", ["all", "some", "none"])
def test_planes_and_pixels_miss_their_targets_alike(targets: str) -> None:
    random = torch.Generator().manual_seed(2)
    wanted = torch.randint(0, 4, (6, 5), generator=random)
    if targets != "all":
        wanted[torch.rand(6, 5, generator=random) < (0.5 if targets == "some" else 2)] = UNSCRIBBLED
    planes = torch.randn(4, 6, 5, generator=random)
    found = []
    for response in (planes.permute(1, 2, 0), planes.permute(1, 2, 0).contiguous()):
        scores = response.detach().requires_grad_()
        for measure in (lambda r: missed(r, wanted).sum(), continuity_in_place):
            loss = measure(scores)
            (gradient,) = torch.autograd.grad(loss, scores)
            assert gradient.stride() == scores.stride()
            found.append((loss.detach(), gradient))
        n = int((wanted != UNSCRIBBLED).sum())
        close(found[-2][0] / max(n, 1), similarity(scores, wanted).item())
    for one, other in zip(found[:2], found[2:], strict=True):
        torch.testing.assert_close(one, other)


def test_continuity_through_less_memory_asks_for_no_value() -> None:
    response = torch.randn(5, 4, 3, requires_grad=True)
    with NoWaits():
        torch.autograd.grad(continuity_in_place(response), response)
