"""Carry scribbles to every pixel: a random walk on image edges with the learned posterior as prior.

L. Grady, "Random Walks for Image Segmentation", IEEE TPAMI 28, 2006, in the form with priors
(L. Grady, CVPR 2005): for every label the probability x at each pixel solves

    (D - W + gamma I) x = gamma p        x = 1 or 0 where the label, or another one, is scribbled

with W the edge weights, D their sums, p the prior. Solved by conjugate gradients from x = p.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from unseg_studio.refinement.guide import Guide

Planes = NDArray[np.float32]

ITERATIONS = 50
TOLERANCE = 1e-3


def propagate(
    prior: Planes, seeds: NDArray[np.int32], guide: Guide, *, gamma: float = 0.01
) -> Planes:
    """Spread seeds along weak edges.

    Parameters
    ----------
    prior : ndarray, (K, h, w) float32
        Probabilities of each label before the walk, on the working plane of the guide.
    seeds : ndarray, (h, w) int32
        Index of the label that is certain at a pixel, -1 where none is.
    guide : Guide
        Edges of the image.
    gamma : float
        Weight of the prior against the edges, > 0.

    Returns
    -------
    ndarray, (K, h, w) float32
        Probabilities; they sum to 1 at each pixel.
    """
    if len(prior) == 1:
        return np.ones_like(prior)
    certain = np.arange(len(prior), dtype=np.int32)[:, None, None] == seeds
    free = seeds < 0
    # The probabilities of a pixel sum to 1, so the last label is what the others leave.
    known = np.where(free, prior, certain)[:-1].astype(np.float32)
    pull = gamma * prior[:-1] + guide.neighbours(np.where(free, 0, known).astype(np.float32))
    walked = _conjugate_gradients(guide, np.float32(gamma), free, pull, known)
    walked = np.concatenate([walked, 1 - walked.sum(axis=0, keepdims=True)])
    walked = np.maximum(walked, np.finfo(np.float32).tiny)
    return np.asarray(walked / walked.sum(axis=0), np.float32)


def _conjugate_gradients(
    guide: Guide, gamma: np.float32, free: NDArray[np.bool_], right: Planes, start: Planes
) -> Planes:
    """Solve (D + gamma - W) x = right on the free pixels, every label at once.

    `start` holds the first guess on the free pixels and the answer on the others. The diagonal
    is the preconditioner.
    """
    mask = free.astype(np.float32)
    diagonal = guide.degree + gamma
    inverse = mask / diagonal

    def applied(v: Planes) -> Planes:
        return mask * (diagonal * v - guide.neighbours(v))

    x = mask * start
    residual = mask * right - applied(x)
    direction = residual * inverse
    energy = _dots(residual, direction)
    goal = TOLERANCE**2 * energy
    for _ in range(ITERATIONS):
        image = applied(direction)
        length = energy / np.maximum(_dots(direction, image), 1e-20)
        x += length * direction
        residual -= length * image
        scaled = residual * inverse
        fresh = _dots(residual, scaled)
        if (fresh <= goal).all():
            break
        direction = scaled + (fresh / np.maximum(energy, 1e-20)) * direction
        energy = fresh
    return np.where(free, x, start)


def _dots(a: Planes, b: Planes) -> Planes:
    """Inner product of each pair of planes, (K, 1, 1) float32."""
    sums = np.einsum("kn,kn->k", a.reshape(len(a), -1), b.reshape(len(b), -1))
    return np.asarray(sums[:, None, None], np.float32)
