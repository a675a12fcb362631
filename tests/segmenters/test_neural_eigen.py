from __future__ import annotations

import ast
import inspect
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from unseg_studio.data import Image, Scribbles, read_image
from unseg_studio.features.deep import deep_planes
from unseg_studio.segmenters import eigen, neural_eigen, psi, training
from unseg_studio.segmenters.models import Model, kept
from unseg_studio.segmenters.neural_eigen import (
    CENTRES,
    MEAN,
    OWNERS,
    EigenLearner,
    NeuralEigen,
    by_size,
    joined,
    means_of,
    places_of,
)
from unseg_studio.segmenters.training import TRAINING, Album, parameters_of

pytestmark = pytest.mark.usefixtures("small_features")

SHAPE = (48, 64)
CPU = torch.device("cpu")
SMALL = NeuralEigen(n_clusters=3, n_functions=8, n_places=60, n_nearest=8, width=64, batch=2)


def photo(seed: int = 0, shape: tuple[int, int] = SHAPE) -> Image:
    """A red sky over green ground with a blue square, grainy."""
    random = np.random.default_rng(seed)
    horizon = shape[0] // 2 + seed % 5 - 2
    pixels = np.zeros((*shape, 3), np.int64)
    pixels[:horizon], pixels[horizon:] = (190, 60, 50), (50, 160, 60)
    pixels[12:28, 20 + seed % 7 : 36 + seed % 7] = (40, 60, 200)
    grain = random.integers(-15, 15, pixels.shape)
    return Image.of((pixels + grain).clip(0, 255).astype(np.uint8))


def learner(segmenter: NeuralEigen = SMALL, n_images: int = 3) -> EigenLearner:
    return EigenLearner(segmenter, Album([photo(i) for i in range(n_images)]), CPU)


def after(segmenter: NeuralEigen, n_steps: int = 3) -> dict[str, torch.Tensor]:
    made = learner(segmenter)
    for number in range(n_steps):
        made.step(number)
    return {name: tensor.clone() for name, tensor in made.tensors().items()}


@pytest.fixture(autouse=True)
def few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neural_eigen, "LEAST_STEPS", 8)
    monkeypatch.setattr(training, "N_LOOKS", 2)


def trained(segmenter: NeuralEigen, images: Sequence[Image]) -> Model:
    last = deque(segmenter.train(images, "cpu"), maxlen=1).pop()
    assert last.model is not None
    return last.model


def are_same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(map(torch.equal, one.values(), other.values()))


# What is learned ---------------------------------------------------------------------------------


@pytest.mark.parametrize("clusters", ["parts", "kmeans", "functions"])
def test_images_of_one_kind_have_the_same_cluster_at_the_same_things(clusters: str) -> None:
    segmenter = replace(SMALL, clusters=clusters, epochs=12)
    model = trained(segmenter, [photo(i) for i in range(4)])
    scorer = segmenter.scorer(model, CPU)
    seen = []
    for seed in (20, 21, 22):
        scores = scorer(photo(seed).rgb)
        assert scores.shape[0] == 3 and torch.isfinite(scores).all()
        labels = scores.argmax(dim=0)
        rows, columns = labels.shape
        seen.append((int(labels[1, columns // 2]), int(labels[rows - 2, columns // 2])))
    assert len(set(seen)) == 1
    assert seen[0][0] != seen[0][1]


def test_the_loss_falls_and_keeps_the_bound() -> None:
    made = learner()
    losses = [made.step(number) for number in range(40)]
    assert np.mean(losses[-5:]) < 1.2 * np.mean(losses[:5]) < 0
    lowest = -neural_eigen.SCALE * (1 + SMALL.place_weight)
    assert all(loss >= lowest for loss in losses)


def test_seed_and_number_of_a_step_decide_all_that_is_drawn() -> None:
    first = after(SMALL)
    torch.rand(3)
    np.random.default_rng(5).random(3)
    assert are_same(after(SMALL), first)
    assert not are_same(after(replace(SMALL, seed=1)), first)


@pytest.mark.parametrize("changed", [{"augment": True}, {"place_weight": 3.0}, {"n_nearest": 3}])
def test_what_the_kernel_is_made_of_changes_what_is_learned(changed: dict[str, float]) -> None:
    other = replace(SMALL, **changed)  # type: ignore[arg-type]
    assert not are_same(after(other), after(SMALL))
    assert are_same(after(other), after(other))


def test_a_step_asks_for_no_more_images_than_its_batch() -> None:
    asked: list[int] = []

    class Shelf(Sequence[Image]):
        def __len__(self) -> int:
            return 300

        def __getitem__(self, index: int) -> Image:  # type: ignore[override]
            asked.append(index)
            return photo(index)

    album = Album(Shelf())
    made = EigenLearner(SMALL, album, CPU)
    before = len(asked)
    assert before <= neural_eigen.N_MEASURED
    made.step(0)
    assert len(asked) - before <= SMALL.batch
    made.tensors()
    assert len(asked) <= before + SMALL.batch + neural_eigen.N_CLUSTERED
    assert made.total == SMALL.epochs * 300 // SMALL.batch == 1500


def test_a_grid_of_so_many_places_keeps_the_proportions() -> None:
    rgb = photo(shape=(40, 80)).rgb
    places = places_of(rgb, SMALL, CPU, most=60)
    height, width = places.colours.shape[1:]
    assert len(places.features) == height * width <= 66
    assert abs(width / height - 2) < 0.3
    whole = places_of(rgb, SMALL, CPU)
    assert whole.colours.shape[1:] == deep_planes(rgb, SMALL.requests[-1]).shape[1:]
    assert len(whole.features) > 2 * 66
    assert whole.colours.min() >= 0 and whole.colours.max() <= 1


# Clusters ----------------------------------------------------------------------------------------


def test_parts_that_are_alike_become_one_cluster_however_many_they_are() -> None:
    random = np.random.default_rng(0)
    middles = np.array([[0.0, 0, 0]] * 20 + [[9.0, 0, 0]] * 3 + [[0, 9.0, 0]])
    parts = torch.from_numpy(middles + random.uniform(-1, 1, middles.shape)).float()
    owners = joined(parts, 3).tolist()
    assert [len(set(owners[a:b])) for a, b in ((0, 20), (20, 23))] == [1, 1]
    assert len(set(owners)) == 3


def test_a_part_is_what_is_special_in_its_places_or_in_the_closest_one() -> None:
    features = torch.tensor([[3.0, 0], [3.0, 2], [0, 4.0], [2.0, 2]])
    close = torch.tensor([[5.0, 1, 0], [4.0, 1, 2], [0, 6.0, 1], [0, 4.0, 3]])
    found = means_of(features, close)  # the last part has no place of its own
    own = torch.tensor([[3.0, 2 / 3], [2 / 3, 10 / 3], [2.0, 2]]) - features.mean(dim=0)
    torch.testing.assert_close(found, torch.nn.functional.normalize(own, dim=1))


def test_clusters_are_numbered_from_the_largest() -> None:
    owners, points = torch.tensor([0, 1, 2, 1]), torch.tensor([1, 1, 2, 1, 2, 0])
    assert by_size(owners, points).tolist() == [2, 0, 1, 0]


def test_no_more_centres_than_clusters_stay_what_they_are() -> None:
    assert joined(torch.ones(4, 2), 5).tolist() == [0, 1, 2, 3]


def test_more_clusters_than_parts_are_found() -> None:
    segmenter = replace(SMALL, n_clusters=150)
    assert segmenter.n_centres == 150
    assert learner(segmenter).scorer()(photo().rgb).shape[0] == 150


# No labels ---------------------------------------------------------------------------------------


def test_masks_beside_the_images_change_no_byte_of_what_is_learned(tmp_path: Path) -> None:
    paths = [tmp_path / "images" / f"{i}.png" for i in range(3)]
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
    for i, path in enumerate(paths):
        cv2.imwrite(str(path), photo(i).rgb[..., ::-1])
    found = [trained(SMALL, [read_image(path) for path in paths])]
    for is_wrong in (False, True):
        for i, path in enumerate(paths):
            truth = photo(i).rgb.argmax(axis=2).astype(np.uint8)
            said = 2 - truth if is_wrong else truth
            cv2.imwrite(str(tmp_path / "masks" / path.name), said)
        found.append(trained(SMALL, [read_image(path) for path in paths]))
    assert found[0].to_bytes() == found[1].to_bytes() == found[2].to_bytes()


def test_no_function_that_learns_can_be_given_labels() -> None:
    words = {"label", "labels", "mask", "masks", "scribbles", "truth", "target", "targets"}
    for module in (neural_eigen, eigen, psi):
        for node in ast.walk(ast.parse(inspect.getsource(module))):
            if isinstance(node, ast.arg):
                assert node.arg not in words


def test_nothing_that_reads_labels_is_imported() -> None:
    for module in (neural_eigen, eigen, psi):
        for name in _imported(ast.parse(inspect.getsource(module))):
            assert not name.startswith(("unseg_studio.bench", "unseg_studio.formats"))
            assert not name.startswith(("unseg_studio.data.", "unseg_studio.project"))


def _imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            yield str(node.module)


# As published ------------------------------------------------------------------------------------


def published(tiny: Path, **more: object) -> NeuralEigen:
    segmenter = NeuralEigen(**{**NeuralEigen.presets["paper"], **more})
    object.__setattr__(segmenter, "backbone", "tiny")  # the choices are those of the catalogue
    object.__setattr__(segmenter, "weights", str(tiny))
    return segmenter


def test_of_a_vit_early_middle_and_last_tokens_are_seen_and_the_last_keys_compared(
    tiny: Path,
) -> None:
    segmenter = published(tiny)
    blocks = [(r.facet, r.block) for r in segmenter.requests]
    assert blocks == [("token", 0), ("token", 3), ("key", -1)]
    places = places_of(photo().rgb, segmenter, CPU)
    n_channels = places.features.shape[1]
    assert places.inputs.shape[1] == 3 * n_channels
    torch.testing.assert_close(places.inputs[:, -n_channels:], places.features)


def test_the_published_network_is_as_wide_as_its_inputs_and_its_functions_are_the_clusters(
    tiny: Path,
) -> None:
    made = learner(published(tiny, n_clusters=20, n_nearest=16))
    assert np.isfinite(made.step(0))
    tensors = made.tensors()
    width = len(tensors[MEAN])
    assert tensors["functions.weight"].shape == (20, width)
    assert "stem.weight" not in tensors and CENTRES not in tensors
    assert made.scorer()(photo().rgb).shape[0] == 20


def test_the_published_variant_clusters_what_is_hidden_by_kmeans(tiny: Path) -> None:
    made = learner(published(tiny, clusters="kmeans", n_clusters=6, n_functions=12, n_nearest=16))
    made.step(0)
    tensors = made.tensors()
    assert tensors[CENTRES].shape == (6, len(tensors[MEAN]))
    assert sorted(tensors[OWNERS].tolist()) == list(range(6))


# Models ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "other", [{"n_clusters": 4}, {"width": 128}, {"clusters": "functions"}, {"n_functions": 9}]
)
def test_a_model_of_other_parameters_is_refused_in_a_sentence(other: dict[str, object]) -> None:
    tensors = {n: t for n, t in after(SMALL, 0).items() if not n.startswith(TRAINING)}
    model = Model(SMALL.name, parameters_of(SMALL), tensors, {})
    SMALL.scorer(model, CPU)
    changed = replace(SMALL, **other)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"another backbone, width or number .* train again\."):
        changed.scorer(model, CPU)


@pytest.mark.parametrize("other", [{"width": 128}, {"clusters": "functions"}, {"n_functions": 9}])
def test_tensors_of_another_network_are_not_taken_up(other: dict[str, object]) -> None:
    with pytest.raises(KeyError):
        learner(replace(SMALL, **other)).recall(after(SMALL, 0))  # type: ignore[arg-type]


def test_a_training_goes_on_on_the_step_it_was_broken_off_at() -> None:
    whole = learner()
    for number in range(4):
        whole.step(number)
    first = learner()
    for number in range(2):
        first.step(number)
    second = learner()
    second.recall({name: tensor.clone() for name, tensor in first.tensors().items()})
    for number in (2, 3):
        second.step(number)
    assert are_same(second.tensors(), whole.tensors())


def test_strokes_name_what_was_learned() -> None:
    digest = trained(SMALL, [photo(i) for i in range(3)]).digest
    assert kept(digest).method == NeuralEigen.name
    fit = replace(SMALL, model=digest).fit(photo(9), "cpu")
    strokes = Scribbles.empty(SHAPE).painted([(3, 3), (3, 60)], 5, radius=1)
    (estimate,) = fit.refine(strokes.painted([(45, 3), (45, 60)], 2, radius=1))
    assert estimate.is_last and {2, 5} <= set(estimate.ids)
