"""Where each pixel of a plane was on the plane before it: dense inverse search.

T. Kroeger, R. Timofte, D. Dai, L. Van Gool, "Fast Optical Flow using Dense Inverse Search", ECCV
2016, as in OpenCV. Sections and frames move by little from one to the next, so what was labelled
there is mostly still to be found, a little aside.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Grey = NDArray[np.uint8]
Planes = NDArray[np.float32]

SIDE = 400
"""Longer side of the plane on which motion is looked for, in pixels: smaller images are enlarged,
since the search looks at squares of 8 pixels."""


def grey_of(rgb: NDArray[np.uint8]) -> Grey:
    """The light of a (H, W, 3) image on a plane for `followed`."""
    height, width = rgb.shape[:2]
    scale = SIDE / max(height, width)
    size = max(16, round(width * scale)), max(16, round(height * scale))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    grey = cv2.resize(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), size, interpolation=how)
    return np.asarray(grey, np.uint8)


def followed(planes: Planes, before: Grey, now: Grey) -> Planes:
    """What lay at each pixel on the plane before.

    Parameters
    ----------
    planes : ndarray, (K, h, w) float32
        Values on the plane before.
    before, now : ndarray, (SIDE, ...) uint8
        The light of both planes, from `grey_of`.

    Returns
    -------
    ndarray, (K, h, w) float32
        Values on the plane that is now.
    """
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    flow = search.calc(now, before, None)
    height, width = planes.shape[1:]
    how = cv2.INTER_AREA if width < flow.shape[1] else cv2.INTER_LINEAR
    small = cv2.resize(flow, (width, height), interpolation=how)
    rows, cols = np.mgrid[:height, :width].astype(np.float32)
    across = cols + small[..., 0] * np.float32(width / flow.shape[1])
    down = rows + small[..., 1] * np.float32(height / flow.shape[0])
    border = cv2.BORDER_REPLICATE
    moved = [cv2.remap(p, across, down, cv2.INTER_LINEAR, borderMode=border) for p in planes]
    return np.asarray(np.stack(moved), np.float32)
