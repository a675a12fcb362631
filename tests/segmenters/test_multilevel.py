"""Multilevel clustering of many images, in parts, with single levels, and from a model."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch

from unseg_studio.data import FIRST_CLUSTER, Image, Scribbles
from unseg_studio.segmenters import training
from unseg_studio.segmenters.models import Model, kept
from unseg_studio.segmenters.multilevel import MOST_POINTS, Multilevel, MultilevelLearner
from unseg_studio.segmenters.training import TRAINING, Album, TrainingStep

SHAPE = (48, 64)
CPU = torch.device("cpu")


def disc(seed: int) -> Image:
    """A striped disc somewhere on a grainy ground."""
    random = np.random.default_rng(seed)
    rows, cols = np.indices(SHAPE)
    row, col = random.integers(16, 32), random.integers(18, 46)
    inside = (rows - row) ** 2 + (cols - col) ** 2 < 12**2
    ground = random.integers(90, 110, (*SHAPE, 3))
    stripes = np.where((rows // 3 % 2)[..., None], (220, 60, 40), (250, 220, 60))
    return Image.of(np.where(inside[..., None], stripes, ground).astype(np.uint8))


def discs(n: int) -> list[Image]:
    return [disc(seed) for seed in range(n)]


class Unreadable:
    """Images of which some cannot be read."""

    def __init__(self, images: Sequence[Image], broken: set[int]) -> None:
        self._images, self._broken = images, broken

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> Image:
        if index in self._broken:
            raise OSError(f"image {index} is gone.")
        return self._images[index]


def trained(segmenter: Multilevel, images: Sequence[Image]) -> TrainingStep:
    return deque(segmenter.train(images, "cpu"), maxlen=1).pop()


def model_of(step: TrainingStep) -> Model:
    assert step.model is not None and step.is_last
    return step.model


@pytest.fixture(scope="module")
def found() -> TrainingStep:
    return trained(Multilevel(n_clusters=2), discs(2))


def trained_one(found: TrainingStep) -> Multilevel:
    assert isinstance(found.segmenter, Multilevel)
    return found.segmenter


def test_an_image_a_step_is_looked_at_and_then_divided(found: TrainingStep) -> None:
    assert found.step == found.total == 6
    assert np.isfinite(found.loss)


def test_the_model_holds_no_points_of_the_images(found: TrainingStep) -> None:
    tensors = model_of(found).tensors
    assert not any(name.startswith(TRAINING) for name in tensors)
    assert sum(t.nbytes for t in tensors.values()) < 100_000


@pytest.mark.parametrize("levels", ["all", "dataset", "category", "image"])
@pytest.mark.parametrize("strict", [False, True])
def test_each_level_alone_and_all_together_judge(
    found: TrainingStep, levels: str, strict: bool
) -> None:
    segmenter = replace(trained_one(found), levels=levels, strict=strict)
    scores = segmenter.scorer(kept(segmenter.model), CPU)(disc(9).rgb)
    assert scores.shape[0] == 3 and torch.isfinite(scores).all()


def test_strict_foreground_lies_within_that_of_the_vote(found: TrainingStep) -> None:
    segmenter = trained_one(found)
    for seed in range(3):
        rgb = disc(seed).rgb
        votes, agreed = (
            scorer.odds(scorer.seen(rgb)) > 0
            for scorer in (
                replace(segmenter, strict=strict).scorer(kept(segmenter.model), CPU)
                for strict in (False, True)
            )
        )
        assert not bool((agreed & ~votes).any())


def test_clusters_keep_their_ids_from_image_to_image(found: TrainingStep) -> None:
    segmenter = trained_one(found)
    for image in discs(3):
        (estimate,) = segmenter.fit(image, "cpu").refine(Scribbles.empty(SHAPE))
        assert estimate.is_last
        assert set(estimate.ids) <= {FIRST_CLUSTER, FIRST_CLUSTER + 1, FIRST_CLUSTER + 2}
        labels = np.asarray(estimate.ids)[estimate.scores.argmax(dim=0).numpy()]
        assert labels[0, 0] == FIRST_CLUSTER  # the background is the first


@pytest.mark.parametrize(
    ("parameters", "n_steps"),
    [({}, 1), ({"n_clusters": 1}, 1), ({"stuff": True, "n_clusters": 3}, 3)],
)
def test_what_was_broken_off_goes_on_as_if_it_had_not(
    parameters: dict[str, int], n_steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "LEAST_APART", 1)
    segmenter, images = Multilevel(seed=4, **parameters), discs(1)
    whole = model_of(trained(segmenter, images))
    run = segmenter.train(images, "cpu")
    part = [next(run) for _ in range(n_steps)][-1].model
    run.close()  # type: ignore[attr-defined]
    assert part is not None
    again = model_of(deque(segmenter.train(images, "cpu", start=part), maxlen=1).pop())
    assert whole.tensors.keys() == again.tensors.keys()
    assert all(torch.equal(again.tensors[name], t) for name, t in whole.tensors.items())


def test_images_that_cannot_be_read_are_told_of_and_left_out() -> None:
    images = Unreadable(discs(2), {1})
    last = trained(Multilevel(n_clusters=2), images)  # type: ignore[arg-type]
    assert last.skipped == ("image 1 is gone.",) and last.is_last


def test_memory_does_not_grow_with_the_images() -> None:
    learner = MultilevelLearner(Multilevel(), Album([disc(0)] * 400))
    for number in range(3):
        learner.step(number)
    features = learner.tensors()[f"{TRAINING}features"]
    assert len(features) <= 3 * MOST_POINTS // 400
    assert MultilevelLearner(Multilevel(), Album([disc(0)] * 9000)).total < 1100


def test_with_stuff_parts_of_the_background_are_categories() -> None:
    rows, _ = np.indices(SHAPE)
    grain = np.random.default_rng(0).integers(0, 12, (*SHAPE, 3))
    colours = np.where((rows < 24)[..., None], (90, 150, 230), (110, 80, 50))
    image = Image.of((colours + grain).astype(np.uint8))
    segmenter = Multilevel(stuff=True, n_clusters=2)
    (last,) = deque(segmenter.fit(image, "cpu").refine(Scribbles.empty(SHAPE)), maxlen=1)
    labels = last.scores.argmax(dim=0)
    quarter = labels.shape[0] // 4
    above, below = labels[:quarter].flatten(), labels[-quarter:].flatten()
    assert above.mode().values != below.mode().values


def test_a_model_of_other_parameters_is_refused_in_a_sentence(found: TrainingStep) -> None:
    other = replace(trained_one(found), n_clusters=4)
    with pytest.raises(ValueError, match=r"other parameters of Multilevel .*\."):
        other.scorer(kept(other.model), CPU)


def test_a_model_that_lacks_a_part_is_refused_in_a_sentence(found: TrainingStep) -> None:
    whole = model_of(found)
    tensors = {n: t for n, t in whole.tensors.items() if n != "groups"}
    with pytest.raises(ValueError, match=r"lacks a part"):
        trained_one(found).scorer(Model(whole.method, whole.parameters, tensors, {}), CPU)


def test_a_model_of_another_method_is_refused_in_a_sentence(found: TrainingStep) -> None:
    whole = model_of(found)
    with pytest.raises(ValueError, match="learned by picie"):
        trained_one(found).scorer(Model("picie", whole.parameters, whole.tensors, {}), CPU)
