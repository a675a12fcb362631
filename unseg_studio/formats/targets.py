"""Tools that exported files are meant for: what each takes, rejects and changes.

Every fact says where it comes from: "read" is the source of the tool or its importer, "issue" its
tracker, "docs" its documentation, "measured" was tried.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np

from unseg_studio.data import Annotation, Patch
from unseg_studio.formats import geometry
from unseg_studio.formats.base import Finding
from unseg_studio.formats.coco import CocoOptions
from unseg_studio.formats.cvat import CvatOptions

Judge = Callable[[Annotation, str, Any], Iterable[Finding]]
"""From an annotation, the name of a format and its options."""


@dataclass(frozen=True)
class Target:
    """One tool.

    Parameters
    ----------
    name, title : str
        How programs and people call it.
    formats : tuple of str
        Keys of `FORMATS` that it reads, the best first.
    judge : callable
        What it would do to an annotation in one of those formats.
    options : mapping of str to object
        By the name of a format, the options that it reads best where they are not the defaults.
    """

    name: str
    title: str
    formats: tuple[str, ...]
    judge: Judge
    options: Mapping[str, Any] = field(default_factory=dict)


def target_named(name: str) -> Target:
    """Look a tool up.

    Raises
    ------
    ValueError
        If there is none of that name; lists those that there are.
    """
    if name not in TARGETS:
        raise ValueError(f"Unknown target {name!r}; accepted are {', '.join(TARGETS)}.")
    return TARGETS[name]


def judged(
    annotation: Annotation, format: str, options: Any, *, target: Target
) -> Iterator[Finding]:
    """Tell what a tool would reject or change."""
    if format in target.formats:
        yield from target.judge(annotation, format, options)
    else:
        yield Finding(
            "warning",
            f"{target.title} does not read this format; it reads {', '.join(target.formats)}. "
            "Choose one of those.",
        )


def _cvat(annotation: Annotation, format: str, options: Any) -> Iterator[Finding]:
    # read: datumaro's COCO importer makes polygons of the parts of an object, with one group.
    if format == "coco" and _polygons(options) and (n := _in_parts(annotation)):
        yield Finding(
            "note",
            f"CVAT will open {_regions(n)} of several parts as several shapes in one group; "
            "run lengths keep them together.",
        )


def _label_studio(annotation: Annotation, format: str, options: Any) -> Iterator[Finding]:
    # read: converter/imports/coco.py of label-studio-sdk goes over `segmentation` as over a list of
    # polygons, which a dict with run lengths is not, and says "RLE in segmentation is not yet
    # supported".
    if format != "coco" or not annotation.regions:
        return
    if not _polygons(options):
        yield Finding(
            "warning",
            "Label Studio rejects run lengths when it imports COCO; choose polygons, and fill "
            "holes.",
        )
        return
    if options.holes == "rle" and (n := _with_holes(annotation)):
        yield Finding(
            "warning",
            f"Label Studio rejects the run lengths of {_regions(n)} with holes; fill the holes.",
        )
    # read: in the same place, each part of an annotation becomes a polygon of its own, and the box
    # of every annotation a rectangle beside it.
    if n := _in_parts(annotation):
        yield Finding("note", f"Label Studio will make several regions of {_regions(n)} in parts.")
    yield Finding("note", "Label Studio will show the box of each region as a rectangle, too.")


def _fiftyone(annotation: Annotation, format: str, options: Any) -> Iterator[Finding]:
    # read: masks are cut to the box; objects whose box rounds to nothing are skipped.
    if format == "coco" and (n := sum(min(region.box[2:]) < 2 for region in annotation.regions)):
        yield Finding("note", f"FiftyOne may skip {_regions(n)} of a single row or column.")
    # measured: fiftyone 1.22.1, CVATImageDatasetImporter reads boxes, polygons, lines and points.
    if format == "cvat" and annotation.regions:
        yield from _masks_left_out(annotation, options)
    # docs: YOLOv5DatasetImporter, label_type is "detections" unless given.
    if format == "yolo":
        yield Finding("note", 'FiftyOne loads outlines with label_type="polylines", else boxes.')


def _masks_left_out(annotation: Annotation, options: Any) -> Iterator[Finding]:
    if not (isinstance(options, CvatOptions) and options.shapes == "polygon"):
        yield Finding(
            "warning",
            "FiftyOne leaves out the masks of CVAT files; choose polygons.",
        )
    elif n := _with_holes(annotation):
        yield Finding(
            "warning",
            f"FiftyOne leaves out {_regions(n)} with holes, which stay masks; fill the holes, or "
            "choose COCO.",
        )


def _ultralytics(annotation: Annotation, format: str, options: Any) -> Iterator[Finding]:
    # docs: one line holds one polygon, which has no holes.
    if n := _with_holes(annotation):
        yield Finding(
            "note",
            f"Ultralytics knows no holes; a cut in the outline leads to those of {_regions(n)}.",
        )
    # read: verify_image_label drops all but one of the rows with the same class and box; issue
    # ultralytics "duplicate labels removed".
    boxes = Counter((region.category, *region.box) for region in annotation.regions)
    if n := boxes.total() - len(boxes):
        yield Finding(
            "warning",
            f"Ultralytics drops {_regions(n)} as duplicates, since another one of the category has "
            "the same box.",
        )


def _detectron2(annotation: Annotation, format: str, options: Any) -> Iterator[Finding]:
    # docs: run lengths are read where INPUT.MASK_FORMAT is "bitmask"; its default is "polygon".
    if format == "coco" and annotation.regions and not _polygons(options):
        yield Finding("note", 'Detectron2 reads run lengths with INPUT.MASK_FORMAT = "bitmask".')
    # read: load_coco_panoptic_json puts ".jpg" in the place of each image's ending.
    path = annotation.source.path
    if format == "coco-panoptic" and path is not None and path.suffix != ".jpg":
        yield Finding(
            "warning",
            f"Detectron2 looks for images of panoptic data sets with the ending .jpg, and "
            f"{path.name!r} has another one.",
        )
    # docs: pixels of `sem_seg_file_name` are numbers of classes, which count from 0.
    if format == "png-folder":
        yield Finding("note", "Detectron2 takes pixels without a category for class 0.")


def _qupath(annotation: Annotation, format: str, options: Any) -> Iterator[Finding]:
    # docs: objects are imported onto the image that is open; names of images are not looked at.
    yield from ()


def _regions(n: int) -> str:
    return f"{n} region{'s' * (n != 1)}"


def _polygons(options: Any) -> bool:
    return isinstance(options, CocoOptions) and options.segmentation != "rle"


def _with_holes(annotation: Annotation) -> int:
    patches = (geometry.tight(region.patch) for region in annotation.regions)
    return sum(geometry.has_holes(patch, touching=False) for patch in patches)


def _in_parts(annotation: Annotation) -> int:
    return sum(_n_parts(region.patch) > 1 for region in annotation.regions)


def _n_parts(patch: Patch) -> int:
    n, _ = cv2.connectedComponents(patch.mask.view(np.uint8), connectivity=4)
    return int(n) - 1


TARGETS: dict[str, Target] = {
    target.name: target
    for target in (
        # docs: "Supported formats", Ultralytics YOLO segmentation among them; measured: datumaro
        # 1.13.12, its importer, reads VOC.
        Target("cvat", "CVAT", ("cvat", "coco", "voc", "yolo"), _cvat),
        # read: converters of label-studio-sdk; the one for YOLO makes rectangles of all rows.
        Target(
            "label-studio",
            "Label Studio",
            ("coco",),
            _label_studio,
            {"coco": CocoOptions(segmentation="polygon", holes="fill")},
        ),
        # docs: dataset types COCODetection, ImageSegmentationDirectory, CVATImage, YOLOv5; read:
        # VOCDetection makes boxes of the XML files and leaves the masks out.
        Target(
            "fiftyone",
            "FiftyOne",
            ("coco", "png-folder", "cvat", "yolo"),
            _fiftyone,
            {"cvat": CvatOptions(shapes="polygon")},
        ),
        # docs: "Instance segmentation datasets".
        Target("ultralytics", "Ultralytics", ("yolo",), _ultralytics),
        # docs: "Use custom datasets", register_coco_instances, register_coco_panoptic.
        Target("detectron2", "Detectron2", ("coco", "coco-panoptic", "png-folder"), _detectron2),
        # docs: "Exporting and importing objects".
        Target("qupath", "QuPath", ("qupath",), _qupath),
    )
}
