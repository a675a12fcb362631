"""The methods: one paper, one file. Importing this package does not load torch."""

import sys
from types import ModuleType

from unseg_studio.features.lazy_torch import leave_a_core
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
    "leave_a_core",
    "make_segmenter",
    "param",
    "params_of",
    "resolve_device",
]


class _Room(ModuleType):
    """A package that can be called, since the public face has a function of its name."""

    def __call__(self) -> dict[str, type[Segmenter]]:
        """Every method: its name and the dataclass of its parameters."""
        return dict(SEGMENTERS)


sys.modules[__name__].__class__ = _Room
