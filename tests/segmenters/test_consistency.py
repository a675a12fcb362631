"""Levels of foreground and their vote."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from unseg_studio.segmenters.consistency import (
    CLEAR,
    Level,
    loud_level,
    overlap,
    overlapping_level,
    parts_of,
    vote,
)


def heaps(*sizes: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Points around corners far from each other, and which corner each is at."""
    corner = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    grain = torch.from_numpy(np.random.default_rng(0).normal(0, 0.05, (len(corner), len(sizes))))
    return torch.eye(len(sizes))[corner] + grain.float(), corner


def random() -> np.random.Generator:
    return np.random.default_rng(1)


def test_objects_are_where_the_network_looks() -> None:
    points, corner = heaps(300, 60, 300)
    attention = torch.where(corner == 1, 2.0, -0.4)
    level = loud_level(points, attention, torch.zeros(len(points)), 3, random())
    assert torch.equal(level.odds(points) > 0, corner == 1)


def test_a_cluster_along_the_border_is_background_though_it_is_loud() -> None:
    points, corner = heaps(300, 60, 60)
    attention = torch.where(corner == 0, -0.4, 1.0)
    border = (corner == 2).float()
    level = loud_level(points, attention, border, 3, random())
    assert torch.equal(level.odds(points) > 0, corner == 1)


def test_there_is_an_object_where_nothing_is_loud() -> None:
    points, _ = heaps(50, 50)
    level = loud_level(points, torch.full((100,), -1.0), torch.zeros(100), 2, random())
    assert int(level.is_object.sum()) >= 1


def test_objects_are_the_clusters_that_overlap_the_level_above_best() -> None:
    points, corner = heaps(100, 100, 100, 100)
    noise = torch.from_numpy(random().random(400)) < 0.2
    foreground = (corner >= 2) ^ noise
    level = overlapping_level(points, foreground, 4, random())
    assert torch.equal(level.odds(points) > 0, corner >= 2)


def test_without_a_foreground_above_there_is_none() -> None:
    points, _ = heaps(40, 40)
    level = overlapping_level(points, torch.zeros(80, dtype=torch.bool), 2, random())
    assert (level.odds(points) == -CLEAR).all()


def test_one_kind_of_cluster_alone_is_sure() -> None:
    level = Level(torch.eye(2), torch.tensor([True, True]))
    assert (level.odds(torch.rand(5, 2)) == CLEAR).all()


@pytest.mark.parametrize("is_strict", [False, True])
def test_as_many_levels_as_wanted_must_agree(is_strict: bool) -> None:
    signs = torch.tensor(
        [[1.0 if i >> level & 1 else -1.0 for i in range(8)] for level in range(3)]
    )
    found = vote(*signs, is_strict=is_strict) > 0
    assert torch.equal(found, (signs > 0).sum(dim=0) >= (3 if is_strict else 2))


def test_an_image_that_contradicts_the_data_set_is_not_believed() -> None:
    dataset = torch.tensor([1.0, 1.0, -1.0, -1.0])
    assert torch.equal(vote(dataset, -dataset, -dataset, is_strict=False), dataset)


def test_overlap_is_the_intersection_over_the_union() -> None:
    one, other = torch.tensor([1, 1, 0, 0]).bool(), torch.tensor([0, 1, 1, 0]).bool()
    assert overlap(one, other) == pytest.approx(1 / 3)
    assert overlap(one & ~one, other & ~other) == 0


def test_parts_are_connected_and_crumbs_are_none() -> None:
    mask = np.zeros((10, 10), bool)
    mask[1:4, 1:4] = mask[6:9, 5:9] = mask[0, 9] = True
    parts, n_parts = parts_of([mask, ~mask], smallest=0.05)
    assert n_parts == 3
    assert len(np.unique(parts[1:4, 1:4])) == len(np.unique(parts[6:9, 5:9])) == 1
    assert parts[0, 9] == -1 and (parts[~mask] == 2).all()
