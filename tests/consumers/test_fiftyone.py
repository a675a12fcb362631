"""The importers of FiftyOne, without its database."""

from __future__ import annotations

import numpy as np
import pytest
from fiftyone.utils.coco import COCODetectionDatasetImporter
from fiftyone.utils.cvat import CVATImageDatasetImporter
from fiftyone.utils.yolo import YOLOv5DatasetImporter

from unseg_studio.formats.coco import CocoOptions
from unseg_studio.formats.cvat import CvatOptions
from unseg_studio.formats.yolo import YoloOptions

from .conftest import FILE, INDEX, composed, iou


def pasted(detection, shape):
    """The whole plane of a detection, whose mask is cut to its box."""
    x, y, width, height = detection.bounding_box
    left, top = round(x * shape[1]), round(y * shape[0])
    rows, cols = detection.mask.shape
    assert (rows, cols) == (round(height * shape[0]), round(width * shape[1]))
    plane = np.zeros(shape, bool)
    plane[top : top + rows, left : left + cols] = detection.mask
    return plane


@pytest.mark.parametrize("segmentation", ["rle", "polygon"])
def test_coco(written, blobs, tmp_path, segmentation):
    path = written("coco", "images/out.json", CocoOptions(segmentation=segmentation))
    importer = COCODetectionDatasetImporter(
        data_path=str(tmp_path / "images"), labels_path=str(path), label_types="segmentations"
    )
    with importer:
        ((file, _, label),) = list(importer)
    assert file.endswith(FILE)
    masks = [(INDEX[d.label], pasted(d, blobs.shape)) for d in label.detections]
    np.testing.assert_array_equal(composed(blobs.shape, masks), blobs)


def drawn(polylines, shape):
    """A label map of outlines, as FiftyOne draws them."""
    targets = {id_: name for name, id_ in INDEX.items()}
    segmentation = polylines.to_segmentation(frame_size=shape[::-1], mask_targets=targets)
    return segmentation.mask.astype(np.int32)


def test_outlines_of_yolo(written, blobs):
    path = written("yolo", "set", YoloOptions(copy_images=True))
    importer = YOLOv5DatasetImporter(
        dataset_dir=str(path), yaml_path="data.yaml", split="train", label_type="polylines"
    )
    with importer:
        ((_, _, label),) = list(importer)
    assert iou(drawn(label, blobs.shape), blobs) > 0.9


def test_outlines_of_cvat(written, blobs, tmp_path):
    """It reads polygons; masks, which regions with holes remain, it leaves out."""
    path = written("cvat", "out.xml", CvatOptions(shapes="polygon"))
    importer = CVATImageDatasetImporter(data_path=str(tmp_path / "images"), labels_path=str(path))
    with importer:
        ((file, metadata, labels),) = list(importer)
    assert file.endswith(FILE)
    assert (metadata.height, metadata.width) == blobs.shape
    found = drawn(labels["polylines"], blobs.shape)
    assert iou((found == 2).astype(np.int32), (blobs == 2).astype(np.int32)) > 0.9
    assert blobs[12, 7] == 1
    assert found[12, 7] == 0
