"""Operations and bytes against a small case that was counted by hand."""

from __future__ import annotations

import pytest
import torch

from unseg_studio.bench.work import Ceilings, Work, finish, iteration_work, measured_ceilings

CPU = torch.device("cpu")
SMALL = {"width": 4, "n_conv": 2, "n_clusters": 5}


def test_a_plane_of_two_by_three_pixels() -> None:
    work = iteration_work((2, 3), **SMALL)
    # 6 pixels, a product and a sum: 9 x 3 x 4 twice, 9 x 4 x 4 and 4 x 5 three times.
    assert work.operations == 6 * 2 * (2 * 108 + 3 * 144 + 3 * 20)
    # 6 pixels of 4 bytes: 2 of 3 channels, 15 + 19 + 3 of 4 channels, 11 + 39 of 5 channels.
    assert work.bytes == 6 * 4 * (2 * 3 + 37 * 4 + 50 * 5)


@pytest.mark.parametrize(
    ("choice", "responses"),
    [({"is_scribbled": True}, 9), ({"on_cuda": False}, 20)],
)
def test_what_the_objective_adds(choice: dict[str, bool], responses: int) -> None:
    plain, other = iteration_work((2, 3), **SMALL), iteration_work((2, 3), **SMALL, **choice)
    assert other.operations == plain.operations
    assert other.bytes - plain.bytes == 6 * 4 * 5 * responses


def test_a_further_convolution() -> None:
    two, three = (iteration_work((2, 3), **{**SMALL, "n_conv": n}) for n in (2, 3))
    assert three.operations - two.operations == 6 * 2 * 3 * 144
    assert three.bytes - two.bytes == 6 * 4 * 19 * 4


def test_operations_are_those_of_the_convolutions_that_torch_counts() -> None:
    from torch.utils.flop_counter import FlopCounterMode

    from unseg_studio.segmenters import DiffCluster
    from unseg_studio.segmenters.response import seeded_network

    segmenter = DiffCluster(width=4, max_clusters=5, n_conv=2, size=0)
    net = seeded_network(3, segmenter)
    with FlopCounterMode(display=False) as counted:
        net(torch.rand(1, 3, 6, 7)).sum().backward()
    assert counted.get_total_flops() == iteration_work((6, 7), **SMALL).operations


def test_the_floor_is_the_slower_of_both() -> None:
    assert Ceilings(bytes=10.0, operations=100.0).floor(Work(operations=50, bytes=20)) == 2.0
    assert Ceilings(bytes=10.0, operations=10.0).floor(Work(operations=50, bytes=20)) == 5.0


def test_ceilings_are_measured_here() -> None:
    found = measured_ceilings(CPU, megabytes=4, side=64)
    assert found.bytes > 1e6 and found.operations > 1e6
    finish(CPU)
