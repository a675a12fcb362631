"""Carry scribbles to every pixel: a random walk on image edges with a prior.

L. Grady, "Random Walks for Image Segmentation", IEEE TPAMI 28, 2006, in the form with priors
(L. Grady, CVPR 2005): for every label the probability x at each pixel solves

    (D - W + gamma I) x = gamma p        x = 1 or 0 where the label, or another one, is scribbled

with W the weights between neighbours, D their sums, p the prior. Conjugate gradients carry a
change one pixel further in each iteration, so the coarse planes are solved first: each plane
begins with the answer of the one of half its size, and only mends what that could not see.

All labels walk at once, as one batch of planes on which every operation is a stencil. On CUDA a
walk of some shape is recorded once and replayed, so it takes every iteration; those after the goal
change nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from unseg_studio.features.capture import Captured, CaptureShelf, Recorder, capture
from unseg_studio.features.devices import frees
from unseg_studio.features.lazy_torch import torch

GAMMA_PER_LABEL, LARGEST_GAMMA = 0.006, 0.05
"""Weight of the prior against the edges. The more labels there are, the fewer strokes of each
there are near a pixel, and the more the prior has to say."""

COARSEST = 24
"""Pixels; a plane whose shorter side is not longer is not halved any more."""

N_PLANES = 3

ITERATIONS = 60
"""On the coarsest plane; the others need a third, since they begin near the answer."""

TOLERANCE = 1e-3

STRONGEST = 50.0
"""Largest weight on a coarse plane; beyond it nothing changes but the number of iterations."""


@dataclass(frozen=True, eq=False)
class Grid:
    """Neighbours on a plane and how much they belong together.

    Parameters
    ----------
    right : Tensor, (h, w - 1) float32
        Weights between each pixel and the one right of it, > 0.
    down : Tensor, (h - 1, w) float32
        The same downwards.
    """

    right: torch.Tensor
    down: torch.Tensor

    @property
    def shape(self) -> tuple[int, int]:
        """(h, w) of the plane."""
        return self.right.shape[0], self.down.shape[1]

    @cached_property
    def degree(self) -> torch.Tensor:
        """Sum of the weights of each pixel, (h, w)."""
        return self.neighbours(torch.ones(1, *self.shape, device=self.right.device))[0]

    def to(self, device: torch.device) -> Grid:
        """The same on another device."""
        return Grid(self.right.to(device), self.down.to(device))

    def neighbours(self, planes: torch.Tensor) -> torch.Tensor:
        """The weighted sum of each pixel's four neighbours, of (K, h, w) planes."""
        return self._added(torch.zeros_like(planes), planes, sign=1)

    def apart(self, planes: torch.Tensor) -> torch.Tensor:
        """What is left of (K, h, w) planes without that sum."""
        return self._added(planes.clone(), planes, sign=-1)

    def _added(self, sums: torch.Tensor, planes: torch.Tensor, *, sign: int) -> torch.Tensor:
        sums[:, :, :-1].addcmul_(self.right, planes[:, :, 1:], value=sign)
        sums[:, :, 1:].addcmul_(self.right, planes[:, :, :-1], value=sign)
        sums[:, :-1].addcmul_(self.down, planes[:, 1:], value=sign)
        sums[:, 1:].addcmul_(self.down, planes[:, :-1], value=sign)
        return sums

    @cached_property
    def barriers(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Negative logarithms of the weights, rightwards and downwards."""
        return (-self.right.log()).numpy(), (-self.down.log()).numpy()

    def scaled(self, scale: torch.Tensor) -> Grid:
        """Each weight times what (h, w) `scale` has at its two pixels."""
        return Grid(self.right * scale[:, :-1] * scale[:, 1:], self.down * scale[:-1] * scale[1:])

    @cached_property
    def halved(self) -> Grid:
        """The plane of 2 x 2 blocks: weights in series add up inversely, side by side directly."""
        return Grid(_between_blocks(self.right), _between_blocks(self.down.T).T)


def _between_blocks(right: torch.Tensor) -> torch.Tensor:
    """Weights between horizontal neighbours among the 2 x 2 blocks of a plane."""
    height, width = right.shape[0], right.shape[1] + 1
    # A block that reaches over the border has nothing there that would resist.
    shape = height + height % 2, width + width % 2
    free = torch.full(shape, STRONGEST, device=right.device)
    free[:height, : width - 1] = right
    if height % 2:
        free[height] = free[height - 1]
    inside, across = free[:, 0::2], free[:, 1::2]
    path = 1 / (0.5 / inside[:, :-1] + 1 / across[:, :-1] + 0.5 / inside[:, 1:])
    return (path[0::2] + path[1::2]).clamp_max(STRONGEST)


def propagate(
    prior: torch.Tensor, seeds: NDArray[np.int32], grid: Grid, *, gamma: float | None = None
) -> torch.Tensor:
    """Spread seeds over the plane, less across weak edges.

    Parameters
    ----------
    prior : Tensor, (K, h, w) float32
        Probabilities of each label before the walk.
    seeds : ndarray, (h, w) int32
        Index of the label that is certain at a pixel, -1 where none is.
    grid : Grid
        Edges of the image.
    gamma : float or None
        Weight of the prior against the edges, > 0; None: by the number of labels.

    Returns
    -------
    Tensor, (K, h, w) float32
        Probabilities; they sum to 1 at each pixel.
    """
    if len(prior) == 1:
        return torch.ones_like(prior)
    labels = torch.arange(len(prior), device=prior.device)[:, None, None]
    certain = (labels == torch.from_numpy(seeds).to(prior.device)).to(prior.dtype)
    if gamma is None:
        gamma = _gamma(len(prior))
    # The probabilities of a pixel sum to 1, so the last label is what the others leave.
    if prior.is_cuda:
        walked = walked_again(prior[:-1], certain, grid, gamma)
    else:
        pull = torch.full((1, *grid.shape), gamma)
        walked = _solved(grid, pull, prior[:-1], certain, N_PLANES)
    walked = torch.cat([walked, 1 - walked.sum(dim=0, keepdim=True)]).clamp_min(1e-6)
    return walked / walked.sum(dim=0)


def propagate_among(prior: torch.Tensor, seeds: NDArray[np.int32], grid: Grid) -> torch.Tensor:
    """Spread seeds among labels that have none.

    Every label walks on its own, so those with seeds get what `propagate` would give them; the
    others, however many, walk as one and share what they are left by their priors. Far from the
    seeds, where nothing changes, their outlines stay as they were.

    Parameters
    ----------
    prior, seeds, grid
        See `propagate`.

    Returns
    -------
    Tensor, (K, h, w) float32
        Probabilities; they sum to 1 at each pixel.
    """
    drawn = np.unique(seeds[seeds >= 0]).tolist()
    others = [label for label in range(len(prior)) if label not in drawn]
    left = prior[others].sum(dim=0, keepdim=True)
    place = np.full(len(prior) + 1, -1, np.int32)  # the last one for what is unmarked
    place[drawn] = np.arange(len(drawn))
    walked = propagate(
        torch.cat([prior[drawn], left]), place[seeds], grid, gamma=_gamma(len(prior))
    )
    posterior = torch.empty_like(prior)
    posterior[drawn] = walked[:-1]
    posterior[others] = walked[-1] * prior[others] / left.clamp_min(1e-12)
    return posterior


def _gamma(n_labels: int) -> float:
    return min(LARGEST_GAMMA, GAMMA_PER_LABEL * n_labels)


class Walk:
    """A walk of K labels on planes of one shape, on tensors that stay where they are."""

    def __init__(self, n_labels: int, shape: tuple[int, int], device: torch.device) -> None:
        height, width = shape
        self.right = torch.ones(height, width - 1, device=device)
        self.down = torch.ones(height - 1, width, device=device)
        self.gamma = torch.ones(1, height, width, device=device)
        self.certain = torch.zeros(n_labels, height, width, device=device)
        self.prior = torch.full_like(self.certain[1:], 1 / n_labels)
        self.walked = self.prior

    def __call__(self) -> None:
        """Walk."""
        grid = Grid(self.right, self.down)
        self.walked = _solved(grid, self.gamma, self.prior, self.certain, N_PLANES, asks=False)

    def take(self, prior: torch.Tensor, certain: torch.Tensor, grid: Grid, gamma: float) -> None:
        """What to walk on; see `_solved`."""
        self.right.copy_(grid.right)
        self.down.copy_(grid.down)
        self.gamma.fill_(gamma)
        self.certain.copy_(certain)
        self.prior.copy_(prior)


_walks: CaptureShelf[tuple[Walk, Captured]] = CaptureShelf()
_walking = Lock()
frees(_walks.clear)


def walked_again(
    prior: torch.Tensor,
    certain: torch.Tensor,
    grid: Grid,
    gamma: float,
    *,
    recorder: Recorder | None = None,
) -> torch.Tensor:
    """Walk by the recording of such a walk, made the first time; any thread may call.

    Parameters
    ----------
    prior : Tensor, (K - 1, h, w) float32
        Probabilities of all labels but the last.
    certain : Tensor, (K, h, w) float32
        1 where a label is sure.
    grid : Grid
        Edges of the image.
    gamma : float
        Weight of the prior.
    recorder : Recorder or None
        See `capture`.

    Returns
    -------
    Tensor, (K - 1, h, w) float32
    """
    device = prior.device

    def made() -> tuple[Walk, Captured]:
        walk = Walk(len(certain), grid.shape, device)
        return walk, capture(walk, [], device, recorder=recorder)

    with _walking:
        walk, step = _walks.get((certain.shape, device, recorder), made)
        walk.take(prior, certain, grid.to(device), gamma)
        step()
        return walk.walked.clone()


def _solved(
    grid: Grid,
    gamma: torch.Tensor,
    prior: torch.Tensor,
    certain: torch.Tensor,
    n_planes: int,
    *,
    asks: bool = True,
) -> torch.Tensor:
    """The first len(prior) of the labels, on this plane after the coarser ones.

    `gamma` is (1, h, w); `certain` is (K, h, w), 1 where a label is sure, and of all labels.
    `asks`: iterations end at the goal.
    """
    free = certain.sum(dim=0) == 0
    iterations, start = ITERATIONS, prior
    if n_planes > 1 and min(grid.shape) > COARSEST:
        coarse = _coarse(grid, gamma, prior, certain, n_planes - 1, asks=asks)
        start = doubled(coarse, grid.shape)
        iterations = ITERATIONS // 3
    known = certain[: len(prior)]
    pull = gamma * prior + grid.neighbours(known.masked_fill(free, 0.0))
    start = torch.where(free, start, known)
    return _conjugate_gradients(grid, gamma[0], free, pull, start, iterations, asks=asks)


def _coarse(
    grid: Grid,
    gamma: torch.Tensor,
    prior: torch.Tensor,
    certain: torch.Tensor,
    n_planes: int,
    *,
    asks: bool,
) -> torch.Tensor:
    """The answer on 2 x 2 blocks; a block is sure where all its seeds are of one label."""
    share = _blocks(certain)
    sure = (share > 0) & (share == share.sum(dim=0))
    planes = 4 * _blocks(gamma), _blocks(prior), sure.to(prior.dtype)
    return _solved(grid.halved, *planes, n_planes, asks=asks)


def _blocks(planes: torch.Tensor) -> torch.Tensor:
    """The mean of each 2 x 2 block."""
    return torch.nn.functional.avg_pool2d(planes, 2, ceil_mode=True, count_include_pad=False)


def doubled(planes: torch.Tensor, shape: tuple[int, int]) -> torch.Tensor:
    """Every pixel of (K, h, w) as a block of 2 x 2, cut to a shape."""
    twice = planes.repeat_interleave(2, dim=1).repeat_interleave(2, dim=2)
    return twice[:, : shape[0], : shape[1]]


def _conjugate_gradients(
    grid: Grid,
    gamma: torch.Tensor,
    free: torch.Tensor,
    right: torch.Tensor,
    start: torch.Tensor,
    iterations: int,
    *,
    asks: bool,
) -> torch.Tensor:
    """Solve (D + gamma - W) x = right on the free pixels, every label at once.

    `start` holds the first guess on the free pixels and the answer on the others. With x in units
    of 1 / sqrt(D + gamma), which is the diagonal as preconditioner, the system is (1 - W') x' =
    right'. Who does not ask whether the goal is reached goes no further behind it.
    """
    root = (grid.degree + gamma).sqrt()
    scale = free / root  # 0 where the answer is known
    ties = grid.scaled(scale)
    x, right = start * root * free, right * scale
    residual = right - ties.apart(x)
    direction, energy = residual.clone(), _squares(residual)
    goal = TOLERANCE**2 * _squares(right)
    going = torch.ones_like(energy[:1])
    for _ in range(iterations):
        image = ties.apart(direction)
        length = energy / _dots(direction, image).clamp_min(1e-20)
        if not asks:
            length = length * going
        x.addcmul_(length, direction)
        residual.addcmul_(length, image, value=-1)
        fresh = _squares(residual)
        if asks and bool((fresh <= goal).all()):
            break
        if not asks:
            going = going * (fresh > goal).any().to(going.dtype)
        direction = torch.addcmul(residual, fresh / energy.clamp_min(1e-20), direction)
        energy = fresh
    return torch.where(free, x * scale, start)


def _squares(planes: torch.Tensor) -> torch.Tensor:
    """Inner product of each plane with itself, (K, 1, 1)."""
    lengths: torch.Tensor = torch.linalg.vector_norm(planes, dim=(1, 2), keepdim=True)
    return lengths.square()


def _dots(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Inner product of each pair of planes, (K, 1, 1)."""
    return (a * b).sum(dim=(1, 2), keepdim=True)
