"""CVAT's XML, as CVAT describes it and datumaro reads it."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace

import numpy as np
import PIL.Image
import pytest

from unseg_studio.data import Category
from unseg_studio.formats import export, geometry, preflight
from unseg_studio.formats.cvat import CvatOptions, write_cvat


def labels_of(image, ids):
    """Labels of one image, drawn by the format's description."""
    shape = int(image.get("height")), int(image.get("width"))
    labels = np.zeros(shape, np.int32)
    for mask in image.iter("mask"):
        left, top, width, height = (int(mask.get(k)) for k in ("left", "top", "width", "height"))
        counts = [int(n) for n in mask.get("rle").split(",")]
        values = np.arange(len(counts)) % 2 == 1
        inside = np.repeat(values, counts).reshape(height, width)
        labels[top : top + height, left : left + width][inside] = ids[mask.get("label")]
    for polygon in image.iter("polygon"):
        xy = np.array([p.split(",") for p in polygon.get("points").split(";")], float)
        inside = geometry.in_plane(geometry.fill([xy[:, ::-1]], shape), shape)
        labels[inside] = ids[polygon.get("label")]
    return labels


@pytest.mark.parametrize("shapes", ["mask", "polygon"])
def test_masks_come_back_exactly(shapes, annotate, labels, tmp_path):
    annotation = annotate(labels)
    write_cvat(annotation, tmp_path / "a.xml", options=CvatOptions(shapes))
    root = ET.parse(tmp_path / "a.xml").getroot()
    ids = {category.name: category.id for category in annotation.categories}
    np.testing.assert_array_equal(labels_of(root.find("image"), ids), labels)


@pytest.mark.parametrize("shapes", ["mask", "polygon"])
def test_datumaro_draws_the_masks(shapes, annotate, blobs, tmp_path):
    datumaro = pytest.importorskip("datumaro", reason="datumaro wants older OpenCV and pandas")
    (tmp_path / "images").mkdir()
    PIL.Image.fromarray(np.zeros(blobs.shape, np.uint8)).save(tmp_path / "images/cell.png")
    annotation = annotate(blobs, name="cell.png")
    write_cvat(annotation, tmp_path / "a.xml", options=CvatOptions(shapes))
    data = datumaro.Dataset.import_from(str(tmp_path), "cvat")
    (item,) = list(data)
    labels = np.zeros(blobs.shape, np.int32)
    for found in item.annotations:
        mask = found.image if found.type.name == "mask" else geometry.in_plane(
            geometry.fill([np.array(found.points).reshape(-1, 2)[:, ::-1]], blobs.shape),
            blobs.shape,
        )  # fmt: skip
        labels[mask > 0] = annotation.categories[found.label].id
    np.testing.assert_array_equal(labels, blobs)


def test_images_tell_their_part_and_size(annotate, blobs, tmp_path):
    given = [
        replace(annotate(blobs, name=f"{n}.png"), subset=s) for n, s in enumerate(["train", ""])
    ]
    export(iter(given), tmp_path / "a.xml", format="cvat")
    root = ET.parse(tmp_path / "a.xml").getroot()
    assert [image.attrib for image in root.iter("image")] == [
        {"id": "0", "name": "0.png", "subset": "train", "width": "60", "height": "40"},
        {"id": "1", "name": "1.png", "width": "60", "height": "40"},
    ]
    assert root.findtext("version") == "1.1"
    assert [label.findtext("name") for label in root.iter("label")] == [
        "Zelle", "fond océan, 海", "never drawn"
    ]  # fmt: skip
    assert root.findtext(".//label/color") == "#e69f00"


def test_names_cannot_break_the_file(annotate, tmp_path):
    name = '<b a="1">&\x00\ud800\'"'
    annotation = annotate(
        np.ones((5, 5)), name="a<&>.png", categories=(Category(1, name, "#ff0000"),)
    )
    export(annotation, tmp_path / "a.xml", format="cvat")
    root = ET.parse(tmp_path / "a.xml").getroot()
    expected = '<b a="1">&\ufffd\ufffd\'"'
    assert root.find(".//mask").get("label") == expected
    assert root.findtext(".//label/name") == expected
    assert root.find("image").get("name") == "a<&>.png"


def test_parts_of_a_region_are_grouped(annotate, blobs, tmp_path):
    write_cvat(annotate(blobs), tmp_path / "a.xml", options=CvatOptions("polygon"))
    root = ET.parse(tmp_path / "a.xml").getroot()
    parts = [p for p in root.iter("polygon") if p.get("label").startswith("fond")]
    assert len(parts) == 2
    assert len({part.get("group_id") for part in parts}) == 1
    assert len(list(root.iter("mask"))) == 1  # the one with a hole


def test_preflight_tells_what_polygons_cannot_hold(annotate, blobs):
    said = [f.sentence for f in preflight(annotate(blobs), "cvat", options=CvatOptions("polygon"))]
    assert any("1 region with holes will be written as masks" in s for s in said)
    assert any("of several parts will be as many polygons" in s for s in said)


def test_unknown_words_are_refused():
    with pytest.raises(ValueError, match="shapes is 'box'; accepted are mask, polygon"):
        CvatOptions("box")
