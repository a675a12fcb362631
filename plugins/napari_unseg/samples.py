"""Sample data for napari's menu; where the files come from stands beside them in LICENCES.md."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tifffile

import unseg_studio
from unseg_studio.data import read_image
from unseg_studio.data.samples import SAMPLES, bundled, sample_path

STACK = "nuclei_stack.tif"

LayerTuple = tuple[Any, dict[str, Any], str]


def nuclei() -> list[LayerTuple]:
    """Fluorescent cell nuclei, (520, 696) uint8."""
    return _image("nuclei")


def tissue() -> list[LayerTuple]:
    """Stained tissue, (256, 320, 3) uint8."""
    return _image("tissue")


def cat() -> list[LayerTuple]:
    """A photograph, (300, 451, 3) uint8."""
    return _image("cat")


def nuclei_stack() -> list[LayerTuple]:
    """Nuclei in depth, (31, 61, 57) uint16."""
    planes = tifffile.imread(bundled(Path(unseg_studio.__file__).parent, "samples", STACK))
    attributes = {"name": "nuclei stack", "axis_labels": ("z", "y", "x")}
    return [
        (planes, attributes | _origin("Fluorescent cell nuclei in depth", "BSD-3-Clause"), "image")
    ]


def _image(name: str) -> list[LayerTuple]:
    pixels = read_image(sample_path(name)).pixels
    is_grey = pixels.shape[2] == 1
    data = pixels[..., 0].copy() if is_grey else pixels.copy()  # those of images are read-only
    attributes = {"name": name, "rgb": not is_grey}
    return [(data, attributes | _origin(SAMPLES[name], "CC0 1.0"), "image")]


def _origin(title: str, licence: str) -> dict[str, Any]:
    return {"metadata": {"title": title, "licence": licence}}
