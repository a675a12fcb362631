"""COCO files of other programs, and files that are broken."""

from __future__ import annotations

import json
import tracemalloc

import numpy as np
import pytest

from unseg_studio.data import Patch
from unseg_studio.formats import read_coco
from unseg_studio.formats.coco_reader import CocoFile, NoCocoError
from unseg_studio.formats.rle import run_lengths, text_of_runs

SHAPE = (6, 8)
SQUARE = [1, 1, 4, 1, 4, 3, 1, 3]


def coco(*segmentations, **tables):
    """A small COCO file: one annotation of category 1 for each segmentation."""
    return {
        "images": [{"id": 1, "file_name": "cell.tif", "width": 8, "height": 6}],
        "categories": [{"id": 1, "name": "cell", "supercategory": ""}],
        "annotations": [
            {"id": n, "image_id": 1, "category_id": 1, "segmentation": s, "iscrowd": 0}
            for n, s in enumerate(segmentations, 1)
        ],
    } | tables


@pytest.fixture
def read(tmp_path):
    def read(content, file_name="cell.tif", shape=SHAPE):
        path = tmp_path / "in.json"
        text = content if isinstance(content, str) else json.dumps(content)
        path.write_text(text, encoding="utf-8")
        return read_coco(path, shape=shape, file_name=file_name)

    return read


def image(id_, name, width=8, height=6):
    return {"id": id_, "file_name": name, "width": width, "height": height}


def square():
    mask = np.zeros(SHAPE, np.int32)
    mask[1:3, 1:4] = 1
    return mask


def counts():
    return run_lengths(Patch.whole(square().astype(bool)), SHAPE)


@pytest.mark.parametrize(
    "segmentation",
    [
        [SQUARE],
        [[float(x) for x in SQUARE]],
        {"size": [6, 8], "counts": counts().tolist()},
        {"size": [6, 8], "counts": text_of_runs(counts())},
    ],
    ids=["polygon", "floats", "uncompressed", "compressed"],
)
def test_every_kind_of_mask_is_read(read, segmentation):
    np.testing.assert_array_equal(read(coco(segmentation)).labels, square())


def test_several_parts_are_one_region(read):
    labels = read(coco([SQUARE, [6, 4, 8, 4, 8, 6, 6, 6]])).labels
    expected = square()
    expected[4:6, 6:8] = 1
    np.testing.assert_array_equal(labels, expected)


def test_crowds_lie_beneath_the_regions_in_them(read):
    content = coco([SQUARE], {"size": [6, 8], "counts": [0, 48]})
    content["categories"].append({"id": 2, "name": "crowd"})
    content["annotations"][1] |= {"category_id": 2, "iscrowd": 1}
    labels = read(content).labels
    np.testing.assert_array_equal(labels, np.where(square(), 1, 2))


def test_annotations_of_other_images_are_not_read(read):
    content = coco([SQUARE], [SQUARE], images=[image(1, "cell.tif"), image(9, "b.tif")])
    content["annotations"][1] |= {"image_id": 9}
    content["annotations"][0] |= {"segmentation": [[0, 0, 8, 0, 8, 6, 0, 6]]}
    np.testing.assert_array_equal(read(content, "b.tif").labels, square())


@pytest.mark.parametrize("segmentation", [None, [], "missing"])
def test_boxes_without_a_mask_are_left_out_and_counted(read, segmentation):
    content = coco([SQUARE], segmentation)
    if segmentation == "missing":
        del content["annotations"][1]["segmentation"]
    loaded = read(content)
    np.testing.assert_array_equal(loaded.labels, square())
    assert loaded.notes == (
        "1 annotation has no mask inside the image, only a box or nothing, and is left out.",
    )


def test_a_byte_order_mark_is_no_obstacle(read):
    np.testing.assert_array_equal(read("\ufeff" + json.dumps(coco([SQUARE]))).labels, square())


@pytest.mark.parametrize(
    ("given", "expected"),
    [([1, 5, 1000], [1, 5, 1000]), ([0, 1, 2], [3, 1, 2]), ([2000, 1, -4], [2, 1, 3])],
)
def test_category_ids_are_kept_where_they_fit(read, given, expected):
    content = coco(categories=[{"id": id_, "name": f"n{id_}"} for id_ in given])
    loaded = read(content)
    assert {c.name: c.id for c in loaded.categories} == {
        f"n{old}": new for old, new in zip(given, expected, strict=True)
    }
    assert bool(loaded.notes) == (given != expected)


def test_categories_with_empty_or_equal_names_get_names_of_their_own(read):
    entries = [{"id": 1, "name": "a"}, {"id": 2, "name": "a"}, {"id": 3}, {"id": 4, "name": " "}]
    names = [category.name for category in read(coco(categories=entries)).categories]
    assert names == ["a", "a (2)", "category 3", "category 4"]


def test_of_very_many_categories_those_of_the_image_are_read(read):
    entries = [{"id": id_, "name": f"n{id_}"} for id_ in range(1, 1204)]
    content = coco([SQUARE], categories=entries)
    content["annotations"][0]["category_id"] = 1203
    loaded = read(content)
    assert [(c.id, c.name) for c in loaded.categories] == [(1, "n1203")]
    np.testing.assert_array_equal(loaded.labels, square())


def test_panoptic_stuff_is_stuff(read):
    entries = [{"id": 1, "name": "sky", "isthing": 0}, {"id": 2, "name": "cat", "isthing": 1}]
    assert [c.kind for c in read(coco(categories=entries)).categories] == ["stuff", "thing"]


@pytest.mark.parametrize(
    ("in_file", "opened"),
    [
        ("day/cell.tif", "cell.tif"),
        ("cell.tif", "/home/day/cell.tif"),
        ("day\\cell.tif", "day/cell.tif"),
        ("C:\\x\\cell.tif", "/home/day/cell.tif"),
    ],
)
def test_an_image_is_found_with_and_without_folders(read, in_file, opened):
    content = coco([SQUARE], images=[image(1, in_file), image(2, "excell.tif")])
    np.testing.assert_array_equal(read(content, opened).labels, square())


def test_the_folder_tells_images_of_one_name_apart(read):
    content = coco([SQUARE], images=[image(2, "a/cell.tif"), image(1, "b/cell.tif")])
    assert read(content, "b/cell.tif").labels.any()
    assert read(content, "/data/b/cell.tif").labels.any()
    assert not read(content, "a/cell.tif").labels.any()
    with pytest.raises(ValueError, match=r"has 2 images called 'cell\.tif'"):
        read(content, "cell.tif")


def test_a_single_image_of_the_same_size_is_taken_whatever_its_name(read):
    np.testing.assert_array_equal(read(coco([SQUARE]), "other.png").labels, square())


def test_an_image_the_file_does_not_know_is_refused_with_those_it_knows(read):
    images = [image(n, f"{n}.png") for n in range(1, 6)]
    with pytest.raises(ValueError, match=r"no image called 'cell\.tif'.*'1\.png'.* and 2 more"):
        read(coco(images=images))
    with pytest.raises(ValueError, match="it knows no images at all"):
        read(coco(images=[]))


BROKEN = {
    "not JSON": ("{'images': 3}", "is not JSON"),
    "a picture": ("\x89PNG", "is not JSON"),
    "deep nesting": ("[" * 100_000, "is not JSON"),
    "a number of very many digits": ("1" * 10_000, "is not JSON"),
    "a list": ("[]", "no COCO object"),
    "another object": ('{"shapes": []}', "no COCO object"),
    "no tables": ({"images": 3}, "images is no list"),
    "entries that are no objects": (coco(categories=["cell"]), "categories is no list of objects"),
    "entries without an id": (coco(categories=[{"name": "a"}]), "need an id each"),
    "ids twice": (coco(images=[image(1, "a"), image(1, "b")]), "need an id each"),
    "absent category": (coco([SQUARE], categories=[]), "annotation 1 refers to the category 1"),
    "no categories": (coco([SQUARE], categories=None), "categories is no list"),
    "absent image": (coco([SQUARE], images=[image(2, "cell.tif")]), "refers to the image 1"),
    "four numbers": (coco([SQUARE], [[1, 1, 3, 3]]), "annotation 2 is damaged.* of 4 numbers"),
    "four numbers after a good part": (coco([SQUARE, [1, 1, 3, 3]]), "of 4 numbers"),
    "an odd count": (coco([[*SQUARE, 1]]), "of 9 numbers"),
    "a bare list of counts": (coco([3, 4, 41]), "neither RLE nor a list of polygons"),
    "words": (coco([["1"] * 6]), "not a number"),
    "nested": (coco([[*SQUARE, [1], [1, 2]]]), "not a number"),
    "not a number": (coco([[*SQUARE, float("nan"), 1]]), "not finite"),
    "infinite": (coco([[*SQUARE, 1, float("inf")]]), "not finite"),
    "out of all proportion": (coco([[*SQUARE, 1, 1e300]]), "not finite or out of"),
    "a very large number": (coco([[*SQUARE, 1, 10**400]]), "too large"),
    "RLE of another size": (coco({"size": [8, 6], "counts": "a"}), r"size \[8, 6\]"),
    "RLE without a size": (coco({"counts": "a"}), "size None"),
    "RLE without counts": (coco({"size": [6, 8]}), "no counts"),
    "broken RLE string": (coco({"size": [6, 8], "counts": "P"}), "RLE string is broken"),
    "RLE of too few pixels": (coco({"size": [6, 8], "counts": [4, 4]}), "cover 8 of 48"),
    "RLE with negative runs": (coco({"size": [6, 8], "counts": [50, -2]}), "negative"),
    "RLE of too many pixels": (coco({"size": [6, 8], "counts": [0, 10**12]}), "longer than"),
    "RLE with huge numbers": (coco({"size": [6, 8], "counts": [10**30]}), "too large"),
    "RLE with fractions": (coco({"size": [6, 8], "counts": [47.5, 0.5]}), "not a number"),
    "a size that is no size": (coco(images=[image(1, "cell.tif", None, "6")]), "None x 6 px there"),
    "hostile size": (coco(images=[image(1, "cell.tif", 10**9, 10**9)]), "1000000000 px there"),
}


@pytest.mark.parametrize(("content", "sentence"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_file_is_one_sentence_that_says_what_to_do(read, content, sentence):
    with pytest.raises(ValueError, match=sentence) as caught:
        read(content)
    message = str(caught.value)
    assert "in.json" in message
    assert "\n" not in message
    assert message.endswith(".")


def test_memory_stays_bounded_whatever_the_polygon(read):
    zigzag = [n for k in range(6000) for n in (k % 7, -9e8 if k % 2 else 9e8)]
    shape = (1000, 1000)
    content = coco([zigzag], images=[image(1, "cell.tif", 1000, 1000)])
    tracemalloc.start()
    try:
        read(content, shape=shape)
        assert tracemalloc.get_traced_memory()[1] < 150e6  # all crossings at once: 430 MB
    finally:
        tracemalloc.stop()


def entry(id_, image_id, segmentation, category=1):
    return {
        "id": id_, "image_id": image_id, "category_id": category, "segmentation": segmentation,
    }  # fmt: skip


def test_several_images_share_one_table_of_categories(tmp_path):
    path = tmp_path / "in.json"
    tables = {
        "images": [image("a", "a.png"), image("b", "b.png", width=9, height=7)],
        "categories": [{"id": 1, "name": "cell"}, {"id": 5000, "name": "far"}],
        "annotations": [entry(1, "b", [SQUARE], 5000), entry(2, "a", [SQUARE])],
    }
    path.write_text(json.dumps(tables))
    file = CocoFile.read(path)
    assert [file.shape_of(image) for image in file.images] == [SHAPE, (7, 9)]
    first, second = file.labels_of(file.images)
    assert [category.name for category in first.categories] == ["cell", "far"]
    assert first.categories == second.categories
    np.testing.assert_array_equal(first.labels, square())
    np.testing.assert_array_equal(second.labels[:6, :8], square() * 2)
    assert "new ids" in second.notes[0]


@pytest.mark.parametrize("size", [{"width": 0}, {"height": True}, {"width": "8"}, {"width": 8.0}])
def test_an_image_without_a_size_has_no_shape(tmp_path, size):
    path = tmp_path / "in.json"
    path.write_text(json.dumps(coco(images=[image(1, "cell.tif") | size])))
    file = CocoFile.read(path)
    with pytest.raises(ValueError, match=r"'cell\.tif' is .* accepted are a width and a height"):
        file.shape_of(file.images[0])


@pytest.mark.parametrize("text", ["[1, 2]", "3", '{"shapes": []}', "{", "images and annotations"])
def test_what_is_no_coco_file_is_told_from_a_damaged_one(tmp_path, text):
    path = tmp_path / "in.json"
    path.write_text(text)
    with pytest.raises(NoCocoError, match=r"in\.json"):
        CocoFile.read(path)


def test_a_coco_file_that_is_cut_off_is_a_damaged_one(tmp_path):
    path = tmp_path / "in.json"
    path.write_text(json.dumps(coco([SQUARE]))[:-20])
    with pytest.raises(ValueError, match="is not JSON") as caught:
        CocoFile.read(path)
    assert not isinstance(caught.value, NoCocoError)
