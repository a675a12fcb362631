"""labelme files, as labelme draws them."""

from __future__ import annotations

import base64
import io
import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.Image
import PIL.ImageDraw
import pytest

from unseg_studio.data import Source
from unseg_studio.formats import export, load, preflight
from unseg_studio.formats.labelme import LabelmeOptions, read_labelme, write_labelme

REQUIRED = {"version", "flags", "shapes", "imagePath", "imageData", "imageHeight", "imageWidth"}


@pytest.fixture
def content(annotate, blobs, tmp_path):
    export(annotate(blobs), tmp_path / "out", format="labelme")
    return json.loads((tmp_path / "out/cell.json").read_text())


def drawn_by_pillow(content, ids):
    """Labels as labelme makes them of a file: polygons through Pillow, masks pasted."""
    height, width = content["imageHeight"], content["imageWidth"]
    labels = np.zeros((height, width), np.int32)
    for shape in content["shapes"]:
        canvas = PIL.Image.new("L", (width, height))
        if shape["shape_type"] == "mask":
            (x1, y1), (x2, y2) = shape["points"]
            picture = PIL.Image.open(io.BytesIO(base64.b64decode(shape["mask"])))
            assert picture.size == (x2 - x1 + 1, y2 - y1 + 1)
            canvas.paste(picture, (x1, y1))
        else:
            xy = [tuple(point) for point in shape["points"]]
            PIL.ImageDraw.Draw(canvas).polygon(xy, fill=1, outline=1)
        labels[np.array(canvas) > 0] = ids[shape["label"]]
    return labels


@pytest.mark.parametrize("shapes", ["polygon", "mask"])
def test_masks_come_back_exactly_as_labelme_draws_them(shapes, annotate, labels, tmp_path):
    annotation = annotate(labels)
    write_labelme(annotation, tmp_path / "out", options=LabelmeOptions(shapes))
    content = json.loads((tmp_path / "out/cell.json").read_text())
    ids = {category.name: category.id for category in annotation.categories}
    np.testing.assert_array_equal(drawn_by_pillow(content, ids), labels)
    found = read_labelme(tmp_path / "out/cell.json", shape=labels.shape)
    np.testing.assert_array_equal(found.labels, labels)


def test_labelme_itself_opens_the_file(annotate, blobs, tmp_path):
    label_file = pytest.importorskip(
        "labelme._label_file", reason="labelme brings PyQt5, which does not live beside PySide6"
    )
    utils = pytest.importorskip("labelme.utils")
    image = tmp_path / "cell.png"
    PIL.Image.fromarray(np.zeros(blobs.shape, np.uint8)).save(image)
    annotation = annotate(blobs, source=Source(image))
    for shapes in ("polygon", "mask"):
        write_labelme(annotation, tmp_path / shapes, options=LabelmeOptions(shapes))
        read = label_file.read_label_file(str(tmp_path / shapes / "cell.json"))
        ids = {category.name: category.id for category in annotation.categories}
        labels, _ = utils.shapes_to_label(blobs.shape, read.shapes, ids)
        np.testing.assert_array_equal(labels, blobs)


def test_files_hold_what_labelme_asks_for(content):
    assert content.keys() >= REQUIRED
    assert content["imagePath"] == "cell.tif"
    assert content["imageData"] is None
    for shape in content["shapes"]:
        assert isinstance(shape["label"], str)
        assert len(shape["points"]) >= 3
        assert shape["group_id"] is None or isinstance(shape["group_id"], int)


def test_parts_of_a_region_share_a_group(content):
    groups = [s["group_id"] for s in content["shapes"] if s["label"].startswith("fond")]
    assert len(groups) == 2
    assert len(set(groups)) == 1
    assert groups[0] is not None


def test_the_image_is_found_from_the_folder_of_the_file(annotate, blobs, tmp_path):
    annotation = annotate(blobs, source=Source(tmp_path / "images" / "cell.tif"))
    export(annotation, tmp_path / "out", format="labelme")
    content = json.loads((tmp_path / "out/cell.json").read_text())
    assert content["imagePath"] == "../images/cell.tif"


def foreign(tmp_path, *shapes, **changes):
    content = {"version": "4.0", "shapes": list(shapes), "imageHeight": 20, "imageWidth": 30}
    (tmp_path / "a.json").write_text(json.dumps(content | changes))
    return tmp_path / "a.json"


def shape_of(kind, *points, label="cat", **more):
    return {"label": label, "shape_type": kind, "points": [list(p) for p in points], **more}


def test_foreign_shapes_are_read(tmp_path):
    path = foreign(
        tmp_path,
        shape_of("rectangle", (2, 3), (6, 8)),
        shape_of("circle", (20, 10), (25, 10), label="dog"),
        shape_of("polygon", (10, 0), (14, 0), (14, 4), (10, 4)),
        shape_of("point", (1, 1)),
        shape_of("linestrip", (1, 1), (5, 5)),
    )
    found = load(path, shape=(20, 30))
    assert [(c.id, c.name) for c in found.categories] == [(1, "cat"), (2, "dog")]
    assert (found.labels == 1).sum() == 4 * 5 + 4 * 4
    assert (found.labels == 2).sum() == pytest.approx(np.pi * 25, rel=0.05)
    assert found.notes == (
        "1 linestrip is left out, since only polygons, rectangles, circles and masks have an area.",
        "1 point is left out, since only polygons, rectangles, circles and masks have an area.",
    )


def test_outlines_may_leave_the_image(tmp_path):
    path = foreign(
        tmp_path, shape_of("rectangle", (-9, -9), (4, 4)), shape_of("rectangle", (50, 50), (60, 60))
    )
    found = load(path, shape=(20, 30))
    assert found.labels.sum() == 16
    assert found.notes == ("1 outline holds no pixel of the image and left no mark.",)


PNG = base64.b64encode(b"\x89PNG\r\n\x1a\nrest").decode()


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ({}, "shape 1 is no list of 3 points"),
        (shape_of("polygon", (1, 1), (2, 2)), "no list of 3 points"),
        (shape_of("polygon", (1, 1), (2, 2), (3,)), "something else than points"),
        (shape_of("polygon", (1, 1), (2, 2), ("x", "y")), "something else than points"),
        (shape_of("polygon", (1, 1), (2, 2), (3, 10**400)), "something else than points"),
        (shape_of("polygon", (1, 1), (2, 2), (3, float("nan"))), "not finite"),
        (shape_of("polygon", (1, 1), (2, 2), (3, 1e300)), "out of all proportion"),
        (shape_of("polygon", (1, 1), (5, 5), (3, 1), label=7), "label of shape 1 is 7"),
        (shape_of("polygon", (1, 1), (5, 5), (3, 1), label=" "), "label of shape 1"),
        (shape_of("mask", (1, 1), (5, 5), mask=3), "no PNG in base64"),
        (shape_of("mask", (1, 1), (5, 5), mask=PNG), "no PNG in base64"),
        (shape_of("mask", (5, 5), (1, 1), mask=PNG), "outside of the image or has no size"),
        (shape_of("mask", (0, 0), (1e9, 1e9), mask=PNG), "outside of the image"),
    ],
)
def test_damaged_shapes_are_one_sentence(shape, said, tmp_path):
    with pytest.raises(ValueError, match=rf"a\.json cannot be used: .*{said}"):
        load(foreign(tmp_path, shape), shape=(20, 30), format="labelme")


def test_a_mask_of_another_size_than_its_points_is_refused(tmp_path):
    buffer = io.BytesIO()
    PIL.Image.new("L", (3, 3)).save(buffer, "PNG")
    text = base64.b64encode(buffer.getvalue()).decode()
    with pytest.raises(ValueError, match="of one channel and of 5 x 5 px"):
        load(foreign(tmp_path, shape_of("mask", (1, 1), (5, 5), mask=text)), shape=(20, 30))


@pytest.mark.parametrize("text", ['{"shapes": ' + "[" * 100_000, b'{"shapes": "\xff"}', "{}"])
def test_what_is_no_labelme_file_is_one_sentence(text, tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ValueError, match=r"a\.json cannot be used"):
        load(path, shape=(20, 30), format="labelme")


def test_many_shapes_as_large_as_the_image_end_soon(tmp_path):
    corners = [(0, 0), (2048, 0), (2048, 2048), (0, 2048)]
    shapes = [shape_of("polygon", *corners)] * 20_000
    path = foreign(tmp_path, *shapes, imageHeight=2048, imageWidth=2048)
    start = time.process_time()
    with pytest.raises(ValueError, match="far more than fit an image"):
        load(path, shape=(2048, 2048))
    assert time.process_time() - start < 5


def test_preflight_tells_that_labelme_knows_no_stacks(annotate, blobs):
    stack = replace(annotate(blobs), source=Source(Path("a.tif"), plane=2, n_planes=5))
    assert any("knows no stacks" in f.sentence for f in preflight(stack, "labelme"))
