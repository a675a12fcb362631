"""Which version of the project this is, and of the libraries that decide a result."""

from __future__ import annotations

from importlib import metadata

__version__ = "0.1.0"

_LIBRARIES = ("torch", "numpy", "opencv-python-headless", "scikit-image")


def versions() -> dict[str, str]:
    """Versions of the project and of the libraries that decide a result, as far as installed."""
    found = {"unseg-studio": __version__}
    for name in _LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
