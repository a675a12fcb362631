"""PiCIE learns clusters that stay: in other light, in parts, from image to image."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from math import log
from pathlib import Path
from typing import Any, overload

import numpy as np
import pytest
import torch

from tests.features.real_timm import real_timm
from unseg_studio.data import Image, Scribbles
from unseg_studio.features import deep
from unseg_studio.features.augment import Photometry, Rgb
from unseg_studio.features.backbone import FeatureRequest
from unseg_studio.segmenters import picie, picie_nets, training
from unseg_studio.segmenters.models import Model, kept
from unseg_studio.segmenters.picie import PiCIE, PiCIELearner, PiCIEScorer, in_order_of
from unseg_studio.segmenters.picie_nets import Views, at_places
from unseg_studio.segmenters.training import Album, TrainingStep, Watch

CPU = torch.device("cpu")
SIDE = 64
"""Of the images that the network sees here, so that a training takes a second."""

QUICK = PiCIE(n_clusters=3, rounds=2, width=24)


@pytest.fixture(autouse=True)
def small_features(monkeypatch: pytest.MonkeyPatch) -> None:
    def small(rgb: Rgb, request: FeatureRequest, *rest: Any, **more: Any) -> torch.Tensor:
        return deep.deep_planes(rgb, replace(request, side=SIDE), *rest, **more)

    monkeypatch.setattr(picie, "deep_planes", small)
    monkeypatch.setattr(picie_nets, "deep_planes", small)


def scene(seed: int, shape: tuple[int, int] = (48, 64)) -> Image:
    """Sky, ground of fine stripes, and between them a border that is elsewhere each time."""
    random = np.random.default_rng(seed)
    rows, columns = np.indices(shape)
    border = shape[0] * random.uniform(0.35, 0.65)
    ground = 90 + 60 * ((columns // 2) % 2)
    sky = np.stack([140 + rows, 180 + rows, 240 + 0 * rows], axis=2)
    field = np.stack([ground, ground // 2, ground // 4], axis=2)
    pixels = np.where((rows < border)[..., None], sky, field)
    return Image.of((pixels + random.integers(0, 12, (*shape, 1))).clip(0, 255).astype(np.uint8))


class Folder(Sequence[Image]):
    """Scenes, some of which cannot be read."""

    def __init__(self, n: int, broken: tuple[int, ...] = ()) -> None:
        self._n, self._broken = n, broken

    def __len__(self) -> int:
        return self._n

    @overload
    def __getitem__(self, index: int) -> Image: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Image]: ...
    def __getitem__(self, index: int | slice) -> Image | Sequence[Image]:
        assert isinstance(index, int)
        if index in self._broken:
            raise OSError(f"{index}.png is broken. Leave it out.")
        return scene(index)


def trained(segmenter: PiCIE, images: Sequence[Image], **more: Any) -> list[TrainingStep]:
    return list(segmenter.train(images, "cpu", **more))


@cache
def brief() -> TrainingStep:
    """The end of a training that some tests share."""
    return trained(replace(QUICK, rounds=1), Folder(2))[-1]


def learner(segmenter: PiCIE, n: int) -> PiCIELearner:
    return PiCIELearner(segmenter, Album(Folder(n)), CPU)


# Views


def test_places_show_the_same_in_the_part_and_in_the_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Photometry, "drawn", lambda _random: Photometry())
    rows, columns = np.indices((90, 120))
    smooth = np.stack([2 * rows, 2 * columns, 255 - rows - columns], axis=2).astype(np.uint8)
    for seed in range(8):
        views = Views.drawn(smooth, np.random.default_rng(seed), 200)
        planes = [torch.from_numpy(v).float().permute(2, 0, 1) for v in (views.part, views.whole)]
        places = torch.from_numpy(views.places)
        inside = ((places[0] > 0.03) & (places[0] < 0.97)).all(dim=1)  # beyond, edges are repeated
        part, whole = (
            at_places(p[None], at[None])[0] for p, at in zip(planes, places[:2], strict=True)
        )
        assert (part - whole)[inside].abs().max() < 1.5


def test_features_of_a_part_are_the_part_of_the_features(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Photometry, "drawn", lambda _random: Photometry())
    encoder = learner(QUICK, 1)._encoder
    seen = encoder.seen(Views.drawn(scene(0).rgb, np.random.default_rng(1), 300))
    part, whole, _ = torch.nn.functional.normalize(seen - seen.mean(dim=(0, 1)), dim=2)
    same = (part * whole).sum(dim=1).mean()
    other = (part * whole[torch.randperm(300)]).sum(dim=1).mean()
    assert same > other + 0.25


def test_both_views_look_different_and_the_third_places_are_anywhere() -> None:
    views = Views.drawn(scene(0).rgb, np.random.default_rng(0), 400)
    assert views.whole.shape == (48, 64, 3)
    assert np.abs(views.whole.astype(int) - scene(0).rgb).mean() > 3
    assert np.ptp(views.places[2], axis=0).min() > 0.95
    assert np.ptp(views.places[1], axis=0).min() < 0.95


def test_a_large_image_is_made_small_before_its_views_are() -> None:
    large = np.zeros((1500, 3000, 3), np.uint8)
    views = Views.drawn(large, np.random.default_rng(0), 10)
    assert views.whole.shape == (picie_nets.LARGEST, 2 * picie_nets.LARGEST, 3)


def test_clustering_and_learning_see_the_same_views_and_each_round_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drawn: list[Rgb] = []
    make = Views.drawn

    def watched(rgb: Rgb, random: np.random.Generator, n_places: int) -> Views:
        views = make(rgb, random, n_places)
        drawn.append(views.part)
        return views

    monkeypatch.setattr(Views, "drawn", watched)
    monkeypatch.setattr(picie, "UPDATES", 2)
    own = learner(QUICK, 3)
    for number in range(own.total):
        own.step(number)
    assert len(drawn) == 6
    assert len({part.tobytes() for part in drawn}) == 6


# Learning


def test_scenes_are_divided_alike_from_image_to_image() -> None:
    segmenter = trained(replace(QUICK, n_clusters=2), Folder(4))[-1].segmenter
    assert segmenter is not None
    found = []
    for seed in (20, 21, 22):
        fit = segmenter.fit(scene(seed), "cpu")
        (last,) = fit.refine(Scribbles.empty((48, 64)))
        labels = np.asarray(last.ids)[last.scores.argmax(dim=0).numpy()]
        top, bottom = (Counter(part.ravel().tolist()) for part in (labels[:3], labels[-3:]))
        found.append((top.most_common(1)[0][0], bottom.most_common(1)[0][0]))
    assert len(set(found)) == 1
    assert found[0][0] != found[0][1]


def test_the_loss_lies_between_chance_and_the_floor_and_falls() -> None:
    own = learner(PiCIE(n_clusters=27, rounds=1, width=64, balance="none"), 2)
    losses = [own.step(number) for number in range(own.total)]
    assert np.isnan(losses[0]) and np.isfinite(losses[1:]).all()
    assert 2.323 < losses[-1] < losses[1] < log(27) + 0.2


def test_what_has_collapsed_scores_nothing() -> None:
    own, watch = learner(QUICK, 3), Watch.over(Album(Folder(3)), 0)
    assert watch.score(own.scorer()) == pytest.approx(0, abs=1e-9)
    for number in range(5):
        own.step(number)
    assert watch.score(own.scorer()) > 0.3
    state = own._encoder.network.state_dict()
    own._encoder.network.load_state_dict({n: torch.zeros_like(t) for n, t in state.items()})
    assert watch.score(own.scorer()) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(("over_clusters", "look"), [(0, 1), (10, 4), (10, -2)])
def test_a_training_that_is_gone_on_with_ends_as_if_it_had_never_stopped(
    over_clusters: int, look: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(picie, "TOGETHER", 1)  # some looks fall between views
    monkeypatch.setattr(picie, "UPDATES", 3)
    monkeypatch.setattr(training, "LEAST_APART", 1)
    segmenter = replace(QUICK, over_clusters=over_clusters, rounds=2)
    whole = trained(segmenter, Folder(3))
    start = [s.model for s in whole if s.model is not None][look]
    resumed = trained(segmenter, Folder(3), start=start)
    ends = [steps[-1].model for steps in (whole, resumed)]
    assert ends[0] is not None and ends[1] is not None
    assert len(resumed) < len(whole)
    assert ends[0].tensors.keys() == ends[1].tensors.keys()
    for name, tensor in ends[0].tensors.items():
        assert torch.equal(tensor, ends[1].tensors[name]), name


def test_a_model_carries_what_is_needed_and_not_what_was_seen() -> None:
    last = brief().model
    assert last is not None
    assert sorted(last.tensors) == ["centroids", "network.bias", "network.weight"]


def test_the_steps_follow_the_number_of_images_and_the_memory_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    few, more = learner(QUICK, 1), learner(QUICK, 9)
    assert few.total < more.total
    for n in (1, 9, 150, 5000):
        own = learner(QUICK, n)
        assert own._n_pairs * own._n_places <= picie.N_PLACES
        assert own._n_pairs <= picie.MOST_PAIRS


def test_more_images_than_a_round_takes_wait_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picie, "MOST_PAIRS", 2)
    monkeypatch.setattr(picie, "UPDATES", 1)
    album = Album(Folder(4))
    own = PiCIELearner(replace(QUICK, rounds=6), album, CPU)
    for number in range(own.total):
        own.step(number)
        assert len(own._seen) <= 2
    assert len(album._digests) == 4


def test_broken_images_are_left_out_even_where_they_fill_a_round(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(picie, "MOST_PAIRS", 1)
    steps = trained(replace(QUICK, rounds=4), Folder(3, broken=(0, 2)))
    assert steps[-1].segmenter is not None
    assert len(steps[-1].skipped) == 2


def test_clusters_keep_their_numbers_where_features_turn_a_little() -> None:
    before = torch.eye(5)
    turned = torch.eye(5)[[3, 1, 4, 0, 2]] + 0.1
    assert torch.equal(in_order_of(before, turned).argmax(dim=1), torch.arange(5))


# Models


def test_a_model_of_other_parameters_is_refused_in_a_sentence() -> None:
    model = brief().model
    assert model is not None
    for other in ({"n_clusters": 4}, {"width": 16}, {"backbone": "dino_vits8"}):
        with pytest.raises(ValueError, match=r"Set them as they were, or train again\."):
            replace(QUICK, **other).scorer(model, CPU)


def test_a_damaged_model_is_refused_in_a_sentence() -> None:
    model = brief().model
    assert model is not None
    for name in model.tensors:
        less = {n: t for n, t in model.tensors.items() if n != name}
        with pytest.raises(ValueError, match="another backbone, network, width or number"):
            QUICK.scorer(Model("picie", model.parameters, less, model.facts), CPU)
    cut = {n: t[:1] for n, t in model.tensors.items()}
    with pytest.raises(ValueError, match="another backbone"):
        QUICK.scorer(Model("picie", model.parameters, cut, model.facts), CPU)


def test_a_trained_segmenter_needs_one_pass() -> None:
    segmenter = brief().segmenter
    assert segmenter is not None
    assert kept(segmenter.model).method == "picie"  # type: ignore[attr-defined]
    estimates = list(segmenter.fit(scene(5), "cpu").refine(Scribbles.empty((48, 64))))
    assert [e.is_last for e in estimates] == [True]


# The paper's network


PAPER = PiCIE(network="resnet18", n_clusters=4, rounds=1, width=16)


@pytest.fixture
def small_resnet(monkeypatch: pytest.MonkeyPatch) -> None:
    real_timm()
    monkeypatch.setattr(picie_nets, "SIDE", 64)
    monkeypatch.setattr(picie, "UPDATES", 2)
    monkeypatch.setattr(training, "LEAST_APART", 1)


@pytest.mark.usefixtures("small_resnet")
def test_the_papers_network_learns_as_a_whole_and_goes_on_where_it_stopped() -> None:
    whole = trained(PAPER, Folder(2))
    starts = [s.model for s in whole if s.model is not None]
    first, second = (start.tensors["network.trunk.conv1.weight"] for start in starts[1:3])
    assert not torch.equal(first, second)
    resumed = trained(PAPER, Folder(2), start=starts[1])
    assert whole[-1].model is not None and resumed[-1].model is not None
    for name, tensor in whole[-1].model.tensors.items():
        assert torch.equal(tensor, resumed[-1].model.tensors[name]), name


@pytest.mark.usefixtures("small_resnet")
def test_the_papers_network_judges_images_of_any_shape() -> None:
    own = learner(PAPER, 1)
    for shape in ((2, 2), (20, 90), (300, 40)):
        scores = own.scorer()(np.zeros((*shape, 3), np.uint8))
        assert scores.shape[0] == 4 and torch.isfinite(scores).all()


@pytest.mark.usefixtures("small_resnet")
def test_the_papers_network_begins_with_the_weights_of_a_file(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    state = real_timm().create_model("resnet18", pretrained=False).state_dict()
    save_file(state, tmp_path / "resnet18.safetensors")
    own = learner(replace(PAPER, weights=str(tmp_path / "resnet18.safetensors")), 1)
    found = own._encoder.network.state_dict()["trunk.layer4.1.conv2.weight"]
    assert torch.equal(found, state["layer4.1.conv2.weight"])
    (tmp_path / "other.safetensors").write_bytes(b"nothing")
    with pytest.raises(ValueError, match="holds no ResNet-18"):
        learner(replace(PAPER, weights=str(tmp_path / "other.safetensors")), 1)
    with pytest.raises(OSError, match="There is no weights file"):
        learner(replace(PAPER, weights=str(tmp_path / "none.safetensors")), 1)


def test_the_scorer_gives_the_nearest_centroid_the_highest_score() -> None:
    own = learner(QUICK, 1)
    for number in range(3):
        own.step(number)
    rgb = scene(0).rgb
    scorer = own.scorer()
    assert isinstance(scorer, PiCIEScorer)
    with torch.no_grad():
        planes = own._encoder.planes(rgb)
    apart = torch.cdist(planes.flatten(1).T, own.tensors()["centroids"])
    assert torch.equal(scorer(rgb).flatten(1).argmax(dim=0), apart.argmin(dim=1))
