"""The backbones by name, with what a person wants to know before choosing one.

M. Caron et al., *Emerging Properties in Self-Supervised Vision Transformers* (DINO), ICCV 2021;
M. Oquab et al., *DINOv2: Learning Robust Visual Features without Supervision*, TMLR 2024;
O. Siméoni et al., *DINOv3*, 2025, its ConvNeXt among them (Z. Liu et al., *A ConvNet for the
2020s*, CVPR 2022); R. Wightman et al., *ResNet Strikes Back*, 2021.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

BUNDLED = "efficientnet_lite0"
"""The backbone that is there without a download."""


@dataclass(frozen=True)
class Backbone:
    """A network that has seen many photographs, and the terms on which it can be had."""

    name: str
    """How it is chosen."""

    title: str
    """How it is shown."""

    kind: Literal["cnn", "vit"]

    timm_name: str
    """The architecture and its weights in timm, which knows where they are published."""

    megabytes: int
    """To download (10**6 bytes: four for each parameter); 0 for what is bundled."""

    licence: str
    """Of the weights."""

    seconds: float
    """To expect for a photograph of 481 x 321 pixels on two processor cores, once it is loaded, at
    the usual side and stride. Rough: on one machine, with random weights, a run took 0.8 to 1.3 s
    of two cores' time (bundled: 0.15 s), and two to three times that while others used them."""

    side: int
    """The usual size of the resized image: the side of a square with as many pixels."""

    patch: int = 1
    """Side of a patch in pixels of the resized image; a ViT has one feature vector for each."""

    depth: int = 0
    """Blocks of a ViT."""

    @property
    def is_bundled(self) -> bool:
        """Whether it is there without a download."""
        return self.name == BUNDLED


_ALL = (
    Backbone(
        *(BUNDLED, "EfficientNet-Lite0 (bundled)", "cnn", "tf_efficientnet_lite0"),
        megabytes=0,
        licence="Apache-2.0",
        seconds=0.2,
        side=400,
    ),
    Backbone(
        *("dino_vits8", "DINO ViT-S/8", "vit", "vit_small_patch8_224.dino"),
        megabytes=87,
        licence="Apache-2.0",
        seconds=1.5,
        side=280,
        patch=8,
        depth=12,
    ),
    Backbone(
        *("dino_vits16", "DINO ViT-S/16", "vit", "vit_small_patch16_224.dino"),
        megabytes=87,
        licence="Apache-2.0",
        seconds=1.5,
        side=560,
        patch=16,
        depth=12,
    ),
    Backbone(
        *("dinov2_vits14", "DINOv2 ViT-S/14", "vit", "vit_small_patch14_dinov2.lvd142m"),
        megabytes=88,
        licence="Apache-2.0",
        seconds=1.5,
        side=490,
        patch=14,
        depth=12,
    ),
    Backbone(
        *("dinov3_vits16", "DINOv3 ViT-S/16", "vit", "vit_small_patch16_dinov3.lvd1689m"),
        megabytes=86,
        licence="DINOv3 License",
        seconds=2.0,
        side=560,
        patch=16,
        depth=12,
    ),
    Backbone(
        *("dinov3_convnext_tiny", "DINOv3 ConvNeXt-Tiny", "cnn", "convnext_tiny.dinov3_lvd1689m"),
        megabytes=111,
        licence="DINOv3 License",
        seconds=0.5,
        side=400,
    ),
    Backbone(
        *("resnet50", "ResNet-50", "cnn", "resnet50.a1_in1k"),
        megabytes=102,
        licence="Apache-2.0",
        seconds=0.5,
        side=400,
    ),
)

BACKBONES = {entry.name: entry for entry in _ALL}
"""All that can be chosen, the bundled one first."""


def backbone(name: str) -> Backbone:
    """The entry of that name.

    Raises
    ------
    ValueError
        If there is none; the sentence lists those there are.
    """
    if name not in BACKBONES:
        raise ValueError(f"There is no backbone {name!r}; choose one of {', '.join(BACKBONES)}.")
    return BACKBONES[name]
