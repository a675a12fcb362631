"""What every format in the table keeps to; a new one is tested the day it is added."""

from __future__ import annotations

import weakref
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from unseg_studio.data import Annotation, Category, Source
from unseg_studio.formats import FORMATS, StartingLabels, export, format_named, load, preflight
from unseg_studio.formats.atomic import write_bytes

every_format = pytest.mark.parametrize("name", FORMATS)
every_reader = pytest.mark.parametrize("name", [n for n, f in FORMATS.items() if f.read])
every_folder = pytest.mark.parametrize("name", [n for n, f in FORMATS.items() if f.is_folder])
every_set = pytest.mark.parametrize("name", [n for n, f in FORMATS.items() if f.holds_many])


def written(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def files_of(path):
    """The files to damage: the one, or all of the folder."""
    return [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())


def target(folder, name, stem="out"):
    return folder / f"{stem}{FORMATS[name].suffix}"


def large_disc():
    """A label map that every format can hold, polygons of few points, too, nearly."""
    rows, cols = np.mgrid[:50, :70]
    return ((rows - 25) ** 2 + (cols - 30) ** 2 < 400).astype(np.int32)


@every_format
def test_a_format_says_what_it_is(name):
    format_ = FORMATS[name]
    assert format_.name == name
    assert format_.suffix.startswith(".") or (format_.is_folder and format_.suffix == "")
    assert format_.title
    assert format_.options() == format_.options()
    assert all(loss.endswith(".") for loss in format_.losses)


def test_titles_differ():
    assert len({format_.title for format_ in FORMATS.values()}) == len(FORMATS)


def come_back(name, annotation, labels, path):
    export(annotation, path, format=name)
    loaded = load(path, shape=annotation.shape, file_name="cell.tif", format=name)
    assert isinstance(loaded, StartingLabels)
    assert loaded.labels.dtype == np.int32
    assert loaded.labels.shape == labels.shape
    assert not loaded.labels.flags.writeable
    same_labels = np.array_equal(loaded.labels, labels)
    return same_labels, loaded.categories == annotation.categories and loaded.notes == ()


@pytest.mark.parametrize("name", [n for n, f in FORMATS.items() if f.read and not f.losses])
def test_labels_come_back(name, labels, annotate, tmp_path):
    assert come_back(name, annotate(labels), labels, target(tmp_path, name)) == (True, True)


@pytest.mark.parametrize("name", [n for n, f in FORMATS.items() if f.read and f.losses])
def test_a_format_that_says_it_loses_something_does(name, annotate, blobs, tmp_path):
    noise = np.random.default_rng(5).choice([0, 1, 2], (31, 17)).astype(np.int32)
    same = [
        come_back(name, annotate(labels), labels, target(tmp_path, name, stem))
        for stem, labels in (("blobs", blobs), ("noise", noise), ("none", np.zeros((4, 5), int)))
    ]
    assert not all(all(pair) for pair in same)


@every_reader
def test_a_plain_region_comes_back(name, annotate, tmp_path):
    labels = large_disc()
    export(annotate(labels), target(tmp_path, name), format=name)
    loaded = load(target(tmp_path, name), shape=labels.shape, file_name="cell.tif", format=name)
    inside = loaded.labels > 0
    overlap = (inside & (labels > 0)).sum() / (inside | (labels > 0)).sum()
    assert overlap > 0.9
    ids = {c.id: c.name for c in loaded.categories}
    assert {ids[id_] for id_ in np.unique(loaded.labels) if id_} == {"Zelle"}


@every_reader
def test_a_file_is_known_by_its_name_and_beginning(name, annotate, tmp_path):
    labels = large_disc()
    export(annotate(labels), target(tmp_path, name), format=name)
    loaded = load(target(tmp_path, name), shape=labels.shape, file_name="cell.tif")
    told = load(target(tmp_path, name), shape=labels.shape, file_name="cell.tif", format=name)
    np.testing.assert_array_equal(loaded.labels, told.labels)


@every_set
def test_images_of_several_sizes_share_a_data_set(name, annotate, tmp_path):
    maps = {"a.tif": large_disc(), "b.png": large_disc().T.copy(), "sub c.jpg": large_disc()[:40]}
    given = [annotate(labels, name=file) for file, labels in maps.items()]
    export(iter(given), target(tmp_path, name), format=name)
    assert [p.name for p in tmp_path.iterdir()] == [target(tmp_path, name).name]
    if FORMATS[name].read is None:
        return
    for file, labels in maps.items():
        loaded = load(target(tmp_path, name), shape=labels.shape, file_name=file, format=name)
        assert (loaded.labels > 0).sum() == pytest.approx((labels > 0).sum(), rel=0.1)


@every_set
@pytest.mark.parametrize("kind", [list, iter])
def test_a_split_data_set_keeps_its_parts(name, kind, annotate, tmp_path):
    labels = large_disc()
    subsets = {"a.tif": "train", "b.tif": "val", "c.tif": "train"}
    given = [replace(annotate(labels, name=n), subset=s) for n, s in subsets.items()]
    path = target(tmp_path, name)
    export(kind(given), path, format=name)
    told = " ".join(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*"))
    told += " ".join(file.read_text() for file in tmp_path.glob("*.xml"))
    assert "train" in told
    assert "val" in told
    if FORMATS[name].read is None:
        return
    for file, subset in subsets.items():
        part = path if path.exists() else path.with_name(f"out_{subset}{path.suffix}")
        loaded = load(part, shape=labels.shape, file_name=file, format=name)
        assert (loaded.labels > 0).sum() == pytest.approx((labels > 0).sum(), rel=0.1)


@every_set
@pytest.mark.parametrize("was_there", [False, True])
def test_two_images_of_one_name_are_refused_before_anything_is_written(
    name, was_there, annotate, blobs, tmp_path
):
    path = target(tmp_path, name)
    if was_there:
        export(annotate(blobs, name="x.png"), path, format=name)
    before = written(tmp_path)
    twice = [annotate(blobs, name=n) for n in ("/one/a.png", "/one/b.png", "/two/a.png")]
    with pytest.raises(ValueError, match=r"would both be called|more than one would be called"):
        export(iter(twice), path, format=name)
    assert written(tmp_path) == before


@every_set
def test_masks_are_let_go_as_soon_as_they_are_written(name, annotate, tmp_path):
    alive = []
    most = 0

    def coming():
        nonlocal most
        for n in range(6):
            annotation = annotate(large_disc(), name=f"{n}.tif")
            alive.append(weakref.ref(annotation.regions[0]))
            yield annotation
            del annotation
            most = max(most, sum(ref() is not None for ref in alive))

    export(coming(), target(tmp_path, name), format=name)
    assert len(alive) == 6
    assert most <= 2


@every_folder
def test_what_else_lies_in_a_folder_stays(name, annotate, blobs, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/notes.txt").write_text("mine")
    export(annotate(blobs), tmp_path / "out", format=name)
    assert (tmp_path / "out/notes.txt").read_text() == "mine"
    assert len(written(tmp_path)) > 1


@every_folder
@pytest.mark.parametrize("file", ["..", "C:\\x.tif", "..\\x.tif", "a/../../x.tif"])
def test_no_file_lies_outside_of_the_folder(name, file, annotate, blobs, tmp_path):
    (tmp_path / "in").mkdir()
    annotation = replace(annotate(blobs), source=Source(Path(file)))
    with suppress(ValueError):
        export(annotation, tmp_path / "in/out", format=name)
    assert {p.name for p in tmp_path.iterdir()} == {"in"}
    assert {p.name for p in (tmp_path / "in").iterdir()} <= {"out"}


@every_format
def test_a_failed_export_leaves_what_was_there(name, annotate, blobs, tmp_path):
    resource = pytest.importorskip("resource")
    path = target(tmp_path, name)
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
    poorer = replace(annotation, categories=annotation.categories[1:])
    with pytest.raises(ValueError, match="regions of category 1, which is not in"):
        export(poorer, tmp_path / "out", format=name)
    assert written(tmp_path) == {}


@every_set
def test_categories_that_contradict_each_other_are_refused(name, annotate, blobs, tmp_path):
    other = (Category(1, "something else", "#e69f00"), *annotate(blobs).categories[1:])
    given = [annotate(blobs, name="a.tif"), annotate(blobs, name="b.tif", categories=other)]
    with pytest.raises(ValueError, match="Category 1 is 'Zelle' in one image"):
        export(given, tmp_path / "out", format=name)
    assert written(tmp_path) == {}


@every_format
def test_options_of_another_format_are_refused(name, annotate, blobs, tmp_path):
    with pytest.raises(ValueError, match="accepted are"):
        export(annotate(blobs), tmp_path / "out", format=name, options="polygon")


@every_format
@pytest.mark.parametrize("nothing", [[], iter(())])
def test_nothing_to_export_is_refused(name, nothing, tmp_path):
    with pytest.raises(ValueError, match="No image was given"):
        export(nothing, tmp_path / "out", format=name)


def reads_or_says(path, name, shape):
    """What is read of a damaged file; None where one sentence says that it cannot be."""
    try:
        return load(path, shape=shape, file_name="cell.tif", format=name)
    except (ValueError, FileNotFoundError) as error:
        assert path.stem in str(error)
        assert "\n" not in str(error).strip()
        return None


SOMETHING_ELSE = [b"", b"\x00" * 100, b"{", b"\x89PNG\r\n\x1a\n", b"[1, 2]", b"II*\0\x08\0\0\0"]


@every_reader
@pytest.mark.parametrize("data", SOMETHING_ELSE)
def test_files_that_are_something_else_are_one_sentence(name, data, annotate, blobs, tmp_path):
    path = target(tmp_path, name, "bad")
    export(annotate(blobs), path, format=name)
    read = []
    for file in files_of(path):
        whole = file.read_bytes()
        write_bytes(file, data)
        read.append(reads_or_says(path, name, blobs.shape))
        file.write_bytes(whole)
    assert any(loaded is None for loaded in read)


@every_reader
@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_a_truncated_file_is_one_sentence(name, share, annotate, blobs, tmp_path):
    path = target(tmp_path, name, "cut")
    export(annotate(blobs), path, format=name)
    read = []
    for file in files_of(path):
        whole = file.read_bytes()
        file.write_bytes(whole[: int(len(whole) * share)])
        read.append(reads_or_says(path, name, blobs.shape))
        file.write_bytes(whole)
    assert any(loaded is None for loaded in read)


@every_reader
def test_an_absent_file_is_one_sentence(name, tmp_path):
    with pytest.raises(FileNotFoundError, match="cannot be read: No such file"):
        load(target(tmp_path, name, "absent"), shape=(5, 5), format=name)


@every_reader
def test_labels_of_another_size_are_refused(name, annotate, blobs, tmp_path):
    path = target(tmp_path, name)
    export(annotate(blobs), path, format=name)
    if FORMATS[name].losses and not _states_a_size(path):
        pytest.skip("this format states no size")
    with pytest.raises(ValueError, match=r"60 x 40 px.*40 x 60 px"):
        load(path, shape=(60, 40), file_name="cell.tif", format=name)


def _states_a_size(path):
    return any(b"60" in file.read_bytes() and b"40" in file.read_bytes() for file in files_of(path))


@every_format
def test_preflight_finds_nothing_wrong_with_plain_regions(name, annotate):
    labels = np.full((20, 20), 2)
    labels[5:9, 5:9] = 1
    annotation = annotate(labels, categories=annotate(labels).categories[:2])
    found = [f for f in preflight(annotation, name) if f.severity != "note"]
    assert FORMATS[name].losses or found == []


def test_an_unknown_format_lists_those_there_are(annotate, blobs, tmp_path):
    listed = ", ".join(FORMATS)
    with pytest.raises(ValueError, match=f"Unknown format 'tiff'; accepted are {listed}"):
        export(annotate(blobs), tmp_path / "out", format="tiff")
    with pytest.raises(ValueError, match=f"accepted are {listed}"):
        format_named("COCO")


def test_an_unknown_suffix_lists_those_there_are(tmp_path):
    with pytest.raises(ValueError, match=r"'\.doc'; accepted are \.json \(COCO\), .*\.png"):
        load(tmp_path / "a.doc", shape=(5, 5))


def test_an_annotation_has_no_part_unless_it_is_split(annotate, blobs):
    assert isinstance(annotate(blobs), Annotation)
    assert annotate(blobs).subset == ""
