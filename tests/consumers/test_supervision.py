"""The readers of supervision."""

from __future__ import annotations

import numpy as np
import pytest
import supervision as sv

from unseg_studio.formats.coco import CocoOptions
from unseg_studio.formats.yolo import YoloOptions

from .conftest import INDEX, composed, iou


def labels_in(dataset, shape):
    (_, _, found) = next(iter(dataset))
    names = [dataset.classes[index] for index in found.class_id]
    masks = zip([INDEX[name] for name in names], np.asarray(found.mask), strict=True)
    return composed(shape, list(masks))


@pytest.mark.parametrize("segmentation", ["rle", "polygon-cv2"])
def test_coco(written, blobs, tmp_path, segmentation):
    path = written("coco", "images/out.json", CocoOptions(segmentation=segmentation))
    dataset = sv.DetectionDataset.from_coco(
        images_directory_path=str(tmp_path / "images"),
        annotations_path=str(path),
        force_masks=True,
    )
    np.testing.assert_array_equal(labels_in(dataset, blobs.shape), blobs)


def test_yolo(written, blobs):
    path = written("yolo", "set", YoloOptions(copy_images=True, outline="pixels"))
    dataset = sv.DetectionDataset.from_yolo(
        images_directory_path=str(path / "images"),
        annotations_directory_path=str(path / "labels"),
        data_yaml_path=str(path / "data.yaml"),
        force_masks=True,
    )
    np.testing.assert_array_equal(labels_in(dataset, blobs.shape), blobs)


def test_boxes_of_voc(written, annotation, tmp_path):
    path = written("voc", "set")
    dataset = sv.DetectionDataset.from_pascal_voc(
        images_directory_path=str(tmp_path / "images"),
        annotations_directory_path=str(path / "Annotations"),
    )
    (_, _, found) = next(iter(dataset))
    boxes = {(x, y, x + w, y + h) for x, y, w, h in (r.box for r in annotation.regions)}
    near = {tuple(int(side) for side in box) for box in found.xyxy}
    assert len(near) == len(boxes)
    assert near == boxes


def test_labelme_polygons_grow_by_their_far_ends(written, blobs, tmp_path):
    """It rounds corners, which labelme itself rounds down, so what it draws is a little larger."""
    path = written("labelme", "images/cell.json")
    dataset = sv.DetectionDataset.from_labelme(
        images_directory_path=str(tmp_path / "images"),
        annotations_directory_path=str(path.parent),
        force_masks=True,
    )
    found = labels_in(dataset, blobs.shape)
    assert (found[blobs > 0] == blobs[blobs > 0]).all()
    assert iou(found, blobs) > 0.9
