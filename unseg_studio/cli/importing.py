"""Labels of other tools as starting labels of the images that they name."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from unseg_studio.cli.console import passing
from unseg_studio.data import Annotation, read_image, regions_from_labels
from unseg_studio.formats import FORMATS, StartingLabels, image_name, load
from unseg_studio.formats.coco_reader import CocoFile
from unseg_studio.formats.naming import stem_of
from unseg_studio.project import ImageEntry, Project, ReadOnlyError

_PLANE = re.compile(r"_z[0-9]+$")
"""What `image_name` adds for planes of a stack; labels of all of them may be in one file."""


@dataclass(frozen=True)
class Imported:
    """What became of one file.

    Parameters
    ----------
    file : Path
        Which one.
    images : tuple of str
        Names of the images that took their labels from it.
    problems : tuple of str
        Sentences about images that it names and that did not.
    notes : tuple of str
        Sentences about what was left out or renumbered.
    """

    file: Path
    images: tuple[str, ...]
    problems: tuple[str, ...]
    notes: tuple[str, ...]


def run_import(
    path: Path, files: Sequence[Path], *, format: str | None = None, replace: bool = False
) -> tuple[Imported, ...]:
    """Take the labels in files as corrections that a person made; undo takes them back.

    Parameters
    ----------
    path : Path
        The project.
    files : sequence of Path
        Files, or folders for formats that are folders.
    format : str or None
        A key of `FORMATS`; None to go by the content.
    replace : bool
        Lay them over images that a person has worked on, too.

    Raises
    ------
    OSError, ValueError
        If the project cannot be written, or a file cannot be read; in a sentence.
    """
    for file in files:
        if not file.exists():
            raise FileNotFoundError(f"There is no file or folder {file}. Check the name.")
    with Project.open(path) as project:
        if project.read_only:
            raise ReadOnlyError(project.notice)
        return tuple(_imported(project, _File(file, format), replace=replace) for file in files)


def _imported(project: Project, file: _File, *, replace: bool) -> Imported:
    entries = [entry for entry in project.images() if file.names(entry)]
    images: list[str] = []
    problems: list[str] = []
    notes: dict[str, None] = {}
    for entry in passing(entries, file.path.name, len(entries)):
        try:
            if not replace:
                _require_untouched(entry)
            notes.update(dict.fromkeys(_laid(project, entry, file)))
            images.append(entry.name)
        except (ValueError, OSError) as error:
            problems.append(str(error))
        if project.dirty_reason:
            raise OSError(project.dirty_reason)
    return Imported(file.path, tuple(images), tuple(problems), tuple(notes))


def _require_untouched(entry: ImageEntry) -> None:
    if entry.status not in ("new", "proposed"):
        raise ValueError(
            f"{entry.name} is {entry.status}, so it stays as it is; --replace lays the labels over "
            "it."
        )


def _laid(project: Project, entry: ImageEntry, file: _File) -> tuple[str, ...]:
    """Begin an image with the labels of a file; sentences about what was left out."""
    image = read_image(entry.file, entry.plane)
    start = file.labels_of(entry, image.shape)
    regions = regions_from_labels(start.labels, start.categories)
    document = project.open_document(entry.id, image)
    journal = project.journal(document, entry.id)
    try:
        document.start_from(Annotation(image.shape, image.source, start.categories, regions))
        journal.flush()
    finally:
        journal.close()
    return start.notes


class _File:
    """A file or folder with labels of one image or many, parsed once where that is much work.

    Parameters
    ----------
    path : Path
        Where it is.
    format : str or None
        A key of `FORMATS`; None to go by the content.
    """

    def __init__(self, path: Path, format: str | None) -> None:
        self.path = path
        self._format = format or _format_of(path)
        is_coco = self._format in ("coco", "coco-stuff")
        self._coco = CocoFile.read(path) if is_coco else None
        self._stems = frozenset() if is_coco else frozenset(_stems(path))

    def names(self, entry: ImageEntry) -> bool:
        """Say whether it holds labels of an image."""
        if self._coco is not None:
            return self._coco.names(_name_of(entry))
        stem = stem_of(image_name(entry.source)).casefold()
        return not self._stems.isdisjoint({stem, _PLANE.sub("", stem)})

    def labels_of(self, entry: ImageEntry, shape: tuple[int, int]) -> StartingLabels:
        """Read them; ValueError or OSError, in a sentence, where that is not possible."""
        name = _name_of(entry)
        if self._coco is not None:
            return self._coco.labels_named(name, shape)
        return load(self.path, shape=shape, file_name=name, format=self._format)


def _name_of(entry: ImageEntry) -> str:
    """The name with its folders, which tell images of the same name apart."""
    return str(PurePosixPath(entry.path).with_name(image_name(entry.source)))


def _format_of(path: Path) -> str:
    """The format that a path seems to be; those that look into files are asked first."""
    formats = sorted(FORMATS.values(), key=lambda format_: format_.recognises is None)
    found = [f.name for f in formats if f.read is not None and f.may_be(path)]
    if not found:
        load(path, shape=(1, 1))  # says what is accepted
        raise ValueError(f"{path} is in no format that can be read here. Choose it with --format.")
    return found[0]


def _stems(path: Path) -> Iterator[str]:
    """Names of the images that a file or folder may be about, without their endings."""
    is_table = path.suffix.lower() in (".json", ".yaml", ".yml") and not _is_of_one(path)
    if (path.is_file() and not is_table) or path.suffix.lower() == ".zarr":
        yield stem_of(path.name).casefold()
        return
    for _, folders, names in os.walk(path if path.is_dir() else path.parent):
        yield from (stem_of(name).casefold() for name in (*folders, *names))
        folders[:] = [name for name in folders if not name.endswith(".zarr")]


def _is_of_one(path: Path) -> bool:
    """Say whether a file of a folder format holds the labels of one image only."""
    return any(FORMATS[name].may_be(path) for name in ("labelme", "qupath"))
