"""DiffCluster on reference images: one network for several, and for what looks like them.

Kim et al. 2020, section III-D. Published are references one after the other, a thousand updates
each, so that the last one decides; here every update is of some of them together.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from unseg_studio.features.augment import Rgb
from unseg_studio.features.lazy_torch import torch
from unseg_studio.segmenters import losses
from unseg_studio.segmenters.models import Model
from unseg_studio.segmenters.peers import ALONE, Peers
from unseg_studio.segmenters.plan import Plan, Work
from unseg_studio.segmenters.response import final_plane, pyramid, seeded_network, unit_of
from unseg_studio.segmenters.sgd import SGD
from unseg_studio.segmenters.training import TRAINING, Album, require_method

if TYPE_CHECKING:
    from unseg_studio.segmenters.diffcluster import DiffCluster

NETWORK = "network."
"""Before the names of the network's tensors in a model."""

TOGETHER = 2
"""References in one update."""

MOST_TIMES = 8
"""Times the updates of one image that several references get at most."""

COLOURS = 3
"""Channels of what people see."""


def weights_of(segmenter: DiffCluster, model: Model) -> dict[str, torch.Tensor]:
    """The network's weights in a model.

    Raises
    ------
    ValueError
        If they are of another method or of another network; in a sentence.
    """
    require_method(segmenter, model)
    found = {n.removeprefix(NETWORK): t for n, t in model.tensors.items() if n.startswith(NETWORK)}
    wanted = seeded_network(COLOURS, segmenter).state_dict()
    if {n: t.shape for n, t in found.items()} != {n: t.shape for n, t in wanted.items()}:
        raise ValueError(
            f"{segmenter.title} has another number of clusters, convolutions or channels than "
            "this model was trained with. Set them as they were, or train again."
        )
    return found


class ReferenceScorer:
    """Judges images by trained weights, each with statistics of its own, as published."""

    def __init__(
        self, segmenter: DiffCluster, weights: Mapping[str, torch.Tensor], device: torch.device
    ) -> None:
        self._segmenter, self._device = segmenter, device
        self._net = seeded_network(COLOURS, segmenter, device)
        self._net.load_state_dict(weights)

    def __call__(self, rgb: Rgb) -> torch.Tensor:
        """Responses, (K, h, w); see `Scorer`."""
        with torch.no_grad():
            plane = final_plane(self._segmenter, unit_of(rgb), self._device)
            response: torch.Tensor = self._net(plane)[0]
        return response


class ReferenceLearner:
    """The objective of one image, as a mean over those that are drawn; see `Learner`."""

    def __init__(self, segmenter: DiffCluster, album: Album, device: torch.device) -> None:
        self._segmenter, self._album, self._device = segmenter, album, device
        self.total = self.plan(len(album)).total
        self._net = seeded_network(COLOURS, segmenter, device)
        self._descent = SGD(self._net.parameters(), segmenter.learning_rate)
        self._peers = ALONE

    def join(self, peers: Peers) -> None:
        """Share the images of each update; see `Joining`."""
        self._peers = peers

    def plan(self, n_images: int) -> Plan:
        """All steps are of the same kind."""
        n_steps = self._segmenter.iterations * min(n_images, MOST_TIMES)
        return Plan((Work("update", n_steps, min(TOGETHER, n_images)),))

    def kind(self, _number: int) -> str:
        """Of a step."""
        return "update"

    def step(self, number: int) -> float:
        """One update by some of the references."""
        random = np.random.default_rng((self._segmenter.seed, number))
        drawn = self._album.drawn(TOGETHER, random)
        gradients = [torch.zeros_like(weight) for weight in self._descent.parameters]
        total = torch.zeros((), device=self._device)
        for number, (_, rgb) in enumerate(drawn):
            if self._peers.has(number):
                loss = self._loss(rgb) / len(drawn)
                own = torch.autograd.grad(loss, self._descent.parameters)
                torch._foreach_add_(gradients, own)
                total += loss.detach()
        # Loss and gradients of all images, where each peer has those of its own.
        total, *gradients = self._peers.summed([total, *gradients])
        self._descent.apply(gradients)
        return total.item()

    def _loss(self, rgb: Rgb) -> torch.Tensor:
        level = pyramid(self._segmenter, unit_of(rgb), self._device)[-1]
        response = self._net(level.image)[0].permute(1, 2, 0).contiguous()
        labels = response.detach().argmax(dim=2)
        return losses.objective(response, labels, None, mu=self._segmenter.mu, nu=0.0)

    def tensors(self) -> dict[str, torch.Tensor]:
        """Weights, and the momentum of each."""
        weights = {f"{NETWORK}{name}": t for name, t in self._net.state_dict().items()}
        return weights | {f"{TRAINING}{name}": m for name, m in self._momenta().items()}

    def recall(self, tensors: Mapping[str, torch.Tensor]) -> None:
        """Go on from these."""
        own = {n.removeprefix(NETWORK): t for n, t in tensors.items() if n.startswith(NETWORK)}
        self._net.load_state_dict(own)
        self._descent.recall([tensors[f"{TRAINING}{name}"] for name in self._momenta()])

    def _momenta(self) -> dict[str, torch.Tensor]:
        names = (name for name, _ in self._net.named_parameters())
        return dict(zip(names, self._descent.momenta, strict=True))

    def scorer(self) -> ReferenceScorer:
        """By the weights as they are now."""
        return ReferenceScorer(self._segmenter, self._net.state_dict(), self._device)
