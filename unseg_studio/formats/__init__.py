"""Import and export of annotations, one file per format.

`FORMATS` is the table, `export` and `load` go by it, `preflight` says beforehand what would be
lost. `geometry` and `rle` hold what the formats share.
"""

from unseg_studio.formats.base import Finding, Format, StartingLabels, image_name
from unseg_studio.formats.coco import CocoOptions, read_coco, write_coco
from unseg_studio.formats.png import PngOptions, read_png, write_png
from unseg_studio.formats.preflight import Preflight, preflight, preflight_all
from unseg_studio.formats.splitting import split
from unseg_studio.formats.table import FORMATS, are_labels, export, format_named, load, recognised
from unseg_studio.formats.targets import TARGETS
from unseg_studio.formats.verification import Agreement, decoded_iou

__all__ = [
    "FORMATS",
    "TARGETS",
    "Agreement",
    "CocoOptions",
    "Finding",
    "Format",
    "PngOptions",
    "Preflight",
    "StartingLabels",
    "are_labels",
    "decoded_iou",
    "export",
    "format_named",
    "image_name",
    "load",
    "preflight",
    "preflight_all",
    "read_coco",
    "read_png",
    "recognised",
    "split",
    "write_coco",
    "write_png",
]
