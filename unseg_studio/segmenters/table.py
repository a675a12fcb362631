"""Every method by its name: a new one is a file of its own and a line here."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from unseg_studio.data import Image
from unseg_studio.features.kind import is_photograph
from unseg_studio.segmenters.base import Segmenter
from unseg_studio.segmenters.deepcut import DeepCut
from unseg_studio.segmenters.diffcluster import DiffCluster
from unseg_studio.segmenters.multilevel import Multilevel
from unseg_studio.segmenters.neural_eigen import NeuralEigen
from unseg_studio.segmenters.picie import PiCIE

SEGMENTERS: dict[str, type[Segmenter]] = {
    DiffCluster.name: DiffCluster,
    DeepCut.name: DeepCut,
    Multilevel.name: Multilevel,
    PiCIE.name: PiCIE,
    NeuralEigen.name: NeuralEigen,
}


def default_segmenter(image: Image | None = None) -> Segmenter:
    """The one that the window starts with on an image: what is on photographs, DeepCut sees better.

    Parameters
    ----------
    image : Image or None
        What is to be segmented; None: nothing is known of it.
    """
    is_of_things = image is not None and is_photograph(image)
    return DeepCut(k_less=True) if is_of_things else DiffCluster()


def make_segmenter(name: str, preset: str | None = None, **parameters: Any) -> Segmenter:
    """Make a segmenter by its name.

    Parameters
    ----------
    name : str
        A key of `SEGMENTERS`.
    preset : str or None
        One of the method's presets; None: its first.
    **parameters
        What differs from the preset.

    Raises
    ------
    ValueError
        If the name, a parameter or a value is not accepted; the message lists what is.
    """
    if name not in SEGMENTERS:
        raise ValueError(f"Unknown method {name!r}; accepted are {', '.join(sorted(SEGMENTERS))}.")
    kind = SEGMENTERS[name]
    if preset is not None and preset not in kind.presets:
        raise ValueError(
            f"{name} has no preset {preset!r}; accepted are {', '.join(kind.presets)}."
        )
    known = [f.name for f in fields(kind)]
    for parameter in parameters:
        if parameter not in known:
            raise ValueError(
                f"{name} has no parameter {parameter!r}; accepted are {', '.join(known)}."
            )
    return kind(**{**kind.presets.get(preset or "", {}), **parameters})
