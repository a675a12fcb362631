"""The colours of clusters, wherever they are shown."""

from __future__ import annotations

import colorsys
from functools import lru_cache

from unseg_studio.data import FIRST_CLUSTER

Rgb = tuple[int, int, int]

_GOLDEN = 0.618033988749895
"""Steps of this part of the colour circle never come close to an earlier one."""

_TONES = ((0.34, 0.97), (0.40, 0.74), (0.26, 0.87))
"""Saturation and value of clusters in turn: quiet beside the colours of categories."""


@lru_cache(maxsize=4096)
def cluster_rgb(id_: int) -> Rgb:
    """The pastel colour of a cluster without a name; the same for the same id, always."""
    number = id_ - FIRST_CLUSTER
    saturation, value = _TONES[number % len(_TONES)]
    red, green, blue = colorsys.hsv_to_rgb((0.55 + number * _GOLDEN) % 1, saturation, value)
    return round(red * 255), round(green * 255), round(blue * 255)
