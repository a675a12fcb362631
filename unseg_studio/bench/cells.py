"""Figures as the cells of a table show them."""

from __future__ import annotations

import math

from unseg_studio.bench.scores import Times

SHORTEST = 0.0005
"""Seconds; less is nothing."""


def share(value: float) -> str:
    """Three digits without the leading zero."""
    if math.isnan(value):
        return "-"
    rounded = round(value, 3) + 0.0  # no minus before nothing
    sign = "-" if rounded < 0 else ""
    return sign + f"{abs(rounded):.3f}".removeprefix("0")


def percent(value: float) -> str:
    """A share as a whole number of hundredths."""
    return "-" if math.isnan(value) else f"{value:.0%}"


def times(value: Times) -> str:
    """Seconds p50 / p95."""
    if math.isnan(value.p50) or value.p95 < SHORTEST:
        return "-"
    return f"{_seconds(value.p50)} / {_seconds(value.p95)}"


def mib(value: float) -> str:
    """Memory."""
    return "-" if math.isnan(value) else f"{value:.0f} MiB"


def _seconds(seconds: float) -> str:
    return f"{seconds:.3f}" if seconds < 1 else f"{seconds:.1f}"
