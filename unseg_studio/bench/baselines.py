"""What a person would take today, each used the way its own documentation shows.

Random walker: L. Grady, "Random Walks for Image Segmentation", IEEE TPAMI 28(11), 2006, as in
scikit-image. Features and a random forest: pixel classification as in ilastik (S. Berg et al.,
"ilastik: interactive machine learning for (bio)image analysis", Nature Methods 16, 2019), with the
features of scikit-image. GrabCut: C. Rother, V. Kolmogorov, A. Blake, "GrabCut", ACM Transactions
on Graphics 23(3), 2004, as in OpenCV.
"""

from __future__ import annotations

import math
import warnings
from functools import cached_property
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from unseg_studio.data import Image

Labels = NDArray[np.int32]

BETA = 130
"""The random walker's default: how hard it is to walk across an edge."""

SIGMAS = (1.0, 16.0)
"""Smallest and largest scale of the features, in pixels; they double in between."""

N_TREES = 100
"""As in ilastik."""

N_JOBS = 2

N_CUTS = 5
"""Iterations of GrabCut."""


class RandomWalker:
    """A walker at each pixel: it takes the category whose stroke it reaches first."""

    first_frame = math.nan

    def __init__(self, image: Image) -> None:
        self._image = image

    def update(self, scribbles: Labels) -> Labels:
        """Solve for all categories at once, directly; no memory of the update before.

        The direct solution is exact and, at the size of a photograph, many times faster than the
        conjugate gradients that scikit-image takes by default.
        """
        from skimage.segmentation import random_walker

        ids, seeds = _numbered(scribbles)
        if len(ids) < 2 or seeds.all():
            return _without_rival(scribbles, ids)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # remarks on precision; the answer counts
            walked = random_walker(self._image.unit, seeds, beta=BETA, mode="bf", channel_axis=-1)
        # Pixels shut in by one stroke are given as -1.
        return np.where(scribbles > 0, scribbles, ids[np.maximum(walked, 1) - 1])


class FeaturesAndForest:
    """A random forest on smoothed values, edges and textures at several scales."""

    first_frame = math.nan

    def __init__(self, image: Image, *, seed: int = 0) -> None:
        self._image = image
        self._seed = seed

    @cached_property
    def _features(self) -> NDArray[np.float32]:
        """(H, W, F); made when they are first needed, so the first update pays for them."""
        return forest_features(self._image)

    def update(self, scribbles: Labels) -> Labels:
        """Learn from all strokes anew and predict every pixel."""
        forest = taught_forest(self._features, scribbles, self._seed)
        predicted = forest_labels(forest, self._features)
        return np.where(scribbles > 0, scribbles, predicted).astype(np.int32)


def forest_features(image: Image) -> NDArray[np.float32]:
    """Smoothed values, edges and textures of each pixel, (H, W, F)."""
    from skimage.feature import multiscale_basic_features

    low, high = SIGMAS
    made = multiscale_basic_features(image.unit, sigma_min=low, sigma_max=high, channel_axis=-1)
    return np.asarray(made, np.float32)


def taught_forest(features: NDArray[np.float32], scribbles: Labels, seed: int) -> Any:
    """A random forest that has learned (H, W, F) features under strokes."""
    from joblib import parallel_config
    from sklearn.ensemble import RandomForestClassifier

    forest = RandomForestClassifier(N_TREES, random_state=seed, n_jobs=N_JOBS)
    marked = scribbles > 0
    with parallel_config(backend="threading"):
        return forest.fit(features[marked], scribbles[marked])


def forest_labels(forest: Any, features: NDArray[np.float32]) -> Labels:
    """What a forest says of every pixel, `(H, W)` int32."""
    from joblib import parallel_config

    with parallel_config(backend="threading"):
        predicted = forest.predict(features.reshape(-1, features.shape[2]))
    return np.asarray(predicted, np.int32).reshape(features.shape[:2])


class GrabCut:
    """Colours of two categories as mixtures of Gaussians, divided by a minimal cut."""

    first_frame = math.nan

    def __init__(self, image: Image, *, seed: int = 0) -> None:
        self._image = image
        self._seed = seed

    def update(self, scribbles: Labels) -> Labels:
        """Cut anew; what is unmarked probably belongs to the nearest stroke.

        Raises
        ------
        ValueError
            If there are strokes of more than two categories.
        """
        ids, _ = _numbered(scribbles)
        if len(ids) > 2:
            raise ValueError(f"GrabCut divides two categories; there are strokes of {len(ids)}.")
        if len(ids) < 2:
            return _without_rival(scribbles, ids)
        mask = _trimap(scribbles, int(ids[1]))
        models = np.zeros((2, 1, 65))
        cv2.setRNGSeed(self._seed)
        how = cv2.GC_INIT_WITH_MASK
        cv2.grabCut(self._image.rgb.copy(), mask, None, models[0], models[1], N_CUTS, how)
        is_object = (mask == cv2.GC_FGD) | (mask == cv2.GC_PR_FGD)
        return np.asarray(np.where(is_object, ids[1], ids[0]), np.int32)


def _numbered(scribbles: Labels) -> tuple[Labels, Labels]:
    """Ids that are drawn, ascending, and the strokes in numbers from 1 up in that order."""
    ids = np.unique(scribbles[scribbles > 0]).astype(np.int32)
    return ids, np.where(scribbles > 0, np.searchsorted(ids, scribbles) + 1, 0).astype(np.int32)


def _without_rival(scribbles: Labels, ids: Labels) -> Labels:
    """The only category everywhere; nothing where nothing is drawn."""
    return np.where(scribbles > 0, scribbles, ids[0] if len(ids) else 0).astype(np.int32)


def _trimap(scribbles: Labels, object_id: int) -> NDArray[np.uint8]:
    """Sure where something is drawn, probable by the nearest stroke elsewhere."""
    nearest = distance_transform_edt(scribbles == 0, return_distances=False, return_indices=True)
    is_object = scribbles[tuple(nearest)] == object_id
    probable = np.where(is_object, cv2.GC_PR_FGD, cv2.GC_PR_BGD)
    sure = np.where(is_object, cv2.GC_FGD, cv2.GC_BGD)
    return np.where(scribbles > 0, sure, probable).astype(np.uint8)
