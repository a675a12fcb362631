"""One thread, and deep features of few places for tests that ask for them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.features.tiny_vit import tiny, tiny_weights
from tests.threads import one_thread
from unseg_studio.features.catalogue import BACKBONES, BUNDLED

__all__ = ["one_thread", "tiny", "tiny_weights"]

SIDE = 96
"""Of the images that the bundled backbone sees in quick tests; usually it is 400 px."""


@pytest.fixture
def small_features(monkeypatch: pytest.MonkeyPatch) -> None:
    """Features of a few hundred places, not of thousands, where nothing is said of how good."""
    monkeypatch.setitem(BACKBONES, BUNDLED, replace(BACKBONES[BUNDLED], side=SIDE))
