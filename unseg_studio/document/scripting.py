"""What scripts call: a method by its name, and everything from image to labels in one call.

How sure labels are, and where one scribble would help most, comes with `decoded` in the place of
`decode`: `decoded(estimate, image, scribbles).uncertainty`. A document has it as
`Document.uncertainty` and `Document.hint`, and says `uncertainty_changed` with every frame.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unseg_studio.data import Image, Scribbles
from unseg_studio.document.decode import Context
from unseg_studio.document.solve import Fits, Run, solve
from unseg_studio.segmenters import Segmenter, default_segmenter, make_segmenter, resolve_device

Labels = NDArray[np.int32]


def segmenter(
    name: str | None = None, *, preset: str | None = None, **parameters: Any
) -> Segmenter:
    """Make a segmenter.

    Parameters
    ----------
    name : str or None
        A key of `segmenters()`; None: the one for images of any kind.
    preset : str or None
        One of the method's presets; None: its first.
    **parameters
        What differs from the preset, such as `max_clusters=32`.

    Raises
    ------
    ValueError
        If the name, a parameter or a value is not accepted; the message lists what is.
    """
    return make_segmenter(name or default_segmenter().name, preset, **parameters)


def segment(
    image: Image,
    name: str | None = None,
    *,
    scribbles: Scribbles | None = None,
    device: str = "auto",
    **parameters: Any,
) -> Labels:
    """Segment one image: fit, refine to the end, decode.

    Parameters
    ----------
    image : Image
        The plane.
    name : str or None
        A key of `segmenters()`; None: the one for images of any kind.
    scribbles : Scribbles or None
        What steers, of the image's size.
    device : str
        "auto", "cpu", "cuda", "cuda:N" or "mps".
    **parameters
        As in `segmenter`, `preset` included.

    Returns
    -------
    ndarray, (H, W) int32
        Category ids where something is scribbled, cluster ids from 1001 up elsewhere.

    Raises
    ------
    ValueError
        If the method, a parameter or the device is not accepted, or the scribbles are of another
        size.
    """
    drawn = Scribbles.empty(image.shape) if scribbles is None else scribbles
    drawn.require_shape(image.shape)
    resolve_device(device)
    method = segmenter(name, **parameters)
    run = Run(image, method, drawn, Context.empty(image.shape), device, cold=True)
    (last,) = deque(filter(None, solve(run, Fits(), lambda _: False)), maxlen=1)
    return last.labels
