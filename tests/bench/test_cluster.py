"""What is measured of clusters; the measurement itself starts two."""

from __future__ import annotations

import math

import numpy as np

from unseg_studio.bench.cluster import Pair, load, made_up_project, table, verdict
from unseg_studio.data import read_image


def test_no_two_images_are_the_same(tmp_path):
    with made_up_project(tmp_path, 3) as project:
        pixels = [read_image(entry.file).pixels for entry in project.images()]
    assert len(pixels) == 3
    assert not np.array_equal(pixels[0], pixels[1])
    assert {image.shape for image in pixels} == {pixels[0].shape}


def test_the_median_of_the_ratios_decides():
    pairs = [Pair(10, 5, 0.5), Pair(10, 6, 1.0), Pair(9, 3, math.nan)]
    assert verdict(pairs).startswith(
        "Two workers are 2.00 times as quick as one (median); 1.7 is r"
    )
    assert "1.7 is not reached" in verdict(pairs[1:2])
    assert table(pairs, title="three").row_count == 3
    assert not load() < 0
