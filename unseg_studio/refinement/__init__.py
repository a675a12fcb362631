"""Coarse scores + image edges + scribbles -> full-resolution labels; numpy, for every segmenter."""

from unseg_studio.refinement.appearance import looks_like
from unseg_studio.refinement.edges import enlarged, sharpened
from unseg_studio.refinement.guide import WORKING_SIZE, Guide, guide_of
from unseg_studio.refinement.propagation import propagate

__all__ = ["WORKING_SIZE", "Guide", "enlarged", "guide_of", "looks_like", "propagate", "sharpened"]
