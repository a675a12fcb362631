"""What is wanted of a backbone, checked against what it can do."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, get_args

from unseg_studio.features.catalogue import BUNDLED, backbone

Facet = Literal["key", "query", "value", "token"]

FACETS: tuple[Facet, ...] = get_args(Facet)

SMALLEST_SIDE = 32
"""Of the resized image, in pixels."""

MAX_TOKENS = 10_000
"""Of a ViT, whose attention takes time with the square of their number."""


@dataclass(frozen=True)
class FeatureRequest:
    """What is wanted of a backbone; `None` stands for what the backbone usually does."""

    backbone: str = BUNDLED
    """A name of the catalogue."""

    side: int | None = None
    """Size of the resized image: side of a square with as many pixels; >= `SMALLEST_SIDE`."""

    facet: Facet = "key"
    """What a ViT gives of a block; a CNN gives its levels whatever is wanted here."""

    block: int = -1
    """Of a ViT; counted from 0, or from the end with -1 as the last."""

    stride: int | None = None
    """Pixels of the resized image from patch to patch, at most the ViT's patch size."""

    def resolved(self) -> FeatureRequest:
        """The same with every choice spelt out; two that ask for the same become equal.

        Raises
        ------
        ValueError
            For a name, size, facet, block or stride that the backbone does not have.
        """
        chosen = backbone(self.backbone)
        side = chosen.side if self.side is None else self.side
        _check(
            side >= SMALLEST_SIDE,
            f"The side of an image for {chosen.title} is {side} px; give {SMALLEST_SIDE} or more",
        )
        if chosen.kind == "cnn":
            return FeatureRequest(self.backbone, side=side, block=0, stride=1)
        stride = chosen.patch if self.stride is None else self.stride
        self._check_vit(chosen.title, chosen.depth, stride=stride, patch=chosen.patch)
        n_tokens = round(side / stride) ** 2
        _check(
            n_tokens <= MAX_TOKENS,
            f"A side of {side} px with stride {stride} makes about {n_tokens} patches, at most "
            f"{MAX_TOKENS} are computed; choose a smaller side or a larger stride",
        )
        return replace(self, side=side, stride=stride, block=self.block % chosen.depth)

    def _check_vit(self, title: str, depth: int, *, stride: int, patch: int) -> None:
        facets = ", ".join(FACETS)
        _check(self.facet in FACETS, f"Unknown facet {self.facet!r}; accepted are {facets}")
        _check(
            -depth <= self.block < depth,
            f"{title} has no block {self.block}; give 0 to {depth - 1}, or -1 for the last",
        )
        _check(
            1 <= stride <= patch,
            f"A stride of {stride} px does not suit {title}; give 1 to {patch}, its patch size",
        )


def _check(right: bool, fault: str) -> None:
    if not right:
        raise ValueError(f"{fault}.")
