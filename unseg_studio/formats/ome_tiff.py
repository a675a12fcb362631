"""OME-TIFF labels: one file for each image, with pixel size and categories in its OME-XML.

Values are category ids, 8 bits where they suffice and 16 otherwise. Each category is a
MapAnnotation of the image, with its id, name, color and kind. Written is a folder of files, or,
where the path ends in `.tif` or `.tiff`, the file of a single image.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import numpy as np
import tifffile
from numpy.typing import NDArray

from unseg_studio.data import Annotation, Category, UnreadableImageError
from unseg_studio.data.tiff import describe_tiff, opened_tiff, read_tiff
from unseg_studio.formats.atomic import write_bytes, write_folder
from unseg_studio.formats.base import Finding, Format, StartingLabels, image_name
from unseg_studio.formats.indices import Row, starting_labels
from unseg_studio.formats.naming import PARTS, Register, file_of, holds
from unseg_studio.formats.pixels import painted
from unseg_studio.formats.png import Shape
from unseg_studio.formats.reading import readable

NAMESPACE = "unseg-studio/category"
SUFFIXES = (".ome.tif", ".ome.tiff", ".tif", ".tiff")

_OME = "http://www.openmicroscopy.org/Schemas/OME/2016-06"
_COMPRESSION = 5
_UNREADABLE = (
    OSError, ValueError, KeyError, TypeError, IndexError, AttributeError, RuntimeError,
    ArithmeticError, MemoryError, struct.error, zlib.error, tifffile.TiffFileError,
    Xml.ParseError,
)  # fmt: skip


@dataclass(frozen=True)
class OmeTiffOptions:
    """There is nothing to choose about OME-TIFF labels."""


def write_ome_tiff(
    annotations: Iterable[Annotation], path: str | Path, *, options: OmeTiffOptions | None = None
) -> None:
    """Write the labels of each image.

    Raises
    ------
    ValueError
        If two images have the same name, or there are several for one file.
    OSError
        If the files cannot be written.
    """
    files = _files(annotations)
    if not Path(path).name.lower().endswith(SUFFIXES):
        write_folder(Path(path), files)
        return
    (_, data), *more = islice(files, 2)
    if more:
        raise ValueError(
            f"Several images were given for {Path(path).name}; an OME-TIFF holds the labels of "
            "one. Choose a name without an ending, of a folder with one file for each image."
        )
    write_bytes(path, data)


def _files(annotations: Iterable[Annotation]) -> Iterator[tuple[str, bytes]]:
    register = Register()
    for annotation in annotations:
        yield f"{register.enter(annotation)}{SUFFIXES[0]}", _tiff(annotation)


def _tiff(annotation: Annotation) -> bytes:
    labels = painted(annotation, dtype=smallest_type(annotation))
    buffer = io.BytesIO()
    tifffile.imwrite(
        buffer,
        labels,
        description=_ome_xml(annotation, labels.dtype.name),
        metadata=None,
        byteorder="<",
        photometric="minisblack",
        compression="zlib",
        compressionargs={"level": _COMPRESSION},
    )
    return buffer.getvalue()


def smallest_type(annotation: Annotation) -> str:
    """The type that has room for its categories: uint8 or uint16."""
    highest = max((category.id for category in annotation.categories), default=0)
    return "uint8" if highest <= np.iinfo(np.uint8).max else "uint16"


def _ome_xml(annotation: Annotation, type_: str) -> bytes:
    """The OME-XML of one plane, in ASCII."""
    root = Xml.Element("OME", xmlns=_OME, Creator="UnSeg Studio")
    image = Xml.SubElement(root, "Image", ID="Image:0", Name=_plain(image_name(annotation.source)))
    height, width = annotation.shape
    pixels = Xml.SubElement(
        image, "Pixels", ID="Pixels:0", DimensionOrder="XYCZT", Type=type_, BigEndian="false",
        SizeX=str(width), SizeY=str(height), SizeC="1", SizeZ="1", SizeT="1",
    )  # fmt: skip
    pixels.attrib.update(_physical_size(annotation))
    Xml.SubElement(pixels, "Channel", ID="Channel:0:0", Name="categories", SamplesPerPixel="1")
    Xml.SubElement(pixels, "TiffData", IFD="0", PlaneCount="1")
    for category in annotation.categories:
        Xml.SubElement(image, "AnnotationRef", ID=f"Annotation:{category.id}")
    if annotation.categories:
        notes = Xml.SubElement(root, "StructuredAnnotations")
        for category in annotation.categories:
            _note(notes, category)
    return bytes(Xml.tostring(root))


def _physical_size(annotation: Annotation) -> dict[str, str]:
    sizes = annotation.source.pixel_size or ()
    stated: dict[str, str] = {}
    for axis, size in zip("YX", sizes, strict=False):
        stated |= {f"PhysicalSize{axis}": repr(float(size)), f"PhysicalSize{axis}Unit": "µm"}
    return stated


def _note(parent: Xml.Element, category: Category) -> None:
    note = Xml.SubElement(
        parent, "MapAnnotation", ID=f"Annotation:{category.id}", Namespace=NAMESPACE
    )
    value = Xml.SubElement(note, "Value")
    for key in ("id", "name", "color", "kind"):
        Xml.SubElement(value, "M", K=key).text = _plain(str(getattr(category, key)))


def _plain(text: str) -> str:
    """Replace what XML cannot hold."""
    return "".join(c if c.isprintable() else "_" for c in text)


# Back again.


def read_ome_tiff(path: str | Path, *, shape: Shape, file_name: str = "") -> StartingLabels:
    """Read a TIFF of ids, every value a category, 0 = nothing; categories from its OME-XML.

    Parameters
    ----------
    path : str or Path
        The file, or a folder of files called like the images.
    shape : (int, int)
        Height and width of the open image.
    file_name : str
        Its name, where `path` is a folder.

    Raises
    ------
    OSError
        If it cannot be read.
    ValueError
        If it is no TIFF of ids, is damaged or of another size.
    """
    file = file_of(Path(path), file_name, endings=SUFFIXES)
    try:
        values, xml = _decoded(file, shape)
        rows = _rows(xml)
    except (UnreadableImageError, _WrongError):
        raise
    except _UNREADABLE as error:
        raise ValueError(
            f"{file} is no TIFF that can be read, or is damaged; accepted are grey TIFFs of whole "
            "numbers, one value per category. Choose another file or export it again."
        ) from error
    return starting_labels(values, rows, path=file)


class _WrongError(ValueError):
    """The file is whole, but not what was asked for; in a sentence."""


def _decoded(path: Path, shape: Shape) -> tuple[NDArray[Any], str]:
    """Values (H, W) and the OME-XML; the size is compared before a pixel is unpacked."""
    with readable(path) as file:
        there = describe_tiff(file, path)
        if there.shape != shape:
            height, width = there.shape
            raise _WrongError(
                f"{path} is {width} x {height} px, the open image is {shape[1]} x {shape[0]} px; "
                "accepted are labels of its size. Choose the file that belongs to this image."
            )
        if there.channels != 1 or there.dtype.kind not in "biu":
            raise _WrongError(
                f"{path} holds {there.channels} channels of {there.dtype} instead of ids; accepted "
                "are TIFFs of one channel of whole numbers. Choose the file with the labels."
            )
        file.seek(0)
        pixels = read_tiff(file, path, None).pixels
        file.seek(0)
        with opened_tiff(file, path) as tiff:
            return pixels[..., 0], str(tiff.ome_metadata or "") if tiff.is_ome else ""


def _rows(xml: str) -> dict[int, Row]:
    """What the notes of this program say about the ids."""
    if not xml or NAMESPACE not in xml:
        return {}
    rows = {}
    for note in Xml.fromstring(xml).iter(f"{{{_OME}}}MapAnnotation"):
        if note.get("Namespace") == NAMESPACE:
            row = {str(m.get("K")): m.text or "" for m in note.iter(f"{{{_OME}}}M")}
            rows[int(row.pop("id"))] = row
    return {id_: row for id_, row in rows.items() if id_ > 0}


def check_ome_tiff(annotation: Annotation, options: OmeTiffOptions) -> Iterator[Finding]:
    """Tell nothing: every pixel keeps its category."""
    return iter(())


def recognises(path: Path) -> bool:
    """Say whether it is a TIFF, or a folder of OME-TIFFs."""
    if path.name.lower().endswith(SUFFIXES):
        return True
    folders: Sequence[Path] = (path, *(path / part for part in PARTS))
    return any(holds(folder, f"*{suffix}") for folder in folders for suffix in SUFFIXES[:2])


OME_TIFF = Format(
    "ome-tiff",
    "OME-TIFF labels",
    "",
    OmeTiffOptions,
    write_ome_tiff,
    read_ome_tiff,
    check_ome_tiff,
    is_folder=True,
    recognises=recognises,
    purpose="Microscopy programs such as Fiji and QuPath: labels with their pixel size.",
    single=".ome.tif",
)
