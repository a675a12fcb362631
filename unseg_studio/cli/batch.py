"""Many images without a person: each is segmented to the end, every cluster becomes a category."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from unseg_studio.cli.console import Reporter
from unseg_studio.cli.folder import ready_folder
from unseg_studio.cli.guidance import Guidance
from unseg_studio.data import (
    NOTHING,
    Annotation,
    Category,
    Image,
    Mosaic,
    Tile,
    heap,
    new_category,
    open_image,
    regions_from_labels,
)
from unseg_studio.data.labels import is_cluster
from unseg_studio.document import Document, Fits, PartRun, Run, first_run, joined_tables
from unseg_studio.document.state import fresh_state
from unseg_studio.formats import CocoOptions, export, format_named, image_name
from unseg_studio.segmenters import Estimate, Segmenter, resolve_device

OnStep = Callable[[int, int], None]

COCO_NAME = "annotations.json"
"""COCO holds all images of a batch in one file; other formats get one file per image."""


@dataclass(frozen=True)
class Batch:
    """What to do with every image.

    Parameters
    ----------
    segmenter : Segmenter
        Method and parameters.
    guidance : Guidance
        Scribbles and masks to start from.
    out : Path
        Folder for the results, made where it is missing.
    format : str
        A key of `FORMATS`.
    device : str
        See `resolve_device`.
    plane : int or None
        Plane of a stack.
    min_area : int
        Smaller parts are left out.
    """

    segmenter: Segmenter
    guidance: Guidance
    out: Path
    format: str = "coco"
    device: str = "auto"
    plane: int | None = None
    min_area: int = 1


@dataclass(frozen=True)
class Outcome:
    """What became of a batch: the files written, and how many images had to be left out."""

    written: tuple[Path, ...]
    n_failed: int


def run_batch(images: Sequence[Path], batch: Batch, reporter: Reporter) -> Outcome:
    """Segment images one after the other; one that cannot be read does not stop the others.

    Raises
    ------
    OSError, ValueError
        If nothing can be written, or a setting is not accepted, in a sentence.
    """
    heap.keep_little()
    images = tuple(dict.fromkeys(images))
    format_named(batch.format)
    resolve_device(batch.device)
    _require_apart(images, batch)
    ready_folder(batch.out)
    done: list[Annotation] = []
    written: list[Path] = []
    n_done = 0
    for path in images:
        reporter.begin(path.name)
        try:
            annotation = annotated(open_image(path, batch.plane), batch, reporter.step)
        except (ValueError, OSError) as error:
            reporter.complain(str(error))
            continue
        if batch.format == "coco":
            done.append(annotation)
        else:
            written.append(_write_one(annotation, batch))
        n_done += 1
    if done:
        written.append(_write_coco(done, images, batch.out))
    return Outcome(tuple(written), len(images) - n_done)


def annotated(image: Image, batch: Batch, on_step: OnStep) -> Annotation:
    """Segment one image to the end and give every cluster a category."""
    drawn, scribbles = batch.guidance.drawn_on(image)
    start = batch.guidance.starting_labels(image)
    table, _ = joined_tables(drawn, start.categories if start else ())
    state = fresh_state(image, table, batch.segmenter).changed(scribbles=scribbles)
    labels = _settled(first_run(image, state, device=batch.device), on_step)
    if start:  # what its masks will hide needs no name
        labels = labels.mapped(_without, Mosaic.of(start.labels))
    labels, table = with_named_clusters(labels, table)
    document = Document(image, table, batch.segmenter)
    document.set_scribbles(scribbles)
    document.show(labels)
    if start:
        regions = regions_from_labels(start.labels, start.categories)
        document.start_from(Annotation(image.shape, image.source, start.categories, regions))
    device = str(resolve_device(batch.device))
    return document.annotation(min_area=batch.min_area, device=device)


def with_named_clusters(
    labels: Mosaic, categories: tuple[Category, ...]
) -> tuple[Mosaic, tuple[Category, ...]]:
    """Make a category of every cluster, the largest first.

    Numbered like this, "cluster 1" has the same id in every image of a batch, and one category
    table serves all of them.
    """
    clusters = sorted((-area, id_) for id_, area in labels.areas.items() if is_cluster(id_))
    taken = {category.name for category in categories}
    names = (name for number in count(1) if (name := f"cluster {number}") not in taken)
    for (_, cluster), name in zip(clusters, names, strict=False):
        category = new_category(categories, name, "stuff")
        categories = (*categories, category)
        labels = labels.replaced(cluster, category.id)
    return labels, categories


def _without(labels: Tile, masks: Tile) -> Tile | None:
    """Nothing where masks are."""
    return None if masks.holds_only(NOTHING) else labels.marked(masks.mask(bool), NOTHING)


def _settled(job: Run | PartRun, on_step: OnStep) -> Mosaic:
    """The labels at the end of a run; no other step is decoded, so they depend on nothing else."""

    def unwanted(estimate: Estimate) -> bool:
        on_step(estimate.step, estimate.total)
        return False

    *_, last = (frame for frame in job.results(Fits(), unwanted) if frame is not None)
    return last.mosaic or Mosaic.of(last.labels)


def _write_one(annotation: Annotation, batch: Batch) -> Path:
    name = Path(image_name(annotation.source)).stem
    target = batch.out / f"{name}{format_named(batch.format).suffix}"
    export(annotation, target, format=batch.format)
    return target


def _write_coco(annotations: Sequence[Annotation], images: Sequence[Path], out: Path) -> Path:
    export(annotations, out / COCO_NAME, options=CocoOptions(images_root=_common_folder(images)))
    return out / COCO_NAME


def _common_folder(images: Sequence[Path]) -> Path | None:
    """The innermost folder that holds all images: file names relative to it differ."""
    with suppress(ValueError):  # on several drives
        return Path(os.path.commonpath([path.resolve().parent for path in images]))
    return None


def _require_apart(images: Sequence[Path], batch: Batch) -> None:
    """Raise ValueError if a result would take the place of an image or of another result."""
    if batch.format == "coco":
        return
    suffix = format_named(batch.format).suffix
    sources = {path.resolve() for path in images}
    taken: set[str] = set()
    for path in images:
        if (batch.out / f"{path.stem}{suffix}").resolve() in sources:
            raise ValueError(
                f"The result for {path} would take the place of an image in {batch.out}; choose "
                "another folder with --out."
            )
        if path.stem in taken:
            raise ValueError(
                f"Several images are called {path.stem!r}, and their results would replace each "
                "other; segment them into different folders, or export as coco."
            )
        taken.add(path.stem)
