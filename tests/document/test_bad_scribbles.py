"""Whatever is scribbled, the labels follow: nothing fails, nothing lags behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import pytest

from unseg_studio.data import Category, Image, Scribbles
from unseg_studio.document import Document, Live

from .conftest import LEFT, SECONDS, Script

SHAPE = (64, 96)
MIDDLE = 48

Points = Sequence[tuple[float, float]]


def noisy(light: np.ndarray, seed: int = 0) -> Image:
    """A grey image with some noise, of lightness 0 to 255."""
    pixels = light[..., None] + np.random.default_rng(seed).normal(0, 6, (*light.shape, 3))
    return Image.of(pixels.clip(0, 255).astype(np.uint8))


def categories(n: int) -> tuple[Category, ...]:
    return tuple(Category(i, f"category {i}", f"#{i:06x}") for i in range(1, n + 1))


SPLIT = noisy(np.where(np.indices(SHAPE)[1] < MIDDLE, 60, 190))
"""Dark on the left, light on the right; one image, so that what is made of it is made once."""


@contextmanager
def followed(image: Image = SPLIT, n_categories: int = 3) -> Iterator[tuple[Document, Live]]:
    """A document, and what keeps its labels following."""
    document = Document(image, categories(n_categories))
    live = Live(document, device="cpu")
    try:
        yield document, live
    finally:
        live.close()


def paint(document: Document, id_: int, points: Points, radius: float = 1) -> None:
    document.set_active(id_)
    document.paint(points, radius=radius)


def labels_after(document: Document, live: Live) -> np.ndarray:
    """Wait for the run, and see to what holds after every one."""
    status = live.wait(SECONDS)
    assert (status.phase, status.message) == ("done", "")
    labels, drawn = document.labels, document.scribbles.ids
    assert labels.shape == document.image.shape
    assert (labels > 0).all()
    np.testing.assert_array_equal(labels[drawn > 0], drawn[drawn > 0])
    return labels


def halves_of(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Left and right of the edge, but not right at it."""
    return labels[:, : MIDDLE - 3], labels[:, MIDDLE + 3 :]


@pytest.mark.parametrize("points", [[(5, 5), (50, 30)], [(20, 20)], [(0, 0)], [(63, 95)]])
def test_scribbles_of_one_category_only(points: Points) -> None:
    with followed() as (document, live):
        paint(document, 2, points, radius=0)
        labels = labels_after(document, live)
        assert set(document.scribbles.categories) == {2} <= set(np.unique(labels))


@pytest.mark.parametrize("places", [((20, 20), (40, 70)), ((0, 0), (63, 95)), ((3, 46), (3, 49))])
def test_two_categories_of_a_single_pixel_each(places: Points) -> None:
    with followed() as (document, live):
        for id_, place in enumerate(places, start=1):
            paint(document, id_, [place], radius=0)
        labels = labels_after(document, live)
        left, right = halves_of(labels)
        assert (left == 1).mean() > 0.95
        assert (right == 2).mean() > 0.95


def test_two_pixels_beside_each_other() -> None:
    with followed() as (document, live):
        paint(document, 1, [(30, 20)], radius=0)
        paint(document, 2, [(30, 21)], radius=0)
        assert set(np.unique(labels_after(document, live))) == {1, 2}


def test_one_category_covers_everything() -> None:
    with followed() as (document, live):
        paint(document, 3, [(32, 48)], radius=200)
        assert (labels_after(document, live) == 3).all()


def test_several_categories_cover_everything() -> None:
    with followed() as (document, live):
        drawn = (1 + np.indices(SHAPE).sum(axis=0) // 7 % 3).astype(np.int32)
        document.set_scribbles(Scribbles(drawn))
        np.testing.assert_array_equal(labels_after(document, live), drawn)


def test_one_category_covers_all_but_a_single_pixel_of_another() -> None:
    with followed() as (document, live):
        drawn = np.ones(SHAPE, np.int32)
        drawn[33, 71] = 2
        document.set_scribbles(Scribbles(drawn))
        np.testing.assert_array_equal(labels_after(document, live), drawn)


def test_the_same_place_is_painted_as_one_and_then_as_another_category() -> None:
    with followed() as (document, live):
        line = [(10, 10), (50, 30)]
        paint(document, 3, [(10, 80), (50, 80)])
        for id_ in (1, 2, 1, 2):
            paint(document, id_, line, radius=2)
        labels = labels_after(document, live)
        assert document.scribbles.categories == (2, 3)
        assert 1 not in labels
        left, right = halves_of(labels)
        assert (left == 2).mean() > 0.95 and (right == 3).mean() > 0.95


def test_strokes_of_two_categories_lie_side_by_side_on_one_uniform_region() -> None:
    with followed() as (document, live):
        for number, row in enumerate(range(4, 60, 5)):
            paint(document, 1 + number % 2, [(row, 5), (row, 40)])
        labels = labels_after(document, live)
        assert set(np.unique(labels)) == {1, 2}


def test_strokes_of_two_categories_cross_each_other() -> None:
    with followed() as (document, live):
        for offset in range(0, 40, 8):
            paint(document, 1, [(offset, 0), (offset + 20, 90)])
            paint(document, 2, [(offset + 20, 0), (offset, 90)])
        assert set(np.unique(labels_after(document, live))) == {1, 2}


OUTSIDE: list[Points] = [
    [(-50, -50), (-20, 300)],
    [(64, 10), (70, 90)],
    [(1e12, -1e12)],
]


@pytest.mark.parametrize("points", OUTSIDE)
def test_a_stroke_outside_the_image_changes_nothing(points: Points) -> None:
    with followed() as (document, live):
        paint(document, 1, [(20, 20)])
        paint(document, 2, [(20, 70)])
        before = labels_after(document, live).copy()
        paint(document, 3, points, radius=0)
        np.testing.assert_array_equal(labels_after(document, live), before)
        assert document.scribbles.categories == (1, 2)


def test_of_a_stroke_that_leaves_the_image_the_part_inside_counts() -> None:
    with followed() as (document, live):
        paint(document, 1, [(-30, 20), (100, 20)])
        paint(document, 2, [(32, 80), (32, 1e9)])
        left, right = halves_of(labels_after(document, live))
        assert (left == 1).mean() > 0.95 and (right == 2).mean() > 0.95


def spots(shape: tuple[int, int], n: int, seed: int = 0) -> Scribbles:
    """One pixel each of the categories 1 to n."""
    places = np.random.default_rng(seed).permutation(shape[0] * shape[1])[:n]
    ids = np.zeros(shape[0] * shape[1], np.int32)
    ids[places] = np.arange(1, n + 1)
    return Scribbles(ids.reshape(shape))


@pytest.mark.parametrize("shape", [SHAPE, (14, 15)])
def test_two_hundred_categories(shape: tuple[int, int]) -> None:
    image = SPLIT if shape == SHAPE else noisy(np.where(np.indices(shape)[1] < 8, 60, 190))
    with followed(image, 200) as (document, live):
        document.set_scribbles(spots(shape, 200))
        labels = labels_after(document, live)
        assert set(np.unique(labels)) == set(range(1, 201))


def test_two_hundred_categories_of_which_some_vanish_on_the_working_plane() -> None:
    shape = (30, 420)
    with followed(noisy(np.where(np.indices(shape)[1] < 200, 60, 190)), 200) as (document, live):
        crowd = np.zeros(shape, np.int32)
        crowd[4:14, 5:25] = np.arange(1, 201).reshape(10, 20)
        document.set_scribbles(Scribbles(crowd))
        assert len(document.scribbles.resized((14, 200)).categories) < 100
        labels = labels_after(document, live)
        assert set(np.unique(labels)) == set(range(1, 201))


ERASERS: list[Callable[[Document], None]] = [
    lambda document: document.erase([(6, 12)], radius=4),
    lambda document: document.remove_category(2),
    lambda document: document.set_scribbles(document.scribbles.without(2)),
    lambda document: document.clear_scribbles(),
]


@pytest.mark.parametrize("erase", ERASERS)
def test_a_category_is_erased_completely_while_a_run_is_on(
    steered: Document, live: Live, script: Script, erase: Callable[[Document], None]
) -> None:
    steered.set_fill(False)  # so that the segmenter is asked
    script.is_open = False
    paint(steered, 1, [(6, 2), (6, 4)])
    paint(steered, 2, [(6, 12)])
    assert script.began.wait(SECONDS)
    erase(steered)
    assert 2 not in steered.scribbles.categories
    script.is_open = True
    script.let(1)
    assert 2 not in labels_after(steered, live)


@pytest.mark.parametrize("erase", [ERASERS[1], ERASERS[3]])
def test_a_category_is_erased_between_two_answers(erase: Callable[[Document], None]) -> None:
    with followed() as (document, live):
        paint(document, 1, [(20, 20)])
        paint(document, 2, [(20, 70)])
        assert live._worker.wait(SECONDS)
        erase(document)
        assert 2 not in labels_after(document, live)


def strokes(n: int, shape: tuple[int, int], seed: int) -> Iterator[tuple[int, Points]]:
    random = np.random.default_rng(seed)
    for number in range(n):
        ends = random.uniform(0, shape, (2, 2))
        yield 1 + number % 3, [(float(row), float(col)) for row, col in ends]


def test_a_hundred_strokes_back_to_back_end_with_the_labels_of_the_last() -> None:
    with followed() as (document, live):
        for id_, points in strokes(100, SHAPE, 1):
            paint(document, id_, points, radius=0)
        labels_after(document, live)
        with followed() as (other, quiet):
            other.set_scribbles(document.scribbles)
            expected = labels_after(other, quiet)
        assert (document.labels == expected).mean() > 0.99


def test_no_frame_of_an_older_stroke_is_shown() -> None:
    n_shown = 0
    with followed() as (document, live):
        for number, (id_, points) in enumerate(strokes(100, SHAPE, 2)):
            paint(document, id_, points)
            if number % 10 == 0:
                assert live._worker.wait(SECONDS)
            if live.pull():
                n_shown += 1
                drawn = document.scribbles.ids
                np.testing.assert_array_equal(document.labels[drawn > 0], drawn[drawn > 0])
        labels_after(document, live)
    assert n_shown >= 10


def test_no_more_than_one_run_is_behind(steered: Document, live: Live, script: Script) -> None:
    steered.set_fill(False)  # so that the segmenter is asked
    script.is_open = False
    live.start()
    assert script.began.wait(SECONDS)
    for id_, points in strokes(100, (12, 16), 3):
        paint(steered, id_, points, radius=0)
    assert len(script.fits_of_runs) == 1
    script.is_open = True
    script.let(1)
    labels_after(steered, live)
    assert len(script.fits_of_runs) == 2


WIDE = (128, 192)


def disc(centre: tuple[int, int], radius: int) -> np.ndarray:
    rows, cols = np.indices(WIDE)
    return np.asarray((rows - centre[0]) ** 2 + (cols - centre[1]) ** 2 <= radius**2)


def checked(period: int) -> np.ndarray:
    rows, cols = np.indices(WIDE)
    return np.where((rows // period + cols // period) % 2, 40, -40)


OBJECT = disc((64, 88), 44)
SCENES = {
    "light": np.where(OBJECT, 170, 90),
    "dark": np.where(OBJECT, 60, 130),
    "on texture": np.where(OBJECT, 220, 90 + checked(3)),
}


OBJECT_STROKES = [[(48, 80), (84, 92)], [(40, 100), (32, 72)], [(96, 80), (68, 60)]]


@pytest.mark.parametrize("n_strokes", [1, 3])
@pytest.mark.parametrize("scene", sorted(SCENES))
def test_a_stroke_that_crosses_an_edge_does_not_turn_its_surroundings(
    scene: str, n_strokes: int
) -> None:
    with followed(noisy(SCENES[scene], 1)) as (document, live):
        for points in OBJECT_STROKES[:n_strokes]:
            paint(document, 1, points)
        paint(document, 2, [(124, 144), (92, 108)])
        drawn = document.scribbles.ids
        over = (drawn[OBJECT] == 2).sum() / (drawn == 2).sum()
        assert 0.18 < over < 0.3
        labels = labels_after(document, live)
        assert (labels[OBJECT & (drawn == 0)] == 1).mean() >= 0.95
        assert (labels[~OBJECT & (drawn == 0)] == 2).mean() >= 0.95


def test_a_name_of_a_cluster_and_strokes_of_one_category_live_together() -> None:
    with followed() as (document, live):
        live.start()
        labels = labels_after(document, live)
        cluster = int(labels[32, 80])
        assert cluster >= LEFT
        document.name_cluster(cluster, 1)
        paint(document, 2, [(20, 20)])
        assert 2 in labels_after(document, live)


def test_where_the_strokes_decide_no_segmenter_is_asked(
    steered: Document, live: Live, script: Script
) -> None:
    steered.set_scribbles(Scribbles.empty(steered.image.shape).painted([(6, 2)], 1, radius=1))
    labels_after(steered, live)
    n_asked = len(script.fits_of_runs)
    paint(steered, 2, [(6, 12)])
    assert set(np.unique(labels_after(steered, live))) == {1, 2}
    assert len(script.fits_of_runs) == n_asked
    steered.set_fill(False)
    labels_after(steered, live)
    assert len(script.fits_of_runs) == n_asked + 1
