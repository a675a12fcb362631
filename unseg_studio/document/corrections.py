"""Hand corrections as pure functions: from what is shown to the pixels that change.

Everything costs what the id's surroundings cost, not what the image does. What means a whole id may
still take a while in a large image: a view has its `Correction` made in a thread and lays it then.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from unseg_studio.data import NOTHING, Box, Edits, Mosaic, Patch, Tile
from unseg_studio.data.boxes import bounds, grown, inside, overlap, shifted, size_of
from unseg_studio.data.mosaic import SIDE
from unseg_studio.document.state import State

Labels = NDArray[np.int32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Correction:
    """What a correction of a whole id makes of the edits; see `Document.lay`.

    Parameters
    ----------
    text : str
        What the undo step is called.
    id_ : int
        What was corrected.
    before, after : Edits
        The edits when it was asked for, and those with it.
    """

    text: str
    id_: int
    before: Edits
    after: Edits

    def onto(self, edits: Edits) -> Edits:
        """Lay it over edits that may have changed since it was asked for."""
        if edits is self.before:
            return self.after
        return Edits(edits.mosaic.mapped(_laid, self.before.mosaic, self.after.mosaic))


def _laid(now: Tile, before: Tile, after: Tile) -> Tile | None:
    return None if after is before else now.overlaid(after.differs(before), after)


def holes_filled(state: State, id_: int) -> Correction:
    """Give the pixels that an id encloses to it."""
    after = state.edits.put(holes(state.shown, id_), id_)
    return Correction("fill holes", id_, state.edits, after)


def small_parts_removed(state: State, id_: int, *, min_area: int) -> Correction:
    """Give parts of an id below `min_area` pixels to their surroundings."""
    patch = small_parts(state.shown, id_, min_area=min_area)
    after = _given_to_surroundings(state, patch, id_)
    return Correction("remove small parts", id_, state.edits, after)


def outline_smoothed(state: State, id_: int, *, radius: float = 2.0) -> Correction:
    """Smooth the outline of an id by a Gaussian of `radius` pixels."""
    gained, lost = smoothed(state.shown, id_, radius=radius)
    after = _given_to_surroundings(state, lost, id_).put(gained, id_)
    return Correction("smooth", id_, state.edits, after)


def touched_region(labels: Mosaic, point: tuple[int, int]) -> Patch:
    """The 4-connected region of one id around (row, column).

    Raises
    ------
    ValueError
        If the point lies outside.
    """
    height, width = labels.shape
    row, col = point
    if not (0 <= row < height and 0 <= col < width):
        raise ValueError(
            f"The point (row {row}, column {col}) lies outside the image; accepted are "
            f"rows 0 to {height - 1} and columns 0 to {width - 1}. Click on the image."
        )
    id_ = labels.at(row, col)
    box = _reach(labels, id_, point)
    region = labels.mask(box, lambda other: other == id_).view(np.uint8)
    cv2.floodFill(region, None, (col - box[1].start, row - box[0].start), (2,), flags=4)
    return _placed(region == 2, box)


def holes(labels: Mosaic, id_: int) -> Patch:
    """Pixels that the regions of `id_` enclose completely."""
    box = labels.extent(id_)
    if box is None:
        return _NOWHERE
    # A frame of background all around joins everything that is not enclosed.
    open_ = np.ones([side + 2 for side in size_of(box)], np.uint8)
    open_[1:-1, 1:-1] = ~labels.mask(box, lambda other: other == id_)
    cv2.floodFill(open_, None, (0, 0), (0,), flags=4)
    return _placed(open_[1:-1, 1:-1] == 1, box)


def small_parts(labels: Mosaic, id_: int, *, min_area: int) -> Patch:
    """Connected parts (4-connected) of `id_` with fewer than `min_area` pixels."""
    box = labels.extent(id_)
    if box is None:
        return _NOWHERE
    mask = labels.mask(box, lambda other: other == id_)
    _, parts, stats, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=4)
    small = stats[:, cv2.CC_STAT_AREA] < min_area
    small[0] = False
    if not small.any():
        return _NOWHERE
    for top in range(0, len(mask), SIDE):  # by bands, so that little memory is needed
        mask[top : top + SIDE] = small.take(parts[top : top + SIDE])
    return _placed(mask, box)


def smoothed(labels: Mosaic, id_: int, *, radius: float = 2.0) -> tuple[Patch, Patch]:
    """What `id_` gains and loses when its outline is smoothed by a Gaussian of `radius` pixels."""
    extent = labels.extent(id_)
    if extent is None:
        return _NOWHERE, _NOWHERE
    box = grown(extent, math.ceil(4 * radius) + 1, labels.shape)
    mask = labels.mask(box, lambda other: other == id_)
    soft = cv2.GaussianBlur(
        mask.astype(np.float32), (0, 0), radius, borderType=cv2.BORDER_REPLICATE
    )
    smooth = soft > 0.5
    return _placed(smooth & ~mask, box), _placed(mask & ~smooth, box)


def _given_to_surroundings(state: State, patch: Patch, id_: int) -> Edits:
    """Give the pixels of a patch to what is around it, but neither to `id_` nor to locks."""
    edits, barred = state.edits, {id_, *state.locks}
    for _, _, part in state.shown.under(patch.slices):
        box = bounds(patch.mask[part])
        if box is not None:
            box = shifted(box, part[0].start, part[1].start)
            top, left = (axis.start for axis in patch.slices)
            piece = Patch(*shifted(box, top, left), patch.mask[box])
            around = surroundings(state.shown, piece, patch, barred=barred.__contains__)
            edits = edits.put(piece, around)
    return edits


def surroundings(
    labels: Mosaic, piece: Patch, patch: Patch, *, barred: Callable[[int], bool]
) -> Labels:
    """For each pixel of a piece of a patch, the id of a nearest pixel around the patch.

    Parameters
    ----------
    labels : Mosaic
        What is shown.
    piece : Patch
        What needs new ids.
    patch : Patch
        What the piece is a part of; none of it gives its id.
    barred : callable
        Which ids are not given, such as those of locked categories.

    Returns
    -------
    ndarray, (h, w) int32
        Right where the piece's mask is set; `NOTHING` where every pixel around is barred.
    """
    margin, whole = 4, max(labels.shape)
    while True:
        window = grown(piece.slices, margin, labels.shape)
        shut = labels.mask(window, barred)
        common = overlap(window, patch.slices)
        if common:
            shut[inside(common, window)] |= patch.mask[inside(common, patch.slices)]
        wanted = inside(piece.slices, window)
        if not shut.all():
            given, distance = _nearest_givers(labels.window(window), shut)
            if distance[wanted][piece.mask].max() <= margin or margin >= whole:
                return given[wanted]
        elif margin >= whole:
            return np.full(piece.mask.shape, NOTHING, np.int32)
        margin *= 4


def _nearest_givers(ids: Labels, shut: Mask) -> tuple[Labels, NDArray[np.float32]]:
    """Each pixel's id from the nearest that is not shut, and how far away that is."""
    distance, giver = cv2.distanceTransformWithLabels(
        shut.view(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    id_of = np.zeros(int(giver.max()) + 1, np.int32)
    id_of[giver[~shut]] = ids[~shut]
    return id_of.take(giver), distance


_NOWHERE = Patch(slice(0, 0), slice(0, 0), np.zeros((0, 0), bool))


def _placed(mask: Mask, box: Box) -> Patch:
    """The patch of a mask that lies in a rectangle of the plane."""
    patch = Patch.whole(mask)
    return Patch(*shifted(patch.slices, box[0].start, box[1].start), patch.mask)


def _reach(labels: Mosaic, id_: int, point: tuple[int, int]) -> Box:
    """The rectangle around the tiles that hold an id and hang together with the point's tile."""
    grid = [-(-side // SIDE) for side in labels.shape]
    holders = np.array([tile.holds(id_) for tile in labels.tiles], np.uint8).reshape(grid)
    _, parts = cv2.connectedComponents(holders, connectivity=4)
    found = bounds(parts == parts[point[0] // SIDE, point[1] // SIDE])
    box = [slice(axis.start * SIDE, axis.stop * SIDE) for axis in found or (slice(0), slice(0))]
    return grown((box[0], box[1]), 0, labels.shape)
