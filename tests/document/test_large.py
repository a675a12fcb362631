"""Large images: the engine works on what is looked at, and leaves everything else alone."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from unseg_studio.data import (
    FIRST_CLUSTER,
    NOTHING,
    Box,
    Category,
    Image,
    Mosaic,
    image,
    new_category,
)
from unseg_studio.document import Document, Fits, Live, Moment, first_run
from unseg_studio.document import sight as sight_module
from unseg_studio.document.sight import Sight
from unseg_studio.segmenters import DiffCluster

from .conftest import SECONDS

SHAPE = (1536, 1280)
CORNER: Box = (slice(0, 400), slice(0, 400))
FAR: Box = (slice(1000, 1400), slice(800, 1200))


@pytest.fixture(autouse=True)
def low_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image, "LARGE", 1_000_000)
    monkeypatch.setattr(sight_module, "WORKED_ON", 512)
    monkeypatch.setattr(sight_module, "MARGIN", 16)


def squares(shape: tuple[int, int] = SHAPE) -> Image:
    """Bright squares of 200 px on dark ground, one in each 400 px."""
    rows, cols = (np.arange(n) % 400 // 100 for n in shape)
    bright = np.isin(rows, (1, 2))[:, None] & np.isin(cols, (1, 2))
    noise = np.random.default_rng(0).integers(0, 20, (*shape, 3))
    return Image.of(np.where(bright[..., None], 200, 40).astype(np.uint8) + noise.astype(np.uint8))


def categories() -> tuple[Category, ...]:
    first = new_category(())
    return first, new_category((first,))


@pytest.fixture
def large() -> Document:
    return Document(squares(), categories(), segmenter=DiffCluster(iterations=10))


@pytest.fixture
def live(large: Document) -> Iterator[Live]:
    live = Live(large, device="cpu")
    yield live
    live.close()


def test_a_proposal_of_the_whole_is_made_coarsely(large: Document, live: Live) -> None:
    live.start()
    assert live.wait(SECONDS).phase == "done"
    assert large.shown.at(200, 200) == large.shown.at(600, 600) != large.shown.at(20, 20)
    assert not large.shown.holds(NOTHING)
    assert large.undo_text is None
    assert all(tile.is_in_squares(2) for tile in large.shown.tiles)
    assert "4 x 4 px" in large.status.message


def test_a_batch_and_a_moment_have_the_whole_as_coarsely(large: Document) -> None:
    run = first_run(large.image, large.state, device="cpu")
    *_, last = (frame for frame in run.results(Fits(), lambda _: True) if frame is not None)
    assert last.mosaic is not None and last.part is not None
    assert last.mosaic.shape == SHAPE
    assert not last.mosaic.holds(NOTHING)
    assert np.array_equal(last.part.array, last.mosaic.array[2::4, 2::4])
    assert np.array_equal(Moment.of(last).labels, last.part.array)


def test_a_stroke_changes_what_is_seen_at_full_resolution_and_nothing_else(
    large: Document, live: Live
) -> None:
    live.start()
    live.wait(SECONDS)
    before = large.labels.copy()
    large.look_at(CORNER)
    large.paint([(200, 150), (200, 250)], radius=4)
    live.wait(SECONDS)
    large.set_active(2)
    large.paint([(30, 30), (30, 370)], radius=4)
    assert live.wait(SECONDS).phase == "done"
    assert np.array_equal(large.labels[400:], before[400:])
    assert np.array_equal(large.labels[:, 400:], before[:, 400:])
    assert not large.status.message
    square = large.labels[CORNER] == 1
    wanted = np.zeros((400, 400), bool)
    wanted[100:300, 100:300] = True
    assert (square & wanted).sum() > 0.97 * (square | wanted).sum()
    large.undo()
    large.undo()
    assert np.array_equal(large.labels, before)


def test_looking_elsewhere_proposes_there_without_an_undo_step(large: Document, live: Live) -> None:
    large.look_at(CORNER)
    live.start()
    live.wait(SECONDS)
    settled = large.labels.copy()
    assert (settled[FAR] == NOTHING).all()
    large.look_at(FAR)
    assert live.wait(SECONDS).phase == "done"
    assert (large.labels[FAR] != NOTHING).all()
    known = settled != NOTHING
    assert np.array_equal(large.labels[known], settled[known])
    assert large.undo_text is None


def test_a_look_elsewhere_waits_for_the_stroke_in_progress(large: Document, live: Live) -> None:
    large.look_at(CORNER)
    live.start()
    live.wait(SECONDS)
    large.paint([(200, 150), (200, 250)], radius=4)
    large.look_at(FAR)
    live.wait(SECONDS)
    while live.document.status.is_busy:
        live.wait(SECONDS)
    assert large.shown.at(200, 200) == 1
    assert large.shown.at(1200, 1000) != NOTHING


def test_a_look_keeps_what_can_be_redone(large: Document, live: Live) -> None:
    large.look_at(CORNER)
    live.start()
    live.wait(SECONDS)
    large.paint([(200, 150), (200, 250)], radius=4)
    live.wait(SECONDS)
    large.undo()
    large.look_at(FAR)
    assert not large.status.is_busy
    assert large.redo_text == "stroke"


def test_a_coarse_stroke_keeps_fine_outlines_where_it_says_nothing_new(
    large: Document, live: Live
) -> None:
    large.look_at(CORNER)
    large.paint([(200, 150), (200, 250)], radius=4)
    large.set_active(2)
    large.paint([(30, 30), (30, 370)], radius=4)
    live.wait(SECONDS)
    fine = large.labels[CORNER].copy()
    large.look_at((slice(0, SHAPE[0]), slice(0, SHAPE[1])))
    live.wait(SECONDS)
    large.paint([(1020, 1020), (1021, 1030)], radius=8)
    assert live.wait(SECONDS).phase == "done"
    assert (large.labels[CORNER] == fine).mean() > 0.99
    assert (
        large.labels[large.scribbles.ids > 0] == large.scribbles.ids[large.scribbles.ids > 0]
    ).all()


def test_coarse_runs_leave_locked_pixels_alone(large: Document, live: Live) -> None:
    large.brush([(203, 203)], radius=3)
    large.toggle_lock(1)
    before = large.labels == 1
    large.set_active(2)
    large.paint([(600, 550), (600, 650)], radius=8)
    live.wait(SECONDS)
    assert np.array_equal(large.labels == 1, before)


def test_a_cut_divides_what_is_seen(large: Document, live: Live) -> None:
    large.look_at(CORNER)
    large.polygon([(0, 0), (0, 1279), (1535, 1279), (1535, 0)])
    live.split(1, 2)
    assert live.wait(SECONDS).phase == "done"
    part = large.shown.at(200, 200), large.shown.at(20, 20)
    assert part[0] != part[1]
    assert large.shown.at(1200, 1000) == 1


def test_a_moment_of_a_part_is_shown_again(large: Document, live: Live) -> None:
    large.look_at(CORNER)
    live.start()
    live.wait(SECONDS)
    then = large.labels.copy()
    large.paint([(200, 150), (200, 250)], radius=4)
    moments = live.moments
    live.wait(SECONDS)
    live.look_back(len(live.moments) - 1)
    assert large.shown.at(200, 200) == 1
    assert (large.labels[400:] == then[400:]).all()
    assert moments == ()


def test_a_part_without_anything_in_it_is_passed_over(live: Live, large: Document) -> None:
    pixels = large.image.pixels.copy()
    pixels[900:] = 7
    blank = Document(Image.of(pixels), categories(), segmenter=DiffCluster(iterations=10))
    other = Live(blank, device="cpu")
    blank.look_at(CORNER)
    other.start()
    other.wait(SECONDS)
    blank.look_at((slice(1300, 1500), slice(800, 1200)))
    assert other.wait(SECONDS).phase == "done"
    assert blank.shown.at(1400, 1000) == NOTHING
    other.close()


@pytest.mark.parametrize("length", [400, 512, 513, 1024, 1200])
def test_what_is_worked_on_is_never_much_larger_than_the_limit(length: int) -> None:
    sight = Sight.of(SHAPE, (slice(0, length), slice(40, 300)))
    assert max(sight.small) <= 512 + 2 * 16 + 2 * 256 // sight.step
    assert sight.small[0] * sight.step >= length


def test_a_view_inside_the_same_rectangle_keeps_it() -> None:
    first = Sight.of(SHAPE, (slice(100, 300), slice(100, 300)))
    near = Sight.of(SHAPE, (slice(110, 310), slice(90, 290)), first)
    assert near == first
    assert near.seen != first.seen
    assert Sight.of(SHAPE, FAR, first) != first


def test_labels_of_a_part_lie_where_they_belong() -> None:
    sight = Sight.of(SHAPE, (slice(0, 1100), slice(0, 1100)))
    rng = np.random.default_rng(1)
    part = Mosaic.of(rng.integers(0, 3, sight.small).astype(np.int32))
    whole = sight.enlarged(part)
    assert sight.step > 1
    assert np.array_equal(sight.sampled(whole).array, part.array)


def test_categories_of_a_large_image_are_exported_as_of_any(
    large: Document, monkeypatch: pytest.MonkeyPatch
) -> None:
    large.brush([(100, 100), (1400, 1200)], radius=9)
    large.brush([(100, 1200), (1400, 100)], radius=9, id_=FIRST_CLUSTER)
    large.brush([(1400, 700)], radius=30)
    by_tiles = large.annotation()
    monkeypatch.setattr(image, "LARGE", 10**9)
    whole = large.annotation()
    assert [r.box for r in by_tiles.regions] == [r.box for r in whole.regions]
    assert len(by_tiles.regions) == 3
    for one, other in zip(by_tiles.regions, whole.regions, strict=True):
        assert np.array_equal(one.patch.mask, other.patch.mask)
