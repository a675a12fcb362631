"""The loop that every learning method shares, with a method that learns next to nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, overload

import numpy as np
import pytest
import torch

from tests.faulty_device import ALWAYS, FULL, GONE, H200, FaultyDriver
from unseg_studio.data import FIRST_CLUSTER, Image
from unseg_studio.features.augment import Rgb
from unseg_studio.features.devices import standing_in
from unseg_studio.segmenters import training
from unseg_studio.segmenters.base import param
from unseg_studio.segmenters.learned import LearnedFit, model_param
from unseg_studio.segmenters.models import Model, kept
from unseg_studio.segmenters.training import Album, TrainingStep, agreement


@dataclass(frozen=True)
class Shades:
    """Divides images at a grey that creeps towards their mean."""

    name: ClassVar[str] = "shades"
    title: ClassVar[str] = "Shades"
    summary: ClassVar[str] = "For tests."
    presets: ClassVar[dict[str, dict[str, Any]]] = {"live": {}}

    n_steps: int = param(40, "Steps", "More of them.", low=1, high=1000, step=1)
    seed: int = param(0, "Seed", "Chance.", low=0, high=99, step=1)
    model: str = model_param()

    def fit(self, image: Image, device: str = "auto") -> LearnedFit:
        return LearnedFit(self, image, device)

    def train(
        self, images: Sequence[Image], device: str = "auto", *, start: Model | None = None
    ) -> Iterator[TrainingStep]:
        def make(album: Album, _device: torch.device) -> ShadesLearner:
            return ShadesLearner(self, album)

        return training.train(self, make, images, device, start=start)

    def scorer(self, model: Model, device: torch.device) -> ShadesScorer:
        training.require_method(self, model)
        return ShadesScorer(model.tensors["network.grey"])


class ShadesScorer:
    def __init__(self, grey: torch.Tensor) -> None:
        self._grey = float(grey)

    def __call__(self, rgb: Rgb) -> torch.Tensor:
        shade = torch.from_numpy(rgb.astype(np.float32)).mean(dim=2) / 255
        return torch.stack([self._grey - shade, shade - self._grey])


class ShadesLearner:
    def __init__(self, segmenter: Shades, album: Album) -> None:
        self._album, self._seed = album, segmenter.seed
        self.total = segmenter.n_steps
        self._grey, self._speed = torch.zeros(()), torch.zeros(())

    def step(self, number: int) -> float:
        random = np.random.default_rng((self._seed, number))
        mean = np.mean([rgb.mean() / 255 for _, rgb in self._album.drawn(2, random)])
        self._speed = 0.5 * self._speed + 0.2 * (mean - self._grey)
        self._grey = self._grey + self._speed
        return float((self._grey - mean) ** 2)

    def tensors(self) -> dict[str, torch.Tensor]:
        return {"network.grey": self._grey, "training.speed": self._speed}

    def recall(self, tensors: training.Tensors) -> None:
        self._grey, self._speed = tensors["network.grey"], tensors["training.speed"]

    def scorer(self) -> ShadesScorer:
        return ShadesScorer(self._grey)


class Read(Sequence[Image]):
    """Images that are read when they are asked for; some cannot be."""

    def __init__(self, n: int, broken: tuple[int, ...] = ()) -> None:
        self._n, self._broken = n, broken
        self.asked: list[int] = []

    def __len__(self) -> int:
        return self._n

    @overload
    def __getitem__(self, index: int) -> Image: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Image]: ...
    def __getitem__(self, index: int | slice) -> Image | Sequence[Image]:
        assert isinstance(index, int)
        self.asked.append(index)
        if index in self._broken:
            raise OSError(f"{index}.png is broken. Leave it out.")
        return photo(index)


def photo(seed: int, shape: tuple[int, int] = (24, 30)) -> Image:
    pixels = np.full((*shape, 3), 40, np.uint8)
    pixels[:, : shape[1] // 2] = 200
    grain = np.random.default_rng(seed).integers(0, 20, (*shape, 3))
    return Image.of((pixels + grain).astype(np.uint8))


def steps_of(segmenter: Shades, images: Sequence[Image], **more: Any) -> list[TrainingStep]:
    return list(segmenter.train(images, "cpu", **more))


def test_every_step_is_told_and_the_last_one_has_the_trained_segmenter() -> None:
    steps = steps_of(Shades(), Read(5))
    assert [s.is_last for s in steps] == [False] * (len(steps) - 1) + [True]
    assert [s.step for s in steps] == [*range(1, len(steps)), len(steps) - 1]
    assert all(s.total == 40 for s in steps)
    trained = steps[-1].segmenter
    assert isinstance(trained, Shades) and trained.seed == 0
    assert kept(trained.model) == steps[-1].model


def test_a_trained_segmenter_divides_an_image_it_has_never_seen() -> None:
    trained = steps_of(Shades(), Read(5))[-1].segmenter
    assert trained is not None
    image = photo(99, (20, 40))
    (last,) = trained.fit(image, "cpu").refine(_no_scribbles(image))
    assert last.ids == (FIRST_CLUSTER, FIRST_CLUSTER + 1)
    labels = last.scores.argmax(dim=0)
    assert (labels[:, :20] == 1).all() and (labels[:, 20:] == 0).all()


def test_previews_come_of_images_from_first_to_last() -> None:
    looks = [s for s in steps_of(Shades(), Read(50)) if s.previews]
    assert len(looks) > 1
    places = [preview.index for preview in looks[-1].previews]
    assert places[0] == 0 and places[-1] == 49 and places == sorted(places)
    assert looks[-1].previews[0].labels.dtype == np.int32
    assert set(np.unique(looks[-1].previews[0].labels)) == {FIRST_CLUSTER, FIRST_CLUSTER + 1}


def test_images_that_cannot_be_read_are_told_and_the_rest_goes_on() -> None:
    last = steps_of(Shades(), Read(6, broken=(0, 3)))[-1]
    assert sorted(last.skipped) == [
        "0.png is broken. Leave it out.",
        "3.png is broken. Leave it out.",
    ]
    assert last.model is not None and last.model.facts["n_images"] == 4


def test_where_no_image_can_be_read_the_first_reason_is_told() -> None:
    with pytest.raises(ValueError, match=r"None of the 3 images.*png is broken"):
        steps_of(Shades(), Read(3, broken=(0, 1, 2)))
    with pytest.raises(ValueError, match=r"no image to learn from; add some\."):
        steps_of(Shades(), ())


def test_no_more_images_are_kept_than_the_memory_is_meant_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(training, "KEPT_BYTES", 3 * photo(0).rgb.nbytes)
    images = Read(10)
    album = Album(images)
    for _ in range(2):
        for index in range(10):
            assert album.rgb(index) is not None
    assert len(images.asked) == 20  # each had to be read again


def test_a_training_that_is_gone_on_with_ends_as_if_it_had_never_stopped() -> None:
    whole = steps_of(Shades(), Read(5))
    some = [s for s in whole if s.model is not None and not s.is_last]
    middle = some[len(some) // 2]
    again = steps_of(Shades(), Read(5), start=middle.model)
    assert again[0].step == middle.step + 1
    assert [s.loss for s in again] == [s.loss for s in whole if s.step > middle.step][: len(again)]
    assert again[-1].model is not None and whole[-1].model is not None
    assert torch.equal(
        again[-1].model.tensors["network.grey"], whole[-1].model.tensors["network.grey"]
    )


def test_nobody_goes_on_from_what_is_another_methods_or_has_ended() -> None:
    last = steps_of(Shades(), Read(2))[-1].model
    assert last is not None
    with pytest.raises(ValueError, match=r"has ended; begin a new one\."):
        steps_of(Shades(), Read(2), start=last)
    other = Model("magic", {}, last.tensors, last.facts)
    with pytest.raises(ValueError, match=r"learned by magic, and shades cannot use it\."):
        steps_of(Shades(), Read(2), start=other)
    odd = Model("shades", {}, {"best.network.grey": torch.zeros(())}, last.facts)
    with pytest.raises(ValueError, match=r"learned with other parameters"):
        steps_of(Shades(), Read(2), start=odd)


def test_it_stops_when_the_score_rests() -> None:
    steps = steps_of(Shades(n_steps=1000), Read(4))
    assert steps[-1].step < 1000


def test_looks_at_what_has_not_changed_are_no_rest() -> None:
    class Late(ShadesLearner):
        def step(self, number: int) -> float:
            return super().step(number) if number >= 20 else float("nan")

    def make(album: Album, _device: torch.device) -> Late:
        return Late(Shades(), album)

    steps = list(training.train(Shades(), make, Read(5), "cpu"))
    assert training.REST < training.N_LOOKS // 2
    assert steps[-1].step > 20
    assert steps[-1].score > 0.5


def test_the_best_moment_is_what_is_kept() -> None:
    steps = steps_of(Shades(), Read(5))
    scores = [s.score for s in steps if s.previews]
    assert steps[-1].model is not None
    assert steps[-1].model.facts["score"] == max(scores)


def test_the_same_seed_and_images_give_the_same_model() -> None:
    one, other, third = (
        steps_of(Shades(seed=seed), Read(n))[-1].model for seed, n in ((0, 5), (0, 5), (0, 4))
    )
    assert one is not None and other is not None and third is not None
    assert one.digest == other.digest
    assert one.facts["data"] != third.facts["data"]


def test_a_cancelled_training_on_one_image_goes_on_with_the_next_run() -> None:
    image = photo(0)
    fit = Shades(n_steps=40).fit(image, "cpu")
    run = fit.refine(_no_scribbles(image))
    first = next(run)
    run.close()  # type: ignore[attr-defined]
    assert not first.is_last
    again = list(fit.refine(_no_scribbles(image)))
    assert again[0].step > first.step and again[-1].is_last


def _no_scribbles(image: Image) -> Any:
    from unseg_studio.data import Scribbles

    return Scribbles.empty(image.shape)


def test_agreement_is_whole_for_equal_views_and_none_for_chance_or_one_cluster() -> None:
    clusters = torch.eye(4).repeat(25, 1)
    assert agreement(clusters, clusters) == pytest.approx(1)
    shuffled = clusters[torch.randperm(100, generator=torch.Generator().manual_seed(0))]
    assert agreement(clusters, shuffled) < 0.1
    assert agreement(clusters, torch.full((100, 4), 0.25)) == pytest.approx(0, abs=1e-9)
    one = torch.eye(4)[torch.zeros(100, dtype=torch.int64)]
    assert agreement(one, one) == pytest.approx(0, abs=1e-9)


def trained(device: str = "auto") -> list[TrainingStep]:
    return list(Shades(n_steps=12).train([photo(i) for i in range(3)], device))


def test_a_training_goes_on_where_its_card_was_full_for_a_moment() -> None:
    driver = FaultyDriver(H200)
    driver.fail("training", FULL, at=7)
    with standing_in(driver):
        *_, last = trained()
    assert last.is_last
    assert last.note == (
        "NVIDIA H200, 139 GiB ran out of memory while it was training. It goes on from its last "
        "model there."
    )
    assert driver.n_given_back == 1


@pytest.mark.parametrize(("error", "at"), [(FULL, 1), (FULL, 6), (GONE, 1), (GONE, 6)])
def test_a_training_whose_card_fails_ends_on_the_cpu_with_the_same_model(
    error: Exception, at: int
) -> None:
    alone = trained("cpu")[-1]
    driver = FaultyDriver(H200)
    driver.fail("training", error, at=at, times=ALWAYS)
    with standing_in(driver):
        *_, last = trained()
    assert last.note.endswith("It goes on from its last model on the CPU.")
    assert last.model is not None
    assert alone.model is not None
    assert (last.step, last.total) == (alone.step, alone.total)
    for name, tensor in alone.model.tensors.items():
        torch.testing.assert_close(last.model.tensors[name], tensor)
