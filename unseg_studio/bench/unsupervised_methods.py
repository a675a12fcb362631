"""Every method that divides images without a label: a line of the table each.

The program's own methods run as in the window on a new image, to their end and through `decode`,
which carries nothing that was learned from labels into an image without scribbles: the outlines
follow its colours alone. Only which of them is the object, of DeepCut's, is told by `object_in`,
which outlines it as scribbles are, and so stands on masks of other images. The published
DiffCluster answers as in its paper, pixel by pixel.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from unseg_studio.bench.dividing import (
    Labels,
    Mask,
    Proposal,
    blank,
    felzenszwalb,
    grabcut_in_frame,
    kmeans,
    off_border,
    spectral_ncut,
)
from unseg_studio.bench.methods import PAPER, PublishedPlayer, seeded
from unseg_studio.data import Image, Scribbles
from unseg_studio.document import decode
from unseg_studio.refinement import object_in
from unseg_studio.segmenters import DiffCluster, Segmenter, leave_a_core, make_segmenter
from unseg_studio.segmenters.foreground import mostly

BLANK = "blank"

LIMIT = 300.0
"""Seconds after which a method counts as one that does not return."""

PAPER_SECONDS = 120.0
"""What the published settings get for an image; without a graphics card they take far longer."""

Propose = Callable[[Image, int], Proposal]
"""Image and seed -> what a method says of it."""

Foreground = Callable[[Image, Labels], Mask]
"""An image and the labels that were made of it -> (H, W) bool, the object."""


@dataclass(frozen=True)
class Proposer:
    """One line of the tables.

    Parameters
    ----------
    name : str
        As tables, files and the command line call it.
    propose : callable
        See `Propose`.
    draws : bool
        It draws random numbers, so it is run with several seeds.
    is_slow : bool
        It is run on a few images of each set only.
    is_ours : bool
        One of the program's own methods.
    limit : float
        Seconds that an image may take.
    """

    name: str
    propose: Propose
    draws: bool = True
    is_slow: bool = False
    is_ours: bool = False
    limit: float = LIMIT


def proposers(device: str = "auto") -> dict[str, Proposer]:
    """Name -> method: nothing done, what others do, the published DiffCluster, the program's own.

    Parameters
    ----------
    device : str
        Where the program's own compute, see `resolve_device`.
    """
    paper = partial(_published, device=device)
    table = (
        Proposer(BLANK, lambda image, _: blank(image), draws=False),
        Proposer("kmeans-5", partial(kmeans, n_clusters=5)),
        Proposer("kmeans-17", partial(kmeans, n_clusters=17)),
        Proposer("felzenszwalb-100", lambda i, _: felzenszwalb(i, scale=100), draws=False),
        Proposer("felzenszwalb-500", lambda i, _: felzenszwalb(i, scale=500), draws=False),
        Proposer("spectral-5", partial(spectral_ncut, n_clusters=5)),
        Proposer("grabcut-frame", grabcut_in_frame),
        Proposer(PAPER, paper, is_slow=True, limit=PAPER_SECONDS + LIMIT),
        own("diffcluster", make_segmenter("diffcluster"), device),
        own("deepcut-ncut", make_segmenter("deepcut"), device, foreground=most_of_the_object),
        own(
            "deepcut-cc",
            make_segmenter("deepcut", k_less=True),
            device,
            foreground=most_of_the_object,
        ),
        own("deepcut-parts", make_segmenter("deepcut", k_less=True, sensitivity=1.0), device),
        own(
            "deepcut-object",
            make_segmenter("deepcut", stages="object"),
            device,
            foreground=most_of_the_object,
        ),
    )
    return {proposer.name: proposer for proposer in table}


def chosen_proposer(name: str, device: str) -> Proposer:
    """The method that a process runs."""
    return proposers(device)[name]


def own(
    name: str, segmenter: Segmenter, device: str, *, foreground: Foreground | None = None
) -> Proposer:
    """One of the program's own methods.

    Parameters
    ----------
    name : str
        As tables call it.
    segmenter : Segmenter
        Method and parameters; its seed is set later, where it has one.
    device : str
        See `resolve_device`.
    foreground : callable or None
        Which labels are the object, see `Foreground`; None: `off_border`.
    """
    choose = foreground or (lambda _, labels: off_border(labels))
    propose = partial(_segmented, segmenter=segmenter, device=device, foreground=choose)
    draws = seeded(segmenter, 0) != seeded(segmenter, 1)
    return Proposer(name, propose, draws=draws, is_ours=True)


def _segmented(
    image: Image, seed: int, *, segmenter: Segmenter, device: str, foreground: Foreground
) -> Proposal:
    leave_a_core()
    fit, nothing = seeded(segmenter, seed).fit(image, device), Scribbles.empty(image.shape)
    (last,) = deque(fit.refine(nothing), maxlen=1)
    labels = decode(last, image, nothing)
    return Proposal(labels, foreground(image, labels))


def most_of_the_object(image: Image, labels: Labels) -> Mask:
    """Pixels of the labels that lie in the object that DeepCut finds, for the most part."""
    found = object_in(image)
    object_ = mostly(labels.ravel(), np.ones(labels.size), found.ravel().astype(float))
    return object_.reshape(labels.shape)


def _published(image: Image, seed: int, *, device: str) -> Proposal:
    segmenter = make_segmenter(DiffCluster.name, "paper", seed=seed)
    player = PublishedPlayer(segmenter, image, device, PAPER_SECONDS)
    labels = player.update(Scribbles.empty(image.shape).ids)
    return Proposal(labels, off_border(labels))
