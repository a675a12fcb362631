"""The words of the project as values: images, scribbles, labels, edits, categories, regions.

Everything here is numpy and frozen; nothing imports torch or Qt.
"""

from unseg_studio.data.accepted import IMAGE_SUFFIXES, UnreadableImageError
from unseg_studio.data.boxes import Box
from unseg_studio.data.category import PALETTE, Category, new_category
from unseg_studio.data.edits import UNEDITED, Edits
from unseg_studio.data.image import Image, Source, is_large
from unseg_studio.data.image_file import ImageFile, plane_index, plane_name
from unseg_studio.data.labels import (
    FIRST_CLUSTER,
    NOTHING,
    cluster_ids,
    present_ids,
)
from unseg_studio.data.large import LargeImage, open_image
from unseg_studio.data.levels import Levels
from unseg_studio.data.mosaic import Mosaic
from unseg_studio.data.mosaic_regions import regions_from_mosaic
from unseg_studio.data.reading import describe_image, open_levels, read_image
from unseg_studio.data.region import Annotation, Region, regions_from_labels
from unseg_studio.data.scribbles import UNMARKED, Scribbles
from unseg_studio.data.strokes import Patch, polygon_patch, stroke_patch
from unseg_studio.data.tile import Tile

__all__ = [
    "FIRST_CLUSTER",
    "IMAGE_SUFFIXES",
    "NOTHING",
    "PALETTE",
    "UNEDITED",
    "UNMARKED",
    "Annotation",
    "Box",
    "Category",
    "Edits",
    "Image",
    "ImageFile",
    "LargeImage",
    "Levels",
    "Mosaic",
    "Patch",
    "Region",
    "Scribbles",
    "Source",
    "Tile",
    "UnreadableImageError",
    "cluster_ids",
    "describe_image",
    "is_large",
    "new_category",
    "open_image",
    "open_levels",
    "plane_index",
    "plane_name",
    "polygon_patch",
    "present_ids",
    "read_image",
    "regions_from_labels",
    "regions_from_mosaic",
    "stroke_patch",
]
