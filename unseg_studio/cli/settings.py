"""From words on the command line to a segmenter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from unseg_studio.document import dial
from unseg_studio.document.scripting import segmenter
from unseg_studio.features import weights
from unseg_studio.features.catalogue import BUNDLED
from unseg_studio.segmenters import Segmenter

_WORDS = {
    "yes": True, "true": True, "on": True, "1": True,
    "no": False, "false": False, "off": False, "0": False,
}  # fmt: skip


@dataclass(frozen=True)
class Asked:
    """Parameters with an option of their own; None: not given."""

    k: int | None = None
    k_less: bool = False
    sensitivity: float | None = None
    backbone: str | None = None
    weights: Path | None = None


def chosen_segmenter(
    method: str | None, preset: str | None, *, asked: Asked, settings: Sequence[str] = ()
) -> Segmenter:
    """The segmenter that --method, --preset, the options and --set ask for; later ones win.

    Raises
    ------
    ValueError
        If a word or a value is not accepted, in a sentence that lists what is.
    OSError
        If weights are not on this machine.
    """
    base = segmenter(method, preset=preset)
    given = {**_clusters(base, asked), **_features(base, asked)}
    for setting in settings:
        name, value = _parted(setting)
        given[name] = _value(base, name, value)
    chosen = segmenter(method, preset=preset, **given)
    _require_weights(chosen)
    return chosen


def _clusters(base: Segmenter, asked: Asked) -> dict[str, Any]:
    """What --k, --k-less and --sensitivity mean for a method."""
    if asked.k_less and asked.k is not None:
        raise ValueError("--k and --k-less were both given; accepted is one of them.")
    if asked.sensitivity is not None and not asked.k_less:
        raise ValueError("--sensitivity was given without --k-less; add it, or leave it out.")
    if asked.k is not None and not dial.has_k(base):
        raise ValueError(
            f"{base.name} has no number of clusters; accepted are {_names(base)}, by --set. "
            "Leave --k out."
        )
    given = {} if asked.k is None else _at_most(base, asked.k)
    if asked.k_less:
        given |= dial.values_of(base, None)
    if asked.sensitivity is not None:
        given[dial.SENSITIVITY] = asked.sensitivity
    return given


def _at_most(base: Segmenter, k: int) -> dict[str, Any]:
    """At most k clusters, and fewer as the fewest where that would be more than k."""
    if dial.is_exact(base):
        return dial.values_of(base, k)
    return {dial.MOST: k, dial.FEWEST: min(k, getattr(base, dial.FEWEST))}


def _features(base: Segmenter, asked: Asked) -> dict[str, Any]:
    """What --backbone and --weights mean for a method."""
    options = {"backbone": asked.backbone, "weights": asked.weights and str(asked.weights)}
    given = {name: value for name, value in options.items() if value is not None}
    for name in given:
        if not dial.knows(base, name):
            raise ValueError(
                f"{base.name} uses no {name}; accepted are {_names(base)}, by --set. "
                f"Leave --{name} out, or choose another --method."
            )
    return given


def _require_weights(chosen: Segmenter) -> None:
    """Say once, before the first image, that weights are not there."""
    name, file = getattr(chosen, "backbone", BUNDLED), getattr(chosen, "weights", "")
    if name != BUNDLED or file:
        weights.fingerprint(name, Path(file) if file else None)


def _names(base: Segmenter) -> str:
    return ", ".join(field.name for field in fields(base))


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
