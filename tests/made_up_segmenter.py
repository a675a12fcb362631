"""A method with every parameter that a window knows of, quick, and held where a test wants it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch

from unseg_studio.data import FIRST_CLUSTER, Image, Scribbles
from unseg_studio.features.catalogue import BACKBONES, BUNDLED
from unseg_studio.segmenters import Estimate, param

PATIENCE_S = 20
MOST = 6
"""Clusters without k at the highest sensitivity."""


class Gate:
    """What the fits wait for, and what they were asked."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.open.set()
        self.begun: list[tuple[int | None, float]] = []
        self.lock = threading.Lock()

    def pass_through(self, k: int | None, sensitivity: float) -> None:
        with self.lock:
            self.begun.append((k, sensitivity))
        assert self.open.wait(PATIENCE_S), "the test never opened the gate"


@dataclass(frozen=True)
class MadeUp:
    """Cuts the range of brightness into equal parts."""

    name: ClassVar[str] = "made_up"
    title: ClassVar[str] = "Made up"
    summary: ClassVar[str] = "Bright, less bright, dark."
    presets: ClassVar[dict[str, dict[str, Any]]] = {"live": {}, "other": {"smoothness": 2.0}}
    gate: ClassVar[Gate] = Gate()

    n_clusters: int = param(5, "Clusters", "How many.", low=2, high=32, step=1)
    k_less: bool = param(False, "k-less", "The image decides.")
    sensitivity: float = param(
        0.5, "Sensitivity", "More of it gives more clusters.", low=0.0, high=1.0, step=0.05
    )
    smoothness: float = param(1.0, "Smoothness", "Rounder.", low=0.0, high=9.0, step=0.5)
    backbone: str = param(BUNDLED, "Backbone", "The network.", choices=tuple(BACKBONES))
    weights: str = param("", "Weights", "A file.")
    fails: str = param("", "Fails", "Says this instead.", advanced=True)

    def __post_init__(self) -> None:
        if self.n_clusters == 31:
            raise ValueError("made_up: n_clusters is 31; accepted is every other number.")

    def fit(self, image: Image, device: str = "auto") -> MadeUpFit:
        return MadeUpFit(self, image)


class MadeUpFit:
    def __init__(self, segmenter: MadeUp, image: Image) -> None:
        self._segmenter = segmenter
        grey = np.asarray(image.unit, np.float32).mean(axis=2)
        self._grey = torch.from_numpy(np.ascontiguousarray(grey))

    def refine(self, scribbles: Scribbles) -> Iterator[Estimate]:
        asked = self._segmenter
        asked.gate.pass_through(None if asked.k_less else asked.n_clusters, asked.sensitivity)
        if asked.fails:
            raise ValueError(asked.fails)
        n = max(1, round(MOST * asked.sensitivity)) if asked.k_less else asked.n_clusters
        centres = (torch.arange(n) + 0.5) / n
        scores = -40 * (self._grey[None] - centres[:, None, None]).abs()
        ids = tuple(range(FIRST_CLUSTER, FIRST_CLUSTER + n))
        for step in (1, 2):
            yield Estimate(scores, ids, step, 2, 0.0, is_last=step == 2)

    def memory(self) -> object:
        return None

    def recall(self, memory: object) -> None:
        del memory
