"""The catalogue says of each backbone what timm, asked for the same, says too."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from tests.features.real_timm import real_timm
from unseg_studio.features import cnn
from unseg_studio.features.catalogue import BACKBONES, BUNDLED, Backbone, backbone

LARGER = [entry for entry in BACKBONES.values() if not entry.is_bundled]
VITS = [entry for entry in LARGER if entry.kind == "vit"]


def test_the_bundled_backbone_comes_first_and_needs_no_download() -> None:
    first = next(iter(BACKBONES.values()))
    assert (first.name, first.megabytes, first.is_bundled) == (BUNDLED, 0, True)
    assert [entry.name for entry in BACKBONES.values() if entry.is_bundled] == [BUNDLED]


def test_names_are_keys_and_titles_differ() -> None:
    assert all(key == entry.name for key, entry in BACKBONES.items())
    assert len({entry.title for entry in BACKBONES.values()}) == len(BACKBONES)


def test_an_unknown_name_lists_those_there_are() -> None:
    with pytest.raises(
        ValueError, match=r"no backbone 'resnet'; choose one of efficientnet_lite0,"
    ):
        backbone("resnet")


@pytest.mark.parametrize("entry", LARGER, ids=lambda entry: entry.name)
def test_size_licence_and_shape_are_those_of_the_network(entry: Backbone) -> None:
    timm = real_timm()
    with torch.device("meta"):
        network = timm.create_model(entry.timm_name, pretrained=False)
    size = sum(tensor.nbytes for tensor in network.state_dict().values())
    assert entry.megabytes == round(size / 1e6)
    assert entry.licence.lower().replace(" ", "-") == network.pretrained_cfg["license"]
    assert network.pretrained_cfg["hf_hub_id"]
    if entry.kind == "vit":
        assert network.patch_embed.patch_size == (entry.patch, entry.patch)
        assert len(network.blocks) == entry.depth
    else:
        assert [level["reduction"] for level in network.feature_info][-cnn.LEVELS :] == [8, 16, 32]


@pytest.mark.parametrize("entry", VITS, ids=lambda entry: entry.name)
def test_the_usual_side_is_a_whole_number_of_patches(entry: Backbone) -> None:
    assert entry.side % entry.patch == 0


def test_reading_the_catalogue_loads_neither_torch_nor_timm() -> None:
    code = (
        "import sys, unseg_studio.features.catalogue, unseg_studio.features.backbone; "
        "sys.exit(bool({'torch._C', 'timm', 'safetensors', 'huggingface_hub'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
