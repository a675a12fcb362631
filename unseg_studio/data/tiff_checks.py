"""What a TIFF file may not claim: checked before anything is allocated for it."""

from __future__ import annotations

import re
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

from unseg_studio.data.accepted import (
    UnreadableImageError,
    damaged,
    require_content,
    require_memory,
)

MAX_PAGES = 200_000
"""Most pages that are looked through for their place in a stack."""

_LONGEST_XML = 64 * 2**20
_JPEG, _JPEG_2000, _WEBP = (6, 7, 34892), (33003, 33004, 33005, 34712), (50001, 34927)
_PLAIN = (1, 2, 3, 4, 5, 8, 32773, 32909, 32946, 34925, 50000, 34926)
_KNOWN = _PLAIN + _JPEG + _JPEG_2000 + _WEBP
_WITH_SIZE = _JPEG + _JPEG_2000
"""Segments that state a size of their own, which their decoders believe."""

_SMALL = 2**18
"""Pixels that cost nothing, whoever claims them."""

_SIZE_MARKS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Markers of JPEG that are followed by height and width."""


def require_finite_chain(file: BinaryIO, path: Path) -> None:
    """Raise UnreadableImageError if the pages follow each other in a circle or without end."""
    mark = file.read(4)
    order = "little" if mark[:2] == b"II" else "big"
    big = mark[2:4] in (b"+\0", b"\0+")
    width, n_count, entry = (8, 8, 20) if big else (4, 2, 12)
    file.seek(8 if big else 4)
    seen: set[int] = set()
    offset = int.from_bytes(file.read(width), order)  # type: ignore[arg-type]
    while offset:
        if offset in seen:
            raise damaged(path, "TIFF")
        if len(seen) == MAX_PAGES:
            raise UnreadableImageError(
                f"{path} has more than {MAX_PAGES} pages; accepted are fewer. Cut it into parts."
            )
        seen.add(offset)
        file.seek(min(offset, 2**62))
        n_tags = int.from_bytes(file.read(n_count), order)  # type: ignore[arg-type]
        file.seek(min(offset + n_count + n_tags * entry, 2**62))
        offset = int.from_bytes(file.read(width), order)  # type: ignore[arg-type]
    file.seek(0)


def require_harmless_ome(xml: str, path: Path) -> None:
    """Raise UnreadableImageError if OME metadata reach out of the folder or count absurdly."""
    if len(xml) > _LONGEST_XML or "<!DOCTYPE" in xml or "<!ENTITY" in xml:
        raise damaged(path, "OME-TIFF")
    for name in re.findall(r'FileName\s*=\s*["\']([^"\']*)', xml):
        if re.search(r"[\\/:]|^\.\.$", name):
            raise UnreadableImageError(
                f"{path} says that parts of it lie in {name!r:.80}; accepted are files beside it. "
                "Save it as one file, or move the parts into the same folder."
            )
    for pixels in re.findall(r"<(?:\w+:)?Pixels\b[^>]*>", xml):
        sizes = re.findall(r'\bSize[TCZ]\s*=\s*["\'](\d{1,18})', pixels)
        if prod(map(int, sizes)) > MAX_PAGES:
            raise UnreadableImageError(
                f"{path} claims {prod(map(int, sizes))} planes; accepted are up to {MAX_PAGES}. "
                "Cut it into parts."
            )


def require_whole(page: Any, path: Path) -> None:
    """Raise UnreadableImageError unless the file holds every byte that the page points to."""
    if page is None:
        raise damaged(path, "TIFF")
    tile = prod(page.chunks) * page.dtype.itemsize
    require_memory(path, tile)
    if not holds(page):
        raise damaged(path, "TIFF")
    n_stored = sum(size > 0 for size in page.databytecounts)
    require_content(path, n_stored * tile, sum(page.databytecounts))
    if page.compression not in _KNOWN:
        raise UnreadableImageError(
            f"{path} is compressed with {_name(page.compression)}; accepted are LZW, Deflate, "
            "ZSTD, LZMA, PackBits, CCITT, JPEG, JPEG 2000 and WebP. Save it with one of those."
        )


def require_segment(data: bytes, page: Any, path: Path) -> None:
    """Raise UnreadableImageError if a compressed picture is larger than the tile it stands for."""
    allowed = 4 * max(prod(page.chunks), _SMALL)
    sizes = _claimed_sizes(data, page)
    if any(height * width > allowed for height, width in sizes):
        raise damaged(path, "TIFF")


def require_segments(page: Any, path: Path) -> None:
    """Check every segment of a page whose segments are pictures, before they are decoded."""
    if page.compression in _WITH_SIZE:
        file = page.parent.filehandle
        for offset, size in zip(page.dataoffsets, page.databytecounts, strict=True):
            file.seek(offset)
            require_segment(file.read(size), page, path)


def holds(page: Any) -> bool:
    """Say whether the file holds every byte that the page points to, and enough of them."""
    ends = zip(page.dataoffsets, page.databytecounts, strict=True)
    if any(offset + size > page.parent.filehandle.size for offset, size in ends):
        return False
    bits = prod(page.shape) * page.keyframe.bitspersample
    return bool(page.keyframe.compression != 1 or sum(page.databytecounts) * 8 >= bits)


def _name(compression: Any) -> str:
    return str(getattr(compression, "name", compression))


def _claimed_sizes(data: bytes, page: Any) -> list[tuple[int, int]]:
    """(height, width) as a segment states it: more than once only to deceive."""
    if page.compression in _JPEG_2000:
        starts = [found.start() for found in re.finditer(b"\xff\x4f\xff\x51", data)]
        return [_big(data, at + 12, 4) + _big(data, at + 8, 4) for at in starts]
    if page.compression in _JPEG:
        return _jpeg_sizes(data) + _jpeg_sizes(page.jpegheader or b"")
    return []


def _jpeg_sizes(data: bytes) -> list[tuple[int, int]]:
    at = 2
    while at + 9 <= len(data):
        if data[at] != 0xFF:
            at = data.find(b"\xff", at) if data.find(b"\xff", at) > 0 else len(data)
            continue
        mark = data[at + 1]
        if mark in _SIZE_MARKS:
            return [_big(data, at + 5, 2) + _big(data, at + 7, 2)]
        alone = mark in (0, 1) or 0xD0 <= mark <= 0xD9
        at += 1 if mark == 0xFF else 2 if alone else 2 + _big(data, at + 2, 2)[0]
    return []


def _big(data: bytes, at: int, length: int) -> tuple[int]:
    return (int.from_bytes(data[at : at + length]),)
