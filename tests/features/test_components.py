from __future__ import annotations

import pytest
import torch

from unseg_studio.features.components import WIDTH, main_components, unit

SHAPE = (23, 31)


def some_levels(*shapes: tuple[int, int, int]) -> tuple[torch.Tensor, ...]:
    """Smooth features whose directions differ in strength, so that the main ones are clear."""
    torch.manual_seed(0)
    made = []
    for channels, height, width in shapes:
        strengths = 0.6 ** torch.arange(channels, dtype=torch.float32)
        made.append(torch.randn(channels, height, width) * strengths[:, None, None] + 0.3)
    return tuple(made)


def enlarged_first(levels: tuple[torch.Tensor, ...], shape: tuple[int, int]) -> torch.Tensor:
    """The same components the long way: every level enlarged, then a decomposition of it all."""
    planes = []
    for level in levels:
        plane = torch.nn.functional.interpolate(
            unit(level)[None].double(), shape, mode="bilinear", align_corners=False
        )[0].flatten(1)
        plane = plane - plane.mean(dim=1, keepdim=True)
        planes.append(plane / plane.square().sum(dim=0).mean().sqrt())
    everything = torch.cat(planes)
    axes = torch.linalg.svd(everything, full_matrices=False).U[:, :WIDTH]
    main = axes.T @ everything
    return main / main.square().sum(dim=0).mean().sqrt()


@pytest.mark.parametrize(
    "levels",
    [
        some_levels((24, 6, 8)),
        some_levels((24, 6, 8), (40, 3, 4)),
        some_levels((30, 40, 50), (20, 6, 8), (5, 3, 4)),
    ],
    ids=["one", "two", "one that is reduced"],
)
def test_they_are_those_of_levels_that_were_enlarged(levels: tuple[torch.Tensor, ...]) -> None:
    """Up to turns of the axes: the products of all pairs of pixels are the same."""
    found = main_components(levels, SHAPE).flatten(1).double()
    wanted = enlarged_first(levels, SHAPE)
    torch.testing.assert_close(found.T @ found, wanted.T @ wanted, atol=2e-3, rtol=0)
    assert found.square().sum(dim=0).mean().item() == pytest.approx(1, rel=1e-4)


def test_fewer_features_than_components_are_all_kept() -> None:
    assert main_components(some_levels((3, 4, 5)), SHAPE).shape == (3, *SHAPE)


def test_what_is_the_same_everywhere_stays_so() -> None:
    found = main_components((torch.ones(20, 4, 5),), SHAPE).flatten(1)
    assert (found.amax(dim=1) - found.amin(dim=1)).max() < 1e-3
