"""UnSeg Studio: turn images into masks, from Python as in the window.

    import unseg_studio as us
    image = us.read_image("cell.tif")
    scribbles = us.Scribbles.empty(image.shape).painted([(40, 60)], category=1, radius=3)
    labels = us.segment(image, "diffcluster", scribbles=scribbles, max_clusters=8)

Everything here is loaded when it is first used, torch last of all.
"""

from typing import TYPE_CHECKING

import lazy_loader

from unseg_studio.version import __version__

__all__ = [
    "Annotation",
    "Category",
    "Edits",
    "Image",
    "Region",
    "Scribbles",
    "Source",
    "__version__",
    "decode",
    "export",
    "load",
    "read_image",
    "regions_from_labels",
    "segment",
    "segmenter",
    "segmenters",
]

if TYPE_CHECKING:
    from unseg_studio.data import (
        Annotation,
        Category,
        Edits,
        Image,
        Region,
        Scribbles,
        Source,
        read_image,
        regions_from_labels,
    )
    from unseg_studio.document import decode
    from unseg_studio.document.scripting import segment, segmenter
    from unseg_studio.formats import export, load
    from unseg_studio.segmenters import Segmenter

    def segmenters() -> dict[str, type[Segmenter]]:
        """Every method: its name and the dataclass of its parameters."""
        ...
else:
    __getattr__, __dir__, _ = lazy_loader.attach(
        __name__,
        {"segmenters"},  # the room of that name answers when it is called
        {
            "data": [
                "Annotation",
                "Category",
                "Edits",
                "Image",
                "Region",
                "Scribbles",
                "Source",
                "read_image",
                "regions_from_labels",
            ],
            "document": ["decode"],
            "document.scripting": ["segment", "segmenter"],
            "formats": ["export", "load"],
        },
    )
