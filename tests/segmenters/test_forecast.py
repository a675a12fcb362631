"""Time and memory of a training, told before it starts."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence

import pytest

from tests.segmenters.test_trainable_contract import TRAINABLE, brief, photo
from unseg_studio.data import Image
from unseg_studio.segmenters.base import resolve_device
from unseg_studio.segmenters.forecast import Forecast, Foreseeable, forecast, span
from unseg_studio.segmenters.training import Album, Trainable

FORESEEABLE = [name for name in TRAINABLE if isinstance(brief(name), Foreseeable)]

pytestmark = pytest.mark.usefixtures("small_features")

every_foreseeable = pytest.mark.parametrize("name", FORESEEABLE)


class Repeated(Sequence[Image]):
    """So many images of a few that are there; says how many were read."""

    def __init__(self, n: int, kinds: int = 4) -> None:
        self._photos, self._n, self.read = [photo(i) for i in range(kinds)], n, set[int]()

    def __len__(self) -> int:
        return self._n

    def __getitem__(self, index: int) -> Image:  # type: ignore[override]
        self.read.add(index)
        return self._photos[index % len(self._photos)]


def told(segmenter: Trainable, images: Sequence[Image]) -> Forecast:
    last = deque(forecast(segmenter, images, "cpu"), maxlen=1)[0]
    assert last is not None and last.is_settled
    return last


@every_foreseeable
@pytest.mark.parametrize("n", [1, 3, 20])
def test_steps_are_counted_as_the_learner_counts_them(name: str, n: int) -> None:
    segmenter = brief(name)
    assert isinstance(segmenter, Foreseeable)
    learner = segmenter.learner(Album(Repeated(n)), resolve_device("cpu"))
    plan = learner.plan(n)
    assert plan.total == learner.total
    kinds = [learner.kind(number) for number in range(plan.total)]
    assert {work.kind: work.n_steps for work in plan.works} == {k: kinds.count(k) for k in kinds}


@every_foreseeable
def test_a_tiny_training_takes_about_as_long_as_it_was_told(name: str) -> None:
    images = [photo(i) for i in range(4)]
    foreseen = told(brief(name), images)
    began = time.perf_counter()
    steps = list(brief(name).train(images, "cpu"))
    seconds = time.perf_counter() - began
    assert steps[-1].total <= foreseen.n_steps
    share = steps[-1].step / foreseen.n_steps  # it ends when the score rests
    assert share * foreseen.seconds / 8 - 0.5 < seconds < share * foreseen.seconds * 8 + 0.5


@every_foreseeable
def test_more_images_take_longer_and_only_a_few_are_read(name: str) -> None:
    few, many = Repeated(2), Repeated(2000)
    short, long = told(brief(name), few), told(brief(name), many)
    assert long.n_steps > short.n_steps
    assert long.seconds > short.seconds
    assert long.n_bytes > 0
    assert len(many.read) <= 8


def test_nothing_is_measured_after_the_iterator_is_closed() -> None:
    images = Repeated(50)
    steps = forecast(brief("diffcluster"), images, "cpu")
    assert next(steps) is None
    steps.close()
    assert not images.read
    assert not list(steps)


def test_what_is_known_so_far_is_told_on_the_way() -> None:
    course = list(forecast(brief("diffcluster"), Repeated(10), "cpu"))
    known = [each for each in course if each is not None]
    assert len(known) > 2
    assert [each.is_settled for each in known] == [False] * (len(known) - 1) + [True]


def test_images_that_cannot_be_read_are_left_out() -> None:
    class Broken(Repeated):
        def __getitem__(self, index: int) -> Image:  # type: ignore[override]
            if index % 2:
                raise OSError(f"Image {index} cannot be read.")
            return super().__getitem__(index)

    assert told(brief("diffcluster"), Broken(6)).n_steps > 0


def test_without_any_image_a_sentence_says_what_to_do() -> None:
    with pytest.raises(ValueError, match="add some"):
        list(forecast(brief("diffcluster"), [], "cpu"))


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (0.1, 0.3, "less than a second"),
        (0.5, 1.5, "about a second"),
        (5, 9, "about 5 to 9 s"),
        (50, 110, "about 50 to 110 s"),
        (239, 358, "about 4 to 6 min"),
        (3600, 9000, "about 1 to 2 h"),
    ],
)
def test_a_span_of_time_is_told_as_people_tell_it(low: float, high: float, words: str) -> None:
    assert span(low, high) == words


def test_the_sentence_has_steps_time_and_memory() -> None:
    foreseen = Forecast(1200, 300.0, 730_000_000)
    assert foreseen.sentence == ("1,200 steps will take about 4 to 8 min and 0.7 GB of memory.")
