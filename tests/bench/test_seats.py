"""Methods in processes of their own: they answer, hang, fail and end."""

from __future__ import annotations

from contextlib import closing
from functools import partial

import numpy as np
import pytest

from tests.bench.made_up import disc, dying, endless, failing, picture
from unseg_studio.bench.game import NoAnswerError
from unseg_studio.bench.methods import methods
from unseg_studio.bench.own_process import peak_mib
from unseg_studio.bench.robot import first_strokes
from unseg_studio.bench.seats import Seat, chosen_method
from unseg_studio.data import Image

TRUTH = disc().astype(np.int32) + 1
DRAWN = first_strokes(TRUTH)


@pytest.fixture
def image():
    return Image.of(picture(disc()))


def test_another_process_answers_as_this_one_would(image):
    player = methods()["random_walker"].start(image, (1, 2))
    make = partial(chosen_method, "random_walker", 0, "cpu")
    with closing(Seat(make, limit=60)) as seat:
        assert seat.open(image, (1, 2)) >= 0
        answer = seat.update(DRAWN)
    assert (answer.labels == player.update(DRAWN)).all()
    assert answer.seconds > 0
    assert answer.peak_mib > 10 or np.isnan(answer.peak_mib)


def test_a_method_that_hangs_is_ended_and_may_try_the_next_image(image):
    with closing(Seat(endless, limit=0.2)) as seat:
        seat.open(image, (1, 2))
        with pytest.raises(NoAnswerError, match=r"does not return within 0\.2 s"):
            seat.update(DRAWN)
        with pytest.raises(NoAnswerError, match="no image is open"):
            seat.update(DRAWN)
        assert seat.open(image, (1, 2)) >= 0


def test_a_method_that_fails_says_why_and_goes_on(image):
    with closing(Seat(failing, limit=60)) as seat:
        seat.open(image, (1, 2))
        for _ in range(2):
            with pytest.raises(NoAnswerError, match="fails with RuntimeError: no more ink"):
                seat.update(DRAWN)


def test_a_process_that_ends_is_noticed(image):
    with closing(Seat(dying, limit=60)) as seat:
        seat.open(image, (1, 2))
        with pytest.raises(NoAnswerError, match="its process has ended"):
            seat.update(DRAWN)


def test_memory_is_that_of_this_process():
    before = peak_mib()
    if np.isnan(before):
        pytest.skip("This system does not say.")
    block = np.ones(64 * 2**20, np.uint8)
    assert peak_mib() >= before
    assert peak_mib() > block.nbytes / 2**20
