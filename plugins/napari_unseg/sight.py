"""Which plane of a layer the person looks at, and how."""

from __future__ import annotations

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image as ImageLayer

from napari_unseg.planes import Axes
from unseg_studio.document import PlaneIndex


class Sight:
    """The sliders of a viewer, in terms of the planes of a layer.

    Parameters
    ----------
    viewer : ViewerModel
        Whose sliders.
    layer : Image layer
        Whose planes.
    axes : Axes
        How its axes are to be read.
    """

    def __init__(self, viewer: ViewerModel, layer: ImageLayer, axes: Axes) -> None:
        self._viewer, self._layer, self._axes = viewer, layer, axes

    @property
    def shown(self) -> PlaneIndex:
        """The plane at the sliders."""
        point = self._layer.world_to_data(np.asarray(self._viewer.dims.point, float))
        return self._axes.index_at(point)

    @property
    def is_flat(self) -> bool:
        """Whole planes are shown: neither a volume nor a cut through it."""
        dims = self._viewer.dims
        first = dims.ndim - self._layer.ndim
        own = {axis - first for axis in dims.displayed}
        return bool(dims.ndisplay == 2 and own == set(self._axes.shown))

    def world_of(self, row: int, col: int) -> tuple[float, ...]:
        """Where the view has to be centred for a pixel of the shown plane."""
        point = self._layer.world_to_data(np.asarray(self._viewer.dims.point, float))
        point[list(self._axes.shown)] = row, col
        return tuple(self._layer.data_to_world(point))[-3:]

    def go_to(self, index: PlaneIndex) -> None:
        """Move the sliders to a plane."""
        point = self._layer.world_to_data(np.asarray(self._viewer.dims.point, float))
        point[list(self._axes.others)] = index
        world = self._layer.data_to_world(point)
        first = self._viewer.dims.ndim - self._layer.ndim
        for axis in self._axes.others:
            self._viewer.dims.set_point(first + axis, world[axis])
