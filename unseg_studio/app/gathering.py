"""Image files among what was dropped or chosen: folders are looked through."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from unseg_studio.data import IMAGE_SUFFIXES, describe_image
from unseg_studio.data.ngff import is_zarr
from unseg_studio.project import SUFFIX

STACKS = (".tif", ".tiff")
"""Files that may hold several planes; a look at their header tells."""

_ZARR = ".zarr"


@dataclass(frozen=True)
class Gathered:
    """Image files, and how many planes each of them has.

    Parameters
    ----------
    files : tuple of Path
        In the order of their names, folder by folder.
    planes : tuple of int
        One number for each.
    """

    files: tuple[Path, ...]
    planes: tuple[int, ...]


def gathered(paths: Iterable[Path]) -> Gathered:
    """Find the images; those whose header cannot be read count as one plane, opening them tells.

    Raises
    ------
    ValueError
        If there is none.
    """
    paths = list(paths)
    files = tuple(dict.fromkeys(file for path in paths for file in _images_at(path)))
    if not files:
        names = ", ".join(path.name or str(path) for path in paths)
        raise ValueError(
            f"There is no image in {names}; accepted are files that end in "
            f"{', '.join(IMAGE_SUFFIXES)}, and OME-Zarr folders. Choose another folder."
        )
    return Gathered(files, tuple(map(_n_planes, files)))


def project_in(folder: Path) -> Path | None:
    """The project that lies in a folder, where there is exactly one."""
    found = sorted(folder.glob(f"*{SUFFIX}"))
    return found[0] if len(found) == 1 else None


def is_image_folder(path: Path) -> bool:
    """Say whether a folder is to be looked through; an OME-Zarr folder is an image itself."""
    return path.is_dir() and not is_zarr(path)


def _images_at(path: Path) -> Iterator[Path]:
    """A file as it is, whatever its name; of a folder those that look like images."""
    if not is_image_folder(path):
        yield path
        return
    for root, folders, names in os.walk(path):
        here = Path(root)
        images = [name for name in folders if name.endswith(_ZARR) and is_zarr(here / name)]
        folders[:] = sorted(n for n in folders if n not in images and not n.startswith("."))
        images += [n for n in names if n.lower().endswith(IMAGE_SUFFIXES) and n[0] != "."]
        yield from (here / name for name in sorted(images))


def _n_planes(file: Path) -> int:
    if file.suffix.lower() not in (*STACKS, _ZARR):
        return 1
    try:
        return describe_image(file).n_planes
    except (ValueError, OSError):
        return 1
