"""Features in which pixels of one object lie together and those of different ones apart.

A network that was made to tell a thousand things apart describes an image by what matters to that:
most of it is noise to somebody who marks objects, or nuclei, or membranes. So its levels are
projected to the directions that told categories apart, a small network with one hidden layer adds
what only several of them say together with hand-made features, and these are mixed as well. The
numbers lie beside this file. They were fitted once, on half of the images of sets of many kinds
(`unseg-studio bench fit`), so that classifiers taught by a few strokes were right on the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import NamedTuple

import numpy as np

from unseg_studio.features.lazy_torch import torch

SOFTENING = 0.1
"""Added to the size of what the hidden layer says, so that next to nothing is not made large."""


class Coordinates(NamedTuple):
    """Where each pixel lies, for the classifiers that are to be taught."""

    deep: torch.Tensor
    """(D + 2, N): deep features and place, to be compared by a Gaussian kernel of width 1."""
    hand: torch.Tensor
    """(F, N): mixed hand-made features, for a kernel as well."""
    plain: torch.Tensor
    """(D + 2, N): deep features and place as they are."""

    def at(self, pixels: slice | torch.Tensor) -> Coordinates:
        """Those of some of the pixels."""
        return Coordinates(*(planes[:, pixels] for planes in self))


class Scale(NamedTuple):
    """By what the features of an image are brought to a common size."""

    sizes: tuple[torch.Tensor, ...]
    """Of each projected level."""
    centre: torch.Tensor
    """Mean of what the hidden layer says, (E, 1)."""
    spread: torch.Tensor
    """Its size."""


class Network(NamedTuple):
    """The fitted numbers: D features of the levels together, H of the hidden layer, E of its own.

    All are float32 Tensors.
    """

    projections: Sequence[torch.Tensor]
    """Of each level, (D_l, C_l)."""
    powers: torch.Tensor
    """How far each level is brought to the same size in every image, from 0 to 1: (levels,)."""
    gains: torch.Tensor
    """How much each level counts, and after them what the hidden layer says: (levels + 1,)."""
    hidden: torch.Tensor
    """(H, D + F)."""
    hidden_bias: torch.Tensor
    """(H,)."""
    output: torch.Tensor
    """(E, H)."""
    output_bias: torch.Tensor
    """(E,)."""
    hand: torch.Tensor
    """(F, F)."""
    scales: torch.Tensor
    """Of deep features and of the place in the kernel, and of the place beside plain ones: (3,)."""

    def projected(
        self, levels: Sequence[torch.Tensor], like: Scale | None = None
    ) -> list[torch.Tensor]:
        """Every level, (C_l, N_l) with a mean of 0, in its own directions: (D_l, N_l) each."""
        planes = self._turned(levels)
        sizes = [*map(_size, planes)] if like is None else like.sizes
        return [
            plane * gain * size**-power
            for plane, gain, size, power in zip(
                planes, self.gains[:-1], sizes, self.powers, strict=True
            )
        ]

    def coordinates(
        self,
        near: torch.Tensor,
        hand: torch.Tensor,
        place: torch.Tensor,
        *,
        like: Scale | None = None,
    ) -> Coordinates:
        """Of N pixels, from projected levels (D, N), hand-made features (F, N), place (2, N)."""
        more = self._more(near, hand)
        more = more - (more.mean(dim=1, keepdim=True) if like is None else like.centre)
        size = _size(more) if like is None else like.spread
        deep = torch.cat([near, more * (self.gains[-1] / (size + SOFTENING))])
        of_deep, of_place, beside = self.scales
        return Coordinates(
            torch.cat([of_deep * deep, of_place * place]),
            self.hand @ hand,
            torch.cat([deep, beside * place]),
        )

    def scale(
        self, levels: Sequence[torch.Tensor], near: torch.Tensor, hand: torch.Tensor
    ) -> Scale:
        """What `projected` and `coordinates` find of an image, with what `projected` gave."""
        more = self._more(near, hand)
        centre = more.mean(dim=1, keepdim=True)
        return Scale(tuple(map(_size, self._turned(levels))), centre, _size(more - centre))

    def _turned(self, levels: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        return [axes @ level for axes, level in zip(self.projections, levels, strict=True)]

    def _more(self, near: torch.Tensor, hand: torch.Tensor) -> torch.Tensor:
        """What the hidden layer says, (E, N)."""
        layer = torch.addmm(self.hidden_bias[:, None], self.hidden, torch.cat([near, hand])).relu()
        return torch.addmm(self.output_bias[:, None], self.output, layer)


def _size(planes: torch.Tensor) -> torch.Tensor:
    """Root of the mean squared length of (F, N) features."""
    return (planes.square().sum(dim=0).mean() + 1e-12).sqrt()


def embedded(
    levels: Sequence[torch.Tensor],
    hand: torch.Tensor,
    place: torch.Tensor,
    *,
    like: Scale | None = None,
) -> Coordinates:
    """The coordinates of every pixel of a plane.

    Parameters
    ----------
    levels : sequence of Tensor, (C_l, h_l, w_l) float32
        Deep features, of length 1 at each pixel, less their mean over the image.
    hand : Tensor, (F, h, w) float32
        See `features.filters`.
    place : Tensor, (2, h, w) float32
        Row and column, of deviation 1.
    like : Scale or None
        That of another image, see `scale_of`, to be comparable with it; None: its own.
    """
    near = _near(levels, hand, like)
    return stored().coordinates(near, hand.flatten(1), place.flatten(1), like=like)


def scale_of(levels: Sequence[torch.Tensor], hand: torch.Tensor) -> Scale:
    """By what `embedded` brings these features of an image to a common size."""
    near = _near(levels, hand, None)
    return stored().scale([level.flatten(1) for level in levels], near, hand.flatten(1))


def _near(levels: Sequence[torch.Tensor], hand: torch.Tensor, like: Scale | None) -> torch.Tensor:
    """The projected levels on the plane of the hand-made features, (D, N)."""
    planes = stored().projected([level.flatten(1) for level in levels], like)
    near = [
        resampled(plane.reshape(-1, *level.shape[1:]), (hand.shape[1], hand.shape[2])).flatten(1)
        for plane, level in zip(planes, levels, strict=True)
    ]
    return torch.cat(near)


def resampled(level: torch.Tensor, shape: tuple[int, int]) -> torch.Tensor:
    """(C, h, w) features on a plane of another size."""
    planes: torch.Tensor = torch.nn.functional.interpolate(level[None], shape, mode="bilinear")
    return planes[0]


@cache
def stored() -> Network:
    """The numbers in the file."""
    with resources.files(__package__).joinpath("embedding.npz").open("rb") as file:
        numbers = {
            name: torch.from_numpy(np.asarray(values, np.float32))
            for name, values in np.load(file, allow_pickle=False).items()
        }
    n_levels = len(numbers["powers"])
    projections = [numbers.pop(f"projection_{i}") for i in range(n_levels)]
    return Network(projections, **numbers)
