"""Read the masks of one image, or of several, from a COCO file, whoever wrote it."""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from unseg_studio.data import PALETTE, Category, Patch
from unseg_studio.data.category import MAX_CATEGORY, is_color
from unseg_studio.formats import geometry, rle
from unseg_studio.formats.base import Opened, StartingLabels
from unseg_studio.formats.numbering import free_ids, unique_name
from unseg_studio.formats.painting import shown
from unseg_studio.formats.reading import read_bytes

OWN_INFO = "unseg_studio"
"""Key under `info` of what only this program reads."""

LARGEST_FILE = 1 << 30

Entry = dict[str, Any]
Shape = tuple[int, int]


def read_coco(path: str | Path, *, shape: Shape, file_name: str = "") -> StartingLabels:
    """Read categories and labels of one image.

    Parameters
    ----------
    path : str or Path
        The COCO file.
    shape : (int, int)
        Height and width of the open image.
    file_name : str
        Its name, with or without folders. A file about a single image of the same size is read
        whatever the name.

    Returns
    -------
    StartingLabels
        Regions are painted in the order of the file, `iscrowd` ones beneath. Category ids are
        kept where they lie in 1 to 1000.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is no COCO file, knows no such image, contradicts itself or has damaged masks; in a
        sentence that says where.
    """
    return open_coco(path)(shape=shape, file_name=file_name)


def open_coco(path: str | Path) -> Opened:
    """Read a whole file, to ask it about one image after the other; see `read_coco`."""
    file = CocoFile.read(Path(path))

    def about(*, shape: Shape, file_name: str = "") -> StartingLabels:
        return next(file.labels_of([_matching_image(file, shape, file_name)]))

    return about


@dataclass(frozen=True, eq=False)
class CocoFile:
    """The three tables of a COCO file, each entry a dict with an id, references checked.

    Parameters
    ----------
    path : Path
        The file.
    images, categories, annotations : tuple of dict
        The entries as they stand in the file.
    own : dict
        What only this program writes and reads.
    """

    path: Path
    images: tuple[Entry, ...]
    categories: tuple[Entry, ...]
    annotations: tuple[Entry, ...]
    own: Entry = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> CocoFile:
        """Parse the whole file.

        Raises
        ------
        OSError
            If the file cannot be read.
        NoCocoError
            If it is some other file.
        ValueError
            If it contradicts itself, in a sentence that says where.
        """
        content = _parsed(path)
        if not isinstance(content, dict) or "images" not in content:
            raise NoCocoError(
                f"{path} holds JSON, but no COCO object; accepted is an object with the lists "
                "images, annotations and categories."
            )
        images, categories, annotations = (
            _table(path, content, key) for key in ("images", "categories", "annotations")
        )
        info = content.get("info")
        own = info.get(OWN_INFO) if isinstance(info, dict) else None
        file = cls(path, images, categories, annotations, own if isinstance(own, dict) else {})
        file._check_references()
        return file

    def annotations_of(self, image_id: Hashable) -> list[Entry]:
        """Annotations of one image, in the order of the file."""
        return self._by_image.get(image_id, [])

    def names(self, file_name: str) -> bool:
        """Say whether it knows an image of this name, with or without folders."""
        return next(_named(self.images, file_name), None) is not None

    def labels_named(self, file_name: str, shape: Shape) -> StartingLabels:
        """Read the image of this name; see `read_coco`."""
        return next(self.labels_of([_matching_image(self, shape, file_name)]))

    def labels_of(self, images: Sequence[Entry]) -> Iterator[StartingLabels]:
        """Read some of its images, one after the other, by one table of categories.

        Raises
        ------
        ValueError
            If an image has no size or damaged masks, in a sentence that says where.
        """
        used = {e["category_id"] for image in images for e in self.annotations_of(image["id"])}
        categories, notes = _categories(self, used)
        table = tuple(sorted(categories.values(), key=lambda category: category.id))
        for image in images:
            labels, without = self._painted(image, categories)
            said = [*notes, _without_mask(without)] if without else notes
            yield StartingLabels(table, labels, tuple(said))

    def shape_of(self, image: Entry) -> Shape:
        """Height and width; ValueError, in a sentence, where there are none."""
        height, width = (image.get(key) for key in ("height", "width"))
        if _is_length(height) and _is_length(width):
            return height, width
        raise ValueError(
            f"{self.path}: the image {shown(image.get('file_name'))} is {shown(width)} x "
            f"{shown(height)} px; "
            "accepted are a width and a height of 1 or more. Export the file again."
        )

    def _painted(
        self, image: Entry, categories: Mapping[Hashable, Category]
    ) -> tuple[NDArray[np.int32], int]:
        """Labels (H, W), and how many annotations have no mask."""
        shape = self.shape_of(image)
        labels = np.zeros(shape, np.int32)
        without = 0
        entries = self.annotations_of(image["id"])
        for entry in sorted(entries, key=lambda entry: bool(entry.get("iscrowd")), reverse=True):
            patch = _patch(entry, shape, file=self)
            without += not patch.mask.any()
            labels[patch.slices][patch.mask] = categories[entry["category_id"]].id
        return labels, without

    @cached_property
    def _by_image(self) -> dict[Hashable, list[Entry]]:
        table: dict[Hashable, list[Entry]] = {}
        for entry in self.annotations:
            table.setdefault(entry["image_id"], []).append(entry)
        return table

    def _check_references(self) -> None:
        for key, table in (("image_id", self.images), ("category_id", self.categories)):
            known = {entry["id"] for entry in table}
            for entry in self.annotations:
                if not _is_id(entry.get(key)) or entry[key] not in known:
                    what = key.removesuffix("_id")
                    raise ValueError(
                        f"{self.path}: annotation {shown(entry.get('id'))} refers to the {what} "
                        f"{shown(entry.get(key))}, which is not in the file; accepted are the "
                        f"ids in its table of {'images' if what == 'image' else 'categories'}. "
                        "Export the file again from the program that made it."
                    )

    @property
    def convention(self) -> geometry.Convention:
        """How to fill its polygons: ours through pixel centres say so, all others are on edges."""
        return "pixels" if self.own.get("segmentation") == "polygon-cv2" else "edges"


class NoCocoError(ValueError):
    """The file is something else than COCO; in a sentence."""


def _parsed(path: Path) -> object:
    data = read_bytes(path, limit=LARGEST_FILE)
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        # Cut off in the middle, it is damaged, but still nothing else.
        kind = ValueError if b'"annotations"' in data or b'"images"' in data else NoCocoError
        raise kind(
            f"{path} is not JSON ({error}); accepted is a COCO file. Choose another file."
        ) from error


def _without_mask(n: int) -> str:
    return (
        f"{n} annotation{'s have' if n > 1 else ' has'} no mask inside the image, "
        f"only a box or nothing, and {'are' if n > 1 else 'is'} left out."
    )


def _table(path: Path, content: Entry, key: str) -> tuple[Entry, ...]:
    entries = content.get(key, [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ValueError(f"{path}: {key} is no list of objects, which COCO asks for.")
    if key == "annotations":
        return tuple(entries)
    ids = [entry.get("id") for entry in entries]
    if not all(_is_id(id_) for id_ in ids) or len(set(ids)) < len(ids):
        raise ValueError(
            f"{path}: the entries under {key} need an id each, a number or a word that occurs "
            "once; at least one has none or shares it. Export the file again."
        )
    return tuple(entries)


def _is_id(value: object) -> bool:
    return isinstance(value, int | str)


def _is_length(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


# --- which image ---


def _matching_image(file: CocoFile, shape: Shape, file_name: str) -> Entry:
    named = list(_named(file.images, file_name)) if file_name else []
    if len(named) > 1:
        raise ValueError(
            f"{file.path} has {len(named)} images called {file_name!r}; accepted is one. Give the "
            "name with its folder, as it stands in the file."
        )
    if not named and len(file.images) != 1:
        raise ValueError(
            f"{file.path} has no image called {file_name!r}; it knows {_listed(file.images)}. "
            "Open one of those first, or choose another file."
        )
    image = named[0] if named else file.images[0]
    size = image.get("height"), image.get("width")
    if size != shape:
        raise ValueError(
            f"{file.path}: the image {shown(image.get('file_name'))} is {size[1]!s:.30} x "
            f"{size[0]!s:.30} px there, the open image is {shape[1]} x {shape[0]} px; accepted are "
            "masks of its size. Choose the file that belongs to this image."
        )
    return image


def _named(images: Iterable[Entry], file_name: str) -> Iterator[Entry]:
    """Images of that name: in full if there is one, else those that agree without folders."""
    wanted = _posix(file_name)
    names = [(_posix(str(image.get("file_name", ""))), image) for image in images]
    full = [image for name, image in names if name == wanted]
    tails = [i for name, i in names if f"/{wanted}".endswith(f"/{name}") and name]
    tails += [i for name, i in names if name != wanted and f"/{name}".endswith(f"/{wanted}")]
    bare = [i for name, i in names if name and _bare(name) == _bare(wanted)]
    yield from full or tails or bare


def _posix(name: str) -> str:
    return name.replace("\\", "/")


def _bare(name: str) -> str:
    return PurePosixPath(name).name


def _listed(images: tuple[Entry, ...], most: int = 3) -> str:
    names = [shown(image.get("file_name")) for image in images[:most]]
    if not names:
        return "no images at all"
    return ", ".join(names) + (f" and {len(images) - most} more" if len(images) > most else "")


# --- categories ---


def _categories(file: CocoFile, used: set[Hashable]) -> tuple[dict[Hashable, Category], list[str]]:
    """Category of each id of the file, and notes; of very many only those that are used."""
    entries = list(file.categories)
    notes = []
    if len(entries) > MAX_CATEGORY:
        entries = [entry for entry in entries if entry["id"] in used]
        notes.append(f"Of {len(file.categories)} categories only those of this image are read.")
    if len(entries) > MAX_CATEGORY:
        raise ValueError(
            f"{file.path} uses {len(entries)} categories in this image; accepted are up to "
            f"{MAX_CATEGORY}. Merge some first."
        )
    ids = free_ids([entry["id"] for entry in entries])
    moved = sum(entry["id"] != id_ for entry, id_ in zip(entries, ids, strict=True))
    if moved:
        notes.append(f"{moved} categories got new ids, since theirs are not 1 to {MAX_CATEGORY}.")
    looks = _looks(file.own)
    names: set[str] = set()
    categories: dict[Hashable, Category] = {}
    for entry, id_ in zip(entries, ids, strict=True):
        name = unique_name(entry.get("name"), id_, taken=names)
        names.add(name)
        categories[entry["id"]] = _category({**entry, **looks.get(entry["id"], {})}, name, id_=id_)
    return categories, notes


def _looks(own: Entry) -> Mapping[Hashable, Entry]:
    """Colours and kinds that this program wrote beside the categories, by id."""
    looks = own.get("categories")
    entries = looks if isinstance(looks, list) else []
    return {e["id"]: e for e in entries if isinstance(e, dict) and _is_id(e.get("id"))}


def _category(entry: Entry, name: str, *, id_: int) -> Category:
    is_stuff = entry.get("kind") == "stuff" or entry.get("isthing") == 0  # panoptic COCO's word
    color = entry.get("color")
    if not isinstance(color, str) or not is_color(color):
        color = PALETTE[(id_ - 1) % len(PALETTE)]
    return Category(id_, name, color, "stuff" if is_stuff else "thing")


# --- masks ---


def _patch(entry: Entry, shape: Shape, *, file: CocoFile) -> Patch:
    segmentation = entry.get("segmentation")
    try:
        if isinstance(segmentation, dict):
            return _decoded(segmentation, shape)
        return geometry.fill(_polygons(segmentation or []), shape, convention=file.convention)
    except ValueError as error:
        raise ValueError(
            f"{file.path}: annotation {shown(entry.get('id'))} is damaged: {error}. Export the "
            "file again from the program that made it, or remove the annotation."
        ) from error


def _decoded(segmentation: Entry, shape: Shape) -> Patch:
    size, counts = segmentation.get("size"), segmentation.get("counts")
    if size != list(shape):
        raise ValueError(
            f"its RLE has the size {str(size)[:60]}; accepted is the image's "
            f"[height, width], {list(shape)}"
        )
    if isinstance(counts, str):
        return rle.patch_of_runs(rle.runs_of_text(counts), shape)
    if isinstance(counts, list):
        return rle.patch_of_runs(_numbers(counts, "its RLE", kinds="iu").astype(np.int64), shape)
    raise ValueError("its RLE has no counts; accepted are a string or a list of whole numbers")


def _polygons(segmentation: object) -> list[NDArray[np.float64]]:
    if not isinstance(segmentation, list) or not all(isinstance(p, list) for p in segmentation):
        raise ValueError("its segmentation is neither RLE nor a list of polygons")
    return [_polygon(part) for part in segmentation]


def _polygon(part: list[object]) -> NDArray[np.float64]:
    if len(part) < 6 or len(part) % 2:
        raise ValueError(
            f"it has a polygon of {len(part)} numbers; accepted are x and y of three points or more"
        )
    xy = _numbers(part, "a polygon", kinds="iuf").astype(np.float64).reshape(-1, 2)
    if not (np.abs(xy) <= geometry.FARTHEST).all():  # false for NaN, too
        raise ValueError(
            "it has a polygon with coordinates that are not finite or out of all proportion"
        )
    return xy[:, ::-1]


def _numbers(values: list[object], what: str, *, kinds: str) -> NDArray[Any]:
    try:
        array = np.array(values) if values else np.zeros(0, np.int64)
    except ValueError:  # lists within the list
        array = np.zeros(0, object)
    if array.dtype.kind not in kinds or array.ndim != 1:
        raise ValueError(f"{what} holds something that is not a number, or too large a one")
    return array
