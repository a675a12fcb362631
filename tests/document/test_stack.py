"""The planes of one image layer, without Qt and without an engine."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from unseg_studio.data import Image, Mosaic, Source, new_category
from unseg_studio.document import Carried, CarriedPlane, Fits, Stack
from unseg_studio.segmenters import make_segmenter

SHAPE = (24, 32)
COUNTS = (2, 3)


class Reader:
    """Gives planes, and remembers which."""

    def __init__(self):
        self.seen = []
        self.broken = set()

    def __call__(self, index):
        self.seen.append(index)
        if index in self.broken:
            raise ValueError("The plane is broken.")
        pixels = np.zeros(SHAPE, np.uint8)
        pixels[:, 16 + index[-1] :] = 200
        return Image.of(pixels)


@pytest.fixture
def reader():
    return Reader()


@pytest.fixture
def stack(reader):
    first = new_category(())
    made = Stack(
        reader,
        COUNTS,
        shape=SHAPE,
        source=lambda index: Source(plane=int(np.ravel_multi_index(index, COUNTS)), n_planes=6),
        categories=(first, new_category((first,))),
    )
    made.work_on((0, 0))
    return made


def labels(id_):
    return Mosaic.of(np.full(SHAPE, id_, np.int32))


def carried(*indices, id_=2, is_last=True, failed=()):
    planes = [CarriedPlane(index, labels(id_)) for index in indices]
    planes += [CarriedPlane(index, None, failure="It is broken.") for index in failed]
    return Carried(tuple(planes), 5, is_last)


def stroke(stack, index, category=1):
    document = stack.work_on(index)
    document.set_active(category)
    document.paint([(3, 3)], radius=1)


def test_only_planes_that_are_worked_on_are_read(stack, reader):
    stack.work_on((1, 2))
    stack.work_on((0, 0))
    assert reader.seen == [(0, 0), (1, 2)]
    assert set(stack.documents) == {(0, 0), (1, 2)}


def test_a_plane_that_cannot_be_read_leaves_the_one_before_at_work(stack, reader):
    reader.broken.add((1, 1))
    with pytest.raises(ValueError, match="broken"):
        stack.work_on((1, 1))
    assert stack.at_work == (0, 0)
    reader.broken.clear()
    assert stack.work_on((1, 1)) is stack.document


@pytest.mark.parametrize("index", [(), (2, 0), (0, 3), (-1, 0), (0, 0, 0)])
def test_a_plane_that_is_not_there_is_refused(stack, index):
    with pytest.raises(ValueError, match="There is no plane"):
        stack.work_on(index)


def test_before_the_first_work_no_plane_is_at_work(reader):
    with pytest.raises(LookupError, match="work_on"):
        _ = Stack(reader, COUNTS, shape=SHAPE).at_work


def test_a_flat_image_is_a_stack_of_one_plane():
    stack = Stack(lambda _: Image.of(np.eye(9)), (), shape=(9, 9))
    stack.work_on(())
    assert (stack.n_planes, list(stack.indices), stack.targets()) == (1, [()], ())


def test_statuses_follow_what_a_person_did(stack):
    assert stack.status((0, 0)) == "untouched"
    stroke(stack, (0, 1))
    stack.work_on((0, 2)).brush([(3, 3)], radius=1, id_=1)
    stack.take(carried((1, 0)))
    found = [stack.status(index) for index in ((0, 0), (0, 1), (0, 2), (1, 0), (1, 1))]
    assert found == ["untouched", "scribbled", "corrected", "carried", "untouched"]
    assert stack.tally == (1, 1, 1)
    stack.document.undo()
    assert stack.status((0, 2)) == "untouched"


def test_a_change_of_the_table_reaches_every_plane(stack):
    other = stack.work_on((1, 1))
    document = stack.work_on((0, 0))
    added = document.add_category("nucleus")
    assert other.categories == stack.categories == document.categories
    document.undo()
    assert added not in other.categories
    assert other.undo_text is None


def test_undo_of_a_name_on_one_plane_keeps_the_names_given_on_another(stack):
    other = stack.work_on((0, 1))
    first, second = other.categories[:2]
    other.change_category(replace(first, name="cell"))
    document = stack.work_on((0, 0))
    document.change_category(replace(second, name="nucleus"))
    other.undo()
    assert [c.name for c in stack.categories] == [first.name, "nucleus"]
    other.redo()
    assert [c.name for c in stack.categories] == ["cell", "nucleus"]
    document.undo()
    assert [c.name for c in document.categories] == ["cell", second.name]


def test_undo_gives_no_name_twice(stack):
    other = stack.work_on((0, 1))
    first, second = other.categories[:2]
    other.change_category(replace(first, name="cell"))
    stack.work_on((0, 0)).change_category(replace(second, name=first.name))
    other.undo()
    assert [c.name for c in stack.categories] == ["cell", first.name]


def test_undo_on_one_plane_keeps_what_was_added_on_another(stack):
    stroke(stack, (0, 1))
    other = stack.document
    stack.work_on((0, 0)).add_category("nucleus")
    other.undo()
    assert other.scribbles.is_empty
    assert "nucleus" in [category.name for category in other.categories]


def test_a_category_that_other_planes_use_stays(stack):
    said = []
    stack.events.kept.connect(said.append)
    stroke(stack, (0, 1), 2)
    stroke(stack, (0, 0), 2)
    stack.document.remove_category(2)
    assert stack.document.scribbles.is_empty
    assert [category.id for category in stack.document.categories] == [1, 2]
    assert stack.documents[0, 1].scribbles.categories == (2,)
    assert "in use on other planes" in said[0]


def test_a_category_of_carried_labels_stays(stack):
    stack.take(carried((1, 0), id_=2))
    stack.document.remove_category(2)
    assert [category.id for category in stack.categories] == [1, 2]


def test_the_active_category_and_the_method_go_along(stack):
    stack.document.set_active(2)
    stack.document.set_segmenter(make_segmenter("deepcut"))
    stack.document.set_fill(False)
    document = stack.work_on((0, 1))
    assert (document.active, document.segmenter.name, document.state.fill) == (2, "deepcut", False)
    assert document.undo_text is None


def test_a_carried_plane_begins_with_its_labels(stack):
    stack.take(carried((0, 1)))
    document = stack.work_on((0, 1))
    assert (document.labels == 2).all()
    assert (document.state.named.ids == 2).all()
    assert document.undo_text is None
    assert stack.status((0, 1)) == "carried"
    assert stack.began_carried((0, 1))


def test_planes_that_a_person_drew_on_are_never_targets(stack):
    stroke(stack, (0, 1))
    stack.work_on((1, 2)).brush([(3, 3)], radius=1, id_=1)
    stack.work_on((0, 0))
    assert set(stack.targets()) == {(0, 2), (1, 0), (1, 1)}
    assert stack.targets(1) == ()
    assert stack.targets(0) == ((1, 0),)


def test_the_last_plane_has_no_next_one(stack):
    stack.work_on((1, 2))
    assert stack.targets(0) == stack.targets(1) == ()


def test_labels_are_carried_from_all_that_was_drawn_on_but_to_the_next_one_from_here(stack):
    stroke(stack, (0, 1))
    stack.work_on((0, 0))
    assert set(stack.carry(stack.targets()).origins) == {(0, 0), (0, 1)}
    assert set(stack.carry(((1, 0),)).origins) == {(0, 0)}


def test_answers_are_taken_once_and_what_was_drawn_meanwhile_stays(stack):
    seen = []
    stack.events.carried.connect(seen.append)
    stack.carry(stack.targets())
    stack.take(carried((0, 1), is_last=False))
    stroke(stack, (0, 2))
    new = stack.take(carried((0, 1), (0, 2), failed=[(1, 1)]))
    assert [plane.index for plane in new] == [(0, 2), (1, 1)]
    assert seen == [((0, 1),)]
    assert not (stack.shown((0, 2)).array == 2).all()
    assert stack.shown((1, 1)) is None


def test_a_document_that_nobody_drew_in_makes_way(stack):
    gone = []
    stack.events.let_go.connect(lambda index, _document: gone.append(index))
    stack.work_on((0, 1))
    stack.work_on((0, 0))
    stack.carry(stack.targets())
    stack.take(carried((0, 0), (0, 1)))
    assert gone == [(0, 1)]
    assert stack.shown((0, 1)).holds(2)
    assert stack.status((0, 0)) == "untouched"


def test_planes_with_labels_are_exported_by_themselves_and_read_no_more(stack, reader):
    stack.document.show(np.full(SHAPE, 1, np.int32))
    stack.work_on((1, 2))
    stack.take(carried((0, 1)))
    read = len(reader.seen)
    planes = stack.labelled()
    found = [plane.annotation() for plane in planes]
    assert [plane.index for plane in planes] == [(0, 0), (0, 1)]
    assert [annotation.source.plane for annotation in found] == [0, 1]
    assert [annotation.regions[0].category for annotation in found] == [1, 2]
    assert [annotation.provenance["method"] for annotation in found][1] == "carried"
    assert len(reader.seen) == read


def test_a_real_carry_fills_the_stack(stack):
    stroke(stack, (0, 0))
    halves = np.ones(SHAPE, np.int32)
    halves[:, 16:] = 2
    stack.document.show(halves)
    for answer in stack.carry(stack.targets()).results(Fits(), lambda _: True):
        if answer is not None:
            stack.take(answer)
    assert stack.tally.carried == 5
    assert stack.shown((1, 2)).at(12, 4) == 1
    assert stack.shown((1, 2)).at(12, 28) == 2
