"""What PiCIE learns with: a head on frozen features, or the paper's network as a whole.

A feature pyramid network without smoothing is one 1 x 1 convolution for each level, the results
enlarged and added up. On features that stay as they are that is one linear map of all levels
together, so that a sample of places is all that it needs of a view.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from unseg_studio.features.augment import Geometry, Photometry, Rgb
from unseg_studio.features.backbone import FeatureRequest
from unseg_studio.features.deep import deep_planes
from unseg_studio.features.efficientnet import MEAN, STD
from unseg_studio.features.lazy_timm import timm
from unseg_studio.features.lazy_torch import torch
from unseg_studio.segmenters.base import seeded

Places = NDArray[np.floating]

N_VIEWS = 3
"""That are kept of an image: a changed part, the same places of the changed whole, and the rest."""

LARGEST = 640
"""Shorter side of the images that views are made of, in pixels."""

SIDE = 320
"""Of the square images that the paper's network takes, in pixels."""

LEVEL_WIDTHS = (64, 128, 256, 512)
"""Channels of the four levels of a ResNet-18."""


EVENNESS, TINY = 0.5, 1e-6
"""Power of the deviation along a main axis by which it is divided: 0 leaves features as they are,
with 1 they spread alike along all axes; and the smallest variance that is told from none."""


@dataclass(frozen=True, eq=False)
class Views:
    """Two views of an image, drawn by chance, and places in them.

    Parameters
    ----------
    part : ndarray, (h, w, 3) uint8
        Other colours first, then a part of the image.
    whole : ndarray, (H, W, 3) uint8
        Other colours only.
    places : ndarray, (3, N, 2) float64
        Row and column as shares: in the part, the same ones in the whole, and any of the whole.
    """

    part: Rgb
    whole: Rgb
    places: Places

    @classmethod
    def drawn(cls, rgb: Rgb, random: np.random.Generator, n_places: int) -> Views:
        """Views by chance of an (H, W, 3) image."""
        rgb = _within(rgb)
        shape = (rgb.shape[0], rgb.shape[1])
        geometry = Geometry.drawn(random, shape)
        part = geometry.of(Photometry.drawn(random).of(rgb))
        whole = Photometry.drawn(random).of(rgb)
        inner, rest = random.random((2, n_places, 2))
        return cls(part, whole, np.stack([inner, geometry.places(inner, shape), rest]))


def _within(rgb: Rgb) -> Rgb:
    """A large image as small as any network will see it, so that its views cost little."""
    scale = LARGEST / min(rgb.shape[:2])
    if scale >= 1:
        return rgb
    height, width = (max(1, round(n * scale)) for n in rgb.shape[:2])
    return np.asarray(cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def at_places(planes: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """Features at places, interpolated.

    Parameters
    ----------
    planes : Tensor, (B, C, h, w)
    places : Tensor, (B, N, 2)
        Row and column as shares of the plane.

    Returns
    -------
    Tensor, (B, N, C)
    """
    grid = (2 * places.flip(-1) - 1).to(planes)[:, None]
    found = torch.nn.functional.grid_sample(
        planes, grid, mode="bilinear", padding_mode="border", align_corners=False
    )
    return found[:, :, 0].transpose(1, 2)


class Encoder(Protocol):
    """Makes features of length 1 of images, and learns to make better ones."""

    @property
    def network(self) -> torch.nn.Module:
        """All that learns."""
        ...

    def seen(self, views: Views) -> Any:
        """What is kept of views for the rest of the epoch."""
        ...

    def embedded(
        self, seen: Sequence[Any], chosen: torch.Tensor, n_views: int = N_VIEWS
    ) -> torch.Tensor:
        """Features at some places.

        Parameters
        ----------
        seen : sequence
            Of B images.
        chosen : Tensor, (B, M) int64
            Which of the places of each.
        n_views : int
            The first so many of the three kinds of places in `Views`.

        Returns
        -------
        Tensor, (n_views, B * M, D) float32
        """
        ...

    def begin(self, seen: Sequence[Any]) -> None:
        """Take the best start that what was seen first offers."""
        ...

    def planes(self, rgb: Rgb) -> torch.Tensor:
        """Features of an image, (D, h, w)."""
        ...


class HeadEncoder:
    """A linear head on frozen features.

    Parameters
    ----------
    request, weights
        The backbone; as for `deep_planes`.
    head : Linear
        Features of the backbone -> those that are learned.
    """

    def __init__(
        self, request: FeatureRequest, weights: Path | None, head: torch.nn.Linear
    ) -> None:
        self._request, self._weights, self.network = request, weights, head

    def _frozen(self, rgb: Rgb, *, is_kept: bool) -> torch.Tensor:
        planes = deep_planes(rgb, self._request, self._weights, is_kept=is_kept)
        return planes.to(self.network.weight.device)

    def seen(self, views: Views) -> torch.Tensor:
        """Features of the backbone at the places, (3, N, C)."""
        part, whole = (self._frozen(rgb, is_kept=False)[None] for rgb in (views.part, views.whole))
        places = torch.from_numpy(views.places)
        of_part = at_places(part, places[:1])
        of_whole = at_places(whole, places[1:].flatten(0, 1)[None])
        return torch.cat([of_part, of_whole.reshape(2, -1, of_whole.shape[2])])

    def begin(self, seen: Sequence[torch.Tensor]) -> None:
        """Begin with the main axes of the backbone's features about their mean.

        So the first clusters are those of k-means on these features; from random maps, with which
        the paper begins, learning ends lower.
        """
        points = torch.cat([own.flatten(0, 1) for own in seen])
        mean = points.mean(dim=0)
        spread, axes = torch.linalg.eigh((points - mean).T @ (points - mean) / len(points))
        main = (axes / spread.clamp_min(TINY) ** (EVENNESS / 2)).flip(1).T
        main = main[: self.network.out_features]
        with torch.no_grad():
            self.network.weight.copy_(main)
            self.network.bias.copy_(-main @ mean)

    def embedded(
        self, seen: Sequence[torch.Tensor], chosen: torch.Tensor, n_views: int = N_VIEWS
    ) -> torch.Tensor:
        """See `Encoder.embedded`."""
        points = [own[:n_views, places] for own, places in zip(seen, chosen, strict=True)]
        return self._unit(self.network(torch.cat(points, dim=1)))

    def planes(self, rgb: Rgb) -> torch.Tensor:
        """See `Encoder.planes`."""
        frozen = self._frozen(rgb, is_kept=True)
        made = self._unit(self.network(frozen.flatten(1).T))
        return made.T.reshape(-1, *frozen.shape[1:])

    @staticmethod
    def _unit(features: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.normalize(features, dim=-1)


class WholeEncoder:
    """A ResNet-18 with a feature pyramid, all of which learns.

    Parameters
    ----------
    weights : Path or None
        Of the ResNet, as timm or torchvision publish it; None: it begins with random ones.
    width : int
        Features that it makes.
    seed : int
        Of random weights.
    device : torch.device
    """

    def __init__(
        self, weights: Path | None, *, width: int, seed: int, device: torch.device
    ) -> None:
        self._device = device
        with seeded(seed):
            trunk = _resnet(weights)
            laterals = (torch.nn.Conv2d(n, width, 1) for n in LEVEL_WIDTHS)
            self.network = torch.nn.ModuleDict(
                {"trunk": trunk, "laterals": torch.nn.ModuleList(laterals)}
            ).to(device)

    def seen(self, views: Views) -> tuple[torch.Tensor, torch.Tensor]:
        """Both views as small squares, (2, 3, SIDE, SIDE) uint8, and the places."""
        squares = torch.stack([_square(views.part), _square(views.whole)])
        return squares, torch.from_numpy(views.places.astype(np.float32))

    def begin(self, seen: Sequence[tuple[torch.Tensor, torch.Tensor]]) -> None:
        """It begins with the weights that it has."""

    def embedded(
        self,
        seen: Sequence[tuple[torch.Tensor, torch.Tensor]],
        chosen: torch.Tensor,
        n_views: int = N_VIEWS,
    ) -> torch.Tensor:
        """See `Encoder.embedded`."""
        self.network.train(torch.is_grad_enabled())
        squares = torch.cat([own for own, _ in seen])
        planes = self._pyramid(squares)
        part, whole = planes[0::2], planes[1::2]
        places = torch.stack(
            [own[:, places] for (_, own), places in zip(seen, chosen, strict=True)], dim=1
        )
        kinds = zip((part, whole, whole), places[:n_views], strict=False)
        found = torch.stack([at_places(planes, own).flatten(0, 1) for planes, own in kinds])
        return torch.nn.functional.normalize(found, dim=-1)

    def planes(self, rgb: Rgb) -> torch.Tensor:
        """See `Encoder.planes`; the image is as large as the network knows them, not square."""
        scale = SIDE / min(rgb.shape[:2])
        height, width = (_sides(n * scale) for n in rgb.shape[:2])
        resized = torch.from_numpy(cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA))
        self.network.eval()
        made = self._pyramid(resized.permute(2, 0, 1)[None])[0]
        return torch.nn.functional.normalize(made, dim=0)

    def _pyramid(self, pixels: torch.Tensor) -> torch.Tensor:
        """Features at a quarter of the resolution, (B, D, h, w), of (B, 3, H, W) uint8."""
        device = self._device
        mean, std = (torch.tensor(v, device=device)[:, None, None] for v in (MEAN, STD))
        planes = (pixels.to(device).float() / 255 - mean) / std
        trunk: Any = self.network["trunk"]
        planes = trunk.maxpool(trunk.act1(trunk.bn1(trunk.conv1(planes))))
        levels = []
        for layer in (trunk.layer1, trunk.layer2, trunk.layer3, trunk.layer4):
            planes = layer(planes)
            levels.append(planes)
        laterals: Any = self.network["laterals"]
        made: torch.Tensor | None = None
        for lateral, level in reversed(list(zip(laterals, levels, strict=True))):
            side = lateral(level)
            made = side if made is None else side + _enlarged(made, side.shape[2:])
        assert made is not None
        return made


def _enlarged(planes: torch.Tensor, shape: Sequence[int]) -> torch.Tensor:
    return torch.nn.functional.interpolate(
        planes, tuple(shape), mode="bilinear", align_corners=False
    )


def _sides(length: float) -> int:
    """Of an image that a ResNet halves five times, and that is not endless."""
    return max(32, 32 * round(min(length, 4 * SIDE) / 32))


def _square(rgb: Rgb) -> torch.Tensor:
    resized = cv2.resize(rgb, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return torch.from_numpy(resized).permute(2, 0, 1)


def _resnet(file: Path | None) -> torch.nn.Module:
    """A ResNet-18 without its classifier, with the weights of a file.

    Raises
    ------
    OSError
        If timm cannot be imported, or the file cannot be read.
    ValueError
        If it holds the weights of another network.
    """
    network: torch.nn.Module = timm().create_model("resnet18", pretrained=False, num_classes=0)
    if file is None:
        return network
    if not file.is_file():
        raise FileNotFoundError(f"There is no weights file {str(file)!r}; give one that exists.")
    try:
        state = timm().models.load_state_dict(str(file), weights_only=True)
        kept = {name: t for name, t in state.items() if not name.startswith("fc.")}
        network.load_state_dict(kept)
    except Exception as error:
        raise ValueError(
            f"The weights file {str(file)!r} holds no ResNet-18; give one that timm or torchvision "
            "publish, or none: the network begins with random weights then."
        ) from error
    return network
