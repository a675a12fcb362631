"""What a written file decodes to."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from unseg_studio.formats import FORMATS, CocoOptions, export
from unseg_studio.formats.coco_reader import CocoFile
from unseg_studio.formats.verification import decoded_iou

LOSSLESS = [n for n, f in FORMATS.items() if f.read and not f.losses and f.holds_many]


@pytest.mark.parametrize("name", LOSSLESS)
def test_a_lossless_format_agrees_entirely(name, annotate, blobs, tmp_path):
    given = [
        replace(annotate(blobs, name=n), subset=s)
        for n, s in (("a.tif", "train"), ("b.tif", "val"))
    ]
    path = tmp_path / f"out{FORMATS[name].suffix}"
    export(given, path, format=name)
    agreement = decoded_iou(iter(given), path, name)
    assert agreement.overall == 1
    assert agreement.by_category == {"Zelle": 1, "fond océan, 海": 1}


def test_filled_holes_are_told(annotate, tmp_path):
    labels = np.zeros((10, 10), np.int32)
    labels[:, :5] = 2
    labels[2:8, 6:10] = 1
    labels[4:6, 7:9] = 0
    options = CocoOptions(segmentation="polygon", holes="fill")
    export(annotate(labels), tmp_path / "o.json", options=options)
    agreement = decoded_iou([annotate(labels)], tmp_path / "o.json", "coco")
    assert agreement.by_category["Zelle"] == pytest.approx(20 / 24)
    assert agreement.by_category["fond océan, 海"] == 1
    assert agreement.overall == pytest.approx(70 / 74)


def test_nothing_agrees_with_nothing(annotate, tmp_path):
    empty = annotate(np.zeros((4, 4)))
    export(empty, tmp_path / "o.json")
    assert decoded_iou([empty], tmp_path / "o.json", "coco").overall == 1


@pytest.mark.parametrize("name", [n for n, f in FORMATS.items() if f.read is None])
def test_what_cannot_be_read_here_is_not_judged(name, annotate, blobs, tmp_path):
    assert decoded_iou([annotate(blobs)], tmp_path / "o", name) is None


def test_a_file_about_many_images_is_read_once(annotate, blobs, tmp_path, monkeypatch):
    n_read = []
    read = CocoFile.read
    monkeypatch.setattr(CocoFile, "read", lambda path: n_read.append(path) or read(path))
    annotations = [annotate(blobs, name=f"{number}.tif") for number in range(5)]
    export(annotations, tmp_path / "out.json")
    found = decoded_iou(annotations, tmp_path / "out.json", "coco")
    assert found is not None and found.overall == 1
    assert n_read == [tmp_path / "out.json"]
