"""What the strokes look like: a small classifier on colours, textures and place, made per stroke.

The person's strokes are few, so the classifier is a regularised multinomial logistic regression
on hand-made multi-scale features; it is trained in milliseconds each time a stroke arrives.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Planes = NDArray[np.float32]

RIDGE = 1e-2
"""Weight decay: how much evidence a feature needs before it counts."""

ITERATIONS = 30

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
    ones = np.ones((1, seeds.size), np.float32)
    table = np.concatenate([features.reshape(len(features), -1), ones])
    marked = np.flatnonzero(seeds.ravel() >= 0)
    marked = marked[:: max(1, len(marked) // MOST_SAMPLES)]
    weights = _trained(table[:, marked], seeds.ravel()[marked], n_labels)
    return _softmax(weights @ table).reshape(n_labels, *seeds.shape)


def _trained(samples: Planes, labels: NDArray[np.int32], n_labels: int) -> Planes:
    """(K, F) weights of the regression on (F, N) samples.

    Every label counts the same, however much of it is drawn. Newton steps with a fixed bound of
    the curvature (D. Böhning, Annals of the Institute of Statistical Mathematics 44, 1992), so
    that one small matrix is inverted once, whatever the number of labels.
    """
    share = 1.0 / np.maximum(np.bincount(labels, minlength=n_labels), 1)[labels]
    share = (share / share.sum()).astype(np.float32)
    wanted = np.eye(n_labels, dtype=np.float32)[labels].T
    curvature = 0.5 * (samples * share) @ samples.T + RIDGE * np.eye(len(samples))
    step = np.linalg.inv(curvature).astype(np.float32)
    weights = np.zeros((n_labels, len(samples)), np.float32)
    for _ in range(ITERATIONS):
        slope = ((_softmax(weights @ samples) - wanted) * share) @ samples.T + RIDGE * weights
        weights -= slope @ step
    return weights


def _softmax(scores: Planes) -> Planes:
    powers = np.exp(scores - scores.max(axis=0))
    return np.asarray(powers / powers.sum(axis=0), np.float32)
