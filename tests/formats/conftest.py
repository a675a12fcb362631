from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from unseg_studio.data import Annotation, Category, Source, regions_from_labels

CATEGORIES = (
    Category(1, "Zelle", "#e69f00"),
    Category(2, "fond océan, 海", "#56b4e9", "stuff"),
    Category(7, "never drawn", "#009e73"),
)


@pytest.fixture(scope="session")
def annotate() -> Callable[..., Annotation]:
    """Make the annotation of a label map, as the document does."""

    def make(labels, name="cell.tif", categories=CATEGORIES, source=None, **provenance):
        labels = np.asarray(labels, np.int32)
        source = source or Source(Path(name) if name else None)
        regions = regions_from_labels(labels, categories)
        return Annotation(labels.shape, source, categories, regions, provenance)

    return make


def _blobs() -> np.ndarray:
    rows, cols = np.mgrid[:40, :60]
    labels = np.zeros((40, 60), np.int32)
    labels[(rows - 12) ** 2 + (cols - 14) ** 2 < 90] = 1
    labels[(rows - 12) ** 2 + (cols - 14) ** 2 < 12] = 0  # a hole
    labels[30:, :] = 2
    labels[0, 59] = 2  # a second part, in a corner
    labels[20, 40] = 1  # one pixel
    labels[21, 41] = 1  # touching it at a corner
    labels[25, 30:38] = 1  # a line
    return labels


def _noise() -> np.ndarray:
    return np.random.default_rng(5).choice([0, 1, 2], (31, 17)).astype(np.int32)


LABEL_MAPS = {
    "blobs with a hole, parts, a pixel and a line": _blobs(),
    "noise": _noise(),
    "nothing": np.zeros((5, 4), np.int32),
    "everything": np.full((4, 5), 2, np.int32),
    "one pixel": np.ones((1, 1), np.int32),
    "one row": np.array([[1, 0, 2, 2, 1]], np.int32),
    "one column": np.array([[1], [0], [2], [2], [1]], np.int32),
}


@pytest.fixture(params=LABEL_MAPS.values(), ids=LABEL_MAPS.keys())
def labels(request) -> np.ndarray:
    return request.param


@pytest.fixture
def blobs() -> np.ndarray:
    return _blobs()
