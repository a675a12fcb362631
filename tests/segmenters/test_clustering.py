"""k-means in mini-batches finds what lies together."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from unseg_studio.segmenters import clustering
from unseg_studio.segmenters.clustering import lloyd, minibatch_kmeans, nearest

CENTRES = torch.tensor([[0.0, 0.0], [4.0, 0.0], [0.0, 4.0], [4.0, 4.0]])


def blobs(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(0)
    truth = torch.arange(n) % len(CENTRES)
    return CENTRES[truth] + 0.3 * torch.randn(n, 2, generator=random), truth


@pytest.mark.parametrize("n_points", [400, 5 * clustering.FIRST])
def test_blobs_are_found_in_one_batch_and_in_many(n_points: int) -> None:
    points, truth = blobs(n_points)
    centroids = minibatch_kmeans(points, 4, np.random.default_rng(1))
    assert torch.cdist(CENTRES, centroids).min(dim=1).values.max() < 0.1
    clusters = nearest(points, centroids)
    for blob in range(4):
        assert len(set(clusters[truth == blob].tolist())) == 1


def test_points_after_the_first_move_the_centroids(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clustering, "FIRST", 10)
    monkeypatch.setattr(clustering, "BATCH", 7)
    points, _ = blobs(400)
    (centroid,) = minibatch_kmeans(points, 1, np.random.default_rng(0))
    assert torch.allclose(centroid, points.mean(dim=0), atol=1e-5)


def test_fewer_different_points_than_clusters_are_no_trouble() -> None:
    points = torch.ones(5, 3)
    centroids = minibatch_kmeans(points, 8, np.random.default_rng(0))
    assert centroids.shape == (8, 3)
    assert torch.equal(centroids, torch.ones(8, 3))


def test_clusters_that_are_known_keep_their_order() -> None:
    points, _ = blobs(400)
    start = CENTRES[[2, 0, 3, 1]] + 0.5
    found = minibatch_kmeans(points, 4, np.random.default_rng(0), start=start)
    assert torch.cdist(found, start).argmin(dim=1).tolist() == [0, 1, 2, 3]
    assert (found - CENTRES[[2, 0, 3, 1]]).abs().max() < 0.1


def test_the_same_seed_gives_the_same_centroids() -> None:
    points, _ = blobs(300)
    one, other = (minibatch_kmeans(points, 5, np.random.default_rng(3)) for _ in range(2))
    assert torch.equal(one, other)


def test_a_step_never_makes_the_distances_longer() -> None:
    points, _ = blobs(300)
    centroids = points[:6]
    lengths = []
    for _ in range(6):
        lengths.append(float(torch.cdist(points, centroids).min(dim=1).values.square().sum()))
        centroids = lloyd(points, centroids, 1)
    assert lengths == sorted(lengths, reverse=True)
    assert lengths[-1] < lengths[0]


def test_a_centroid_without_points_stays() -> None:
    points = torch.zeros(4, 2)
    far = torch.tensor([[0.1, 0.0], [9.0, 9.0]])
    assert torch.equal(lloyd(points, far, 3)[1], far[1])
