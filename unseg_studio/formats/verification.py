"""Read an exported file back, and say how far the masks in it are those that were meant."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from unseg_studio.data import Annotation
from unseg_studio.formats.base import StartingLabels, image_name
from unseg_studio.formats.table import format_named, part_path


@dataclass(frozen=True)
class Agreement:
    """Intersection over union of masks and what a file decodes to, over all images.

    Parameters
    ----------
    by_category : mapping of str to float
        0 to 1, by the category's name, of those that occur.
    overall : float
        0 to 1, of all categories together; 1 where there is no mask at all.
    """

    by_category: Mapping[str, float]
    overall: float


def decoded_iou(
    annotations: Iterable[Annotation], path: str | Path, format: str
) -> Agreement | None:
    """Compare annotations with the file or folder that `export` made of them, with our reader.

    Parameters
    ----------
    annotations : iterable of Annotation
        Those that were written; asked for one by one.
    path : str or Path
        Where they were written to.
    format : str
        A key of `FORMATS`.

    Returns
    -------
    Agreement or None
        None where the format is not readable here.

    Raises
    ------
    ValueError, OSError
        If the format is unknown, or the file cannot be read.
    """
    chosen = format_named(format)
    if chosen.read is None:
        return None
    opened = cache(chosen.opened)
    common: Counter[str] = Counter()
    either: Counter[str] = Counter()
    for annotation in annotations:
        part = Path(path) if chosen.splits else part_path(Path(path), chosen, annotation.subset)
        name = image_name(annotation.source)
        read = opened(part)(shape=annotation.shape, file_name=name)
        _count(annotation, read, common, either)
    ratios = {name: common[name] / either[name] for name in sorted(either) if either[name]}
    total = either.total()
    return Agreement(ratios, common.total() / total if total else 1.0)


def _count(
    annotation: Annotation, read: StartingLabels, common: Counter[str], either: Counter[str]
) -> None:
    """Add up pixels by category; ids may have changed on the way, names tell."""
    meant = annotation.labels()
    ids = {category.name: category.id for category in read.categories}
    for category in annotation.categories:
        wanted = meant == category.id
        got = read.labels == ids.get(category.name, -1)
        common[category.name] += int(np.count_nonzero(wanted & got))
        either[category.name] += int(np.count_nonzero(wanted | got))
