"""The file reader of labelme, and how it draws what it has read."""

from __future__ import annotations

import numpy as np
from labelme import utils
from labelme._label_file import LabelFile

from .conftest import INDEX, composed


def test_masks_come_back(written, blobs):
    path = written("labelme", "images/cell.json")
    file = LabelFile(str(path))
    masks = []
    for shape in file.shapes:
        if shape["shape_type"] == "mask":
            mask = np.zeros(blobs.shape, bool)
            (x1, y1), (x2, y2) = (map(int, point) for point in shape["points"])
            mask[y1 : y2 + 1, x1 : x2 + 1] = shape["mask"]
        else:
            mask = utils.shape_to_mask(blobs.shape, shape["points"], shape["shape_type"])
        masks.append((INDEX[shape["label"]], mask))
    np.testing.assert_array_equal(composed(blobs.shape, masks), blobs)
