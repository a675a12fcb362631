"""Fit foreign category ids and names into our own table: ids 1 to 1000, names that differ."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Sequence

from unseg_studio.data.category import MAX_CATEGORY


def free_ids(given: Sequence[Hashable]) -> list[int]:
    """Keep ids in 1 to `MAX_CATEGORY`; all others get the lowest ones that are left.

    Parameters
    ----------
    given : sequence
        Distinct ids of any kind, at most `MAX_CATEGORY`.
    """
    kept = {id_ for id_ in given if _fits(id_)}
    free = (id_ for id_ in range(1, MAX_CATEGORY + 1) if id_ not in kept)
    return [id_ if isinstance(id_, int) and _fits(id_) else next(free) for id_ in given]


def _fits(id_: Hashable) -> bool:
    return isinstance(id_, int) and not isinstance(id_, bool) and 1 <= id_ <= MAX_CATEGORY


def unique_name(name: object, id_: int, *, taken: Collection[str]) -> str:
    """The name as it is given, or one made of the id; numbered where it is taken."""
    wanted = name.strip() if isinstance(name, str) else ""
    wanted = wanted or f"category {id_}"
    candidate, n = wanted, 1
    while candidate in taken:
        n += 1
        candidate = f"{wanted} ({n})"
    return candidate
