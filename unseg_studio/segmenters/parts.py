"""DeepCut on many images: one network for all their graphs, so that a part has one id everywhere.

Aflalo et al. train a network for each image, all from the same random weights, so that parts of
different images have the same number by luck. Here one network is trained on the graphs of several
images at a time. Each image keeps a graph of its own; what the images share is the network, and the
axes along which nodes are told apart. The numbers of its outputs are the ids of the parts, and an
unseen image takes one pass.

The preset `paper` has the published graph and objective. `live` differs where images of a set
differ from each other: features are what is special in an image, on the main axes of the set; ties
are sharp, so that a graph convolution does not make all nodes alike; the objective is the
normalised cut itself, which does not ask that all clusters be of equal size in each image; and the
network begins with k-means of what it sees.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from unseg_studio.data import Image
from unseg_studio.features.augment import Rgb
from unseg_studio.features.backbone import FeatureRequest
from unseg_studio.features.lazy_torch import torch
from unseg_studio.segmenters import cuts
from unseg_studio.segmenters.affinities import affinity
from unseg_studio.segmenters.base import seeded
from unseg_studio.segmenters.clustering import clustered, nearest
from unseg_studio.segmenters.descent import AdamW, Momentum
from unseg_studio.segmenters.foreground import likeness_of, mostly
from unseg_studio.segmenters.graph import FINE, Fineness, Graph, patch_graph, region_graph
from unseg_studio.segmenters.models import Model
from unseg_studio.segmenters.plan import Plan, Work
from unseg_studio.segmenters.training import TRAINING, Album, Tensors, require_method

if TYPE_CHECKING:
    from unseg_studio.segmenters.deepcut import DeepCut

AXES = 64
"""Main axes of the set that nodes are told apart by."""

SMOOTHING, SHARPNESS = 6, 3
"""Powers of the cosines: in the graph convolution, and in the normalised cut."""

RATE = 0.5
"""Of the learning rate of one image's network; what fits one image must not undo the others."""

TOGETHER = 4
"""Images in one step."""

MOST_TIMES = 3
"""Times the steps of one image that several images get at most."""

N_MEASURED = 64
"""Images that the axes and the first clusters are found on."""

FIRST_STEPS, FIRST_NODES = 40, 2000
"""Of a new network towards k-means, and nodes in each of them."""

KEPT_BYTES = 128 * 2**20
"""Of graphs in memory."""

PLANE_SIDE = 320
"""Longer side of the scores of an image that is judged, in pixels."""

LEAST = 1e-6
"""Share below which a cluster's score does not fall; added where something is divided by."""

MEAN, MAIN, LOUDNESS = "inputs.mean", "inputs.axes", "inputs.loudness"
"""Names of tensors that are found and not learned by steps."""

WHOLE, INSIDE, OUTSIDE = "whole.", "inside.", "outside."
"""Before the names of the tensors of a network, by what it cuts."""

FIXED = ("stages", "backbone", "graph")
"""Parameters that have to be as they were when a model was trained."""


@dataclass(frozen=True)
class Section:
    """What one network cuts.

    Parameters
    ----------
    name : str
        `WHOLE`, `INSIDE` the object, or `OUTSIDE`.
    n_clusters : int
        Outputs.
    k_less : bool
        Whether some may stay empty.
    """

    name: str
    n_clusters: int
    k_less: bool = False


def sections_of(segmenter: DeepCut) -> tuple[Section, ...]:
    """The networks that are shared.

    Raises
    ------
    ValueError
        If there are none, in a sentence.
    """
    if segmenter.stages == "object":
        raise ValueError(
            f"{segmenter.title} finds the object of each image on its own, so with stages='object' "
            "there is nothing to learn. Choose the stages one, parts or both."
        )
    many, k_less = segmenter.most_clusters, segmenter.k_less
    if segmenter.stages == "one":
        return (Section(WHOLE, many, k_less),)
    inside = Section(INSIDE, many, k_less)
    return (inside, Section(OUTSIDE, 2)) if segmenter.stages == "both" else (inside,)


@dataclass(frozen=True, eq=False)
class Basis:
    """How nodes of any image are told apart.

    Parameters
    ----------
    mean : Tensor, (C,)
        Of the features of all nodes.
    axes : Tensor, (C, D)
        Directions in them.
    loudness : Tensor, ()
        Root of the mean squared length of what the networks see.
    """

    mean: torch.Tensor
    axes: torch.Tensor
    loudness: torch.Tensor

    @classmethod
    def over(cls, segmenter: DeepCut, graphs: Sequence[Graph]) -> Basis:
        """Of some images of a set."""
        features = torch.cat([graph.features for graph in graphs])
        n_features = features.shape[1]
        nothing, one = features.new_zeros(n_features), features.new_ones(())
        if segmenter.is_published:
            return cls(nothing, torch.eye(n_features).to(features), one)
        shares = torch.cat([graph.sizes for graph in graphs])[:, None] / len(graphs)
        mean = (shares * features).sum(dim=0)
        off = features - mean
        axes = torch.linalg.eigh((off * shares).T @ off).eigenvectors.flip(1)
        basis = cls(mean, axes[:, : min(AXES, n_features)].contiguous(), one)
        seen = [inputs(segmenter, basis.of(graph), basis) for graph in graphs]
        return replace(basis, loudness=torch.cat(seen).square().sum(dim=1).mean().sqrt() + LEAST)

    def of(self, graph: Graph) -> Graph:
        """The graph with features on these axes, (N, D)."""
        return replace(graph, features=(graph.features - self.mean) @ self.axes)

    def tensors(self) -> dict[str, torch.Tensor]:
        """For a model."""
        return {MEAN: self.mean, MAIN: self.axes, LOUDNESS: self.loudness}


def ties(segmenter: DeepCut, graph: Graph) -> torch.Tensor:
    """Weights for the normalised cut, (N, N), of a graph whose features are on the set's axes."""
    if segmenter.is_published:
        return affinity(segmenter, graph, k_less=False)
    sharp = cuts.cosine_affinity(graph.features).clamp_min(0).pow(SHARPNESS)
    return sharp * (len(graph) * graph.sizes[:, None] * len(graph) * graph.sizes)


def inputs(segmenter: DeepCut, graph: Graph, basis: Basis) -> torch.Tensor:
    """What the graph convolution makes of the features, (N, D), of a graph on these axes."""
    if segmenter.is_published:
        weights = affinity(segmenter, graph, k_less=segmenter.k_less)
        return cuts.normalised(weights) @ graph.features
    near = cuts.cosine_affinity(graph.features).clamp_min(0).pow(SMOOTHING) * graph.sizes
    means = near @ graph.features / near.sum(dim=1, keepdim=True).clamp_min(LEAST**2)
    return means / basis.loudness


def loss_of(
    segmenter: DeepCut, graph: Graph, assignment: torch.Tensor, *, k_less: bool
) -> torch.Tensor:
    """The objective of one image's graph on the set's axes."""
    if k_less:
        signed = affinity(segmenter, graph, k_less=True)
        return cuts.correlation_loss(signed, assignment) / signed.abs().sum().clamp_min(LEAST)
    weights = ties(segmenter, graph)
    if segmenter.is_published:
        return cuts.ncut_loss(weights, assignment)
    return cuts.association_loss(weights, assignment)


@dataclass(frozen=True, eq=False)
class Learned:
    """What was learned from many images.

    Parameters
    ----------
    basis : Basis
        On which graphs are put.
    networks : dict of Section to Sequential
        One for each section.
    """

    basis: Basis
    networks: Mapping[Section, torch.nn.Sequential]

    def network(self, name: str) -> torch.nn.Sequential | None:
        """The network of a section, if there is one."""
        return next((net for own, net in self.networks.items() if own.name == name), None)

    def tensors(self) -> dict[str, torch.Tensor]:
        """For a model."""
        return self.basis.tensors() | {
            f"{section.name}{name}": tensor
            for section, network in self.networks.items()
            for name, tensor in network.state_dict().items()
        }


def begun(segmenter: DeepCut, basis: Basis) -> Learned:
    """Networks with random weights."""
    networks = {}
    for place, section in enumerate(sections_of(segmenter)):
        with seeded(segmenter.seed + place):
            net = cuts.network(basis.axes.shape[1], section.n_clusters, dropout=segmenter.dropout)
        networks[section] = net.to(basis.axes.device)
    return Learned(basis, networks)


def learned_of(segmenter: DeepCut, model: Model, device: torch.device) -> Learned:
    """What a model holds.

    Raises
    ------
    ValueError
        If it is of another method or of other networks; in a sentence.
    """
    require_method(segmenter, model)
    here = {name: tensor.to(device) for name, tensor in model.tensors.items()}
    try:
        if any(model.parameters[name] != getattr(segmenter, name) for name in FIXED):
            raise KeyError(segmenter.name)
        learned = begun(segmenter, Basis(here[MEAN], here[MAIN], here[LOUDNESS]))
        for section, network in learned.networks.items():
            network.load_state_dict(_only(here, section.name))
            network.eval()
    except (KeyError, RuntimeError, IndexError) as error:
        raise ValueError(
            f"{segmenter.title} has another backbone, number of clusters or kind of stages or "
            "nodes than this model was trained with. Set them as they were, or train again."
        ) from error
    return learned


def _only(tensors: Tensors, prefix: str) -> dict[str, torch.Tensor]:
    return {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}


@dataclass(frozen=True, eq=False)
class Seen:
    """What is kept of an image.

    Parameters
    ----------
    graph : Graph
        Its plane is a small one.
    is_object : ndarray, (N,) bool
        Which nodes are object; all where nobody asks.
    """

    graph: Graph
    is_object: NDArray[np.bool_]

    def nodes(self, section: Section) -> torch.Tensor:
        """Those that a section cuts, (M,) int64."""
        wanted = {
            WHOLE: np.ones_like(self.is_object),
            INSIDE: self.is_object,
            OUTSIDE: ~self.is_object,
        }[section.name]
        return torch.from_numpy(np.flatnonzero(wanted)).to(self.graph.sizes.device)

    @property
    def n_bytes(self) -> int:
        """In memory."""
        held = self.graph.features, self.graph.descriptors, self.graph.sizes
        return self.graph.plane.nbytes + sum(t.numel() * t.element_size() for t in held)


class Graphs:
    """Graphs of images, the last ones of which are kept.

    Parameters
    ----------
    segmenter : DeepCut
        What kind of graphs.
    device : device
        Where.
    fineness : Fineness
        Of regions.
    """

    def __init__(self, segmenter: DeepCut, device: torch.device, fineness: Fineness) -> None:
        self._segmenter, self._device, self._fineness = segmenter, device, fineness
        self._kept: OrderedDict[bytes, Seen] = OrderedDict()
        self._n_bytes = 0
        self.basis: Basis | None = None

    def put_on(self, basis: Basis) -> None:
        """Have all graphs on these axes from now on."""
        known = self._kept if self.basis is None else OrderedDict[bytes, Seen]()
        self.basis = basis
        self._kept = OrderedDict((key, self._based(seen)) for key, seen in known.items())
        self._n_bytes = sum(seen.n_bytes for seen in self._kept.values())

    def of(self, rgb: Rgb) -> Seen:
        """The graph of an (H, W, 3) image."""
        key = hashlib.sha256(rgb.tobytes() + repr(rgb.shape).encode()).digest()
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        seen = self._made(rgb)
        self._kept[key] = seen
        self._n_bytes += seen.n_bytes
        while self._n_bytes > KEPT_BYTES and len(self._kept) > 1:
            self._n_bytes -= self._kept.popitem(last=False)[1].n_bytes
        return seen

    def _made(self, rgb: Rgb) -> Seen:
        segmenter, pixels = self._segmenter, np.ascontiguousarray(rgb)
        if pixels.min() == pixels.max():  # a view may be so, an image may not
            pixels = pixels.copy()
            pixels[0, 0] ^= 1
        image = Image.of(pixels)
        request = FeatureRequest(segmenter.backbone)
        weights = Path(segmenter.weights) if segmenter.weights else None
        if segmenter.is_published:
            graph = patch_graph(image, request, weights)
        else:
            graph = region_graph(image, request, weights, self._fineness)
        is_object = np.ones(len(graph), bool)
        if segmenter.stages != "one":
            is_object = objects_in(image, graph)
        step = -(-max(graph.plane.shape) // PLANE_SIDE)
        plane = np.ascontiguousarray(graph.plane[::step, ::step])
        graph = replace(graph, plane=plane).to(self._device)
        return self._based(Seen(graph, is_object))

    def _based(self, seen: Seen) -> Seen:
        """The same on the axes, if there are any yet."""
        if self.basis is None:
            return seen
        graph = self.basis.of(seen.graph)
        if not self._segmenter.k_less:  # nobody looks at the descriptors then
            graph = replace(graph, descriptors=graph.features)
        return replace(seen, graph=graph)


def objects_in(image: Image, graph: Graph) -> NDArray[np.bool_]:
    """Which nodes of an image's graph are object for the most part, (N,)."""
    areas = graph.sizes.cpu().numpy()
    return mostly(np.arange(len(graph)), areas, areas * likeness_of(image, graph))


class PartsScorer:
    """Judges images by shared networks, one pass each; see `Scorer`.

    Its planes are the outputs of the network, and before them, where only objects are divided, the
    background, or its two halves.
    """

    def __init__(self, segmenter: DeepCut, learned: Learned, graphs: Graphs) -> None:
        self._segmenter, self._learned, self._graphs = segmenter, learned, graphs

    def __call__(self, rgb: Rgb) -> torch.Tensor:
        """Logarithms of shares, (K, h, w)."""
        seen = self._graphs.of(rgb)
        columns = [
            self._columns(seen, section)
            for section in sorted(self._learned.networks, key=lambda own: own.name == INSIDE)
        ]
        if self._segmenter.stages == "parts":
            outside = torch.from_numpy(~seen.is_object).to(seen.graph.sizes)
            columns.insert(0, outside[:, None])
        shares = torch.cat(columns, dim=1)
        scores = shares.clamp_min(LEAST).log().T
        plane = torch.from_numpy(seen.graph.plane).to(scores.device)
        return scores[:, plane]

    def _columns(self, seen: Seen, section: Section) -> torch.Tensor:
        """Shares of the outputs of a section, (N, outputs); 0 at nodes that it does not cut."""
        nodes, network = seen.nodes(section), self._learned.networks[section]
        columns = seen.graph.sizes.new_zeros(len(seen.graph), section.n_clusters)
        if len(nodes):
            columns[nodes] = shares_by(
                self._segmenter, seen.graph.of(nodes), self._learned.basis, network
            )
        return columns


def shares_by(
    segmenter: DeepCut, graph: Graph, basis: Basis, network: torch.nn.Sequential
) -> torch.Tensor:
    """How sure a network is of each cluster of each node of a graph on the set's axes, (N, K)."""
    was_training = network.training
    network.eval()
    with torch.no_grad():
        logits: torch.Tensor = network(inputs(segmenter, graph, basis))
    network.train(was_training)
    return logits.softmax(dim=1)


class PartsLearner:
    """Shared networks, trained on the graphs of a few images in each step; see `Learner`.

    Parameters
    ----------
    segmenter : DeepCut
        How to cut.
    album : Album
        From what.
    device : device
        Where.
    """

    def __init__(self, segmenter: DeepCut, album: Album, device: torch.device) -> None:
        sections_of(segmenter)
        self._segmenter, self._album = segmenter, album
        self.total = self.plan(len(album)).total
        self._graphs = Graphs(segmenter, device, FINE)
        measured = [self._graphs.of(rgb).graph for _, rgb in album.spread(N_MEASURED)]
        self._take(Basis.over(segmenter, measured))

    def _take(self, basis: Basis) -> None:
        self._graphs.put_on(basis)
        self._learned = begun(self._segmenter, basis)
        rate = self._segmenter.learning_rate
        if not self._segmenter.is_published:
            rate *= RATE
        self._descents = {
            section: AdamW(network.parameters(), rate)
            for section, network in self._learned.networks.items()
        }

    def plan(self, n_images: int) -> Plan:
        """The beginning, and steps of a few images each."""
        n_steps, n_drawn = self._segmenter.iterations * min(n_images, MOST_TIMES), TOGETHER
        if self._segmenter.is_published:
            return Plan((Work("update", n_steps + 1, min(n_drawn, n_images)),))
        begin = Work("begin", 1, min(N_MEASURED, n_images))
        return Plan((begin, Work("update", n_steps, min(n_drawn, n_images))))

    def kind(self, number: int) -> str:
        """Of a step."""
        return "begin" if number == 0 and not self._segmenter.is_published else "update"

    def step(self, number: int) -> float:
        """Down the objective of a few images, the first time towards k-means."""
        if number == 0 and not self._segmenter.is_published:
            return _mean([self._begin(section) for section in self._descents])
        random = np.random.default_rng((self._segmenter.seed, number))
        drawn = [self._graphs.of(rgb) for _, rgb in self._album.drawn(TOGETHER, random)]
        with seeded(self._segmenter.seed + number):
            return _mean([self._descend(section, drawn) for section in self._descents])

    def _descend(self, section: Section, drawn: Sequence[Seen]) -> float:
        """One step of one network; NaN where none of the images has what it cuts."""
        losses = []
        for seen in drawn:
            nodes = seen.nodes(section)
            if len(nodes) < 2:
                continue
            graph = seen.graph.of(nodes)
            logits = self._learned.networks[section](self._inputs(graph))
            losses.append(
                loss_of(self._segmenter, graph, logits.softmax(dim=1), k_less=section.k_less)
            )
        if not losses:
            return float("nan")
        loss = torch.stack(losses).mean()
        self._descents[section].step(loss)
        return loss.item()

    def _begin(self, section: Section) -> float:
        """Steps of one network towards k-means of what it sees."""
        seen = [self._graphs.of(rgb) for _, rgb in self._album.spread(N_MEASURED)]
        cut = [(own.graph, own.nodes(section)) for own in seen]
        points = [self._inputs(graph.of(nodes)) for graph, nodes in cut if len(nodes)]
        if not points:
            return float("nan")
        every, seed = torch.cat(points), self._segmenter.seed
        centres, _ = clustered(every, section.n_clusters, seed)
        clusters, random = nearest(every, centres), np.random.default_rng((seed, 0))
        loss = every.new_zeros(())
        with seeded(seed):
            for _ in range(FIRST_STEPS):
                some = torch.from_numpy(random.permutation(len(every))[:FIRST_NODES])
                logits = self._learned.networks[section](every[some.to(every.device)])
                loss = torch.nn.functional.cross_entropy(logits, clusters[some.to(every.device)])
                self._descents[section].step(loss)
        return loss.item()

    def _inputs(self, graph: Graph) -> torch.Tensor:
        return inputs(self._segmenter, graph, self._learned.basis)

    def tensors(self) -> dict[str, torch.Tensor]:
        """Axes and networks, and the means that the descent keeps."""
        held = {name: tensor.detach() for name, tensor in self._learned.tensors().items()}
        for section, descent in self._descents.items():
            for kind, tensors in vars(descent.momentum()).items():
                names = (f"{TRAINING}{section.name}{kind}.{i}" for i in range(len(tensors)))
                held |= dict(zip(names, tensors, strict=True))
        return held

    def recall(self, tensors: Tensors) -> None:
        """Go back to `tensors`."""
        device = self._learned.basis.axes.device
        here = {name: tensor.to(device) for name, tensor in tensors.items()}
        self._take(Basis(here[MEAN], here[MAIN], here[LOUDNESS]))
        for section, network in self._learned.networks.items():
            network.load_state_dict(_only(here, section.name))
            n_parameters = len(list(network.parameters()))
            kinds = (f"{TRAINING}{section.name}{kind.name}." for kind in fields(Momentum))
            self._descents[section].recall(
                Momentum(*([here[f"{kind}{i}"] for i in range(n_parameters)] for kind in kinds))
            )

    def scorer(self) -> PartsScorer:
        """By the networks as they are now."""
        basis = self._learned.basis
        learned = begun(self._segmenter, basis)
        for section, network in learned.networks.items():
            network.load_state_dict(self._learned.networks[section].state_dict())
            network.eval()
        return PartsScorer(self._segmenter, learned, self._graphs)


def _mean(losses: Sequence[float]) -> float:
    """Of those that there are; NaN where there are none."""
    told = [loss for loss in losses if np.isfinite(loss)]
    return float(np.mean(told)) if told else float("nan")
