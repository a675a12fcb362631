from __future__ import annotations

import numpy as np

from unseg_studio.data import read_image
from unseg_studio.data.samples import sample_path
from unseg_studio.features.objectness import objectness


def test_a_cat_is_louder_than_what_is_behind_it() -> None:
    odds = objectness(read_image(sample_path("cat")).rgb, (60, 90))
    assert odds.dtype == np.float32 and odds.shape == (60, 90)
    face, behind = odds[15:50, 25:60], odds[:20, 75:]
    assert face.mean() > 0 > behind.mean()
    assert face.min() > behind.max() - 1


def test_nothing_is_likely_where_there_is_nothing() -> None:
    grain = np.random.default_rng(0).integers(100, 110, (120, 160, 3)).astype(np.uint8)
    assert objectness(grain, (30, 40)).max() < 0


def test_an_image_of_any_proportions_has_an_answer() -> None:
    strip = np.random.default_rng(1).integers(0, 255, (20, 600, 3)).astype(np.uint8)
    assert np.isfinite(objectness(strip, (10, 300))).all()
