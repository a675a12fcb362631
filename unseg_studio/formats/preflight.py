"""What an export would do, said before it is done: pure, quick, shown by the export dialog."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unseg_studio.data import FIRST_CLUSTER, Annotation, cluster_ids
from unseg_studio.formats.base import Finding
from unseg_studio.formats.table import format_named, options_for

TINY = 4
"""Regions of fewer pixels are dropped by several tools when they read."""

MANY = 1000
"""From this many regions on, tools become slow."""


def preflight(
    annotation: Annotation,
    format: str = "coco",
    *,
    options: Any = None,
    labels: NDArray[np.int32] | None = None,
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
    labels : ndarray, (H, W) int32, or None
        The labels that are shown, to count the clusters without a name, which are left out.

    Returns
    -------
    tuple of Finding
        Gravest first; empty where the file will hold everything.

    Raises
    ------
    ValueError
        If the format is unknown or the options belong to another one.
    """
    chosen = format_named(format)
    found = [
        *_about_content(annotation),
        *_about_clusters(labels),
        *_about_regions(annotation),
        *chosen.check(annotation, options_for(chosen, options)),
    ]
    gravity = {"error": 0, "warning": 1, "note": 2}
    return tuple(sorted(found, key=lambda finding: gravity[finding.severity]))


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


def _about_clusters(labels: NDArray[np.int32] | None) -> Iterator[Finding]:
    n = 0 if labels is None else len(cluster_ids(labels))
    if labels is not None and n:
        share = float((labels >= FIRST_CLUSTER).mean())
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
