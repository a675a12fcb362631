"""Arithmetic on label maps, `(H, W)` int32.

Ids 1 to 1000 are categories, ids from `FIRST_CLUSTER` up are clusters that have no name yet,
0 is nothing. The two ranges never meet, so a new category cannot steal a cluster's id.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from unseg_studio.data.category import MAX_CATEGORY

NOTHING = 0
FIRST_CLUSTER = MAX_CATEGORY + 1

_SLAB = 250_000
"""Pixels whose ids are counted at a time."""


def present_ids(labels: NDArray[np.int32]) -> tuple[int, ...]:
    """Ids that occur, ascending, without 0."""
    # Counting is ten times quicker than sorting or hashing the pixels, and ids are small.
    # By slabs, since counting makes wider copies of what it counts.
    found: set[int] = set()
    step = max(1, _SLAB // max(1, labels.shape[-1])) if labels.ndim > 1 else _SLAB
    for start in range(0, len(labels), step):
        counts = np.bincount(np.maximum(labels[start : start + step], NOTHING).ravel())
        found.update(np.flatnonzero(counts).tolist())
    return tuple(sorted(found - {NOTHING}))


def cluster_ids(labels: NDArray[np.int32]) -> tuple[int, ...]:
    """Ids of clusters without a name that occur, ascending."""
    return tuple(i for i in present_ids(labels) if i >= FIRST_CLUSTER)


def is_cluster(id_: int) -> bool:
    """Say whether the id belongs to a cluster without a name."""
    return id_ >= FIRST_CLUSTER
