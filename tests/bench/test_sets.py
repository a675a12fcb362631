"""A folder of sets becomes cases that can be played."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile

from tests.bench.made_up import disc, picture
from unseg_studio.bench.robot import categories_in
from unseg_studio.bench.sets import (
    LARGEST_SIDE,
    annotated_names,
    annotated_of,
    cases_of,
    names_of,
    sets_in,
    unscored_strokes,
)


def cases(data, name, **options):
    return [*cases_of(data, sets_in(data)[name], **options)]


def only(data, name):
    (case,) = cases(data, name)
    return case


def test_a_case_is_an_image_with_its_categories_from_one_up(make_set):
    values = disc()
    case = only(make_set("a", {"x": values}), "a")
    assert (case.set, case.name) == ("a", "x")
    assert case.truth.dtype == np.int32
    assert (case.truth == values + 1).all()
    assert (case.image.pixels == picture(values)).all()


def test_255_is_not_scored(make_set):
    values = disc()
    values[:4] = 255
    truth = only(make_set("a", {"x": values}), "a").truth
    assert categories_in(truth) == [1, 2]
    assert (truth[:4] == 0).all()


def test_numbered_objects_become_object_and_background(make_set):
    values = disc() * 3
    values[30:, 40:] = 255
    data = make_set("cells", {"x": values}, kind="instance", mask="1..N nuclei")
    assert (only(data, "cells").truth == (values > 0) + 1).all()


def test_a_set_whose_masks_alone_are_of_objects_becomes_object_and_background(make_set):
    values = disc() * 5
    drawn = np.full_like(values, 255)
    drawn[0, :9], drawn[18, 20:30] = 0, 1
    data = make_set(
        "mixed",
        {"blobs": values},
        images={"blobs": picture(values), "other": picture(values)},
        folders={"scribbles": {"blobs": drawn, "other": drawn}},
        kind="scribble (real)",
        mask="only blobs has a full instance mask; the others have none",
    )
    case = only(data, "mixed")
    assert (case.truth == (values > 0) + 1).all()
    assert categories_in(case.strokes["scribbles"]) == [1, 2]
    assert (case.truth[case.strokes["scribbles"] == 2] == 2).all()


def test_a_set_that_also_has_instances_stays_semantic(make_set):
    values = disc() * 15
    said = "masks/: class index, masks_instance/: 1..N objects; 255 ignore"
    data = make_set("voc", {"x": values}, kind="semantic+instance", mask=said)
    assert categories_in(only(data, "voc").truth) == [1, 16]


def test_of_several_annotators_the_one_with_the_fewest_segments_counts(make_set):
    fine = disc() + 1
    fine[30:] = 3
    data = make_set(
        "regions",
        {"x_0": fine, "x_1": disc() + 1, "xy_0": fine},
        images={"x": picture(fine)},
        kind="region",
    )
    assert (only(data, "regions").truth == disc() + 2).all()


def test_all_annotators_are_read_and_regions_keep_their_numbers(make_set):
    fine = disc() + 1
    fine[30:] = 255
    data = make_set(
        "regions",
        {"x_1": disc() + 1, "x_0": fine, "flat_0": disc() * 0},
        images={"x": picture(fine), "flat": picture(fine)},
        kind="region",
    )
    manifest = sets_in(data)["regions"]
    flat, case = annotated_of(data, manifest)
    assert (case.set, case.name, case.image.shape) == ("regions", "x", fine.shape)
    assert [plane.dtype for plane in case.annotations] == [np.int32, np.int32]
    assert (case.annotations[0] == fine).all()
    assert (case.annotations[1] == disc() + 1).all()
    assert len(flat.annotations) == 1
    assert annotated_names(data, manifest) == ["flat", "x"]
    assert annotated_names(data, manifest, most=1) == ["flat"]


def test_annotated_objects_are_categories_and_images_stay_whole(make_set):
    values = disc((700, 690), centre=(300, 300), radius=100)
    values[:4] = 255
    data = make_set("a", {"x": values})
    manifest = sets_in(data)["a"]
    (case,) = annotated_of(data, manifest)
    assert case.image.shape == values.shape
    assert (case.annotations[0] == np.where(values == 255, 0, values.astype(int) + 1)).all()


def test_images_of_one_category_or_of_too_many_are_left_out(make_set):
    many = (np.arange(40 * 56) // 100).reshape(40, 56).astype(np.uint8)
    masks = {"flat": np.zeros((40, 56), np.uint8), "many": many, "fit": disc()}
    images = {name: picture(disc()) for name in masks}
    data = make_set("a", masks, images=images)
    assert [case.name for case in cases(data, "a")] == ["fit"]


def test_large_planes_are_cut(make_set):
    values = disc((700, 690), centre=(300, 300), radius=100)
    drawn = np.full_like(values, 255)
    drawn[300, 300] = 1
    case = only(make_set("a", {"x": values}, folders={"scribbles": {"x": drawn}}), "a")
    assert case.image.shape == case.truth.shape == (LARGEST_SIDE, LARGEST_SIDE)
    assert case.strokes["scribbles"].shape == case.truth.shape


def test_the_wanted_number_is_spread_over_the_images_that_can_be_played(make_set):
    masks = {f"{i}": disc() for i in range(9)} | {"0": np.zeros((40, 56), np.uint8)}
    data = make_set("a", masks, images={name: picture(disc()) for name in masks})
    assert [case.name for case in cases(data, "a", most=3)] == ["1", "3", "6"]
    assert names_of(data, sets_in(data)["a"], most=3) == ["1", "3", "6"]
    assert len(cases(data, "a", most=50)) == 8


def test_of_a_stack_the_first_plane_is_played(make_set):
    data = make_set("stack", {}, kind="instance time-lapse", mask="1..N")
    values = np.stack([disc() * 7, np.zeros_like(disc())]).astype(np.uint16)
    for kind in ("images", "masks"):
        tifffile.imwrite(data / "stack" / kind / "x.tif", values + 0, photometric="minisblack")
    assert (only(data, "stack").truth == disc() + 1).all()


def test_three_dimensional_sets_are_left_out(make_set):
    data = make_set("a", {"x": disc()})
    make_set("volume", {"x": disc()}, kind="instance 3D")
    assert [*sets_in(data)] == ["a"]


def test_strokes_without_a_mask_are_counted(make_set):
    drawn = np.full((40, 56), 255, np.uint8)
    data = make_set("a", {"x": disc()}, folders={"scribbles": {"x": drawn}})
    make_set("b", {}, images={"x": picture(disc())}, folders={"scribbles2": {"x": drawn}})
    assert unscored_strokes(data) == {"b": 1}


def test_a_folder_without_sets_is_refused_in_a_sentence(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no image set; accepted is a folder"):
        sets_in(tmp_path)


@pytest.mark.parametrize("text", ["{", "[1]"])
def test_a_damaged_manifest_is_named(make_set, text):
    data = make_set("a", {"x": disc()})
    (data / "a" / "MANIFEST.json").write_text(text)
    with pytest.raises(ValueError, match=r"MANIFEST\.json (is no JSON file|holds no JSON object)"):
        sets_in(data)
