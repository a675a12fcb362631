"""Which nodes of an image's graph are its object."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from unseg_studio.data import Image
from unseg_studio.refinement import object_in
from unseg_studio.segmenters.graph import Graph


def likeness_of(image: Image, graph: Graph) -> NDArray[np.float64]:
    """Share of each node of the image's graph that is object, (N,)."""
    shape = graph.plane.shape
    small = cv2.resize(
        object_in(image).astype(np.uint8), shape[::-1], interpolation=cv2.INTER_NEAREST
    )
    n_pixels = np.bincount(graph.plane.ravel(), minlength=len(graph))
    n_object = np.bincount(graph.plane.ravel(), small.ravel(), len(graph))
    return np.asarray(n_object / n_pixels)


def mostly(
    clusters: NDArray[np.integer], areas: NDArray[np.floating], of_object: NDArray[np.floating]
) -> NDArray[np.bool_]:
    """Which nodes are object: those of clusters that are so for the most part.

    Right for any number of clusters, and wherever the object lies.

    Parameters
    ----------
    clusters : ndarray, (N,) int
        Cluster of each node.
    areas, of_object : ndarray, (N,) float
        Size of each node, and how much of that is object.

    Returns
    -------
    ndarray, (N,) bool
    """
    _, place = np.unique(clusters, return_inverse=True)
    whole, part = (np.bincount(place, weights) for weights in (areas, of_object))
    return np.asarray((2 * part > whole)[place])
