"""Import and export of annotations, one file per format.

`FORMATS` is the table, `export` and `load` go by it, `preflight` says beforehand what would be
lost. `geometry` and `rle` hold what the formats share.
"""

from unseg_studio.formats.base import Finding, Format, StartingLabels, image_name
from unseg_studio.formats.coco import CocoOptions, read_coco, write_coco
from unseg_studio.formats.png import PngOptions, read_png, write_png
from unseg_studio.formats.preflight import preflight
from unseg_studio.formats.table import FORMATS, export, format_named, load

__all__ = [
    "FORMATS",
    "CocoOptions",
    "Finding",
    "Format",
    "PngOptions",
    "StartingLabels",
    "export",
    "format_named",
    "image_name",
    "load",
    "preflight",
    "read_coco",
    "read_png",
    "write_coco",
    "write_png",
]
