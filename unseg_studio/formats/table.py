"""The table of formats: a new one is one file and one line here."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from unseg_studio.data import Annotation
from unseg_studio.formats.atomic import make_folder
from unseg_studio.formats.base import Format, StartingLabels
from unseg_studio.formats.coco import COCO
from unseg_studio.formats.cvat import CVAT
from unseg_studio.formats.labelme import LABELME
from unseg_studio.formats.ome_tiff import OME_TIFF
from unseg_studio.formats.ome_zarr import OME_ZARR, has_labels_only
from unseg_studio.formats.panoptic import PANOPTIC
from unseg_studio.formats.png import PNG, category_table
from unseg_studio.formats.png_folder import PNG_FOLDER
from unseg_studio.formats.qupath import QUPATH
from unseg_studio.formats.stuff import STUFF
from unseg_studio.formats.voc import VOC
from unseg_studio.formats.yolo import YOLO

_NEVER_IMAGES = frozenset({".json", ".geojson"})

FORMATS: dict[str, Format] = {
    format_.name: format_
    for format_ in (
        COCO,
        PANOPTIC,
        STUFF,
        VOC,
        PNG,
        PNG_FOLDER,
        OME_TIFF,
        OME_ZARR,
        YOLO,
        LABELME,
        CVAT,
        QUPATH,
    )
}


def format_named(name: str) -> Format:
    """Look a format up.

    Raises
    ------
    ValueError
        If there is none of that name; lists those that there are.
    """
    if name not in FORMATS:
        raise ValueError(f"Unknown format {name!r}; accepted are {', '.join(FORMATS)}.")
    return FORMATS[name]


def export(
    annotations: Annotation | Iterable[Annotation],
    path: str | Path,
    *,
    format: str = "coco",
    options: Any = None,
) -> None:
    """Write annotations to a file or folder; each file entirely or not at all.

    Parameters
    ----------
    annotations : Annotation or iterable of Annotation
        One or, where the format has room, several images; asked for one by one. Of a split data
        set, which some formats write in several files, they are gone over more than once.
    path : str or Path
        The file; its folder exists. For some formats the folder itself.
    format : str
        A key of `FORMATS`.
    options : object or None
        An instance of the format's `options`; None for its defaults.

    Raises
    ------
    ValueError
        If the format is unknown, the options belong to another one, or it cannot hold this.
    OSError
        If a file cannot be written; what was there before stays.
    """
    chosen = format_named(format)
    options = options_for(chosen, options)
    given = (annotations,) if isinstance(annotations, Annotation) else annotations
    if chosen.splits:
        chosen.write(_some(given), Path(path), options=options)
        return
    for subset, part in _parts(given):
        if subset and chosen.is_folder:
            make_folder(Path(path))
        chosen.write(part, part_path(Path(path), chosen, subset), options=options)


def _some(annotations: Iterable[Annotation]) -> Iterable[Annotation]:
    """The annotations, of which there must be one at least."""
    if isinstance(annotations, Collection) and annotations:
        return annotations
    coming = iter(annotations)
    first = next(coming, None)
    if first is None:
        raise ValueError("No image was given to export; give one annotation or more.")
    return chain((first,), coming)


def _parts(annotations: Iterable[Annotation]) -> Iterator[tuple[str, Iterable[Annotation]]]:
    """Each part of a data set with its name, every one going over all annotations anew.

    What can be gone over only once is kept as a whole if it is split, and passed on otherwise.
    """
    coming = iter(_some(annotations))
    first = next(coming)
    if iter(annotations) is not annotations:
        again = annotations
    elif first.subset:
        again = (first, *coming)
    else:
        yield "", _unsplit(chain((first,), coming))
        return
    seen, written = {first.subset: None}, 0
    while written < len(seen):
        subset = list(seen)[written]
        yield subset, _of_part(again, subset, seen)
        written += 1


def _unsplit(annotations: Iterable[Annotation]) -> Iterator[Annotation]:
    for annotation in annotations:
        if annotation.subset:
            raise ValueError(
                f"{annotation.source.name} belongs to the part {annotation.subset!r} and the "
                "images before it to none; accepted are data sets that are split as a whole."
            )
        yield annotation


def _of_part(
    annotations: Iterable[Annotation], subset: str, seen: dict[str, None]
) -> Iterator[Annotation]:
    """Give those of one part, and take down which other parts there are."""
    for annotation in annotations:
        seen[annotation.subset] = None
        if annotation.subset == subset:
            yield annotation


def part_path(path: Path, format_: Format, subset: str) -> Path:
    """Where one part of a split data set goes: `out_train.json`, or `out/train` of a folder."""
    if not subset:
        return path
    return path / subset if format_.is_folder else path.with_stem(f"{path.stem}_{subset}")


def options_for(format_: Format, options: Any) -> Any:
    """Give the options themselves, or the defaults; refuse those of another format."""
    options = format_.options() if options is None else options
    if not isinstance(options, format_.options):
        raise ValueError(
            f"{format_.title} was given {type(options).__name__}; accepted are "
            f"{format_.options.__name__}."
        )
    return options


def load(
    path: str | Path,
    *,
    shape: tuple[int, int],
    file_name: str = "",
    format: str | None = None,
) -> StartingLabels:
    """Read what a file says about the open image.

    Parameters
    ----------
    path : str or Path
        The file.
    shape : (int, int)
        Height and width of the open image.
    file_name : str
        Name of the open image (`image_name`), for files about several.
    format : str or None
        A key of `FORMATS`; None to go by the file's name and beginning.

    Raises
    ------
    ValueError
        If the format is unknown or the content is not what it should be.
    OSError
        If the file cannot be read.
    """
    chosen = format_named(format) if format else _by_content(Path(path))
    if chosen.read is None:
        raise ValueError(f"{chosen.title} can be written, but not read. Choose another file.")
    return chosen.read(Path(path), shape=shape, file_name=file_name)


def recognised(path: Path) -> Format | None:
    """Which readable format a file or folder is of, by its name and beginning; None if of none."""
    # Those that look into files come before those that go by the suffix alone.
    for format_ in sorted(FORMATS.values(), key=lambda format_: format_.recognises is None):
        if format_.read is not None and format_.may_be(path):
            return format_
    return None


def are_labels(path: Path) -> bool:
    """Say whether a file or folder that was dropped holds labels rather than an image.

    JSON and GeoJSON are labels, whatever stands in them; a PNG is where the table of its categories
    lies beside it, OME-Zarr where it has labels and no image. TIFF is an image.
    """
    if path.suffix.lower() in _NEVER_IMAGES:
        return True
    format_ = recognised(path)
    if format_ is None or format_ is OME_TIFF:
        return False
    if format_ is OME_ZARR:
        return has_labels_only(path)
    return path.is_dir() or format_ is not PNG or category_table(path).is_file()


def _by_content(path: Path) -> Format:
    if (format_ := recognised(path)) is not None:
        return format_
    known = ", ".join(
        f"{f.suffix or 'folders'} ({f.title})" for f in FORMATS.values() if f.read is not None
    )
    raise ValueError(f"{path} has the suffix {path.suffix!r}; accepted are {known}.")
