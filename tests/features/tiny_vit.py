"""A ViT of the catalogue that is so small that a test may make it."""

from __future__ import annotations

from pathlib import Path
from shutil import copy

import pytest
import torch
from safetensors.torch import save_file

from tests.features.real_timm import real_timm
from unseg_studio.features.catalogue import BACKBONES, Backbone


@pytest.fixture(scope="session")
def tiny_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with its weights, which are random."""
    path = tmp_path_factory.mktemp("tiny") / "tiny.safetensors"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        save_file(real_timm().create_model("test_vit").state_dict(), path)
    return path


@pytest.fixture
def tiny(tiny_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the file with its weights; the catalogue has it as `tiny`."""
    entry = Backbone(
        *("tiny", "Tiny ViT", "vit", "test_vit.r160_in1k"),
        megabytes=1,
        licence="none",
        seconds=0,
        side=96,
        patch=16,
        depth=6,
    )
    monkeypatch.setitem(BACKBONES, "tiny", entry)
    return Path(copy(tiny_weights, tmp_path))
