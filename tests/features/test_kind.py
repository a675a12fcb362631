from __future__ import annotations

import numpy as np
import pytest

from unseg_studio.data import Image, read_image
from unseg_studio.data.samples import sample_path
from unseg_studio.features.kind import is_photograph


@pytest.mark.parametrize(
    ("name", "expected"), [("cat", True), ("nuclei", False), ("tissue", False)]
)
def test_a_cat_is_a_photograph_nuclei_and_stained_tissue_are_not(name: str, expected: bool) -> None:
    assert is_photograph(read_image(sample_path(name))) is expected


def test_grey_in_three_channels_is_no_photograph() -> None:
    grey = np.random.default_rng(0).integers(0, 255, (40, 50, 1)).astype(np.uint8)
    assert not is_photograph(Image.of(np.repeat(grey, 3, axis=2)))


def test_other_numbers_of_channels_are_no_photographs() -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (40, 50, 4)).astype(np.uint8)
    assert not is_photograph(Image.of(pixels))
