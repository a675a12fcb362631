"""The methods: one paper, one file. Importing this package does not load torch."""

from unseg_studio.segmenters.base import (
    Estimate,
    Fit,
    Param,
    Segmenter,
    param,
    params_of,
    resolve_device,
)
from unseg_studio.segmenters.diffcluster import DiffCluster
from unseg_studio.segmenters.table import SEGMENTERS, default_segmenter, make_segmenter

__all__ = [
    "SEGMENTERS",
    "DiffCluster",
    "Estimate",
    "Fit",
    "Param",
    "Segmenter",
    "default_segmenter",
    "make_segmenter",
    "param",
    "params_of",
    "resolve_device",
]
