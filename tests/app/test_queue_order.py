"""Which images the queue shows, in which order, and which one comes next."""

from __future__ import annotations

import pytest

from unseg_studio.app.queue_order import (
    Wish,
    could_be_in_doubt,
    most_uncertain,
    next_unfinished,
    ordered,
)
from unseg_studio.project import ImageEntry


def entry(id_, name, **more):
    return ImageEntry(id=id_, path=name, root="/data", **more)


ENTRIES = (
    entry(1, "cell 10.png", status="done", uncertainty=0.9, size=(10, 10)),
    entry(2, "cell 9.png", uncertainty=0.2, size=(90, 90)),
    entry(3, "Fish.png", status="rejected", comment="Out of focus"),
    entry(4, "cell 9.tif", plane=10, n_planes=12, uncertainty=0.5, status="proposed"),
    entry(5, "cell 9.tif", plane=9, n_planes=12, status="in work"),
)


def shown(**wish):
    return ordered(ENTRIES, Wish(**wish))


def test_names_are_in_the_order_in_which_people_count():
    assert shown() == [2, 5, 4, 1, 3]


def test_statuses_are_in_the_order_of_the_work():
    assert shown(sort="status") == [2, 4, 5, 1, 3]


def test_those_most_in_doubt_come_first_and_unknown_doubt_last():
    assert shown(sort="uncertainty") == [1, 4, 2, 5, 3]


def test_large_images_come_first_and_unknown_sizes_last():
    assert shown(sort="size")[:2] == [2, 1]


def test_a_status_or_all_unfinished_ones_can_be_asked_for():
    assert shown(status="rejected") == [3]
    assert shown(status="unfinished") == [2, 5, 4]


def test_text_is_found_in_names_and_comments_whatever_its_case():
    assert shown(text="FISH") == [3]
    assert shown(text="of focus ") == [3]
    assert shown(text="nowhere") == []


def test_the_open_image_stays_in_the_list():
    assert ordered(ENTRIES, Wish(status="done"), keep=3) == [1, 3]


def test_the_next_one_leaves_finished_ones_out_and_begins_again_from_the_top():
    images = {e.id: e for e in ENTRIES}
    order = shown()

    def following(id_):
        return next_unfinished(order, images.__getitem__, row=order.index(id_)).id

    assert following(2) == 5
    assert following(4) == 2
    assert following(3) == 2


def test_there_is_none_where_all_others_are_finished():
    images = {1: ENTRIES[0], 2: ENTRIES[1]}
    assert next_unfinished([1, 2], images.__getitem__, row=1) is None


def test_the_most_uncertain_is_neither_finished_nor_open():
    assert most_uncertain(ENTRIES, None).id == 4
    assert most_uncertain(ENTRIES, 4).id == 2


@pytest.mark.parametrize("current", [None, *range(1, 6)])
def test_there_is_a_most_uncertain_one_where_one_could_be_in_doubt(current):
    could = [entry.id for entry in ENTRIES if could_be_in_doubt(entry, current)]
    found = most_uncertain(ENTRIES, current)
    assert (found is not None) == bool(could)
    assert found is None or found.id in could
