"""Which images the queue shows, in which order, and which one comes next."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import Literal

from unseg_studio.project import STATUSES, ImageEntry

Sort = Literal["name", "status", "uncertainty", "size"]

SORTS: dict[Sort, str] = {
    "name": "Name",
    "status": "Status",
    "uncertainty": "Uncertainty",
    "size": "Size",
}
"""What can be sorted by, and how it is called."""

UNFINISHED = "unfinished"
FILTERS: tuple[str, ...] = ("", UNFINISHED, *STATUSES)
"""Statuses that can be asked for; "" is all of them."""

FINISHED = frozenset({"done", "rejected"})

_DIGITS = re.compile(r"(\d+)")

Key = tuple[object, ...]


@dataclass(frozen=True)
class Wish:
    """What the person wants to see of the queue.

    Parameters
    ----------
    status : str
        One of `FILTERS`.
    text : str
        Part of the path or of the comment, in capitals or not.
    sort : str
        One of `SORTS`.
    """

    status: str = ""
    text: str = ""
    sort: Sort = "name"

    @property
    def is_all(self) -> bool:
        """Nothing is left out."""
        return not (self.status or self.text.strip())

    @property
    def is_lasting(self) -> bool:
        """What is done to an image changes neither which are shown nor their order."""
        return self.is_all and self.sort == "name"

    def accepts(self, entry: ImageEntry) -> bool:
        """Say whether an image is one of those that are asked for."""
        if self.status == UNFINISHED:
            if entry.status in FINISHED:
                return False
        elif self.status and entry.status != self.status:
            return False
        text = self.text.strip().casefold()
        return not text or text in f"{entry.path} {entry.name}\n{entry.comment}".casefold()


def ordered(entries: Iterable[ImageEntry], wish: Wish, *, keep: int | None = None) -> list[int]:
    """Ids of the images that are asked for, in order; `keep` is in it whatever it is."""
    chosen = [entry for entry in entries if entry.id == keep or wish.accepts(entry)]
    return [entry.id for entry in sorted(chosen, key=_KEYS[wish.sort])]


def next_unfinished(
    order: Sequence[int], image: Callable[[int], ImageEntry], *, row: int
) -> ImageEntry | None:
    """The next one that is neither done nor rejected, from the top again after the last one.

    Parameters
    ----------
    order : sequence of int
        Ids as the list shows them.
    image : callable
        Gives the entry of an id.
    row : int
        Where the open image stands, which is not asked; -1: nowhere.
    """
    rest = chain(range(row + 1, len(order)), range(max(row, 0)))
    entries = (image(order[n]) for n in rest)
    return next((entry for entry in entries if entry.status not in FINISHED), None)


def most_uncertain(order: Iterable[ImageEntry], current: int | None) -> ImageEntry | None:
    """The unfinished one that is most in doubt, but for the current one."""
    asked = (entry for entry in order if could_be_in_doubt(entry, current))
    return max(asked, key=lambda e: e.uncertainty or 0.0, default=None)


def could_be_in_doubt(entry: ImageEntry, current: int | None) -> bool:
    """Say whether `most_uncertain` takes an image into account."""
    is_open = entry.uncertainty is not None and entry.status not in FINISHED
    return is_open and entry.id != current


@lru_cache(maxsize=100_000)
def _name_key(path: str, plane: int | None) -> Key:
    """As people count: 2 comes before 10."""
    parts = _DIGITS.split(path.casefold())
    numbered = ((int(part), "") if part.isdecimal() else (-1, part) for part in parts)
    return (*numbered, (-1 if plane is None else plane, ""))


def _by_name(entry: ImageEntry) -> Key:
    return _name_key(entry.path, entry.plane)


def _by_status(entry: ImageEntry) -> Key:
    return (STATUSES.index(entry.status), _by_name(entry))


def _by_uncertainty(entry: ImageEntry) -> Key:
    """Those most in doubt first, those of unknown doubt last."""
    return (-1.0 if entry.uncertainty is None else entry.uncertainty) * -1, _by_name(entry)


def _by_size(entry: ImageEntry) -> Key:
    """The largest first, those that nobody has opened last."""
    height, width = entry.size or (0, 0)
    return -height * width, _by_name(entry)


_KEYS: dict[Sort, Callable[[ImageEntry], Key]] = {
    "name": _by_name,
    "status": _by_status,
    "uncertainty": _by_uncertainty,
    "size": _by_size,
}
