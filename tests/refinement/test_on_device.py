"""What a graphics processor does in place of the host, done by the host: the same answers."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from unseg_studio.data import read_image
from unseg_studio.data.samples import sample_path
from unseg_studio.refinement import Guide, sharpened
from unseg_studio.refinement.on_device import fits, on_host, resized, sharpened_ids

SEED = int(np.random.default_rng().integers(2**31))


def probabilities(n_labels: int, shape: tuple[int, int], seed: int) -> np.ndarray:
    """Smooth ones, as segmenters give them."""
    print(f"seed {seed}")
    noise = np.random.default_rng(seed).normal(size=(n_labels, 7, 9)).astype(np.float32)
    planes = np.stack([cv2.resize(p, shape[::-1], interpolation=cv2.INTER_CUBIC) for p in noise])
    powers = np.exp(4 * planes)
    return np.asarray(powers / powers.sum(axis=0))


@pytest.mark.parametrize(
    ("large", "small"), [((64, 48), (16, 12)), ((63, 95), (25, 40)), ((40, 61), (40, 61))]
)
def test_planes_are_resized_as_the_host_does(
    large: tuple[int, int], small: tuple[int, int]
) -> None:
    for shape, wanted in ((large, small), (small, large)):
        planes = probabilities(3, shape, SEED)
        how = cv2.INTER_AREA if shape[0] > wanted[0] else cv2.INTER_LINEAR
        expected = [cv2.resize(plane, wanted[::-1], interpolation=how) for plane in planes]
        ours = resized(torch.from_numpy(planes), wanted).numpy()
        np.testing.assert_allclose(ours, expected, atol=2e-6)


@pytest.mark.parametrize("name", ["cat", "nuclei", "tissue"])
@pytest.mark.parametrize("n_labels", [2, 7])
def test_outlines_of_a_sample_are_those_of_the_host(name: str, n_labels: int) -> None:
    guide = Guide(np.ascontiguousarray(read_image(sample_path(name)).rgb[:230, :310]))
    planes = probabilities(n_labels, guide.shape, SEED)
    ids = tuple(range(5, 5 + n_labels))
    host = np.asarray(ids, np.int32)[sharpened(planes, guide)]
    ours = sharpened_ids(torch.from_numpy(planes), guide, ids)
    assert ours.dtype == np.int32
    assert (ours != host).mean() < 1e-4


def test_planes_smaller_than_the_working_plane_have_outlines_too(halves: Guide) -> None:
    planes = probabilities(3, (20, 30), SEED)
    ours = sharpened_ids(torch.from_numpy(planes), halves, (0, 1, 2))
    assert (ours != sharpened(planes, halves)).mean() < 1e-3


def test_labels_arrive_as_they_were() -> None:
    labels = torch.arange(12, dtype=torch.int32).reshape(3, 4)
    arrived = on_host(labels)
    assert arrived.dtype == np.int32
    np.testing.assert_array_equal(arrived, np.arange(12).reshape(3, 4))


def test_colours_of_very_large_images_stay_here(halves: Guide) -> None:
    assert fits(halves)
    assert not fits(Guide(np.broadcast_to(np.zeros(3, np.uint8), (5000, 5000, 3))))
