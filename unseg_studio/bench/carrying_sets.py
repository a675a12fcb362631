"""Sequences with known masks: sections of tissue, frames of films, planes of a stack."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import tifffile
from numpy.typing import NDArray

from unseg_studio.bench.sets import FITTED_SETS
from unseg_studio.data import Image, read_image
from unseg_studio.refinement import limited

Labels = NDArray[np.int32]

SETS = {
    "em_vnc_sstem": False,
    "em_isbi2012": False,
    "davis2016": False,
    "timelapse_bacteria": True,
    "stack3d_stardist": True,
}
"""Sets that are sequences, and whether their masks number objects, which become background and
object; the values of the others are categories."""

SIDE = 640
"""Pixels to which the longer side of a plane is brought down."""

FEWEST = 3
"""Planes of a sequence."""


@dataclass(frozen=True, eq=False)
class Sequence:
    """Planes that follow each other.

    Parameters
    ----------
    set, name : str
        Where it comes from.
    images : tuple of Image
        The planes.
    truths : tuple of ndarray, (H, W) int32
        Category of each pixel from 1 up.
    scored : tuple of bool
        Whether nothing was fitted on a plane.
    """

    set: str
    name: str
    images: tuple[Image, ...]
    truths: tuple[Labels, ...]
    scored: tuple[bool, ...]


@dataclass(frozen=True)
class Place:
    """Where one plane lies: a file, and the number of the page where it has several."""

    image: Path
    mask: Path
    page: int | None
    is_fitted: bool


def sequences_in(
    data: Path, sets: tuple[str, ...], *, side: int = SIDE, planes: int | None = None
) -> Iterator[Sequence]:
    """Read the sequences of these sets, one after the other.

    Parameters
    ----------
    data : Path
        The folder of sets.
    sets : tuple of str
        Names among `SETS` whose folders are there.
    side : int
        Pixels to which the longer side is brought down.
    planes : int or None
        How many of each sequence, from its first; None: all.

    Raises
    ------
    OSError, ValueError
        If a file cannot be read.
    """
    for set_ in sets:
        for name, places in _places_of(data / set_).items():
            read = [_read(place, side, counts=SETS[set_]) for place in places[:planes]]
            if len(read) >= FEWEST:
                images, truths = zip(*read, strict=True)
                scored = tuple(not place.is_fitted for place in places[:planes])
                yield Sequence(set_, name, images, truths, scored)


def known_sets(data: Path) -> tuple[str, ...]:
    """Those of `SETS` that lie in a folder.

    Raises
    ------
    FileNotFoundError
        If there is none.
    """
    found = tuple(name for name in SETS if (data / name / "masks").is_dir())
    if not found:
        raise FileNotFoundError(
            f"{data} holds no sequence; accepted is a folder with some of these sets, each with "
            f"images and masks: {', '.join(SETS)}."
        )
    return found


def _places_of(folder: Path) -> dict[str, list[Place]]:
    """Name -> planes of every sequence of a set."""
    masks = {path.stem: path for path in sorted((folder / "masks").iterdir())}
    images = [path for path in sorted((folder / "images").iterdir()) if path.stem in masks]
    sequences: dict[str, list[Place]] = {}
    for number, image in enumerate(images):
        mask = masks[image.stem]
        is_fitted = folder.name in FITTED_SETS and number % 2 == 0
        if image.suffix in (".tif", ".tiff"):
            with tifffile.TiffFile(mask) as file:
                pages = range(len(file.pages))
            sequences[folder.name] = [Place(image, mask, page, is_fitted) for page in pages]
        else:
            before, joint, _ = image.stem.rpartition("_")
            name = before if joint else folder.name
            sequences.setdefault(name, []).append(Place(image, mask, None, is_fitted))
    return sequences


def _read(place: Place, side: int, *, counts: bool) -> tuple[Image, Labels]:
    image, values = read_image(place.image, place.page), _values(place)
    truth = (np.minimum(values, 1) if counts else values) + np.int32(1)
    shape = limited(image.shape, side)
    if shape == image.shape:
        return image, truth
    size = shape[::-1]
    pixels = cv2.resize(image.pixels, size, interpolation=cv2.INTER_AREA)
    small = cv2.resize(truth, size, interpolation=cv2.INTER_NEAREST)
    return Image.of(np.asarray(pixels), image.source), np.asarray(small)


def _values(place: Place) -> Labels:
    if place.page is not None:
        return np.asarray(tifffile.imread(place.mask, key=place.page), np.int32)
    with PIL.Image.open(place.mask) as file:
        return np.asarray(file, np.int32)
