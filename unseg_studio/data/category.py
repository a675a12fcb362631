"""Named, coloured ids that are shared by the whole project."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import Literal, get_args

Kind = Literal["thing", "stuff"]

PALETTE = (
    "#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7",
    "#8c6bb1", "#41ae76", "#a6761d", "#e7298a", "#66a61e", "#1b9e77", "#7570b3",
)  # fmt: skip
"""Colours of new categories: Okabe and Ito's first, which colour-blind people tell apart."""

MAX_CATEGORY = 1000
"""Highest category id; ids above belong to clusters without a name."""


@dataclass(frozen=True)
class Category:
    """A named, coloured id.

    Parameters
    ----------
    id : int
        1 to `MAX_CATEGORY`.
    name : str
        Unique among the categories of a project, not empty.
    color : str
        "#rrggbb".
    kind : {"thing", "stuff"}
        Things are countable: one annotation per connected part. Stuff is one annotation.
    """

    id: int
    name: str
    color: str
    kind: Kind = "thing"

    def __post_init__(self) -> None:
        if not 1 <= self.id <= MAX_CATEGORY:
            raise ValueError(
                f"The category {self.name!r} has the id {self.id}; "
                f"accepted are 1 to {MAX_CATEGORY}."
            )
        if not self.name.strip():
            raise ValueError(f"Category {self.id} has no name; give it one.")
        if self.kind not in get_args(Kind):
            raise ValueError(
                f"The category {self.name!r} is of kind {self.kind!r}; "
                f"accepted are {' and '.join(get_args(Kind))}."
            )
        if not is_color(self.color):
            raise ValueError(
                f"The category {self.name!r} has the colour {self.color!r}; "
                "accepted is #rrggbb, such as #e69f00."
            )

    @property
    def rgb(self) -> tuple[int, int, int]:
        """The colour as three numbers 0 to 255."""
        return int(self.color[1:3], 16), int(self.color[3:5], 16), int(self.color[5:7], 16)


def is_color(text: str) -> bool:
    """Say whether `text` is "#rrggbb"."""
    digits = set(text[1:].lower())
    return len(text) == 7 and text[0] == "#" and digits <= set("0123456789abcdef")


def new_category(
    existing: Sequence[Category], name: str | None = None, kind: Kind = "thing"
) -> Category:
    """Make the next category: lowest free id, a name of its own, the next colour.

    Raises
    ------
    ValueError
        If the name is taken or every id is.
    """
    taken = {category.id for category in existing}
    free = next((i for i in range(1, MAX_CATEGORY + 1) if i not in taken), None)
    if free is None:
        raise ValueError(f"There are {MAX_CATEGORY} categories already; remove one first.")
    names = {category.name for category in existing}
    name = _free_name(free, names) if name is None else name.strip()
    if name in names:
        raise ValueError(f"There is a category {name!r} already; choose another name.")
    return Category(free, name, PALETTE[(free - 1) % len(PALETTE)], kind)


def _free_name(first: int, names: set[str]) -> str:
    return next(name for i in count(first) if (name := f"category {i}") not in names)
