"""Layers and stack follow each other, without Qt."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from napari.components import ViewerModel
from napari_unseg.arrays import LARGEST, places_of, room
from napari_unseg.link import LayerLink
from napari_unseg.planes import Axes, Planes
from napari_unseg.strokes import NOTHING_HERE, corrections_of, edits_of
from napari_unseg.tables import categories_in

from unseg_studio.data import FIRST_CLUSTER, Mosaic, new_category
from unseg_studio.document import Carried, CarriedPlane, Stack

N, SHAPE = 6, (40, 60)
THREE = ["preview", "corrections", "scribbles"]


@pytest.fixture
def model():
    return ViewerModel()


@pytest.fixture
def layer(model):
    pixels = np.arange(N * SHAPE[0] * SHAPE[1], dtype=np.uint16).reshape(N, *SHAPE)
    return model.add_image(
        pixels, name="ramp", scale=(2, 0.5, 0.25), translate=(1, 3, 4), units=("um",) * 3,
        axis_labels=("z", "y", "x"),
    )  # fmt: skip


def linked(model, layer, index):
    planes = Planes.of(layer)
    first = new_category(())
    stack = Stack(
        planes.read, planes.axes.counts, shape=planes.axes.plane_shape,
        categories=(first, new_category((first,))),
    )  # fmt: skip
    stack.work_on(index)
    return LayerLink(model, layer, planes, stack)


@pytest.fixture
def link(model, layer):
    model.dims.set_current_step(0, 0)
    link = linked(model, layer, (0,))
    yield link
    link.close()


@pytest.fixture
def stack(link):
    return link.stack


@pytest.fixture
def said(link):
    sentences = []
    link.refused.connect(sentences.append)
    return sentences


def paint(layer, row, label, plane=0):
    """One stroke of three mouse moves, as napari's own mouse binding makes it."""
    with layer.block_history():
        for column in (10, 20, 30):
            layer.paint((plane, row, column), label)


# Three layers in the place of the image


def test_the_layers_lie_where_the_image_lies(model, link, layer):
    assert [made.name for made in model.layers] == ["ramp", *THREE]
    for made in model.layers[1:]:
        assert made.data.shape == (N, *SHAPE)
        np.testing.assert_allclose(made.scale, layer.scale)
        np.testing.assert_allclose(made.translate, layer.translate)
        assert (made.units, made.axis_labels) == (layer.units, layer.axis_labels)


@pytest.mark.parametrize(
    ("name", "value"),
    [("scale", (1, 2, 3)), ("translate", (5, 6, 7)), ("rotate", np.diag([1.0, -1, -1])),
     ("shear", (0, 0, 0.5)), ("affine", np.diag([1, 2, 2, 1.0])), ("units", ("nm",) * 3),
     ("axis_labels", ("t", "y", "x"))],
)  # fmt: skip
def test_they_follow_when_the_image_is_moved(model, link, layer, name, value):
    setattr(layer, name, value)
    for made in model.layers[1:]:
        np.testing.assert_array_equal(getattr(made, name), getattr(layer, name))


def test_only_the_preview_cannot_be_painted(link):
    assert not link.preview.editable
    assert link.scribbles.editable
    assert link.corrections.editable
    assert link.scribbles.mode == "paint"


def test_the_preview_cannot_be_painted_after_a_look_in_3d_either(model, link):
    model.dims.ndisplay = 3
    model.dims.ndisplay = 2
    assert not link.preview.editable


def test_labels_are_written_in_place(link, stack):
    before = link.preview.data
    stack.document.show(np.full(SHAPE, FIRST_CLUSTER, np.int32))
    link.show_labels()
    assert link.preview.data is before
    assert (before[0] == FIRST_CLUSTER).all()
    assert not before[1:].any()


def test_categories_have_their_colours_in_all_layers(model, link, stack):
    wanted = np.array(stack.document.category(2).rgb) / 255
    for made in model.layers[1:]:
        np.testing.assert_allclose(made.get_color(2)[:3], wanted, atol=0.01)


def test_the_names_of_categories_are_saved_with_every_layer(link, stack):
    document = stack.document
    document.change_category(replace(document.categories[0], name="nucleus"))
    for saved in (link.preview, link.corrections, link.scribbles):
        assert categories_in(saved.metadata) == document.categories
        assert categories_in(saved.metadata)[0].name == "nucleus"


def test_clusters_with_large_numbers_are_seen(link, stack):
    stack.document.show(np.full(SHAPE, FIRST_CLUSTER + 900, np.int32))
    link.show_labels()
    assert link.preview.get_color(FIRST_CLUSTER + 900)[3] == 1


def test_napari_uploads_the_labels_as_they_are(link):
    for layer in (link.preview, link.corrections, link.scribbles):
        assert layer.data.dtype == np.uint16
        assert layer._slice.image.view.dtype == np.uint16


def test_colours_of_all_labels_are_those_of_each(link, stack):
    labels = np.array([0, 1, 2, 3, FIRST_CLUSTER, 9999, NOTHING_HERE, 65535], np.uint16)
    colormap = link.preview.colormap
    wanted = [link.preview.get_color(int(label)) for label in labels]
    found = colormap.map(labels)
    np.testing.assert_allclose(found[0], 0)
    np.testing.assert_allclose(found[1:], np.array(wanted[1:]))


def test_clusters_beyond_16_bits_are_shown_as_one_with_a_sentence(link, stack, said):
    ids = np.full(SHAPE, 70_000, np.int32)
    ids[:, 30:] = 80_000
    stack.document.show(ids)
    link.show_labels()
    assert (link.preview.data[0] == LARGEST).all()
    assert "beyond 65535" in said[0]


@pytest.mark.parametrize("label", [-3, 70_000])
def test_labels_beyond_16_bits_are_not_taken_over(link, stack, said, label):
    link.scribbles.data = np.full((N, *SHAPE), label, np.int64)
    assert not link.scribbles.data.any()
    assert "accepted are 0 to 65535" in said[0]


def test_a_thumbnail_follows_when_labels_rest(link, stack):
    stack.document.show(np.full(SHAPE, FIRST_CLUSTER, np.int32))
    link.show_labels()
    before = link.preview.thumbnail.copy()
    link.show_thumbnail()
    assert not np.array_equal(before, link.preview.thumbnail)


def test_frames_of_a_plane_that_is_not_shown_draw_nothing(model, link, stack):
    stack.work_on((2,))
    link.show_labels()
    drawn = []
    link.preview.events.set_data.connect(lambda _: drawn.append(True))
    stack.document.show(np.full(SHAPE, FIRST_CLUSTER, np.int32))
    link.show_labels()
    assert not drawn
    assert (link.preview.data[2] == FIRST_CLUSTER).all()


# Strokes


def test_what_a_script_paints_is_a_stroke(link, stack):
    link.scribbles.paint((0, 5, 10), 2)
    link.corrections.paint((0, 15, 10), 1)
    assert stack.document.scribbles.ids[5, 10] == 2
    assert stack.document.edits.ids[15, 10] == 1


def test_a_stroke_reaches_the_document_once_and_at_its_end(link, stack):
    seen = []
    stack.document.events.scribbles_changed.connect(lambda *_: seen.append(True))
    paint(link.scribbles, 5, 2)
    assert len(seen) == 1
    assert stack.document.scribbles.ids[5, 30] == 2
    assert stack.document.scribbles.ids[35, 30] == 0
    assert stack.document.undo_text == "stroke"


def test_a_stroke_on_another_plane_makes_it_the_one_at_work(link, stack):
    paint(link.scribbles, 5, 2, plane=3)
    assert stack.at_work == (3,)
    assert stack.document.scribbles.ids[5, 20] == 2
    assert link.scribbles.data[3, 5, 20] == 2
    assert stack.documents[0,].scribbles.is_empty


def test_a_stroke_through_several_planes_reaches_each_of_them(link, stack):
    with link.scribbles.block_history():
        for plane in (1, 2):
            link.scribbles.paint((plane, 5, 10), 1)
    assert [stack.status((plane,)) for plane in range(4)] == [
        "untouched", "scribbled", "scribbled", "untouched",
    ]  # fmt: skip


def test_the_eraser_takes_scribbles_away(link, stack):
    paint(link.scribbles, 5, 2)
    paint(link.scribbles, 5, 0)
    assert stack.document.scribbles.is_empty
    assert stack.document.undo_text == "erase stroke"


@pytest.mark.parametrize("which", ["scribbles", "corrections"])
def test_undo_and_redo_in_a_layer_are_those_of_the_document(link, stack, which):
    layer = getattr(link, which)
    paint(layer, 5, 1)
    paint(layer, 15, 2)
    layer.undo()
    assert layer.data[0, 5, 20] == 1
    assert layer.data[0, 15, 20] == 0
    assert stack.document.redo_text is not None
    layer.redo()
    assert layer.data[0, 15, 20] == 2
    for _ in range(5):
        layer.undo()
    assert not layer.data.any()


def test_undo_of_the_document_reaches_the_layers(link, stack):
    paint(link.scribbles, 5, 1)
    paint(link.corrections, 15, 1)
    stack.document.undo()
    stack.document.undo()
    assert not link.scribbles.data.any()
    assert not link.corrections.data.any()


def test_undo_on_a_plane_without_work_says_so(model, link, stack, said):
    paint(link.scribbles, 5, 1)
    model.dims.set_current_step(0, 4)
    link.scribbles.undo()
    assert "nothing to undo on this plane" in said[0]
    assert not stack.document.scribbles.is_empty


def test_undo_on_another_plane_that_was_worked_on_is_undone_there(model, link, stack):
    paint(link.scribbles, 5, 1, plane=4)
    paint(link.scribbles, 5, 1, plane=0)
    model.dims.set_current_step(0, 4)
    link.scribbles.undo()
    assert stack.at_work == (4,)
    assert [stack.status((plane,)) for plane in (0, 4)] == ["scribbled", "untouched"]


@pytest.mark.parametrize("which", ["scribbles", "corrections"])
def test_a_label_that_is_no_category_becomes_one(link, stack, which):
    layer = getattr(link, which)
    paint(layer, 5, 70)
    assert [category.id for category in stack.categories] == [1, 2, 3]
    assert layer.data[0, 5, 20] == 3
    assert layer.selected_label == 3


@pytest.mark.parametrize("which", ["scribbles", "corrections"])
def test_painting_with_a_locked_category_is_taken_back_with_a_sentence(link, stack, said, which):
    stack.document.toggle_lock(2)
    paint(getattr(link, which), 5, 2)
    assert not getattr(link, which).data.any()
    assert "locked" in said[0]


def test_a_stroke_on_a_plane_without_content_is_taken_back(model):
    pixels = np.zeros((3, *SHAPE))
    pixels[0] = np.eye(*SHAPE)
    link, said = linked(model, model.add_image(pixels), (0,)), []
    link.refused.connect(said.append)
    paint(link.scribbles, 5, 1, plane=2)
    assert "the same value" in said[0]
    assert not link.scribbles.data.any()
    assert link.stack.at_work == (0,)


def test_the_active_category_and_the_selected_label_are_one(link, stack):
    link.scribbles.selected_label = 2
    assert stack.document.active == link.corrections.selected_label == 2
    stack.document.set_active(1)
    assert link.scribbles.selected_label == 1


def test_strokes_are_drawn_on_one_plane(link, said):
    link.scribbles.n_edit_dimensions = 3
    assert link.scribbles.n_edit_dimensions == 2
    assert "one plane" in said[0]


# Corrections


def test_a_correction_reaches_the_document_and_the_preview(link, stack):
    stack.document.show(np.full(SHAPE, FIRST_CLUSTER, np.int32))
    paint(link.corrections, 5, 2)
    link.show_labels()
    assert stack.document.edits.ids[5, 20] == 2
    assert link.preview.data[0, 5, 20] == 2
    assert stack.document.scribbles.is_empty


def test_the_eraser_gives_pixels_back_to_the_labels(link, stack):
    stack.document.show(np.full(SHAPE, FIRST_CLUSTER, np.int32))
    paint(link.corrections, 5, 2)
    paint(link.corrections, 5, 0)
    assert stack.document.edits.is_empty
    assert stack.document.labels[5, 20] == FIRST_CLUSTER


def test_corrected_to_nothing_is_not_the_same_as_not_corrected(link, stack):
    stack.document.show(np.full(SHAPE, FIRST_CLUSTER, np.int32))
    paint(link.corrections, 5, NOTHING_HERE)
    assert stack.document.edits.ids[5, 20] == 0
    assert stack.document.labels[5, 20] == 0
    paint(link.corrections, 15, 1)
    assert link.corrections.data[0, 5, 20] == NOTHING_HERE
    assert 0 < link.corrections.get_color(NOTHING_HERE)[3] < 1


def test_nothing_here_is_no_scribble(link, stack, said):
    paint(link.scribbles, 5, NOTHING_HERE)
    assert stack.document.scribbles.is_empty
    assert not link.scribbles.data.any()
    assert "correction" in said[0]


def test_corrections_that_were_made_elsewhere_are_shown(link, stack):
    stack.document.brush([(5, 20)], radius=2, id_=0)
    stack.document.brush([(25, 20)], radius=2, id_=2)
    assert link.corrections.data[0, 5, 20] == NOTHING_HERE
    assert link.corrections.data[0, 25, 20] == 2


def test_ids_of_corrections_come_through_unchanged():
    edits = np.array([[-1, 0, 1, 1000, 1001]], np.int32)
    np.testing.assert_array_equal(edits_of(corrections_of(edits)), edits)


# What people do to layers


def test_layers_may_be_renamed_moved_hidden_and_duplicated(model, link, stack):
    link.scribbles.name, link.preview.name, link.layer.name = "a", "b", "c"
    model.layers.move(0, 3)
    model.layers.move(1, 0)
    for layer in model.layers:
        layer.visible = False
    model.layers.append(type(link.scribbles)(link.scribbles.data.copy(), name="a"))
    paint(link.scribbles, 5, 1)
    assert stack.document.scribbles.ids[5, 20] == 1
    assert not model.layers[-1].data.any()


@pytest.mark.parametrize("which", THREE)
def test_a_deleted_layer_comes_back_with_everything(model, link, stack, which):
    lost, ended = [], []
    link.lost.connect(lost.append)
    link.ended.connect(ended.append)
    paint(link.scribbles, 5, 1)
    paint(link.corrections, 15, NOTHING_HERE)
    model.layers.remove(getattr(link, which))
    assert (lost, ended) == ([which], [])
    assert not link.is_whole
    stack.document.paint([(30, 20)], radius=1)
    stack.document.brush([(35, 20)], radius=1, id_=2)
    link.show_labels()
    link.restore()
    assert link.is_whole
    assert [made.name for made in model.layers] == ["ramp", *THREE]
    assert link.scribbles.data[0, 5, 20] == link.scribbles.data[0, 30, 20] == 1
    assert link.corrections.data[0, 15, 20] == NOTHING_HERE
    assert link.corrections.data[0, 35, 20] == link.preview.data[0, 35, 20] == 2
    paint(link.scribbles, 25, 2)
    assert stack.document.scribbles.ids[25, 20] == 2


def test_a_layer_that_was_deleted_is_an_ordinary_one(model, link, stack):
    gone = link.scribbles
    model.layers.remove(gone)
    with gone.block_history():
        gone.paint((0, 5, 10), 1)
    gone.undo()
    assert stack.document.scribbles.is_empty


def test_removing_the_image_ends_the_link_and_the_layers_stay(model, link, stack):
    ended = []
    link.ended.connect(ended.append)
    scribbles = link.scribbles
    model.layers.remove(link.layer)
    assert "'ramp' was removed" in ended[0]
    assert [made.name for made in model.layers] == THREE
    paint(scribbles, 5, 1)
    scribbles.undo()
    assert not scribbles.data.any()
    assert stack.document.scribbles.is_empty
    stack.document.add_category()


def test_other_data_in_the_image_end_the_link(model, link, layer):
    ended = []
    link.ended.connect(ended.append)
    layer.data = np.zeros((2, 30, 30))
    assert "holds other data now" in ended[0]
    assert [made.name for made in model.layers] == ["ramp", *THREE]


def test_removing_all_layers_ends_the_link_once(model, link):
    ended = []
    link.ended.connect(ended.append)
    model.layers.clear()
    assert len(ended) == 1


def test_a_strange_layer_may_come_and_go(model, link):
    ended = []
    link.ended.connect(ended.append)
    link.lost.connect(ended.append)
    model.layers.remove(model.add_points([[1, 1, 1]]))
    assert not ended


def test_other_data_in_the_scribbles_are_taken_as_strokes(link, stack):
    own = link.scribbles.data
    other = np.zeros((N, *SHAPE), np.uint8)
    other[0, :3], other[2, :3] = 1, 2
    link.scribbles.data = other
    assert link.scribbles.data is own
    assert [stack.status((plane,)) for plane in range(3)] == ["scribbled", "untouched", "scribbled"]
    assert stack.documents[2,].scribbles.categories == (2,)


@pytest.mark.parametrize("which", THREE)
def test_data_that_do_not_fit_are_taken_back(link, said, which):
    layer = getattr(link, which)
    own = layer.data
    layer.data = np.zeros((2, 3, 4), np.int32)
    assert layer.data is own
    assert "keeps its own data" in said[0]


# Views


@pytest.mark.parametrize(("name", "value"), [("ndisplay", 3), ("order", (1, 0, 2))])
def test_in_another_view_strokes_are_taken_back(model, link, stack, said, name, value):
    paint(link.scribbles, 5, 1)
    before = link.scribbles.data.copy()
    setattr(model.dims, name, value)
    paint(link.scribbles, 15, 2)
    assert "Switch back" in said[0]
    np.testing.assert_array_equal(link.scribbles.data, before)
    stack.document.show(np.full(SHAPE, FIRST_CLUSTER, np.int32))
    link.show_labels()
    model.dims.ndisplay, model.dims.order = 2, (0, 1, 2)
    paint(link.scribbles, 15, 2)
    assert stack.document.scribbles.ids[15, 20] == 2


def test_planes_that_are_shown_on_their_side_can_be_painted(model, link, stack, said):
    model.dims.order = (0, 2, 1)
    paint(link.scribbles, 15, 2)
    assert not said
    assert stack.document.scribbles.ids[15, 20] == 2


def test_moving_a_slider_reads_and_opens_nothing(model, link, stack):
    looked = []
    link.looked.connect(lambda: looked.append(link.sight.shown))
    for plane in range(N):
        model.dims.set_current_step(0, plane)
    assert looked[-1] == (N - 1,)
    assert list(stack.documents) == [(0,)]


def test_the_sliders_can_be_moved_to_a_plane(model, link):
    link.sight.go_to((4,))
    assert link.sight.shown == (4,)
    assert model.dims.current_step[0] == 4


def test_carried_labels_are_shown_in_place(link, stack):
    own = link.preview.data
    due = []
    link.labels_due.connect(lambda: due.append(True))
    mosaic = Mosaic.of(np.full(SHAPE, 2, np.int32))
    stack.take(Carried((CarriedPlane((3,), mosaic),), 1, is_last=True))
    assert due
    link.show_labels()
    assert link.preview.data is own
    assert (own[3] == 2).all()
    paint(link.scribbles, 5, 1, plane=3)
    assert stack.document.labels[30, 30] == 2


# Other kinds of stacks


def test_in_five_axes_a_stroke_finds_its_plane(model):
    layer = model.add_image(np.arange(2 * 3 * 2 * 600.0).reshape(2, 3, 2, 20, 30))
    link = linked(model, layer, (0, 0, 0))
    with link.scribbles.block_history():
        link.scribbles.paint((1, 2, 1, 5, 10), 2)
    assert link.stack.at_work == (1, 2, 1)
    assert link.stack.document.scribbles.ids[5, 10] == 2


def test_all_channels_of_a_plane_share_one_stroke(model):
    pixels = np.arange(4 * 3 * 600.0).reshape(4, 3, 20, 30)
    layer = model.add_image(pixels, axis_labels=("z", "c", "y", "x"))
    link = linked(model, layer, (0,))
    assert link.stack.document.image.n_channels == 3
    with link.scribbles.block_history():
        link.scribbles.paint((2, 1, 5, 10), 2)
    assert link.stack.at_work == (2,)
    assert (link.scribbles.data[2, :, 5, 10] == 2).all()


def test_an_rgb_stack_has_labels_without_colours(model):
    pixels = np.random.default_rng(1).integers(0, 255, (4, 40, 50, 4)).astype(np.uint8)
    link = linked(model, model.add_image(pixels, rgb=True), (1,))
    assert link.preview.data.shape == (4, 40, 50)
    paint(link.scribbles, 5, 2, plane=1)
    assert link.stack.document.scribbles.ids[5, 20] == 2


def test_a_layer_with_fewer_axes_than_the_viewer_has_works_too(model):
    model.add_image(np.random.default_rng(1).random((5, 3, 20, 30)))
    flat = model.add_image(np.random.default_rng(1).random((20, 30)))
    link = linked(model, flat, ())
    model.dims.set_current_step(0, 3)
    assert link.sight.shown == ()
    assert link.sight.is_flat
    with link.scribbles.block_history():
        link.scribbles.paint((5, 10), 2)
    assert link.stack.document.scribbles.ids[5, 10] == 2


def test_room_for_a_stack_too_large_is_refused_in_a_sentence():
    with pytest.raises(ValueError, match="not enough memory"):
        room(Axes((2**20, 2**20, 2**20)))


def test_changes_of_older_napari_are_understood():
    """Up to 0.8 they are the indices of the pixels, values before, and the value after."""
    indices = np.array([1, 1, 2]), np.array([4, 5, 4]), np.array([7, 9, 8])
    found = dict(places_of((indices, np.zeros(3), 1), Axes((3, 20, 30))))
    assert found == {(1,): (slice(4, 6), slice(7, 10)), (2,): (slice(4, 6), slice(7, 10))}
    flat = dict(places_of((indices[1:], np.zeros(3), 1), Axes((20, 30))))
    assert flat == {(): (slice(4, 6), slice(7, 10))}
