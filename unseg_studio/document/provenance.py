"""How a mask was made, in plain values that any format can carry."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from unseg_studio.data import Mosaic
from unseg_studio.document.state import State
from unseg_studio.version import versions


def provenance(state: State, *, device: str) -> dict[str, Any]:
    """Method, parameters (the seed is one of them), hand work, device and versions."""
    return {
        "method": state.segmenter.name,
        "parameters": asdict(state.segmenter),
        "device": device,
        "scribbled_pixels": _pixels(state.scribbles.mosaic, above=0),
        "corrected_pixels": _pixels(state.edits.mosaic, above=-1),
        "versions": versions(),
    }


def _pixels(mosaic: Mosaic, *, above: int) -> int:
    return sum(pixels for id_, pixels in mosaic.areas.items() if id_ > above)
