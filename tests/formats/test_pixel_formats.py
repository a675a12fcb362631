"""Formats made of pixels, read by others; and what others may have made of them."""

from __future__ import annotations

import json
import struct
import zlib
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import PIL.Image
import pytest
import tifffile

from unseg_studio.data import Category, Source
from unseg_studio.formats import export, load, preflight
from unseg_studio.formats.ome_zarr import OmeZarrOptions


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_pycocotools_reads_stuff_with_one_mask_for_each_category(annotate, blobs, tmp_path):
    coco = pytest.importorskip("pycocotools.coco")
    export(annotate(blobs), tmp_path / "o.json", format="coco-stuff")
    read = coco.COCO(str(tmp_path / "o.json"))
    masks = {entry["category_id"]: read.annToMask(entry) for entry in read.anns.values()}
    assert len(read.anns) == 2
    for id_ in (1, 2):
        np.testing.assert_array_equal(masks[id_] == 1, blobs == id_)


def test_panoptic_numbers_and_segments_agree(annotate, blobs, tmp_path):
    annotation = annotate(blobs)
    export(annotation, tmp_path / "o", format="coco-panoptic")
    content = json.loads((tmp_path / "o/annotations/panoptic_default.json").read_text())
    with PIL.Image.open(tmp_path / "o/annotations/panoptic_default/cell.png") as image:
        red, green, blue = np.moveaxis(np.array(image).astype(int), 2, 0)
    segments = red + 256 * green + 65536 * blue
    infos = content["annotations"][0]["segments_info"]
    assert len(infos) == len(annotation.regions)
    assert {info["id"] for info in infos} == set(np.unique(segments)) - {0}
    for info in infos:
        rows, cols = np.nonzero(segments == info["id"])
        assert info["area"] == rows.size
        assert info["bbox"][:2] == [cols.min(), rows.min()]
    assert [entry["isthing"] for entry in content["categories"]] == [1, 0, 1]


def test_panoptic_segments_beyond_a_byte_come_back(annotate, tmp_path):
    labels = np.zeros((60, 60), np.int32)
    labels[::3, ::3] = 1  # 400 regions
    export(annotate(labels), tmp_path / "o", format="coco-panoptic")
    loaded = load(tmp_path / "o", shape=labels.shape, file_name="cell.tif")
    np.testing.assert_array_equal(loaded.labels, labels)


def test_voc_lists_boxes_and_objects(annotate, blobs, tmp_path):
    given = [
        replace(annotate(blobs, name=n), subset=s)
        for n, s in (("a.tif", "train"), ("b.tif", "val"))
    ]
    export(given, tmp_path / "o", format="voc")
    lists = tmp_path / "o/ImageSets/Segmentation"
    assert {p.name: p.read_text() for p in lists.iterdir()} == {
        "train.txt": "a\n", "val.txt": "b\n", "trainval.txt": "a\nb\n",
    }  # fmt: skip
    root = ElementTree.parse(tmp_path / "o/Annotations/a.xml").getroot()
    boxes = [[int(side.text) for side in box] for box in root.iter("bndbox")]
    with PIL.Image.open(tmp_path / "o/SegmentationObject/a.png") as image:
        objects = np.array(image)
    assert len(boxes) == objects.max()
    for number, (left, top, right, bottom) in enumerate(boxes, 1):
        rows, cols = np.nonzero(objects == number)
        assert (left, top) == (cols.min() + 1, rows.min() + 1)  # VOC counts from one
        assert (right, bottom) == (cols.max() + 1, rows.max() + 1)


def test_voc_has_room_for_254_objects_and_says_so(annotate, tmp_path):
    labels = np.zeros((60, 60), np.int32)
    labels[::3, ::3] = 1
    with pytest.raises(ValueError, match="400 regions; Pascal VOC has room for 254"):
        export(annotate(labels), tmp_path / "o", format="voc")
    assert preflight(annotate(labels), "voc")[0].severity == "error"
    assert not list(tmp_path.iterdir())


def test_voc_of_others_is_named_by_its_label_map(tmp_path):
    classes = tmp_path / "o/SegmentationClass"
    classes.mkdir(parents=True)
    PIL.Image.fromarray(np.array([[0, 1], [2, 255]], np.uint8)).save(classes / "a.png")
    (tmp_path / "o/labelmap.txt").write_text(
        "# x\nbackground:0,0,0::\ncat:128,0,0::\ndog:0,128,0::\n"
    )
    loaded = load(tmp_path / "o", shape=(2, 2), file_name="a.jpg")
    assert loaded.labels.tolist() == [[0, 1], [2, 0]]
    assert [c.name for c in loaded.categories] == ["cat", "dog"]


def test_tifffile_reads_labels_with_their_size(annotate, blobs, tmp_path):
    source = Source(Path("cell.tif"), pixel_size=(0.5, 0.25))
    export(annotate(blobs, source=source), tmp_path / "o", format="ome-tiff")
    with tifffile.TiffFile(tmp_path / "o/cell.ome.tif") as tiff:
        assert tiff.is_ome
        assert tiff.series[0].axes == "YX"
        np.testing.assert_array_equal(tiff.asarray(), blobs)
        assert 'PhysicalSizeY="0.5"' in tiff.ome_metadata


def test_high_ids_make_a_tiff_of_16_bits(annotate, tmp_path):
    table = (Category(1000, "last", "#123456"),)
    export(
        annotate(np.full((3, 4), 1000), categories=table), tmp_path / "a.ome.tif", format="ome-tiff"
    )
    loaded = load(tmp_path / "a.ome.tif", shape=(3, 4))
    assert loaded.categories == table
    assert tifffile.imread(tmp_path / "a.ome.tif").dtype == np.uint16


def test_entities_of_an_ome_tiff_are_not_expanded(tmp_path):
    bomb = '<?xml version="1.0"?><!DOCTYPE OME [<!ENTITY a "unseg-studio/category">]><OME>&a;</OME>'
    tifffile.imwrite(tmp_path / "a.tif", np.ones((3, 4), np.uint8), description=bomb, metadata=None)
    with pytest.raises(ValueError, match=r"a\.tif"):
        load(tmp_path / "a.tif", shape=(3, 4))


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_zarr_reads_every_level(version, annotate, tmp_path):
    zarr = pytest.importorskip("zarr")
    labels = np.random.default_rng(1).integers(0, 3, (1100, 1030)).astype(np.int32)
    table = annotate(np.zeros((2, 2))).categories
    region = annotate(labels, categories=[replace(c, kind="stuff") for c in table])
    path = tmp_path / "o.zarr"
    export(region, path, format="ome-zarr", options=OmeZarrOptions(version))
    group = zarr.open_group(path / "labels/categories", mode="r")
    assert group.metadata.zarr_format == (2 if version == "0.4" else 3)
    for level, step in enumerate((1, 2, 4, 8)):
        np.testing.assert_array_equal(group[str(level)][:], labels[::step, ::step])
    loaded = load(path, shape=labels.shape)
    np.testing.assert_array_equal(loaded.labels, labels)


def test_an_image_in_ome_zarr_keeps_its_own_labels(annotate, blobs, tmp_path):
    zarr = pytest.importorskip("zarr")
    path = tmp_path / "a.zarr"
    zarr.open_group(path, mode="w", zarr_format=2).attrs["multiscales"] = []
    labels = zarr.open_group(path / "labels", mode="w", zarr_format=2)
    labels.attrs["labels"] = ["nuclei"]
    export(annotate(blobs), path, format="ome-zarr", options=OmeZarrOptions("0.5"))
    kept = zarr.open_group(path / "labels", mode="r")
    assert kept.attrs["labels"] == ["nuclei", "categories"]
    assert zarr.open_group(path, mode="r").attrs["multiscales"] == []
    np.testing.assert_array_equal(load(path, shape=blobs.shape).labels, blobs)


@pytest.mark.parametrize(
    "change",
    [
        {"chunks": [100_000, 100_000]},  # 10 GB at once
        {"chunks": [1, 1], "shape": [2000, 2000]},
        {"dtype": "<f4"},
        {"dtype": "|O"},
        {"shape": [40]},
        {"shape": "x"},
        {"compressor": {"id": "pickle"}},
        {"chunks": [0, 0]},
        {"chunks": None},
    ],
)
def test_damaged_zarr_is_one_sentence(change, annotate, blobs, tmp_path):
    export(annotate(blobs), tmp_path / "o.zarr", format="ome-zarr")
    file = tmp_path / "o.zarr/labels/categories/0/.zarray"
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    shape = (2000, 2000) if change.get("shape") == [2000, 2000] else blobs.shape
    with pytest.raises(ValueError, match=r"o\.zarr") as caught:
        load(tmp_path / "o.zarr", shape=shape)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["png-folder", "voc", "coco-panoptic"])
def test_a_png_that_promises_very_many_pixels_is_refused(name, annotate, blobs, tmp_path):
    export(annotate(blobs), tmp_path / "o", format=name)
    header = b"IHDR" + struct.pack(">IIBBBBB", 10**6, 10**6, 8, 0, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header
    data += struct.pack(">II", zlib.crc32(header), 0) + b"IDAT"
    for file in (tmp_path / "o").rglob("*.png"):
        file.write_bytes(data + struct.pack(">I", zlib.crc32(b"IDAT")))
    with pytest.raises(ValueError, match=r"cell\.png is"):
        load(tmp_path / "o", shape=blobs.shape, file_name="cell.tif")
