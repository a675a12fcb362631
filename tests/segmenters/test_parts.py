"""DeepCut trained on many images: parts have one id everywhere."""

from __future__ import annotations

from collections import deque
from functools import cache

import cv2
import numpy as np
import pytest
import torch

from unseg_studio.data import FIRST_CLUSTER, Image, Scribbles
from unseg_studio.segmenters import Estimate, Segmenter
from unseg_studio.segmenters.deepcut import MOST_CLUSTERS, DeepCut
from unseg_studio.segmenters.graph import COARSE, FINE
from unseg_studio.segmenters.models import kept
from unseg_studio.segmenters.parts import KEPT_BYTES, Graphs

SHAPE = (64, 96)
CPU = torch.device("cpu")


def scene(seed: int) -> tuple[Image, np.ndarray]:
    """A blue square and a yellow disc anywhere on grainy green, and what is what: 0, 1, 2."""
    random = np.random.default_rng(seed)
    pixels = np.full((*SHAPE, 3), (40, 110, 50), np.uint8)
    truth = np.zeros(SHAPE, np.uint8)
    places = random.permutation([(12, 14), (12, 46), (12, 74), (36, 14), (36, 46), (36, 74)])
    top, left = (int(n) for n in places[0])
    truth[top : top + 20, left : left + 20] = 1
    top, left = (int(n) for n in places[1])
    cv2.circle(truth, (left + 9, top + 10), 10, 2, -1)
    pixels[truth == 1], pixels[truth == 2] = (40, 60, 210), (225, 205, 40)
    grain = random.integers(0, 16, pixels.shape).astype(np.uint8)
    return Image.of(pixels + grain), truth


@cache
def learned(stages: str = "one", graph: str = "regions", *, k_less: bool = False) -> DeepCut:
    """Well where it is to be told how well, else briefly."""
    is_brief = (stages, graph, k_less) != ("one", "regions", False)
    own = DeepCut(3, k_less, stages=stages, graph=graph, iterations=2 if is_brief else 16)
    images = [scene(i)[0] for i in range(2 if is_brief else 3)]
    last = deque(own.train(images, "cpu"), maxlen=1)[0]
    assert isinstance(last.segmenter, DeepCut)
    return last.segmenter


def settled(segmenter: Segmenter, image: Image, scribbles: Scribbles | None = None) -> Estimate:
    fit = segmenter.fit(image, "cpu")
    return deque(fit.refine(scribbles or Scribbles.empty(image.shape)), maxlen=1)[0]


def labels_of(estimate: Estimate) -> np.ndarray:
    labels = np.asarray(estimate.ids, np.int32)[estimate.scores.argmax(dim=0).numpy()]
    return cv2.resize(labels, SHAPE[::-1], interpolation=cv2.INTER_NEAREST)


def most_of(labels: np.ndarray, where: np.ndarray) -> int:
    return int(np.bincount(labels[where]).argmax())


def test_a_part_has_the_same_id_in_images_that_nobody_trained_on() -> None:
    found = []
    for seed in range(20, 24):
        image, truth = scene(seed)
        labels = labels_of(settled(learned(), image))
        found.append([most_of(labels, truth == part) for part in range(3)])
    assert len(set(found[0])) == 3
    assert found == [found[0]] * 4


def test_each_image_on_its_own_numbers_its_parts_otherwise() -> None:
    """What the shared network is for: without it the same numbers may mean other things."""
    found = []
    for seed in range(20, 30):
        image, truth = scene(seed)
        labels = labels_of(settled(DeepCut(n_clusters=3, seed=seed), image))
        found.append([most_of(labels, truth == part) for part in range(3)])
    assert found != [found[0]] * len(found)


@pytest.mark.parametrize("width", [SHAPE[1], 4 * SHAPE[1]])
def test_the_scores_of_a_fit_and_of_its_scorer_agree(width: int) -> None:
    image, _ = scene(30)
    scale = width / SHAPE[1]
    image = Image.of(cv2.resize(image.rgb, None, fx=scale, fy=scale))
    scorer = learned().scorer(kept(learned().model), CPU)
    labels = labels_of(settled(learned(), image))
    assert scorer(image.rgb).shape[2] == min(width, COARSE.largest_side)
    scored = scorer(image.rgb).argmax(dim=0).numpy() + FIRST_CLUSTER
    assert np.array_equal(cv2.resize(scored, SHAPE[::-1], interpolation=cv2.INTER_NEAREST), labels)


def test_a_stroke_changes_the_labels_around_it_and_can_be_taken_back() -> None:
    image, truth = scene(31)
    fit = learned().fit(image, "cpu")
    before = fit.memory()
    first = deque(fit.refine(Scribbles.empty(SHAPE)), maxlen=1)[0]
    after_nothing = fit.memory()
    row, column = (int(n.mean()) for n in np.nonzero(truth == 1))
    scribbles = Scribbles.empty(SHAPE).painted([(row, column)], 1, radius=2)
    stroked = deque(fit.refine(scribbles), maxlen=1)[0]
    labels = labels_of(stroked)
    assert most_of(labels, truth == 1) == 1
    assert (labels[truth != 1] == 1).mean() < 0.1
    fit.recall(after_nothing)
    again = deque(fit.refine(Scribbles.empty(SHAPE)), maxlen=1)[0]
    assert again.ids == first.ids and torch.equal(again.scores, first.scores)
    fit.recall(before)


@pytest.mark.parametrize(("stages", "n_planes"), [("parts", 4), ("both", 5)])
def test_only_the_object_is_divided_and_the_background_has_planes_of_its_own(
    stages: str, n_planes: int
) -> None:
    image, _ = scene(40)
    scorer = learned(stages).scorer(kept(learned(stages).model), CPU)
    scores = scorer(image.rgb)
    assert len(scores) == n_planes
    shares = scores.exp().sum(dim=0)
    assert torch.allclose(shares, torch.ones_like(shares), atol=1e-4)
    inside = {FIRST_CLUSTER + MOST_CLUSTERS + part for part in range(3)}
    outside = {FIRST_CLUSTER + (0 if stages == "parts" else 2 * MOST_CLUSTERS) + i for i in (0, 1)}
    ids = set(settled(learned(stages), image).ids)
    assert ids <= inside | outside and ids & inside and ids & outside


def test_an_object_of_one_region_leaves_the_background_its_halves() -> None:
    image, _ = scene(0)
    ids = set(settled(DeepCut(n_clusters=3, stages="both", iterations=2), image).ids)
    assert ids & {FIRST_CLUSTER + 2 * MOST_CLUSTERS + half for half in (0, 1)}


def test_images_without_any_object_leave_nothing_to_step_down_but_no_harm() -> None:
    pixels = np.full((*SHAPE, 3), 90, np.uint8)
    pixels[0, 0] = 91  # of one value only there would be nothing to look at
    plain = Image.of(pixels)
    own = DeepCut(n_clusters=3, stages="parts", iterations=1)
    *_, last = own.train([plain], "cpu")
    assert last.is_last and last.segmenter is not None
    assert settled(last.segmenter, plain).is_last


def test_finding_only_the_object_leaves_nothing_to_learn() -> None:
    with pytest.raises(ValueError, match=r"nothing to learn.*parts or both\."):
        next(DeepCut(stages="object").train([scene(0)[0]], "cpu"))


def test_the_published_graph_and_the_k_less_objective_are_learned_too() -> None:
    image, truth = scene(50)
    published = labels_of(settled(learned(graph="patches"), image))
    assert published.min() >= FIRST_CLUSTER
    labels = labels_of(settled(learned(k_less=True), image))
    assert most_of(labels, truth == 1) != most_of(labels, truth == 0)


def test_a_model_of_other_stages_or_clusters_is_refused_in_a_sentence() -> None:
    model = learned().model
    for other in (DeepCut(n_clusters=4, model=model), DeepCut(3, stages="parts", model=model)):
        with pytest.raises(ValueError, match=r"than this model was trained with.*train again\."):
            other.fit(scene(0)[0], "cpu")


def test_graphs_of_many_images_take_no_more_memory_than_is_given_to_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    graphs = Graphs(DeepCut(), CPU, FINE)
    one = graphs.of(scene(0)[0].rgb)
    assert graphs.of(scene(0)[0].rgb) is one and one.n_bytes < KEPT_BYTES
    monkeypatch.setattr("unseg_studio.segmenters.parts.KEPT_BYTES", 2 * one.n_bytes)
    for seed in range(1, 6):
        graphs.of(scene(seed)[0].rgb)
    assert graphs.of(scene(0)[0].rgb) is not one
