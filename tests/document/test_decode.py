"""From scores in flight to labels: stable ids, pinned strokes, locks, names, any resolution."""

from __future__ import annotations

import importlib
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from unseg_studio.data import Edits, Image, Patch, Scribbles, read_image
from unseg_studio.data.samples import sample_path
from unseg_studio.document import Context, decode
from unseg_studio.document.decode import stable_ids
from unseg_studio.segmenters import Estimate

from .conftest import LEFT, RIGHT, halves

decode_module = importlib.import_module("unseg_studio.document.decode")

SHAPE = (12, 16)
HALVES = np.where(np.indices(SHAPE)[1] < 8, LEFT, RIGHT).astype(np.int32)
LEFT_SIDE = Patch(slice(0, 12), slice(0, 8), np.ones((12, 8), bool))


def estimated(winners: np.ndarray, ids: tuple[int, ...], sure: float = 6.0) -> Estimate:
    """Scores whose arg-max is `winners`, (h, w) indices into `ids`."""
    scores = torch.zeros(len(ids), *winners.shape)
    scores.scatter_(0, torch.from_numpy(winners.astype(np.int64))[None], sure)
    return Estimate(scores, ids, 1, 1, 0.0, is_last=True)


def two(ids: tuple[int, int] = (LEFT, RIGHT), shape: tuple[int, int] = SHAPE) -> Estimate:
    """The left half belongs to the first of two channels."""
    columns = np.indices(shape)[1]
    return estimated((columns >= shape[1] // 2).astype(int), ids)


def context(
    previous: np.ndarray | None = None,
    named: Edits | None = None,
    locked: np.ndarray | None = None,
    fill: bool = True,
) -> Context:
    nothing = np.zeros(SHAPE, np.int32)
    return Context(
        nothing if previous is None else previous,
        named or Edits.none(SHAPE),
        nothing if locked is None else locked,
        fill,
    )


def test_clusters_of_a_trained_model_keep_their_ids_whatever_was_there_before() -> None:
    swapped = np.where(HALVES == LEFT, RIGHT, LEFT).astype(np.int32)
    winners = (np.indices(SHAPE)[1] >= 8).astype(int)
    assert stable_ids(winners, (LEFT, RIGHT), context(swapped)) == (RIGHT, LEFT)
    learned = replace(context(swapped), is_learned=True)
    assert stable_ids(winners, (LEFT, RIGHT), learned) == (LEFT, RIGHT)
    named = replace(learned, named=Edits.none(SHAPE).put(LEFT_SIDE, 1))
    assert stable_ids(winners, (LEFT, RIGHT), named) == (1, RIGHT)


@pytest.mark.parametrize("shape", [(2, 2), (3, 4), (12, 16), (24, 32), (49, 70)])
def test_scores_of_any_resolution_give_labels_of_the_images_size(shape: tuple[int, int]) -> None:
    labels = decode(two(shape=shape), halves(), Scribbles.empty(SHAPE))
    assert labels.dtype == np.int32
    np.testing.assert_array_equal(labels, HALVES)


def test_an_image_larger_than_the_working_plane() -> None:
    image = halves((260, 420))
    labels = decode(two(shape=(26, 42)), image, Scribbles.empty(image.shape))
    assert labels.shape == image.shape
    expected = np.where(np.indices(image.shape)[1] < 210, LEFT, RIGHT)
    np.testing.assert_array_equal(labels, expected)


def test_a_single_channel_takes_everything_where_nothing_is_drawn() -> None:
    alone = estimated(np.zeros(SHAPE, int), (LEFT,))
    assert (decode(alone, halves(), Scribbles.empty(SHAPE)) == LEFT).all()


def test_a_category_that_the_segmenter_has_no_channel_for_spreads_from_its_strokes() -> None:
    alone = estimated(np.zeros(SHAPE, int), (LEFT,))
    scribbles = Scribbles.empty(SHAPE).painted([(3, 3)], 5, radius=1)
    labels = decode(alone, halves(), scribbles)
    assert (labels[:, :8] == 5).mean() > 0.9
    assert (labels[:, 8:] == LEFT).all()


def test_scribbles_of_another_size_are_refused_in_a_sentence() -> None:
    with pytest.raises(ValueError, match="5 x 4 px, the image is 16 x 12 px"):
        decode(two(), halves(), Scribbles.empty((4, 5)))


def test_scribbled_pixels_keep_their_category_whatever_the_scores_say() -> None:
    scribbles = Scribbles.empty(SHAPE).painted([(2, 1), (2, 14)], 1, radius=1)
    scribbles = scribbles.painted([(9, 1), (9, 14)], 2, radius=0)
    scores = estimated(np.zeros(SHAPE, int), (LEFT, 1, 2), sure=50.0)
    labels = decode(scores, halves(), scribbles)
    marked = scribbles.ids > 0
    np.testing.assert_array_equal(labels[marked], scribbles.ids[marked])


def test_scribbles_reach_beyond_their_pixels() -> None:
    scribbles = Scribbles.empty(SHAPE).painted([(2, 3), (9, 3)], 1, radius=0)
    scribbles = scribbles.painted([(2, 12), (9, 12)], 2, radius=0)
    flat = Estimate(torch.zeros(2, *SHAPE), (1, 2), 1, 1, 0.0, is_last=True)
    np.testing.assert_array_equal(decode(flat, halves(), scribbles), np.where(HALVES == LEFT, 1, 2))


@pytest.mark.parametrize(("fill", "clusters_stay"), [(True, False), (False, True)])
def test_two_scribbled_categories_share_the_image_only_where_that_is_wished(
    fill: bool, clusters_stay: bool
) -> None:
    stripes = np.indices((12, 18))[1] // 6
    image = Image.of(np.array([20, 120, 220], np.uint8)[stripes])
    scribbles = Scribbles.empty(image.shape).painted([(2, 2), (9, 2)], 1, radius=0)
    scribbles = scribbles.painted([(2, 9), (9, 9)], 2, radius=0)
    nothing = Context.empty(image.shape)
    around = Context(nothing.previous, nothing.named, nothing.locked, fill)
    labels = decode(estimated(stripes, (1, 2, 1003)), image, scribbles, context=around)
    assert (labels[:, :6] == 1).all() and (labels[:, 6:12] == 2).all()
    assert (labels[:, 12:] == 1003).all() == clusters_stay
    assert (labels < 1000).all() != clusters_stay


def test_with_one_scribbled_category_clusters_stay() -> None:
    scribbles = Scribbles.empty(SHAPE).painted([(5, 2)], 1, radius=1)
    labels = decode(two((1, RIGHT)), halves(), scribbles)
    assert RIGHT in labels and 1 in labels


@given(seed=st.integers(0, 2**16))
@settings(max_examples=25, deadline=None, print_blob=True)
def test_locked_pixels_keep_their_category_and_no_other_pixel_gets_it(seed: int) -> None:
    random = np.random.default_rng(seed)
    locked = np.where(random.random(SHAPE) < 0.3, random.integers(1, 3, SHAPE), 0).astype(np.int32)
    scribbles = Scribbles(
        np.where(random.random(SHAPE) < 0.05, random.integers(3, 5, SHAPE), 0).astype(np.int32)
    )
    ids = (1, 3, 2, 4, LEFT)
    scores = estimated(random.integers(0, len(ids), SHAPE), ids)
    named = Edits(np.where(random.random(SHAPE) < 0.6, 1, -1).astype(np.int32))
    held = context(named=named, locked=locked)
    labels = decode(scores, halves(), scribbles, context=held)
    for id_ in np.unique(locked[locked > 0]):
        np.testing.assert_array_equal(labels == id_, locked == id_)


def test_where_everything_is_locked_nothing_else_appears() -> None:
    locked = np.full(SHAPE, 1, np.int32)
    locked[0] = 0
    scores = estimated(np.zeros(SHAPE, int), (1,))
    labels = decode(scores, halves(), Scribbles.empty(SHAPE), context=context(locked=locked))
    assert (labels[1:] == 1).all() and (labels[0] == 0).all()


@given(seed=st.integers(0, 2**16), n_clusters=st.integers(1, 8))
@settings(max_examples=40, deadline=None, print_blob=True)
def test_clusters_whose_channels_changed_places_keep_their_ids(seed: int, n_clusters: int) -> None:
    random = np.random.default_rng(seed)
    winners = random.integers(0, n_clusters, SHAPE)
    ids = tuple(range(LEFT, LEFT + n_clusters))
    empty = Scribbles.empty(SHAPE)
    before = decode(estimated(winners, ids), halves(), empty)
    order = random.permutation(n_clusters)
    turned = estimated(np.argsort(order)[winners], ids)
    again = decode(turned, halves(), empty, context=context(previous=before))
    np.testing.assert_array_equal(again, before)


@given(seed=st.integers(0, 2**16))
@settings(max_examples=40, deadline=None, print_blob=True)
def test_different_clusters_never_share_an_id(seed: int) -> None:
    random = np.random.default_rng(seed)
    n_before, n_now = random.integers(1, 9, 2)
    previous = (LEFT + random.integers(0, n_before, SHAPE) * 3).astype(np.int32)
    winners = random.integers(0, n_now, SHAPE)
    ids = tuple(range(LEFT, LEFT + int(n_now)))
    now = stable_ids(winners, ids, context(previous=previous))
    assert len(set(now)) == len(now)
    assert min(now) >= LEFT


def test_clusters_are_matched_so_that_the_total_overlap_is_largest() -> None:
    previous = np.full(SHAPE, LEFT, np.int32)
    previous[0] = RIGHT  # all of it lies under the upper cluster, which overlaps the other more
    winners = (np.indices(SHAPE)[0] > 5).astype(int)
    assert stable_ids(winners, (LEFT, RIGHT), context(previous=previous)) == (RIGHT, LEFT)


def test_a_new_cluster_takes_an_id_that_nobody_has() -> None:
    previous = np.full(SHAPE, LEFT, np.int32)
    winners = np.indices(SHAPE)[0] // 4
    ids = stable_ids(winners, (LEFT, RIGHT, 1003), context(previous=previous))
    assert LEFT in ids and len(set(ids)) == 3
    alone = stable_ids(np.zeros(SHAPE, int), (RIGHT,), context(previous=np.zeros(SHAPE, np.int32)))
    assert alone == (RIGHT,)


@pytest.mark.parametrize("swapped", [False, True])
def test_a_named_cluster_keeps_its_name_over_a_cold_restart(swapped: bool) -> None:
    named = Edits.none(SHAPE).put(LEFT_SIDE, 4)
    scores = two((RIGHT, LEFT) if swapped else (LEFT, RIGHT))
    labels = decode(scores, halves(), Scribbles.empty(SHAPE), context=context(named=named))
    assert (labels[:, :8] == 4).all()
    assert (labels[:, 8:] > 1000).all()


def test_a_cluster_that_lies_mostly_elsewhere_takes_no_name() -> None:
    few = Patch(slice(0, 12), slice(0, 3), np.ones((12, 3), bool))
    named = Edits.none(SHAPE).put(few, 4)
    labels = decode(two(), halves(), Scribbles.empty(SHAPE), context=context(named=named))
    assert 4 not in labels


def test_clusters_named_alike_become_one() -> None:
    everywhere = Patch(slice(0, 12), slice(0, 16), np.ones(SHAPE, bool))
    named = Edits.none(SHAPE).put(everywhere, RIGHT)
    labels = decode(two(), halves(), Scribbles.empty(SHAPE), context=context(named=named))
    assert (labels == RIGHT).all()


def test_channels_of_categories_keep_their_ids() -> None:
    ids = stable_ids((HALVES == RIGHT).astype(int), (3, 7), context(previous=HALVES))
    assert ids == (3, 7)


def test_colours_decide_nothing_where_scores_are_sure_and_nothing_is_drawn() -> None:
    noise = Image.of(np.random.default_rng(0).integers(0, 255, (*SHAPE, 5), np.uint8))
    np.testing.assert_array_equal(decode(two(), noise, Scribbles.empty(SHAPE)), HALVES)


@pytest.mark.parametrize("name", ["cat", "tissue"])
@pytest.mark.parametrize("shape", [(60, 80), (300, 400)])
def test_what_a_graphics_processor_does_gives_the_labels_that_the_host_finds(
    monkeypatch: pytest.MonkeyPatch, name: str, shape: tuple[int, int]
) -> None:
    image = Image.of(np.ascontiguousarray(read_image(sample_path(name)).rgb[:330, :440]))
    noise = torch.randn(1, 6, 5, 7, generator=torch.Generator().manual_seed(0))
    scores = 5 * torch.nn.functional.interpolate(noise, shape, mode="bicubic")[0]
    estimate = Estimate(scores, tuple(range(LEFT, LEFT + 6)), 1, 1, 0.0, is_last=True)
    for scribbles in (
        Scribbles.empty(image.shape),
        Scribbles.empty(image.shape).painted([(40, 40), (90, 300)], 1, radius=4),
    ):
        host = decode(estimate, image, scribbles)
        with monkeypatch.context() as patch:
            patch.setattr(decode_module, "device_of", lambda _: torch.device("cpu"))
            device = decode(estimate, image, scribbles)
        assert device.dtype == host.dtype and len(np.unique(host)) > 2
        assert (device != host).mean() < 1e-3
