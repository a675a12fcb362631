"""The main components of deep features, as if all their levels lay on one plane.

Bilinear enlarging multiplies a level by one matrix for its rows and one for its columns. So the
levels as they are, which have far fewer pixels, tell what enlarged ones would have in common, and
only the few components that are kept are enlarged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from unseg_studio.features.lazy_torch import torch

WIDTH = 8
"""Components that are kept."""

STEPS = 8
"""Of subspace iteration, over twice as many axes."""

TINY = 1e-6


def main_components(levels: Sequence[torch.Tensor], shape: tuple[int, int]) -> torch.Tensor:
    """The first principal components of all levels on one plane, their mean squared length 1.

    Each level has length 1 at each of its pixels; less its mean on the plane, it is scaled so that
    all levels count alike.

    Parameters
    ----------
    levels : sequence of Tensor, (C, h, w) float32
        Deep features of one image, at any resolutions.
    shape : tuple of int
        Height and width of the plane in pixels.

    Returns
    -------
    Tensor, (at most `WIDTH`, height, width) float32
    """
    spread = [_Spread.over(level, shape) for level in levels]
    axes = _axes(torch.cat([torch.cat([_shared(a, b) for b in spread], dim=1) for a in spread]))
    parts = torch.split(axes, [len(level) for level in levels])
    main = torch.stack([s.enlarged(part) for s, part in zip(spread, parts, strict=True)]).sum(dim=0)
    return torch.as_tensor(main / (main.square().sum(dim=0).mean().sqrt() + TINY))


def unit(level: torch.Tensor) -> torch.Tensor:
    """(C, h, w) features with length 1 at each pixel."""
    return torch.as_tensor(level / (level.norm(dim=0) + TINY))


@dataclass(frozen=True, eq=False)
class _Spread:
    """A level and how it is spread over the plane.

    Parameters
    ----------
    values : Tensor, (C, h, w) float32
        On the plane its mean is 0 and its mean squared length 1.
    rows, cols : Tensor, (H, h) and (W, w) float32
        What enlarges it to H x W pixels.
    """

    values: torch.Tensor
    rows: torch.Tensor
    cols: torch.Tensor

    @classmethod
    def over(cls, level: torch.Tensor, shape: tuple[int, int]) -> _Spread:
        values = unit(level)
        rows, cols = (_bilinear(n, to) for n, to in zip(level.shape[1:], shape, strict=True))
        values = values - (rows.mean(dim=0) @ values @ cols.mean(dim=0))[:, None, None]
        squares = (values * (rows.T @ rows @ values @ (cols.T @ cols))).sum() / rows.shape[0]
        length = (squares / cols.shape[0]).clamp(min=0).sqrt()
        return cls(values / (length + TINY), rows, cols)

    def enlarged(self, axes: torch.Tensor) -> torch.Tensor:
        """Its part of the components along (C, D) axes: (D, H, W)."""
        along = torch.tensordot(axes, self.values, dims=([0], [0]))
        return torch.as_tensor(self.rows @ along @ self.cols.T)


def _shared(one: _Spread, other: _Spread) -> torch.Tensor:
    """Mean product over the plane of each feature of one and each of the other, (C, C')."""
    if one.values[0].numel() > other.values[0].numel():
        return _shared(other, one).T
    moved = (one.rows.T @ other.rows) @ other.values @ (one.cols.T @ other.cols).T
    n_pixels = len(one.rows) * len(one.cols)
    return one.values.flatten(1) @ moved.flatten(1).T / n_pixels


def _bilinear(n: int, to: int) -> torch.Tensor:
    """What enlarges (or reduces) a line of n values to another length, (to, n)."""
    line = torch.nn.functional.interpolate(
        torch.eye(n)[None], to, mode="linear", align_corners=False
    )
    return torch.as_tensor(line[0].T)


def _axes(covariance: torch.Tensor) -> torch.Tensor:
    """About the first principal axes of a (C, C) covariance, (C, D): by subspace iteration."""
    start = np.random.default_rng(0).standard_normal((len(covariance), 2 * WIDTH), np.float32)
    axes = torch.from_numpy(start)
    for _ in range(STEPS):
        axes = torch.linalg.qr(covariance @ axes).Q
    _, turn = torch.linalg.eigh(axes.T @ covariance @ axes)
    return torch.as_tensor(axes @ turn[:, -WIDTH:])
