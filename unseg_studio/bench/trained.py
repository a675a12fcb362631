"""Methods that learn from many images, trained and at work."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from unseg_studio.bench.plain_kmeans import PlainKMeans
from unseg_studio.data import Image
from unseg_studio.document import dial
from unseg_studio.segmenters import SEGMENTERS, make_segmenter, resolve_device
from unseg_studio.segmenters.models import kept
from unseg_studio.segmenters.training import Scorer, Trainable

Labels = NDArray[np.int32]

BASELINE = PlainKMeans.name


def learning() -> tuple[str, ...]:
    """Names of the methods that learn from many images."""
    return tuple(name for name in SEGMENTERS if isinstance(make_segmenter(name), Trainable))


def made(method: str, *, n_clusters: int, seed: int) -> Trainable:
    """A segmenter by its name and parameters, such as "multilevel:levels=image,strict=True".

    Raises
    ------
    ValueError
        If there is none, or it does not learn.
    """
    name, _, words = method.partition(":")
    kind = PlainKMeans if name == BASELINE else None
    segmenter: Any = kind() if kind else make_segmenter(name)
    given = dict(word.split("=", 1) for word in words.split(",") if "=" in word)
    values = {n: _value(getattr(segmenter, n, ""), text) for n, text in given.items()}
    if not isinstance(segmenter, Trainable):
        raise ValueError(
            f"{name} does not learn from many images; accepted are "
            f"{', '.join((BASELINE, *learning()))}."
        )
    if name == "multilevel":  # the background is one more
        values = {"n_clusters": max(1, n_clusters - 1), **values}
    else:
        values = {**dial.values_of(segmenter, n_clusters), **values}
    return replace(segmenter, **{**values, "seed": seed})


def _value(default: Any, text: str) -> Any:
    if isinstance(default, bool):
        return text.lower() in ("true", "yes", "1")
    return type(default)(text)


@dataclass(frozen=True, eq=False)
class Learned:
    """A trained method with what that has cost."""

    scorer: Scorer
    train_s: float

    def clusters(self, image: Image) -> Labels:
        """Cluster of each pixel, from 0 up."""
        scores = self.scorer(image.rgb).cpu().numpy()
        height, width = image.shape
        planes = [cv2.resize(plane, (width, height)) for plane in scores]
        return np.asarray(np.argmax(planes, axis=0), np.int32)

    def n_clusters(self, image: Image) -> int:
        """How many it knows."""
        return int(self.scorer(image.rgb).shape[0])


def learned(segmenter: Trainable, images: Sequence[Image], device: str) -> Learned:
    """Train to the end."""
    began = time.perf_counter()
    *_, last = segmenter.train(images, device)
    seconds = time.perf_counter() - began
    assert isinstance(last.segmenter, Trainable)
    scorer = last.segmenter.scorer(kept(last.segmenter.model), resolve_device(device))
    return Learned(scorer, seconds)
