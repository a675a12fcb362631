"""Datumaro, whose readers are the importers of CVAT."""

from __future__ import annotations

import shutil

import datumaro as dm
import numpy as np
import pytest
from datumaro.components.errors import DatasetImportError
from datumaro.util.mask_tools import rles_to_mask

from unseg_studio.formats.coco import CocoOptions
from unseg_studio.formats.cvat import CvatOptions

from .conftest import INDEX, composed

SHAPE = (40, 60)
MASK, POLYGON = dm.AnnotationType.mask, dm.AnnotationType.polygon


def labels_in(path, format_):
    """What is drawn in the image, as a label map of our category ids, the same in every subset."""
    dataset = dm.Dataset.import_from(str(path), format_)
    names = [label.name for label in dataset.categories()[dm.AnnotationType.label]]
    maps = []
    for item in dataset:
        assert item.id == "cell"
        drawn = [e for e in item.annotations if e.type in (MASK, POLYGON)]
        masks = [(INDEX[names[entry.label]], mask_of(entry)) for entry in drawn]
        maps.append(composed(SHAPE, masks))
    assert maps
    assert all(np.array_equal(each, maps[0]) for each in maps)
    return maps[0]


def mask_of(entry):
    """The pixels of a mask or polygon, as datumaro itself draws them."""
    if entry.type == POLYGON:
        return rles_to_mask([entry.points], *reversed(SHAPE)).astype(bool)
    return np.asarray(entry.image, bool)


def test_coco_with_run_lengths(written, blobs, tmp_path):
    written("coco", "set/annotations/instances_default.json")
    shutil.copytree(tmp_path / "images", tmp_path / "set/images/default")
    found = labels_in(tmp_path / "set", "coco_instances")
    np.testing.assert_array_equal(found, blobs)


def test_coco_with_polygons(written, blobs, tmp_path):
    options = CocoOptions(segmentation="polygon", holes="fill")
    written("coco", "set/annotations/instances_default.json", options)
    shutil.copytree(tmp_path / "images", tmp_path / "set/images/default")
    found = labels_in(tmp_path / "set", "coco_instances")
    hole = (found > 0) & (blobs == 0)
    assert hole.sum() == 37
    np.testing.assert_array_equal(np.where(hole, 0, found), blobs)


def test_coco_stuff(written, blobs, tmp_path):
    written("coco-stuff", "set/annotations/stuff_default.json")
    shutil.copytree(tmp_path / "images", tmp_path / "set/images/default")
    np.testing.assert_array_equal(labels_in(tmp_path / "set", "coco_stuff"), blobs)


def test_coco_panoptic(written, blobs, tmp_path):
    path = written("coco-panoptic", "set")
    shutil.copytree(tmp_path / "images", path / "images/default")
    np.testing.assert_array_equal(labels_in(path, "coco_panoptic"), blobs)


def test_voc_masks(written, blobs, tmp_path):
    path = written("voc", "set")
    shutil.copytree(tmp_path / "images", path / "JPEGImages")
    np.testing.assert_array_equal(labels_in(path, "voc_segmentation"), blobs)


@pytest.mark.parametrize("shapes", ["mask", "polygon"])
def test_cvat(written, blobs, shapes):
    path = written("cvat", "out.xml", CvatOptions(shapes=shapes))
    np.testing.assert_array_equal(labels_in(path, "cvat"), blobs)


def test_yolo_is_read_as_boxes_only(written, tmp_path):
    """Its reader wants five numbers in a row; outlines are for Ultralytics and supervision."""
    path = written("yolo", "set")
    shutil.copytree(tmp_path / "images", path / "images")
    with pytest.raises(DatasetImportError):
        dm.Dataset.import_from(str(path), "yolo")
