"""A small document with two clusters and a live loop that nobody asked for anything yet."""

from __future__ import annotations

import numpy as np
import pytest

from unseg_studio.data import FIRST_CLUSTER, Image, new_category
from unseg_studio.document import Document, Live, RunStatus

SHAPE = (40, 60)


@pytest.fixture
def document():
    pixels = np.random.default_rng(3).integers(0, 80, (*SHAPE, 3)).astype(np.uint8)
    pixels[:, 30:] += 120
    labels = np.full(SHAPE, FIRST_CLUSTER, np.int32)
    labels[:, 30:] = FIRST_CLUSTER + 1
    labels[5:15, 5:25] = 1
    first = new_category(())
    document = Document(Image.of(pixels), (first, new_category((first,))))
    document.show(labels)
    document.report(RunStatus("done", step=12, total=60, loss=0.5, n_labels=3, seconds=0.4))
    return document


@pytest.fixture
def live(document):
    live = Live(document, device="cpu")
    yield live
    live.close()
