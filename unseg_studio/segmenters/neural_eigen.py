"""Neural Eigenfunctions: a network learns the main eigenfunctions of what looks alike.

Z. Deng, Y. Luo, "Learning Neural Eigenfunctions for Unsupervised Semantic Segmentation", ICCV 2023
(arXiv 2304.02841); the kernel and the objective are in `eigen`.

Features of a frozen backbone go through two blocks of attention that see one image as a whole; the
outputs, made almost discrete by Gumbel noise, become eigenfunctions of a kernel over all places of
a few images: what looks alike in any of them, and what lies together in one. Nothing else goes in:
no function here can be given labels.

Presets of this one implementation. `paper`: as published, for tokens of a ViT, where each function
is a cluster; `paper-kmeans`: the same, and k-means clusters what the last layer but one makes of
the places (the "*" of the paper's tables). `live`: a narrow network that learns from a coarse grid
of the bundled features, without augmentation, in minutes. Since k-means and functions of equal size
cut what there is most of, a road or a sky, into several clusters, `live` lets k-means find many
parts of what is hidden, and joins those whose mean features are alike by average linkage, where
all parts count alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from math import ceil, cos, pi
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import scipy  # its parts are loaded where they are used, which no window waits for

from unseg_studio.data import Image
from unseg_studio.features.augment import Geometry, Photometry, Rgb
from unseg_studio.features.backbone import FeatureRequest
from unseg_studio.features.catalogue import BACKBONES, BUNDLED, backbone
from unseg_studio.features.deep import deep_planes
from unseg_studio.features.lazy_torch import torch
from unseg_studio.segmenters import psi, training
from unseg_studio.segmenters.base import check_params, param
from unseg_studio.segmenters.clustering import closeness, clustered
from unseg_studio.segmenters.descent import AdamW, Momentum
from unseg_studio.segmenters.eigen import columns_bounded, feature_kernel, objective, place_kernel
from unseg_studio.segmenters.learned import LearnedFit, model_param
from unseg_studio.segmenters.models import Model
from unseg_studio.segmenters.peers import ALONE, Peers
from unseg_studio.segmenters.plan import Plan, Work
from unseg_studio.segmenters.training import TRAINING, Album, Tensors, TrainingStep

SCALE = 0.01
"""Squared length of a function over all places of a step, at most."""

WARM, COLD = 1.0, 0.3
"""Temperatures of the first and of the last step."""

LAST_RATE = 1e-5
"""Learning rate of the last step."""

LEAST_STEPS, STEPS_OF_ONE = 60, 20
"""Of a training on a few images, and of one on a single image."""

N_MEASURED, N_CLUSTERED = 8, 32
"""Images that the features are measured on, and whose places k-means clusters."""

LEAST = 1e-6
"""Added where something is divided by."""

MEAN, DEVIATION = "inputs.mean", "inputs.deviation"
CENTRES, OWNERS, SPREAD = "clusters.centres", "clusters.owners", "clusters.spread"
"""Names of tensors that are found and not learned by steps."""

FOUND = MEAN, DEVIATION, CENTRES, OWNERS, SPREAD

SHAPING = "backbone", "clusters", "n_clusters"
"""Parameters that a model must have been trained with, beside what its tensors' shapes tell."""

PARTS = 128
"""Centres of k-means that are joined to clusters."""

PUBLISHED: dict[str, Any] = {
    "n_clusters": 256,
    "clusters": "functions",
    "n_functions": 256,
    "n_nearest": 256,
    "n_places": 0,
    "batch": 16,
    "epochs": 40,
    "width": 0,
    "augment": True,
}


@dataclass(frozen=True)
class NeuralEigen:
    """Neural eigenfunctions; every field is explained by its `Param`."""

    name: ClassVar[str] = "neural_eigen"
    title: ClassVar[str] = "Neural Eigenfunctions"
    summary: ClassVar[str] = (
        "Learns from all images which places belong together, and gives them the same cluster."
    )
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "live": {},
        "paper": PUBLISHED,
        "paper-kmeans": {**PUBLISHED, "clusters": "kmeans"},
    }

    n_clusters: int = param(16, "Clusters", "How many there are.", low=2, high=512, step=1)
    clusters: str = param(
        "parts", "Clusters are", "Parts that are joined; centres of k-means; or the functions.",
        choices=("parts", "kmeans", "functions"), advanced=True,
    )  # fmt: skip
    n_functions: int = param(
        64, "Functions", "So many are learned, unless they are the clusters.", low=2, high=512,
        step=16, advanced=True,
    )  # fmt: skip
    backbone: str = param(
        BUNDLED, "Backbone", "The network whose features are clustered.", choices=tuple(BACKBONES)
    )
    weights: str = param(
        "", "Weights file", "Of the backbone, for machines without a network.", advanced=True
    )
    n_nearest: int = param(
        32, "Nearest", "Places that a place is tied to, by what they look like.", low=1, high=4096,
        step=8, advanced=True,
    )  # fmt: skip
    place_weight: float = param(
        0.3, "Place weight", "How closely what lies together in an image is tied.", low=0.0,
        high=10.0, step=0.1, advanced=True,
    )  # fmt: skip
    repulsion: float = param(
        20.48, "Repulsion", "How strongly functions push each other apart.", low=0.0, high=10000.0,
        step=0.01, advanced=True,
    )  # fmt: skip
    n_places: int = param(
        400, "Places", "Of an image that are looked at in a step, on a grid; 0: all.", low=0,
        high=10000, step=100, advanced=True,
    )  # fmt: skip
    batch: int = param(
        8, "Images a step", "More of them are slower and better.", low=1, high=64, step=1,
        advanced=True,
    )  # fmt: skip
    epochs: int = param(
        10, "Rounds", "How often each image is looked at, in a large project.", low=1, high=1000,
        step=1, advanced=True,
    )  # fmt: skip
    width: int = param(
        192, "Width", "Channels of the network; 0: as many as the features have.", low=0, high=4096,
        step=64, advanced=True,
    )  # fmt: skip
    augment: bool = param(
        False, "Augmentation", "Learn from parts of images in other light; slower.", advanced=True
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

    @property
    def n_learned(self) -> int:
        """Outputs of the network."""
        return self.n_clusters if self.clusters == "functions" else self.n_functions

    @property
    def n_centres(self) -> int:
        """Centres of k-means; 0 where the functions are the clusters."""
        many = max(PARTS, self.n_clusters)
        return {"parts": many, "kmeans": self.n_clusters, "functions": 0}[self.clusters]

    @property
    def requests(self) -> tuple[FeatureRequest, ...]:
        """What the network sees: of a ViT early and middle tokens, and the keys of its end."""
        chosen = backbone(self.backbone)
        if chosen.kind == "cnn":
            return (FeatureRequest(self.backbone),)
        early, middle = (
            FeatureRequest(self.backbone, facet="token", block=block)
            for block in (0, chosen.depth // 2)
        )
        return early, middle, FeatureRequest(self.backbone)

    def fit(self, image: Image, device: str = "auto") -> LearnedFit:
        """One forward pass of what was learned, or learning from the image in its first run."""
        return LearnedFit(self, image, device)

    def train(
        self, images: Sequence[Image], device: str = "auto", *, start: Model | None = None
    ) -> Iterator[TrainingStep]:
        """Learn from many images; see `Trainable.train`."""
        return training.train(self, self.learner, images, device, start=start)

    def learner(self, album: Album, place: torch.device) -> EigenLearner:
        """Takes the steps of a training."""
        return EigenLearner(self, album, place)

    def scorer(self, model: Model, device: torch.device) -> EigenScorer:
        """Judges images by a model; see `Trainable.scorer`."""
        training.require_method(self, model)
        wanted = self.tensors_for(len(model.tensors.get(MEAN, (0.0,))))
        found = {name: tensor for name, tensor in model.tensors.items() if name in wanted}
        own = training.parameters_of(self)
        is_same = all(model.parameters.get(name) == own[name] for name in SHAPING)
        if not is_same or _shapes(found) != _shapes(wanted):
            raise ValueError(
                f"{self.title} has another backbone, width or number of functions or clusters "
                "than this model was trained with. Set them as they were, or train again."
            )
        return EigenScorer(self, {name: tensor.to(device) for name, tensor in found.items()})

    def tensors_for(self, n_inputs: int) -> dict[str, torch.Tensor]:
        """What a training begins with on features of so many channels."""
        random = np.random.default_rng(self.seed)
        width = self.width or n_inputs
        begun = {MEAN: torch.zeros(n_inputs), DEVIATION: torch.ones(n_inputs)}
        begun |= psi.drawn(n_inputs, width, self.n_learned, random)
        if not self.n_centres:
            return begun
        owners = torch.zeros(self.n_centres, dtype=torch.int64)
        centres = torch.zeros(self.n_centres, width)
        return begun | {CENTRES: centres, OWNERS: owners, SPREAD: torch.ones(())}


def _shapes(tensors: Tensors) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in tensors.items()}


@dataclass(frozen=True, eq=False)
class Places:
    """Places of one image.

    Parameters
    ----------
    features : Tensor, (M, C) float32
        By which they are alike.
    inputs : Tensor, (M, D) float32
        What the network sees of them.
    colours : Tensor, (3, h, w) float32 in [0, 1]
        Of the image on the same grid, M = h w.
    """

    features: torch.Tensor
    inputs: torch.Tensor
    colours: torch.Tensor


def places_of(
    rgb: Rgb, segmenter: NeuralEigen, device: torch.device, *, most: int = 0, is_kept: bool = True
) -> Places:
    """Places of an (H, W, 3) image on the grid of its features, or on one of so many at most."""
    weights = Path(segmenter.weights) if segmenter.weights else None
    seen = [deep_planes(rgb, r, weights, is_kept=is_kept) for r in segmenter.requests]
    shape = _grid(seen[-1].shape[1:], most)
    planes = [_reduced(plane, shape).to(device) for plane in seen]
    colours = _reduced(torch.from_numpy(rgb.astype(np.float32) / 255).permute(2, 0, 1), shape)
    inputs = torch.cat(planes).flatten(1).T
    return Places(planes[-1].flatten(1).T, inputs, colours.to(device))


def _grid(shape: Sequence[int], most: int) -> tuple[int, int]:
    """Rows and columns of a grid in these proportions, of about so many places at most."""
    height, width = shape
    share = min(1.0, (most / (height * width)) ** 0.5) if most else 1.0
    return max(1, round(height * share)), max(1, round(width * share))


def _reduced(plane: torch.Tensor, shape: tuple[int, int]) -> torch.Tensor:
    """Means over the cells of a grid: (C, H, W) -> (C, h, w)."""
    if plane.shape[1:] == shape:
        return plane
    reduced: torch.Tensor = torch.nn.functional.interpolate(plane[None], shape, mode="area")
    return reduced[0]


class EigenScorer:
    """Judges images by trained tensors, one forward pass each."""

    def __init__(self, segmenter: NeuralEigen, tensors: Tensors) -> None:
        self._segmenter, self._tensors = segmenter, tensors

    def __call__(self, rgb: Rgb) -> torch.Tensor:
        """Scores of the clusters, (K, h, w); see `Scorer`."""
        device = self._tensors[MEAN].device
        places = places_of(rgb, self._segmenter, device)
        with torch.no_grad():
            scores = self._scores(hidden_of(self._tensors, places))
        return scores.T.reshape(-1, *places.colours.shape[1:])

    def _scores(self, hidden: torch.Tensor) -> torch.Tensor:
        if not self._segmenter.n_centres:
            return psi.functions(self._tensors, hidden) / COLD
        close = closeness(hidden, self._tensors[CENTRES]) / self._tensors[SPREAD]
        owners = self._tensors[OWNERS].expand_as(close)
        least = close.min(dim=1, keepdim=True).values
        scores = least.repeat(1, self._segmenter.n_clusters)
        return scores.scatter_reduce(1, owners, close, "amax")


def hidden_of(tensors: Tensors, places: Places) -> torch.Tensor:
    """What the network makes of the places of one image, (M, width)."""
    inputs = (places.inputs - tensors[MEAN]) / tensors[DEVIATION]
    return psi.hidden(tensors, inputs)


class EigenLearner:
    """Eigenfunctions of what a few images at a time are alike in; see `Learner`.

    Parameters
    ----------
    segmenter : NeuralEigen
        How to learn.
    album : Album
        From what.
    device : device
        Where.
    """

    def __init__(self, segmenter: NeuralEigen, album: Album, device: torch.device) -> None:
        self._segmenter, self._album, self._device = segmenter, album, device
        self.total = self.plan(len(album)).total
        inputs = torch.cat([self._places(rgb).inputs for _, rgb in album.spread(N_MEASURED)])
        begun = segmenter.tensors_for(inputs.shape[1])
        begun |= {MEAN: inputs.mean(dim=0), DEVIATION: inputs.std(dim=0, correction=0) + LEAST}
        self._tensors = {name: tensor.to(device) for name, tensor in begun.items()}
        self._learned = [name for name in begun if name not in FOUND]
        for name in self._learned:
            self._tensors[name].requires_grad_()
        self._is_clustered = False
        learned = [self._tensors[name] for name in self._learned]
        self._descent = AdamW(learned, segmenter.learning_rate, decay=0.0)
        self._peers = ALONE

    def join(self, peers: Peers) -> None:
        """Share the images of each step; see `Joining`."""
        self._peers = peers

    def plan(self, n_images: int) -> Plan:
        """All steps are of the same kind."""
        segmenter = self._segmenter
        fewest = min(LEAST_STEPS, STEPS_OF_ONE * n_images)
        n_steps = max(fewest, ceil(segmenter.epochs * n_images / segmenter.batch))
        work = Work("update", n_steps, min(segmenter.batch, n_images))
        return Plan((work,), settling=min(N_CLUSTERED, n_images))

    def kind(self, _number: int) -> str:
        """Of a step."""
        return "update"

    def _places(self, rgb: Rgb, *, is_kept: bool = True) -> Places:
        most = self._segmenter.n_places
        return places_of(rgb, self._segmenter, self._device, most=most, is_kept=is_kept)

    def step(self, number: int) -> float:
        """One step down the objective of the kernel of a few images."""
        segmenter, random = self._segmenter, np.random.default_rng((self._segmenter.seed, number))
        kernel, logits = self._looked_at(self._drawn(random), random)
        share = (1 + cos(pi * number / self.total)) / 2
        noise = torch.from_numpy(random.gumbel(size=logits.shape).astype(np.float32))
        noisy = (logits + noise.to(self._device)) / (COLD + share * (WARM - COLD))
        bounded = columns_bounded(noisy.softmax(dim=1), SCALE)
        loss = objective(bounded, kernel, segmenter.repulsion)
        rate = LAST_RATE + share * (segmenter.learning_rate - LAST_RATE)
        self._descent.step(loss, rate, peers=self._peers)
        self._is_clustered = False
        return loss.item()

    def _drawn(self, random: np.random.Generator) -> list[Rgb]:
        return [rgb for _, rgb in self._album.drawn(self._segmenter.batch, random)]

    def _looked_at(
        self, drawn: Sequence[Rgb], random: np.random.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The kernel over all places of these images, and the network's outputs there, (M, K)."""
        share, is_kept = self._peers, not self._segmenter.augment
        seen = [rgb if is_kept else _changed(rgb, random) for rgb in drawn]  # by all alike
        own = {i: self._places(rgb, is_kept=is_kept) for i, rgb in enumerate(seen) if share.has(i)}
        n = len(seen)
        kernel = self._kernel(
            share.shared(n, lambda i: own[i].features), share.shared(n, lambda i: own[i].colours)
        )
        logits = share.shared(n, lambda i: psi.functions(self._tensors, self._hidden(own[i])))
        return kernel, torch.cat(logits)

    def _kernel(
        self, features: Sequence[torch.Tensor], colours: Sequence[torch.Tensor]
    ) -> torch.Tensor:
        """Over all places of these images, (M, M), sparse; nothing is learned through it."""
        kernel = feature_kernel(torch.cat([*features]), self._segmenter.n_nearest)
        return (kernel + self._segmenter.place_weight * place_kernel(colours)).coalesce()

    def tensors(self) -> dict[str, torch.Tensor]:
        """What was learned, the centres of k-means, and the means that Adam keeps."""
        self._cluster()
        held = {name: tensor.detach() for name, tensor in self._tensors.items()}
        return held | self._momentum()

    def _momentum(self) -> dict[str, torch.Tensor]:
        return {
            f"{TRAINING}{kind}.{name}": tensor
            for kind, tensors in vars(self._descent.momentum()).items()
            for name, tensor in zip(self._learned, tensors, strict=True)
        }

    def recall(self, tensors: Tensors) -> None:
        """Go back to `tensors`."""
        if {n for n in tensors if not n.startswith(TRAINING)} != self._tensors.keys():
            raise KeyError("These are the tensors of another network.")
        with torch.no_grad():
            for name, own in self._tensors.items():
                if own.shape != tensors[name].shape:
                    raise KeyError(name)
                own.copy_(tensors[name])
        self._descent.recall(
            Momentum(
                *(
                    [
                        tensors[f"{TRAINING}{kind.name}.{name}"].to(self._device)
                        for name in self._learned
                    ]
                    for kind in fields(Momentum)
                )
            )
        )
        self._is_clustered = True

    def scorer(self) -> EigenScorer:
        """By what is known now."""
        self._cluster()
        return EigenScorer(
            self._segmenter, {name: t.detach().clone() for name, t in self._tensors.items()}
        )

    def _cluster(self) -> None:
        """Find the clusters of what the network makes of some of the images, where k-means does."""
        if self._is_clustered or not self._segmenter.n_centres:
            return
        looked_at = [self._places(rgb) for _, rgb in self._album.spread(N_CLUSTERED)]
        with torch.no_grad():
            points = torch.cat([self._hidden(places) for places in looked_at])
        centres, self._tensors[SPREAD] = clustered(
            points, self._segmenter.n_centres, self._segmenter.seed
        )
        close = closeness(points, centres)
        features = torch.cat([places.features for places in looked_at])
        owners = joined(means_of(features, close), self._segmenter.n_clusters)
        self._tensors[CENTRES] = centres
        self._tensors[OWNERS] = by_size(owners, owners[close.argmax(dim=1)])
        self._is_clustered = True

    def _hidden(self, places: Places) -> torch.Tensor:
        return hidden_of(self._tensors, places)


def _changed(rgb: Rgb, random: np.random.Generator) -> Rgb:
    """A part of an image in other light, by chance."""
    part = Geometry.drawn(random, (rgb.shape[0], rgb.shape[1])).of(rgb)
    return Photometry.drawn(random).of(part)


def means_of(features: torch.Tensor, close: torch.Tensor) -> torch.Tensor:
    """What is special in the features of each part: (M, C) and (M, N) -> (N, C) of length 1.

    Parameters
    ----------
    features : Tensor, (M, C)
        Of all places.
    close : Tensor, (M, N)
        From `closeness` to the centres; to each belongs, beside its own places, the closest one,
        so that none is empty.
    """
    sums, counts = features[close.argmax(dim=0)], torch.ones(close.shape[1], device=close.device)
    owners = close.argmax(dim=1)
    sums = sums.index_add(0, owners, features)
    counts = counts.index_add(0, owners, torch.ones_like(owners, dtype=counts.dtype))
    special = sums / counts[:, None] - features.mean(dim=0)
    lengths: torch.Tensor = special.norm(dim=1, keepdim=True) + LEAST
    return special.div(lengths)


def joined(parts: torch.Tensor, n_clusters: int) -> torch.Tensor:
    """Which cluster each part belongs to, by average linkage: (N, C) -> (N,) int64."""
    if len(parts) <= n_clusters:
        return torch.arange(len(parts), device=parts.device)
    hierarchy = scipy.cluster.hierarchy
    tree = hierarchy.linkage(parts.double().cpu().numpy(), "average")
    owners = hierarchy.fcluster(tree, n_clusters, "maxclust") - 1
    return torch.from_numpy(owners.astype(np.int64)).to(parts.device)


def by_size(owners: torch.Tensor, clusters: torch.Tensor) -> torch.Tensor:
    """The same clusters, numbered from the one that most points are in; `clusters` are theirs."""
    counts = torch.bincount(clusters, minlength=int(owners.max()) + 1)
    places = counts.argsort(descending=True, stable=True).argsort()
    return places[owners]
