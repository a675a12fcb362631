"""DiffCluster: the published details, the number of clusters, and what strokes change."""

from __future__ import annotations

from collections import deque
from itertools import pairwise

import numpy as np
import pytest
import torch

from unseg_studio.data import FIRST_CLUSTER, Image, Scribbles
from unseg_studio.segmenters import DiffCluster, Estimate, make_segmenter
from unseg_studio.segmenters.losses import UNSCRIBBLED, objective
from unseg_studio.segmenters.response import network, seeded_network

SHAPE = (24, 32)


def image() -> Image:
    random = np.random.default_rng(0)
    rows, cols = np.indices(SHAPE)
    block = 4 * (rows >= 12) + cols // 8
    colours = random.integers(20, 220, (8, 3))
    return Image.of((colours[block] + random.integers(0, 15, (*SHAPE, 3))).astype(np.uint8))


def small_paper(**parameters: float) -> DiffCluster:
    """The published algorithm with fewer channels, so that a test is quick."""
    small = {"max_clusters": 8, "width": 8, "iterations": 12, "min_clusters": 1}
    segmenter = make_segmenter("diffcluster", "paper", **{**small, **parameters})
    assert isinstance(segmenter, DiffCluster)
    return segmenter


def labels_of(estimate: Estimate) -> np.ndarray:
    return np.asarray(estimate.ids)[estimate.scores.argmax(dim=0).numpy()]


def strokes(*categories: int) -> Scribbles:
    scribbles = Scribbles.empty(SHAPE)
    for place, category in enumerate(categories):
        scribbles = scribbles.painted([(3, 3 + 8 * place), (8, 4 + 8 * place)], category, radius=1)
    return scribbles


def test_the_paper_preset_has_the_published_values() -> None:
    paper = make_segmenter("diffcluster", "paper")
    assert isinstance(paper, DiffCluster)
    assert (paper.max_clusters, paper.width, paper.n_conv) == (100, 100, 2)
    assert (paper.mu, paper.nu) == (1.0, 0.5)
    assert (paper.learning_rate, paper.iterations, paper.min_clusters) == (0.1, 1000, 3)
    assert not paper.is_pyramid and paper.patience == 0


@pytest.mark.parametrize("n_conv", [2, 3])
def test_the_network_has_the_published_layers(n_conv: int) -> None:
    paper = make_segmenter("diffcluster", "paper", n_conv=n_conv)
    assert isinstance(paper, DiffCluster)
    layers = list(network(3, paper))
    kinds = [type(layer).__name__ for layer in layers]
    assert kinds == ["Conv2d", "ReLU", "BatchNorm2d"] * n_conv + ["Conv2d", "BatchNorm2d"]
    convolutions = [layer for layer in layers if isinstance(layer, torch.nn.Conv2d)]
    widths = [(c.in_channels, c.out_channels, c.kernel_size) for c in convolutions]
    assert widths[0] == (3, 100, (3, 3))
    assert widths[1:-1] == [(100, 100, (3, 3))] * (n_conv - 1)
    assert widths[-1] == (100, 100, (1, 1))
    assert all(c.padding_mode == "zeros" and c.bias is not None for c in convolutions)
    assert [c.padding for c in convolutions] == [(1, 1)] * n_conv + [(0, 0)]


def test_weights_are_those_of_the_seed() -> None:
    first, again, other = (
        seeded_network(3, small_paper(seed=seed)).state_dict() for seed in (1, 1, 2)
    )
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_the_objective_moves_every_layer() -> None:
    paper = small_paper()
    net = seeded_network(3, paper)
    planes = torch.from_numpy(image().unit.transpose(2, 0, 1).copy())[None]
    response = net(planes)[0].permute(1, 2, 0)
    targets = torch.full(SHAPE, UNSCRIBBLED)
    objective(response, response.argmax(dim=2), targets, mu=1.0, nu=0.5).backward()
    for name, parameter in net.named_parameters():
        if name.endswith("weight"):
            assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


def test_one_step_is_stochastic_gradient_descent_with_the_published_rate() -> None:
    paper = small_paper(iterations=1)
    net = seeded_network(3, paper).train()
    descent = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    planes = torch.from_numpy(image().unit.transpose(2, 0, 1).copy())[None]
    for _ in range(2):
        response = net(planes)[0].permute(1, 2, 0).contiguous()
        labels = response.argmax(dim=2)
        loss = objective(response, labels, torch.full(SHAPE, UNSCRIBBLED), mu=1.0, nu=0.5)
        descent.zero_grad()
        loss.backward()
        descent.step()
    fit = small_paper(iterations=2).fit(image(), "cpu")
    second = next(e for e in fit.refine(Scribbles.empty(SHAPE)) if e.step == 2)
    assert second.loss == pytest.approx(loss.item(), abs=1e-5)


def test_the_paper_preset_takes_every_iteration_at_the_images_own_size() -> None:
    estimates = list(small_paper().fit(image(), "cpu").refine(Scribbles.empty(SHAPE)))
    assert [e.step for e in estimates] == [*range(1, 13), 12]
    assert {e.total for e in estimates} == {12}
    assert {tuple(e.scores.shape[1:]) for e in estimates} == {SHAPE}


def test_the_paper_preset_stops_at_its_fewest_labels() -> None:
    paper = small_paper(min_clusters=8)
    estimates = list(paper.fit(image(), "cpu").refine(Scribbles.empty(SHAPE)))
    assert [e.step for e in estimates] == [1, 1]


def test_with_scribbles_the_paper_preset_stops_at_as_many_labels_as_categories() -> None:
    estimates = list(small_paper(min_clusters=8).fit(image(), "cpu").refine(strokes(1, 2)))
    before = [e.n_labels for e in estimates[:-2]]
    assert len(estimates) > 2
    assert all(n > 2 for n in before)


@pytest.mark.parametrize("most", [2, 5, 16])
def test_there_are_never_more_clusters_than_wished(most: int) -> None:
    segmenter = DiffCluster(max_clusters=most, min_clusters=2)
    for estimate in segmenter.fit(image(), "cpu").refine(Scribbles.empty(SHAPE)):
        assert len(estimate.ids) <= most


@pytest.mark.parametrize("fewest", [4, 6])
@pytest.mark.parametrize("seed", [0, 1])
def test_there_are_never_fewer_clusters_than_wished(fewest: int, seed: int) -> None:
    segmenter = DiffCluster(min_clusters=fewest, mu=20.0, iterations=200, seed=seed)
    estimates = list(segmenter.fit(image(), "cpu").refine(Scribbles.empty(SHAPE)))
    assert min(e.n_labels for e in estimates) >= fewest


def test_fewest_above_most_is_refused_in_a_sentence() -> None:
    with pytest.raises(ValueError, match="min_clusters is 9, max_clusters is 4; the fewest"):
        DiffCluster(max_clusters=4, min_clusters=9)


def test_more_categories_than_channels_leave_the_last_ones_without_one() -> None:
    fit = DiffCluster(max_clusters=2, min_clusters=2).fit(image(), "cpu")
    (last,) = deque(fit.refine(strokes(1, 2, 3)), maxlen=1)
    assert set(last.ids) == {1, 2}


def test_a_warm_run_is_shorter_and_begins_with_what_was_known() -> None:
    fit = DiffCluster().fit(image(), "cpu")
    cold = list(fit.refine(Scribbles.empty(SHAPE)))
    warm = list(fit.refine(strokes(1)))
    assert warm[0].total < cold[0].total
    assert warm[0].step == 0
    same = (labels_of(warm[0]) == labels_of(cold[-1])) | (labels_of(warm[0]) == 1)
    assert same.mean() > 0.9


def test_a_category_keeps_its_channel_over_strokes() -> None:
    fit = DiffCluster().fit(image(), "cpu")
    deque(fit.refine(Scribbles.empty(SHAPE)), maxlen=0)
    (before,) = deque(fit.refine(strokes(1)), maxlen=1)
    after = next(fit.refine(strokes(1, 2)))
    one, other = (labels_of(e) == 1 for e in (before, after))
    assert (one & other).sum() > 0.8 * (one | other).sum()


def test_the_id_of_a_category_that_lost_its_strokes_is_free_again() -> None:
    fit = DiffCluster(max_clusters=2, min_clusters=2).fit(image(), "cpu")
    deque(fit.refine(strokes(1, 2)), maxlen=0)
    (last,) = deque(fit.refine(strokes(3, 4)), maxlen=1)
    assert set(last.ids) == {3, 4}


def test_cluster_ids_stay_from_frame_to_frame() -> None:
    estimates = list(DiffCluster().fit(image(), "cpu").refine(Scribbles.empty(SHAPE)))
    assert {i for e in estimates for i in e.ids} <= set(range(FIRST_CLUSTER, FIRST_CLUSTER + 16))
    settled = pairwise(labels_of(e) for e in estimates[5:])
    changed = [(before != after).mean() for before, after in settled]
    assert np.mean(changed) < 0.15


def test_the_result_separates_what_looks_different() -> None:
    halves = np.full((*SHAPE, 3), 30, np.uint8)
    halves[:, 16:] = (200, 90, 40)
    (last,) = deque(
        DiffCluster(min_clusters=2).fit(Image.of(halves), "cpu").refine(Scribbles.empty(SHAPE)),
        maxlen=1,
    )
    labels = labels_of(last)
    left, right = (np.bincount(side.ravel()).argmax() for side in (labels[:, :14], labels[:, 18:]))
    assert left != right
    assert (labels[:, :14] == left).mean() > 0.9
    assert (labels[:, 18:] == right).mean() > 0.9
