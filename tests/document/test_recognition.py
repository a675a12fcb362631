"""One finished image proposes the labels of another one."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest

from unseg_studio.data import FIRST_CLUSTER, Image, new_category, read_image
from unseg_studio.data.samples import sample_path
from unseg_studio.document import (
    Document,
    Fits,
    Live,
    Origin,
    Recognition,
    Taught,
    can_learn,
    can_teach,
)


def image_with_edge(column: int, seed: int = 0, shape=(48, 64)) -> Image:
    pixels = np.random.default_rng(seed).integers(0, 60, (*shape, 1)).astype(np.uint8)
    pixels[:, column:] += 150
    return Image.of(pixels)


def finished(column: int) -> Document:
    first = new_category(())
    document = Document(image_with_edge(column), (first, new_category((first,))))
    labels = np.ones((48, 64), np.int32)
    labels[:, column:] = 2
    document.show(labels)
    return document


def taught_by(document: Document) -> Taught:
    return Taught(Origin(document.image, document.state))


def recognised_in(image: Image, taught: Taught):
    results = Recognition(image, taught).results(Fits(), lambda _: True)
    return next(frame for frame in results if frame is not None)


def test_labels_come_by_what_they_look_like_not_by_where_they_are():
    frame = recognised_in(image_with_edge(44, seed=1), taught_by(finished(20)))
    assert frame.is_last
    assert (frame.labels[:, :42] == 1).mean() > 0.95
    assert (frame.labels[:, 46:] == 2).mean() > 0.95
    assert frame.uncertainty is not None


def test_images_may_differ_in_size_and_learning_is_done_once():
    taught = taught_by(finished(20))
    recognised_in(image_with_edge(30), taught)
    known = taught.known()
    frame = recognised_in(image_with_edge(50, shape=(40, 80)), taught)
    assert frame.labels.shape == (40, 80)
    assert taught.known() is known


def test_the_image_is_let_go_of_once_it_was_learned_from():
    document = finished(20)
    taught, image = taught_by(document), weakref.ref(document.image)
    taught.known()
    del document
    gc.collect()
    assert image() is None


def test_only_images_that_are_named_all_over_teach():
    document = finished(20)
    assert can_teach(document.image, document.state)
    labels = document.labels.copy()
    labels[:5, :5] = FIRST_CLUSTER
    document.show(labels)
    assert not can_teach(document.image, document.state)
    document.show(np.ones((48, 64), np.int32))  # nothing to tell apart
    assert not can_teach(document.image, document.state)


def test_photographs_neither_teach_nor_learn():
    assert not can_learn(read_image(sample_path("cat")))
    assert can_learn(read_image(sample_path("nuclei")))


def test_a_stroke_changes_what_was_recognised_only_where_it_is():
    document = finished(20)
    image = image_with_edge(44, seed=1)
    other = Document(image, document.categories)
    assert not other.is_grounded
    frame = recognised_in(image, taught_by(document))
    other.begin_with(frame.mosaic, frame.uncertainty)
    assert other.undo_text is None
    assert other.is_grounded
    live = Live(other, is_grounded=other.is_grounded)
    try:
        other.set_active(2)
        other.paint([(24, 8), (24, 12)], radius=2)
        live.wait()
    finally:
        live.close()
    assert other.labels[24, 10] == 2
    assert (other.labels[:, 46:] == 2).mean() > 0.95
    assert (other.labels[:12, 16:42] == 1).mean() > 0.9


@pytest.mark.parametrize("named", [1, 2])
def test_a_document_is_grounded_once_all_of_it_is_named(named):
    document = finished(20)
    labels = np.full((48, 64), FIRST_CLUSTER, np.int32)
    labels[:, 20:] += 1
    document.show(labels)
    for number in range(named):
        document.name_cluster(FIRST_CLUSTER + number, 1 + number)
    assert document.is_grounded is (named == 2)
