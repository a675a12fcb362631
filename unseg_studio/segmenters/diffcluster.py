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

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from unseg_studio.data import FIRST_CLUSTER, Image, Scribbles
from unseg_studio.features.capture import CaptureShelf, Recorder, rounded_convolutions
from unseg_studio.features.lazy_torch import torch
from unseg_studio.segmenters import losses
from unseg_studio.segmenters.base import Estimate, check_params, param, resolve_device
from unseg_studio.segmenters.iterations import (
    Ending,
    Iteration,
    Iterations,
    Pace,
    Shown,
    Weighting,
    winners,
)
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
from unseg_studio.segmenters.sgd import SGD
from unseg_studio.segmenters.training import Album, TrainingStep, train

WARM_SHARE = 0.25
"""Part of `iterations` that a stroke may take: the network has been trained already."""


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
        high=4096, step=16, unit="px", advanced=True, is_working_size=True,
    )  # fmt: skip
    patience: int = param(
        6, "Patience", "Go on when the labels rest for this many iterations; 0: as published, only "
        "the fewest clusters end a run.", low=0, high=1000, step=1, advanced=True,
    )  # fmt: skip
    precision: str = param(
        "exact", "Precision", "On CUDA, fast convolutions round their factors to 10 bits (TF32), "
        "which ends with somewhat other labels.", choices=("exact", "fast"), advanced=True,
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
    def is_rounded(self) -> bool:
        """Convolutions may round on devices where that is faster.

        Labels only merge, so small differences grow. Three sample images of 241 x 161 px, preset
        `live`, factors rounded by hand on a processor: 77 to 97 % of the pixels had the same label
        in the end; where the last bit of the image changed, 85 to 99.6 %; with another seed 67 to
        77 %. A narrow network gains nothing by it, so it has to be asked for.
        """
        return self.precision == "fast"

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


@dataclass(frozen=True, eq=False)
class Memory:
    """Where an optimisation stands; small, since the network is."""

    weights: dict[str, Any]
    momentum: list[torch.Tensor]
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
        *,
        pace: Pace | None = None,
        recorder: Recorder | None = None,
    ) -> None:
        self._segmenter, self._image, self._device = segmenter, image, device
        # References and images may differ in their channels; what people see has always three.
        unit = image.unit if weights is None else unit_of(image.rgb)
        self._levels = pyramid(segmenter, unit, device)
        self._final = final_plane(segmenter, unit, device)
        self._net = seeded_network(unit.shape[2], segmenter, device)
        self._descent = SGD(self._net.parameters(), segmenter.learning_rate)
        self._pace, self._recorder = pace, recorder
        self._ready: CaptureShelf[Iterations] = CaptureShelf()
        self._note, self._is_said = "", False
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
            before = done
            for shown in self._optimise(level, budget, scribbles):
                done, loss = before + shown.number + 1, shown.loss
                yield self._estimate(shown.response, done, total, loss)
        last = self._estimate(self._last_pass(), done, total, loss, is_last=True)
        yield replace(last, note=self._unsaid())

    def memory(self) -> object:
        """Weights, momentum and channels as they are now; see `Fit.memory`."""
        weights = {name: tensor.clone() for name, tensor in self._net.state_dict().items()}
        momentum, channels = self._descent.momentum(), dict(self._channels)
        return Memory(weights, momentum, channels, self._response, self._n_done)

    def recall(self, memory: object) -> None:
        """Take everything back that an earlier moment had; see `Fit.recall`."""
        if not isinstance(memory, Memory):
            raise TypeError(f"A memory of DiffCluster is needed, not {type(memory).__name__}.")
        self._net.load_state_dict(memory.weights)
        self._descent.recall(memory.momentum)
        self._channels = dict(memory.channels)
        self._response, self._n_done = memory.response, memory.n_done

    def _plan(self) -> list[int]:
        """Iterations for each level: what is left of the first run, and then a share of it."""
        budget = float(self._segmenter.iterations)
        if self._segmenter.patience:
            budget = max(budget - self._n_done, budget * WARM_SHARE)
        return [max(1, round(budget * level.share)) for level in self._levels]

    def _optimise(self, level: Level, budget: int, scribbles: Scribbles) -> Iterator[Shown]:
        """The loop of the paper at one resolution."""
        ending = Ending(self._fewest(scribbles), self._segmenter.patience)
        targets, is_scribbled = self._targets(scribbles, level), bool(self._channels)
        # Of one image, so the level and the terms of the objective are all that differs.
        key = (level.shape, is_scribbled)
        ready = self._ready.get(key, lambda: self._iterations(level, is_scribbled=is_scribbled))
        before = self._n_done
        for shown in ready.run(budget, targets, ending):
            self._n_done, self._response = before + shown.number + 1, shown.response
            yield shown

    def _iterations(self, level: Level, *, is_scribbled: bool) -> Iterations:
        segmenter = self._segmenter
        pace = self._pace or Pace.of(self._device).on(level.shape)
        weighting = Weighting(
            segmenter.mu, segmenter.nu, segmenter.max_clusters, is_scribbled, segmenter.is_rounded
        )
        iteration = Iteration(self._net, self._descent, level, weighting=weighting, pace=pace)
        made = Iterations(iteration, self._device, pace=pace, recorder=self._recorder)
        self._note = self._note or made.note
        return made

    def _unsaid(self) -> str:
        """Why iterations could not be recorded, the first time that somebody asks."""
        if not self._note or self._is_said:
            return ""
        self._is_said = True
        return self._note

    def _last_pass(self) -> torch.Tensor:
        with (
            torch.no_grad(),
            rounded_convolutions(self._device, allowed=self._segmenter.is_rounded),
        ):
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
        wins = winners(response.argmax(dim=0), len(response)).tolist()
        channels = [i for i, is_used in enumerate(wins) if is_used or i in category_of]
        ids = tuple(category_of.get(i, FIRST_CLUSTER + i) for i in channels)
        return Estimate(response[channels], ids, step, total, loss, is_last)
