"""The part of a large image that is looked at: what the engine works on in the place of the whole.

image, mosaics -> whole tiles around the view -> every `step`-th pixel -> a run as on any image
labels -> enlarged -> laid into the mosaics where they say something new
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from unseg_studio.data import NOTHING, UNMARKED, Box, Edits, Image, Mosaic, Scribbles, Tile
from unseg_studio.data.boxes import grown, inside, overlap, size_of
from unseg_studio.data.mosaic import SIDE
from unseg_studio.data.tile import in_squares
from unseg_studio.document.state import State
from unseg_studio.refinement import Uncertainty

Labels = NDArray[np.int32]
Mask = NDArray[np.bool_]

WORKED_ON = 2048
"""Longer side, in pixels, of what the engine works on at most, the margin left aside."""

MARGIN = 64
"""So many of the pixels that are worked on lie around the view, at least."""

EMPTY = 0.02
"""Share of the view without labels from which on it has none yet."""


@dataclass(frozen=True)
class Sight:
    """A rectangle of a large image, and how coarsely it is worked on.

    Parameters
    ----------
    shape : (int, int)
        Height and width of the image.
    step : int
        Pixels of the image along one that is worked on: a power of two.
    box : (slice, slice)
        What is worked on: whole tiles of the mosaics.
    seen : (slice, slice)
        What of it is on the screen. Not compared: the engine does not know it.
    """

    shape: tuple[int, int]
    step: int
    box: Box
    seen: Box = field(compare=False)

    @classmethod
    def of(cls, shape: tuple[int, int], seen: Box | None, like: Sight | None = None) -> Sight:
        """What to work on for a view of an image.

        Parameters
        ----------
        shape : (int, int)
            Height and width of the image.
        seen : (slice, slice) or None
            What is on the screen; None: the whole.
        like : Sight or None
            The one before: where the view still lies in its rectangle, that stays, and with it all
            that the engine knows of it.
        """
        whole = slice(0, shape[0]), slice(0, shape[1])
        view = whole if seen is None else overlap(seen, whole) or whole
        step = 1 << max(0, (-(-max(size_of(view)) // WORKED_ON) - 1).bit_length())
        if like and (like.shape, like.step) == (shape, step) and overlap(view, like.box) == view:
            return replace(like, seen=view)
        return cls(shape, step, _tiles_around(view, MARGIN * step, shape), view)

    @property
    def small(self) -> tuple[int, int]:
        """Height and width of what is worked on, in pixels of the step."""
        height, width = size_of(self.box)
        return -(-height // self.step), -(-width // self.step)

    def lacks_labels(self, proposal: Mosaic) -> bool:
        """Say whether a part of what is seen has never been segmented."""
        empty = sum(
            int(proposal.tiles[number].mask_of(NOTHING)[within].sum())
            for number, within, _ in proposal.under(self.seen)
            if proposal.tiles[number].holds(NOTHING)
        )
        height, width = size_of(self.seen)
        return empty > EMPTY * height * width

    # From the whole to the part

    def image(self, image: Image) -> Image:
        """The pixels to work on.

        Raises
        ------
        ValueError
            If they are all the same.
        """
        return image.part(self.box, self.step)

    def state(self, state: State) -> State:
        """All that is true of these pixels."""
        return State(
            categories=state.categories,
            scribbles=Scribbles(state.scribbles.mosaic.part(self.box)).resized(self.small),
            named=Edits(self.sampled(state.named.mosaic)),
            edits=Edits(self.sampled(state.edits.mosaic)),
            locks=state.locks,
            segmenter=state.segmenter,
            fill=state.fill,
            proposal=self.sampled(state.proposal),
        )

    def sampled(self, mosaic: Mosaic) -> Mosaic:
        """The ids in the middle of what becomes one pixel; the very tiles where nothing does."""
        part = mosaic.part(self.box)
        if self.step == 1:
            return part
        middles = (
            np.minimum(np.arange(few) * self.step + self.step // 2, many - 1).astype(np.intp)
            for few, many in zip(self.small, size_of(self.box), strict=True)
        )
        return Mosaic.of(part.sampled(*middles))

    # From the part to the whole

    def laid(
        self, whole: State, before: Mosaic, after: Mosaic, *, onto: Mosaic, fills: bool
    ) -> Mosaic:
        """A proposal with new labels of the part, where these say something new.

        Beyond what is seen, only pixels without a label get one; so outlines that are finer than
        the step stay where nothing has changed.

        Parameters
        ----------
        whole : State
            Of the image when the run began: what had no label then may get one.
        before, after : Mosaic
            Labels of the part that `onto` shows, and those that it is to show.
        onto : Mosaic
            The proposal so far.
        fills : bool
            Also of what is seen, only pixels without a label get one.
        """
        news = self._news_fine(before, after) if self.step == 1 else self._news(before, after)
        tiles = {}
        for number, new, changes in news:
            if self.step > 1 and self._is_free(whole, number, onto=onto, fills=fills):
                tiles[number] = new
                continue
            old, place = whole.proposal.tiles[number], onto.box_of(number)
            fine = in_squares(changes, self.step, size_of(place))
            mask = fine & self._open(old, place, fills=fills)
            if self.step > 1:
                new, mask = self._respectful(whole, number, new=new, mask=mask)
            if mask.any():
                tiles[number] = _overlaid(onto.tiles[number], new, mask)
        return onto.with_tiles(tiles)

    def _is_free(self, whole: State, number: int, *, onto: Mosaic, fills: bool) -> bool:
        """Say whether a tile has nothing to keep, neither labels nor anything finer than a step."""
        if whole.locks or not whole.scribbles.mosaic.tiles[number].holds_only(UNMARKED):
            return False
        if whole.proposal.tiles[number].holds_only(NOTHING):
            return True
        place = onto.box_of(number)
        is_seen = not fills and overlap(self.seen, place) == place
        return is_seen and onto.tiles[number].is_in_squares(self.step)

    def enlarged(self, part: Mosaic) -> Mosaic:
        """The ids of a part on a plane as large as the image, with nothing around them."""
        nothing = Mosaic.full(part.shape, NOTHING)
        news = self._news_fine(nothing, part) if self.step == 1 else self._news(nothing, part)
        return Mosaic.full(self.shape, NOTHING).with_tiles({n: tile for n, tile, _ in news})

    def _news_fine(self, before: Mosaic, after: Mosaic) -> Iterator[tuple[int, Tile, Mask]]:
        """Tiles of the part that are new: number in the whole, tile, where it is different."""
        for number, old, new in zip(self._numbers, before.tiles, after.tiles, strict=True):
            if new is not old:
                yield number, new, new.differs(old)

    def _news(self, before: Mosaic, after: Mosaic) -> Iterator[tuple[int, Tile, Mask]]:
        """The same where a pixel of the part is a square; where it is different, by squares."""
        ids = after.array
        changes = ids != before.array
        grid = Mosaic.full(self.shape, NOTHING)
        for number in self._numbers:
            place = grid.box_of(number)
            part = self._part_of(place)
            if changes[part].any():
                tile = Tile.in_squares(ids[part], self.step, size=size_of(place))
                yield number, tile, changes[part]

    def _part_of(self, place: Box) -> Box:
        """Where the pixels of a tile are among those that are worked on."""
        rows, cols = (
            slice(axis.start // self.step, -(-axis.stop // self.step))
            for axis in inside(place, self.box)
        )
        return rows, cols

    def _open(self, old: Tile, place: Box, *, fills: bool) -> Mask:
        """Which pixels of a tile may change."""
        is_open = old.mask_of(NOTHING)
        seen = None if fills else overlap(self.seen, place)
        if seen:
            is_open[inside(seen, place)] = True
        return is_open

    def _respectful(self, whole: State, number: int, *, new: Tile, mask: Mask) -> tuple[Tile, Mask]:
        """Pixels keep what was drawn on them, and locked ones theirs, finer than the step."""
        drawn = whole.scribbles.mosaic.tiles[number]
        if not drawn.holds_only(UNMARKED):
            marks = drawn.mask(bool)
            new, mask = new.overlaid(marks, drawn), mask | marks
        if whole.locks:
            is_locked = whole.locks.__contains__
            mask &= ~(whole.shown.tiles[number].mask(is_locked) | new.mask(is_locked))
        return new, mask

    @property
    def _numbers(self) -> list[int]:
        return Mosaic.full(self.shape, NOTHING).numbers_in(self.box)

    def uncertainty(self, of_part: Uncertainty | None) -> Uncertainty | None:
        """The same doubt, said of the image."""
        if of_part is None:
            return None
        return of_part.placed(self.box, self.step)


def _tiles_around(seen: Box, margin: int, shape: tuple[int, int]) -> Box:
    rows, cols = (
        slice(axis.start // SIDE * SIDE, -(-axis.stop // SIDE) * SIDE)
        for axis in grown(seen, margin, shape)
    )
    return grown((rows, cols), 0, shape)


def _overlaid(old: Tile, new: Tile, mask: Mask) -> Tile:
    return new if mask.all() else old.overlaid(mask, new)
