"""What the export dialog says before anything is written."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from unseg_studio.data import Category
from unseg_studio.formats import CocoOptions, preflight


def said(findings, severity=None):
    return " ".join(f.sentence for f in findings if severity in (None, f.severity))


def disc():
    rows, cols = np.mgrid[:60, :60]
    return ((rows - 30) ** 2 + (cols - 30) ** 2 < 500).astype(np.int32)


def test_an_empty_annotation_is_a_warning(annotate):
    assert "There is no region" in said(preflight(annotate(np.zeros((9, 9)))), "warning")


def test_categories_without_a_region_are_named(annotate, blobs):
    assert "Categories without a region in this image: never drawn." in said(
        preflight(annotate(blobs)), "note"
    )


def test_clusters_without_a_name_are_counted(annotate):
    labels = np.full((10, 10), 1, np.int32)
    labels[:2], labels[2] = 1001, 1002
    annotation = replace(annotate(labels), unnamed={1001: 20, 1002: 10})
    found = said(preflight(annotation), "warning")
    assert "2 clusters without a name, 30% of the image" in found
    assert "cluster" not in said(preflight(annotate(labels)))


def test_tiny_regions_are_counted(annotate, blobs):
    assert "1 region of fewer than 4 pixels" in said(preflight(annotate(blobs)), "warning")


def test_very_many_regions_are_mentioned(annotate):
    grid = np.zeros((100, 100), np.int32)
    grid[::3, ::3] = 1
    assert "1156 regions are many" in said(preflight(annotate(grid)), "note")


def test_run_lengths_lose_nothing(annotate, blobs):
    assert "agree" not in said(preflight(annotate(blobs)))


def test_edge_polygons_are_exact_for_pycocotools_only(annotate):
    options = CocoOptions(segmentation="polygon")
    found = said(preflight(annotate(disc()), options=options), "note")
    assert "to 100 % in pycocotools" in found
    assert "to 9" in found.split("in pycocotools")[1]


def test_cv2_polygons_are_exact_for_opencv_only(annotate):
    options = CocoOptions(segmentation="polygon-cv2")
    found = said(preflight(annotate(disc()), options=options), "note")
    assert "to 100 % in readers that draw with OpenCV" in found
    assert "to 9" in found.split("in pycocotools")[0]


@pytest.mark.parametrize("mode", ["polygon", "polygon-cv2"])
def test_holes_become_run_lengths_or_are_filled(annotate, blobs, mode):
    kept = preflight(annotate(blobs), options=CocoOptions(segmentation=mode))
    filled = preflight(annotate(blobs), options=CocoOptions(segmentation=mode, holes="fill"))
    assert "1 region with holes will be written as run lengths" in said(kept, "note")
    assert "The holes of 1 region will be filled" in said(filled, "warning")


def test_a_region_of_many_polygons_is_mentioned(annotate):
    rows, cols = np.indices((16, 16))
    options = CocoOptions(segmentation="polygon")
    found = preflight(annotate((rows + cols) % 2 * 2), options=options)
    assert "falls into 128 polygons" in said(found, "note")


def test_what_a_format_refuses_comes_first(annotate):
    table = (Category(300, "high", "#000000"), Category(2, "b", "#000001"))
    first, *_ = preflight(annotate(np.full((9, 9), 300), categories=table), "png")
    assert first.severity == "error"
    assert "id 300 occurs" in first.sentence


def test_an_unknown_format_is_refused(annotate, blobs):
    with pytest.raises(ValueError, match="accepted are coco, coco-pan"):
        preflight(annotate(blobs), "tiff")
