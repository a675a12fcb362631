"""Larger convolutional networks give their deep levels, as timm computes them."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage.data import chelsea

from tests.features.tiny_cnn import NAME, random_network
from unseg_studio.data import Image
from unseg_studio.features import cnn
from unseg_studio.features.attention import attention
from unseg_studio.features.backbone import FeatureRequest, extract
from unseg_studio.features.cache import FeatureCache
from unseg_studio.features.deep import deep_levels, deep_planes
from unseg_studio.features.efficientnet import resized
from unseg_studio.features.vit import prepared
from unseg_studio.segmenters.graph import region_graph

REQUEST = FeatureRequest(NAME)


@pytest.fixture
def memory(tmp_path: Path) -> FeatureCache:
    return FeatureCache(tmp_path / "features")


def image(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_levels_are_those_of_the_network(tiny_cnn: Path, memory: FeatureCache) -> None:
    rgb = image(64, 96)
    found = extract(rgb, FeatureRequest(NAME, side=78), file=tiny_cnn, memory=memory)
    network = random_network(tiny_cnn.stem)
    planes = prepared(network, resized(rgb, 96))
    with torch.no_grad():
        wanted = network.forward_intermediates(planes, intermediates_only=True)[-cnn.LEVELS :]
    assert len(found) == cnn.LEVELS
    for level, one in zip(found, wanted, strict=True):
        torch.testing.assert_close(level, one[0])
    assert [level.shape[1:] for level in found] == [(8, 12), (4, 6), (2, 3)]
    assert all(level.requires_grad_().is_leaf for level in found)


@pytest.mark.parametrize("shape", [(100, 1500), (1500, 2), (2, 2)])
def test_thin_and_tiny_images_have_levels(
    tiny_cnn: Path, memory: FeatureCache, shape: tuple[int, int]
) -> None:
    for level in extract(image(*shape), REQUEST, file=tiny_cnn, memory=memory):
        assert level.numel() and torch.isfinite(level).all()


def test_all_of_its_levels_count_as_deep(tiny_cnn: Path, memory: FeatureCache) -> None:
    rgb = image(96, 96)
    levels = deep_levels(rgb, REQUEST, tiny_cnn, memory=memory)
    assert len(levels) == cnn.LEVELS
    planes = deep_planes(rgb, REQUEST, tiny_cnn, is_kept=False)
    assert planes.shape == (sum(map(len, levels)), *levels[0].shape[1:])


def test_what_it_looks_at_is_finite(tiny_cnn: Path) -> None:
    seen = attention(image(96, 128), REQUEST, tiny_cnn)
    assert torch.isfinite(seen.odds).all() and seen.odds.std() > 0
    assert seen.summary.norm().item() == pytest.approx(1, rel=1e-3)


def test_weights_of_another_network_are_one_sentence(
    tiny_cnn: Path, memory: FeatureCache, tmp_path: Path
) -> None:
    from safetensors.torch import save_file

    other = tmp_path / "other.safetensors"
    save_file({"weight": torch.ones(2, 2)}, other)
    with pytest.raises(ValueError, match=re.escape("was not made for Tiny CNN; choose")):
        extract(image(64, 64), REQUEST, file=other, memory=memory)


def test_the_graph_that_deepcut_cuts_is_made_of_them(tiny_cnn: Path) -> None:
    graph = region_graph(Image.of(chelsea()[::3, ::3]), REQUEST, tiny_cnn)
    assert len(graph) > 3 and torch.isfinite(graph.features).all()
    assert graph.features.shape[1] == sum(map(len, deep_levels(chelsea(), REQUEST, tiny_cnn)))
