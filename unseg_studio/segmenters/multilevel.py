"""Multilevel clustering: foreground by a vote of data set, category and image; nothing is trained.

Y. H. Cheung, Y. Chen, X. Yang, Q. Zhao, "A Lightweight Clustering Framework for Unsupervised
Semantic Segmentation" (arXiv 2311.18628). Its idea is theirs: the attention features of a vision
transformer tell objects from background, so a few clusters at each of three levels and their
consistency give binary masks of patches, and the class comes from what is inside. They have
published no code, and not how many clusters there are, how levels vote, what a category is and
which features are taken: **all of that is our design**, and no figure of theirs is matched.

- Features: keys of the last block; their attention is the class token's. With the bundled network,
  `deep_planes`, and for the attention the log-odds of `objectness`, which also stand beside the
  features, since those of a CNN do not part objects from background by themselves.
- Data set: k-means of points of all images. Objects are clusters that the network looks at and
  that do not lie along borders.
- Category: images fall into groups by what the network says of them as a whole; k-means in each
  group, objects are the clusters that together overlap those of the data set best.
- Image: k-means in the image alone, objects by overlap with those of its group.
- Vote: see `consistency.vote`; strict by default, for with the bundled features the levels of the
  group and of the image alone are worse than that of the data set. Connected parts of the
  foreground then are clustered over all images: these are the categories.

With `stuff` the background is divided as well: parts of all of an image's clusters, inside and
outside of the foreground, fall into categories. That makes scenes without a background possible;
on streets it is as good as k-means of the same features, and no better.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import scipy  # its parts are loaded where they are used, which no window waits for
from numpy.typing import NDArray

from unseg_studio.data import Image
from unseg_studio.features.attention import Attention, attention
from unseg_studio.features.augment import Rgb
from unseg_studio.features.backbone import FeatureRequest
from unseg_studio.features.catalogue import BACKBONES, BUNDLED
from unseg_studio.features.lazy_torch import torch
from unseg_studio.segmenters import training
from unseg_studio.segmenters.base import check_params, param
from unseg_studio.segmenters.clustering import closeness, minibatch_kmeans, nearest
from unseg_studio.segmenters.consistency import (
    CERTAINTY,
    LOUD,
    SMALLEST,
    Level,
    loud_level,
    overlapping_level,
    parts_of,
    vote,
)
from unseg_studio.segmenters.learned import LearnedFit, model_param
from unseg_studio.segmenters.models import Model
from unseg_studio.segmenters.plan import Plan, Work
from unseg_studio.segmenters.training import (
    TRAINING,
    Album,
    Tensors,
    TrainingStep,
    parameters_of,
    require_method,
)

MOST_IMAGES = 500
"""That are looked at; of more, some by chance."""

MOST_POINTS = 20_000
"""That clusters of the data set and of groups are found on."""

MOST_PARTS = 24
"""Of one image that categories are found on; the largest."""

IMAGES_IN_GROUP = 8
"""At least, as a mean; so few images have fewer groups."""

PARTED = 12
"""Clusters of an image whose parts are clustered over all images, where the background is, too."""

TRIES = 8
"""Of the k-means of parts, of which there are few; the closest counts."""

RULES = "levels", "strict", "seed", "weights"
"""Parameters by which a model may be used in another way than it was learned."""


@dataclass(frozen=True)
class Multilevel:
    """Lightweight multilevel clustering; every field is explained by its `Param`."""

    name: ClassVar[str] = "multilevel"
    title: ClassVar[str] = "Multilevel"
    summary: ClassVar[str] = (
        "Finds objects where data set, group and image agree, and sorts them; needs no training."
    )
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "live": {},
        "stuff": {"stuff": True, "n_clusters": 10},
        "paper": {"backbone": "dino_vits8", "attention": 0.0, "strict": False},
    }

    n_clusters: int = param(
        5, "Categories", "Of objects, beside the background; 1: objects only.", low=1, high=64,
        step=1,
    )  # fmt: skip
    levels: str = param(
        "all", "Levels", "Let all three vote, or believe a single one.",
        choices=("all", "dataset", "category", "image"),
    )  # fmt: skip
    strict: bool = param(True, "Strict", "All levels must agree, not two of three.")
    stuff: bool = param(
        False, "Divide the background", "Sort what is around objects, too: for streets and rooms."
    )
    backbone: str = param(
        BUNDLED, "Backbone", "The network whose attention is clustered.", choices=tuple(BACKBONES)
    )
    weights: str = param(
        "", "Weights file", "Of the backbone, for machines without a network.", advanced=True
    )
    dataset_clusters: int = param(
        4, "Of the data set", "Clusters of all images.", low=2, high=6, step=1, advanced=True
    )
    groups: int = param(
        3, "Groups", "Into which images fall; few images fall into fewer.", low=1, high=64, step=1,
        advanced=True,
    )  # fmt: skip
    category_clusters: int = param(
        3, "Of a group", "Clusters in each group.", low=2, high=4, step=1, advanced=True
    )
    image_clusters: int = param(
        3, "Of an image", "Clusters in each image.", low=2, high=4, step=1, advanced=True
    )
    attention: float = param(
        0.4, "Attention", "How much it counts beside the features.", low=0.0, high=4.0, step=0.1,
        advanced=True,
    )  # fmt: skip
    seed: int = param(
        0, "Seed", "The same seed gives the same labels.", low=0, high=2**31 - 1, step=1,
        advanced=True,
    )  # fmt: skip
    model: str = model_param()

    def __post_init__(self) -> None:
        check_params(self)

    @property
    def is_binary(self) -> bool:
        """Whether objects are not sorted."""
        return self.n_clusters == 1 and not self.stuff

    def fit(self, image: Image, device: str = "auto") -> LearnedFit:
        """Judge by the model; without one, the first run takes the image for the data set."""
        return LearnedFit(self, image, device)

    def train(
        self, images: Sequence[Image], device: str = "auto", *, start: Model | None = None
    ) -> Iterator[TrainingStep]:
        """Pass over the images, once for levels and once for categories; see `Trainable.train`."""
        return training.train(self, self.learner, images, device, start=start)

    def learner(self, album: Album, _place: torch.device) -> MultilevelLearner:
        """Takes the steps of a training."""
        return MultilevelLearner(self, album)

    def scorer(self, model: Model, device: torch.device) -> MultilevelScorer:
        """Judges images by what was found in others; see `Trainable.scorer`."""
        return MultilevelScorer(self, findings_in(model, self), device)

    def attended(self, rgb: Rgb) -> Attention:
        """Features and attention of an image."""
        weights = Path(self.weights) if self.weights else None
        return attention(rgb, FeatureRequest(self.backbone), weights)


@dataclass(frozen=True, eq=False)
class Findings:
    """What was found in the images so far.

    Parameters
    ----------
    scale : Tensor, (2,) float32
        Mean and deviation of the attention.
    dataset : Level or None
        Of all images; None: not yet.
    groups : Tensor, (G, D) float32
        Mean summaries of the groups.
    categories : tuple of Level
        One for each group.
    kinds : Tensor, (K, F - 1) float32, or None
        Mean features of each category: of objects, or, where the background is divided as
        well, of the background at first. None: not yet.
    """

    scale: torch.Tensor = field(default_factory=lambda: torch.tensor([0.0, 1.0]))
    dataset: Level | None = None
    groups: torch.Tensor = field(default_factory=lambda: torch.zeros(0, 0))
    categories: tuple[Level, ...] = ()
    kinds: torch.Tensor | None = None

    @property
    def tensors(self) -> dict[str, torch.Tensor]:
        """By name, as models have them."""
        named = {"scale": self.scale}
        if self.dataset is not None:
            named |= {
                "dataset.centroids": self.dataset.centroids,
                "dataset.objects": self.dataset.is_object,
                "groups": self.groups,
                "categories.centroids": torch.stack([c.centroids for c in self.categories]),
                "categories.objects": torch.stack([c.is_object for c in self.categories]),
            }
        return named if self.kinds is None else named | {"kinds": self.kinds}

    @classmethod
    def of(cls, tensors: Tensors) -> Findings:
        """From `tensors`; raises KeyError where some are missing."""
        if "dataset.centroids" not in tensors:
            return cls(tensors["scale"])
        levels = zip(tensors["categories.centroids"], tensors["categories.objects"], strict=True)
        return cls(
            tensors["scale"],
            Level(tensors["dataset.centroids"], tensors["dataset.objects"]),
            tensors["groups"],
            tuple(Level(centroids, is_object) for centroids, is_object in levels),
            tensors.get("kinds"),
        )


def findings_in(model: Model, segmenter: Multilevel) -> Findings:
    """What a model holds.

    Raises
    ------
    ValueError
        If it is of another method or was made with other parameters; in a sentence.
    """
    require_method(segmenter, model)
    wanted = {n: v for n, v in parameters_of(segmenter).items() if n not in RULES}
    if any(model.parameters.get(name) != value for name, value in wanted.items()):
        raise ValueError(
            "This model was made with other parameters of Multilevel than these. Set them as they "
            f"were (only {', '.join(RULES)} may differ), or train again."
        )
    plain = {name.removeprefix(TRAINING): tensor for name, tensor in model.tensors.items()}
    try:
        return Findings.of(plain)
    except (KeyError, ValueError) as error:
        raise ValueError(
            "This model of Multilevel lacks a part of what it must hold. Train again."
        ) from error


@dataclass(frozen=True, eq=False)
class Seen:
    """One image, place by place.

    Parameters
    ----------
    points : Tensor, (N, F) float32
        Features of length 1, and the attention beside them.
    attention : Tensor, (N,) float32
        In deviations from its mean over all images.
    border : Tensor, (N,) float32
        1 at the image's border.
    summary : Tensor, (D,) float32
        Of the image as a whole.
    shape : tuple of int
        (h, w), with N places.
    """

    points: torch.Tensor
    attention: torch.Tensor
    border: torch.Tensor
    summary: torch.Tensor
    shape: tuple[int, int]

    @property
    def features(self) -> torch.Tensor:
        """The points without the attention, (N, F - 1)."""
        return self.points[:, :-1]

    @classmethod
    def by(cls, segmenter: Multilevel, rgb: Rgb, scale: torch.Tensor) -> Seen:
        """What a segmenter sees in an (H, W, 3) image."""
        known = segmenter.attended(rgb)
        height, width = known.odds.shape
        loudness = (known.odds.flatten() - scale[0]) / scale[1]
        features = known.planes.flatten(1).T
        return cls(
            joined(features, loudness, segmenter.attention),
            loudness,
            border_of(height, width),
            known.summary,
            (height, width),
        )


def joined(features: torch.Tensor, loudness: torch.Tensor, weight: float) -> torch.Tensor:
    """Points of (N, C) features at length 1 and (N,) attention: (N, C + 1)."""
    unit = features / (features.norm(dim=1, keepdim=True) + 1e-6)
    return torch.cat([unit, weight * loudness[:, None]], dim=1)


def border_of(height: int, width: int) -> torch.Tensor:
    """1 along the border of a plane, 0 inside: (height * width,) float32."""
    plane = torch.ones(height, width)
    plane[1:-1, 1:-1] = 0
    return plane.flatten()


class MultilevelScorer:
    """Judges images by what was found; as far as nothing is yet, by the attention alone."""

    def __init__(self, segmenter: Multilevel, findings: Findings, device: torch.device) -> None:
        self._segmenter, self._findings, self._device = segmenter, findings, device

    def __call__(self, rgb: Rgb) -> torch.Tensor:
        """Scores, (K, h, w): of the background, then of each category; see `Scorer`."""
        seen = self.seen(rgb)
        scores = self._of_parts(seen) if self._segmenter.stuff else self._of_objects(seen)
        return scores.to(self._device)

    def seen(self, rgb: Rgb) -> Seen:
        """The image as it was seen when things were found."""
        return Seen.by(self._segmenter, rgb, self._findings.scale)

    def odds(self, seen: Seen) -> torch.Tensor:
        """Log-odds of the foreground, (N,)."""
        found, levels = self._findings, self._segmenter.levels
        if found.dataset is None:
            return CERTAINTY * (seen.attention - LOUD)
        if levels == "image":
            return self._image_alone(seen).odds(seen.points)
        dataset = found.dataset.odds(seen.points)
        if levels == "dataset":
            return dataset
        group = int(nearest(seen.summary[None], found.groups))
        category = found.categories[group].odds(seen.points)
        if levels == "category":
            return category
        image = self._image_below(seen, category > 0).odds(seen.points)
        return vote(dataset, category, image, is_strict=self._segmenter.strict)

    def _image_alone(self, seen: Seen) -> Level:
        return loud_level(
            *(seen.points, seen.attention, seen.border, self._segmenter.image_clusters),
            random=np.random.default_rng(self._segmenter.seed),
        )

    def _image_below(self, seen: Seen, foreground: torch.Tensor) -> Level:
        random = np.random.default_rng(self._segmenter.seed)
        n_clusters = self._segmenter.image_clusters
        return overlapping_level(seen.points, foreground, n_clusters, random)

    def parts(self, seen: Seen, odds: torch.Tensor) -> tuple[NDArray[np.int64], int]:
        """What falls into categories, as `parts_of`."""
        inside = (odds > 0).reshape(seen.shape).numpy()
        if not self._segmenter.stuff:
            return parts_of([inside], SMALLEST)
        random = np.random.default_rng(self._segmenter.seed)
        centroids = minibatch_kmeans(seen.features, PARTED, random)
        clusters = nearest(seen.features, centroids).reshape(seen.shape).numpy()
        masks = ((clusters == i) & side for i in range(PARTED) for side in (inside, ~inside))
        return parts_of([*masks])

    def _of_objects(self, seen: Seen) -> torch.Tensor:
        odds = self.odds(seen)
        parts, n_parts = self.parts(seen, odds)
        part = torch.from_numpy(_filled(parts)).flatten()
        is_crumb = (odds > 0) & torch.from_numpy(parts < 0).flatten()
        odds = torch.where(is_crumb, -odds, odds)
        scores = odds[None].repeat(1 + self._segmenter.n_clusters, 1) / 2
        scores[0] *= -1
        if self._findings.kinds is not None and n_parts:
            means = means_of(seen.features, torch.from_numpy(parts).flatten(), n_parts)
            near = CERTAINTY * closeness(means, self._findings.kinds)
            scores[1:] += (near - near.amax(dim=1, keepdim=True))[part].T
        return scores.reshape(-1, *seen.shape)

    def _of_parts(self, seen: Seen) -> torch.Tensor:
        odds, kinds = self.odds(seen), self._findings.kinds
        if kinds is None:
            scores = torch.stack([-odds, odds] + [odds - 1] * (self._segmenter.n_clusters - 1)) / 2
            return scores.reshape(-1, *seen.shape)
        parts, n_parts = self.parts(seen, odds)
        part = torch.from_numpy(parts).flatten()
        means = means_of(seen.features, part, n_parts)
        near = closeness(seen.features, kinds) + closeness(means, kinds)[part]
        return (CERTAINTY / 2 * near.T).reshape(-1, *seen.shape)


def means_of(points: torch.Tensor, part: torch.Tensor, n_parts: int) -> torch.Tensor:
    """Mean of the (N, F) points of each part, (n_parts, F); part -1 counts nowhere."""
    points, part = points[part >= 0], part[part >= 0]
    sums = points.new_zeros(n_parts, points.shape[1]).index_add_(0, part, points)
    return sums / torch.bincount(part, minlength=n_parts).clamp_min(1)[:, None]


def _filled(parts: NDArray[np.int64]) -> NDArray[np.int64]:
    """The nearest part of each place, (h, w)."""
    if (parts < 0).all():
        return np.zeros_like(parts)
    rows, columns = scipy.ndimage.distance_transform_edt(
        parts < 0, return_distances=False, return_indices=True
    )
    return np.asarray(parts[rows, columns])


GATHERED = "features", "odds", "border", "owners", "summaries", "parts", "loudness"
"""Names of what is put together image by image."""


class MultilevelLearner:
    """Passes over the images: points for levels, then parts for categories; see `Learner`."""

    def __init__(self, segmenter: Multilevel, album: Album) -> None:
        self._segmenter, self._album = segmenter, album
        order = np.random.default_rng(segmenter.seed).permutation(len(album))
        self._order = order[:MOST_IMAGES].tolist()
        self.total = self.plan(len(album)).total
        self._gathered: dict[str, list[torch.Tensor]] = {name: [] for name in GATHERED}
        self._findings = Findings()

    def plan(self, n_images: int) -> Plan:
        """A pass for the levels and one for the categories."""
        n_images = min(n_images, MOST_IMAGES)
        works = Work("look", n_images), Work("divide", 1)
        if self._segmenter.is_binary:
            return Plan(works, is_late=True)
        return Plan((*works, Work("parts", n_images), Work("sort", 1)), is_late=True)

    def kind(self, number: int) -> str:
        """Of a step."""
        n_images = len(self._order)
        if number % (n_images + 1) < n_images:
            return "look" if number < n_images else "parts"
        return "divide" if number == n_images else "sort"

    def step(self, number: int) -> float:
        """Look at an image, or divide what was seen: then the loss is that of k-means."""
        n_images = len(self._order)
        random = np.random.default_rng((self._segmenter.seed, number))
        if number < n_images:
            self._look_at(self._order[number], random)
            return float("nan")
        if number == n_images:
            return self._divide(random)
        if number <= 2 * n_images:
            self._take_parts(self._order[number - n_images - 1])
            return float("nan")
        return self._sort(random)

    def _look_at(self, place: int, random: np.random.Generator) -> None:
        rgb = self._album.rgb(place)
        if rgb is None:
            return
        known = self._segmenter.attended(rgb)
        n_points = min(known.odds.numel(), MOST_POINTS // len(self._order))
        drawn = torch.from_numpy(random.permutation(known.odds.numel())[:n_points])
        self._put(
            features=known.planes.flatten(1).T[drawn],
            odds=known.odds.flatten()[drawn],
            border=border_of(*known.odds.shape)[drawn],
            owners=torch.full((n_points,), self._n_seen),
            summaries=known.summary[None],
        )

    @property
    def _n_seen(self) -> int:
        return sum(map(len, self._gathered["summaries"]))

    def _put(self, **found: torch.Tensor) -> None:
        for name, tensor in found.items():
            self._gathered[name].append(tensor)

    def _all(self, name: str) -> torch.Tensor:
        return torch.cat(self._gathered[name])

    def _divide(self, random: np.random.Generator) -> float:
        segmenter, odds, owners = self._segmenter, self._all("odds"), self._all("owners")
        scale = torch.stack([odds.mean(), odds.std(correction=0) + 1e-6])
        loudness = (odds - scale[0]) / scale[1]
        points = joined(self._all("features"), loudness, segmenter.attention)
        border, n_clusters = self._all("border"), segmenter.dataset_clusters
        dataset = loud_level(points, loudness, border, n_clusters, random)
        foreground = dataset.odds(points) > 0
        groups, group = self._groups(random)
        n_clusters = segmenter.category_clusters
        categories = (
            overlapping_level(points[inside], foreground[inside], n_clusters, random)
            for inside in (group[owners] == i for i in range(len(groups)))
        )
        self._findings = Findings(scale, dataset, groups, tuple(categories))
        if segmenter.is_binary:
            kinds = points.new_zeros(1, points.shape[1] - 1)
            self._findings = replace(self._findings, kinds=kinds)
        return distance(points, dataset.centroids)

    def _groups(self, random: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean summaries of the groups, each of which has an image, and the group of each image."""
        summaries = self._all("summaries")
        n_groups = max(1, min(self._segmenter.groups, len(summaries) // IMAGES_IN_GROUP))
        found = minibatch_kmeans(summaries, n_groups, random)
        used, group = torch.unique(nearest(summaries, found), return_inverse=True)
        return found[used], group

    def _take_parts(self, place: int) -> None:
        rgb = self._album.rgb(place)
        if rgb is None:
            return
        scorer = self.scorer()
        seen = scorer.seen(rgb)
        parts, n_parts = scorer.parts(seen, scorer.odds(seen))
        if n_parts:
            part = torch.from_numpy(parts).flatten()
            largest = torch.bincount(part[part >= 0]).argsort(descending=True, stable=True)
            largest = largest[:MOST_PARTS]
            loudness = means_of(seen.attention[:, None], part, n_parts)[largest, 0]
            self._put(parts=means_of(seen.features, part, n_parts)[largest], loudness=loudness)

    def _sort(self, random: np.random.Generator) -> float:
        """Categories of all parts, the largest first; of the background what is looked at least."""
        stuff, n_kinds = self._segmenter.stuff, self._segmenter.n_clusters
        if not self._gathered["parts"]:
            n_features = self._all("features").shape[1]
            self._findings = replace(self._findings, kinds=torch.zeros(n_kinds + stuff, n_features))
            return float("nan")
        parts = self._all("parts")
        tries = [minibatch_kmeans(parts, n_kinds + stuff, random) for _ in range(TRIES)]
        kinds = min(tries, key=lambda centroids: distance(parts, centroids))
        kind = nearest(parts, kinds)
        n_parts = torch.bincount(kind, minlength=len(kinds))
        order = n_parts.argsort(descending=True, stable=True)
        if stuff:
            loudness = torch.bincount(kind, self._all("loudness"), len(kinds))
            quietest = (loudness / n_parts).nan_to_num(torch.inf).argmin()
            order = torch.cat([quietest[None], order[order != quietest]])
        kinds[n_parts == 0] = 0  # far from everything that has a length
        self._findings = replace(self._findings, kinds=kinds[order])
        return distance(parts, kinds)

    def tensors(self) -> dict[str, torch.Tensor]:
        """What was found; before the end it only matters for going on, and so do the points."""
        if self._findings.kinds is not None:
            return self._findings.tensors
        seen = {name: torch.cat(tensors) for name, tensors in self._gathered.items() if tensors}
        unripe = self._findings.tensors | seen
        return {f"{TRAINING}{name}": tensor for name, tensor in unripe.items()}

    def recall(self, tensors: Tensors) -> None:
        """Go on from these."""
        plain = {name.removeprefix(TRAINING): tensor for name, tensor in tensors.items()}
        self._findings = Findings.of(plain)
        self._gathered = {name: [plain[name]] if name in plain else [] for name in GATHERED}

    def scorer(self) -> MultilevelScorer:
        """Judges by what was found so far."""
        return MultilevelScorer(self._segmenter, self._findings, torch.device("cpu"))


def distance(points: torch.Tensor, centroids: torch.Tensor) -> float:
    """Mean squared distance of (N, F) points from the nearest centroid."""
    return float((points - centroids[nearest(points, centroids)]).square().sum(dim=1).mean())
