"""What holds for every segmenter that learns from many images."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from unseg_studio.data import FIRST_CLUSTER, Image, Scribbles
from unseg_studio.document.values import plain_segmenter, segmenter_of
from unseg_studio.segmenters import SEGMENTERS, Estimate, make_segmenter, neural_eigen, picie
from unseg_studio.segmenters.models import Model, keep, kept, load
from unseg_studio.segmenters.training import Trainable, TrainingStep

TRAINABLE = [name for name in SEGMENTERS if isinstance(make_segmenter(name), Trainable)]
BRIEF = {
    "deepcut": {"n_clusters": 4, "iterations": 4},
    "diffcluster": {"iterations": 20, "size": 32, "max_clusters": 6},
    "neural_eigen": {
        "n_clusters": 4,
        "n_functions": 8,
        "n_places": 60,
        "n_nearest": 8,
        "batch": 2,
        "width": 16,
    },
    "picie": {"n_clusters": 4, "width": 16, "rounds": 2},
}
"""Parameters with which a method is quick on images of a few pixels."""


@pytest.fixture(autouse=True)
def few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neural_eigen, "LEAST_STEPS", 12)
    monkeypatch.setattr(picie, "UPDATES", 4)


pytestmark = pytest.mark.usefixtures("small_features")

every_trainable = pytest.mark.parametrize("name", TRAINABLE)

SHAPE = (48, 64)


def photo(seed: int, shape: tuple[int, int] = SHAPE, n_channels: int = 3) -> Image:
    """A red sky over green ground with a blue square, grainy; the horizon differs."""
    random = np.random.default_rng(seed)
    horizon = shape[0] // 2 + seed % 5 - 2
    pixels = np.zeros((*shape, 3), np.int64)
    pixels[:horizon], pixels[horizon:] = (190, 60, 50), (50, 160, 60)
    top, left = shape[0] // 4, shape[1] // 3 + seed % 7
    pixels[top : top + shape[0] // 3, left : left + shape[1] // 4] = (40, 60, 200)
    pixels += random.integers(-15, 15, pixels.shape)
    planes = np.concatenate([pixels] * -(-n_channels // 3), axis=2)[..., :n_channels]
    return Image.of(np.ascontiguousarray(planes.clip(0, 255).astype(np.uint8)))


def brief(name: str, **more: object) -> Trainable:
    segmenter = make_segmenter(name, **{**BRIEF.get(name, {}), **more})
    assert isinstance(segmenter, Trainable)
    return segmenter


def trained_on(name: str, images: Sequence[Image]) -> Trainable:
    last = deque(brief(name).train(images, "cpu"), maxlen=1)[0]
    assert isinstance(last.segmenter, Trainable)
    return last.segmenter


@cache
def steps_over(name: str, n_images: int) -> tuple[TrainingStep, ...]:
    """A whole training, which all tests share; nobody can change it."""
    return tuple(brief(name).train([photo(i) for i in range(n_images)], "cpu"))


def trained(name: str, n_images: int = 4) -> Trainable:
    last = steps_over(name, n_images)[-1].segmenter
    assert isinstance(last, Trainable)
    return last


def settled(segmenter: Trainable, image: Image, scribbles: Scribbles | None = None) -> Estimate:
    fit = segmenter.fit(image, "cpu")
    return deque(fit.refine(scribbles or Scribbles.empty(image.shape)), maxlen=1)[0]


def labels_of(estimate: Estimate) -> np.ndarray:
    return np.asarray(estimate.ids)[estimate.scores.argmax(dim=0).numpy()]


@every_trainable
def test_steps_come_one_by_one_and_the_last_has_the_trained_segmenter(name: str) -> None:
    steps = steps_over(name, 4)
    assert [s.is_last for s in steps] == [False] * (len(steps) - 1) + [True]
    assert all(0 < s.step <= s.total for s in steps)
    assert any(s.previews for s in steps) and any(s.model for s in steps[:-1])
    assert 0 <= steps[-1].score <= 1
    last = steps[-1].segmenter
    assert isinstance(last, Trainable) and last == replace(brief(name), model=last.model)


@every_trainable
def test_a_trained_one_needs_a_single_look_at_an_unseen_image(name: str) -> None:
    segmenter = trained(name)
    estimates = list(segmenter.fit(photo(50), "cpu").refine(Scribbles.empty(SHAPE)))
    assert len(estimates) == 1 and estimates[0].is_last
    assert all(id_ >= FIRST_CLUSTER for id_ in estimates[0].ids)
    assert np.array_equal(labels_of(settled(segmenter, photo(50))), labels_of(estimates[0]))


@every_trainable
def test_images_of_other_sizes_and_channels_are_learned_and_judged(name: str) -> None:
    odd = [photo(0), photo(1, (30, 90)), photo(2, (64, 40), 1), photo(3, SHAPE, 5)]
    segmenter = trained_on(name, odd)
    for image in (photo(7, (33, 77)), photo(8, SHAPE, 1), photo(9, SHAPE, 5)):
        last = settled(segmenter, image)
        assert torch.isfinite(last.scores).all()
        assert (
            abs(last.scores.shape[1] / last.scores.shape[2] - image.shape[0] / image.shape[1]) < 0.2
        )


@every_trainable
def test_one_image_is_enough(name: str) -> None:
    assert settled(trained_on(name, [photo(0)]), photo(0)).is_last


@every_trainable
def test_strokes_give_clusters_to_categories(name: str) -> None:
    scribbles = Scribbles.empty(SHAPE).painted([(4, 4), (4, 50)], 1, radius=2)
    scribbles = scribbles.painted([(44, 4), (44, 50)], 2, radius=2)
    last = settled(trained(name), photo(3), scribbles)
    assert {1, 2} <= set(last.ids)


@every_trainable
def test_a_training_that_is_gone_on_with_ends_as_if_it_had_never_stopped(name: str) -> None:
    images, whole = [photo(i) for i in range(2)], steps_over(name, 2)
    looks = [s for s in whole if s.model is not None and not s.is_last]
    middle = looks[(len(looks) - 1) // 2]
    again = list(brief(name).train(images, "cpu", start=middle.model))
    _require_same(again[-1], whole[-1])


def _require_same(one: TrainingStep, other: TrainingStep) -> None:
    assert one.model is not None and other.model is not None
    assert one.model.tensors.keys() == other.model.tensors.keys()
    for name, tensor in one.model.tensors.items():
        torch.testing.assert_close(tensor, other.model.tensors[name])


@every_trainable
def test_the_same_seed_gives_the_same_model_and_leaves_the_chance_of_others_alone(
    name: str,
) -> None:
    one = trained(name, 2)
    torch.rand(3)
    state = torch.get_rng_state()
    assert trained_on(name, [photo(i) for i in range(2)]).model == one.model
    assert torch.equal(torch.get_rng_state(), state)


@every_trainable
def test_a_trained_one_can_be_written_down_and_its_model_saved(name: str, tmp_path: Path) -> None:
    segmenter = trained(name)
    assert segmenter_of(plain_segmenter(segmenter)) == (segmenter, "")
    model = kept(segmenter.model)
    model.save(tmp_path / "model.safetensors")
    assert load(tmp_path / "model.safetensors").digest == segmenter.model


@every_trainable
def test_a_model_that_does_not_fit_is_refused_in_a_sentence(name: str) -> None:
    model = kept(trained(name).model)
    other = Model("magic", model.parameters, model.tensors, model.facts)
    with pytest.raises(ValueError, match=r"was learned by magic") as caught:
        replace(brief(name), model=keep(other)).fit(photo(0), "cpu")
    assert str(caught.value).endswith(".")
    odd = Model(name, model.parameters, {"network.x": torch.ones(3)}, model.facts)
    with pytest.raises(ValueError, match=r"\.$"):
        replace(brief(name), model=keep(odd)).fit(photo(0), "cpu")


@every_trainable
def test_nothing_reaches_the_learner_but_the_pixels(name: str) -> None:
    """Sources, scribbles and labels of an image have no way into what is learned."""
    named = [
        replace(image, source=replace(image.source, path=Path(f"{i}_mask.png")))
        for i, image in enumerate(map(photo, range(2)))
    ]
    assert trained_on(name, named).model == trained(name, 2).model
