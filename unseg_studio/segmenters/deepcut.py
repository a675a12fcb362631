"""DeepCut: a small network cuts the graph of one image's deep features into clusters.

A. Aflalo, S. Bagon, T. Kashti, Y. Eldar, "DeepCut: Unsupervised Segmentation using Graph Neural
Networks Clustering", ICCV Workshops 2023 (arXiv 2212.05853); the objectives are in `cuts`.

With a number of clusters the normalised cut is trained; k-less it is correlation clustering, which
leaves clusters empty that do not pay. Two presets of this one implementation. `paper`: patches on a
grid, inner products as weights, as many steps as published. `live`: regions of the image as nodes,
so that outlines are the image's own; cosines, so that no node is louder than the others; an early
stop; and for the k-less objective a discrete search behind the network, which keeps whatever has
less energy.

Trained on many images, one network cuts the graphs of all (`parts`); `fit` is one pass then, and
strokes train the network of the one image on.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import cv2
import numpy as np
import scipy  # its parts are loaded where they are used, which no window waits for
from numpy.typing import NDArray

from unseg_studio.data import FIRST_CLUSTER, Image, Scribbles
from unseg_studio.features.backbone import FeatureRequest
from unseg_studio.features.capture import CaptureShelf, Recorder
from unseg_studio.features.catalogue import BACKBONES, BUNDLED
from unseg_studio.features.devices import place_of, working
from unseg_studio.features.lazy_torch import torch
from unseg_studio.segmenters import cuts, parts
from unseg_studio.segmenters.affinities import affinity, linked
from unseg_studio.segmenters.base import Estimate, check_params, param, seeded
from unseg_studio.segmenters.correlation import best_clusters
from unseg_studio.segmenters.cut_steps import Aim, CutSteps, Objective, Rest
from unseg_studio.segmenters.descent import AdamW, Momentum
from unseg_studio.segmenters.foreground import likeness_of, mostly
from unseg_studio.segmenters.graph import COARSE, Graph, Kind, begin_regions, graph_of
from unseg_studio.segmenters.learned import model_param
from unseg_studio.segmenters.models import Model, kept
from unseg_studio.segmenters.training import Album, TrainingStep, train

MOST_CLUSTERS = 48
"""Channels of a k-less answer; beyond it the clusters that are most alike are one."""

NETWORK_CLUSTERS = 10
"""Clusters that the network of the k-less objective may use, as published."""

FRAME_SIDE = 200
"""Longer side of the scores of all frames but the last, in pixels."""

PATIENCE = 5
"""The live preset stops when the loss has rested for so many steps; see `Rest`."""

FIRST_STEPS = 12
"""Of a new network, towards k-means."""

WARM_SHARE = 0.25
"""Part of `iterations` that a stroke may take: the network has been trained already."""

LEAST = 1e-6
"""Share below which a cluster's score does not fall."""

CERTAIN = 8.0
"""Score of the cluster of a node in a discrete answer; the others have 0."""


@dataclass(frozen=True)
class DeepCut:
    """Deep graph cuts; every field is explained by its `Param`."""

    name: ClassVar[str] = "deepcut"
    title: ClassVar[str] = "DeepCut"
    summary: ClassVar[str] = (
        "Groups what deep features say belongs together, into k clusters or as many as it takes."
    )
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "live": {},
        "paper": {
            "graph": "patches",
            "n_clusters": 2,
            "iterations": 100,
            "learning_rate": 0.001,
            "dropout": 0.25,
            "patience": 0,
        },
    }

    n_clusters: int = param(5, "Clusters", "How many there are.", low=2, high=32, step=1)
    k_less: bool = param(
        False, "k-less", "The number of clusters follows the image (correlation clustering)."
    )
    sensitivity: float = param(
        0.5, "Sensitivity", "More of it finds more clusters without k.", low=0.0, high=1.0,
        step=0.05,
    )  # fmt: skip
    stages: str = param(
        "one", "Stages",
        "Cut the image as a whole; only part the object from it; cut that, or both, into clusters.",
        choices=("one", "object", "parts", "both"),
    )  # fmt: skip
    backbone: str = param(
        BUNDLED, "Backbone", "The network whose features are clustered.", choices=tuple(BACKBONES)
    )
    weights: str = param(
        "", "Weights file", "Of the backbone, for machines without a network.", advanced=True
    )
    graph: str = param(
        "regions", "Nodes", "Regions follow the image's outlines; patches lie on a grid.",
        choices=("regions", "patches"), advanced=True,
    )  # fmt: skip
    iterations: int = param(
        60, "Iterations", "The most that one cut takes.", low=1, high=10000, step=10, advanced=True
    )
    learning_rate: float = param(
        0.01, "Learning rate", "Larger steps are quicker and less exact.", low=0.0001, high=0.1,
        step=0.001, advanced=True,
    )  # fmt: skip
    dropout: float = param(
        0.0, "Dropout", "Share of the hidden layer that is left out in each step.", low=0.0,
        high=0.9, step=0.05, advanced=True,
    )  # fmt: skip
    nu: float = param(
        1.0, "Scribble weight", "How strongly scribbles pull.", low=0.0, high=10.0, step=0.1,
        advanced=True,
    )  # fmt: skip
    patience: int = param(
        PATIENCE, "Patience", "Stop when the loss rests for this many steps; 0: never.", low=0,
        high=1000, step=1, advanced=True,
    )  # fmt: skip
    seed: int = param(
        0, "Seed", "The same seed gives the same labels.", low=0, high=2**31 - 1, step=1,
        advanced=True,
    )  # fmt: skip
    model: str = model_param()

    def __post_init__(self) -> None:
        check_params(self)

    @property
    def is_published(self) -> bool:
        """The graph of the paper."""
        return self.graph == "patches"

    @property
    def most_clusters(self) -> int:
        """Outputs of the network; without k some stay empty."""
        return NETWORK_CLUSTERS if self.k_less else self.n_clusters

    def fit(self, image: Image, device: str = "auto") -> DeepCutFit:
        """Find the deep features; the first run finds the regions, behind its first frame."""
        here = place_of(device)
        place, request = here.torch_device, FeatureRequest(self.backbone)
        weights = Path(self.weights) if self.weights else None

        def found(kind: Kind) -> Graph:
            with working("features", here):
                return graph_of(kind, image, request, weights).to(place)

        if not self.is_published:
            begin_regions(self._nodes, image, request, weights)
        if self.model:
            learned = parts.learned_of(self, kept(self.model), place)
            graph = found(self._nodes)
            return DeepCutFit(self, image, lambda: learned.basis.of(graph), learned=learned)
        if self.is_published:
            patches = found(self._nodes)
            return DeepCutFit(self, image, lambda: patches)
        return DeepCutFit(self, image, lambda: found(self._nodes), found("patches"))

    @property
    def _nodes(self) -> Kind:
        """What is cut in the end."""
        if self.is_published:
            return "patches" if self.model else "rounded patches"
        return "coarse regions" if self.model else "regions"

    def train(
        self, images: Sequence[Image], device: str = "auto", *, start: Model | None = None
    ) -> Iterator[TrainingStep]:
        """Learn one network for all images, so that parts have the same ids everywhere.

        See `Trainable.train`. It also raises ValueError with the stages "object", which leave
        nothing to learn.
        """
        return train(self, self.learner, images, device, start=start)

    def learner(self, album: Album, place: torch.device) -> parts.PartsLearner:
        """Takes the steps of a training."""
        return parts.PartsLearner(self, album, place)

    def scorer(self, model: Model, device: torch.device) -> parts.PartsScorer:
        """Judges images by shared networks; see `Trainable.scorer`."""
        learned = parts.learned_of(self, model, device)
        graphs = parts.Graphs(self, device, COARSE)
        graphs.put_on(learned.basis)
        return parts.PartsScorer(self, learned, graphs)


@dataclass(frozen=True, eq=False)
class CutMemory:
    """Where one cut stands."""

    nodes: torch.Tensor
    n_clusters: int
    k_less: bool
    weights: dict[str, Any]
    momentum: Momentum
    channels: dict[int, int]
    n_done: int
    assignment: torch.Tensor | None
    answer: Answer | None
    is_given: bool


@dataclass(frozen=True, eq=False)
class Answer:
    """What a cut says.

    Parameters
    ----------
    shares : Tensor, (M, K) float32
        How sure each node is of each cluster; rows sum to 1.
    channels : dict of int to int
        Category -> its cluster.
    """

    shares: torch.Tensor
    channels: dict[int, int]


class Cut:
    """One cut of a graph, or of a part of it: a network, and how far it has come.

    Parameters
    ----------
    segmenter : DeepCut
        How to cut.
    graph : Graph
        The whole graph.
    nodes : Tensor, (M,) int64
        Which of its nodes are cut.
    n_clusters : int
        Most clusters.
    k_less : bool
        Whether it may be fewer.
    given : Tensor, (M,) int64, or None
        Cluster of each node, if that is known already: nothing is left to optimise.
    learned, section : Learned or None, str
        What many images have taught, and which of its networks cuts here; then the graph is on its
        axes, and only strokes change the network.
    recorder : Recorder or None
        See `capture`.
    """

    def __init__(
        self,
        segmenter: DeepCut,
        graph: Graph,
        nodes: torch.Tensor,
        *,
        n_clusters: int,
        k_less: bool,
        given: torch.Tensor | None = None,
        learned: parts.Learned | None = None,
        section: str = "",
        recorder: Recorder | None = None,
    ) -> None:
        self._recorder = recorder
        self._ready: CaptureShelf[CutSteps] = CaptureShelf()
        self.nodes, self.n_clusters, self.k_less = nodes, n_clusters, k_less
        self.channels: dict[int, int] = {}
        self._segmenter, self._graph = segmenter, graph.of(nodes)
        self._is_given = given is not None
        self._assignment = None if given is None else certain(given, n_clusters)
        self._discrete: Answer | None = None
        self._n_done = 0
        with seeded(segmenter.seed):
            n_features = graph.features.shape[1]
            self._net = cuts.network(n_features, n_clusters, dropout=segmenter.dropout)
        self._net.to(graph.features.device)
        self._descent = AdamW(self._net.parameters(), segmenter.learning_rate)
        self._basis = None if learned is None else learned.basis
        network = None if learned is None else learned.network(section)
        if learned is not None and network is not None:
            self._net.load_state_dict(network.state_dict())
            self._n_done = segmenter.iterations
            self._assignment = parts.shares_by(segmenter, self._graph, learned.basis, self._net)

    @property
    def n_done(self) -> int:
        """Steps that its network has taken."""
        return self._n_done

    @property
    def answer(self) -> Answer:
        """What it has come to."""
        return self._discrete or Answer(self.assignment, dict(self.channels))

    @property
    def assignment(self) -> torch.Tensor:
        """What the network says, (M, K)."""
        if self._assignment is None:
            even = torch.full((len(self.nodes), self.n_clusters), 1 / self.n_clusters)
            return even.to(self.nodes.device)
        return self._assignment

    @property
    def memory(self) -> CutMemory:
        """What `recalled` goes back to."""
        weights = {name: tensor.clone() for name, tensor in self._net.state_dict().items()}
        return CutMemory(
            *(self.nodes, self.n_clusters, self.k_less, weights, self._descent.momentum()),
            channels=dict(self.channels),
            n_done=self._n_done,
            assignment=self._assignment,
            answer=self._discrete,
            is_given=self._is_given,
        )

    @classmethod
    def recalled(
        cls,
        segmenter: DeepCut,
        graph: Graph,
        memory: CutMemory,
        learned: parts.Learned | None = None,
    ) -> Cut:
        """The cut as it was."""
        cut = cls(
            *(segmenter, graph, memory.nodes),
            n_clusters=memory.n_clusters,
            k_less=memory.k_less,
            learned=learned,
        )
        cut._net.load_state_dict(memory.weights)
        cut._descent.recall(memory.momentum)
        cut.channels, cut._n_done = dict(memory.channels), memory.n_done
        cut._assignment, cut._discrete = memory.assignment, memory.answer
        cut._is_given = memory.is_given
        return cut

    @property
    def budget(self) -> int:
        """Steps that are left of the first run, and then a share of it."""
        most = self._segmenter.iterations
        if self._segmenter.patience:
            return max(1, round(max(most - self._n_done, most * WARM_SHARE)))
        return most

    @cached_property
    def _positive(self) -> torch.Tensor:
        """Weights for the normalised cut, before strokes; once, so that a stroke need not wait."""
        if self._basis is not None:
            return parts.ties(self._segmenter, self._graph)
        return affinity(self._segmenter, self._graph, k_less=False)

    @cached_property
    def _signed(self) -> torch.Tensor:
        """The same for the k-less objective."""
        return affinity(self._segmenter, self._graph, k_less=True)

    def steps(self, categories: torch.Tensor) -> Iterator[float]:
        """Optimise on: the loss of every step that is shown. `answer` is what it has come to.

        Parameters
        ----------
        categories : Tensor, (M,) int64
            Category scribbled on each node, 0 for none.
        """
        is_learned = self._basis is not None
        if self._is_given or (is_learned and not bool(categories.any())):
            return
        budget, targets = self.budget, self._targets(categories)
        weights = linked(self._positive, categories)
        if not self.k_less:
            yield from self._trained(weights, targets, budget, signed=None)
            return
        signed = linked(self._signed, categories)
        if self._segmenter.is_published or is_learned:  # a search would give other numbers
            yield from self._trained(weights, targets, budget, signed=signed)
            return
        yield from self._trained(weights, targets, max(1, budget // 2), signed=None)
        yield from self._trained(weights, targets, max(1, budget // 2), signed=signed)
        self._discrete = self._searched(signed.cpu().double().numpy(), categories)

    def _trained(
        self,
        weights: torch.Tensor,
        targets: torch.Tensor,
        budget: int,
        *,
        signed: torch.Tensor | None,
    ) -> Iterator[float]:
        """Steps towards the normalised cut, or, with signed weights, correlation clustering."""
        inputs = self._inputs(weights if signed is None else signed)
        if self._n_done == 0 and not self._segmenter.is_published:
            yield from self._begun(inputs)
        wanted = targets if bool((targets >= 0).any()) else None
        aim = Aim(inputs, weights, signed, wanted)
        rest = Rest(self._segmenter.patience)
        yield from self._taken(aim, self._objective, budget, rest)

    def _objective(self, aim: Aim, logits: torch.Tensor, assignment: torch.Tensor) -> torch.Tensor:
        loss = self._cut_loss(aim, assignment)
        if aim.targets is None:
            return loss
        cross = torch.nn.functional.cross_entropy(logits, aim.targets, ignore_index=-1)
        return loss + self._segmenter.nu * cross

    def _cut_loss(self, aim: Aim, assignment: torch.Tensor) -> torch.Tensor:
        if aim.signed is not None:
            return cuts.correlation_loss(aim.signed, assignment) / aim.signed.abs().sum()
        assert aim.weights is not None
        if self._basis is not None and not self._segmenter.is_published:
            return cuts.association_loss(aim.weights, assignment)
        return cuts.ncut_loss(aim.weights, assignment, len(self.nodes) * self._graph.sizes)

    def _begun(self, inputs: torch.Tensor) -> Iterator[float]:
        """Steps towards k-means of what the network sees.

        With random weights all nodes are alike; the cut takes its time to leave that, and does not
        do so for every cluster.
        """
        clusters = kmeans(inputs, self.n_clusters, self._segmenter.seed)
        aim = Aim(inputs, targets=clusters)
        yield from self._taken(aim, _towards, FIRST_STEPS, Rest(patience=0))

    def _taken(self, aim: Aim, objective: Objective, budget: int, rest: Rest) -> Iterator[float]:
        """Steps towards an aim: the loss of each that is shown."""
        key = (objective is _towards, aim.kind)
        steps = self._ready.get(key, lambda: self._steps(aim, objective))
        before = self._n_done
        for loss in steps.run(aim, budget, rest, n_done=before):
            self._assignment, self._discrete = steps.shares, None
            self._n_done = before + steps.n_taken
            yield loss

    def _steps(self, aim: Aim, objective: Objective) -> CutSteps:
        return CutSteps(
            self._net,
            self._descent,
            aim,
            objective,
            dropout=self._segmenter.dropout,
            seed=self._segmenter.seed,
            recorder=self._recorder,
        )

    def _inputs(self, weights: torch.Tensor) -> torch.Tensor:
        """What a graph convolution makes of the features before its weights."""
        if self._basis is not None:
            return parts.inputs(self._segmenter, self._graph, self._basis)
        if self._segmenter.is_published:
            return cuts.normalised(weights) @ self._graph.features
        # Means, since large regions would be louder than small ones otherwise.
        positive = weights.clamp_min(0)
        means = positive @ self._graph.features / positive.sum(dim=1, keepdim=True).clamp_min(1e-9)
        return means / (means.square().sum(dim=1).mean().sqrt() + 1e-9)

    def _searched(self, weights: NDArray[np.float64], categories: torch.Tensor) -> Answer:
        """The discrete answer of least energy, in the order of the network's clusters."""
        start = self.assignment.argmax(dim=1).cpu().numpy()
        found = fewer(weights, best_clusters(weights, start), MOST_CLUSTERS)
        numbers = torch.from_numpy(in_order_of(start, found)).to(self.nodes.device)
        return Answer(certain(numbers), _most(numbers, categories, list(self.channels)))

    def _targets(self, categories: torch.Tensor) -> torch.Tensor:
        """Cluster wanted of each node, (M,) int64, -1 for none."""
        targets = torch.full_like(categories, -1)
        for category, channel in self.channels.items():
            targets[categories == category] = channel
        return targets

    def name(self, categories: torch.Tensor) -> None:
        """Give each category a cluster: the free one that has most of its nodes.

        Parameters
        ----------
        categories : Tensor, (M,) int64
            Category scribbled on each node, 0 for none.
        """
        present = sorted({int(category) for category in categories.tolist()} - {0})
        self.channels = {c: i for c, i in self.channels.items() if c in present}
        for category in present:
            free = set(range(self.n_clusters)) - set(self.channels.values())
            if category in self.channels or not free:
                continue
            votes = self.assignment[categories == category].sum(dim=0)
            self.channels[category] = max(sorted(free), key=lambda i: float(votes[i]))
        if self._discrete is not None:
            numbers = self._discrete.shares.argmax(dim=1)
            channels = _most(numbers, categories, list(self.channels))
            self._discrete = Answer(self._discrete.shares, channels)


def _towards(aim: Aim, logits: torch.Tensor, _shares: torch.Tensor) -> torch.Tensor:
    """Likeness to known clusters."""
    assert aim.targets is not None
    return torch.nn.functional.cross_entropy(logits, aim.targets)


def certain(clusters: torch.Tensor, n_clusters: int = -1) -> torch.Tensor:
    """Shares, (M, K) float32, of nodes whose clusters, (M,) int64, are known."""
    return (CERTAIN * torch.nn.functional.one_hot(clusters, n_clusters).float()).softmax(dim=1)


def kmeans(points: torch.Tensor, n_clusters: int, seed: int) -> torch.Tensor:
    """Cluster of each of (N, F) points, from 0 up, (N,) int64; D. Arthur, S. Vassilvitskii 2007."""
    if len(points) < 2:  # OpenCV would take the row for a column
        return torch.zeros(len(points), dtype=torch.int64, device=points.device)
    cv2.setRNGSeed(seed)
    rows = np.ascontiguousarray(points.cpu().numpy(), np.float32)
    criteria = cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 20, 1e-4
    n_clusters = min(n_clusters, len(rows))
    _, clusters, _ = cv2.kmeans(rows, n_clusters, None, criteria, 1, cv2.KMEANS_PP_CENTERS)
    return torch.from_numpy(clusters.ravel().astype(np.int64)).to(points.device)


def _most(numbers: torch.Tensor, categories: torch.Tensor, wanted: list[int]) -> dict[int, int]:
    """Category -> the number that most of its nodes have; no number twice."""
    named = {category: int(numbers[categories == category].mode().values) for category in wanted}
    unique = {number: category for category, number in named.items()}
    return {category: number for number, category in unique.items()}


def fewer(
    weights: NDArray[np.float64], clusters: NDArray[np.int32], most: int
) -> NDArray[np.int32]:
    """Join the clusters that lose least by it until there are at most so many; 0 to n - 1."""
    clusters = np.unique(clusters, return_inverse=True)[1].astype(np.int32)
    member = np.eye(int(clusters.max()) + 1)[clusters]
    gains = member.T @ weights @ member
    np.fill_diagonal(gains, -np.inf)
    for _ in range(len(gains) - most):
        one, other = (int(i) for i in np.unravel_index(gains.argmax(), gains.shape))
        clusters[clusters == other] = one
        gains[one] += gains[other]
        gains[:, one] += gains[:, other]
        gains[other] = gains[:, other] = gains[one, one] = -np.inf
    return np.unique(clusters, return_inverse=True)[1].astype(np.int32)


def in_order_of(before: NDArray[np.int64], clusters: NDArray[np.int32]) -> NDArray[np.int64]:
    """The same clusters, each with the number before of which it shares most nodes.

    The total overlap is largest (Hungarian method); what finds no partner comes after the others.
    """
    n_before, n_clusters = int(before.max()) + 1, int(clusters.max()) + 1
    shared = np.bincount(before * n_clusters + clusters, minlength=n_before * n_clusters)
    shared = shared.reshape(n_before, n_clusters)
    rows, columns = scipy.optimize.linear_sum_assignment(shared, maximize=True)
    number = np.full(n_clusters, -1)
    partners = shared[rows, columns] > 0
    number[columns[partners]] = rows[partners]
    free = (i for i in itertools.count() if i not in rows[partners])
    for column in np.flatnonzero(number < 0):
        number[column] = next(free)
    return np.asarray(number[clusters], np.int64)


class DeepCutFit:
    """The graph of one image and its cuts."""

    def __init__(
        self,
        segmenter: DeepCut,
        image: Image,
        graph: Callable[[], Graph],
        glimpse: Graph | None = None,
        learned: parts.Learned | None = None,
    ) -> None:
        self._learned = learned
        self._segmenter, self._image = segmenter, image
        self._make_graph, self._glimpse = graph, glimpse
        self._cuts: list[Cut] = []

    @cached_property
    def _graph(self) -> Graph:
        return self._make_graph()

    @cached_property
    def _frame_plane(self) -> NDArray[np.int64]:
        return _shrunk(self._graph.plane)

    def refine(self, scribbles: Scribbles) -> Iterator[Estimate]:
        """Optimise on, towards the scribbles; see `Fit.refine`."""
        scribbles.require_shape(self._image.shape)
        if not self._cuts and self._glimpse is not None and scribbles.is_empty:
            yield self._first_frame(self._glimpse)
        categories = self._scribbled(scribbles)
        for cut in self._cuts:
            cut.name(categories[cut.nodes])
        if self._cuts:
            yield self._estimate(0, float("nan"))
        done, loss = 0, float("nan")
        for cut in self._stages():
            cut.name(categories[cut.nodes])
            begun = done - cut.n_done
            for loss in cut.steps(categories[cut.nodes]):
                done = begun + cut.n_done
                yield self._estimate(done, loss)
        yield self._estimate(done, loss, is_last=True)

    def memory(self) -> object:
        """The cuts as they are now; see `Fit.memory`."""
        return tuple(cut.memory for cut in self._cuts)

    def recall(self, memory: object) -> None:
        """Take the cuts back that an earlier moment had; see `Fit.recall`."""
        if not isinstance(memory, tuple) or not all(isinstance(m, CutMemory) for m in memory):
            raise TypeError(f"A memory of DeepCut is needed, not {type(memory).__name__}.")
        self._cuts = [Cut.recalled(self._segmenter, self._graph, m, self._learned) for m in memory]

    def _stages(self) -> Iterator[Cut]:
        """The cuts one after the other; what is cut later depends on what was cut before."""
        segmenter, every = self._segmenter, torch.arange(len(self._graph))
        if segmenter.stages == "one":
            most, k_less = segmenter.most_clusters, segmenter.k_less
            yield self._cut(0, every, most, k_less=k_less, section=parts.WHOLE)
            return
        first = self._first_of(every)
        yield first
        objects = self._objects_of(first.answer.shares.argmax(dim=1).cpu().numpy())
        inside, outside = (torch.from_numpy(np.flatnonzero(o)) for o in (objects, ~objects))
        most, k_less = segmenter.most_clusters, segmenter.k_less
        fewest = 2 if self._learned is None else 1  # one node alone may be a part that is known
        if segmenter.stages != "object" and len(inside) >= fewest:
            yield self._cut(1, inside, most, k_less=k_less, section=parts.INSIDE)
        elif segmenter.stages == "both":  # the background has the same ids without parts
            self._cut(1, inside, most, k_less=False, given=torch.zeros_like(inside))
        if segmenter.stages == "both" and len(outside) > 1:
            yield self._cut(2, outside, 2, k_less=False, section=parts.OUTSIDE)

    def _first_of(self, every: torch.Tensor) -> Cut:
        """Object and background: cut in two, as published, or found as `object_in` does.

        Two halves of one image have nothing in common with those of another, so where parts are
        to be the same everywhere, it is always found.
        """
        given = None
        if not self._segmenter.is_published or self._learned is not None:
            is_object = self._objects_of(np.arange(len(every)))
            given = torch.from_numpy(is_object.astype(np.int64)).to(self._graph.features.device)
        return self._cut(0, every, 2, k_less=False, given=given)

    def _objects_of(self, clusters: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which nodes belong to a cluster that is object for the most part, (N,)."""
        areas = self._graph.sizes.cpu().numpy()
        return mostly(clusters, areas, areas * self._likeness)

    @cached_property
    def _likeness(self) -> NDArray[np.float64]:
        """Share of each node that is object, (N,)."""
        return likeness_of(self._image, self._graph)

    def _cut(
        self,
        place: int,
        nodes: torch.Tensor,
        n_clusters: int,
        *,
        k_less: bool,
        given: torch.Tensor | None = None,
        section: str = "",
    ) -> Cut:
        """The cut of this stage: the last run's where it cut the same nodes."""
        nodes = nodes.to(self._graph.features.device)
        known = self._cuts[place] if place < len(self._cuts) else None
        if known is None or not torch.equal(known.nodes, nodes):
            cut = Cut(
                *(self._segmenter, self._graph, nodes),
                n_clusters=n_clusters,
                k_less=k_less,
                given=given,
                learned=self._learned,
                section=section,
            )
            self._cuts[place:] = [cut]
        return self._cuts[place]

    def _scribbled(self, scribbles: Scribbles) -> torch.Tensor:
        """Category that most scribbled pixels of each node have, (N,) int64, 0 for none."""
        if scribbles.is_empty:
            return self._graph.sizes.new_zeros(len(self._graph), dtype=torch.int64)
        small = scribbles.resized(self._graph.plane.shape).ids
        counts = self._graph.counted(small)[:, 1:]
        found = np.where(counts.any(axis=1), counts.argmax(axis=1) + 1, 0)
        return torch.from_numpy(found).to(self._graph.features.device)

    def _estimate(self, done: int, loss: float, *, is_last: bool = False) -> Estimate:
        shares, ids = self._shares()
        plane = self._graph.plane if is_last else self._frame_plane
        scores = shares.clamp_min(LEAST).log().T[:, torch.from_numpy(plane).to(shares.device)]
        is_outlined = is_last and not self._segmenter.is_published
        return Estimate(
            scores, ids, done, max(done, self._total), loss, is_last, is_outlined=is_outlined
        )

    def _first_frame(self, patches: Graph) -> Estimate:
        """Something to see while the regions are found: k-means of the patches."""
        segmenter = self._segmenter
        clusters = kmeans(patches.features, segmenter.most_clusters, segmenter.seed)
        shares = certain(clusters)
        ids = tuple(range(FIRST_CLUSTER, FIRST_CLUSTER + shares.shape[1]))
        plane = torch.from_numpy(patches.plane).to(shares.device)
        return Estimate(shares.log().T[:, plane], ids, 0, self._total, float("nan"))

    @property
    def _total(self) -> int:
        stages = {"one": 1, "object": 1, "parts": 2, "both": 3}[self._segmenter.stages]
        begin = 0 if self._segmenter.is_published else FIRST_STEPS
        return stages * (self._segmenter.iterations + begin)

    def _shares(self) -> tuple[torch.Tensor, tuple[int, ...]]:
        """How sure each node is of each id, (N, ids): the last cut of a node decides."""
        columns: dict[int, torch.Tensor] = {}
        for place, cut in enumerate(self._cuts):
            for column in columns.values():
                column[cut.nodes] = 0
            category_of = {i: c for c, i in cut.answer.channels.items()}
            for i, shares in enumerate(cut.answer.shares.T):
                id_ = category_of.get(i, FIRST_CLUSTER + place * MOST_CLUSTERS + i)
                column = columns.setdefault(id_, self._graph.sizes.new_zeros(len(self._graph)))
                column[cut.nodes] += shares
        return _used(torch.stack([*columns.values()], dim=1), tuple(columns))


def _used(shares: torch.Tensor, ids: tuple[int, ...]) -> tuple[torch.Tensor, tuple[int, ...]]:
    """The columns that win a node, or belong to a category."""
    winners = set(shares.argmax(dim=1).tolist())
    kept = [i for i, id_ in enumerate(ids) if i in winners or id_ < FIRST_CLUSTER]
    return shares[:, kept], tuple(ids[i] for i in kept)


def _shrunk(plane: NDArray[np.int64]) -> NDArray[np.int64]:
    """Every second, third, ... pixel, so that a frame costs little."""
    step = -(-max(plane.shape) // FRAME_SIDE)
    return np.ascontiguousarray(plane[::step, ::step])
