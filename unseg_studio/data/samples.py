"""Files that come with the program: sample images and the icon."""

from __future__ import annotations

from pathlib import Path

SAMPLES: dict[str, str] = {
    "cat": "Photograph of a cat",
    "nuclei": "Fluorescent cell nuclei",
    "tissue": "Stained tissue",
}
"""Name and title of each sample image; origins and licences lie beside the files."""

_PACKAGE = Path(__file__).resolve().parents[1]


def sample_path(name: str) -> Path:
    """Where a sample image lies.

    Parameters
    ----------
    name : str
        One of `SAMPLES`.

    Raises
    ------
    ValueError
        If there is no such sample.
    FileNotFoundError
        If the installation is incomplete.
    """
    if name not in SAMPLES:
        raise ValueError(
            f"There is no sample {name!r}; accepted are {', '.join(SAMPLES)}. Choose one of those."
        )
    return bundled(_PACKAGE, "samples", f"{name}.png")


def icon_path() -> Path:
    """Where the program's icon (SVG) lies.

    Raises
    ------
    FileNotFoundError
        If the installation is incomplete.
    """
    return bundled(_PACKAGE, "icons", "unseg-studio.svg")


def bundled(package: Path, folder: str, name: str) -> Path:
    """Find a bundled file: inside the installed package, or in the `assets` of a checkout.

    Parameters
    ----------
    package : Path
        The folder of the package `unseg_studio`.
    folder, name : str
        The kind of file ("samples", "icons") and its name.
    """
    places = package / folder, package.parent / "assets" / folder
    for place in places:
        if (place / name).is_file():
            return place / name
    raise FileNotFoundError(
        f"{name} is missing from this installation; it belongs into {places[0]}, or into "
        f"{places[1]} of a checkout. Install unseg-studio again."
    )
