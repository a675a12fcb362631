"""What the strokes look like: a small classifier on colours, textures and place, made per stroke.

The person's strokes are few, so the classifier is a regularised multinomial logistic regression
on hand-made multi-scale features; it is trained in milliseconds each time a stroke arrives.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

Planes = NDArray[np.float32]

RIDGE = 1e-3
"""Weight decay: how much evidence a feature needs before it counts."""

ITERATIONS = 20

MOST_SAMPLES = 4000
"""Scribbled pixels that are looked at; more say nothing new."""


def looks_like(features: Planes, seeds: NDArray[np.int32], n_labels: int) -> Planes:
    """Probability of each label from the appearance of its strokes.

    Parameters
    ----------
    features : ndarray, (F, h, w) float32
        Standardised.
    seeds : ndarray, (h, w) int32
        Index of the label that is certain at a pixel, -1 where none is; two labels at least.
    n_labels : int
        K, how many labels there are.

    Returns
    -------
    ndarray, (K, h, w) float32
        They sum to 1; labels without seeds get next to nothing.
    """
    table = np.concatenate([features.reshape(len(features), -1), np.ones((1, seeds.size))])
    marked = np.flatnonzero(seeds.ravel() >= 0)
    marked = marked[:: max(1, len(marked) // MOST_SAMPLES)]
    weights = _trained(table[:, marked].T, seeds.ravel()[marked], n_labels)
    probabilities = _softmax(weights.T @ table, axis=0).astype(np.float32)
    return probabilities.reshape(n_labels, *seeds.shape)


def _trained(
    samples: NDArray[np.float64], labels: NDArray[np.int32], n_labels: int
) -> NDArray[np.float64]:
    """(F + 1, K) weights of the regression; every label counts the same, however much is drawn."""
    share = 1.0 / np.maximum(np.bincount(labels, minlength=n_labels), 1)[labels]
    share /= share.sum()
    wanted = np.eye(n_labels)[labels]
    shape = samples.shape[1], n_labels

    def cost(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        weights = flat.reshape(shape)
        probabilities = _softmax(samples @ weights, axis=1)
        loss = -(share * np.log((probabilities * wanted).sum(axis=1) + 1e-12)).sum()
        slope = samples.T @ ((probabilities - wanted) * share[:, None]) + 2 * RIDGE * weights
        return float(loss + RIDGE * (weights**2).sum()), slope.ravel()

    start = np.zeros(shape[0] * shape[1])
    found = optimize.minimize(
        cost, start, jac=True, method="L-BFGS-B", options={"maxiter": ITERATIONS}
    )
    return np.asarray(found.x).reshape(shape)


def _softmax(scores: NDArray[np.float64], *, axis: int) -> NDArray[np.float64]:
    powers = np.exp(scores - scores.max(axis=axis, keepdims=True))
    return np.asarray(powers / powers.sum(axis=axis, keepdims=True))
