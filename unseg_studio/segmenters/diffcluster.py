"""DiffCluster: a small network learns the clusters of one image while they are shown.

W. Kim, A. Kanezaki, M. Tanaka, "Unsupervised Learning of Image Segmentation Based on
Differentiable Feature Clustering", IEEE Transactions on Image Processing 29, 2020
(arXiv 2007.09990).

    response    r' = BN(conv1x1([BN(ReLU(conv3x3(.)))] x M (image)))      (q, h, w)
    labels      c  = argmax r'
    objective   L  = L_sim(r', c) + nu L_scr(r', scribbles) + mu L_con(r')
    update      SGD with momentum; stop when few clusters are left

The network is trained from random weights on the one image, so nothing is downloaded. With several
reference images it is trained on all of them together (`reference`), and an unseen one is divided
by the weights as they are; strokes then train them on. Two presets
of this one implementation: `paper`, every detail as published (in the means of the authors' code
where the paper writes sums), and `live`, the same objective from coarse to fine on a small pyramid
with a narrow network, warm-started by every stroke.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from unseg_studio.data import FIRST_CLUSTER, Image, Scribbles
from unseg_studio.features.lazy_torch import torch
from unseg_studio.segmenters import losses
from unseg_studio.segmenters.base import Estimate, check_params, param, resolve_device
from unseg_studio.segmenters.learned import model_param
from unseg_studio.segmenters.models import Model, kept
from unseg_studio.segmenters.reference import ReferenceLearner, ReferenceScorer, weights_of
from unseg_studio.segmenters.response import (
    Level,
    final_plane,
    pyramid,
    seeded_network,
    unit_of,
)
from unseg_studio.segmenters.training import Album, TrainingStep, train

WARM_SHARE = 0.25
"""Part of `iterations` that a stroke may take: the network has been trained already."""

RESTING = 1e-3
"""Labels rest when a smaller part of the pixels than this changes its label in an iteration."""


@dataclass(frozen=True)
class DiffCluster:
    """Differentiable feature clustering; every field is explained by its `Param`."""

    name: ClassVar[str] = "diffcluster"
    title: ClassVar[str] = "DiffCluster"
    summary: ClassVar[str] = (
        "Learns the colours and textures of this one image; needs no weights and no training set."
    )
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "live": {},
        "paper": {
            "max_clusters": 100,
            "width": 100,
            "mu": 1.0,
            "nu": 0.5,
            "iterations": 1000,
            "size": 0,
            "patience": 0,
        },
    }

    max_clusters: int = param(
        16, "Most clusters", "Upper limit of the number of clusters.", low=2, high=256, step=1
    )
    min_clusters: int = param(
        3, "Fewest clusters", "The run stops before fewer are left.", low=1, high=256, step=1
    )
    mu: float = param(
        1.0,
        "Smoothness",
        "More of it makes larger, rounder clusters.",
        low=0.0,
        high=50.0,
        step=0.5,
    )
    nu: float = param(
        1.0, "Scribble weight", "How strongly scribbles pull.", low=0.0, high=10.0, step=0.1,
        advanced=True,
    )  # fmt: skip
    n_conv: int = param(
        2, "Convolutions", "More of them see larger textures.", low=1, high=5, step=1, advanced=True
    )
    width: int = param(
        24, "Width", "Channels inside the network; more are slower and finer.", low=4, high=512,
        step=4, advanced=True,
    )  # fmt: skip
    learning_rate: float = param(
        0.1, "Learning rate", "Larger steps merge clusters sooner.", low=0.001, high=1.0, step=0.01,
        advanced=True,
    )  # fmt: skip
    iterations: int = param(
        44, "Iterations", "The most that one run takes.", low=1, high=10000, step=10, advanced=True
    )
    size: int = param(
        160, "Working size", "Longer side while optimising; 0 takes the image's own.", low=0,
        high=4096, step=16, unit="px", advanced=True,
    )  # fmt: skip
    patience: int = param(
        6, "Patience", "Go on when the labels rest for this many iterations; 0: as published, only "
        "the fewest clusters end a run.", low=0, high=1000, step=1, advanced=True,
    )  # fmt: skip
    seed: int = param(
        0, "Seed", "The same seed gives the same labels.", low=0, high=2**31 - 1, step=1,
        advanced=True,
    )  # fmt: skip
    model: str = model_param()

    def __post_init__(self) -> None:
        check_params(self)
        if self.min_clusters > self.max_clusters:
            raise ValueError(
                f"{self.name}: min_clusters is {self.min_clusters}, max_clusters is "
                f"{self.max_clusters}; the fewest clusters cannot be more than the most."
            )

    @property
    def is_pyramid(self) -> bool:
        """Coarse to fine, instead of at the image's own size."""
        return self.size > 0

    def fit(self, image: Image, device: str = "auto") -> DiffClusterFit:
        """Make the image pyramid and the network: random, or as it was trained on references."""
        weights = weights_of(self, kept(self.model)) if self.model else None
        return DiffClusterFit(self, image, resolve_device(device), weights)

    def train(
        self, images: Sequence[Image], device: str = "auto", *, start: Model | None = None
    ) -> Iterator[TrainingStep]:
        """Learn from reference images together; see `Trainable.train`."""
        return train(self, self.learner, images, device, start=start)

    def learner(self, album: Album, place: torch.device) -> ReferenceLearner:
        """Takes the steps of a training."""
        return ReferenceLearner(self, album, place)

    def scorer(self, model: Model, device: torch.device) -> ReferenceScorer:
        """Judges images by trained weights; see `Trainable.scorer`."""
        return ReferenceScorer(self, weights_of(self, model), device)


@dataclass
class Rest:
    """Counts for how many iterations the labels have rested."""

    patience: int
    quiet: int = 0
    last: torch.Tensor | None = field(default=None, repr=False)

    def is_reached(self, labels: torch.Tensor) -> bool:
        """Take the labels of an iteration and say whether they have rested long enough."""
        if self.patience and self.last is not None:
            churn = (labels != self.last).float().mean().item()
            self.quiet = self.quiet + 1 if churn < RESTING else 0
        self.last = labels
        return bool(self.patience) and self.quiet >= self.patience


@dataclass(frozen=True, eq=False)
class Memory:
    """Where an optimisation stands; small, since the network is."""

    weights: dict[str, Any]
    momentum: dict[str, Any]
    channels: dict[int, int]
    response: torch.Tensor | None
    n_done: int


class DiffClusterFit:
    """The network of one image, its optimiser and the channels that categories have taken."""

    def __init__(
        self,
        segmenter: DiffCluster,
        image: Image,
        device: torch.device,
        weights: Mapping[str, torch.Tensor] | None = None,
    ) -> None:
        self._segmenter = segmenter
        self._image = image
        # References and images may differ in their channels; what people see has always three.
        unit = image.unit if weights is None else unit_of(image.rgb)
        self._levels = pyramid(segmenter, unit, device)
        self._final = final_plane(segmenter, unit, device)
        self._net = seeded_network(unit.shape[2], segmenter, device)
        self._optimiser = torch.optim.SGD(
            self._net.parameters(), lr=segmenter.learning_rate, momentum=0.9
        )
        self._channels: dict[int, int] = {}
        self._response: torch.Tensor | None = None
        self._n_done = 0
        self._is_trained = weights is not None
        if weights is not None:
            self._net.load_state_dict(weights)
            self._n_done = segmenter.iterations

    def refine(self, scribbles: Scribbles) -> Iterator[Estimate]:
        """Optimise on, towards the scribbles; see `Fit.refine`."""
        scribbles.require_shape(self._image.shape)
        self._assign_channels(scribbles)
        plan = [] if self._is_trained and scribbles.is_empty else self._plan()
        total, done, loss = sum(plan), 0, float("nan")
        if self._response is not None:
            yield self._estimate(self._response, 0, total, loss)
        for level, budget in zip(self._levels, plan, strict=False):
            for response, loss in self._optimise(level, budget, scribbles):
                done += 1
                yield self._estimate(response, done, total, loss)
        yield self._estimate(self._last_pass(), done, total, loss, is_last=True)

    def memory(self) -> object:
        """Weights, momentum and channels as they are now; see `Fit.memory`."""
        momentum = copy.deepcopy(self._optimiser.state_dict())
        channels = dict(self._channels)
        return Memory(self._weights(), momentum, channels, self._response, self._n_done)

    def recall(self, memory: object) -> None:
        """Take everything back that an earlier moment had; see `Fit.recall`."""
        if not isinstance(memory, Memory):
            raise TypeError(f"A memory of DiffCluster is needed, not {type(memory).__name__}.")
        self._net.load_state_dict(memory.weights)
        self._optimiser.load_state_dict(copy.deepcopy(memory.momentum))
        self._channels = dict(memory.channels)
        self._response, self._n_done = memory.response, memory.n_done

    def _plan(self) -> list[int]:
        """Iterations for each level: what is left of the first run, and then a share of it."""
        budget = float(self._segmenter.iterations)
        if self._segmenter.patience:
            budget = max(budget - self._n_done, budget * WARM_SHARE)
        return [max(1, round(budget * level.share)) for level in self._levels]

    def _optimise(
        self, level: Level, budget: int, scribbles: Scribbles
    ) -> Iterator[tuple[torch.Tensor, float]]:
        """The loop of the paper at one resolution: (response, loss) of every iteration."""
        segmenter, targets = self._segmenter, self._targets(scribbles, level)
        fewest, rest, kept = self._fewest(scribbles), Rest(segmenter.patience), None
        for _ in range(budget):
            response = self._net(level.image)[0].permute(1, 2, 0).contiguous()
            labels = response.detach().argmax(dim=2)
            n_labels = int(torch.unique(labels).numel())
            if kept and n_labels < fewest:
                self._go_back(kept)
                return
            kept = self._weights() if segmenter.patience else None
            loss = losses.objective(response, labels, targets, mu=segmenter.mu, nu=segmenter.nu)
            self._step(loss)
            self._n_done += 1
            self._response = response.detach().permute(2, 0, 1)
            yield self._response, loss.item()
            if rest.is_reached(labels) or (not segmenter.patience and n_labels <= fewest):
                return

    def _step(self, loss: torch.Tensor) -> None:
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimiser.step()

    def _weights(self) -> dict[str, Any]:
        return {name: tensor.clone() for name, tensor in self._net.state_dict().items()}

    def _go_back(self, weights: dict[str, Any]) -> None:
        """Take older weights, and forget the momentum that led away from them."""
        self._net.load_state_dict(weights)
        self._optimiser.state.clear()

    def _last_pass(self) -> torch.Tensor:
        with torch.no_grad():
            response: torch.Tensor = self._net(self._final)[0]
        return response

    def _fewest(self, scribbles: Scribbles) -> int:
        """How many labels end a run: as many as are scribbled, in the live preset at least some."""
        scribbled = len(scribbles.categories)
        if self._segmenter.patience:
            return max(scribbled, self._segmenter.min_clusters)
        return scribbled or self._segmenter.min_clusters

    def _targets(self, scribbles: Scribbles, level: Level) -> torch.Tensor:
        """Channel wanted at each pixel of a level, (h, w) int64; -1 where nothing is scribbled."""
        ids = scribbles.resized(level.shape).ids
        targets = np.full(level.shape, losses.UNSCRIBBLED, np.int64)
        for category, channel in self._channels.items():
            targets[ids == category] = channel
        return torch.from_numpy(targets).to(level.image.device)

    def _assign_channels(self, scribbles: Scribbles) -> None:
        """Give each new category a channel: the one that wins most under its strokes.

        Where the network is untrained, or others have taken that channel, the category gets the
        one of its own number, as published, or the next free one. When there are more categories
        than channels, the last ones get none; the decoder knows them from the scribbles.
        """
        present = set(scribbles.categories)
        self._channels = {c: i for c, i in self._channels.items() if c in present}
        for category in sorted(present - self._channels.keys()):
            taken = set(self._channels.values())
            free = [i for i in range(self._segmenter.max_clusters) if i not in taken]
            if not free:
                return
            votes = self._votes(scribbles, category)
            best = max(free, key=lambda i: (votes[i], i == category - 1, -i))
            self._channels[category] = best

    def _votes(self, scribbles: Scribbles, category: int) -> np.ndarray:
        """For each channel, how many pixels it wins under the strokes of a category."""
        if self._response is None:
            return np.zeros(self._segmenter.max_clusters, np.int64)
        labels = self._response.argmax(dim=0).cpu().numpy()
        under = labels[scribbles.resized(labels.shape).ids == category]
        return np.bincount(under, minlength=self._segmenter.max_clusters)

    def _estimate(
        self, response: torch.Tensor, step: int, total: int, loss: float, *, is_last: bool = False
    ) -> Estimate:
        """The channels that win somewhere or belong to a category, with their ids."""
        category_of = {channel: category for category, channel in self._channels.items()}
        used = set(torch.unique(response.argmax(dim=0)).tolist()) | category_of.keys()
        channels = sorted(used)
        ids = tuple(category_of.get(i, FIRST_CLUSTER + i) for i in channels)
        return Estimate(response[channels], ids, step, total, loss, is_last)
