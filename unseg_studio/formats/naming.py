"""Which file of a folder belongs to which image."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path, PurePosixPath

from unseg_studio.data import Annotation, Category, Source
from unseg_studio.formats.base import image_name, merged_categories

PARTS = ("train", "val")
"""Folders of a split data set in which files are looked for, too."""


class Register:
    """What is remembered of the images of an export: their names and categories, not the masks.

    Folders that hold one file for each image know it by its name without the ending; and capitals
    make no difference, since some file systems make none.
    """

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self.categories: tuple[Category, ...] = ()

    def enter(self, annotation: Annotation) -> str:
        """Give the name, without its ending, of the next image.

        Raises
        ------
        ValueError
            If an image before it has the same one, or its categories contradict theirs.
        """
        before = Annotation(annotation.shape, Source(), self.categories, ())
        self.categories = merged_categories((before, annotation))
        name = image_name(annotation.source)
        stem = stem_of(name)
        other = self._names.get(stem.casefold())
        if other is not None:
            raise ValueError(
                f"The images {other!r} and {name!r} would both be called {stem!r}; accepted are "
                "images whose names differ in more than the ending. Rename one of them, or export "
                "them to separate folders."
            )
        self._names[stem.casefold()] = name
        return stem


def stem_of(name: str) -> str:
    """File name without folders and without its ending, both of `.ome.tif`, for example."""
    stem = PurePosixPath(name.replace("\\", "/")).stem
    return stem.removesuffix(".ome") or stem


def file_of(path: Path, file_name: str, *, endings: Sequence[str]) -> Path:
    """Find the file that belongs to an image: `path` itself, or the one in it of that name.

    Parameters
    ----------
    path : Path
        The file or folder that a person chose.
    file_name : str
        Name of the image; its folders and ending make no difference.
    endings : sequence of str
        Accepted ends of file names, the best first.

    Raises
    ------
    OSError
        If there is nothing at `path`.
    ValueError
        If there is no such file in it.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path} cannot be read: No such file or folder. Check the path.")
    if not path.is_dir() or path.name.endswith(tuple(endings)):
        return path
    stem = stem_of(file_name) if file_name else ""
    for folder in (path, *(path / part for part in PARTS)):
        for ending in endings:
            if stem and (folder / f"{stem}{ending}").exists():
                return folder / f"{stem}{ending}"
    there = list(islice((p for p in path.iterdir() if p.name.endswith(tuple(endings))), 4))
    if len(there) == 1 and not stem:
        return there[0]
    listed = ", ".join(repr(p.name) for p in there[:3]) or "nothing of the kind"
    raise ValueError(
        f"{path} has no file for the image {file_name!r}; it holds {listed}"
        f"{' and more' if there[3:] else ''}. Choose the folder that belongs to this image."
    )


def is_single(path: Path, ending: str) -> bool:
    """Say whether a name is that of a file for one image, where a folder would do as well."""
    return path.name.lower().endswith(ending) and not path.is_dir()


def only_one(files: Iterable[tuple[str, bytes]], target: Path) -> bytes:
    """Give the content of the only file.

    Raises
    ------
    ValueError
        If there are several, in a sentence.
    """
    (_, data), *more = islice(files, 2)
    if more:
        raise ValueError(
            f"Several images were given for {target.name}, which holds the regions of one. Choose "
            "a name without an ending, of a folder with one file for each image."
        )
    return data


def holds(folder: Path, pattern: str) -> bool:
    """Say whether a folder has a file of this pattern; False where it cannot be looked into."""
    try:
        return folder.is_dir() and next(folder.glob(pattern), None) is not None
    except OSError:
        return False
