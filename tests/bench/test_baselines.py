"""Each baseline divides two colours, and takes strokes as they come."""

from __future__ import annotations

import numpy as np
import pytest

from tests.bench.made_up import disc, picture
from unseg_studio.bench.baselines import FeaturesAndForest, GrabCut, RandomWalker
from unseg_studio.bench.robot import first_strokes, mean_iou
from unseg_studio.data import Image

BASELINES = {"random walker": RandomWalker, "forest": FeaturesAndForest, "GrabCut": GrabCut}


@pytest.fixture(params=BASELINES)
def baseline(request):
    return BASELINES[request.param]


def truth(first=1, second=2):
    return np.where(disc() > 0, second, first).astype(np.int32)


def opened(baseline, pixels=None):
    return baseline(Image.of(picture(disc()) if pixels is None else pixels))


def test_two_colours_are_divided(baseline):
    wanted = truth()
    labels = opened(baseline).update(first_strokes(wanted))
    assert (labels.dtype, labels.shape) == (np.int32, wanted.shape)
    assert mean_iou(wanted, labels) > 0.9


def test_grey_images_of_sixteen_bits_are_divided(baseline):
    values = picture(disc())[..., 0].astype(np.uint16) * 150
    wanted = truth()
    labels = opened(baseline, values).update(first_strokes(wanted))
    assert mean_iou(wanted, labels) > 0.85


def test_labels_are_the_ids_that_were_drawn(baseline):
    wanted = truth(4, 9)
    labels = opened(baseline).update(first_strokes(wanted))
    assert set(np.unique(labels)) == {4, 9}
    assert mean_iou(wanted, labels) > 0.9


def test_drawn_pixels_keep_what_was_drawn(baseline):
    drawn = first_strokes(truth())
    drawn[0, :5], drawn[18, 24] = 2, 1  # against the colours
    labels = opened(baseline).update(drawn)
    assert (labels[drawn > 0] == drawn[drawn > 0]).all()


def test_a_later_update_knows_the_new_strokes(baseline):
    player = opened(baseline)
    drawn = first_strokes(truth())
    player.update(drawn)
    swapped = np.where(drawn > 0, 3 - drawn, 0).astype(np.int32)
    assert mean_iou(3 - truth(), player.update(swapped)) > 0.9


def test_one_category_fills_the_image(baseline):
    drawn = np.where(first_strokes(truth()) == 2, 2, 0).astype(np.int32)
    assert (opened(baseline).update(drawn) == 2).all()


def test_strokes_that_cover_everything_are_the_answer(baseline):
    assert (opened(baseline).update(truth()) == truth()).all()


def test_the_same_strokes_give_the_same_labels(baseline):
    drawn = first_strokes(truth())
    one, other = (opened(baseline).update(drawn) for _ in range(2))
    assert (one == other).all()


@pytest.mark.parametrize("baseline", [RandomWalker, FeaturesAndForest])
def test_more_categories_are_divided_at_once(baseline):
    values = disc()
    values[28:] = 2
    wanted = values.astype(np.int32) + 1
    labels = opened(baseline, picture(values)).update(first_strokes(wanted))
    assert mean_iou(wanted, labels) > 0.85


def test_pixels_shut_in_by_a_stroke_take_some_category():
    drawn = first_strokes(truth())
    drawn[30:35, 45:50], drawn[32, 47] = 1, 0
    labels = opened(RandomWalker).update(drawn)
    assert set(np.unique(labels)) == {1, 2}


def test_grabcut_says_that_three_categories_are_too_many():
    drawn = np.zeros((40, 56), np.int32)
    drawn[0, :3] = (1, 2, 3)
    with pytest.raises(ValueError, match="two categories; there are strokes of 3"):
        opened(GrabCut).update(drawn)
