"""What divides an image without labels divides two colours, and finds a disc where it can."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from sklearn.metrics import adjusted_rand_score

from tests.bench.made_up import disc, picture
from unseg_studio.bench.dividing import (
    blank,
    deep_features,
    felzenszwalb,
    grabcut_in_frame,
    kmeans,
    ncut_eigenvectors,
    off_border,
    spectral_ncut,
)
from unseg_studio.bench.region_scores import foreground_iou
from unseg_studio.data import Image

DISC = disc((96, 128), centre=(46, 60), radius=26)

DIVIDERS = {
    "kmeans": partial(kmeans, seed=0, n_clusters=2),
    "felzenszwalb": partial(felzenszwalb, scale=500),
    "spectral": partial(spectral_ncut, seed=0, n_clusters=2),
    "grabcut": partial(grabcut_in_frame, seed=0),
}


def image(values=DISC):
    return Image.of(picture(values))


@pytest.mark.parametrize("name", DIVIDERS)
def test_a_disc_is_divided_from_its_background_and_is_the_object(name):
    proposal = DIVIDERS[name](image())
    assert (proposal.labels.dtype, proposal.labels.shape) == (np.int32, DISC.shape)
    assert adjusted_rand_score(DISC.ravel(), proposal.labels.ravel()) > 0.6
    assert proposal.foreground.dtype == np.bool_
    assert foreground_iou(DISC.astype(np.int32) + 1, proposal.foreground) > 0.5


@pytest.mark.parametrize("name", DIVIDERS)
def test_tiny_and_flat_grey_images_are_taken(name):
    pixels = np.zeros((16, 16), np.uint16)
    pixels[8:, 8:] = 700
    labels = DIVIDERS[name](Image.of(pixels)).labels
    assert labels.shape == (16, 16)


def test_the_same_seed_gives_the_same_labels():
    for divide in (partial(kmeans, n_clusters=7), partial(spectral_ncut, n_clusters=4)):
        one, same = (divide(image(), 3).labels for _ in range(2))
        assert (one == same).all()


def test_a_blank_proposal_has_one_label_and_takes_everything_for_the_object():
    proposal = blank(image())
    assert np.unique(proposal.labels).tolist() == [0]
    assert proposal.foreground.all()


def test_eigenvectors_solve_the_normalised_cut():
    features = torch.from_numpy(np.random.default_rng(5).normal(size=(30, 4)))
    found = ncut_eigenvectors(features, 3).numpy()
    unit = torch.nn.functional.normalize(features, dim=1).numpy()
    weights = (unit @ unit.T).clip(0)
    degrees = np.diag(weights.sum(axis=1))
    assert found[:, 0] == pytest.approx(np.full(30, found[0, 0]))
    values = []
    for y in found.T:
        value = (y @ (degrees - weights) @ y) / (y @ degrees @ y)
        assert (degrees - weights) @ y == pytest.approx(value * degrees @ y, abs=1e-9)
        values.append(value)
    assert values == sorted(values)
    assert values[0] == pytest.approx(0, abs=1e-9)


def test_nodes_lie_on_a_grid_of_the_images_proportions_with_centred_features():
    features = deep_features(image())
    assert features.shape[1:] == (30, 40)
    assert features.mean(dim=(1, 2)).abs().max() < 1e-9


def test_labels_that_keep_away_from_the_border_are_the_object():
    labels = np.zeros((10, 10), np.int32)
    labels[3:7, 3:7] = 4
    labels[0] = 9
    assert (off_border(labels) == (labels == 4)).all()


def test_of_two_labels_one_is_the_object_and_of_one_none():
    labels = np.zeros((10, 10), np.int32)
    labels[4:, 3:8] = 7
    assert (off_border(labels) == (labels == 7)).all()
    assert not off_border(np.zeros((10, 10), np.int32)).any()
