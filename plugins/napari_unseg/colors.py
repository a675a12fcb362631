"""Colours of the Labels layers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from napari.utils.colormaps import DirectLabelColormap, label_colormap

from unseg_studio.data import Category

VEIL = (0.85, 0.85, 0.85, 0.45)
"""Over pixels that were corrected to nothing."""


def colormap_of(
    clusters: Iterable[int], categories: Sequence[Category], nothing_here: int
) -> DirectLabelColormap:
    """Categories in their own colours, clusters in those that napari would give them."""
    colors: dict[int | None, Any] = {None: "white", 0: "transparent", nothing_here: VEIL}
    colors |= {id_: _quiet(id_) for id_ in clusters}
    colors |= {category.id: category.color for category in categories}
    return DirectLabelColormap(color_dict=colors)


@lru_cache(maxsize=4096)
def _quiet(id_: int) -> Any:
    return _napari_colors().map(id_)


@lru_cache(maxsize=1)
def _napari_colors() -> Any:
    return label_colormap()
