"""A mosaic holds what an array would hold, and versions of it share what they have in common."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unseg_studio.data import UNEDITED, Edits, Mosaic, Patch, Scribbles, Tile
from unseg_studio.data.mosaic import SIDE

SHAPE = (SIDE + 40, 2 * SIDE + 8)

seeds = st.integers(0, 2**32 - 1)
fast = settings(max_examples=25, deadline=None, print_blob=True)


def blocks(seed: int, *, lowest: int = 0) -> np.ndarray:
    """A plane of a few rectangles."""
    random = np.random.default_rng(seed)
    ids = np.full(SHAPE, lowest, np.int32)
    for _ in range(6):
        box = random_box(random)
        ids[box] = random.integers(lowest, 9)
    return ids


def random_box(random: np.random.Generator) -> tuple[slice, slice]:
    stretches = (sorted(random.integers(0, side + 1, 2).tolist()) for side in SHAPE)
    rows, cols = (slice(start, stop) for start, stop in stretches)
    return rows, cols


def changed_somewhere(ids: np.ndarray, seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    ids = ids.copy()
    ids[random_box(random)] = random.integers(0, 9)
    return ids


@fast
@given(seeds)
def test_a_mosaic_holds_what_the_array_held(seed):
    ids = blocks(seed, lowest=-1)
    mosaic = Mosaic.of(ids.copy())
    np.testing.assert_array_equal(mosaic.array, ids)
    values, counts = np.unique(ids, return_counts=True)
    assert mosaic.areas == dict(zip(values.tolist(), counts.tolist(), strict=True))
    assert [mosaic.holds(id_) for id_ in range(-1, 10)] == [id_ in values for id_ in range(-1, 10)]
    for row, col in [(0, 0), (SIDE - 1, SIDE), (SIDE, 2 * SIDE), (SHAPE[0] - 1, SHAPE[1] - 1)]:
        assert mosaic.at(row, col) == ids[row, col]


@fast
@given(seeds)
def test_a_window_and_samples_show_the_plane(seed):
    random, ids = np.random.default_rng(seed), blocks(seed)
    mosaic, box = Mosaic.of(ids.copy()), random_box(random)
    np.testing.assert_array_equal(mosaic.window(box), ids[box])
    rows, cols = (np.sort(random.integers(0, side, 70)) for side in SHAPE)
    np.testing.assert_array_equal(mosaic.sampled(rows, cols), ids[np.ix_(rows, cols)])
    assert mosaic.sampled(rows[:0], cols).shape == (0, 70)


@fast
@given(seeds, st.booleans())
def test_painting_changes_the_patch_and_nothing_else(seed, one_id):
    random, ids = np.random.default_rng(seed), blocks(seed)
    mosaic, box = Mosaic.of(ids.copy()), random_box(random)
    size = ids[box].shape
    values = 5 if one_id else random.integers(0, 9, size).astype(np.int32)
    patch = Patch(*box, random.random(size) < 0.4)
    painted = mosaic.painted(patch, values)
    expected = ids.copy()
    np.copyto(expected[box], np.int32(values), where=patch.mask)
    np.testing.assert_array_equal(painted.array, expected)
    np.testing.assert_array_equal(mosaic.array, ids)
    assert (painted is mosaic) == (expected == ids).all()


def test_painting_makes_only_the_tiles_under_the_patch_anew():
    mosaic = Mosaic.full(SHAPE, 0)
    painted = mosaic.painted(Patch(slice(3, 9), slice(3, 9), np.ones((6, 6), bool)), 1)
    assert painted.apart(mosaic) == [0]
    assert painted.painted(Patch(slice(3, 9), slice(3, 9), np.ones((6, 6), bool)), 1) is painted


@fast
@given(seeds, seeds)
def test_an_array_like_an_earlier_version_shares_its_tiles(seed, other):
    ids = blocks(seed)
    before, array = Mosaic.of(ids.copy()), changed_somewhere(ids, other)
    after = Mosaic.of(array.copy(), like=before)
    np.testing.assert_array_equal(after.array, array)
    assert all(
        (ids[before.box_of(n)] != array[before.box_of(n)]).any() for n in after.apart(before)
    )
    assert (after is before) == (array == ids).all()


def test_equal_tiles_that_are_not_shared_do_not_widen_the_difference():
    shape = 4 * SIDE, 4 * SIDE
    ids = np.zeros(shape, np.int32)
    one = Mosaic.of(ids.copy())
    ids[SIDE + 9, SIDE + 7 : 2 * SIDE + 1] = 5
    two = Mosaic.of(ids.copy())
    assert len(one.apart(two)) == 16
    assert one.difference(two) == (slice(SIDE + 9, SIDE + 10), slice(SIDE + 7, 2 * SIDE + 1))


@fast
@given(seeds, seeds)
def test_the_difference_of_two_versions_is_the_smallest_rectangle_around_it(seed, other):
    ids = blocks(seed)
    array = changed_somewhere(ids, other)
    one, two = Mosaic.of(ids), Mosaic.of(array)
    rows, cols = np.nonzero(ids != array)
    box = one.difference(two)
    assert one.equals(two) == (rows.size == 0)
    if not rows.size:
        assert box is None
    else:
        assert box == (slice(rows.min(), rows.max() + 1), slice(cols.min(), cols.max() + 1))


@fast
@given(seeds, st.integers(0, 9), st.integers(0, 9), st.booleans())
def test_an_id_can_take_the_place_of_another(seed, old, new, counted):
    ids = blocks(seed)
    mosaic = Mosaic.of(ids.copy())
    if counted:
        assert mosaic.areas
    replaced = mosaic.replaced(old, new)
    expected = np.where(ids == old, np.int32(new), ids)
    np.testing.assert_array_equal(replaced.array, expected)
    values, counts = np.unique(expected, return_counts=True)
    assert replaced.areas == dict(zip(values.tolist(), counts.tolist(), strict=True))


@fast
@given(seeds, seeds)
def test_edits_lie_over_the_live_labels(seed, other):
    ids, live = blocks(seed, lowest=UNEDITED), blocks(other)
    over = Edits(ids).over(Mosaic.of(live)).array
    np.testing.assert_array_equal(over, np.where(ids == UNEDITED, live, ids))
    assert over.dtype == np.int32


def test_where_nothing_is_edited_the_tiles_are_those_of_the_live_labels():
    live = Mosaic.of(blocks(3))
    assert Edits.none(SHAPE).over(live) is live


many = st.sampled_from([3, 70, 300, 5000])


@fast
@given(seeds, many, many)
def test_tiles_hold_any_number_of_ids_and_take_over_pixels_of_others(seed, n_own, n_other):
    random = np.random.default_rng(seed)
    own = random.integers(-1, n_own, (40, 50)).astype(np.int32)
    other = random.integers(-1, n_other, (40, 50)).astype(np.int32) * 1000
    mask = random.random((40, 50)) < 0.5
    tile, over = Tile.of(own), Tile.of(other)
    np.testing.assert_array_equal(tile.ids, own)
    np.testing.assert_array_equal(tile.mask(lambda id_: id_ % 2 == 0), own % 2 == 0)
    np.testing.assert_array_equal(tile.marked(mask, 7).ids, np.where(mask, 7, own))
    np.testing.assert_array_equal(tile.marked(mask, 9999).ids, np.where(mask, 9999, own))
    expected = np.where(mask, other, own)
    made = tile.overlaid(mask, over)
    np.testing.assert_array_equal(made.ids, expected)
    np.testing.assert_array_equal(made.differs(tile), expected != own)
    assert not made.holds_only(int(own[0, 0]))
    values, counts = np.unique(expected, return_counts=True)
    assert made.areas == dict(zip(values.tolist(), counts.tolist(), strict=True))


def test_a_tile_that_was_painted_with_every_colour_is_still_right():
    tile, ids = Tile.full((20, 20), 0), np.zeros((20, 20), np.int32)
    for step in range(400):
        mask = np.zeros((20, 20), bool)
        mask.flat[step] = True
        tile, ids.flat[step] = tile.marked(mask, 1 + step), 1 + step
    np.testing.assert_array_equal(tile.ids, ids)
    assert tile.replaced(400, 1).areas[1] == 2


def test_ids_may_be_as_far_apart_as_they_can_be():
    ids = np.array([[-(2**31), 0], [7, 2**31 - 1]], np.int32)
    tile = Tile.of(ids)
    np.testing.assert_array_equal(tile.ids, ids)
    assert tile.areas == dict.fromkeys(ids.ravel().tolist(), 1)


def test_merging_ids_touches_no_pixel():
    tile = Tile.of(blocks(4)[:50, :50])
    assert all(tile.replaced(id_, 77).pattern is tile.pattern for id_ in tile.areas)


def test_a_longer_palette_over_the_same_pattern_is_no_difference():
    """So an undo step may leave it, be it of this program or of an enemy."""
    tile = Tile.of(np.array([[1, 2], [2, 1]], np.int32))
    longer = Tile((*tile.palette, 9), tile.pattern)
    assert tile.equals(longer)
    assert longer.equals(tile)
    other = Tile((5, *longer.palette[1:]), tile.pattern)
    np.testing.assert_array_equal(tile.differs(other), [[True, False], [False, True]])


def test_a_uniform_plane_takes_the_memory_of_a_few_tiles():
    mosaic = Mosaic.full((10 * SIDE + 3, 10 * SIDE), 7)
    assert len({id(tile) for tile in mosaic.tiles}) == 2
    assert mosaic.areas == {7: (10 * SIDE + 3) * 10 * SIDE}


def test_nothing_of_a_mosaic_can_be_changed_in_place():
    mosaic = Mosaic.of(blocks(1))
    patterns = [tile.pattern.index for tile in mosaic.tiles]
    for array in (mosaic.array, *(tile.ids for tile in mosaic.tiles), *patterns):
        with pytest.raises(ValueError, match="read-only"):
            array[0, 0] = 1


@fast
@given(seeds)
def test_the_box_of_scribbles_is_the_smallest_around_them(seed):
    random = np.random.default_rng(seed)
    scribbles = Scribbles.empty(SHAPE)
    for _ in range(2):
        scribbles = scribbles.painted(random.uniform((0, 0), SHAPE, (2, 2)), 3, radius=2)
    rows, cols = np.nonzero(scribbles.ids)
    expected = slice(rows.min(), rows.max() + 1), slice(cols.min(), cols.max() + 1)
    assert scribbles.box == expected
    assert Scribbles.empty(SHAPE).box is None


@fast
@given(seeds, st.tuples(st.integers(9, SHAPE[0]), st.integers(9, SHAPE[1])))
def test_smaller_scribbles_take_the_category_that_covers_most_of_a_pixel(seed, small):
    ids = blocks(seed)
    shrunk = Scribbles(ids.copy()).resized(small).ids
    assert shrunk.shape == small
    weights = [overlap(new, old) for new, old in zip(small, SHAPE, strict=True)]
    covers = np.stack([weights[0] @ (ids == id_) @ weights[1].T for id_ in range(1, 9)])
    taken = np.take_along_axis(covers, np.maximum(shrunk - 1, 0)[None], axis=0)[0]
    np.testing.assert_array_equal(shrunk > 0, covers.max(axis=0) > 0)
    np.testing.assert_allclose(taken[shrunk > 0], covers.max(axis=0)[shrunk > 0], rtol=1e-9)


def overlap(new: int, old: int) -> np.ndarray:
    """How much of each of `new` intervals every one of `old` covers, on the same line."""
    start, stop = (np.arange(2)[:, None] + np.arange(new)) * old
    first, last = (np.arange(2)[:, None] + np.arange(old)) * new
    return np.maximum(0, np.minimum(stop[:, None], last) - np.maximum(start[:, None], first))


def test_scribbles_can_be_enlarged():
    small = np.array([[0, 1], [2, 0]], np.int32)
    assert (
        Scribbles(small).resized((4, 6)).ids.tolist()
        == [[0, 0, 0, 1, 1, 1]] * 2 + [[2, 2, 2, 0, 0, 0]] * 2
    )


squares = st.sampled_from([1, 2, 8, 32, 512])
sizes = st.tuples(st.integers(1, 90), st.integers(1, 90))


def in_squares(random: np.random.Generator, step: int, size: tuple[int, int]) -> Tile:
    small = random.integers(-1, random.integers(1, 400), [-(-side // step) for side in size])
    return Tile.in_squares(small.astype(np.int32), step, size=size)


@fast
@given(seeds, squares, squares, sizes)
def test_a_tile_of_squares_is_like_one_of_pixels(seed, step, other_step, size):
    random = np.random.default_rng(seed)
    tile, other = in_squares(random, step, size), in_squares(random, other_step, size)
    plain, plain_other = Tile.of(tile.ids.copy()), Tile.of(other.ids.copy())
    assert tile.ids.shape == size
    assert tile.areas == plain.areas
    assert tile.at(size[0] - 1, size[1] - 1) == plain.at(size[0] - 1, size[1] - 1)
    rows, cols = (np.sort(random.integers(0, side, 7)) for side in size)
    np.testing.assert_array_equal(tile.sampled(rows, cols), plain.sampled(rows, cols))
    np.testing.assert_array_equal(tile.differs(other), plain.differs(plain_other))
    mask = random.random(size) < 0.5
    np.testing.assert_array_equal(
        tile.overlaid(mask, other).ids, np.where(mask, other.ids, tile.ids)
    )
    np.testing.assert_array_equal(tile.marked(mask, 7).ids, np.where(mask, 7, tile.ids))
    assert tile.is_in_squares(step)


def test_squares_take_the_memory_of_a_pixel_each_and_know_what_is_finer():
    ids = np.arange(256, dtype=np.int32).reshape(16, 16)
    tile = Tile.in_squares(ids, 16, size=(SIDE, SIDE))
    assert tile.pattern.small.nbytes == 256
    assert tile.is_in_squares(8)
    assert not tile.is_in_squares(32)
    assert not tile.marked(np.eye(SIDE, dtype=bool), 1).is_in_squares(2)


def test_areas_of_some_ids_are_those_of_all_ids():
    rng = np.random.default_rng(3)
    ids = rng.integers(0, 6, (SIDE + 9, 2 * SIDE)).astype(np.int32)
    ids[:, SIDE:] = 1  # tiles with none of those that are asked for
    mosaic = Mosaic.of(ids)
    some = mosaic.areas_of(lambda id_: id_ >= 4)
    assert some == {4: int((ids == 4).sum()), 5: int((ids == 5).sum())}
    assert mosaic.areas_of(lambda id_: id_ > 9) == {}
