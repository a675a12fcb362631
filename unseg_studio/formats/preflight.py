"""What an export would do, said before it is done: pure, quick, shown by the export dialog."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from unseg_studio.data import Annotation, Category
from unseg_studio.data.ordered import in_order
from unseg_studio.formats import geometry
from unseg_studio.formats.base import Finding, Format, Severity, image_name
from unseg_studio.formats.table import format_named, options_for
from unseg_studio.formats.targets import judged, target_named

TINY = 4
"""Regions of fewer pixels are dropped by several tools when they read."""

MANY = 1000
"""From this many regions on, tools become slow."""


def preflight(
    annotation: Annotation,
    format: str = "coco",
    *,
    options: Any = None,
    target: str | None = None,
) -> tuple[Finding, ...]:
    """Tell what would be left out or changed if this were exported now.

    Parameters
    ----------
    annotation : Annotation
        What would be written.
    format : str
        A key of `FORMATS`.
    options : object or None
        An instance of the format's options; None for its defaults.
    target : str or None
        A key of `TARGETS`: the tool that will read the file, to tell what it rejects or changes.

    Returns
    -------
    tuple of Finding
        Gravest first; empty where the file will hold everything.

    Raises
    ------
    ValueError
        If the format or the target is unknown, or the options belong to another format.
    """
    chosen = format_named(format)
    options = options_for(chosen, options)
    tool = target_named(target) if target else None
    found = [
        *_about_content(annotation),
        *_about_clusters(annotation),
        *_about_regions(annotation),
        *chosen.check(annotation, options),
        *(Finding("note", sentence) for sentence in chosen.losses),
        *(judged(annotation, format, options, target=tool) if tool else ()),
    ]
    return _gravest_first(found)


def _gravest_first(found: Iterable[Finding]) -> tuple[Finding, ...]:
    gravity = {"error": 0, "warning": 1, "note": 2}
    return tuple(sorted(found, key=lambda finding: gravity[finding.severity]))


@dataclass(frozen=True)
class Preflight:
    """What an export of many images would write, and what would get lost.

    Parameters
    ----------
    n_images : int
        How many there are.
    regions : mapping of str to int
        How many regions of each category, by its name; 0 where there is none.
    images : mapping of str to int
        In how many images each category occurs.
    without_labels : tuple of str
        Names of images without a region.
    n_tiny : int
        Regions of fewer than `TINY` pixels.
    n_with_holes : int
        Regions with holes.
    duplicates : tuple of str
        Names that more than one image has.
    findings : tuple of Finding
        Gravest first; of those that several images have, one, and in how many.
    categories : tuple of Category
        All that there are, by id.
    pixels : mapping of str to int
        How many pixels of each category, by its name.
    n_unnamed : int
        Images in which clusters without a name are left out.
    parts : mapping of str to int
        How many images each part of a split data set has, by its name.
    """

    n_images: int
    regions: Mapping[str, int]
    images: Mapping[str, int]
    without_labels: tuple[str, ...]
    n_tiny: int
    n_with_holes: int
    duplicates: tuple[str, ...]
    findings: tuple[Finding, ...]
    categories: tuple[Category, ...] = ()
    pixels: Mapping[str, int] = field(default_factory=dict)
    n_unnamed: int = 0
    parts: Mapping[str, int] = field(default_factory=dict)

    @property
    def refused(self) -> bool:
        """Writing would not work."""
        return any(finding.severity == "error" for finding in self.findings)


def preflight_all(
    annotations: Iterable[Annotation],
    format: str = "coco",
    options: Any = None,
    *,
    target: str | None = None,
) -> Preflight:
    """Tell what an export of these images would write; asked for one by one.

    Parameters
    ----------
    annotations : iterable of Annotation
        What would be written.
    format, options, target
        As for `preflight`.

    Raises
    ------
    ValueError
        As `preflight`.
    """
    count, format_ = _Count(), format_named(format)

    def look(annotation: Annotation) -> _Seen:
        found = preflight(annotation, format, options=options, target=target)
        return _Seen.of(annotation, found)

    for seen in in_order(look, annotations):
        count.add(seen)
    return count.told(format_)


class _Seen(NamedTuple):
    """What counts of one image."""

    bare: Annotation
    categories: tuple[int, ...]
    areas: tuple[int, ...]
    n_with_holes: int
    findings: tuple[Finding, ...]

    @classmethod
    def of(cls, annotation: Annotation, findings: tuple[Finding, ...]) -> _Seen:
        patches = [geometry.tight(region.patch) for region in annotation.regions]
        return cls(
            replace(annotation, regions=()),
            tuple(region.category for region in annotation.regions),
            tuple(region.area for region in annotation.regions),
            sum(geometry.has_holes(patch, touching=False) for patch in patches),
            findings,
        )


class _Count:
    """What is added up over the images."""

    def __init__(self) -> None:
        self._names: Counter[str] = Counter()
        self._categories: dict[int, Category] = {}
        self._pixels: Counter[str] = Counter()
        self._parts: Counter[str] = Counter()
        self._n_unnamed = 0
        self._regions: Counter[str] = Counter()
        self._images: Counter[str] = Counter()
        self._without: list[str] = []
        self._n_tiny = self._n_with_holes = 0
        self._found: dict[tuple[Severity, str], tuple[str, int]] = {}

    def add(self, image: _Seen) -> None:
        """Take one image into account."""
        name = image_name(image.bare.source)
        self._names[name] += 1
        self._n_unnamed += bool(image.bare.unnamed)
        if image.bare.subset:
            self._parts[image.bare.subset] += 1
        self._add_regions(image, name)
        for finding in image.findings:
            # The same sentence with other figures is the same finding.
            key = finding.severity, re.sub(r"[\d.]+|'[^']*'", "#", finding.sentence)
            first, n = self._found.get(key, (finding.sentence, 0))
            self._found[key] = first, n + 1

    def _add_regions(self, image: _Seen, name: str) -> None:
        categories = image.bare.categories
        self._categories.update({category.id: category for category in categories})
        names = {category.id: category.name for category in categories}
        for known in names.values():
            for counter in (self._regions, self._images, self._pixels):
                counter[known] += 0
        used = [names.get(category, "") for category in image.categories]
        self._regions.update(used)
        self._images.update(set(used))
        if not used:
            self._without.append(name)
        self._n_tiny += sum(area < TINY for area in image.areas)
        self._n_with_holes += image.n_with_holes
        for category, area in zip(used, image.areas, strict=True):
            self._pixels[category] += area

    def told(self, format_: Format) -> Preflight:
        """What there is to say after the last image."""
        duplicates = tuple(name for name, n in self._names.items() if n > 1)
        found = [
            Finding(severity, sentence if n == 1 else f"In {n} images: {sentence}")
            for (severity, _), (sentence, n) in self._found.items()
        ]
        found += _about_all(self._names.total(), duplicates, format_)
        return Preflight(
            n_images=self._names.total(),
            regions=dict(self._regions),
            images=dict(self._images),
            without_labels=tuple(self._without),
            n_tiny=self._n_tiny,
            n_with_holes=self._n_with_holes,
            duplicates=duplicates,
            findings=_gravest_first(found),
            categories=tuple(self._categories[id_] for id_ in sorted(self._categories)),
            pixels=dict(self._pixels),
            n_unnamed=self._n_unnamed,
            parts=dict(self._parts),
        )


def _about_all(n_images: int, duplicates: tuple[str, ...], format_: Format) -> Iterator[Finding]:
    if duplicates:
        yield Finding(
            "error",
            f"More than one image is called {duplicates[0]!r}; rename one of them, or leave it "
            "out.",
        )
    if n_images > 1 and not format_.holds_many:
        yield Finding(
            "error",
            f"{format_.title} holds one image, and {n_images} were chosen; export them one by one, "
            "or choose another format.",
        )


def _about_content(annotation: Annotation) -> Iterator[Finding]:
    used = {region.category for region in annotation.regions}
    unused = [category.name for category in annotation.categories if category.id not in used]
    if not used:
        yield Finding(
            "warning",
            "There is no region, so the file will hold no mask; name a cluster or paint one first.",
        )
    elif unused:
        listed = ", ".join(unused[:5]) + (f" and {len(unused) - 5} more" if unused[5:] else "")
        yield Finding("note", f"Categories without a region in this image: {listed}.")


def _about_clusters(annotation: Annotation) -> Iterator[Finding]:
    n = len(annotation.unnamed)
    if n:
        share = sum(annotation.unnamed.values()) / math.prod(annotation.shape)
        yield Finding(
            "warning",
            f"{n} cluster{'s' * (n > 1)} without a name, {share:.0%} of the image, will be left "
            "out; give a cluster a category to export it.",
        )


def _about_regions(annotation: Annotation) -> Iterator[Finding]:
    tiny = sum(region.area < TINY for region in annotation.regions)
    if tiny:
        yield Finding(
            "warning",
            f"{tiny} region{'s' * (tiny > 1)} of fewer than {TINY} pixels: other tools drop such "
            "regions when they read; raise the minimum area to leave them out.",
        )
    n = len(annotation.regions)
    if n > MANY:
        yield Finding(
            "note",
            f"{n} regions are many for one image; a larger minimum area, or stuff instead of "
            "things, makes a file that other tools open faster.",
        )
