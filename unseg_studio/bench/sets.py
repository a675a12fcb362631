"""Image sets with known masks: folders with `images`, `masks` and a MANIFEST.json."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import tifffile
from numpy.typing import NDArray

from unseg_studio.bench.robot import categories_in
from unseg_studio.data import Image, read_image

Labels = NDArray[np.int32]
Manifest = dict[str, Any]

FITTED_SETS = (
    "bsds500_test",
    "camvid",
    "davis2016",
    "dsb2018_brightfield",
    "dsb2018_fluo",
    "dsb2018_histology",
    "em_isbi2012",
    "em_vnc_sstem",
    "grabcut",
    "voc_fgbg",
)
"""Half of their images were used to fit the numbers of the engine, so only the rest is played."""

ALL, FITTED, HELD_OUT = slice(None), slice(0, None, 2), slice(1, None, 2)
"""Which of the images of a set, in the order of their names."""

LARGEST_SIDE = 640
"""Pixels; what reaches further is cut off."""

FEWEST, MOST = 2, 16
"""Categories of an image that is played."""

IGNORED = 255
"""Value of a mask where nothing is scored, unless the values count objects."""

UNMARKED = 255
"""Value of a stroke file where nobody drew."""

HUMAN_STROKES = ("scribbles", "scribbles2")
"""Folders of strokes that people drew, with the values of the masks."""


@dataclass(frozen=True, eq=False)
class Case:
    """One image to be played.

    Parameters
    ----------
    set, name : str
        Where it comes from.
    image : Image
        The plane, cut to at most `LARGEST_SIDE` pixels a side.
    truth : ndarray, (H, W) int32
        Category of each pixel from 1 up, 0 where it is not scored.
    strokes : dict of str to ndarray, (H, W) int32
        Folder -> scribbles that a person drew, in the same categories.
    """

    set: str
    name: str
    image: Image
    truth: Labels
    strokes: dict[str, Labels] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Annotated:
    """One image, whole, with what everybody drew who annotated it.

    Parameters
    ----------
    set, name : str
        Where it comes from.
    image : Image
        The plane.
    annotations : tuple of ndarray, (H, W) int32
        One for each annotator. Of regions, a number for each; otherwise the category of each pixel
        from 1 up, 0 where it is not scored.
    """

    set: str
    name: str
    image: Image
    annotations: tuple[Labels, ...]


def sets_in(data: Path) -> dict[str, Manifest]:
    """Name -> manifest of every set below a folder that has masks of single planes.

    Raises
    ------
    FileNotFoundError
        If there is none.
    ValueError
        If a MANIFEST.json is none.
    """
    manifests = {path.parent.name: _manifest(path) for path in _manifests_below(data)}
    usable = {
        name: manifest
        for name, manifest in manifests.items()
        if (data / name / "masks").is_dir() and "3D" not in manifest.get("kind", "")
    }
    if not usable:
        raise FileNotFoundError(
            f"{data} holds no image set; accepted is a folder of sets, each a folder with "
            "images, masks and a MANIFEST.json that says what the masks mean."
        )
    return usable


def cases_of(
    data: Path,
    manifest: Manifest,
    *,
    most: int | None = None,
    side: int = LARGEST_SIDE,
    among: slice = ALL,
) -> Iterator[Case]:
    """The images of a set that have a mask and 2 to 16 categories, in the order of their names.

    Parameters
    ----------
    data : Path
        The folder of sets.
    manifest : dict
        From `sets_in`.
    most : int or None
        How many at most, spread evenly over those.
    side : int
        Rows and columns that are kept of an image.
    among : slice
        Which of them.
    """
    folder = _Folder(data / manifest["set"], _counts_objects(manifest), side)
    for path in _spread(folder.playable(among), most):
        yield folder.case(path)


def names_of(
    data: Path,
    manifest: Manifest,
    *,
    most: int | None = None,
    side: int = LARGEST_SIDE,
    among: slice = ALL,
) -> list[str]:
    """What `cases_of` gives, by name, without reading the images."""
    folder = _Folder(data / manifest["set"], _counts_objects(manifest), side)
    return [path.stem for path in _spread(folder.playable(among), most)]


def annotated_of(data: Path, manifest: Manifest, *, most: int | None = None) -> Iterator[Annotated]:
    """All images of a set that have a mask, in the order of their names.

    Parameters
    ----------
    data : Path
        The folder of sets.
    manifest : dict
        From `sets_in`.
    most : int or None
        How many at most, spread evenly over those.
    """
    folder = _Folder(data / manifest["set"], _counts_objects(manifest), sys.maxsize)
    for path in _spread(folder.masked(), most):
        yield folder.annotated(path, are_regions=kind_of(manifest) == "region")


def annotated_names(data: Path, manifest: Manifest, *, most: int | None = None) -> list[str]:
    """What `annotated_of` gives, by name, without reading the images."""
    folder = _Folder(data / manifest["set"], _counts_objects(manifest), LARGEST_SIDE)
    return [path.stem for path in _spread(folder.masked(), most)]


def kind_of(manifest: Manifest) -> str:
    """The first word of what a manifest says of the kind of its masks."""
    return next(iter(str(manifest.get("kind", "")).split()), "")


def unscored_strokes(data: Path) -> dict[str, int]:
    """Set -> how many images have strokes of a person, but no mask to score against."""
    counts = {
        path.parent.name: sum(
            bool(_strokes_on(path.parent, image)) and not _masks_of(path.parent, image)
            for image in _images_of(path.parent)
        )
        for path in _manifests_below(data)
    }
    return {name: count for name, count in counts.items() if count}


def _manifests_below(data: Path) -> list[Path]:
    return sorted(data.glob("*/MANIFEST.json"))


def _manifest(path: Path) -> Manifest:
    """What a file says of its set, which is called as its folder is."""
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is no JSON file ({error}); mend it or move it away.") from error
    if not isinstance(said, dict):
        raise ValueError(f"{path} holds no JSON object; accepted is one with `kind` and `mask`.")
    return {**said, "set": path.parent.name}


def _counts_objects(manifest: Manifest) -> bool:
    """Whether the masks number objects, which become background and object."""
    whole = str(manifest.get("kind", "")).startswith("instance")
    return whole or "instance mask" in str(manifest.get("mask", ""))


def _spread(paths: list[Path], most: int | None) -> list[Path]:
    if most is None or most >= len(paths):
        return paths
    return [paths[i * len(paths) // most] for i in range(most)]


def _images_of(folder: Path) -> list[Path]:
    images = folder / "images"
    return sorted(path for path in images.iterdir() if path.is_file()) if images.is_dir() else []


def _masks_of(folder: Path, image: Path) -> list[Path]:
    """The mask of an image, or one for each annotator: NAME_0, NAME_1, ..."""
    names = {image.stem, *(f"{image.stem}_{i}" for i in range(10))}
    return _files_named(folder / "masks", names)


def _strokes_on(folder: Path, image: Path) -> dict[str, Path]:
    files = {name: _files_named(folder / name, {image.stem}) for name in HUMAN_STROKES}
    return {name: paths[0] for name, paths in files.items() if paths}


def _files_named(folder: Path, stems: set[str]) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.stem in stems)


@dataclass(frozen=True)
class _Folder:
    """A set, whether its masks number objects, and how much of its images is kept."""

    path: Path
    counts_objects: bool
    side: int

    def masked(self) -> list[Path]:
        """The images that have a mask."""
        return [image for image in _images_of(self.path) if _masks_of(self.path, image)]

    def playable(self, among: slice) -> list[Path]:
        """The images with a mask of 2 to 16 categories, or some of them.

        However little is kept of an image, it is among the same ones.
        """
        masked = filter(replace(self, side=LARGEST_SIDE).is_playable, self.masked())
        chosen = list(masked)[among]
        return chosen if self.side == LARGEST_SIDE else list(filter(self.is_playable, chosen))

    def is_playable(self, image: Path) -> bool:
        """Whether its mask has 2 to 16 categories."""
        return FEWEST <= len(categories_in(self.truth(image))) <= MOST

    def annotated(self, path: Path, *, are_regions: bool) -> Annotated:
        """An image with all its masks."""
        planes = [*map(self.values, _masks_of(self.path, path))]
        if not are_regions:
            nothing = None if self.counts_objects else IGNORED
            planes = [self.categories(plane, nothing=nothing) for plane in planes]
        return Annotated(self.path.name, path.stem, self.image(path), tuple(planes))

    def image(self, path: Path) -> Image:
        """As much of an image as is kept."""
        image = read_image(path)
        return Image.of(image.pixels[: self.side, : self.side], image.source)

    def case(self, path: Path) -> Case:
        """An image with everything that is known of it."""
        strokes = {
            name: self.categories(self.values(file), nothing=UNMARKED)
            for name, file in _strokes_on(self.path, path).items()
        }
        return Case(self.path.name, path.stem, self.image(path), self.truth(path), strokes)

    def truth(self, image: Path) -> Labels:
        """Of several annotators, the one with the fewest segments."""
        planes = map(self.values, _masks_of(self.path, image))
        fewest = min(planes, key=lambda plane: len(np.unique(plane)))
        return self.categories(fewest, nothing=None if self.counts_objects else IGNORED)

    def categories(self, values: Labels, *, nothing: int | None) -> Labels:
        """Categories from 1 up, 0 where the value stands for nothing."""
        ids = (np.minimum(values, 1) if self.counts_objects else values) + 1
        return ids if nothing is None else np.where(values == nothing, np.int32(0), ids)

    def values(self, path: Path) -> Labels:
        """The numbers in a mask as they are stored; the first plane of a stack."""
        cut = (slice(0, self.side), slice(0, self.side))
        if path.suffix.lower() in (".tif", ".tiff"):
            return np.asarray(tifffile.imread(path, key=0)[cut], np.int32)
        with PIL.Image.open(path) as file:
            return np.asarray(file, np.int32)[cut]
