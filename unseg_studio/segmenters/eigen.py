"""Eigenfunctions: the kernel whose they are, and the objective that has them as its minimum.

Z. Deng, Y. Luo, "Learning Neural Eigenfunctions for Unsupervised Semantic Segmentation", ICCV 2023
(arXiv 2304.02841), section 3; Z. Deng, J. Shi, J. Zhu, "NeuralEF: Deconstructing Kernels by Deep
Neural Networks", ICML 2022, has the triangular objective.

The kernel is kept sparse: with k neighbours of M places it has 2 k M entries, not M squared.
"""

from __future__ import annotations

from collections.abc import Sequence

from unseg_studio.features.lazy_torch import torch

ROWS = 1024
"""Of the similarities that are in memory at a time."""

NEAR = (10, 2.0), (5, 0.1)
"""Neighbours by colour and position: how many, and by how much position counts beside colour."""

NOTHING = 1e-9
"""Degree below which a place has no neighbours."""


def feature_kernel(features: torch.Tensor, n_nearest: int) -> torch.Tensor:
    """How alike places look: cosines of each with its nearest, symmetrised and normalised.

    Parameters
    ----------
    features : Tensor, (M, C) float32
        One row for each place of any images.
    n_nearest : int
        A place keeps the cosines with so many others, where they are above 0; never with itself.

    Returns
    -------
    Tensor, (M, M) float32, sparse
    """
    unit = features / (features.norm(dim=1, keepdim=True) + NOTHING)
    n_nearest = min(n_nearest, len(unit) - 1)
    found = [_nearest(unit, first, n_nearest) for first in range(0, len(unit), ROWS)]
    values, columns = (torch.cat(parts).flatten() for parts in zip(*found, strict=True))
    rows = torch.arange(len(unit), device=unit.device).repeat_interleave(n_nearest)
    pairs = torch.stack([rows, columns])
    both = torch.cat([pairs, pairs.flip(0)], dim=1)
    return normalised(_sparse(both, torch.cat([values, values]) / 2, len(unit)))


def _nearest(unit: torch.Tensor, first: int, n: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Largest cosines of some rows with all others, and with which, (rows, n) each."""
    cosines = unit[first : first + ROWS] @ unit.T
    cosines.diagonal(first).fill_(-torch.inf)
    values, columns = cosines.topk(n, dim=1, sorted=False)
    return values.clamp_min(0), columns


def place_kernel(images: Sequence[torch.Tensor]) -> torch.Tensor:
    """What lies together in its image and has its colour, normalised; nothing between images.

    Parameters
    ----------
    images : sequence of Tensor, (3, h, w) float32 in [0, 1]
        Reduced to the grid of the places.

    Returns
    -------
    Tensor, (M, M) float32, sparse
        M is the number of pixels of all images.
    """
    pairs, n_before = [], 0
    for image in images:
        pairs.append(_near(image) + n_before)
        n_before += image[0].numel()
    joint = torch.cat(pairs, dim=1)
    counted = _sparse(joint, torch.ones_like(joint[0], dtype=torch.float32), n_before)
    return normalised(_sparse(counted.indices(), torch.ones_like(counted.values()), n_before))


def _near(image: torch.Tensor) -> torch.Tensor:
    """Pairs of one image, both ways round, (2, E) int64; some come more than once."""
    colours, places = image.flatten(1).T, _places(image)
    n_pixels = len(colours)
    parts = [torch.zeros((2, 0), dtype=torch.int64, device=image.device)]
    for n, weight in NEAR:
        points = torch.cat([colours, weight * places], dim=1)
        distances = torch.cdist(points, points).fill_diagonal_(torch.inf)
        n_nearest = min(n, n_pixels - 1)
        columns = distances.topk(n_nearest, dim=1, largest=False).indices.flatten()
        rows = torch.arange(n_pixels, device=image.device).repeat_interleave(n_nearest)
        parts += [torch.stack([rows, columns]), torch.stack([columns, rows])]
    return torch.cat(parts, dim=1)


def _places(image: torch.Tensor) -> torch.Tensor:
    """Where the pixels lie, from 0 to 1, (h w, 2)."""
    height, width = image.shape[1:]
    down = torch.linspace(0, 1, height, device=image.device)
    across = torch.linspace(0, 1, width, device=image.device)
    return torch.cartesian_prod(down, across)


def normalised(kernel: torch.Tensor) -> torch.Tensor:
    """D^-1/2 A D^-1/2 of a sparse kernel (M, M) with entries of at least 0."""
    rows, columns = kernel.indices()
    degrees = torch.zeros(len(kernel), device=kernel.device)
    degrees.index_add_(0, rows, kernel.values())
    scale = degrees.clamp_min(NOTHING).rsqrt()
    return _sparse(kernel.indices(), scale[rows] * kernel.values() * scale[columns], len(kernel))


def _sparse(pairs: torch.Tensor, values: torch.Tensor, n: int) -> torch.Tensor:
    """A sparse (n, n) tensor; what comes twice is added up."""
    kernel = torch.sparse_coo_tensor(pairs, values, (n, n), check_invariants=False)
    return kernel.coalesce()


def columns_bounded(functions: torch.Tensor, scale: float) -> torch.Tensor:
    """Functions of length sqrt(scale) over all places, or less where they are less: (M, K)."""
    bounded: torch.Tensor = scale**0.5 * functions / functions.norm(dim=0).clamp_min(1)
    return bounded


def objective(functions: torch.Tensor, kernel: torch.Tensor, repulsion: float) -> torch.Tensor:
    """Least where function j is the j-th eigenfunction: ones before it push, and are not pushed.

    -1/K sum_j R_jj + beta/K sum_{i<j} R'_ij^2, where R = F^T G F, and R' = stop(F)^T G F.

    Parameters
    ----------
    functions : Tensor, (M, K) float32
        At all places.
    kernel : Tensor, (M, M) float32, sparse
        Symmetric.
    repulsion : float
        K times beta, which stays the same for any number of functions.

    Returns
    -------
    Tensor, ()
    """
    seen = torch.sparse.mm(kernel, functions)
    n_functions = functions.shape[1]
    along = (functions * seen).sum() / n_functions
    return repulsion_of(functions, seen).mul(repulsion / n_functions**2).sub(along)


def repulsion_of(functions: torch.Tensor, seen: torch.Tensor) -> torch.Tensor:
    """sum_{i<j} R'_ij^2, which has no gradient for function i: `seen` is G F, (M, K)."""
    return (functions.detach().T @ seen).triu(diagonal=1).square().sum()
