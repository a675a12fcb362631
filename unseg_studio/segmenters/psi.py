"""The network of neural eigenfunctions, as functions of named tensors: two blocks over one image.

Attention is linear (Z. Shen, M. Zhang, H. Zhao, S. Yi, H. Li, "Efficient Attention: Attention with
Linear Complexities", WACV 2021): its time grows with the number of places, not with the square.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from unseg_studio.features.lazy_torch import torch

BLOCKS = 2

HEAD = 64
"""Channels of one head of attention."""

Weights = Mapping[str, "torch.Tensor"]


def drawn(
    n_inputs: int, width: int, n_functions: int, random: np.random.Generator
) -> dict[str, torch.Tensor]:
    """Weights of a new network by chance.

    Parameters
    ----------
    n_inputs : int
        Channels of the features.
    width : int
        Channels inside; where it differs from `n_inputs` a linear layer leads there.
    n_functions : int
        Outputs.
    random : Generator
        What to draw from.
    """
    weights = {} if width == n_inputs else _linear("stem", (n_inputs, width), random)
    inner = HEAD * heads(width)
    for block in range(BLOCKS):
        attention, mlp = f"{block}.attention", f"{block}.mlp"
        weights |= _norm(attention, width) | _norm(mlp, width)
        weights |= _linear(f"{attention}.in", (width, 3 * inner), random, has_bias=False)
        weights |= _linear(f"{attention}.out", (inner, width), random)
        weights |= _linear(f"{mlp}.in", (width, width // 2), random)
        weights |= _linear(f"{mlp}.out", (width // 2, width), random)
    return weights | _norm("hidden", width) | _linear("functions", (width, n_functions), random)


def heads(width: int) -> int:
    """Heads of attention of a network so wide."""
    return max(1, width // HEAD)


def _linear(
    name: str, sizes: tuple[int, int], random: np.random.Generator, *, has_bias: bool = True
) -> dict[str, torch.Tensor]:
    """Of a linear layer from and to so many channels."""
    bound = sizes[0] ** -0.5
    weight = random.uniform(-bound, bound, sizes[::-1]).astype(np.float32)
    bias = random.uniform(-bound, bound, sizes[1]).astype(np.float32)
    made = {f"{name}.weight": torch.from_numpy(weight)}
    return made | {f"{name}.bias": torch.from_numpy(bias)} if has_bias else made


def _norm(name: str, width: int) -> dict[str, torch.Tensor]:
    return {f"{name}.norm.weight": torch.ones(width), f"{name}.norm.bias": torch.zeros(width)}


def hidden(weights: Weights, places: torch.Tensor) -> torch.Tensor:
    """What the last layer but one makes of the places of one image: (M, C) -> (M, width)."""
    places = _through(weights, "stem", places) if "stem.weight" in weights else places
    for block in range(BLOCKS):
        places = places + _attended(weights, f"{block}.attention", places)
        inner = _through(weights, f"{block}.mlp.in", _evened(weights, f"{block}.mlp", places))
        gelu = torch.nn.functional.gelu(inner)
        places = places + _through(weights, f"{block}.mlp.out", gelu)
    return _evened(weights, "hidden", places)


def functions(weights: Weights, seen: torch.Tensor) -> torch.Tensor:
    """The functions at places by what `hidden` made of them, (M, K), by an orthogonal matrix."""
    matrix = orthogonal(weights["functions.weight"])
    return torch.nn.functional.linear(seen, matrix, weights["functions.bias"])


def orthogonal(free: torch.Tensor) -> torch.Tensor:
    """The matrix of the same shape whose rows, or columns where these are fewer, are orthonormal.

    That of the Gram-Schmidt process, so it moves smoothly with the free one.
    """
    is_wide = free.shape[0] <= free.shape[1]
    found, triangle = torch.linalg.qr(free.T if is_wide else free)
    turned: torch.Tensor = found * triangle.diagonal().sign()
    return turned.T if is_wide else turned


def _attended(weights: Weights, name: str, places: torch.Tensor) -> torch.Tensor:
    """What every place hears of the image: (M, width) -> (M, width)."""
    inner = _through(weights, f"{name}.in", _evened(weights, name, places))
    n_heads = inner.shape[1] // (3 * HEAD)
    queries, keys, values = inner.reshape(len(places), 3, n_heads, HEAD).permute(1, 2, 0, 3)
    context = keys.softmax(dim=1).transpose(1, 2) @ values
    heard = (queries.softmax(dim=2) * HEAD**-0.5) @ context
    return _through(weights, f"{name}.out", heard.transpose(0, 1).reshape(len(places), -1))


def _through(weights: Weights, name: str, places: torch.Tensor) -> torch.Tensor:
    bias = weights.get(f"{name}.bias")
    return torch.nn.functional.linear(places, weights[f"{name}.weight"], bias)


def _evened(weights: Weights, name: str, places: torch.Tensor) -> torch.Tensor:
    weight, bias = weights[f"{name}.norm.weight"], weights[f"{name}.norm.bias"]
    return torch.nn.functional.layer_norm(places, weight.shape, weight, bias)
