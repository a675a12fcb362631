"""Lengths in micrometres, by the words that image files use for their units."""

from __future__ import annotations

import math

MICROMETRES = {
    "å": 1e-4, "angstrom": 1e-4, "pm": 1e-6, "picometer": 1e-6, "nm": 1e-3, "nanometer": 1e-3,
    "um": 1.0, "µm": 1.0, "μm": 1.0, "micron": 1.0, "microns": 1.0, "micrometer": 1.0,
    "mm": 1e3, "millimeter": 1e3, "cm": 1e4, "centimeter": 1e4, "m": 1e6, "meter": 1e6,
    "inch": 25400.0, "in": 25400.0,
}  # fmt: skip


def micrometres(length: object, unit: str) -> float | None:
    """A length in micrometres; None where it is no positive number or the unit is unknown."""
    try:
        value = float(str(length)) * MICROMETRES.get(unit.lower(), 0.0)
    except ValueError:
        return None
    return value if math.isfinite(value) and value > 0 else None
