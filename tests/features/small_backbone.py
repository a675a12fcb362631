"""Deep features of few places, for tests that say nothing of how good they are."""

from __future__ import annotations

from dataclasses import replace

import pytest

from unseg_studio.features.catalogue import BACKBONES, BUNDLED

SIDE = 96
"""Of the images that the bundled backbone sees in quick tests; usually it is 400 px."""


def made_small(patch: pytest.MonkeyPatch) -> None:
    """Let the bundled backbone see small images until the patch is undone."""
    patch.setitem(BACKBONES, BUNDLED, replace(BACKBONES[BUNDLED], side=SIDE))


@pytest.fixture
def small_features(monkeypatch: pytest.MonkeyPatch) -> None:
    """Features of a few hundred places, not of thousands."""
    made_small(monkeypatch)
