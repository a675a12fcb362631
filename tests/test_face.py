"""The public face: scripts, benchmarks and both windows stand on it."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys

import numpy as np
import pytest

import unseg_studio as us
from unseg_studio.data.samples import sample_path
from unseg_studio.segmenters import DiffCluster

QUICK = {"iterations": 3, "size": 48, "width": 8}


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Threads of several test runs on one machine wait for each other more than they compute."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def image():
    return us.read_image(sample_path("cat"), plane=None)


def in_a_fresh_python(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_importing_it_loads_nothing_heavy():
    heavy = ("torch._C", "qtpy", "PySide6", "napari", "numpy", "cv2", "timm")
    code = "import sys, json, unseg_studio; print(json.dumps(sorted(sys.modules)))"
    assert not set(heavy) & set(in_a_fresh_python(code))


def test_images_and_scribbles_need_no_torch():
    code = (
        "import sys, json, unseg_studio as us; us.Scribbles; us.segmenters(); us.segmenter(); "
        "us.export; us.read_image; print(json.dumps('torch._C' in sys.modules))"
    )
    assert in_a_fresh_python(code) is False


@pytest.mark.parametrize("name", us.__all__)
def test_every_name_of_the_face_is_there(name):
    assert getattr(us, name) is not None
    assert name in dir(us) or name == "__version__"


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="segmentor"):
        us.segmentor  # noqa: B018


def test_the_steps_of_the_example_work_together(image, tmp_path):
    segmenter = us.segmenter("diffcluster", max_clusters=8, **QUICK)
    fit = segmenter.fit(image, device="auto")
    points = np.array([(100, 200), (120, 260)])
    scribbles = us.Scribbles.empty(image.shape).painted(points, category=1, radius=3)
    frames = [us.decode(estimate, image, scribbles) for estimate in fit.refine(scribbles)]
    assert frames
    labels = frames[-1]
    assert labels.shape == image.shape
    assert labels.dtype == np.int32
    assert (labels[scribbles.ids == 1] == 1).all()
    table = (us.Category(1, "cat", "#e69f00"),)
    regions = us.regions_from_labels(labels, table)
    annotations = us.Annotation(image.shape, image.source, table, regions)
    us.export(annotations, tmp_path / "out.json", format="coco")
    read = us.load(tmp_path / "out.json", shape=image.shape, file_name="cat.png")
    assert (read.labels == np.where(labels == 1, 1, 0)).all()


def test_segment_is_all_of_it_in_one_call(image):
    scribbles = us.Scribbles.empty(image.shape).painted([(150, 225)], category=3, radius=4)
    labels = us.segment(
        image, "diffcluster", scribbles=scribbles, device="cpu", max_clusters=5, **QUICK
    )
    last = list(us.segmenter(max_clusters=5, **QUICK).fit(image, "cpu").refine(scribbles))[-1]
    assert (labels == us.decode(last, image, scribbles)).all()
    assert (labels[scribbles.ids == 3] == 3).all()


def test_the_same_seed_gives_the_same_labels(image):
    first, again, other = (
        us.segment(image, device="cpu", seed=seed, **QUICK) for seed in (1, 1, 2)
    )
    assert (first == again).all()
    assert (first != other).any()


def test_segment_takes_presets(image):
    labels = us.segment(image, preset="paper", **QUICK)
    assert labels.shape == image.shape


def test_scribbles_of_another_size_are_refused_before_anything_is_computed(image):
    with pytest.raises(ValueError, match="The scribbles are 20 x 10 px, the image is 451 x 300 px"):
        us.segment(image, scribbles=us.Scribbles.empty((10, 20)))


def test_segmenters_lists_the_methods_and_stays_a_package():
    assert us.segmenters()["diffcluster"] is DiffCluster
    us.segmenters().clear()
    assert us.segmenters()
    assert importlib.import_module("unseg_studio.segmenters").DiffCluster is DiffCluster


def test_segmenters_is_callable_however_it_was_imported_first():
    code = (
        "import json, unseg_studio.segmenters, unseg_studio as us; "
        "print(json.dumps([*us.segmenters()]))"
    )
    assert "diffcluster" in in_a_fresh_python(code)


def test_a_segmenter_without_a_name_is_the_one_of_the_window():
    assert us.segmenter() == DiffCluster()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"name": "deepcat"}, "Unknown method 'deepcat'; accepted are deepcut, diffcluster"),
        ({"name": "diffcluster", "k": 3}, "has no parameter 'k'; accepted are max_clusters"),
        ({"name": "diffcluster", "preset": "slow"}, "no preset 'slow'; accepted are live, paper"),
    ],
)
def test_unknown_words_are_answered_with_those_that_exist(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        us.segmenter(**arguments)
