"""DiffCluster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from unseg_studio.data import Image
from unseg_studio.segmenters.base import Fit, check_params, param


@dataclass(frozen=True)
class DiffCluster:
    """Differentiable feature clustering of one image."""

    name: ClassVar[str] = "diffcluster"
    title: ClassVar[str] = "DiffCluster"
    summary: ClassVar[str] = (
        "Learns the colours and textures of this one image; needs no weights and no training set."
    )
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "live": {},
        "paper": {
            "max_clusters": 100, "iterations": 1000, "size": 0, "patience": 0,
            "learning_rate": 0.1, "mu": 1.0, "nu": 0.5,
        },
    }  # fmt: skip

    max_clusters: int = param(
        32, "Most clusters", "Upper limit of the number of clusters.", low=2, high=256, step=1
    )
    min_clusters: int = param(
        3, "Fewest clusters", "The run stops before fewer are left.", low=1, high=256, step=1
    )
    mu: float = param(
        1.0, "Smoothness", "More of it makes larger, rounder clusters.", low=0.0, high=50.0, step=0.5
    )
    nu: float = param(
        0.5, "Scribble weight", "How strongly scribbles pull.", low=0.0, high=10.0, step=0.1,
        advanced=True,
    )  # fmt: skip
    n_conv: int = param(
        2, "Convolutions", "More of them see larger textures.", low=1, high=5, step=1, advanced=True
    )
    learning_rate: float = param(
        0.1, "Learning rate", "Larger steps merge clusters sooner.", low=0.001, high=1.0, step=0.01,
        advanced=True,
    )  # fmt: skip
    iterations: int = param(
        60, "Iterations", "The most that one run takes.", low=1, high=10000, step=10, advanced=True
    )
    size: int = param(
        160, "Working size", "Longer side while optimising; 0 takes the image's own.", low=0,
        high=4096, step=16, unit="px", advanced=True,
    )  # fmt: skip
    patience: int = param(
        8, "Patience", "Stop when the labels rest for this many iterations; 0 never stops early.",
        low=0, high=1000, step=1, advanced=True,
    )  # fmt: skip
    seed: int = param(
        0, "Seed", "The same seed gives the same labels.", low=0, high=2**31 - 1, step=1,
        advanced=True,
    )  # fmt: skip

    def __post_init__(self) -> None:
        check_params(self)

    def fit(self, image: Image, device: str = "auto") -> Fit:
        """Make the network and the image pyramid."""
        raise NotImplementedError
