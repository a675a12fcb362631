"""Layers and document follow each other, without Qt."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel
from napari_unseg.link import LayerLink, image_of

from unseg_studio.data import FIRST_CLUSTER, new_category
from unseg_studio.document import Document

SHAPE = (40, 60)


@pytest.fixture
def model():
    return ViewerModel()


@pytest.fixture
def layer(model):
    pixels = np.arange(SHAPE[0] * SHAPE[1], dtype=np.uint16).reshape(SHAPE)
    return model.add_image(pixels, name="ramp", scale=(0.5, 0.25), translate=(3, 4))


@pytest.fixture
def document(layer):
    first = new_category(())
    return Document(image_of(layer), (first, new_category((first,))))


@pytest.fixture
def link(model, layer, document):
    link = LayerLink(model, layer, document)
    yield link
    link.close()


def paint(link, row, label):
    """One stroke of three mouse moves, as napari's own mouse binding makes it."""
    link.scribbles.selected_label = label
    with link.scribbles.block_history():
        for column in (10, 20, 30):
            link.scribbles.paint((row, column), label)


def test_both_layers_lie_where_the_image_lies(link, layer):
    for made in (link.preview, link.scribbles):
        assert made.data.shape == SHAPE
        np.testing.assert_allclose(made.scale, layer.scale)
        np.testing.assert_allclose(made.translate, layer.translate)


def test_only_the_scribbles_can_be_painted(link):
    assert not link.preview.editable
    assert link.scribbles.editable
    assert link.scribbles.mode == "paint"


def test_labels_are_written_in_place(link, document):
    before = link.preview.data
    document.show(np.full(SHAPE, FIRST_CLUSTER, np.int32))
    link.show_labels()
    assert link.preview.data is before
    assert (before == FIRST_CLUSTER).all()


def test_categories_have_their_colours_in_both_layers(link, document):
    document.show(np.full(SHAPE, 2, np.int32))
    link.show_labels()
    wanted = np.array(document.category(2).rgb) / 255
    for made in (link.preview, link.scribbles):
        np.testing.assert_allclose(made.get_color(2)[:3], wanted, atol=0.01)


def test_clusters_are_seen(link, document):
    document.show(np.full(SHAPE, FIRST_CLUSTER + 3, np.int32))
    link.show_labels()
    assert link.preview.get_color(FIRST_CLUSTER + 3)[3] == 1


def test_a_stroke_reaches_the_document_once_and_at_its_end(link, document):
    seen = []
    document.events.scribbles_changed.connect(seen.append)
    paint(link, 5, 2)
    assert len(seen) == 1
    assert document.scribbles.ids[5, 30] == 2
    assert document.scribbles.ids[35, 30] == 0


def test_undo_of_napari_reaches_the_document(link, document):
    paint(link, 5, 1)
    link.scribbles.undo()
    assert document.scribbles.is_empty
    link.scribbles.redo()
    assert document.scribbles.ids[5, 10] == 1


def test_undo_of_the_document_reaches_the_layer(link, document):
    paint(link, 5, 1)
    document.undo()
    assert not link.scribbles.data.any()


def test_a_label_that_is_no_category_becomes_one(link, document):
    paint(link, 5, 70)
    assert [category.id for category in document.categories] == [1, 2, 3]
    assert link.scribbles.data[5, 20] == document.scribbles.ids[5, 20] == 3
    assert link.scribbles.selected_label == 3


def test_painting_with_a_locked_category_is_taken_back_with_a_sentence(link, document):
    said = []
    link.refused.connect(said.append)
    document.toggle_lock(2)
    paint(link, 5, 2)
    assert document.scribbles.is_empty
    assert not link.scribbles.data.any()
    assert "locked" in said[0]


def test_the_active_category_and_the_selected_label_are_one(link, document):
    link.scribbles.selected_label = 2
    assert document.active == 2
    document.set_active(1)
    assert link.scribbles.selected_label == 1


def test_layers_may_be_renamed(model, link, document):
    link.scribbles.name, link.preview.name = "a", "b"
    paint(link, 5, 1)
    assert not document.scribbles.is_empty


@pytest.mark.parametrize("which", ["layer", "preview", "scribbles"])
def test_removing_a_layer_ends_the_link(model, link, document, which):
    ended = []
    link.ended.connect(ended.append)
    removed = getattr(link, which)
    model.layers.remove(removed)
    assert ended == [removed.name]
    paint(link, 5, 1)
    document.add_category()
    document.show(np.full(SHAPE, 1, np.int32))
    assert document.scribbles.is_empty


def test_removing_all_layers_ends_the_link_once(model, link):
    ended = []
    link.ended.connect(ended.append)
    model.layers.clear()
    assert len(ended) == 1


def test_a_strange_layer_may_go(model, link):
    ended = []
    link.ended.connect(ended.append)
    model.layers.remove(model.add_points([[1, 1]]))
    assert not ended


def test_the_layer_of_the_person_stays_writeable(layer):
    image_of(layer)
    layer.data[0, 0] = 7
    assert layer.data[0, 0] == 7


def test_opacity_is_laid_over_white(model):
    rgba = np.zeros((4, 5, 4), np.uint8)
    rgba[0, :, 3] = 255
    image = image_of(model.add_image(rgba, rgb=True))
    assert image.n_channels == 3
    assert image.pixels[0].max() == 0
    assert image.pixels[1:].min() == 255


@pytest.mark.parametrize(
    ("add", "sentence"),
    [
        (lambda model: None, "No single layer is selected"),
        (lambda model: model.add_points([[1, 1]]), "is a Points layer"),
        (lambda model: model.add_image(np.zeros((3, 4, 5))), "Stacks come later"),
        (lambda model: model.add_image([np.eye(8), np.eye(4)], multiscale=True), "multiscale"),
        (lambda model: model.add_image(np.zeros((4, 5))), "nothing to segment"),
    ],
)
def test_what_is_no_plane_is_refused_with_a_sentence(model, add, sentence):
    with pytest.raises(ValueError, match=sentence) as caught:
        image_of(add(model))
    assert "accepted" in str(caught.value)
