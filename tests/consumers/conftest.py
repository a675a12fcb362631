"""Label maps as our formats write them, for the programs that others read such files with.

These programs ask for versions that our own environment does not have, so they have one of their
own (`make test-consumers`). Nothing here is skipped: what cannot be imported fails.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Picture

from tests.formats.conftest import CATEGORIES, annotate, blobs
from unseg_studio.data import Annotation
from unseg_studio.formats import export

__all__ = ["CATEGORIES", "annotate", "blobs"]

# They read these when they are imported: settings of their own, no network, no installing.
_HOME = tempfile.mkdtemp(prefix="unseg-consumers-")
os.environ.update(
    YOLO_CONFIG_DIR=_HOME, YOLO_OFFLINE="true", YOLO_AUTOINSTALL="false",
    FIFTYONE_DO_NOT_TRACK="true", FIFTYONE_DATABASE_DIR=_HOME, FIFTYONE_CONFIG_PATH=f"{_HOME}/c",
    MPLBACKEND="Agg",
)  # fmt: skip

FILE = "cell.png"
INDEX = {category.name: category.id for category in CATEGORIES}
"""Category id by name."""

Written = Callable[..., Path]


@pytest.fixture(scope="session", autouse=True)
def home_goes() -> Iterator[None]:
    yield
    shutil.rmtree(_HOME, ignore_errors=True)


@pytest.fixture
def annotation(annotate, blobs, tmp_path) -> Annotation:
    """Parts, a hole, a single pixel and a line, in two categories, of an image that is a file."""
    (tmp_path / "images").mkdir()
    grey = np.arange(blobs.size, dtype=np.uint8).reshape(blobs.shape)
    Picture.fromarray(np.stack([grey] * 3, axis=-1)).save(tmp_path / "images" / FILE)
    return annotate(blobs, name=str(tmp_path / "images" / FILE))


@pytest.fixture
def written(annotation, tmp_path) -> Written:
    """Write the annotation in a format, to a path below the temporary folder."""

    def write(name, place, options=None):
        path = tmp_path / place
        path.parent.mkdir(parents=True, exist_ok=True)
        export(annotation, path, format=name, options=options)
        return path

    return write


def composed(shape, masks) -> np.ndarray:
    """A label map of (category id, mask) pairs; no two masks may share a pixel."""
    labels = np.zeros(shape, np.int32)
    for id_, mask in masks:
        assert mask.shape == shape
        assert not labels[mask > 0].any(), "two masks share pixels"
        labels[mask > 0] = id_
    return labels


def iou(found, wanted) -> float:
    """Intersection over union of what is labelled at all and alike, 1 for the same labels."""
    same = ((found == wanted) & (wanted > 0)).sum()
    return float(same / ((found > 0) | (wanted > 0)).sum())
