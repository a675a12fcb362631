"""Coarse scores + image edges + scribbles -> full-resolution labels, for every segmenter."""

from unseg_studio.refinement.edges import enlarged, sharpened
from unseg_studio.refinement.guide import WORKING_SIZE, Guide, guide_of, limited
from unseg_studio.refinement.objects import object_in
from unseg_studio.refinement.propagation import Grid, propagate, propagate_among
from unseg_studio.refinement.recognition import Example, Knowledge, Trace, learned, recognised
from unseg_studio.refinement.steering import steered
from unseg_studio.refinement.uncertainty import Hint, Uncertainty

__all__ = [
    "WORKING_SIZE",
    "Example",
    "Grid",
    "Guide",
    "Hint",
    "Knowledge",
    "Trace",
    "Uncertainty",
    "enlarged",
    "guide_of",
    "learned",
    "limited",
    "object_in",
    "propagate",
    "propagate_among",
    "recognised",
    "sharpened",
    "steered",
]
