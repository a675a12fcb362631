from __future__ import annotations

import numpy as np
import pytest

from unseg_studio.data.boxes import parts


def test_parts_have_boxes_and_the_largest_comes_first() -> None:
    mask = np.zeros((8, 12), bool)
    mask[1:3, 1:3] = True
    mask[4:8, 5:11] = True
    assert parts(mask) == (
        (slice(4, 8), slice(5, 11)),
        (slice(1, 3), slice(1, 3)),
    )


def test_pixels_that_touch_at_a_corner_are_one_part() -> None:
    assert parts(np.eye(4, dtype=bool)) == ((slice(0, 4), slice(0, 4)),)


@pytest.mark.parametrize("value", [False, True])
def test_nothing_has_no_box_and_everything_has_one(value: bool) -> None:
    found = parts(np.full((3, 5), value))
    assert found == (((slice(0, 3), slice(0, 5)),) if value else ())
