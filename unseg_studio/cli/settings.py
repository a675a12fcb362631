"""From words on the command line to a segmenter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from unseg_studio.document.scripting import segmenter
from unseg_studio.segmenters import Segmenter

_MOST = ("max_clusters", "n_clusters")
"""What methods call the number of clusters that --k sets."""

_FEWEST = "min_clusters"

_WORDS = {
    "yes": True, "true": True, "on": True, "1": True,
    "no": False, "false": False, "off": False, "0": False,
}  # fmt: skip


def chosen_segmenter(
    method: str | None, preset: str | None, *, k: int | None, settings: Sequence[str]
) -> Segmenter:
    """The segmenter that --method, --preset, --k and --set ask for; later ones win.

    Raises
    ------
    ValueError
        If a word or a value is not accepted, in a sentence that lists what is.
    """
    base = segmenter(method, preset=preset)
    given = {} if k is None else _clusters(base, k)
    for setting in settings:
        name, value = _parted(setting)
        given[name] = _value(base, name, value)
    return segmenter(method, preset=preset, **given)


def _clusters(base: Segmenter, k: int) -> dict[str, Any]:
    """At most k clusters, and fewer as the fewest where that would be more than k."""
    names = [field.name for field in fields(base)]
    most = next((name for name in _MOST if name in names), None)
    if most is None:
        raise ValueError(
            f"{base.name} has no number of clusters; accepted are {', '.join(names)}, by --set. "
            "Leave --k out."
        )
    if _FEWEST not in names:
        return {most: k}
    return {most: k, _FEWEST: min(k, getattr(base, _FEWEST))}


def _parted(setting: str) -> tuple[str, str]:
    name, equals, value = setting.partition("=")
    if not (equals and name.strip() and value.strip()):
        raise ValueError(
            f"--set was given {setting!r}; accepted is name=value, such as --set seed=1."
        )
    return name.strip(), value.strip()


def _value(base: Segmenter, name: str, text: str) -> Any:
    """The text as a value of the parameter's type; of an unknown parameter, as it is."""
    kinds = {field.name: type(getattr(base, field.name)) for field in fields(base)}
    kind = kinds.get(name, str)
    try:
        return _WORDS[text.lower()] if kind is bool else kind(text)
    except (ValueError, KeyError) as error:
        wanted = {int: "a whole number", float: "a number", bool: "yes or no"}[kind]
        raise ValueError(f"{base.name}: {name} is {text!r}; accepted is {wanted}.") from error
