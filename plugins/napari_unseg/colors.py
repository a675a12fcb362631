"""Colours of the Labels layers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from napari.utils.colormaps import DirectLabelColormap, label_colormap
from numpy.typing import NDArray

from unseg_studio.data import Category

VEIL = (0.85, 0.85, 0.85, 0.45)
"""Over pixels that were corrected to nothing."""


N_LABELS = 1 << 16
"""Labels that 16 bits can hold."""


class _Colors(DirectLabelColormap):  # type: ignore[misc]  # napari is untyped
    """Finds the colours of all labels of 16 bits at once.

    napari asks for them whenever a layer gets its colours, and looks for one after the other.
    """

    def _map_without_cache(self, values: NDArray[Any]) -> NDArray[np.float32]:
        colors = np.tile(np.asarray(self.color_dict[None], np.float32), (N_LABELS, 1))
        for id_, color in self.color_dict.items():
            if id_ is not None:
                colors[id_] = color
        return np.asarray(colors[values])


def colormap_of(
    clusters: Iterable[int], categories: Sequence[Category], nothing_here: int
) -> DirectLabelColormap:
    """Categories in their own colours, clusters in those that napari would give them."""
    colors: dict[int | None, Any] = {None: "white", 0: "transparent", nothing_here: VEIL}
    colors |= {id_: _quiet(id_) for id_ in clusters}
    colors |= {category.id: category.color for category in categories}
    return _Colors(color_dict=colors)


@lru_cache(maxsize=4096)
def _quiet(id_: int) -> Any:
    return _napari_colors().map(id_)


@lru_cache(maxsize=1)
def _napari_colors() -> Any:
    return label_colormap()
