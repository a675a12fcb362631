"""CVAT for images 1.1: one XML file for any number of images, written only."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args
from xml.sax.saxutils import escape, quoteattr

from unseg_studio.data import Annotation, Category, Patch, Region
from unseg_studio.formats import geometry, rle
from unseg_studio.formats.atomic import write_bytes
from unseg_studio.formats.base import (
    Finding,
    Format,
    image_name,
    merged_categories,
    require_choices,
)

Shapes = Literal["mask", "polygon"]

_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class CvatOptions:
    """What can be chosen about a CVAT file.

    Raises
    ------
    ValueError
        If a word is none of the choices.
    """

    shapes: Shapes = field(
        default="mask",
        metadata={
            "label": "Regions as",
            "help": "mask: exact, one object per region, edited with CVAT's brush. polygon: along "
            "the edges of pixels, one for each part; regions with holes stay masks, since CVAT's "
            "polygons have none.",
            "choices": get_args(Shapes),
        },
    )

    def __post_init__(self) -> None:
        require_choices(self, "CVAT")


def write_cvat(
    annotations: Iterable[Annotation] | Annotation,
    path: str | Path,
    *,
    options: CvatOptions | None = None,
) -> None:
    """Write images, with and without regions, and the whole category table to one XML file.

    Raises
    ------
    ValueError
        If two images have the same file name, or category tables contradict each other.
    OSError
        If the file cannot be written; what was there before stays.
    """
    given = (annotations,) if isinstance(annotations, Annotation) else annotations
    options = options or CvatOptions()
    names: set[str] = set()
    bare: list[Annotation] = []
    images: list[bytes] = []
    for annotation in given:
        bare = [_without_masks(merged_categories((*bare, annotation)), annotation)]
        name = _new_name(annotation, names)
        lines = _image(annotation, name, number=len(images), options=options)
        images.append(_encoded(lines))
    head = _encoded(_head(bare[0].categories if bare else (), len(images)))
    write_bytes(path, b"".join([head, *images, b"</annotations>\n"]))


def _without_masks(categories: tuple[Category, ...], annotation: Annotation) -> Annotation:
    return Annotation(annotation.shape, annotation.source, categories, ())


def _new_name(annotation: Annotation, names: set[str]) -> str:
    name = image_name(annotation.source)
    if name in names:
        raise ValueError(
            f"Two images or more would both be called {name!r}; accepted are images whose names "
            "differ. Rename one of them, or export them to separate files."
        )
    names.add(name)
    return name


def _encoded(lines: Iterable[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode("utf-8", errors="replace")


def _head(categories: Iterable[Category], n_images: int) -> Iterator[str]:
    yield '<?xml version="1.0" encoding="utf-8"?>'
    yield "<annotations>"
    yield "  <version>1.1</version>"
    yield "  <meta>"
    yield "    <task>"
    yield f"      <name>UnSeg Studio</name><size>{n_images}</size><mode>annotation</mode>"
    yield "      <labels>"
    for category in categories:
        yield (
            f"        <label><name>{escape(_clean(category.name))}</name>"
            f"<color>{category.color}</color><type>any</type><attributes></attributes></label>"
        )
    yield "      </labels>"
    yield "    </task>"
    yield "  </meta>"


def _image(
    annotation: Annotation, name: str, *, number: int, options: CvatOptions
) -> Iterator[str]:
    height, width = annotation.shape
    subset = f" subset={_quoted(annotation.subset)}" if annotation.subset else ""
    yield f'  <image id="{number}" name={_quoted(name)}{subset} width="{width}" height="{height}">'
    names = {category.id: category.name for category in annotation.categories}
    for group, region in enumerate(annotation.regions, 1):
        common = f'label={_quoted(names[region.category])} source="manual" occluded="0"'
        yield from _shapes(region, common, group=group, options=options)
    yield "  </image>"


def _shapes(region: Region, common: str, *, group: int, options: CvatOptions) -> Iterator[str]:
    patch = geometry.tight(region.patch)
    if not patch.mask.size:
        return
    if options.shapes == "mask" or geometry.has_holes(patch, touching=False):
        yield f'    <mask {common} {_runs(patch)} z_order="0"></mask>'
        return
    rings = geometry.edge_polygons(patch)
    together = f' group_id="{group}"' if len(rings) > 1 else ""
    for ring in rings:
        points = ";".join(f"{x}.0,{y}.0" for y, x in ring.tolist())
        yield f'    <polygon {common} points="{points}" z_order="0"{together}></polygon>'


def _runs(patch: Patch) -> str:
    """Run lengths of the box of a mask, row after row, zeros first."""
    left, top, width, height = geometry.box(patch)
    turned = Patch(slice(0, width), slice(0, height), patch.mask.T)
    counts = ", ".join(map(str, rle.run_lengths(turned, (width, height)).tolist()))
    return f'rle="{counts}" left="{left}" top="{top}" width="{width}" height="{height}"'


def _quoted(text: str) -> str:
    return quoteattr(_clean(text))


def _clean(text: str) -> str:
    """Without what no XML file may hold."""
    return _NOT_IN_XML.sub("\ufffd", text)


def check_cvat(annotation: Annotation, options: CvatOptions) -> Iterator[Finding]:
    """Tell which regions CVAT would take as something else than was asked for."""
    if options.shapes == "mask":
        return
    patches = [geometry.tight(region.patch) for region in annotation.regions]
    holed = [geometry.has_holes(patch, touching=False) for patch in patches]
    if any(holed):
        yield Finding(
            "note",
            f"{sum(holed)} region{'s' * (sum(holed) > 1)} with holes will be written as masks, "
            "since CVAT's polygons have none.",
        )
    parts = [
        len(geometry.edge_polygons(patch))
        for patch, is_holed in zip(patches, holed, strict=True)
        if not is_holed
    ]
    split = sum(n > 1 for n in parts)
    if split:
        yield Finding(
            "note",
            f"{split} region{'s' * (split > 1)} of several parts will be as many polygons, which "
            "CVAT holds together as groups; masks keep each one object.",
        )


CVAT = Format(
    "cvat", "CVAT for images", ".xml", CvatOptions, write_cvat, None, check_cvat, splits=True,
    purpose="Going on in CVAT: one file with editable masks or polygons of all images.",
)  # fmt: skip
