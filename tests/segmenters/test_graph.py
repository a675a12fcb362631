from __future__ import annotations

import numpy as np
import pytest
import torch

from unseg_studio.data import Image
from unseg_studio.features.backbone import FeatureRequest
from unseg_studio.segmenters import graph as rooms
from unseg_studio.segmenters.graph import Graph, patch_graph, region_graph

REQUEST = FeatureRequest()


def halves(shape: tuple[int, int] = (64, 96)) -> Image:
    """Red on the left, blue on the right."""
    pixels = np.full((*shape, 3), (190, 40, 40), np.uint8)
    pixels[:, shape[1] // 2 :] = (40, 40, 190)
    return Image.of(pixels)


def noise(shape: tuple[int, int]) -> Image:
    return Image.of(np.random.default_rng(0).integers(0, 255, (*shape, 3), np.uint8))


def small_graph() -> Graph:
    plane = np.array([[0, 0, 1], [0, 2, 1], [3, 3, 3]])
    sizes = torch.from_numpy(np.bincount(plane.ravel()) / 9).float()
    neighbours = torch.tensor([[0, 0, 0, 1, 1, 2], [1, 2, 3, 2, 3, 3]])
    return Graph(torch.eye(4), torch.eye(4), sizes, plane, neighbours)


def test_regions_follow_the_outlines_of_the_image() -> None:
    found = region_graph(halves(), REQUEST)
    left, right = (set(np.unique(part)) for part in np.split(found.plane, 2, axis=1))
    assert not left & right
    assert len(found) == len(left) + len(right)


def test_the_nodes_cover_the_image_once() -> None:
    for found in (region_graph(noise((60, 80)), REQUEST), patch_graph(noise((60, 80)), REQUEST)):
        assert found.sizes.sum().item() == pytest.approx(1, abs=1e-4)
        assert len(found) == len(found.features) == len(np.unique(found.plane))
        assert found.border.sum() == pytest.approx(1)


def test_regions_are_begun_once_and_only_where_nobody_knows_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    image, calls = halves(), []
    find = rooms.regions
    monkeypatch.setattr(rooms, "regions", lambda rgb: calls.append(1) or find(rgb))
    rooms.begin_regions("regions", image, REQUEST, None)
    found = rooms.graph_of("regions", image, REQUEST, None)
    rooms.begin_regions("regions", image, REQUEST, None)
    assert len(calls) == 1
    np.testing.assert_array_equal(found.plane, region_graph(image, REQUEST).plane)


def test_a_textured_image_has_a_bounded_number_of_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rooms, "MOST_NODES", 12)
    assert 1 < len(region_graph(noise((60, 80)), REQUEST)) <= 12


@pytest.mark.parametrize(("shape", "grid"), [((80, 80), (35, 35)), ((40, 160), (18, 70))])
def test_patches_keep_the_proportions_of_the_image(
    shape: tuple[int, int], grid: tuple[int, int]
) -> None:
    assert patch_graph(noise(shape), REQUEST).plane.shape == grid


def test_a_large_image_is_divided_on_a_smaller_plane() -> None:
    found = region_graph(halves((700, 1400)), REQUEST)
    assert max(found.plane.shape) == rooms.FINE.largest_side


def test_coarse_and_fine_regions_of_an_image_are_kept_apart() -> None:
    image = halves((200, 500))
    rooms.begin_regions("coarse regions", image, REQUEST, None)
    fine = rooms.graph_of("regions", image, REQUEST, None)
    coarse = rooms.graph_of("coarse regions", image, REQUEST, None)
    assert fine.plane.shape == (200, 500)
    assert coarse.plane.shape == (128, 320)


def test_a_panorama_keeps_its_proportions() -> None:
    found = region_graph(halves((100, 3000)), REQUEST)
    assert found.plane.shape == (21, 640)


def test_the_border_is_shared_out_by_pixels() -> None:
    np.testing.assert_allclose(small_graph().border, np.array([3, 2, 0, 3]) / 8)


def test_values_are_counted_node_by_node() -> None:
    values = np.array([[0, 2, 0], [2, 1, 0], [0, 0, 0]], np.int32)
    expected = [[1, 0, 2], [2, 0, 0], [0, 1, 0], [3, 0, 0]]
    np.testing.assert_array_equal(small_graph().counted(values), expected)


def test_a_part_of_a_graph_is_a_graph_with_the_ties_inside() -> None:
    part = small_graph().of(torch.tensor([0, 2, 3]))
    torch.testing.assert_close(part.sizes, torch.tensor([3.0, 1.0, 3.0]) / 7)
    assert part.neighbours.T.tolist() == [[0, 1], [0, 2], [1, 2]]
    torch.testing.assert_close(part.features, torch.eye(4)[[0, 2, 3]])
