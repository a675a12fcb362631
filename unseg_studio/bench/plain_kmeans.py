"""k-means on the features of many images: what methods that learn have to beat."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from unseg_studio.data import Image
from unseg_studio.features.augment import Rgb
from unseg_studio.features.catalogue import BUNDLED
from unseg_studio.features.deep import deep_planes
from unseg_studio.features.lazy_torch import torch
from unseg_studio.features.request import FeatureRequest
from unseg_studio.segmenters.base import param
from unseg_studio.segmenters.clustering import closeness, minibatch_kmeans
from unseg_studio.segmenters.learned import LearnedFit, model_param
from unseg_studio.segmenters.models import Model
from unseg_studio.segmenters.training import Album, TrainingStep, train

CENTROIDS = "network.centroids"
SAMPLES = "training.samples"

PLACES = 20_000
"""Of all images together, that k-means sees."""


@dataclass(frozen=True)
class PlainKMeans:
    """Clusters of deep features, by nothing but k-means."""

    name: ClassVar[str] = "k-means"
    title: ClassVar[str] = "k-means"
    summary: ClassVar[str] = "k-means of deep features over all images."
    presets: ClassVar[dict[str, dict[str, Any]]] = {"live": {}}

    n_clusters: int = param(16, "Clusters", "How many there are.", low=2, high=512, step=1)
    backbone: str = param(BUNDLED, "Backbone", "The network whose features are clustered.")
    weights: str = param("", "Weights file", "Of the backbone.")
    seed: int = param(0, "Seed", "The same seed gives the same labels.", low=0, high=2**31 - 1)
    model: str = model_param()

    def fit(self, image: Image, device: str = "auto") -> LearnedFit:
        """See `Segmenter.fit`."""
        return LearnedFit(self, image, device)

    def train(
        self, images: Sequence[Image], device: str = "auto", *, start: Model | None = None
    ) -> Iterator[TrainingStep]:
        """See `Trainable.train`."""
        return train(self, lambda album, _: _Learner(self, album), images, device, start=start)

    def scorer(self, model: Model, device: torch.device) -> _Scorer:
        """See `Trainable.scorer`."""
        return _Scorer(self, model.tensors[CENTROIDS])

    def planes(self, rgb: Rgb) -> torch.Tensor:
        """What is clustered, (C, h, w)."""
        weights = Path(self.weights) if self.weights else None
        return deep_planes(rgb, FeatureRequest(self.backbone), weights)


class _Scorer:
    def __init__(self, segmenter: PlainKMeans, centroids: torch.Tensor) -> None:
        self._segmenter, self._centroids = segmenter, centroids

    def __call__(self, rgb: Rgb) -> torch.Tensor:
        planes = self._segmenter.planes(rgb)
        shape = planes.shape[1:]
        return closeness(planes.flatten(1).T, self._centroids).T.reshape(-1, *shape)


class _Learner:
    """Each image gives some of its places; the last step finds the clusters."""

    def __init__(self, segmenter: PlainKMeans, album: Album) -> None:
        self._segmenter, self._album = segmenter, album
        self.total = len(album) + 1
        self._samples: list[torch.Tensor] = []
        self._centroids: torch.Tensor | None = None

    def step(self, number: int) -> float:
        random = np.random.default_rng((self._segmenter.seed, number))
        if number < len(self._album):
            rgb = self._album.rgb(number)
            if rgb is not None:
                places = self._segmenter.planes(rgb).flatten(1).T
                n = min(len(places), -(-PLACES // len(self._album)))
                self._samples.append(places[torch.from_numpy(random.permutation(len(places))[:n])])
            return float("nan")
        self._centroids = minibatch_kmeans(
            torch.cat(self._samples), self._segmenter.n_clusters, random
        )
        return float("nan")

    def tensors(self) -> dict[str, torch.Tensor]:
        made = {SAMPLES: torch.cat(self._samples)} if self._samples else {}
        return made | {CENTROIDS: self._known()}

    def _known(self) -> torch.Tensor:
        if self._centroids is not None:
            return self._centroids
        found = torch.cat(self._samples) if self._samples else torch.zeros(1, 1)
        return found[: self._segmenter.n_clusters]

    def recall(self, tensors: Mapping[str, torch.Tensor]) -> None:
        self._samples, self._centroids = [tensors[SAMPLES]], tensors[CENTROIDS]

    def scorer(self) -> _Scorer:
        return _Scorer(self._segmenter, self._known())
