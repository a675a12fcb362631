"""PiCIE's objective on tensors that are small enough to work out."""

from __future__ import annotations

from math import exp, log

import numpy as np
import pytest
import torch

from unseg_studio.segmenters.invariance import Division, shares_of


def equiangular(n: int) -> torch.Tensor:
    """Unit vectors that are all as far apart as n can be."""
    corners = torch.eye(n) - 1 / n
    return torch.nn.functional.normalize(corners, dim=1)


def division(n_clusters: int, clusters: torch.Tensor) -> Division:
    centroids = equiangular(n_clusters)
    return Division(torch.stack([centroids, centroids]), torch.stack([clusters, clusters]))


def even(n_clusters: int) -> torch.Tensor:
    return torch.ones(2, n_clusters)


def test_features_that_say_nothing_cost_the_logarithm_of_the_clusters() -> None:
    clusters = torch.arange(27)
    blank = torch.zeros(2, 27, 27)
    loss = division(27, clusters).loss(blank, clusters, even(27), 1.0)
    assert loss.item() == pytest.approx(log(27), abs=1e-4) == pytest.approx(3.296, abs=1e-3)


def test_without_temperature_the_loss_has_a_floor() -> None:
    clusters = torch.arange(27)
    perfect = torch.stack([equiangular(27)] * 2)
    loss = division(27, clusters).loss(perfect, clusters, even(27), 1.0)
    floor = log(1 + 26 * exp(-1 / 26 - 1))
    assert loss.item() == pytest.approx(floor, abs=1e-4) == pytest.approx(2.323, abs=1e-3)


def test_a_lower_temperature_lowers_the_floor() -> None:
    clusters = torch.arange(9)
    perfect = torch.stack([equiangular(9)] * 2)
    losses = [division(9, clusters).loss(perfect, clusters, even(9), t) for t in (1.0, 0.5, 0.1)]
    assert losses[0] > losses[1] > losses[2]
    assert losses[2] < 0.01


def test_both_views_are_asked_for_the_clusters_of_both() -> None:
    one, other = equiangular(4), equiangular(4)[[1, 0, 3, 2]]
    own, theirs = torch.tensor([0, 1, 2, 3]), torch.tensor([3, 2, 1, 0])
    divided = Division(torch.stack([one, other]), torch.stack([own, theirs]))
    points = torch.nn.functional.normalize(torch.randn(2, 4, 4), dim=2)
    crossed = [
        torch.nn.functional.cross_entropy(points[seen] @ centroids.T, clusters).item()
        for seen in (0, 1)
        for centroids, clusters in ((one, own), (other, theirs))
    ]
    loss = divided.loss(points, torch.arange(4), even(4), 1.0)
    assert loss.item() == pytest.approx(np.mean(crossed), abs=1e-5)


def test_only_the_places_of_an_update_count() -> None:
    clusters = torch.tensor([0, 1, 2, 0])
    points = torch.stack([equiangular(3)[[1, 2]]] * 2)
    loss = division(3, clusters).loss(points, torch.tensor([1, 2]), even(3), 0.1)
    wrong = division(3, clusters).loss(points, torch.tensor([0, 3]), even(3), 0.1)
    assert loss < 0.01 < 1 < wrong


def test_clusters_count_as_much_as_they_are_large_alike_or_the_less() -> None:
    clusters = torch.tensor([0] * 6 + [1] * 2)
    divided = division(3, clusters)
    published = divided.weights("frequency")
    assert torch.allclose(published[0, :2], torch.tensor([0.75, 0.25]))
    assert published[0, 2] < 0.25
    assert torch.equal(divided.weights("none"), torch.ones(2, 3))
    inverse = divided.weights("inverse")
    assert torch.allclose(inverse[0, 1] / inverse[0, 0], torch.tensor(3.0))
    assert torch.isfinite(inverse).all()


def test_each_view_is_divided_on_its_own() -> None:
    random = torch.Generator().manual_seed(0)
    truth = torch.arange(200) % 3
    points = torch.stack([equiangular(3)[truth], -equiangular(3)[truth]])
    points = points + 0.05 * torch.randn(2, 200, 3, generator=random)
    divided = Division.of(points, 3, np.random.default_rng(0))
    assert divided.centroids.shape == (2, 3, 3)
    for clusters in divided.clusters:
        joint = torch.bincount(truth * 3 + clusters, minlength=9)
        assert (joint > 0).sum() == 3
    assert not torch.allclose(divided.centroids[0], divided.centroids[1], atol=0.3)


def test_heads_count_by_the_logarithm_of_the_others_clusters() -> None:
    shares = shares_of([27, 100])
    assert shares[0] == pytest.approx(log(100) / (log(27) + log(100)))
    assert sum(shares) == pytest.approx(1)
    assert shares_of([27]) == [1.0]
