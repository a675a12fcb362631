"""What holds for every segmenter in the table: the next one is tested the day it is added."""

from __future__ import annotations

from collections import deque
from dataclasses import FrozenInstanceError, fields, is_dataclass
from typing import Any

import numpy as np
import pytest
import torch

from unseg_studio.data import FIRST_CLUSTER, Image, Scribbles, read_image
from unseg_studio.data.category import MAX_CATEGORY
from unseg_studio.data.samples import sample_path
from unseg_studio.segmenters import (
    SEGMENTERS,
    Estimate,
    Fit,
    Segmenter,
    default_segmenter,
    make_segmenter,
    neural_eigen,
    params_of,
    picie,
)

pytestmark = pytest.mark.usefixtures("small_features")

SHAPE = (20, 28)
PRESETS = [(name, preset) for name, kind in SEGMENTERS.items() for preset in kind.presets]
PARAMS = [(name, param) for name, kind in SEGMENTERS.items() for param in params_of(kind)]
RANGED = [(n, p) for n, p in PARAMS if params_of(SEGMENTERS[n])[p].low is not None]
WHOLE = [(n, p) for n, p in RANGED if isinstance(getattr(make_segmenter(n), p), int)]

every_segmenter = pytest.mark.parametrize("name", SEGMENTERS)


@pytest.fixture(autouse=True)
def few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """What holds for every fit holds for one that has learned little."""
    monkeypatch.setattr(neural_eigen, "LEAST_STEPS", 12)
    monkeypatch.setattr(picie, "UPDATES", 4)


def blocks(n_channels: int = 3, shape: tuple[int, int] = SHAPE) -> Image:
    """Four grainy blocks of different colours."""
    random = np.random.default_rng(0)
    rows, cols = np.indices(shape)
    block = 2 * (rows >= shape[0] // 2) + (cols >= shape[1] // 2)
    colours = random.integers(40, 200, (4, n_channels))
    grain = random.integers(0, 20, (*shape, n_channels))
    return Image.of((colours[block] + grain).astype(np.uint8))


def scribbled(*categories: int, shape: tuple[int, int] = SHAPE) -> Scribbles:
    """One short stroke of each category, from block to block."""
    scribbles = Scribbles.empty(shape)
    for place, category in enumerate(categories):
        row, col = 4 + 10 * (place // 2), 4 + 14 * (place % 2)
        scribbles = scribbles.painted([(row, col), (row + 2, col + 5)], category, radius=1)
    return scribbles


def require_valid(estimate: Estimate, image: Image) -> None:
    scores, ids = estimate.scores, estimate.ids
    n_channels, height, width = scores.shape
    assert scores.dtype == torch.float32
    assert not scores.requires_grad
    assert torch.isfinite(scores).all()
    assert len(ids) == len(set(ids)) == n_channels
    assert all(1 <= id_ <= MAX_CATEGORY or id_ >= FIRST_CLUSTER for id_ in ids)
    assert abs(height / width - image.shape[0] / image.shape[1]) < 0.1
    assert 0 <= estimate.step <= estimate.total
    assert 1 <= estimate.n_labels <= n_channels


@every_segmenter
def test_it_is_a_frozen_dataclass_that_follows_the_protocol(name: str) -> None:
    segmenter = make_segmenter(name)
    assert is_dataclass(segmenter) and isinstance(segmenter, Segmenter)
    assert segmenter.name == name
    assert segmenter.title and segmenter.summary.endswith(".")
    assert segmenter == make_segmenter(name) and hash(segmenter) == hash(make_segmenter(name))
    with pytest.raises(FrozenInstanceError):
        setattr(segmenter, fields(segmenter)[0].name, 3)


@every_segmenter
def test_every_field_is_a_parameter(name: str) -> None:
    assert [f.name for f in fields(SEGMENTERS[name])] == list(params_of(SEGMENTERS[name]))


@pytest.mark.parametrize(("name", "parameter"), PARAMS)
def test_a_parameter_explains_itself_and_its_default_is_accepted(name: str, parameter: str) -> None:
    spec = params_of(SEGMENTERS[name])[parameter]
    default = getattr(make_segmenter(name), parameter)
    assert spec.label and spec.help.endswith(".")
    if spec.choices:
        assert default in spec.choices
    elif not isinstance(default, (bool, str)):
        assert spec.low is not None and spec.high is not None and spec.step
        assert spec.low <= default <= spec.high


@pytest.mark.parametrize(("name", "preset"), PRESETS)
def test_a_preset_makes_a_segmenter(name: str, preset: str) -> None:
    segmenter = make_segmenter(name, preset)
    for parameter, value in SEGMENTERS[name].presets[preset].items():
        assert getattr(segmenter, parameter) == value


@every_segmenter
def test_the_first_preset_is_the_default(name: str) -> None:
    first = next(iter(SEGMENTERS[name].presets))
    assert SEGMENTERS[name].presets[first] == {}
    assert make_segmenter(name, first) == make_segmenter(name)


@every_segmenter
def test_a_parameter_overrides_the_preset(name: str) -> None:
    for preset in SEGMENTERS[name].presets:
        assert getattr(make_segmenter(name, preset, seed=5), "seed") == 5  # noqa: B009


@pytest.mark.parametrize(("name", "parameter"), RANGED)
@pytest.mark.parametrize("beyond", ["below", "above", "nan", "text", "truth"])
def test_a_value_out_of_range_is_refused_in_a_sentence(
    name: str, parameter: str, beyond: str
) -> None:
    spec = params_of(SEGMENTERS[name])[parameter]
    assert spec.low is not None and spec.high is not None
    values: dict[str, Any] = {
        "below": spec.low - 1,
        "above": spec.high + 1,
        "nan": float("nan"),
        "text": "many",
        "truth": True,
    }
    with pytest.raises(ValueError, match=f"{name}: {parameter} is .*accepted") as caught:
        make_segmenter(name, **{parameter: values[beyond]})
    assert str(caught.value).endswith(".")


@pytest.mark.parametrize(("name", "parameter"), WHOLE)
def test_a_fraction_is_refused_where_only_whole_numbers_make_sense(
    name: str, parameter: str
) -> None:
    with pytest.raises(ValueError, match=f"{name}: {parameter} is .*whole number"):
        make_segmenter(name, **{parameter: getattr(make_segmenter(name), parameter) + 0.5})


def test_an_unknown_name_is_refused_with_those_that_exist() -> None:
    with pytest.raises(ValueError, match=r"Unknown method 'magic'; accepted are .*diffcluster"):
        make_segmenter("magic")


@every_segmenter
def test_an_unknown_preset_is_refused_with_those_that_exist(name: str) -> None:
    with pytest.raises(ValueError, match=f"no preset 'quick'; accepted are {PRESETS[0][1]}"):
        make_segmenter(name, "quick")


@every_segmenter
def test_an_unknown_parameter_is_refused_with_those_that_exist(name: str) -> None:
    with pytest.raises(ValueError, match=r"no parameter 'speed'; accepted are .*seed"):
        make_segmenter(name, speed=3)


def test_the_default_is_in_the_table() -> None:
    assert default_segmenter().name in SEGMENTERS


def test_photographs_begin_with_deepcut_and_everything_else_with_diffcluster() -> None:
    names = {
        name: default_segmenter(read_image(sample_path(name))).name
        for name in ("cat", "nuclei", "tissue")
    }
    assert names == {"cat": "deepcut", "nuclei": "diffcluster", "tissue": "diffcluster"}


@every_segmenter
@pytest.mark.parametrize("device", ["tpu", "cuda:x", "cpu:1", "cuda:99"])
def test_an_absent_device_is_refused_in_a_sentence(name: str, device: str) -> None:
    with pytest.raises(ValueError, match=device) as caught:
        make_segmenter(name).fit(blocks(), device)
    assert str(caught.value).endswith(".")


@every_segmenter
@pytest.mark.parametrize("n_channels", [1, 3, 5])
def test_any_number_of_channels_is_segmented_to_the_end(name: str, n_channels: int) -> None:
    image = blocks(n_channels)
    fit = make_segmenter(name).fit(image, "cpu")
    assert isinstance(fit, Fit)
    estimates = list(fit.refine(Scribbles.empty(SHAPE)))
    for estimate in estimates:
        require_valid(estimate, image)
        assert all(id_ >= FIRST_CLUSTER for id_ in estimate.ids)
    assert [e.is_last for e in estimates] == [False] * (len(estimates) - 1) + [True]
    steps = [e.step for e in estimates]
    assert steps == sorted(steps)


@every_segmenter
@pytest.mark.parametrize("shape", [(2, 2), (2, 9), (9, 3)])
def test_the_smallest_images_are_segmented(name: str, shape: tuple[int, int]) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (*shape, 3), np.uint8)
    image = Image.of(pixels)
    fit = make_segmenter(name).fit(image, "cpu")
    (last,) = deque(fit.refine(Scribbles.empty(shape)), maxlen=1)
    assert last.is_last
    assert torch.isfinite(last.scores).all()
    scribbles = Scribbles.empty(shape).painted([(0, 0)], 1, radius=0)
    (steered,) = deque(fit.refine(scribbles), maxlen=1)
    assert steered.is_last and 1 in steered.ids


@every_segmenter
def test_scribbled_categories_occur_in_every_estimate(name: str) -> None:
    image = blocks()
    fit = make_segmenter(name).fit(image, "cpu")
    for categories in [(1,), (1, 7), (7, 2, 1), (2,), ()]:
        for estimate in fit.refine(scribbled(*categories)):
            require_valid(estimate, image)
            assert {i for i in estimate.ids if i < FIRST_CLUSTER} == set(categories)


@every_segmenter
def test_a_run_that_is_closed_leaves_the_fit_usable(name: str) -> None:
    fit = make_segmenter(name).fit(blocks(), "cpu")
    run = fit.refine(Scribbles.empty(SHAPE))
    next(run)
    run.close()  # type: ignore[attr-defined]
    (last,) = deque(fit.refine(scribbled(1, 2)), maxlen=1)
    assert last.is_last
    assert {1, 2} <= set(last.ids)


@every_segmenter
def test_the_same_seed_gives_the_same_labels(name: str) -> None:
    def labels() -> np.ndarray:
        fit = make_segmenter(name, seed=3).fit(blocks(), "cpu")
        runs = [deque(fit.refine(s), maxlen=1)[0] for s in (scribbled(), scribbled(1, 2))]
        return np.stack([np.asarray(run.ids)[run.scores.argmax(dim=0).numpy()] for run in runs])

    first = labels()
    torch.rand(5)  # what others draw changes nothing
    np.testing.assert_array_equal(labels(), first)


@every_segmenter
def test_a_fit_leaves_the_random_numbers_of_others_alone(name: str) -> None:
    state = torch.get_rng_state()
    make_segmenter(name).fit(blocks(), "cpu")
    assert torch.equal(torch.get_rng_state(), state)


@every_segmenter
def test_scribbles_of_another_size_are_refused_in_a_sentence(name: str) -> None:
    fit = make_segmenter(name).fit(blocks(), "cpu")
    with pytest.raises(ValueError, match="9 x 8 px, the image is 28 x 20 px"):
        next(iter(fit.refine(Scribbles.empty((8, 9)))))


@every_segmenter
def test_strokes_win_where_they_are(name: str) -> None:
    scribbles = scribbled(1, 2)
    fit = make_segmenter(name).fit(blocks(), "cpu")
    deque(fit.refine(scribbled()), maxlen=0)
    (last,) = deque(fit.refine(scribbles), maxlen=1)
    labels = np.asarray(last.ids)[last.scores.argmax(dim=0).numpy()]
    marked = scribbles.resized(labels.shape).ids
    assert (labels[marked > 0] == marked[marked > 0]).mean() > 0.8


@every_segmenter
def test_a_fit_goes_on_from_what_it_remembers(name: str) -> None:
    image, fit = blocks(), make_segmenter(name).fit(blocks(), "cpu")
    run = fit.refine(Scribbles.empty(SHAPE))
    for _ in range(3):
        next(run)
    run.close()  # type: ignore[attr-defined]
    memory = fit.memory()
    first = deque(fit.refine(Scribbles.empty(SHAPE)), maxlen=1).pop()
    fit.recall(memory)
    again = deque(fit.refine(Scribbles.empty(SHAPE)), maxlen=1).pop()
    other = make_segmenter(name).fit(image, "cpu")
    other.recall(memory)
    elsewhere = deque(other.refine(Scribbles.empty(SHAPE)), maxlen=1).pop()
    for estimate in (again, elsewhere):
        assert estimate.ids == first.ids
        assert torch.equal(estimate.scores.argmax(dim=0), first.scores.argmax(dim=0))
