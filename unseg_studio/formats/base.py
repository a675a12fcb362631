"""What a format is, what reading gives and what is said before writing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from unseg_studio.data import Annotation, Category, Source

Severity = Literal["note", "warning", "error"]


@dataclass(frozen=True)
class Finding:
    """One sentence about what an export would do.

    `severity` is "error" where writing would be refused, "warning" where something would get lost.
    """

    severity: Severity
    sentence: str


@dataclass(frozen=True, eq=False)
class StartingLabels:
    """What an imported file says about the open image.

    Parameters
    ----------
    categories : tuple of Category
        Every category of the file, ids 1 to 1000.
    labels : ndarray, (H, W) int32
        Their ids, 0 = nothing. Read-only.
    notes : tuple of str
        Sentences about what was left out or renumbered.
    """

    categories: tuple[Category, ...]
    labels: NDArray[np.int32]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.labels.setflags(write=False)


def require_choices(options: Any, title: str) -> None:
    """Check the words among the options of a format, whose fields say what may be chosen.

    Raises
    ------
    ValueError
        If a word is none of the choices; the message lists them.
    """
    for field_ in fields(options):
        chosen, words = getattr(options, field_.name), field_.metadata.get("choices")
        if words and chosen not in words:
            raise ValueError(
                f"{title}: {field_.name} is {chosen!r}; accepted are {', '.join(words)}."
            )


class Write(Protocol):
    """Write annotations to a path, entirely or not at all."""

    def __call__(
        self, annotations: Iterable[Annotation], path: Path, *, options: Any = ...
    ) -> None:
        """Go over the annotations once, keeping the masks of none.

        Raise OSError or ValueError, in a sentence, where writing is not possible.
        """
        ...


class Read(Protocol):
    """Read what a file says about an image of this (height, width) and file name."""

    def __call__(
        self, path: Path, *, shape: tuple[int, int], file_name: str = ...
    ) -> StartingLabels:
        """Raise OSError or ValueError, in a sentence, where that is not possible."""
        ...


class Opened(Protocol):
    """A file that was read once, and is asked about one image after the other."""

    def __call__(self, *, shape: tuple[int, int], file_name: str = ...) -> StartingLabels:
        """As `Read`."""
        ...


class Check(Protocol):
    """Tell what this format would do to an annotation."""

    def __call__(self, annotation: Annotation, options: Any, /) -> Iterable[Finding]:
        """Yield nothing where nothing is lost."""
        ...


@dataclass(frozen=True)
class Format:
    """One line of the table of formats.

    Parameters
    ----------
    name : str
        How programs and the command line call it.
    title : str
        How people call it.
    suffix : str
        Of its files, with the dot; empty for a folder of files, whose name is free.
    options : type
        Frozen dataclass of what can be chosen, every field with a default; the fields' metadata
        carry "label", "help" and, for words, "choices".
    write : callable
        See `Write`.
    read : callable or None
        See `Read`; None where the format is written only.
    check : callable
        See `Check`.
    holds_many : bool
        One file, or folder, may hold several images.
    is_folder : bool
        It writes a folder of files, which is made where it is missing.
    splits : bool
        One file or folder holds both parts of a split data set (`Annotation.subset`); otherwise
        each part is written on its own.
    recognises : callable or None
        Says whether a file or folder that a person chose is of this kind; looks at names and the
        beginning of files only, and raises nothing. None: everything with its suffix.
    losses : tuple of str
        Sentences about what does not come back when a file of this format is read again; empty
        where everything does.
    purpose : str
        What it is for, in one sentence.
    single : str
        Of a format that writes folders: ending of the file, or folder, that it writes instead for
        one image where the given name ends like this; empty where it writes folders only.
    open : callable or None
        Reads a file about many images once, so that all of them can be asked for; None where
        `read` looks at no more of it than it must.
    """

    name: str
    title: str
    suffix: str
    options: type
    write: Write
    read: Read | None
    check: Check
    holds_many: bool = True
    is_folder: bool = False
    splits: bool = False
    recognises: Callable[[Path], bool] | None = None
    losses: tuple[str, ...] = ()
    purpose: str = ""
    single: str = ""
    open: Callable[[Path], Opened] | None = None

    def opened(self, path: Path) -> Opened:
        """What the file at a path says about images; of a format that can be read.

        Raises
        ------
        OSError, ValueError
            As `read`, now or when an image is asked for.
        """
        if self.open is not None:
            return self.open(path)
        if self.read is None:
            raise ValueError(f"{self.title} can be written, but not read. Choose another file.")
        return partial(self.read, path)

    def may_be(self, path: Path) -> bool:
        """Say whether this file or folder may be of the format, by its name and beginning."""
        if self.recognises is not None:
            return self.recognises(path)
        return path.suffix.lower() == self.suffix

    def named(self, stem: str, *, many: bool = False) -> str:
        """Propose a name for the file or folder of one image, or of many."""
        if not self.is_folder:
            return f"{stem}{self.suffix}"
        return f"{stem}{self.single}" if self.single and not many else f"{stem}_{self.name}"


def image_name(source: Source) -> str:
    """File name by which exported files know an image: planes of a stack get their index.

    `cells.tif` has the planes `cells_z0000.tif`, `cells_z0001.tif`, ...; an array without a file
    is called `array`, and its planes `array_z0000`, `array_z0001`, ...
    """
    path = source.path or Path("array")
    if source.plane is None or source.n_planes == 1:
        return path.name
    return f"{path.stem}_z{source.plane:04d}{path.suffix}"


def merged_categories(annotations: Sequence[Annotation]) -> tuple[Category, ...]:
    """The category table of annotations that belong to one project, by id.

    Raises
    ------
    ValueError
        If two of them mean different categories by one id, or a region has no category.
    """
    table: dict[int, Category] = {}
    for annotation in annotations:
        for category in annotation.categories:
            known = table.setdefault(category.id, category)
            if known != category:
                raise ValueError(
                    f"Category {category.id} is {known.name!r} in one image and {category.name!r} "
                    "in another; accepted is one category table for all. Export them one by one."
                )
        _require_categories(annotation)
    return tuple(table[id_] for id_ in sorted(table))


def _require_categories(annotation: Annotation) -> None:
    known = {category.id for category in annotation.categories}
    strays = sorted({region.category for region in annotation.regions} - known)
    if strays:
        raise ValueError(
            f"{annotation.source.name} has regions of category {strays[0]}, which is not in its "
            "category table; add the category or leave the regions out."
        )
