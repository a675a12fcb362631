"""A ViT gives what its own blocks compute, for images of any shape and patches that overlap."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import torch

from tests.features.real_timm import real_timm
from unseg_studio.features.request import FACETS, Facet, FeatureRequest
from unseg_studio.features.vit import features, grid
from unseg_studio.segmenters.deepcut import Cut, DeepCut
from unseg_studio.segmenters.graph import Graph

WIDTH, DEPTH = 48, 3

QKV: tuple[Facet, ...] = ("query", "key", "value")
"""In the order in which timm's blocks project them."""

ARCHITECTURES = {
    "class token, learned places": ("vit_small_patch8_224", 8),
    "no registers, patch 14": ("vit_small_patch14_dinov2", 14),
    "registers, patch 14": ("vit_small_patch14_reg4_dinov2", 14),
    "registers, turned by place": ("vit_small_patch16_dinov3", 16),
}

Made = tuple[Any, int]


@pytest.fixture(scope="module", params=ARCHITECTURES)
def made(request: pytest.FixtureRequest) -> Made:
    """A small network of each kind with random weights, and its patch size."""
    name, patch = ARCHITECTURES[request.param]
    return small(name, patch), patch


def small(name: str, patch: int) -> Any:
    torch.manual_seed(1)
    size = {"embed_dim": WIDTH, "depth": DEPTH, "num_heads": 3, "img_size": 4 * patch}
    network = real_timm().create_model(name, num_classes=0, dynamic_img_size=True, **size).eval()
    for parameter in network.parameters():  # at first some are 0, and would hide what they do
        torch.nn.init.normal_(parameter, std=0.2)
    return network


def image(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(8).integers(0, 256, (height, width, 3), dtype=np.uint8)


def wanted(side: int, stride: int, facet: Facet = "key", block: int = DEPTH - 1) -> FeatureRequest:
    return FeatureRequest("dino_vits8", side=side, facet=facet, block=block, stride=stride)


def planes(network: Any, rgb: np.ndarray) -> torch.Tensor:
    mean, std = (np.array(network.pretrained_cfg[name]) for name in ("mean", "std"))
    return torch.tensor(((rgb / 255 - mean) / std).transpose(2, 0, 1)[None], dtype=torch.float32)


def hooked(network: Any, rgb: np.ndarray, module: Callable[[Any], Any], block: int) -> torch.Tensor:
    """What a module of a block gives in the network's own forward pass, (N, C)."""
    heard: list[torch.Tensor] = []
    hook = module(network.blocks[block]).register_forward_hook(
        lambda _module, _given, found: heard.append(found)
    )
    with torch.no_grad():
        network.forward_features(planes(network, rgb))
    hook.remove()
    return heard[0][0, network.num_prefix_tokens :]


@pytest.mark.parametrize("block", range(DEPTH))
@pytest.mark.parametrize("cells", [(4, 4), (3, 6)])
def test_facets_are_those_of_the_networks_own_pass(
    made: Made, block: int, cells: tuple[int, int]
) -> None:
    network, patch = made
    rgb = image(cells[0] * patch, cells[1] * patch)  # of the size wanted: nothing is resized
    side = round(patch * (cells[0] * cells[1]) ** 0.5)
    projected = hooked(network, rgb, lambda owner: owner.attn.qkv, block)
    for place, facet in enumerate(QKV):
        found = features(network, rgb, wanted(side, patch, facet, block))
        expected = projected[:, place * WIDTH : (place + 1) * WIDTH]
        torch.testing.assert_close(found, expected.T.reshape(WIDTH, *cells), atol=1e-4, rtol=1e-4)
    tokens = hooked(network, rgb, lambda owner: owner, block)
    found = features(network, rgb, wanted(side, patch, "token", block))
    torch.testing.assert_close(found, tokens.T.reshape(WIDTH, *cells), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("facet", FACETS)
@pytest.mark.parametrize("shape", [(64, 64), (37, 91), (321, 481), (90, 12), (1, 1)])
def test_any_shape_gives_about_the_cells_wanted(
    made: Made, facet: Facet, shape: tuple[int, int]
) -> None:
    network, patch = made
    stride = patch // 2
    found = features(network, image(*shape), wanted(8 * stride, stride, facet))
    _, rows, columns = found.shape
    assert found.shape == (WIDTH, *grid(shape, 64))
    assert 0.8 < rows * columns / 64 < 1.25
    assert found.dtype == torch.float32
    assert found.isfinite().all()


@pytest.mark.parametrize("shape", [(3000, 100), (100, 3000), (1, 5000)])
def test_a_panorama_keeps_its_shape_within_the_same_cost(
    made: Made, shape: tuple[int, int]
) -> None:
    network, patch = made
    _, rows, columns = features(network, image(*shape), wanted(10 * patch, patch)).shape
    assert rows * columns <= 110
    if min(shape) > 1:
        assert sorted((rows, columns)) == [2, 55]
    assert (rows > columns) == (shape[0] > shape[1])


@pytest.mark.parametrize("value", [0, 128, 255])
def test_a_uniform_image_has_finite_features(made: Made, value: int) -> None:
    network, patch = made
    rgb = np.full((50, 70, 3), value, np.uint8)
    assert features(network, rgb, wanted(4 * patch, patch)).isfinite().all()


@pytest.mark.parametrize("stride", [1, 3, 4, 8, 11, 14])
def test_overlapping_patches_are_centred_in_their_cells(stride: int) -> None:
    """Each is the convolution of the network at that place of the image, its border repeated."""
    network, patch = small("vit_small_patch14_dinov2", 14), 14
    torch.nn.init.zeros_(network.pos_embed)
    rgb = image(4 * stride, 6 * stride)
    found = features(network, rgb, wanted(round(stride * 24**0.5), stride, "value", 0))
    before = (patch - stride) // 2
    around = ((before, patch - stride - before),) * 2
    padded = planes(network, np.pad(rgb, (*around, (0, 0)), mode="edge"))
    for row, column in np.ndindex(4, 6):
        rows, columns = (slice(at * stride, at * stride + patch) for at in (row, column))
        with torch.no_grad():
            token = network.patch_embed.proj(padded[..., rows, columns]).flatten(1)
            expected = network.blocks[0].attn.qkv(network.blocks[0].norm1(token))[0, -WIDTH:]
        torch.testing.assert_close(found[:, row, column], expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("stride", [4, 8])
def test_places_are_interpolated_to_the_grid(stride: int) -> None:
    """A ramp of places along the columns stays one on a grid of another size and shape."""
    network = small("vit_small_patch8_224", 8)
    block = network.blocks[0]
    block.norm1 = torch.nn.Identity()
    block.attn.qkv = torch.nn.Linear(WIDTH, 3 * WIDTH, bias=False)
    with torch.no_grad():
        block.attn.qkv.weight.copy_(torch.eye(WIDTH).repeat(3, 1))
        network.patch_embed.proj.weight.zero_()
        network.patch_embed.proj.bias.zero_()
        network.pos_embed.zero_()
        network.pos_embed[0, 1:, 0] = torch.arange(4).repeat(4)
    found = features(network, image(60, 120), wanted(9 * stride, stride, "key", 0))
    assert found.shape == (WIDTH, 6, 13)
    assert not found[1:].any()
    torch.testing.assert_close(found[0], found[0, :1].expand(6, -1))
    ramp = found[0, 0]
    assert (ramp.diff() > -0.2).all()  # cubic curves swing a little at the ends
    middle = 4 * (torch.arange(13) + 0.5) / 13 - 0.5
    torch.testing.assert_close(ramp[3:-3], middle[3:-3], atol=0.1, rtol=0)


def test_grey_images_differ_where_their_patches_do() -> None:
    network = small("vit_small_patch8_224", 8)
    grey = np.full((64, 64, 3), 90, np.uint8)
    grey[:, 32:] = 160
    torch.nn.init.zeros_(network.pos_embed)
    found = features(network, grey, wanted(64, 8, "value", 0))
    torch.testing.assert_close(found[:, :, :4], found[:, :1, :1].expand(-1, 8, 4))
    torch.testing.assert_close(found[:, :, 4:], found[:, -1:, -1:].expand(-1, 8, 4))
    assert (found[:, 0, 0] - found[:, 0, 7]).abs().max() > 0.01


def test_the_network_is_left_as_it_was(made: Made) -> None:
    network, patch = made
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    for stride in (patch // 2, patch):
        features(network, image(40, 60), wanted(4 * patch, stride))
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert not any(module._forward_hooks for module in network.modules())
    assert network.patch_embed.proj.stride == (patch, patch)


@pytest.mark.parametrize("cells", [1, 4])
def test_features_may_be_learned_from(made: Made, cells: int) -> None:
    network, patch = made
    found = features(network, image(40, 40), wanted(cells * patch, patch))
    assert found.is_contiguous()
    assert not found.is_inference()
    head = torch.zeros(WIDTH, requires_grad=True)
    torch.einsum("c,chw->hw", head, found).sum().backward()
    torch.testing.assert_close(head.grad, found.sum(dim=(1, 2)))


def test_threads_may_share_a_network_with_other_strides_and_facets(made: Made) -> None:
    network, patch = made
    rgb = image(40, 60)
    requests = [
        wanted(4 * patch, stride, facet) for stride in (patch // 2, patch) for facet in FACETS
    ]
    alone = [features(network, rgb, request) for request in requests]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda request: features(network, rgb, request), requests))
    for one, other in zip(alone, together, strict=True):
        torch.testing.assert_close(one, other)


def test_an_image_upside_down_in_memory_is_the_same(made: Made) -> None:
    network, patch = made
    rgb = image(40, 60)
    turned = np.ascontiguousarray(rgb[::-1])[::-1]
    turned.flags.writeable = False
    request = wanted(4 * patch, patch)
    torch.testing.assert_close(features(network, rgb, request), features(network, turned, request))


def test_keys_by_bfloat16_cut_an_image_into_the_same_parts() -> None:
    network = small("vit_small_patch8_224", 8)
    rgb = image(48, 64)
    rgb[:, 30:] = rgb[:, 30:] // 3 + 150
    exact, rounded = (
        features(network, rgb, wanted(64, 8), rounded=is_rounded) for is_rounded in (False, True)
    )
    assert rounded.dtype == torch.float32
    assert 0 < (exact - rounded).norm() / exact.norm() < 0.02
    cut = DeepCut(graph="patches", n_clusters=2, iterations=30)
    one, other = (labels_of(found.flatten(1).T.contiguous(), cut) for found in (exact, rounded))
    assert (one != other).float().mean() <= 0.01


def labels_of(nodes: torch.Tensor, cut: DeepCut) -> torch.Tensor:
    every = torch.arange(len(nodes))
    sizes = torch.full((len(nodes),), 1 / len(nodes))
    plane, neighbours = every.numpy()[None], torch.zeros(2, 0, dtype=torch.int64)
    graph = Graph(nodes, nodes, sizes, plane, neighbours)
    made = Cut(cut, graph, every, n_clusters=2, k_less=False)
    deque(made.steps(torch.zeros_like(every)), maxlen=0)
    return made.answer.shares.argmax(dim=1)
