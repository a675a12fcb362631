"""What every format in the table keeps to; a new one is tested the day it is added."""

from __future__ import annotations

import numpy as np
import pytest

from unseg_studio.formats import FORMATS, StartingLabels, export, format_named, load, preflight
from unseg_studio.formats.atomic import write_bytes

every_format = pytest.mark.parametrize("name", FORMATS)


def written(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@every_format
def test_a_format_says_what_it_is(name):
    format_ = FORMATS[name]
    assert format_.name == name
    assert format_.suffix.startswith(".")
    assert format_.title
    assert format_.options() == format_.options()


@every_format
def test_labels_come_back(name, labels, annotate, tmp_path):
    if FORMATS[name].read is None:
        pytest.skip("written only")
    annotation = annotate(labels)
    path = tmp_path / f"out{FORMATS[name].suffix}"
    export(annotation, path, format=name)
    loaded = load(path, shape=annotation.shape, file_name="cell.tif")
    assert isinstance(loaded, StartingLabels)
    assert loaded.labels.dtype == np.int32
    assert not loaded.labels.flags.writeable
    np.testing.assert_array_equal(loaded.labels, labels)
    assert loaded.categories == annotation.categories
    assert loaded.notes == ()


@every_format
def test_a_failed_export_leaves_what_was_there(name, annotate, blobs, tmp_path):
    resource = pytest.importorskip("resource")
    path = tmp_path / f"out{FORMATS[name].suffix}"
    export(annotate(blobs), path, format=name)
    before = written(tmp_path)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20, limits[1]))
    try:
        with pytest.raises(OSError, match="was not written"):
            export(annotate(np.zeros((30, 40))), path, format=name)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert written(tmp_path) == before


@every_format
def test_a_missing_folder_is_one_sentence(name, annotate, blobs, tmp_path):
    with pytest.raises(FileNotFoundError, match="does not exist"):
        export(annotate(blobs), tmp_path / "gone" / "out", format=name)


@every_format
def test_a_region_without_a_category_is_refused_before_anything_is_written(
    name, annotate, blobs, tmp_path
):
    annotation = annotate(blobs)
    poorer = type(annotation)(
        annotation.shape, annotation.source, annotation.categories[1:], annotation.regions
    )
    with pytest.raises(ValueError, match="regions of category 1, which is not in"):
        export(poorer, tmp_path / "out", format=name)
    assert written(tmp_path) == {}


@every_format
def test_options_of_another_format_are_refused(name, annotate, blobs, tmp_path):
    with pytest.raises(ValueError, match="accepted are"):
        export(annotate(blobs), tmp_path / "out", format=name, options="polygon")


@every_format
def test_nothing_to_export_is_refused(name, tmp_path):
    with pytest.raises(ValueError, match="No image was given"):
        export([], tmp_path / "out", format=name)


@every_format
@pytest.mark.parametrize("data", [b"", b"\x00" * 100, b"{", b"\x89PNG\r\n\x1a\n", b"[1, 2]"])
def test_files_that_are_something_else_are_one_sentence(name, data, tmp_path):
    path = tmp_path / f"bad{FORMATS[name].suffix}"
    write_bytes(path, data)
    with pytest.raises(ValueError, match=r"bad\.") as caught:
        load(path, shape=(5, 5), format=name)
    assert "\n" not in str(caught.value)


@every_format
@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_a_truncated_file_is_one_sentence(name, share, annotate, blobs, tmp_path):
    path = tmp_path / f"cut{FORMATS[name].suffix}"
    export(annotate(blobs), path, format=name)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(ValueError, match=r"cut\."):
        load(path, shape=blobs.shape, format=name)


@every_format
def test_an_absent_file_is_one_sentence(name, tmp_path):
    with pytest.raises(FileNotFoundError, match="cannot be read: No such file"):
        load(tmp_path / f"absent{FORMATS[name].suffix}", shape=(5, 5))


@every_format
def test_labels_of_another_size_are_refused(name, annotate, blobs, tmp_path):
    path = tmp_path / f"out{FORMATS[name].suffix}"
    export(annotate(blobs), path, format=name)
    with pytest.raises(ValueError, match=r"60 x 40 px.*40 x 60 px"):
        load(path, shape=(60, 40), file_name="cell.tif")


@every_format
def test_preflight_finds_nothing_wrong_with_plain_regions(name, annotate):
    labels = np.full((20, 20), 2)
    labels[5:9, 5:9] = 1
    annotation = annotate(labels, categories=annotate(labels).categories[:2])
    assert preflight(annotation, name) == ()


def test_an_unknown_format_lists_those_there_are(annotate, blobs, tmp_path):
    with pytest.raises(ValueError, match="Unknown format 'yolo'; accepted are coco, png"):
        export(annotate(blobs), tmp_path / "out", format="yolo")
    with pytest.raises(ValueError, match="accepted are coco, png"):
        format_named("COCO")


def test_an_unknown_suffix_lists_those_there_are(tmp_path):
    with pytest.raises(ValueError, match=r"'\.xml'; accepted are \.json \(COCO\), \.png"):
        load(tmp_path / "a.xml", shape=(5, 5))
