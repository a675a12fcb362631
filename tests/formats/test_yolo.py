"""YOLO data sets, as Ultralytics and supervision read them."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import pytest
import yaml

from unseg_studio.data import Source
from unseg_studio.formats import export, load, preflight
from unseg_studio.formats.yolo import YoloOptions, read_yolo, write_yolo


def square(annotate, name="cell.tif", **changes):
    labels = np.zeros((20, 30), np.int32)
    labels[5:9, 6:16] = 1
    return replace(annotate(labels, name=name), **changes)


@pytest.fixture
def folder(annotate, blobs, tmp_path):
    """A whole data set with its image, of labels with holes and parts."""
    image = tmp_path / "cell.png"
    PIL.Image.fromarray(np.zeros((*blobs.shape, 3), np.uint8)).save(image)
    write_yolo(
        annotate(blobs, source=Source(image)), tmp_path / "out", options=YoloOptions(True, "pixels")
    )
    return tmp_path / "out"


def drawn_by_opencv(rows, shape):
    """Indices plus 1, drawn as by Ultralytics: rounded down, filled with their outline."""
    canvas = np.zeros(shape, np.int32)
    for row in rows.splitlines():
        index, *xy = row.split()
        points = np.array(xy, np.float32).reshape(-1, 2) * np.array(shape[::-1], np.float32)
        cv2.fillPoly(canvas, [points.astype(np.int32)], int(index) + 1)
    return canvas


@pytest.mark.parametrize("outline", ["edges", "pixels"])
def test_masks_come_back_exactly_where_readers_round_down(outline, annotate, labels, tmp_path):
    write_yolo(annotate(labels), tmp_path / "out", options=YoloOptions(outline=outline))
    rows = (tmp_path / "out/labels/cell.txt").read_text()
    np.testing.assert_array_equal(drawn_by_opencv(rows, labels.shape), labels)


# In a process of its own, since ultralytics exchanges functions of Pillow and OpenCV.
ULTRALYTICS = """
import sys
from pathlib import Path
import numpy as np
from ultralytics.data import utils

folder = Path(sys.argv[1])
args = str(folder / "images/cell.png"), str(folder / "labels/cell.txt"), "", False, 3, 0, 0, False
_, boxes, shape, segments, _, _, _, _, corrupt, message = utils.verify_image_label(args)
assert (corrupt, message) == (0, ""), message
assert (boxes[:, 3:] > 0).all(), "Ultralytics drops boxes without area"
labels = np.zeros(shape, np.int32)
for box, segment in zip(boxes, segments, strict=True):
    pixels = segment * np.array(shape[::-1], np.float32)
    labels[utils.polygon2mask(shape, [pixels.ravel()]) > 0] = int(box[0]) + 1
np.save(folder / "drawn.npy", labels)
table = utils.check_det_dataset(str(folder / "data.yaml"), autodownload=False)
assert table["names"] == {0: "Zelle", 1: "fond océan, 海", 2: "never drawn"}, table
assert Path(table["train"]) == (folder / "images").resolve(), table
"""


def test_ultralytics_takes_the_files_and_draws_the_masks(folder, blobs):
    if importlib.util.find_spec("ultralytics") is None:
        pytest.skip("ultralytics brings a second OpenCV and 300 MB")
    environment = os.environ | {"YOLO_CONFIG_DIR": str(folder), "YOLO_OFFLINE": "true"}
    run = [sys.executable, "-c", ULTRALYTICS, str(folder)]
    done = subprocess.run(run, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    np.testing.assert_array_equal(np.load(folder / "drawn.npy"), blobs)


def test_supervision_draws_the_masks(folder, blobs):
    supervision = pytest.importorskip("supervision", reason="supervision brings 120 MB of codecs")
    data = supervision.DetectionDataset.from_yolo(
        images_directory_path=str(folder / "images"),
        annotations_directory_path=str(folder / "labels"),
        data_yaml_path=str(folder / "data.yaml"),
    )
    _, _, found = data[0]
    labels = np.zeros(blobs.shape, np.int32)
    for mask, index in zip(found.mask, found.class_id, strict=True):
        labels[mask] = index + 1
    np.testing.assert_array_equal(labels, blobs)


def test_indices_follow_the_table_and_names_stand_in_data_yaml(annotate, blobs, tmp_path):
    export(annotate(blobs), tmp_path / "out", format="yolo")
    table = yaml.safe_load((tmp_path / "out/data.yaml").read_bytes())
    assert table["names"] == {0: "Zelle", 1: "fond océan, 海", 2: "never drawn"}
    rows = (tmp_path / "out/labels/cell.txt").read_text().splitlines()
    assert {row.split()[0] for row in rows} == {"0", "1"}


def test_parts_of_a_split_lie_in_folders_of_their_own(annotate, tmp_path):
    given = [square(annotate, f"{n}.png", subset=s) for n, s in enumerate(["train", "val"])]
    export(iter(given), tmp_path / "out", format="yolo")
    out = tmp_path / "out"
    assert (out / "labels/train/0.txt").exists()
    assert (out / "labels/val/1.txt").exists()
    table = yaml.safe_load((out / "data.yaml").read_bytes())
    assert (table["train"], table["val"]) == ("images/train", "images/val")
    assert load(out, shape=(20, 30), file_name="1.png").labels.sum() == 40


def test_images_are_copied_where_they_are_looked_for(folder, tmp_path):
    there = (folder / "images/cell.png").read_bytes()
    assert there == (tmp_path / "cell.png").read_bytes()


def test_what_is_no_file_cannot_be_copied(annotate, tmp_path):
    with pytest.raises(ValueError, match="cannot be copied; accepted are files of one plane"):
        write_yolo(square(annotate, None), tmp_path / "out", options=YoloOptions(copy_images=True))
    assert list(tmp_path.iterdir()) == []


def test_an_ome_tiff_keeps_all_of_its_name_but_the_last_ending(annotate, tmp_path):
    export(square(annotate, "a.ome.tif"), tmp_path / "out", format="yolo")
    assert (tmp_path / "out/labels/a.ome.txt").exists()
    assert load(tmp_path / "out", shape=(20, 30), file_name="a.ome.tif").labels.any()


def foreign(tmp_path, rows, names="names: [cat, dog]"):
    (tmp_path / "labels/train").mkdir(parents=True)
    (tmp_path / "data.yaml").write_text(names)
    (tmp_path / "labels/train/a.txt").write_text(rows)
    return tmp_path


def test_foreign_data_sets_are_read(tmp_path):
    rows = "1 0.1 0.1 0.5 0.1 0.5 0.5 0.1 0.5\n0 0.5 0.5 0.2 0.2\n"
    found = load(foreign(tmp_path, rows), shape=(10, 10), file_name="some/a.jpg")
    assert [(c.id, c.name) for c in found.categories] == [(1, "cat"), (2, "dog")]
    assert found.labels[1:6, 1:6].tolist() == np.full((5, 5), 2).tolist()
    assert found.notes == ("1 row is left out, since boxes have no outline.",)


@pytest.mark.parametrize("chosen", ["data.yaml", "labels", "labels/train", "labels/train/a.txt"])
def test_any_part_of_a_data_set_may_be_chosen(chosen, tmp_path):
    foreign(tmp_path, "1 0.1 0.1 0.5 0.1 0.5 0.5")
    found = load(tmp_path / chosen, shape=(10, 10), file_name="a.jpg")
    assert found.labels.max() == 2


def test_without_a_table_categories_are_named_by_number(tmp_path):
    (tmp_path / "a.txt").write_text("3 0.1 0.1 0.5 0.1 0.5 0.5")
    found = load(tmp_path / "a.txt", shape=(10, 10))
    assert [(c.id, c.name) for c in found.categories] == [(4, "category 4")]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("0 0.1 0.2 0.3 0.4 0.5 nan", "no shares of the image"),
        ("0 0.1 0.2 0.3 0.4 0.5 1e99", "no shares of the image"),
        ("0 10 20 30 40 50 60", "no shares of the image"),
        ("0 0.1 0.2 0.3 0.4 0.5 x", "no number"),
        ("0 0.1 0.2 0.3 0.4 0.5 0.6 0.7", "7 coordinates instead of three pairs"),
        ("-1 0.1 0.2 0.3 0.4 0.5 0.6", "instead of the number of a category"),
        ("9 0.1 0.2 0.3 0.4 0.5 0.6", "the category 9, which has no name"),
    ],
)
def test_damaged_rows_are_one_sentence(rows, said, tmp_path):
    with pytest.raises(ValueError, match=rf"a\.txt cannot be used: .*{said}"):
        read_yolo(foreign(tmp_path, rows), shape=(10, 10), file_name="a")


@pytest.mark.parametrize(
    "names",
    [
        "names: {x: 1}",
        "names: [[]]",
        "[" * 5000,
        "names: 3",
        "a: &a [x,x]\nb: &b {<<: *a}\nnames: *b",
        b"\xff\xfe\xfa names",
    ],
)
def test_damaged_tables_are_one_sentence(names, tmp_path):
    foreign(tmp_path, "0 0.1 0.2 0.3 0.4 0.5 0.6", "")
    (tmp_path / "data.yaml").write_bytes(names if isinstance(names, bytes) else names.encode())
    with pytest.raises(ValueError, match=r"data\.yaml cannot be used"):
        read_yolo(tmp_path, shape=(10, 10), file_name="a")


def test_a_table_cannot_run_code(tmp_path):
    foreign(tmp_path, "", "names: !!python/object/apply:os.mkdir [ran]")
    found = read_yolo(tmp_path, shape=(10, 10), file_name="a")
    assert [c.name for c in found.categories] == ["ran"]
    assert not Path("ran").exists()


def test_bombs_of_references_are_not_unfolded(tmp_path):
    levels = [f"l{n}: &l{n} {{<<: [{', '.join([f'*l{n - 1}'] * 9)}]}}" for n in range(1, 30)]
    text = "\n".join(["l0: &l0 {a: 1}", *levels, "names: [cat]"])
    start = time.process_time()
    found = read_yolo(foreign(tmp_path, "", text), shape=(10, 10), file_name="a")
    assert time.process_time() - start < 2
    assert [c.name for c in found.categories] == ["cat"]


def test_a_million_crossing_sides_end_soon(tmp_path):
    xy = np.random.default_rng(1).random((500_000, 2))
    foreign(tmp_path, "0 " + " ".join(f"{v:.4f}" for v in xy.ravel()))
    start = time.process_time()
    with pytest.raises(ValueError, match="far more than fit an image"):
        read_yolo(tmp_path, shape=(2048, 2048), file_name="a")
    assert time.process_time() - start < 5


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="without links")
def test_links_that_lead_elsewhere_are_not_followed(tmp_path):
    secret = tmp_path / "elsewhere.txt"
    secret.write_text("0 0.1 0.2 0.3 0.4 0.5 0.6")
    folder = tmp_path / "set"
    (folder / "labels").mkdir(parents=True)
    (folder / "data.yaml").write_text("names: [cat]")
    (folder / "labels/a.txt").symlink_to(secret)
    with pytest.raises(ValueError, match=r"no file for the image 'a\.png'"):
        read_yolo(folder, shape=(10, 10), file_name="a.png")


def test_preflight_tells_what_ultralytics_cannot_read(annotate, blobs):
    stack = replace(square(annotate), source=Source(Path("a.tif"), plane=2, n_planes=5))
    assert "knows no stacks" in preflight(stack, "yolo")[0].sentence
    odd = preflight(square(annotate, "a.czi"), "yolo")
    assert any("does not read '.czi'" in finding.sentence for finding in odd)
    several = preflight(annotate(blobs), "yolo")
    assert any("1 region falls into several parts" in finding.sentence for finding in several)


def test_what_only_we_read_is_beside_the_data_set(annotate, blobs, tmp_path):
    export(annotate(blobs), tmp_path / "out", format="yolo")
    own = json.loads((tmp_path / "out/unseg_studio.json").read_text())
    assert own["images"]["labels/cell.txt"]["height"] == 40
    (tmp_path / "out/unseg_studio.json").write_text('{"images": [], "categories": 7}')
    found = load(tmp_path / "out", shape=blobs.shape, file_name="cell.tif")
    np.testing.assert_array_equal(found.labels, blobs)
    assert [c.id for c in found.categories] == [1, 2, 3]
