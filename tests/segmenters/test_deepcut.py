from __future__ import annotations

import subprocess
import sys
import zlib
from collections import deque
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from tests.features.real_timm import real_timm
from unseg_studio.data import Image, Scribbles, read_image
from unseg_studio.data.samples import sample_path
from unseg_studio.refinement import object_in
from unseg_studio.segmenters import Estimate, make_segmenter
from unseg_studio.segmenters.affinities import affinity, linked
from unseg_studio.segmenters.correlation import contracted, energy, exchanged
from unseg_studio.segmenters.cuts import ncut_loss
from unseg_studio.segmenters.deepcut import (
    FIRST_STEPS,
    DeepCut,
    DeepCutFit,
    fewer,
    in_order_of,
)
from unseg_studio.segmenters.foreground import mostly
from unseg_studio.segmenters.graph import Graph

SHAPE = (72, 96)


def discs(shape: tuple[int, int] = SHAPE) -> tuple[Image, np.ndarray]:
    """Two yellow discs on grainy green, and where they are."""
    random = np.random.default_rng(0)
    pixels = np.full((*shape, 3), (40, 110, 50), np.uint8)
    mask = np.zeros(shape, np.uint8)
    for x, y, radius in ((shape[1] // 3, shape[0] // 3, 12), (2 * shape[1] // 3, 48, 15)):
        cv2.circle(mask, (x, y), radius, 1, -1)
    pixels[mask > 0] = (220, 200, 40)
    return Image.of(pixels + random.integers(0, 16, pixels.shape).astype(np.uint8)), mask > 0


def last_of(fit: DeepCutFit, scribbles: Scribbles | None = None) -> Estimate:
    (last,) = deque(fit.refine(scribbles or Scribbles.empty(SHAPE)), maxlen=1)
    return last


@lru_cache(maxsize=1)
def cat() -> Image:
    """The bundled photograph, made small."""
    rgb = read_image(sample_path("cat")).rgb
    return Image.of(cv2.resize(rgb, (150, 100), interpolation=cv2.INTER_AREA))


def proposed(segmenter: DeepCut) -> Estimate:
    """What becomes of the photograph."""
    return last_of(segmenter.fit(cat(), "cpu"), Scribbles.empty(cat().shape))


def labels_of(estimate: Estimate) -> np.ndarray:
    return np.asarray(estimate.ids)[estimate.scores.argmax(dim=0).numpy()]


def toy_graph(seed: int = 0, n_nodes: int = 40) -> Graph:
    """Nodes in four groups of alike features."""
    random = np.random.default_rng(seed)
    group = random.integers(0, 4, n_nodes)
    features = np.eye(8)[group] + random.normal(0, 0.12, (n_nodes, 8))
    sizes = random.uniform(0.5, 2, n_nodes)
    plane = np.arange(n_nodes).reshape(4, -1)
    pairs = np.stack([plane[:, :-1].ravel(), plane[:, 1:].ravel()])
    return Graph(
        *(torch.from_numpy(features).float(),) * 2,
        torch.from_numpy(sizes / sizes.sum()).float(),
        plane,
        torch.from_numpy(pairs),
    )


def toy_fit(segmenter: DeepCut, seed: int = 0) -> DeepCutFit:
    return DeepCutFit(segmenter, discs()[0], lambda: toy_graph(seed))


@pytest.mark.parametrize("k_less", [False, True])
def test_discs_are_cut_out_along_their_outlines(k_less: bool) -> None:
    image, mask = discs()
    labels = labels_of(last_of(DeepCut(n_clusters=2, k_less=k_less).fit(image, "cpu")))
    found = np.isin(labels, [i for i in np.unique(labels) if mask[labels == i].mean() > 0.5])
    assert (found & mask).sum() / (found | mask).sum() > 0.95


def test_there_are_at_most_k_clusters() -> None:
    image, _ = discs()
    for k in (2, 3, 6):
        assert last_of(DeepCut(n_clusters=k).fit(image, "cpu")).n_labels <= k


def test_frames_on_the_way_are_small_and_the_last_one_has_the_outlines() -> None:
    image, _ = discs((300, 500))
    estimates = [*DeepCut().fit(image, "cpu").refine(Scribbles.empty((300, 500)))]
    assert all(max(e.scores.shape[1:]) <= 200 and not e.is_outlined for e in estimates[:-1])
    assert estimates[-1].is_outlined and estimates[-1].scores.shape[1:] == (300, 500)


def test_a_run_stops_when_the_loss_rests() -> None:
    image, _ = discs()
    hasty, thorough = (
        last_of(DeepCut(patience=p, iterations=300, n_clusters=2).fit(image, "cpu")) for p in (5, 0)
    )
    assert hasty.step < thorough.step == 300 + FIRST_STEPS
    assert (labels_of(hasty) == labels_of(thorough)).mean() > 0.95


def test_something_is_shown_before_the_regions_are_found() -> None:
    image, _ = discs()
    fit = DeepCut(n_clusters=3).fit(image, "cpu")
    first = next(iter(fit.refine(Scribbles.empty(SHAPE))))
    assert first.step == 0 and not first.is_last and first.n_labels == 3
    assert "_graph" not in vars(fit)


# --- k-less


@pytest.mark.parametrize("seed", range(4))
def test_no_answer_without_k_has_more_energy_than_the_network_or_the_search_alone(
    seed: int,
) -> None:
    segmenter = DeepCut(k_less=True, seed=seed)
    fit = toy_fit(segmenter, seed)
    last_of(fit)
    (cut,) = fit._cuts
    weights = affinity(segmenter, toy_graph(seed), k_less=True).double().numpy()
    reached = energy(weights, cut.answer.shares.argmax(dim=1).numpy())
    alone = exchanged(weights, contracted(weights))
    assert reached <= energy(weights, alone) + 1e-9
    assert reached <= energy(weights, cut.assignment.argmax(dim=1).numpy()) + 1e-9


def test_four_groups_are_found_without_a_number() -> None:
    assert last_of(toy_fit(DeepCut(k_less=True))).n_labels == 4


def test_more_sensitivity_finds_more_clusters() -> None:
    found = [
        last_of(toy_fit(DeepCut(k_less=True, sensitivity=s))).n_labels for s in (0.0, 0.5, 1.0)
    ]
    assert found == sorted(found) and found[0] < found[-1]


def test_neighbours_are_never_joined_at_the_highest_sensitivity() -> None:
    graph = toy_graph()
    last = last_of(toy_fit(DeepCut(k_less=True, sensitivity=1.0)))
    clusters = last.scores.argmax(dim=0).ravel()
    one, other = graph.neighbours
    assert (clusters[one] != clusters[other]).all()
    assert last.n_labels < len(graph)


def test_clusters_beyond_the_most_are_joined_where_it_costs_least() -> None:
    weights = -np.ones((4, 4))
    weights[1, 3] = weights[3, 1] = -0.1
    joined = fewer(weights, np.array([0, 1, 2, 3], np.int32), 3)
    assert joined[1] == joined[3] and len(set(joined)) == 3


def test_clusters_keep_the_number_of_those_before_them() -> None:
    before = np.array([5, 5, 5, 2, 2, 2, 2])
    after = np.array([0, 0, 0, 1, 1, 1, 2], np.int32)
    assert in_order_of(before, after).tolist() == [5, 5, 5, 2, 2, 2, 0]


# --- stages and objects


def test_a_cluster_is_object_when_most_of_it_is_whatever_the_number_of_clusters() -> None:
    areas, of_object = np.array([3.0, 1.0, 1.0, 2.0]), np.array([0.5, 1.0, 0.8, 0.0])
    is_object = [False, True, True, False]
    for clusters in ([7, 9, 9, 7], [0, 1, 2, 3], [4, 2, 2, 9]):
        assert mostly(np.array(clusters), areas, of_object).tolist() == is_object
    assert not mostly(np.zeros(4, np.int64), areas, of_object).any()


def test_the_object_alone_is_parted_from_the_background() -> None:
    last = proposed(DeepCut(stages="object"))
    labels = labels_of(last)
    assert last.n_labels == 2
    is_object = labels != labels[0, -1]
    found = cv2.resize(object_in(cat()).astype(np.uint8), labels.shape[::-1]) > 0
    assert (is_object & found).sum() / (is_object | found).sum() > 0.75  # regions are coarse here


def test_a_stroke_on_the_background_of_an_object_names_all_of_it() -> None:
    fit, shape = DeepCut(stages="object").fit(cat(), "cpu"), cat().shape
    before = labels_of(last_of(fit, Scribbles.empty(shape)))
    points = np.column_stack([np.arange(3, 40), np.full(37, shape[1] - 3)])
    after = labels_of(last_of(fit, Scribbles.empty(shape).painted(points, category=3, radius=2)))
    assert set(np.unique(after[before == before[0, -1]])) == {3}


def test_a_moment_of_a_parted_object_comes_back() -> None:
    segmenter, nothing = DeepCut(stages="parts", n_clusters=3), Scribbles.empty(cat().shape)
    fit = segmenter.fit(cat(), "cpu")
    last_of(fit, nothing)
    again = segmenter.fit(cat(), "cpu")
    again.recall(fit.memory())
    shown, expected = next(iter(again.refine(nothing))), next(iter(fit.refine(nothing)))
    np.testing.assert_array_equal(labels_of(shown), labels_of(expected))


def test_the_parts_of_the_object_are_clusters_of_their_own() -> None:
    whole = labels_of(proposed(DeepCut(stages="object")))
    labels = labels_of(proposed(DeepCut(stages="parts", n_clusters=3)))
    background = whole == whole[0, -1]
    assert len(np.unique(labels[background])) == 1
    assert 2 <= len(np.unique(labels[~background])) <= 3


def test_the_published_object_is_one_of_two_clusters() -> None:
    assert proposed(make_segmenter("deepcut", "paper", stages="object")).n_labels == 2


def test_the_background_is_cut_as_well_in_both_stages() -> None:
    image, mask = discs()
    last = last_of(DeepCut(stages="both", n_clusters=2).fit(image, "cpu"))
    labels = labels_of(last)
    assert not set(np.unique(labels[cv2.erode(mask.astype(np.uint8), np.ones((5, 5))) > 0])) & set(
        np.unique(labels[:4])
    )
    assert 2 <= last.n_labels <= 4


# --- scribbles


def test_nodes_of_one_category_are_tied_and_those_of_two_are_not() -> None:
    weights = torch.rand(4, 4, generator=torch.Generator().manual_seed(0))
    weights = weights + weights.T
    edited = linked(weights, torch.tensor([1, 0, 1, 2]))
    assert edited[0, 2] == edited[2, 0] == weights.max()
    assert edited[0, 3] == edited[3, 2] == 0
    torch.testing.assert_close(edited[1], weights[1])


def test_nodes_of_two_categories_repel_each_other_without_k() -> None:
    signed = torch.tensor([[1.0, 0.5, -0.2], [0.5, 1.0, 0.3], [-0.2, 0.3, 1.0]])
    edited = linked(signed, torch.tensor([1, 2, 0]))
    assert edited[0, 1] == -0.2
    assert edited[0, 2] == signed[0, 2]


def test_where_every_node_is_scribbled_those_of_one_category_are_still_tied() -> None:
    edited = linked(torch.ones(3, 3), torch.tensor([1, 1, 2]))
    assert edited.tolist() == [[1, 1, 0], [1, 1, 0], [0, 0, 1]]
    shares = torch.full((3, 2), 0.5)
    assert torch.isfinite(ncut_loss(torch.zeros(3, 3), shares))


@pytest.mark.parametrize("k_less", [False, True])
def test_two_categories_part_what_looks_alike(k_less: bool) -> None:
    image, _ = discs()
    fit = DeepCut(n_clusters=4, k_less=k_less).fit(image, "cpu")
    scribbles = Scribbles.empty(SHAPE).painted([(24, 32)], 1, radius=3)
    scribbles = scribbles.painted([(48, 64)], 2, radius=3)
    labels = labels_of(last_of(fit, scribbles))
    assert labels[24, 32] == 1 and labels[48, 64] == 2
    assert (labels[20:28, 28:36] == 1).all() and (labels[44:52, 60:68] == 2).all()


def test_a_stroke_goes_on_from_where_the_last_run_ended() -> None:
    image, _ = discs()
    fit = DeepCut(patience=5).fit(image, "cpu")
    cold = last_of(fit).step
    scribbles = Scribbles.empty(SHAPE).painted([(24, 32)], 1, radius=3)
    first = next(iter(fit.refine(scribbles)))
    assert 1 in first.ids and first.step == 0
    assert last_of(fit, scribbles).step <= max(cold, 15)


# --- the same again


MODES = False, True
"""Of `k_less`."""

DIGESTS = """
import sys
sys.path.insert(0, {root!r})
import torch
from tests.segmenters.test_deepcut import MODES, digest
torch.set_num_threads({n_threads})
print(*map(digest, MODES))
"""


def digest(k_less: bool) -> int:
    """Of the labels of the discs."""
    fit = make_segmenter("deepcut", k_less=k_less).fit(discs()[0], "cpu")
    return zlib.crc32(labels_of(last_of(fit)).tobytes())


def test_two_processes_make_the_same_labels() -> None:
    """This one, which has done other things before, and one that begins."""
    root = str(Path(__file__).parents[2])
    code = DIGESTS.format(root=root, n_threads=torch.get_num_threads())
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert [int(word) for word in run.stdout.split()] == [digest(k_less) for k_less in MODES]


# --- bad input


def nearly_constant() -> Image:
    """One pixel is a little brighter; an image of one value is refused before it comes here."""
    pixels = np.full((*SHAPE, 3), 90, np.uint8)
    pixels[0, 0] = 91
    return Image.of(pixels)


@pytest.mark.parametrize("k_less", [False, True])
@pytest.mark.parametrize("preset", ["live", "paper"])
def test_an_image_with_nothing_in_it_has_finite_scores(preset: str, k_less: bool) -> None:
    segmenter = make_segmenter("deepcut", preset, k_less=k_less, iterations=5)
    assert torch.isfinite(last_of(segmenter.fit(nearly_constant(), "cpu")).scores).all()


def test_more_clusters_than_nodes_are_no_trouble() -> None:
    assert last_of(DeepCut(n_clusters=32).fit(nearly_constant(), "cpu")).n_labels <= 2


@pytest.mark.parametrize("preset", ["live", "paper"])
def test_a_panorama_is_cut_in_its_own_proportions(preset: str) -> None:
    pixels = np.full((100, 3000, 3), (40, 110, 50), np.uint8)
    pixels[:, 1000:1800] = (220, 200, 40)
    fit = make_segmenter("deepcut", preset, n_clusters=2, iterations=40).fit(Image.of(pixels))
    (last,) = deque(fit.refine(Scribbles.empty((100, 3000))), maxlen=1)
    height, width = last.scores.shape[1:]
    assert width / height == pytest.approx(30, rel=0.15)
    labels = labels_of(last)
    middle, left = (labels[height // 2, round(width * share)] for share in (0.47, 0.1))
    if preset == "live":  # a hundred published steps from random weights promise nothing here
        assert middle != left


def test_a_backbone_that_is_not_there_is_explained() -> None:
    image, _ = discs()
    with pytest.raises(OSError, match="DINO ViT-S/8") as caught:
        DeepCut(backbone="dino_vits8").fit(image, "cpu")
    assert "bundled" in str(caught.value)


def test_a_weights_file_that_is_none_is_refused(tmp_path: Path) -> None:
    real_timm()
    broken = tmp_path / "weights.safetensors"
    broken.write_bytes(b"nothing of the kind")
    with pytest.raises((OSError, ValueError), match=r"weights\.safetensors"):
        DeepCut(backbone="dino_vits8", weights=str(broken)).fit(discs()[0], "cpu")
