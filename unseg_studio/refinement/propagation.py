"""Carry scribbles to every pixel: a random walk on image edges with the learned posterior as prior.

L. Grady, "Random Walks for Image Segmentation", IEEE TPAMI 28, 2006, in the form with priors
(L. Grady, CVPR 2005): for every label the probability x at each pixel solves

    (D - W + gamma I) x = gamma p        x = 1 or 0 where the label, or another one, is scribbled

with W the edge weights, D their sums, p the prior. Solved by conjugate gradients from x = p.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

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
    n_labels = len(prior)
    flat = prior.reshape(n_labels, -1).T
    fixed = seeds.ravel()
    free = fixed < 0
    certain = np.zeros_like(flat)
    certain[~free, fixed[~free]] = 1
    weights = guide.graph
    right = gamma * flat + weights @ certain
    diagonal = (guide.degree + np.float32(gamma))[:, None]
    start = np.where(free[:, None], flat, 0)
    solved = _conjugate_gradients(weights, diagonal, free[:, None], right, start)
    walked = np.clip(np.where(free[:, None], solved, certain), 0, 1)
    walked /= walked.sum(axis=1, keepdims=True) + np.finfo(np.float32).tiny
    return np.ascontiguousarray(walked.T).reshape(prior.shape)


def _conjugate_gradients(
    weights: sparse.csr_array, diagonal: Planes, free: NDArray[np.bool_], right: Planes, x: Planes
) -> Planes:
    """Solve (diag - W) x = right on the free pixels, all labels at once, Jacobi-preconditioned."""

    def applied(v: Planes) -> Planes:
        return np.where(free, diagonal * v - weights @ v, 0)

    residual = np.where(free, right, 0) - applied(x)
    direction = residual / diagonal
    energy = (residual * direction).sum(axis=0)
    goal = TOLERANCE**2 * np.maximum(energy, 1e-12)
    for _ in range(ITERATIONS):
        image = applied(direction)
        length = energy / np.maximum((direction * image).sum(axis=0), 1e-20)
        x = x + length * direction
        residual = residual - length * image
        scaled = residual / diagonal
        fresh = (residual * scaled).sum(axis=0)
        if (fresh <= goal).all():
            break
        direction = scaled + fresh / np.maximum(energy, 1e-20) * direction
        energy = fresh
    return x
