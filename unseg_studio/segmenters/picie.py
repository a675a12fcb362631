"""PiCIE: clusters that stay the same in other light, and move along with what is cut out.

J. H. Cho, U. Mall, K. Bala, B. Hariharan, "PiCIE: Unsupervised Semantic Segmentation Using
Invariance and Equivariance in Clustering", CVPR 2021 (arXiv 2103.17070); the objective is in
`invariance`, the networks are in `picie_nets`.

In each round an image has two views, each in other colours: a part of it, and the same part of the
features of the whole. The features of both are clustered, each on their own, and then learn to fall
into the clusters of both.

Two presets of this one implementation. `paper`: a ResNet-18 with a feature pyramid that learns as a
whole, from clusters that are drawn anew in each round, with the rate, the rounds and the weights of
clusters as published. `live`: a linear head on the bundled features that begins with their main
axes and learns in minutes, from clusters that go on from round to round. In both a sample of places
stands for all of an image, and an update has as many images as a small folder can give.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import zip_longest
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import scipy  # its parts are loaded where they are used, which no window waits for

from unseg_studio.data import Image
from unseg_studio.features.augment import Rgb
from unseg_studio.features.backbone import FeatureRequest
from unseg_studio.features.catalogue import BACKBONES, BUNDLED
from unseg_studio.features.deep import deep_planes
from unseg_studio.features.lazy_torch import torch
from unseg_studio.segmenters import training
from unseg_studio.segmenters.base import check_params, param, seeded
from unseg_studio.segmenters.clustering import closeness, lloyd
from unseg_studio.segmenters.descent import AdamW, Momentum
from unseg_studio.segmenters.invariance import BALANCES, Division, shares_of
from unseg_studio.segmenters.learned import LearnedFit, model_param
from unseg_studio.segmenters.models import Model
from unseg_studio.segmenters.peers import ALONE, Peers
from unseg_studio.segmenters.picie_nets import Encoder, HeadEncoder, Views, WholeEncoder
from unseg_studio.segmenters.plan import Plan, Work
from unseg_studio.segmenters.training import TRAINING, Album, Tensors, TrainingStep

NETWORK, CENTROIDS = "network.", "centroids"
"""Names of tensors in a model; the first is the beginning of one."""

MOST_PAIRS = 80
"""Of views in a round; where there are more images, some wait for the next one."""

TOGETHER = 4
"""Pairs of views that are made in one step."""

N_PLACES = 12000
"""In all pairs of a round."""

MOST_PLACES = 1500
"""In one pair; there are not many more that differ."""

BATCH_IMAGES, BATCH_PLACES = 16, 2048
"""In one update."""

UPDATES = 20
"""Of a round."""

ROUNDS_OF_ONE = 3
"""Rounds of a single image; several images get so many each, up to those that were asked for."""

SETTLING = 5
"""Steps of the centroids by which images are judged, after the features have changed."""

CERTAINTY = 10.0
"""By which the closeness to centroids is multiplied to give log-probabilities."""


@dataclass(frozen=True)
class PiCIE:
    """Invariance and equivariance in clustering; every field is explained by its `Param`."""

    name: ClassVar[str] = "picie"
    title: ClassVar[str] = "PiCIE"
    summary: ClassVar[str] = (
        "Learns from all images clusters that stay the same in other light and other cuts."
    )
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "live": {},
        "paper": {
            "network": "resnet18",
            "n_clusters": 27,
            "renewed": True,
            "learning_rate": 0.0001,
        },
    }

    n_clusters: int = param(16, "Clusters", "How many there are.", low=2, high=512, step=1)
    backbone: str = param(
        BUNDLED, "Backbone", "The network whose features are clustered.", choices=tuple(BACKBONES)
    )
    weights: str = param(
        "", "Weights file", "Of the backbone or the ResNet-18, for machines without a network.",
        advanced=True,
    )  # fmt: skip
    network: str = param(
        "head", "Learns",
        "A head on the backbone's features; or a ResNet-18 as a whole, instead of the backbone, "
        "which without a weights file begins with random weights.",
        choices=("head", "resnet18"), advanced=True,
    )  # fmt: skip
    rounds: int = param(
        10, "Rounds", "How often images are seen and clustered.", low=1, high=1000, step=1,
        advanced=True,
    )  # fmt: skip
    over_clusters: int = param(
        0, "More clusters",
        "A second objective divides the features into so many; 0: there is none.", low=0, high=512,
        step=10, advanced=True,
    )  # fmt: skip
    balance: str = param(
        "frequency", "Balance", "What clusters count for: as much as they are large, all alike, or "
        "the less.", choices=BALANCES, advanced=True,
    )  # fmt: skip
    renewed: bool = param(
        False, "New clusters", "Clusters are drawn anew in each round, as published; else they go "
        "on from those before.", advanced=True,
    )  # fmt: skip
    temperature: float = param(
        1.0, "Temperature", "Less of it wants features closer to their centroids.", low=0.01,
        high=10.0, step=0.1, advanced=True,
    )  # fmt: skip
    width: int = param(
        128, "Width", "Features that are learned.", low=2, high=256, step=16, advanced=True
    )
    learning_rate: float = param(
        0.001, "Learning rate", "Larger steps are quicker and less exact.", low=0.00001, high=0.1,
        step=0.001, advanced=True,
    )  # fmt: skip
    seed: int = param(
        0, "Seed", "The same seed gives the same labels.", low=0, high=2**31 - 1, step=1,
        advanced=True,
    )  # fmt: skip
    model: str = model_param()

    def __post_init__(self) -> None:
        check_params(self)

    def fit(self, image: Image, device: str = "auto") -> LearnedFit:
        """One forward pass by the model; without one the first run learns from the image alone."""
        return LearnedFit(self, image, device)

    def train(
        self, images: Sequence[Image], device: str = "auto", *, start: Model | None = None
    ) -> Iterator[TrainingStep]:
        """Learn from images; see `Trainable.train`."""
        return training.train(self, self.learner, images, device, start=start)

    def learner(self, album: Album, place: torch.device) -> PiCIELearner:
        """Takes the steps of a training."""
        return PiCIELearner(self, album, place)

    def scorer(self, model: Model, device: torch.device) -> PiCIEScorer:
        """Judges images by a model; see `Trainable.scorer`."""
        training.require_method(self, model)
        own, shape = _network_of(model.tensors), (self.n_clusters, self.width)
        try:
            if any(model.parameters[name] != getattr(self, name) for name in _FIXED):
                raise KeyError(self.name)
            n_channels = 0 if self.network == "resnet18" else own["weight"].shape[1]
            encoder = encoder_of(self, device, n_channels)
            encoder.network.load_state_dict(own)
            centroids = model.tensors[CENTROIDS].to(device).reshape(shape)
        except (KeyError, RuntimeError, IndexError) as error:
            raise ValueError(
                f"{self.title} has another backbone, network, width or number of clusters than "
                "this model was trained with. Set them as they were, or train again."
            ) from error
        return PiCIEScorer(encoder, centroids)


_FIXED = ("network", "backbone", "width", "n_clusters")
"""Parameters that have to be as they were when a model was trained."""


def encoder_of(segmenter: PiCIE, device: torch.device, n_channels: int) -> Encoder:
    """The network of a segmenter before it has learned; the backbone has so many channels."""
    file = Path(segmenter.weights) if segmenter.weights else None
    width, seed = segmenter.width, segmenter.seed
    if segmenter.network == "resnet18":
        return WholeEncoder(file, width=width, seed=seed, device=device)
    with seeded(seed):
        head = torch.nn.Linear(n_channels, width, device=device)
    return HeadEncoder(FeatureRequest(segmenter.backbone), file, head)


def channels_of(segmenter: PiCIE, rgb: Rgb) -> int:
    """Of the features that a head is put on, told by an image; 0 where there is none."""
    if segmenter.network == "resnet18":
        return 0
    file = Path(segmenter.weights) if segmenter.weights else None
    return len(deep_planes(rgb, FeatureRequest(segmenter.backbone), file))


def _network_of(tensors: Tensors) -> dict[str, torch.Tensor]:
    return {n.removeprefix(NETWORK): t for n, t in tensors.items() if n.startswith(NETWORK)}


class PiCIEScorer:
    """Judges images by how close their features are to the centroids."""

    def __init__(self, encoder: Encoder, centroids: torch.Tensor) -> None:
        self._encoder, self._centroids = encoder, centroids

    def __call__(self, rgb: Rgb) -> torch.Tensor:
        """See `Scorer`."""
        with torch.no_grad():
            planes = self._encoder.planes(rgb)
            scores = closeness(planes.flatten(1).T, self._centroids)
        return CERTAINTY * scores.T.reshape(-1, *planes.shape[1:])


class PiCIELearner:
    """Rounds of looking, clustering and learning; see `Learner`.

    A round makes views of some images in each of its first steps, and then clusters what it has
    seen and learns, one update a step. What it has seen is not put down: it can be drawn again.
    """

    def __init__(self, segmenter: PiCIE, album: Album, device: torch.device) -> None:
        self._segmenter, self._album, self._device = segmenter, album, device
        self._n_pairs = min(len(album), MOST_PAIRS)
        self._n_places = min(N_PLACES // self._n_pairs, MOST_PLACES)
        self._n_looks = -(-self._n_pairs // TOGETHER)
        self._round = self._n_looks + UPDATES
        self.total = self.plan(len(album)).total
        ((_, first),) = album.spread(1)
        self._encoder = encoder_of(segmenter, device, channels_of(segmenter, first))
        parameters = self._encoder.network.parameters()
        self._descent = AdamW(parameters, segmenter.learning_rate, decay=0)
        self._n_clusters = [n for n in (segmenter.n_clusters, segmenter.over_clusters) if n]
        self._divisions: list[Division] = []
        self._start = torch.zeros(segmenter.n_clusters, segmenter.width, device=device)
        self._centroids, self._is_settled = self._start, True
        self._seen: list[Any] = []
        self._seen_until = -1, 0
        self._peers = ALONE

    def join(self, peers: Peers) -> None:
        """Share views and updates; see `Joining`."""
        if self._segmenter.network == "resnet18":
            raise ValueError(
                "PiCIE with a ResNet-18, whose normalisation looks at all images of an update, "
                "learns in one process. Start it without torchrun, or choose the network 'head'."
            )
        self._peers = peers

    def plan(self, n_images: int) -> Plan:
        """Looks, divisions with the first update, and the other updates of all rounds."""
        n_rounds = min(self._segmenter.rounds, ROUNDS_OF_ONE * n_images)
        n_pairs = min(n_images, MOST_PAIRS)
        n_looks = -(-n_pairs // TOGETHER)
        n_places = n_pairs * min(N_PLACES // n_pairs, MOST_PLACES)
        works = (
            Work("look", n_rounds * n_looks, n_pairs / n_looks),
            Work("divide", n_rounds, n_places),
            Work("update", n_rounds * (UPDATES - 1)),
        )
        return Plan(works, settling=n_places)

    def kind(self, number: int) -> str:
        """Of a step."""
        place = number % self._round
        if place < self._n_looks:
            return "look"
        return "divide" if place == self._n_looks else "update"

    def step(self, number: int) -> float:
        """Make views, or take an update."""
        turn, place = divmod(number, self._round)
        self._look(turn, min(place + 1, self._n_looks))
        if place < self._n_looks:
            return float("nan")
        if place == self._n_looks:
            self._divide(turn)
        return self._update(self._random(number))

    def _random(self, *place: int) -> np.random.Generator:
        return np.random.default_rng((self._segmenter.seed, *place))

    def _look(self, turn: int, n_looks: int) -> None:
        """Have the views of the first looks of a round; what was made for it is still there."""
        if self._seen_until[0] != turn:
            self._settle()
            self._seen, self._seen_until = [], (turn, 0)
        order = self._random(turn, 0).permutation(len(self._album))
        first, last = (TOGETHER * n for n in (self._seen_until[1], n_looks))
        pairs = range(first, min(last, self._n_pairs))
        read = [(self._album.rgb(int(order[pair])), pair) for pair in pairs]
        self._see([(rgb, self._random(turn, 1, pair)) for rgb, pair in read if rgb is not None])
        if n_looks == self._n_looks and not self._seen:  # every image of this round is broken
            ((_, rgb),) = self._album.drawn(1, self._random(turn, 2))
            self._see([(rgb, self._random(turn, 3))])
        self._seen_until = turn, n_looks

    def _see(self, pairs: Sequence[tuple[Rgb, np.random.Generator]]) -> None:
        def seen(pair: int) -> Any:
            return self._encoder.seen(Views.drawn(*pairs[pair], self._n_places))

        self._seen += self._peers.shared(len(pairs), seen)

    def _divide(self, turn: int) -> None:
        """Cluster both views; clusters keep their numbers from round to round."""
        if turn == 0:
            self._encoder.begin(self._seen)
        points, random = self._embedded(), self._random(turn, 4)
        known = () if self._segmenter.renewed else self._divisions
        self._divisions = [
            Division.of(points[:2], n, random, start=before)
            for n, before in zip_longest(self._n_clusters, known)
        ]
        self._start = in_order_of(self._centroids, self._divisions[0].centroids[1])

    def _embedded(self) -> torch.Tensor:
        """Features of all places that were seen, (3, N, D)."""
        every = torch.arange(self._n_places, device=self._device)[None]
        with torch.no_grad():
            points = [self._encoder.embedded([own], every) for own in self._seen]
        return torch.cat(points, dim=1)

    def _update(self, random: np.random.Generator) -> float:
        n_seen = len(self._seen)
        images = random.permutation(n_seen)[:BATCH_IMAGES]
        n_places = min(BATCH_PLACES // len(images), self._n_places)
        chosen = random.integers(self._n_places, size=(len(images), n_places))
        places = torch.from_numpy((images[:, None] * self._n_places + chosen).ravel())
        parts = np.array_split(np.arange(len(images)), min(self._peers.n, len(images)))

        def embedded(part: int) -> torch.Tensor:
            own = [self._seen[images[number]] for number in parts[part]]
            return self._encoder.embedded(own, torch.from_numpy(chosen[parts[part]]), n_views=2)

        points = torch.cat(self._peers.shared(len(parts), embedded), dim=1)
        loss = self._loss(points, places.to(self._device))
        self._descent.step(loss, peers=self._peers)
        self._is_settled = False
        return loss.item()

    def _loss(self, points: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        segmenter, shares = self._segmenter, shares_of(self._n_clusters)
        losses = [
            share * own.loss(points, places, own.weights(segmenter.balance), segmenter.temperature)
            for share, own in zip(shares, self._divisions, strict=True)
        ]
        return torch.stack(losses).sum()

    def _settle(self) -> None:
        """Centroids of the features as they are now, by which images are judged."""
        if not self._is_settled:
            self._centroids = lloyd(self._embedded()[2], self._start, SETTLING)
            self._is_settled = True

    def tensors(self) -> Tensors:
        """Network and centroids; the optimiser's means and the clusters of this round."""
        self._settle()
        state = self._encoder.network.state_dict()
        tensors = {f"{NETWORK}{name}": tensor for name, tensor in state.items()}
        tensors |= {CENTROIDS: self._centroids, f"{TRAINING}start": self._start}
        for kind, means in vars(self._descent.momentum()).items():
            tensors |= {f"{TRAINING}{kind}.{i}": mean for i, mean in enumerate(means)}
        for i, own in enumerate(self._divisions):
            tensors[f"{TRAINING}divided.{i}.centroids"] = own.centroids
            tensors[f"{TRAINING}divided.{i}.clusters"] = own.clusters.to(torch.int16)
        return tensors

    def recall(self, tensors: Tensors) -> None:
        """Go on from these."""
        here = {name: tensor.to(self._device) for name, tensor in tensors.items()}
        self._encoder.network.load_state_dict(_network_of(here))
        n_parameters = len(list(self._encoder.network.parameters()))
        kinds = (field.name for field in fields(Momentum))
        self._descent.recall(
            Momentum(*([here[f"{TRAINING}{k}.{i}"] for i in range(n_parameters)] for k in kinds))
        )
        self._start = here[f"{TRAINING}start"].reshape(self._start.shape)
        self._centroids, self._is_settled = here[CENTROIDS].reshape(self._start.shape), True
        names = [f"{TRAINING}divided.{i}." for i in range(len(self._n_clusters))]
        self._divisions = [
            Division(here[f"{name}centroids"], here[f"{name}clusters"].long())
            for name in names
            if f"{names[0]}centroids" in here  # none before the first round's views are made
        ]
        self._seen_until = -1, 0

    def scorer(self) -> PiCIEScorer:
        """By network and centroids as they are now."""
        self._settle()
        return PiCIEScorer(self._encoder, self._centroids)


def in_order_of(before: torch.Tensor, centroids: torch.Tensor) -> torch.Tensor:
    """The same centroids, each in the place of the one before that it continues, (K, D).

    The total of the squared distances is smallest (Hungarian method).
    """
    apart = torch.cdist(before, centroids).square().cpu().numpy()
    _, places = scipy.optimize.linear_sum_assignment(apart)
    return centroids[torch.from_numpy(places).to(centroids.device)]
