"""What one iteration of DiffCluster costs at least: operations, and bytes through the memory.

Both over the ceilings of a device, a large copy and a large matrix product, give two times; the
larger one is the floor.

**Operations.** A convolution of a x b channels over k x k pixels takes 2 k k a b for each of the P
pixels, and as many again for the gradient of its weights and for the gradient of what went in (of
the first one nobody asks for that). Everything else is a few operations for each value: less than
one in a hundred, and not counted.

**Bytes.** Each operation reads its inputs from memory and writes its result, float32. In planes of
P x width values (W), P x clusters values (Q) and the image (C):

| operation | forwards | backwards |
|---|---|---|
| first convolution | read C, write W | read W and C for the weights |
| ReLU | read, write W | read 2 W, write W |
| batch norm | read W; read, write W | read 2 W; read 2 W, write W |
| further convolutions | read, write W | read 2 W for the weights; read, write W |
| 1 x 1 convolution | read W, write Q | read W and Q for the weights; read Q, write W |
| its batch norm | 3 Q | 5 Q |
| arg-max | 1 Q | |
| softmax, cross-entropy | 2 Q | 1 Q; 2 Q + 1 Q |
| with scribbles, once more, and the sum of both | 2 Q | 4 Q + 3 Q |
| differences of neighbours, each of two directions | 3 Q, then 1 Q | 4 Q; 2 x 3 Q |
| their sum with the gradient of the cross-entropy | | 1 Q + 3 Q |

That makes 2 C + 15 W for the first convolution, 19 W for each further one, 3 W + 11 Q for the last
one and 7 + 28 + 4 = 39 Q for the objective. Labels, weights and momentum are small beside it: the 8
bytes of a label are a fiftieth of the 400 of a pixel's response. That is the objective on CUDA, by
`losses.continuity_in_place`. On processors, as in the published code, the response is first laid
pixel after pixel, which takes 4 Q, and the continuity is followed operation by operation, which
takes 48 Q instead of 32 Q: 59 Q.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

from unseg_studio.features.lazy_torch import torch

FLOAT = 4
"""Bytes."""

REPEATS = 5


@dataclass(frozen=True)
class Work:
    """What must be done.

    Parameters
    ----------
    operations : int
        Of floating-point numbers; a product and a sum are two.
    bytes : int
        Read and written.
    """

    operations: int
    bytes: int


@dataclass(frozen=True)
class Ceilings:
    """The most that a device was seen to do in a second.

    Parameters
    ----------
    bytes : float
        Read and written by a large copy.
    operations : float
        Of a large product of matrices.
    """

    bytes: float
    operations: float

    def floor(self, work: Work) -> float:
        """Seconds below which no version gets far."""
        return max(work.bytes / self.bytes, work.operations / self.operations)


def iteration_work(
    shape: tuple[int, int],
    *,
    width: int,
    n_conv: int,
    n_clusters: int,
    inputs: int = 3,
    is_scribbled: bool = False,
    on_cuda: bool = True,
) -> Work:
    """What one iteration takes; see the head of this module.

    Parameters
    ----------
    shape : tuple of int
        (h, w) of the plane.
    width, n_conv, n_clusters, inputs : int
        Channels inside, convolutions of 3 x 3 pixels, channels of the response and of the image.
    is_scribbled : bool
        The objective has a term of scribbles.
    on_cuda : bool
        The objective is the one on CUDA.
    """
    pixels, further = shape[0] * shape[1], n_conv - 1
    operations = 2 * pixels * (
        2 * 9 * inputs * width + 3 * 9 * width * width * further + 3 * width * n_clusters
    )  # fmt: skip
    wide = 15 + 19 * further + 3
    objective = (39 if on_cuda else 59) + 9 * is_scribbled
    values = 2 * inputs + wide * width + (11 + objective) * n_clusters
    return Work(operations, FLOAT * pixels * values)


def measured_ceilings(
    device: torch.device, *, megabytes: int = 1024, side: int = 8192, is_rounded: bool = False
) -> Ceilings:
    """Copy much, and multiply large matrices, of random numbers.

    Parameters
    ----------
    device : torch.device
        Which one.
    megabytes : int
        Of the copy; several times what its cache holds.
    side : int
        Of the square matrices.
    is_rounded : bool
        With factors of 10 bits (TF32), as convolutions may.
    """
    return Ceilings(_copied(device, megabytes), _multiplied(device, side, is_rounded=is_rounded))


def _copied(device: torch.device, megabytes: int) -> float:
    """Bytes per second."""
    source = torch.rand(megabytes * 250_000, device=device)
    target = torch.empty_like(source)
    return 2 * FLOAT * source.numel() / _seconds(lambda: target.copy_(source), device)


def _multiplied(device: torch.device, side: int, *, is_rounded: bool) -> float:
    """Operations per second."""
    one, other = (torch.rand(side, side, device=device) for _ in range(2))
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = is_rounded
    try:
        return 2 * side**3 / _seconds(lambda: one @ other, device)
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before


def finish(device: torch.device) -> None:
    """Wait until a device has done all that it was told."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def _seconds(act: Callable[[], object], device: torch.device) -> float:
    """Of the middle one of a few, behind one that warms up."""
    times = []
    for _ in range(REPEATS + 1):
        finish(device)
        began = time.perf_counter()
        act()
        finish(device)
        times.append(time.perf_counter() - began)
    return median(times[1:])
