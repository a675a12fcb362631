"""Run lengths equal those of pycocotools, character by character."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pycocotools import mask as coco_mask

from unseg_studio.data import Patch
from unseg_studio.formats import rle
from unseg_studio.formats.geometry import in_plane

# pycocotools 2.0.11 and numpy 2 disagree about a keyword, harmlessly.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

MASKS = st.one_of(
    hnp.arrays(bool, st.tuples(st.integers(1, 14), st.integers(1, 14))),
    hnp.arrays(bool, st.tuples(st.integers(1, 4), st.integers(1, 4))).map(
        lambda mask: mask.repeat(40, axis=0).repeat(40, axis=1)
    ),
)
examples = settings(max_examples=150, deadline=None, print_blob=True)


def by_pycocotools(mask):
    return coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"].decode()


@examples
@given(MASKS)
def test_the_string_is_pycocotools_own(mask):
    counts = rle.run_lengths(Patch.whole(mask), mask.shape)
    assert rle.text_of_runs(counts) == by_pycocotools(mask)


@examples
@given(MASKS)
def test_what_was_packed_comes_back(mask):
    counts = rle.runs_of_text(by_pycocotools(mask))
    patch = rle.patch_of_runs(counts, mask.shape)
    np.testing.assert_array_equal(in_plane(patch, mask.shape), mask)
    np.testing.assert_array_equal(counts, rle.run_lengths(Patch.whole(mask), mask.shape))


@examples
@given(st.lists(st.integers(0, 2**31 - 1), max_size=12))
def test_long_runs_survive_the_string(counts):
    text = rle.text_of_runs(np.array(counts, np.int64))
    assert rle.runs_of_text(text).tolist() == counts


def test_a_run_that_goes_on_at_the_top_of_the_next_column_is_one_run():
    mask = np.zeros((4, 3), bool)
    mask[2:, 0] = mask[:3, 1] = True
    assert rle.run_lengths(Patch.whole(mask), mask.shape).tolist() == [2, 5, 5]


def test_a_loose_patch_gives_the_runs_of_its_pixels():
    loose = Patch(slice(1, 4), slice(2, 4), np.array([[0, 0], [0, 1], [0, 0]], bool))
    mask = in_plane(loose, (5, 6))
    assert rle.text_of_runs(rle.run_lengths(loose, (5, 6))) == by_pycocotools(mask)


def test_runs_of_length_zero_in_between_are_understood():
    patch = rle.patch_of_runs(np.array([0, 2, 0, 1, 3, 0]), (3, 2))
    assert in_plane(patch, (3, 2)).T.ravel().tolist() == [True] * 3 + [False] * 3


@pytest.mark.parametrize(
    ("counts", "sentence"),
    [
        ([5], "cover 5 of 6"),
        ([5, 2], "cover 7 of 6"),
        ([], "cover 0 of 6"),
        ([8, -2], "negative"),
        ([2**62, 2**62, 2**62, 2**62], "longer than the image"),
    ],
)
def test_runs_that_do_not_cover_the_plane_are_refused(counts, sentence):
    with pytest.raises(ValueError, match=sentence):
        rle.patch_of_runs(np.array(counts, np.int64), (3, 2))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("P", "middle of a number"),
        ("0 1", "characters"),
        ("0é", "characters"),
        ("P" * 20 + "0", "32 bits"),
    ],
)
def test_broken_strings_are_refused(text, sentence):
    with pytest.raises(ValueError, match=sentence):
        rle.runs_of_text(text)


@examples
@given(st.text(st.characters(min_codepoint=48, max_codepoint=111), max_size=30))
def test_any_string_is_decoded_or_refused_in_a_sentence(text):
    try:
        patch = rle.patch_of_runs(rle.runs_of_text(text), (7, 5))
    except ValueError as error:
        assert "its R" in str(error) or "its run lengths" in str(error)
    else:
        assert patch.mask.size <= 35
