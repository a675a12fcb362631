"""Where a network looks: loud places of a CNN, and what a ViT's class token attends to."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.features.test_vit import DEPTH, image, small, wanted
from tests.features.test_vit import planes as prepared
from unseg_studio.data import read_image
from unseg_studio.data.samples import sample_path
from unseg_studio.features.attention import attention
from unseg_studio.features.backbone import FeatureRequest
from unseg_studio.features.vit import gaze


def test_the_bundled_network_looks_at_the_cat() -> None:
    found = attention(read_image(sample_path("cat")).rgb, FeatureRequest())
    height, width = found.odds.shape
    assert found.planes.shape[1:] == (height, width)
    assert found.summary.norm() == pytest.approx(1, abs=1e-3)
    face = found.odds[height // 4 : -height // 6, width // 4 : 2 * width // 3]
    assert face.mean() > found.odds[: height // 3, -width // 6 :].mean()


@pytest.mark.parametrize("block", range(DEPTH))
@pytest.mark.parametrize("name", ["vit_small_patch14_dinov2", "vit_small_patch14_reg4_dinov2"])
def test_attention_of_the_class_token_is_that_of_the_networks_own_pass(
    name: str, block: int
) -> None:
    network, rgb, heard = small(name, 14), image(4 * 14, 3 * 14), {}
    attending = network.blocks[block].attn
    attending.fused_attn = False  # so that the shares are there to be heard
    hooks = (
        attending.attn_drop.register_forward_hook(lambda *told: heard.update(shares=told[2])),
        network.blocks[block].register_forward_hook(lambda *told: heard.update(tokens=told[2])),
    )
    with torch.no_grad():
        network.forward_features(prepared(network, rgb))
    for hook in hooks:
        hook.remove()
    summary, odds = gaze(network, rgb, wanted(round(14 * 12**0.5), 14, block=block))
    torch.testing.assert_close(summary, heard["tokens"][0, 0], rtol=1e-4, atol=1e-4)
    shares = heard["shares"][0, :, 0, network.num_prefix_tokens :]
    shares = (shares / shares.sum(dim=1, keepdim=True)).mean(dim=0)
    expected = (12 * shares).clamp_min(1e-4).log().reshape(4, 3)
    torch.testing.assert_close(odds, expected, rtol=1e-3, atol=1e-3)


def test_attention_does_not_follow_gradients() -> None:
    summary, odds = gaze(small("vit_small_patch8_224", 8), image(32, 32), wanted(32, 8))
    assert not summary.requires_grad and not odds.requires_grad
    assert np.isfinite(odds.numpy()).all()
