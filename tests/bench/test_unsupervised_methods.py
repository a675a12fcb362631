"""The table of methods: each takes any image, and nothing learned from labels takes part."""

from __future__ import annotations

import numpy as np
import pytest

from tests.bench.made_up import disc, picture
from unseg_studio.bench.methods import PAPER
from unseg_studio.bench.seats import tiny_image
from unseg_studio.bench.unsupervised_methods import own, proposers
from unseg_studio.data import Image
from unseg_studio.refinement import guide_of
from unseg_studio.segmenters import DiffCluster

TABLE = proposers("cpu")
OURS = [name for name, proposer in TABLE.items() if proposer.is_ours]


@pytest.mark.parametrize("name", [name for name in TABLE if name != PAPER])
def test_every_method_gives_labels_and_an_object_of_the_images_size(name):
    image = tiny_image()
    proposal = TABLE[name].propose(image, 1)
    assert (proposal.labels.dtype, proposal.labels.shape) == (np.int32, image.shape)
    assert (proposal.foreground.dtype, proposal.foreground.shape) == (np.bool_, image.shape)


LEARNED = {"grid", "views", "halved"}
"""What of a guide stands on images with masks."""


@pytest.mark.parametrize("name", [name for name in OURS if name != "deepcut-object"])
def test_the_labels_of_our_methods_use_nothing_that_was_learned_from_labels(name):
    image, segmenter = Image.of(picture(disc())), TABLE[name].propose.keywords["segmenter"]
    own(name, segmenter, "cpu", foreground=lambda _, labels: labels > 0).propose(image, 0)
    assert not LEARNED & vars(guide_of(image)).keys()


def test_the_object_is_outlined_by_what_was_learned_from_other_images():
    image = Image.of(picture(disc()))
    TABLE["deepcut-object"].propose(image, 0)
    assert vars(guide_of(image)).keys() >= LEARNED


@pytest.mark.parametrize("name", [name for name in TABLE if name != PAPER])
def test_the_same_seed_gives_the_same_labels(name):
    image = Image.of(picture(disc()))
    one, same = (TABLE[name].propose(image, 2).labels for _ in range(2))
    assert (one == same).all()


def test_a_segmenter_may_say_itself_what_is_object():
    def upper(_fit, labels):
        return np.arange(labels.shape[0])[:, None] < np.full(labels.shape, 3)

    proposer = own("mine", DiffCluster(iterations=2), "cpu", foreground=upper)
    assert proposer.draws
    proposal = proposer.propose(tiny_image(), 0)
    assert proposal.foreground[:3].all()
    assert not proposal.foreground[3:].any()


def test_the_published_method_gives_what_it_has_when_its_time_is_over(monkeypatch):
    from unseg_studio.bench import unsupervised_methods

    monkeypatch.setattr(unsupervised_methods, "PAPER_SECONDS", 0.0)
    image = tiny_image()
    proposal = TABLE[PAPER].propose(image, 0)
    assert proposal.labels.shape == image.shape
    assert TABLE[PAPER].is_slow
