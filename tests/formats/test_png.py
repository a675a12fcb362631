"""Indexed PNG out, PNG masks of other programs in."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import PIL.Image
import pytest

from unseg_studio.data import Category
from unseg_studio.formats import read_png, write_png

LABELS = np.array([[0, 1, 1], [2, 0, 7]], np.int32)


def save(path, array, mode=None):
    PIL.Image.fromarray(array).convert(mode).save(path)
    return path


def test_the_palette_shows_the_categories_in_their_colours(annotate, tmp_path):
    write_png(annotate(LABELS), tmp_path / "out.png")
    with PIL.Image.open(tmp_path / "out.png") as image:
        assert image.mode == "P"
        np.testing.assert_array_equal(np.array(image), LABELS)
        shown = np.array(image.convert("RGB"))
    assert shown[0, 0].tolist() == [0, 0, 0]
    assert shown[0, 1].tolist() == [0xE6, 0x9F, 0x00]


def test_names_stand_in_a_table_beside_it(annotate, tmp_path):
    write_png(annotate(LABELS), tmp_path / "out.png")
    text = (tmp_path / "out.categories.csv").read_text(encoding="utf-8")
    assert text.splitlines() == [
        "id,name,color,kind",
        "1,Zelle,#e69f00,thing",
        '2,"fond océan, 海",#56b4e9,stuff',
        "7,never drawn,#009e73,thing",
    ]


def test_several_images_are_refused(annotate, tmp_path):
    with pytest.raises(ValueError, match="a PNG holds the masks of one"):
        write_png([annotate(LABELS), annotate(LABELS)], tmp_path / "out.png")


def test_ids_beyond_the_palette_are_refused(annotate, tmp_path):
    high = (Category(300, "high", "#000000"),)
    with pytest.raises(ValueError, match=r"id 300 occurs; .* ids up to 255"):
        write_png(annotate(np.full((2, 2), 300), categories=high), tmp_path / "out.png")
    assert not list(tmp_path.iterdir())


def test_a_high_id_that_does_not_occur_is_no_obstacle(annotate, tmp_path):
    table = (Category(255, "last", "#000001"), Category(300, "high", "#000000"))
    write_png(annotate(np.full((2, 2), 255), categories=table), tmp_path / "out.png")
    assert read_png(tmp_path / "out.png", shape=(2, 2)).categories == table


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_grey_masks_are_read_and_named_by_id(tmp_path, dtype):
    path = save(tmp_path / "mask.png", np.array([[0, 200], [3, 200]], dtype))
    loaded = read_png(path, shape=(2, 2))
    assert loaded.labels.tolist() == [[0, 200], [3, 200]]
    assert [(c.id, c.name) for c in loaded.categories] == [(3, "category 3"), (200, "category 200")]


def test_black_and_white_masks_are_read(tmp_path):
    path = save(tmp_path / "mask.png", np.array([[True, False]]))
    assert read_png(path, shape=(1, 2)).labels.tolist() == [[1, 0]]


def test_colours_of_a_palette_are_kept_without_a_table(annotate, tmp_path):
    write_png(annotate(LABELS), tmp_path / "out.png")
    (tmp_path / "out.categories.csv").unlink()
    loaded = read_png(tmp_path / "out.png", shape=LABELS.shape)
    assert [c.color for c in loaded.categories] == ["#e69f00", "#56b4e9", "#009e73"]
    assert [c.name for c in loaded.categories] == ["category 1", "category 2", "category 7"]


def test_high_16_bit_ids_are_renumbered_and_said_to_be(tmp_path):
    path = save(tmp_path / "mask.png", np.array([[0, 1, 40_000, 65_535]], np.uint16))
    loaded = read_png(path, shape=(1, 4))
    assert loaded.labels.tolist() == [[0, 1, 2, 3]]
    assert loaded.notes[0].startswith("2 categories got new ids")


def test_an_image_instead_of_a_mask_is_refused(tmp_path):
    path = save(tmp_path / "mask.png", np.arange(2500, dtype=np.uint16).reshape(50, 50))
    with pytest.raises(ValueError, match=r"2499 different values.*Is it an image"):
        read_png(path, shape=(50, 50))


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA"])
def test_colours_instead_of_ids_are_refused(tmp_path, mode):
    path = save(tmp_path / "mask.png", np.zeros((3, 3), np.uint8), mode)
    with pytest.raises(ValueError, match=rf"holds colours \({mode}\) instead of ids; accepted are"):
        read_png(path, shape=(3, 3))


@pytest.mark.parametrize("side", [15_000, 2**31 - 1])
def test_a_header_that_promises_very_many_pixels_is_refused(tmp_path, side):
    header = b"IHDR" + struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header
    data += struct.pack(">II", zlib.crc32(header), 0) + b"IDAT"
    data += struct.pack(">I", zlib.crc32(b"IDAT"))
    (tmp_path / "bomb.png").write_bytes(data)
    with pytest.raises(ValueError, match=r"bomb\.png is"):
        read_png(tmp_path / "bomb.png", shape=(10, 10))


@pytest.mark.parametrize(
    "table",
    [
        b"",
        b"a,b\n1,2\n",
        b"id,name\nx,y\n",
        b"\xff\xfe\x00",
        b'id,name\n1,"open',
        b"id,name\n\n,\n",
    ],
)
def test_a_table_that_is_none_is_refused(annotate, tmp_path, table):
    write_png(annotate(LABELS), tmp_path / "out.png")
    (tmp_path / "out.categories.csv").write_bytes(table)
    with pytest.raises(ValueError, match=r"out\.categories\.csv"):
        read_png(tmp_path / "out.png", shape=LABELS.shape)


def test_a_table_made_by_hand_need_not_be_complete(annotate, tmp_path):
    write_png(annotate(LABELS), tmp_path / "out.png")
    (tmp_path / "out.categories.csv").write_text("id,name,color\n1,cell,red\n", encoding="utf-8")
    first, second, _ = read_png(tmp_path / "out.png", shape=LABELS.shape).categories
    assert (first.name, first.kind, second.name) == ("cell", "thing", "category 2")
