"""Formats that write a folder for several images, and one file for a single one if asked to."""

from __future__ import annotations

import numpy as np
import pytest

from unseg_studio.formats import FORMATS, export, load, recognised

SINGLE = [name for name, format_ in FORMATS.items() if format_.single]


@pytest.mark.parametrize("name", SINGLE)
def test_one_image_goes_to_the_file_itself(tmp_path, annotate, blobs, name):
    path = tmp_path / f"out{FORMATS[name].single}"
    export(annotate(blobs), path, format=name)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    assert recognised(path) is FORMATS[name]
    read = load(path, shape=blobs.shape)
    np.testing.assert_array_equal(read.labels, annotate(blobs).labels())


@pytest.mark.parametrize("name", SINGLE)
def test_several_images_for_one_file_are_refused_and_nothing_is_left(
    tmp_path, annotate, blobs, name
):
    several = [annotate(blobs, name=f"{n}.tif") for n in range(2)]
    with pytest.raises(ValueError, match="Several images were given for out"):
        export(several, tmp_path / f"out{FORMATS[name].single}", format=name)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("name", SINGLE)
def test_a_folder_of_that_name_is_filled(tmp_path, annotate, blobs, name):
    folder = tmp_path / f"out{FORMATS[name].single}"
    folder.mkdir()
    if name != "ome-tiff":
        export(annotate(blobs), folder, format=name)
        assert any(folder.iterdir())


def test_a_coco_file_in_a_folder_of_labels_is_no_yolo(tmp_path, annotate, blobs):
    (tmp_path / "labels").mkdir()
    export(annotate(blobs), tmp_path / "labels" / "all.json")
    assert recognised(tmp_path / "labels" / "all.json") is FORMATS["coco"]
