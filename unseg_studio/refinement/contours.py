"""How much two neighbouring pixels belong together: a small network on what differs between them.

Colour alone breaks inside textures and leaks where colours happen to agree. So each pair of
neighbours is described by differences of colour at three scales, of deep features at five, of
textures, and by the edges and ridges that it lies on; a network with one hidden layer makes a
weight of it. Its few hundred numbers lie beside this file. They were fitted once, on photographs
and microscopy of many kinds, so that the random walk from a few strokes ends at the outlines that
people had drawn: the gradient of the overlap was led back through the walk's linear system.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from unseg_studio.features.lazy_torch import torch
from unseg_studio.refinement.propagation import Grid

WEAKEST = 3e-4
"""No weight is smaller, so that every pixel hears of some scribble."""

COLOUR_SCALES = ((0.0, 1), (1.0, 2), (2.5, 4))
"""Blur and distance of the differences of colour, in pixels of the plane."""

DEEP_DISTANCES = (1, 1, 2, 3, 5)
"""The same for each level of deep features."""

TEXTURES, DEVIATIONS = slice(12, 27), slice(27, 30)
"""Where they are among the hand-made features, see `features.filters`."""

EDGES_AND_RIDGES = (12, 13, 17, 18, 22, 23)

FLOOR = 1e-3
"""Added to squared differences before the logarithm."""


class Pairs(NamedTuple):
    """Values of each pair of neighbours: (F, h, w - 1) and (F, h - 1, w)."""

    right: torch.Tensor
    down: torch.Tensor


class Network(NamedTuple):
    """Weights of the network: inputs are centred and scaled, one hidden layer, one output."""

    centre: torch.Tensor
    scale: torch.Tensor
    hidden: torch.Tensor
    hidden_bias: torch.Tensor
    output: torch.Tensor
    output_bias: torch.Tensor

    def weight(self, pairs: torch.Tensor) -> torch.Tensor:
        """Of (F, h, w) pairs: (h, w), between `WEAKEST` and 1."""
        inputs = (pairs.flatten(1) - self.centre[:, None]) / self.scale[:, None]
        hidden = torch.tanh(torch.addmm(self.hidden_bias[:, None], self.hidden, inputs))
        barrier = 2 * (self.output @ hidden + self.output_bias)
        return (torch.sigmoid(-barrier) + WEAKEST).reshape(pairs.shape[1:])


@cache
def _network() -> Network:
    """The fitted numbers."""
    with resources.files(__package__).joinpath("contours.npz").open("rb") as file:
        stored = np.load(file, allow_pickle=False)
        return Network(*(torch.from_numpy(stored[name]) for name in Network._fields))


def contours(
    colour: NDArray[np.float32], deep: tuple[torch.Tensor, ...], filters: NDArray[np.float32]
) -> Grid:
    """The weights between the pixels of a plane.

    Parameters
    ----------
    colour : ndarray, (h, w, 3) float32
        Lab, standardised over the image.
    deep : tuple of Tensor, (C, h, w) float32 each
        Levels of deep features, of mean squared length 1.
    filters : ndarray, (30, h, w) float32
        See `features.filters`.
    """
    pairs = pairs_of(colour, deep, filters)
    network = _network()
    return Grid(network.weight(pairs.right), network.weight(pairs.down))


def pairs_of(
    colour: NDArray[np.float32], deep: tuple[torch.Tensor, ...], filters: NDArray[np.float32]
) -> Pairs:
    """What the network is told of each pair of neighbours; arguments as in `contours`."""
    textures, deviations = (
        torch.from_numpy(filters[TEXTURES]),
        torch.from_numpy(filters[DEVIATIONS]),
    )
    squares = [
        *(_squares(_blurred(colour, sigma), reach) for sigma, reach in COLOUR_SCALES),
        *(_sums(_squares(level, reach)) for level, reach in zip(deep, DEEP_DISTANCES, strict=True)),
        _means(_squares(textures, 1)),
        _means(_squares(deviations, 2)),
    ]
    lines = torch.from_numpy(filters[list(EDGES_AND_RIDGES)])
    return Pairs(
        *(
            torch.cat([0.5 * torch.log(torch.cat(parts) + FLOOR), line])
            for *parts, line in zip(*squares, _middles(lines), strict=True)
        )
    )


def _blurred(colour: NDArray[np.float32], sigma: float) -> torch.Tensor:
    blurred = cv2.GaussianBlur(colour, (0, 0), sigma) if sigma else colour
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(blurred, -1, 0)))


def _squares(planes: torch.Tensor, reach: int) -> Pairs:
    """Squared differences of pixels `2 * reach - 1` apart, with each pair in the middle."""
    (height, width), apart = planes.shape[1:], 2 * reach - 1
    padded = torch.nn.functional.pad(planes[None], (reach - 1,) * 4, mode="replicate")[0]
    inner = slice(reach - 1, reach - 1 + height), slice(reach - 1, reach - 1 + width)
    rows, cols = padded[:, inner[0]], padded[:, :, inner[1]]
    right = rows[:, :, apart : apart + width - 1] - rows[:, :, : width - 1]
    down = cols[:, apart : apart + height - 1] - cols[:, : height - 1]
    return Pairs(right**2, down**2)


def _middles(planes: torch.Tensor) -> Pairs:
    return Pairs((planes[:, :, 1:] + planes[:, :, :-1]) / 2, (planes[:, 1:] + planes[:, :-1]) / 2)


def _sums(pairs: Pairs) -> Pairs:
    return Pairs(*(values.sum(dim=0, keepdim=True) for values in pairs))


def _means(pairs: Pairs) -> Pairs:
    return Pairs(*(values.mean(dim=0, keepdim=True) for values in pairs))
