"""COCO files as pycocotools reads them, and the rules of importers that are stricter."""

from __future__ import annotations

import json
import time
import weakref
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from unseg_studio.data import Annotation, Category, Patch, Region, Source
from unseg_studio.formats import CocoOptions, read_coco, write_coco
from unseg_studio.formats.coco import coco_content

# pycocotools 2.0.11 and numpy 2 disagree about a keyword, harmlessly.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

LABELS = hnp.arrays(
    np.int32, st.tuples(st.integers(1, 12), st.integers(1, 12)), elements=st.integers(0, 2)
)
every_mode = pytest.mark.parametrize("mode", ["rle", "polygon", "polygon-cv2"])
examples = settings(max_examples=100, deadline=None, print_blob=True)


def reopened(content):
    """The reference reader's view of a file's content."""
    coco = COCO()
    coco.dataset = json.loads(json.dumps(content))
    coco.createIndex()
    return coco


def labels_in(coco, shape):
    labels = np.zeros(shape, np.int32)
    for entry in coco.dataset["annotations"]:
        labels[coco.annToMask(entry).astype(bool)] = entry["category_id"]
    return labels


def content_of(annotation, **options):
    return coco_content([annotation], Path("out.json"), options=CocoOptions(**options))


@examples
@given(labels=LABELS, mode=st.sampled_from(["rle", "polygon"]))
def test_pycocotools_decodes_exactly_the_labels_on_the_screen(annotate, labels, mode):
    content = content_of(annotate(labels), segmentation=mode)
    coco = reopened(content)
    np.testing.assert_array_equal(labels_in(coco, labels.shape), labels)
    for entry in content["annotations"]:
        mask = coco.annToMask(entry)
        rows, cols = np.nonzero(mask)
        size = [np.ptp(cols) + 1, np.ptp(rows) + 1]
        assert entry["area"] == mask.sum()
        assert entry["bbox"] == [cols.min(), rows.min(), *size]


@examples
@given(labels=LABELS)
def test_opencv_decodes_cv2_polygons_to_exactly_the_labels(annotate, labels):
    found = np.zeros_like(labels)
    coco = reopened(content_of(annotate(labels), segmentation="polygon-cv2"))
    for entry in coco.dataset["annotations"]:
        canvas = np.zeros(labels.shape, np.uint8)
        if isinstance(entry["segmentation"], dict):
            canvas = coco.annToMask(entry)
        else:
            for part in entry["segmentation"]:
                cv2.fillPoly(canvas, [np.array(part, np.int32).reshape(-1, 1, 2)], 1)
        found[canvas.astype(bool)] = entry["category_id"]
    np.testing.assert_array_equal(found, labels)


@examples
@given(labels=LABELS, mode=st.sampled_from(["rle", "polygon", "polygon-cv2"]))
def test_every_file_keeps_the_rules_of_importers(annotate, labels, mode):
    require_strict(content_of(annotate(labels), segmentation=mode))


def require_strict(content):
    """What CVAT's importer, FiftyOne and evaluators ask for beyond the format's description."""
    for table in ("images", "annotations", "categories"):
        ids = [entry["id"] for entry in content[table]]
        assert all(type(id_) is int and id_ >= 1 for id_ in ids)
        assert len(set(ids)) == len(ids)
    images = {image["id"]: image for image in content["images"]}
    categories = {category["id"] for category in content["categories"]}
    assert {"info", "licenses"} <= set(content)
    for image in content["images"]:
        assert type(image["width"]) is type(image["height"]) is int
        assert image["license"] in {entry["id"] for entry in content["licenses"]}
    for entry in content["annotations"]:
        assert set(entry) == {
            "id", "image_id", "category_id", "segmentation", "area", "bbox", "iscrowd",
        }  # fmt: skip
        image = images[entry["image_id"]]
        assert entry["category_id"] in categories
        assert type(entry["iscrowd"]) is int
        assert entry["iscrowd"] == 0
        assert type(entry["area"]) is int
        assert entry["area"] >= 1
        left, top, width, height = entry["bbox"]
        assert all(type(number) is int for number in entry["bbox"])
        assert width >= 1 <= height
        assert 0 <= left <= image["width"] - width
        assert 0 <= top <= image["height"] - height
        require_strict_segmentation(entry["segmentation"], image)


def require_strict_segmentation(segmentation, image):
    if isinstance(segmentation, dict):
        assert segmentation["size"] == [image["height"], image["width"]]
        assert type(segmentation["counts"]) is str
        return
    assert segmentation
    for part in segmentation:
        assert len(part) >= 6
        assert len(part) % 2 == 0
        assert all(type(number) is int for number in part)
        assert all(0 <= x <= image["width"] for x in part[0::2])
        assert all(0 <= y <= image["height"] for y in part[1::2])


def test_every_category_is_written_whatever_occurs(annotate, blobs):
    content = content_of(annotate(np.zeros_like(blobs)))
    assert [c["id"] for c in content["categories"]] == [1, 2, 7]
    assert content["annotations"] == []
    assert len(content["images"]) == 1


def test_things_are_one_annotation_a_part_and_stuff_is_one(annotate, blobs):
    entries = content_of(annotate(blobs))["annotations"]
    assert [entry["category_id"] for entry in entries] == [1, 1, 1, 2]


def test_regions_with_holes_become_rle_and_the_others_stay_polygons(annotate, blobs):
    entries = content_of(annotate(blobs), segmentation="polygon")["annotations"]
    assert [type(entry["segmentation"]) for entry in entries] == [dict, list, list, list]


@pytest.mark.parametrize("mode", ["polygon", "polygon-cv2"])
def test_filled_holes_count_in_area(annotate, mode):
    labels = np.ones((5, 6), np.int32)
    labels[2, 2] = 0
    content = content_of(annotate(labels), segmentation=mode, holes="fill")
    (entry,) = content["annotations"]
    assert isinstance(entry["segmentation"], list)
    assert entry["area"] == 30


def test_an_empty_region_is_left_out_and_a_loose_one_gets_a_tight_box(annotate):
    mask = np.zeros((5, 5), bool)
    mask[1, 2:4] = True
    loose = Region(1, Patch(slice(3, 8), slice(4, 9), mask))
    empty = Region(1, Patch(slice(0, 2), slice(0, 2), np.zeros((2, 2), bool)))
    base = annotate(np.zeros((10, 10)))
    content = content_of(Annotation((10, 10), base.source, base.categories, (empty, loose)))
    assert [entry["bbox"] for entry in content["annotations"]] == [[6, 4, 2, 1]]


@every_mode
def test_a_written_file_is_read_back_whatever_the_mode(annotate, labels, tmp_path, mode):
    path = tmp_path / "out.json"
    write_coco(annotate(labels), path, options=CocoOptions(segmentation=mode))
    loaded = read_coco(path, shape=labels.shape, file_name="cell.tif")
    np.testing.assert_array_equal(loaded.labels, labels)


def test_several_images_share_one_file(annotate, blobs, tmp_path):
    path = tmp_path / "out.json"
    write_coco([annotate(blobs, "a.png"), annotate(blobs[::-1], "b.png")], path)
    coco = reopened(json.loads(path.read_bytes()))
    require_strict(coco.dataset)
    assert [image["file_name"] for image in coco.loadImgs([1, 2])] == ["a.png", "b.png"]
    second = read_coco(path, shape=blobs.shape, file_name="b.png")
    np.testing.assert_array_equal(second.labels, blobs[::-1])


def test_two_images_of_one_name_are_refused(annotate, blobs, tmp_path):
    pair = [annotate(blobs, "x/a.png"), annotate(blobs, "y/a.png")]
    with pytest.raises(ValueError, match=r"more than one would be called 'a\.png'"):
        write_coco(pair, tmp_path / "out" / "out.json")
    assert not list(tmp_path.iterdir())


def test_category_tables_that_contradict_each_other_are_refused(annotate, blobs, tmp_path):
    other = (Category(1, "other", "#000000"), *annotate(blobs).categories[1:])
    pair = [annotate(blobs, "a.png"), annotate(blobs, "b.png", categories=other)]
    with pytest.raises(ValueError, match="Category 1 is 'Zelle' in one image and 'other'"):
        write_coco(pair, tmp_path / "out.json")


@pytest.mark.parametrize(
    ("image", "root", "name"),
    [
        ("train/day 1/a.png", None, "train/day 1/a.png"),
        ("train/day 1/a.png", "train", "day 1/a.png"),
        ("../elsewhere/a.png", None, "a.png"),
        ("../elsewhere/b/a.png", "../elsewhere", "b/a.png"),
    ],
)
def test_file_names_are_relative_with_forward_slashes(annotate, blobs, tmp_path, image, root, name):
    out = tmp_path / "out"
    annotation = annotate(blobs, source=Source(out / image))
    options = CocoOptions(images_root=None if root is None else out / root)
    content = coco_content([annotation], out / "coco.json", options=options)
    assert content["images"][0]["file_name"] == name


def test_planes_of_a_stack_are_images_of_their_own(annotate, blobs):
    sources = [Source(Path("stack.tif"), plane, 40) for plane in (3, 12)]
    annotations = [annotate(blobs, source=source) for source in sources]
    content = coco_content(annotations, Path("out.json"), options=CocoOptions())
    names = [image["file_name"] for image in content["images"]]
    assert names == ["stack_z0003.tif", "stack_z0012.tif"]
    assert [image["plane"] for image in content["images"]] == [3, 12]


def test_names_are_written_as_they_are(annotate, blobs, tmp_path):
    path = tmp_path / "out.json"
    write_coco(annotate(blobs), path)
    assert "fond océan, 海" in path.read_text(encoding="utf-8")


def test_provenance_is_under_info_in_plain_values(annotate, blobs, tmp_path):
    path = tmp_path / "out.json"
    write_coco(
        annotate(
            blobs, seed=np.int64(3), loss=float("nan"), sizes=(1, np.float32(2)), at=Path("a")
        ),
        path,
    )
    content = json.loads(path.read_text(encoding="utf-8"), parse_constant=pytest.fail)
    found = content["info"]["unseg_studio"]["provenance"]["1"]
    assert found == {"seed": 3, "loss": None, "sizes": [1, 2.0], "at": "a"}


def test_pycocotools_opens_the_file_itself(annotate, blobs, tmp_path, capsys):
    write_coco(annotate(blobs), tmp_path / "out.json")
    coco = COCO(str(tmp_path / "out.json"))
    coco.info()
    assert coco.getAnnIds(areaRng=[2, 1e9], iscrowd=False)
    assert coco.getCatIds(catNms=["Zelle"]) == [1]
    assert "UnSeg Studio" in capsys.readouterr().out


def test_words_that_are_no_choice_are_refused():
    with pytest.raises(ValueError, match="segmentation is 'bitmap'; accepted are rle, polygon"):
        CocoOptions(segmentation="bitmap")
    with pytest.raises(ValueError, match="holes is 'keep'; accepted are rle, fill"):
        CocoOptions(holes="keep")


@every_mode
def test_five_hundred_regions_of_a_large_image_take_about_a_second(annotate, mode):
    rng = np.random.default_rng(0)
    labels = np.zeros((2048, 2048), np.int32)
    for row, col in np.ndindex(24, 24):
        center = (int(40 + 85 * col), int(40 + 85 * row))
        axes = tuple(int(a) for a in rng.integers(20, 38, 2))
        cv2.ellipse(labels, center, axes, float(rng.integers(180)), 0, 360, 1, -1)
    annotation = annotate(labels)
    assert len(annotation.regions) > 500
    start = time.perf_counter()
    content = content_of(annotation, segmentation=mode)
    assert time.perf_counter() - start < 3  # half a second on an idle core
    assert len(content["annotations"]) == len(annotation.regions)


def test_rle_of_a_part_of_a_large_plane_is_that_of_the_plane(annotate):
    labels = np.zeros((300, 200), np.int32)
    labels[-1, -1] = labels[0, 0] = 2
    labels[100:150, 50:60] = 2
    (entry,) = content_of(annotate(labels))["annotations"]
    expected = coco_mask.encode(np.asfortranarray(labels.astype(bool).astype(np.uint8)))
    assert entry["segmentation"]["counts"] == expected["counts"].decode()


def test_annotations_are_asked_for_one_by_one(annotate, tmp_path):
    alive = []

    def planes():
        for number in range(4):
            annotation = annotate(np.full((5, 4), 1), f"plane{number}.png")
            alive.append(weakref.ref(annotation))
            yield annotation
            del annotation
            assert sum(made() is not None for made in alive) <= 1

    write_coco(planes(), tmp_path / "out.json")
    content = json.loads((tmp_path / "out.json").read_text())
    assert [image["id"] for image in content["images"]] == [1, 2, 3, 4]
    assert [entry["image_id"] for entry in content["annotations"]] == [1, 2, 3, 4]
    assert len({entry["id"] for entry in content["annotations"]}) == 4
