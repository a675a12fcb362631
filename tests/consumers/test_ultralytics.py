"""The label parser that Ultralytics trains with."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest
import yaml
from ultralytics.data.dataset import YOLODataset
from ultralytics.data.utils import polygon2mask, read_mask

from unseg_studio.formats import export
from unseg_studio.formats.yolo import YoloOptions

from .conftest import INDEX, composed, iou


def data_of(path):
    return yaml.safe_load((path / "data.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("outline", ["edges", "pixels"])
def test_outlines_are_drawn_as_they_were(written, blobs, outline):
    path = written("yolo", "set", YoloOptions(copy_images=True, outline=outline))
    data = data_of(path)
    dataset = YOLODataset(img_path=str(path / "images"), data=data, task="segment", augment=False)
    (label,) = dataset.get_labels()
    height, width = label["shape"]
    assert (height, width) == blobs.shape
    masks = []
    for index, segment in zip(label["cls"][:, 0], label["segments"], strict=True):
        points = segment * (width, height)
        mask = polygon2mask((height, width), [points.reshape(-1)], color=1)
        masks.append((INDEX[data["names"][int(index)]], mask))
    np.testing.assert_array_equal(composed(blobs.shape, masks), blobs)


def test_a_split_data_set_has_both_parts(annotation, blobs, tmp_path):
    given = []
    for name, subset in (("a.png", "train"), ("b.png", "val")):
        shutil.copy(annotation.source.path, tmp_path / name)
        source = replace(annotation.source, path=tmp_path / name)
        given.append(replace(annotation, source=source, subset=subset))
    export(given, tmp_path / "set", format="yolo", options=YoloOptions(copy_images=True))
    data = data_of(tmp_path / "set")
    for part in ("train", "val"):
        images = tmp_path / "set" / data[part]
        dataset = YOLODataset(img_path=str(images), data=data, task="segment", augment=False)
        (label,) = dataset.get_labels()
        assert len(label["segments"]) == len(label["cls"]) > 0


@pytest.mark.parametrize("name", ["png-folder", "voc"])
def test_indexed_masks_hold_the_category_of_each_pixel(written, blobs, name):
    path = written(name, "set")
    (file,) = path.rglob("SegmentationClass/cell.png") if name == "voc" else path.rglob("cell.png")
    assert iou(read_mask(str(file), "P").astype(np.int32), blobs) == 1
