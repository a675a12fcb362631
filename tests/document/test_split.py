"""Cutting a cluster into parts of similar colour, by itself and through the live loop."""

from __future__ import annotations

import numpy as np
import pytest

from unseg_studio.data import Image
from unseg_studio.document import Document, Live, parts_of

from .conftest import LEFT, RIGHT, SECONDS, Script, halves


def thirds(n_channels: int = 3) -> Image:
    """Three stripes of different width and brightness, a little grainy."""
    pixels = np.random.default_rng(1).normal(0, 3, (20, 30, n_channels))
    pixels[:, :5] += 30
    pixels[:, 5:15] += 120
    pixels[:, 15:] += 210
    return Image.of(pixels.astype(np.float32))


@pytest.mark.parametrize("n_channels", [1, 3, 5])
def test_parts_follow_the_colours_from_the_largest_to_the_smallest(n_channels: int) -> None:
    image = thirds(n_channels)
    parts = parts_of(image, np.ones(image.shape, bool), n_parts=3)
    expected = np.repeat([3, 2, 1], [5, 10, 15])
    assert (parts == expected).mean() > 0.95
    assert parts.dtype == np.int32


def test_parts_lie_inside_the_mask_and_cover_it() -> None:
    image = thirds()
    mask = np.zeros(image.shape, bool)
    mask[3:17, 2:28] = True
    parts = parts_of(image, mask, n_parts=2)
    np.testing.assert_array_equal(parts > 0, mask)
    assert set(np.unique(parts).tolist()) == {0, 1, 2}
    assert (parts == 1).sum() >= (parts == 2).sum()


def test_flat_colour_is_cut_by_place() -> None:
    image = halves()
    mask = np.zeros(image.shape, bool)
    mask[:, 11:] = True
    parts = parts_of(image, mask, n_parts=2)
    assert (parts[mask] == 1).sum() >= (parts[mask] == 2).sum() > 20


def test_the_same_seed_gives_the_same_parts() -> None:
    pixels = np.random.default_rng(2).integers(0, 255, (24, 24, 3), np.uint8)
    image, mask = Image.of(pixels), np.ones((24, 24), bool)
    first, again = (parts_of(image, mask, n_parts=4, seed=3) for _ in range(2))
    np.testing.assert_array_equal(first, again)


@pytest.mark.parametrize(("n_pixels", "n_parts"), [(0, 2), (1, 2), (4, 5), (9, 1)])
def test_what_cannot_be_cut_is_refused_in_a_sentence(n_pixels: int, n_parts: int) -> None:
    image = halves()
    mask = np.zeros(image.shape, bool)
    mask.flat[:n_pixels] = True
    with pytest.raises(ValueError, match=f"of {n_pixels} pixels cannot be cut into {n_parts}"):
        parts_of(image, mask, n_parts=n_parts)


def test_as_many_parts_as_pixels() -> None:
    image = thirds()
    mask = np.zeros(image.shape, bool)
    mask[4, [2, 9, 20]] = True
    assert sorted(parts_of(image, mask, n_parts=3)[mask].tolist()) == [1, 2, 3]


@pytest.fixture
def proposed(steered: Document, live: Live) -> Document:
    live.start()
    live.wait(SECONDS)
    return steered


def test_a_cut_is_one_step_of_the_document(proposed: Document, live: Live) -> None:
    before = proposed.labels
    live.split(RIGHT, 3)
    assert proposed.status.phase == "preparing"
    status = live.wait(SECONDS)
    assert (status.phase, status.n_labels) == ("done", 4)
    assert proposed.undo_text == "split"
    cut = np.unique(proposed.labels[:, 8:])
    assert len(cut) == 3 and RIGHT in cut
    assert (proposed.labels[:, :8] == LEFT).all()
    proposed.undo()
    np.testing.assert_array_equal(proposed.labels, before)
    assert proposed.undo_text is None


def test_parts_apply_only_where_the_id_still_is(proposed: Document, live: Live) -> None:
    live.split(RIGHT)
    proposed.polygon([(0, 8), (0, 15), (5, 15), (5, 8)], id_=2)
    live.wait(SECONDS)
    assert (proposed.labels[:6, 8:] == 2).all()
    assert set(np.unique(proposed.labels[6:, 8:]).tolist()) > {RIGHT}
    assert 2 not in proposed.labels[6:]


def test_a_category_is_cut_into_itself_and_clusters(proposed: Document, live: Live) -> None:
    proposed.name_cluster(RIGHT, 1)
    live.split(1)
    live.wait(SECONDS)
    kept, part = np.unique(proposed.labels[:, 8:])
    assert kept == 1 and part > 1000


def test_a_locked_category_is_not_cut(proposed: Document, live: Live) -> None:
    proposed.name_cluster(RIGHT, 1)
    proposed.toggle_lock(1)
    with pytest.raises(ValueError, match="'cell' is locked"):
        live.split(1)
    assert not proposed.status.is_busy


def test_a_lock_set_while_it_is_cut_is_said_in_the_status(proposed: Document, live: Live) -> None:
    proposed.name_cluster(RIGHT, 1)
    live.split(1)
    assert live._worker.wait(SECONDS)
    proposed._status = proposed.status.__class__("done")  # so that the lock asks for no new run
    proposed.toggle_lock(1)
    live.pull()
    assert proposed.status.phase == "failed"
    assert "'cell' is locked" in proposed.status.message
    assert (proposed.labels[:, 8:] == 1).all()


def test_an_id_that_is_not_there_fails_in_a_sentence(proposed: Document, live: Live) -> None:
    live.split(1077)
    status = live.wait(SECONDS)
    assert status.phase == "failed"
    assert status.message.startswith("A cluster of 0 pixels cannot be cut")
    assert proposed.undo_text is None


def test_a_stroke_supersedes_a_cut_and_a_cut_a_run(
    steered: Document, live: Live, script: Script
) -> None:
    script.is_open = False
    live.start()
    script.let(1)
    assert live._worker.wait(SECONDS) and live.pull()
    live.split(RIGHT)
    script.let(1)
    assert live.wait(SECONDS).phase == "done"
    assert len(np.unique(steered.labels)) == 3
    script.is_open = True
    steered.paint([(3, 3)], radius=1)
    assert live.wait(SECONDS).step == 5


def test_a_run_after_a_cut_is_still_warm(proposed: Document, live: Live, script: Script) -> None:
    live.split(RIGHT)
    live.wait(SECONDS)
    proposed.paint([(3, 3)], radius=1)
    live.wait(SECONDS)
    assert script.n_fits == 1
