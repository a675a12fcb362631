"""What is said about many images, and about the tools that will read them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from unseg_studio.data import FIRST_CLUSTER
from unseg_studio.formats import FORMATS, CocoOptions, preflight
from unseg_studio.formats.cvat import CvatOptions
from unseg_studio.formats.preflight import preflight_all
from unseg_studio.formats.targets import TARGETS


def said(findings):
    return " ".join(finding.sentence for finding in findings)


def test_everything_is_counted(annotate, blobs):
    empty = annotate(np.zeros((5, 5)), name="empty.tif")
    told = preflight_all(iter([annotate(blobs, name="a.tif"), empty, annotate(blobs)]))
    assert told.n_images == 3
    assert told.regions == {"Zelle": 6, "fond océan, 海": 2, "never drawn": 0}
    assert told.images == {"Zelle": 2, "fond océan, 海": 2, "never drawn": 0}
    assert told.without_labels == ("empty.tif",)
    assert (told.n_tiny, told.n_with_holes, told.duplicates) == (2, 2, ())


def test_names_that_occur_twice_are_an_error(annotate, blobs):
    told = preflight_all([annotate(blobs, name="x/a.tif"), annotate(blobs, name="y/a.tif")])
    assert told.duplicates == ("a.tif",)
    assert told.findings[0].severity == "error"


def test_a_finding_of_many_images_is_said_once(annotate, blobs):
    told = preflight_all([annotate(blobs, name=f"{n}.tif") for n in range(4)])
    tiny = [f.sentence for f in told.findings if "fewer than 4 pixels" in f.sentence]
    assert len(tiny) == 1
    assert tiny[0].startswith("In 4 images: ")


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_takes_formats_that_exist(target, annotate, blobs):
    assert set(TARGETS[target].formats) <= set(FORMATS)
    for name in TARGETS[target].formats:
        assert "does not read this format" not in said(
            preflight(annotate(blobs), name, target=target)
        )


def test_a_format_that_the_target_does_not_read_is_a_warning(annotate, blobs):
    found = preflight(annotate(blobs), "coco", target="ultralytics")
    assert "Ultralytics does not read this format; it reads yolo." in said(found)


def test_an_unknown_target_lists_those_there_are(annotate, blobs):
    with pytest.raises(ValueError, match=r"Unknown target 'paint'; accepted are cvat, label-s"):
        preflight(annotate(blobs), target="paint")


def test_label_studio_rejects_run_lengths_but_not_polygons(annotate, blobs):
    polygons = CocoOptions(segmentation="polygon", holes="fill")
    kept = CocoOptions(segmentation="polygon")
    assert "rejects run lengths" in said(preflight(annotate(blobs), target="label-studio"))
    assert "rejects the run lengths of 1 region" in said(
        preflight(annotate(blobs), options=kept, target="label-studio")
    )
    assert "rejects" not in said(
        preflight(annotate(blobs), options=polygons, target="label-studio")
    )


def test_fiftyone_leaves_out_the_masks_of_cvat_files(annotate, blobs):
    polygons = CvatOptions(shapes="polygon")
    assert "leaves out the masks" in said(preflight(annotate(blobs), "cvat", target="fiftyone"))
    assert "leaves out 1 region with holes" in said(
        preflight(annotate(blobs), "cvat", options=polygons, target="fiftyone")
    )
    whole = annotate(np.where(blobs == 2, 2, 0))
    assert "leaves out" not in said(preflight(whole, "cvat", options=polygons, target="fiftyone"))


@pytest.mark.parametrize("target", TARGETS)
def test_the_options_that_a_target_reads_best_belong_to_its_formats(target):
    for name, options in TARGETS[target].options.items():
        assert name in TARGETS[target].formats
        assert isinstance(options, FORMATS[name].options)


def test_ultralytics_drops_regions_of_one_category_with_the_same_box(annotate):
    labels = np.zeros((9, 9))
    labels[1, 1:4] = labels[3, 1:4] = 1
    labels[2, 1:4:2] = 1
    ring = annotate(labels)
    twice = replace(ring, regions=(*ring.regions, *ring.regions))
    assert "duplicates" not in said(preflight(ring, "yolo", target="ultralytics"))
    assert "drops 1 region as duplicates" in said(preflight(twice, "yolo", target="ultralytics"))


def test_detectron_looks_for_jpg_images_of_panoptic_sets(annotate, blobs):
    for name, warned in (("a.jpg", False), ("a.tif", True)):
        found = preflight(annotate(blobs, name=name), "coco-panoptic", target="detectron2")
        assert ("with the ending .jpg" in said(found)) == warned


def test_images_with_clusters_and_parts_are_counted(annotate, blobs):
    pair = [replace(annotate(blobs, name=f"{n}.tif"), subset=n) for n in ("train", "val")]
    pair[1] = replace(pair[1], unnamed={FIRST_CLUSTER: blobs.size})
    told = preflight_all(pair)
    assert (told.n_unnamed, told.parts) == (1, {"train": 1, "val": 1})
    assert told.pixels["Zelle"] == 2 * sum(
        region.area for region in pair[0].regions if region.category == told.categories[0].id
    )


def test_several_images_for_a_format_of_one_are_an_error(annotate, blobs):
    told = preflight_all([annotate(blobs, name=f"{n}.tif") for n in range(2)], "png")
    assert told.refused
    assert "Indexed PNG holds one image, and 2 were chosen" in said(told.findings)


def test_cvat_opens_parts_as_shapes(annotate, blobs):
    polygons = CocoOptions(segmentation="polygon")
    assert "several shapes" in said(preflight(annotate(blobs), options=polygons, target="cvat"))
    assert "several shapes" not in said(preflight(annotate(blobs), target="cvat"))
