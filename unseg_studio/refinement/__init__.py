"""Coarse scores + image edges + scribbles -> full-resolution labels; numpy, for every segmenter."""

from unseg_studio.refinement.appearance import looks_like
from unseg_studio.refinement.edges import enlarged, sharpened
from unseg_studio.refinement.guide import WORKING_SIZE, Guide, guide_of
from unseg_studio.refinement.propagation import propagate
from unseg_studio.refinement.uncertainty import Hint, Uncertainty

__all__ = [
    "WORKING_SIZE",
    "Guide",
    "Hint",
    "Uncertainty",
    "enlarged",
    "guide_of",
    "looks_like",
    "propagate",
    "sharpened",
]
