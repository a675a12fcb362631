"""Naming, merging and splitting clusters, and removing categories."""

from __future__ import annotations

import numpy as np

from unseg_studio.data import Category, Image, Scribbles
from unseg_studio.document import Context, Document, Run, decode
from unseg_studio.document.document import FIRST_SPLIT
from unseg_studio.segmenters import Estimate

LEFT, RIGHT = 1001, 1002


def answered(document: Document, swapped: bool = False) -> None:
    """Show what a cold run of two clusters decodes to; their channels may have changed places."""
    import torch

    image = document.image
    scores = torch.full((2, *image.shape), -4.0)
    scores[int(swapped), :, :8] = scores[int(not swapped), :, 8:] = 4.0
    run = Run.of(image, document.state)
    estimate = Estimate(scores, (1001, 1002), 1, 1, 0.0, is_last=True)
    document.show(decode(estimate, image, run.scribbles, context=run.context))


def test_a_named_cluster_keeps_its_name_over_later_runs(document: Document) -> None:
    document.name_cluster(LEFT, 2)
    assert (document.labels[:, :8] == 2).all()
    for swapped in (False, True):
        answered(document, swapped)
        assert (document.labels[:, :8] == 2).all()
        assert (document.labels[:, 8:] == RIGHT).all()


def test_a_cluster_is_named_with_the_active_category(document: Document) -> None:
    document.set_active(3)
    document.name_cluster(RIGHT)
    assert (document.labels[:, 8:] == 3).all()


def test_a_name_holds_although_most_of_the_cluster_is_corrected(document: Document) -> None:
    document.polygon([(0, 0), (0, 5), (11, 5), (11, 0)], id_=3)
    document.name_cluster(LEFT, 2)
    document.clear_edits()
    answered(document)
    assert (document.labels[:, :8] == 2).all()


def test_names_given_one_after_another_reach_later_runs(document: Document) -> None:
    document.merge(LEFT, RIGHT)
    document.brush([(0, 0), (11, 0)], radius=2, id_=3)
    document.name_cluster(RIGHT, 1)
    document.clear_edits()
    answered(document)
    assert (document.labels == 1).all()


def test_merged_clusters_stay_together(document: Document) -> None:
    document.merge(LEFT, RIGHT)
    for swapped in (False, True):
        answered(document, swapped)
        assert (document.labels == RIGHT).all()


def test_a_category_is_merged_with_its_scribbles(document: Document) -> None:
    document.set_active(2)
    document.paint([(3, 3)], radius=1)
    document.brush([(9, 9)], radius=1)
    document.merge(2, 3)
    assert document.scribbles.categories == (3,)
    assert set(np.unique(document.labels).tolist()) == {LEFT, RIGHT, 3}
    assert len(document.categories) == 3


def test_a_category_merged_into_a_cluster_leaves_no_scribbles(document: Document) -> None:
    document.paint([(3, 3)], radius=1)
    document.brush([(9, 9)], radius=1)
    document.merge(1, RIGHT)
    assert document.scribbles.is_empty
    assert 1 not in document.labels


def test_the_first_part_keeps_the_id_and_others_become_clusters(document: Document) -> None:
    parts = np.indices(document.image.shape)[0].astype(np.int32) // 4 + 1
    document.split(LEFT, parts)
    assert (document.labels[:4, :8] == LEFT).all()
    assert (document.labels[:, 8:] == RIGHT).all()
    second, third = np.unique(document.labels[4:, :8])
    assert third == second + 1
    assert second >= FIRST_SPLIT


def test_parts_of_different_splits_have_different_ids(document: Document) -> None:
    upper = np.indices(document.image.shape)[0].astype(np.int32) // 6 + 1
    document.split(LEFT, upper)
    document.split(RIGHT, upper)
    assert len(np.unique(document.labels)) == 4


def test_a_later_run_neither_touches_a_part_nor_takes_its_id(document: Document) -> None:
    document.split(LEFT, np.indices(document.image.shape)[0].astype(np.int32) // 6 + 1)
    cut = document.labels.copy()
    for swapped in (False, True):
        answered(document, swapped)
        np.testing.assert_array_equal(document.labels, cut)


def test_a_part_is_merged_and_named_like_any_cluster(document: Document) -> None:
    document.split(LEFT, np.indices(document.image.shape)[0].astype(np.int32) // 6 + 1)
    part = int(document.labels[11, 0])
    document.name_cluster(part, 2)
    assert (document.labels[6:, :8] == 2).all()
    assert (document.labels[:6, :8] == LEFT).all()


def test_every_cluster_gets_a_name_and_the_engine_goes_on_below(document: Document) -> None:
    document.brush([(0, 0)], radius=1, id_=3)
    document.name_all_clusters()
    assert [c.name for c in document.categories[3:]] == ["cluster 1", "cluster 2"]
    assert {c.kind for c in document.categories[3:]} == {"stuff"}
    assert document.labels.max() == 5
    corrected = document.edits.ids >= 0
    assert corrected.sum() == (document.labels == 3).sum()  # nothing else was frozen


def test_naming_all_twice_finds_free_names(document: Document) -> None:
    document.name_all_clusters()
    fresh = np.full(document.image.shape, 1003, np.int32)
    document.show(fresh)
    document.name_all_clusters()
    assert [c.name for c in document.categories[3:]] == ["cluster 1", "cluster 2", "cluster 3"]


def test_a_removed_category_leaves_nothing_behind(document: Document) -> None:
    document.set_active(2)
    document.paint([(3, 3)], radius=1)
    document.brush([(9, 9)], radius=1)
    document.name_cluster(RIGHT)
    document.remove_category(2)
    state = document.state
    planes = (state.scribbles.ids, state.named.ids, state.edits.ids, state.live, state.labels)
    assert not any((plane == 2).any() for plane in planes)
    assert [c.id for c in document.categories] == [1, 3]
    assert document.active == 1


def test_the_id_of_a_removed_category_brings_nothing_back(document: Document) -> None:
    document.name_cluster(LEFT, 2)
    document.remove_category(2)
    answered(document)
    assert document.add_category("new").id == 2
    assert 2 not in document.labels


def test_an_unused_category_goes_without_a_run(document: Document) -> None:
    asked: list[bool] = []
    document.events.steered.connect(asked.append)
    document.remove_category(3)
    assert not asked


def test_context_of_a_run_holds_names_and_locked_pixels(image: Image) -> None:
    document = Document(image, (Category(1, "a", "#000000"), Category(2, "b", "#ffffff")))
    document.brush([(5, 5)], radius=1, id_=2)
    document.toggle_lock(2)
    context = Run.of(image, document.state).context
    np.testing.assert_array_equal(context.locked == 2, document.labels == 2)
    assert set(np.unique(context.locked).tolist()) == {0, 2}
    assert isinstance(context, Context)


def test_scribbles_of_the_active_category_only_grow_where_the_stroke_is(document: Document) -> None:
    document.paint([(3, 3), (3, 9)], radius=1)
    expected = Scribbles.empty(document.image.shape).painted([(3, 3), (3, 9)], 1, radius=1)
    np.testing.assert_array_equal(document.scribbles.ids, expected.ids)
