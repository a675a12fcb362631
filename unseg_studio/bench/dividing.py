"""What people would take today to divide an image without a label, and the least that there is.

K-means on colour and place. Felzenszwalb: P. Felzenszwalb, D. Huttenlocher, "Efficient Graph-Based
Image Segmentation", IJCV 59(2), 2004, as in scikit-image. Spectral N-cut: J. Shi, J. Malik,
"Normalized Cuts and Image Segmentation", IEEE TPAMI 22(8), 2000, on deep features as in
L. Melas-Kyriazi et al., "Deep Spectral Methods", CVPR 2022, and, for the object, Y. Wang et al.,
"Self-Supervised Transformers for Unsupervised Object Discovery using Normalized Cut", CVPR 2022.
GrabCut: C. Rother, V. Kolmogorov, A. Blake, "GrabCut", ACM Transactions on Graphics 23(3), 2004, as
in OpenCV, begun with a frame inside the image.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from unseg_studio.data import FIRST_CLUSTER, Image, Scribbles
from unseg_studio.document import decode
from unseg_studio.features.efficientnet import STRIDES, pyramid
from unseg_studio.features.filters import lab_of
from unseg_studio.features.lazy_torch import torch
from unseg_studio.features.regions import together
from unseg_studio.segmenters import Estimate, leave_a_core

Labels = NDArray[np.int32]
Mask = NDArray[np.bool_]

MOST_ITERATIONS, ATTEMPTS = 50, 3
"""Of k-means."""

SMOOTHING, SMALLEST = 0.8, 50
"""Sigma, in pixels, and pixels of the smallest segment, of Felzenszwalb's method."""

NODES = 40
"""Of the spectral grid on its longer side."""

FINEST = 2
"""Level of the network's pyramid that has the spectral grid; it and those after it count."""

CERTAIN = 10.0
"""Score of the label that won, above the others: its probability is as good as 1."""

INSET = 0.05
"""Part of the height and width that the frame leaves out on each side."""

N_CUTS = 5
"""Iterations of GrabCut."""

AWAY = 0.5
"""A label with less of the border for its size keeps away from it; chance would give 1."""


@dataclass(frozen=True, eq=False)
class Proposal:
    """What a method says of an image.

    Parameters
    ----------
    labels : ndarray, (H, W) int32
        Any ids.
    foreground : ndarray, (H, W) bool
        The object.
    """

    labels: Labels
    foreground: Mask


def blank(image: Image) -> Proposal:
    """One label, and everything is object: what scores are worth that nothing was done for."""
    return Proposal(np.zeros(image.shape, np.int32), np.ones(image.shape, bool))


def kmeans(image: Image, seed: int, *, n_clusters: int) -> Proposal:
    """Clusters of CIE Lab and place, each scaled to a deviation of 1."""
    lab = lab_of(image.rgb).reshape(-1, 3)
    lab = lab / np.maximum(lab.std(axis=0), 1)
    rows, cols = (np.linspace(-1.7, 1.7, n, dtype=np.float32) for n in image.shape)
    place = np.stack(np.meshgrid(rows, cols, indexing="ij"), axis=-1).reshape(-1, 2)
    clusters = _clusters(np.hstack([lab, place]), n_clusters, seed)
    return _without_object(clusters.reshape(image.shape))


def felzenszwalb(image: Image, *, scale: float) -> Proposal:
    """Segments that differ more across their border than within."""
    from skimage.segmentation import felzenszwalb

    labels = felzenszwalb(image.rgb, scale, SMOOTHING, SMALLEST)
    return _without_object(np.asarray(labels, np.int32))


def grabcut_in_frame(image: Image, seed: int) -> Proposal:
    """What lies inside the frame is probably object, what lies outside is not."""
    height, width = image.shape
    down, right = max(1, round(height * INSET)), max(1, round(width * INSET))
    mask = np.full(image.shape, cv2.GC_BGD, np.uint8)
    mask[down : height - down, right : width - right] = cv2.GC_PR_FGD
    models = np.zeros((2, 1, 65))
    cv2.setRNGSeed(seed)
    how = cv2.GC_INIT_WITH_MASK
    cv2.grabCut(image.rgb.copy(), mask, None, models[0], models[1], N_CUTS, how)
    foreground = mask == cv2.GC_PR_FGD
    return Proposal(foreground.astype(np.int32), foreground)


def spectral_ncut(image: Image, seed: int, *, n_clusters: int) -> Proposal:
    """Clusters of the normalised cut's eigenvectors; the object is on one side of the second.

    Outlines are those of the program's own methods: both go through `decode`.
    """
    leave_a_core()  # and no more threads than cores: waiting for each other costs a hundredfold
    features = deep_features(image)
    height, width = features.shape[1:]
    eigenvectors = ncut_eigenvectors(features.flatten(1).T, n_clusters)
    clusters = _clusters(eigenvectors[:, 1:].float().numpy(), n_clusters, seed)
    second = eigenvectors[:, 1].numpy()
    sides = (second > second.mean()).astype(np.int32)
    labels, halves = (
        _at_full_size(plane.reshape(height, width), image) for plane in (clusters, sides)
    )
    return Proposal(labels, off_border(halves))


def deep_features(image: Image) -> torch.Tensor:
    """Features of the bundled network on a grid of `NODES` on its longer side.

    Returns
    -------
    Tensor, (C, h, w) float64
        Three levels, each of length 1 at each node, less their mean.
    """
    coarse = pyramid(image.rgb, side=NODES * STRIDES[FINEST])[FINEST:]
    shape = coarse[0].shape[1], coarse[0].shape[2]
    planes = together(coarse, shape, centred=False).double()
    return planes - planes.mean(dim=(1, 2), keepdim=True)


def ncut_eigenvectors(features: torch.Tensor, n: int) -> torch.Tensor:
    """The first eigenvectors of the normalised cut of a dense graph.

    Parameters
    ----------
    features : Tensor, (N, C) float64
        Of each node; two nodes are tied by their cosine where that is positive.
    n : int
        How many, with the first, which is constant.

    Returns
    -------
    Tensor, (N, n) float64
        Of the smallest eigenvalues of `(D - W) y = lambda D y`, smallest first.
    """
    unit = torch.nn.functional.normalize(features, dim=1)
    weights = (unit @ unit.T).clamp(min=0)
    scale = weights.sum(dim=1).clamp(min=1e-9).rsqrt()
    _, vectors = torch.linalg.eigh(scale[:, None] * weights * scale)
    found = scale[:, None] * vectors[:, -n:].flip(1)
    return torch.nn.functional.normalize(found, dim=0)


def off_border(labels: Labels) -> Mask:
    """Pixels of the labels that an object most likely has: the background reaches the border.

    A label is object when its share of the border is at most `AWAY` of its share of the image, or
    when none keeps farther away; where there is only one label, nothing is object. (H, W) bool.
    """
    ids, flat = np.unique(labels, return_inverse=True)
    flat = flat.reshape(labels.shape)
    edge = np.ones(labels.shape, bool)
    edge[1:-1, 1:-1] = False
    areas, borders = (
        np.bincount(plane, minlength=len(ids)) / plane.size for plane in (flat.ravel(), flat[edge])
    )
    nearness = borders / areas
    return np.asarray(((nearness <= max(AWAY, nearness.min())) & (nearness < 1))[flat])


def _without_object(labels: Labels) -> Proposal:
    return Proposal(labels, off_border(labels))


def _clusters(points: NDArray[np.float32], n_clusters: int, seed: int) -> Labels:
    """Cluster of each of (N, F) points, from 0 up."""
    cv2.setRNGSeed(seed)
    criteria = cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, MOST_ITERATIONS, 1e-4
    n_clusters = min(n_clusters, len(points))
    start = cv2.KMEANS_PP_CENTERS
    _, clusters, _ = cv2.kmeans(
        np.ascontiguousarray(points), n_clusters, None, criteria, ATTEMPTS, start
    )
    return np.asarray(clusters, np.int32).ravel()


def _at_full_size(clusters: Labels, image: Image) -> Labels:
    """Clusters of a small plane as the program shows its own."""
    n_clusters = int(clusters.max()) + 1
    scores = CERTAIN * torch.eye(n_clusters)[torch.from_numpy(clusters).long()].permute(2, 0, 1)
    ids = tuple(range(FIRST_CLUSTER, FIRST_CLUSTER + n_clusters))
    estimate = Estimate(scores.contiguous(), ids, 1, 1, float("nan"), is_last=True)
    return decode(estimate, image, Scribbles.empty(image.shape))
