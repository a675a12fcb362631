"""The number of clusters, whatever a method calls it: one number, two limits, or none at all."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from unseg_studio.segmenters import SEGMENTERS, Segmenter, params_of

NUMBER = "n_clusters"
"""The very number of clusters."""

FEWEST, MOST = "min_clusters", "max_clusters"
"""Limits of it, for methods that find the number in between."""

K_LESS = "k_less"
"""The image decides on the number."""

SENSITIVITY = "sensitivity"
"""Without k: more of it gives more clusters."""

FIELDS = (NUMBER, FEWEST, MOST, K_LESS, SENSITIVITY)
"""What is set by the dial and so by no form."""

SLACK = 2
"""Of two limits, so many times k is the upper one: clusters die out on the way, and with k of them
at first fewer would be left."""

K = int | None
"""A number of clusters; None: the image decides."""


def knows(segmenter: Segmenter | type[Segmenter], *names: str) -> bool:
    """Whether a method has all of these parameters."""
    return set(names) <= set(params_of(segmenter))


def has_k(segmenter: Segmenter) -> bool:
    """Whether a number of clusters can be asked for."""
    return knows(segmenter, NUMBER) or knows(segmenter, FEWEST, MOST)


def is_exact(segmenter: Segmenter) -> bool:
    """Whether the very number that is asked for is what the method aims at."""
    return knows(segmenter, NUMBER)


def has_k_less(segmenter: Segmenter) -> bool:
    """Whether the image can decide on the number."""
    return knows(segmenter, K_LESS)


def why_no_k_less(segmenter: Segmenter) -> str:
    """Why k-less cannot be switched on, in a sentence; empty where it can."""
    if has_k_less(segmenter):
        return ""
    able = [kind.title for kind in SEGMENTERS.values() if knows(kind, K_LESS)]
    where = f"; choose {' or '.join(able)} as the method" if able else ""
    return f"{segmenter.title} always needs a number of clusters{where}."


def with_k(segmenter: Segmenter, k: K) -> Segmenter:
    """The same method with another number of clusters, everything else as it was.

    Raises
    ------
    ValueError
        If the method does not accept it.
    """
    return replace(segmenter, **values_of(segmenter, k))


def values_of(segmenter: Segmenter, k: K) -> dict[str, Any]:
    """The parameters that `with_k` changes, with their new values.

    Raises
    ------
    ValueError
        If the method does not know of a number, or of none.
    """
    if k is None:
        if reason := why_no_k_less(segmenter):
            raise ValueError(reason)
        return {K_LESS: True}
    if knows(segmenter, NUMBER):
        return {NUMBER: k, K_LESS: False} if has_k_less(segmenter) else {NUMBER: k}
    if knows(segmenter, FEWEST, MOST):
        return {MOST: SLACK * k, FEWEST: k}
    raise ValueError(f"{segmenter.title} has no number of clusters to choose.")


def default_of(segmenter: Segmenter, name: str) -> Any:
    """What a parameter is where nobody has chosen."""
    return next(field.default for field in fields(segmenter) if field.name == name)


def accepted(segmenter: Segmenter, name: str) -> tuple[int, int]:
    """The range of a number of clusters, ends included."""
    spec = params_of(segmenter)[name]
    return int(spec.low or 1), int(spec.high or 256)
