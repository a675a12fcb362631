"""Convolutional networks of the catalogue that are so small that a test may make them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from tests.features.real_timm import real_timm
from unseg_studio.features.catalogue import BACKBONES, Backbone

NAME = "tiny_cnn"
FAMILIES = {"resnet": "test_resnet.r160_in1k", "convnext": "test_convnext.r160_in1k"}


def random_network(family: str, seed: int = 0) -> Any:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return real_timm().create_model(FAMILIES[family]).eval()


@pytest.fixture(params=FAMILIES)
def tiny_cnn(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A file with the weights of one, which are random; the catalogue has it as `NAME`."""
    entry = Backbone(
        *(NAME, "Tiny CNN", "cnn", FAMILIES[request.param]),
        megabytes=1,
        licence="none",
        seconds=0,
        side=96,
    )
    monkeypatch.setitem(BACKBONES, NAME, entry)
    file = tmp_path / f"{request.param}.safetensors"
    save_file(random_network(request.param).state_dict(), file)
    return file
