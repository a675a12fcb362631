"""One call gives the features of any backbone, and remembers them."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from tests.faulty_device import H200, FaultyDriver
from tests.features.real_timm import real_timm
from unseg_studio.features import backbone as module
from unseg_studio.features import efficientnet, weights
from unseg_studio.features.backbone import FeatureRequest, extract
from unseg_studio.features.cache import FeatureCache
from unseg_studio.features.devices import place_of, standing_in, working


def image(height: int, width: int, seed: int = 4) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.fixture
def memory(tmp_path: Path) -> FeatureCache:
    return FeatureCache(tmp_path / "features")


# Requests ---------------------------------------------------------------------------------------


def test_requests_for_the_same_become_equal() -> None:
    spelt = FeatureRequest("dino_vits8", side=280, facet="key", block=11, stride=8)
    assert FeatureRequest("dino_vits8").resolved() == spelt.resolved() == spelt
    assert (
        FeatureRequest(facet="value", block=3, stride=5).resolved() == FeatureRequest().resolved()
    )
    assert FeatureRequest("dino_vits8", facet="value").resolved() != spelt
    assert spelt.resolved().resolved() == spelt


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        (FeatureRequest("resnet"), "no backbone 'resnet'; choose one of"),
        (FeatureRequest(side=31), "EfficientNet-Lite0 (bundled) is 31 px; give 32 or more"),
        (FeatureRequest("dino_vits8", side=0), "is 0 px; give 32 or more"),
        (FeatureRequest("dino_vits8", block=12), "has no block 12; give 0 to 11, or -1"),
        (FeatureRequest("dino_vits8", block=-13), "has no block -13"),
        (FeatureRequest("dino_vits8", stride=9), "stride of 9 px does not suit DINO ViT-S/8; give"),
        (FeatureRequest("dino_vits8", stride=0), "give 1 to 8, its patch size"),
        (FeatureRequest("dino_vits8", stride=1), "about 78400 patches, at most 10000"),
        (FeatureRequest("dino_vits8", facet="keys"), "'keys'; accepted are key, query, value, tok"),
    ],
)
def test_what_a_backbone_cannot_do_is_one_sentence(wrong: FeatureRequest, match: str) -> None:
    with pytest.raises(ValueError, match=re.escape(match)):
        extract(image(40, 40), wrong)


# The bundled backbone ---------------------------------------------------------------------------


def test_the_bundled_backbone_gives_its_levels(memory: FeatureCache) -> None:
    rgb = image(64, 64)
    found = extract(rgb, FeatureRequest(side=64), memory=memory)
    for level, wanted in zip(found, efficientnet.pyramid(rgb, side=64), strict=True):
        torch.testing.assert_close(level, wanted)


@pytest.mark.parametrize("shape", [(300, 300), (321, 481), (100, 3000), (3000, 1), (2, 2)])
def test_thin_images_take_no_longer_than_square_ones(
    memory: FeatureCache, shape: tuple[int, int]
) -> None:
    _, height, width = extract(image(*shape), FeatureRequest(side=128), memory=memory)[0].shape
    assert height * width <= 64 * 64 * 1.1
    if 3 * min(shape) > max(shape):
        assert abs(np.log((height / width) / (shape[0] / shape[1]))) < 0.03


def test_other_arrays_are_one_sentence(memory: FeatureCache) -> None:
    for wrong in (np.zeros((8, 8), np.uint8), np.zeros((8, 8, 5), np.uint8), np.zeros((8, 8, 3))):
        with pytest.raises(ValueError, match="give an image of uint8"):
            extract(wrong, memory=memory)


# Vision transformers ----------------------------------------------------------------------------


def test_a_vit_gives_one_map_of_the_images_shape(tiny: Path, memory: FeatureCache) -> None:
    (keys,) = extract(image(60, 90), FeatureRequest("tiny"), file=tiny, memory=memory)
    assert keys.shape == (64, 5, 7)
    assert (keys.dtype, keys.device.type) == (torch.float32, "cpu")


def test_each_part_of_a_request_matters(tiny: Path, memory: FeatureCache) -> None:
    rgb = image(64, 64)
    requests = [
        FeatureRequest("tiny"),
        FeatureRequest("tiny", facet="query"),
        FeatureRequest("tiny", block=2),
        FeatureRequest("tiny", stride=8),
        FeatureRequest("tiny", side=64),
    ]
    found = [extract(rgb, wanted, file=tiny, memory=memory)[0] for wanted in requests]
    again = [extract(rgb, wanted, file=tiny, memory=memory)[0] for wanted in requests]
    assert all(one is other for one, other in zip(found, again, strict=True))
    for place, one in enumerate(found):
        for other in found[:place]:
            assert one.shape != other.shape or not torch.allclose(one, other)


def test_the_weights_that_were_brought_matter(tiny: Path, memory: FeatureCache) -> None:
    rgb = image(64, 64)
    one = extract(rgb, FeatureRequest("tiny"), file=tiny, memory=memory)[0]
    other = tiny.with_name("other.safetensors")
    torch.manual_seed(9)
    save_file(real_timm().create_model("test_vit").state_dict(), other)
    assert not torch.allclose(
        extract(rgb, FeatureRequest("tiny"), file=other, memory=memory)[0], one
    )
    copy = tiny.with_name("copy.safetensors")
    copy.write_bytes(tiny.read_bytes())
    assert extract(rgb, FeatureRequest("tiny"), file=copy, memory=memory)[0] is one


def test_what_was_downloaded_is_used(
    tiny: Path, memory: FeatureCache, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("UNSEG_CACHE", str(tmp_path / "cache"))
    with pytest.raises(FileNotFoundError, match="not on this machine"):
        extract(image(64, 64), FeatureRequest("tiny"), memory=memory)
    place = weights.weights_file("tiny")
    place.parent.mkdir(parents=True)
    place.write_bytes(tiny.read_bytes())
    assert len(extract(image(64, 64), FeatureRequest("tiny"), memory=memory)) == 1


# Memory -----------------------------------------------------------------------------------------


def count(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    sides: list[int] = []

    def counted(rgb: np.ndarray, *, side: int, device: torch.device) -> tuple[torch.Tensor, ...]:
        sides.append(side)
        return (torch.zeros(1, 2, 3),)

    monkeypatch.setattr(module.efficientnet, "pyramid", counted)
    return sides


def test_the_same_pixels_are_looked_at_once(
    memory: FeatureCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    sides, rgb = count(monkeypatch), image(40, 60)
    first = extract(rgb, memory=memory)
    turned = np.ascontiguousarray(rgb[::-1])[::-1]
    assert extract(rgb.copy(), memory=memory)[0] is first[0]
    assert extract(turned, memory=memory)[0] is first[0]
    assert len(sides) == 1


def test_other_pixels_and_other_shapes_are_looked_at_again(
    memory: FeatureCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    sides, rgb = count(monkeypatch), image(40, 60)
    other = rgb.copy()
    other[20, 20, 1] ^= 1
    for pixels in (rgb, other, rgb.reshape(60, 40, 3)):
        extract(pixels, memory=memory)
    assert len(sides) == 3


def test_the_default_memory_lies_where_the_environment_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("UNSEG_CACHE", str(tmp_path))
    extract(image(40, 40), FeatureRequest(side=32))
    assert len(list((tmp_path / "features").iterdir())) == 1


def test_features_are_computed_where_the_work_runs_that_they_are_a_part_of(
    memory: FeatureCache,
) -> None:
    asked: list[str] = []

    class Watched(FaultyDriver):
        def device(self, word: str) -> torch.device:
            asked.append(word)
            return super().device(word)

    with standing_in(Watched(H200)):
        place = place_of("auto")
        asked.clear()
        with working("fit", place):
            extract(image(40, 40), memory=memory)
        assert asked == ["cuda:0"]
