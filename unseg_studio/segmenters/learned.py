"""The fit of what learns from many images: one forward pass, or a training on the one image."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from unseg_studio.data import FIRST_CLUSTER, Image, Scribbles
from unseg_studio.features.lazy_torch import torch
from unseg_studio.segmenters.base import Estimate, param, resolve_device
from unseg_studio.segmenters.models import Model, kept
from unseg_studio.segmenters.training import Trainable

MINUS = 20.0
"""How far below the best score a category lies that no cluster was left for."""


def model_param() -> str:
    """The field in which a segmenter carries what it has learned."""
    model: str = param(
        "", "Model", "What was learned from many images; empty: it learns from each image alone.",
        advanced=True,
    )  # fmt: skip
    return model


@dataclass(frozen=True, eq=False)
class Judged:
    """What is known of the image.

    Parameters
    ----------
    scores : Tensor, (K, h, w) float32
        Of the clusters.
    channels : dict of int to int
        Category -> the cluster that it has taken.
    start : Model or None
        Where learning from the image alone was broken off.
    """

    scores: torch.Tensor | None = None
    channels: dict[int, int] = field(default_factory=dict)
    start: Model | None = None


class LearnedFit:
    """Scores of one image by what was learned; clusters keep their ids from image to image."""

    def __init__(self, segmenter: Trainable, image: Image, device: str) -> None:
        self._segmenter, self._image, self._device = segmenter, image, device
        self._place = resolve_device(device)
        self._judged = Judged()
        if segmenter.model:
            self._judged = Judged(self._scores_by(kept(segmenter.model)))

    def refine(self, scribbles: Scribbles) -> Iterator[Estimate]:
        """Learn first where nothing was learned, then give categories their clusters."""
        scribbles.require_shape(self._image.shape)
        done, loss = 0, float("nan")
        if self._judged.scores is None:
            start = self._judged.start
            for step in self._segmenter.train([self._image], self._device, start=start):
                if step.model is None:
                    continue
                done, loss = step.step, step.loss
                scores = self._scores_by(step.model)
                self._judged = replace(self._judged, start=step.model)
                yield self._estimate(scores, scribbles, (done, step.total), loss)
            self._judged = Judged(scores, self._judged.channels)
        assert self._judged.scores is not None
        yield self._estimate(self._judged.scores, scribbles, (done, done), loss, is_last=True)

    def _scores_by(self, model: Model) -> torch.Tensor:
        return self._segmenter.scorer(model, self._place)(self._image.rgb).float()

    def memory(self) -> object:
        """What is known; see `Fit.memory`."""
        return self._judged

    def recall(self, memory: object) -> None:
        """Take it back; see `Fit.recall`."""
        if not isinstance(memory, Judged):
            raise TypeError(f"A memory of a learned fit is needed, not {type(memory).__name__}.")
        self._judged = memory

    def _estimate(
        self,
        scores: torch.Tensor,
        scribbles: Scribbles,
        steps: tuple[int, int],
        loss: float,
        *,
        is_last: bool = False,
    ) -> Estimate:
        channels = taken(scores, scribbles, self._judged.channels)
        self._judged = replace(self._judged, channels=channels)
        category_of = {cluster: category for category, cluster in channels.items()}
        used = set(torch.unique(scores.argmax(dim=0)).tolist()) | category_of.keys()
        clusters = sorted(used)
        ids = tuple(category_of.get(cluster, FIRST_CLUSTER + cluster) for cluster in clusters)
        late = [category for category in scribbles.categories if category not in channels]
        low = scores.min(dim=0, keepdim=True).values - MINUS
        planes = torch.cat([scores[clusters], *(low for _ in late)])
        ids = (*ids, *late)
        return Estimate(_pinned(planes, ids, scribbles), ids, *steps, loss, is_last)


def _pinned(planes: torch.Tensor, ids: tuple[int, ...], scribbles: Scribbles) -> torch.Tensor:
    """Scores that are best for a category where it is scribbled, whatever the clusters say."""
    height, width = planes.shape[1:]
    strokes = torch.from_numpy(scribbles.resized((height, width)).ids.copy()).to(planes.device)
    best = planes.amax(dim=0) + MINUS
    wanted = torch.stack([strokes == (i if i < FIRST_CLUSTER else -1) for i in ids])
    return torch.where(wanted, best, planes)


def taken(scores: torch.Tensor, scribbles: Scribbles, before: dict[int, int]) -> dict[int, int]:
    """Category -> cluster: the one that most of its strokes lie on, as long as it is free.

    Parameters
    ----------
    scores : Tensor, (K, h, w)
        Of the clusters.
    scribbles : Scribbles
        Of the image, of any size.
    before : dict of int to int
        Categories keep the clusters that they have.
    """
    present = set(scribbles.categories)
    channels = {category: i for category, i in before.items() if category in present}
    if present == channels.keys():
        return channels
    n_clusters, height, width = scores.shape
    strokes, labels = scribbles.resized((height, width)).ids, scores.argmax(dim=0).cpu().numpy()
    for category in sorted(present - channels.keys()):
        free = sorted(set(range(n_clusters)) - set(channels.values()))
        if not free:
            break
        votes = np.bincount(labels[strokes == category], minlength=n_clusters)
        channels[category] = max(free, key=lambda i: (votes[i], -i))
    return channels
