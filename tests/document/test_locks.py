"""A locked category neither loses nor gains pixels, whatever the person does."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from unseg_studio.data import Annotation, Category, Source, regions_from_labels
from unseg_studio.document import Document

LEFT, RIGHT = 1001, 1002
ACROSS = [(4, 0), (4, 15)]

Verb = Callable[[Document], object]


@pytest.fixture
def locked(document: Document) -> Document:
    """Category 2 is locked: a disc by hand, a part of the live labels, and some of those hidden."""
    live = np.array(document.state.live)
    live[8:, 10:] = 2
    document.show(live)
    document.brush([(4, 4)], radius=2, id_=2)
    document.brush([(10, 12)], radius=1, id_=3)  # lies over live pixels of the locked category
    document.toggle_lock(2)
    return document


OVER_IT: dict[str, Verb] = {
    "brush": lambda d: d.brush(ACROSS, radius=3),
    "eraser": lambda d: d.brush(ACROSS, radius=3, id_=0),
    "polygon": lambda d: d.polygon([(0, 0), (0, 15), (11, 15), (11, 0)]),
    "take back a correction that holds it": lambda d: d.uncorrect(ACROSS, radius=9),
    "take back a correction that hides it": lambda d: d.uncorrect([(10, 12)], radius=3),
    "clear corrections": lambda d: d.clear_edits(),
    "fill holes": lambda d: d.fill_holes(LEFT),
    "remove small parts beside it": lambda d: d.remove_small(3, min_area=50),
    "smooth beside it": lambda d: d.smooth(LEFT, radius=4),
    "smooth inside it": lambda d: d.smooth(3, radius=4),
    "remove the category over it": lambda d: d.remove_category(3),
    "name": lambda d: d.name_cluster(LEFT, 1),
    "name all": lambda d: d.name_all_clusters(),
    "merge": lambda d: d.merge(LEFT, 3),
    "split": lambda d: d.split(LEFT, np.indices(d.image.shape)[0].astype(np.int32) // 3 + 1),
    "import over it": lambda d: d.start_from(_masks(d, "dirt")),
    "import of more of it": lambda d: d.start_from(_masks(d, "wall")),
}


def _masks(document: Document, name: str) -> Annotation:
    table = (Category(1, name, "#e69f00"),)
    everywhere = np.ones(document.image.shape, np.int32)
    return Annotation(document.image.shape, Source(), table, regions_from_labels(everywhere, table))


@pytest.mark.parametrize("name", OVER_IT)
def test_a_locked_category_neither_loses_nor_gains(name: str, locked: Document) -> None:
    before = locked.labels == 2
    assert before.sum() > 20
    OVER_IT[name](locked)
    np.testing.assert_array_equal(locked.labels == 2, before)


def test_what_is_not_locked_changes_beside_it(locked: Document) -> None:
    locked.brush(ACROSS, radius=3)
    assert (locked.labels == 1).sum() > 40


def test_clearing_corrections_keeps_only_those_that_the_lock_needs(locked: Document) -> None:
    locked.brush([(0, 0)], radius=0)
    locked.clear_edits()
    assert set(np.unique(locked.edits.ids).tolist()) == {-1, 2, 3}
    locked.toggle_lock(2)
    locked.clear_edits()
    assert locked.edits.is_empty


ON_IT: dict[str, Verb] = {
    "paint": lambda d: d.paint(ACROSS, radius=1),
    "brush": lambda d: d.brush(ACROSS, radius=1),
    "fill region": lambda d: d.fill_region((0, 0)),
    "fill holes": lambda d: d.fill_holes(2),
    "remove small": lambda d: d.remove_small(2, min_area=99),
    "smooth": lambda d: d.smooth(2),
    "name into it": lambda d: d.name_cluster(LEFT),
    "merge into it": lambda d: d.merge(LEFT, 2),
    "merge it away": lambda d: d.merge(2, LEFT),
    "split": lambda d: d.split(2, np.ones(d.image.shape, np.int32)),
    "remove": lambda d: d.remove_category(2),
}


@pytest.mark.parametrize("name", ON_IT)
def test_working_with_a_locked_category_is_refused_in_a_sentence(
    name: str, locked: Document, snapshot: Callable[[Document], dict[str, object]]
) -> None:
    locked.set_active(2)
    before, text = snapshot(locked), locked.undo_text
    with pytest.raises(ValueError, match=r"'wall' is locked; unlock it first \(key X\)\."):
        ON_IT[name](locked)
    assert snapshot(locked) == before
    assert (locked.undo_text, locked.active) == (text, 2)


def test_filling_a_locked_region_does_nothing(locked: Document) -> None:
    text = locked.undo_text
    locked.fill_region((4, 4), id_=1)
    assert locked.undo_text == text


def test_a_lock_is_a_step_that_undo_takes_back(locked: Document) -> None:
    assert locked.undo_text == "lock"
    locked.undo()
    assert locked.locks == frozenset()
    locked.redo()
    assert locked.locks == {2}
    locked.toggle_lock(2)
    assert locked.undo_text == "unlock"
