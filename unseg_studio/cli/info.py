"""What this installation can do, for people and for bug reports."""

from __future__ import annotations

import platform
from importlib import metadata

import torch
from rich.console import Console
from rich.table import Table

from unseg_studio import __version__
from unseg_studio.document.machine import core_count, processor
from unseg_studio.features.devices import place_of
from unseg_studio.formats import FORMATS
from unseg_studio.segmenters import SEGMENTERS

PACKAGES: dict[str, tuple[str, ...]] = {
    "base": (
        "torch", "timm", "numpy", "scipy", "opencv-python-headless", "scikit-image", "pillow",
        "tifffile", "imagecodecs", "lazy-loader", "psygnal", "typer", "rich",
    ),
    "app": ("PySide6-Essentials", "qtpy", "superqt"),
    "napari": ("napari",),
}  # fmt: skip
"""Extra -> what it brings. Only their records are read; nothing is imported to find them."""


def print_info() -> None:
    """Print device, versions, methods and what is installed."""
    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
    for title, rows in (
        ("UnSeg Studio", _program()),
        ("Device", _device()),
        *((_title(extra), _packages(names)) for extra, names in PACKAGES.items()),
    ):
        console.print(_table(title, rows))


def _table(title: str, rows: dict[str, str]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None)
    table.show_header = False
    table.add_column(min_width=24)
    table.add_column()
    for name, value in rows.items():
        table.add_row(name, value)
    return table


def _program() -> dict[str, str]:
    return {
        "version": __version__,
        "Python": f"{platform.python_version()} on {platform.platform()}",
        "methods": ", ".join(SEGMENTERS),
        "formats": ", ".join(FORMATS),
    }


def _device() -> dict[str, str]:
    chosen = place_of("auto")
    return {
        "auto": f"{chosen.device} ({chosen.name})",
        "why": chosen.reason,
        "processor": f"{processor()}, {core_count()} cores",
        "torch threads": str(torch.get_num_threads()),
    }


def _title(extra: str) -> str:
    if extra == "base":
        return "Packages"
    installed = all(_version(name) for name in PACKAGES[extra])
    return f"Extra [{extra}]" if installed else f'pip install "unseg-studio[{extra}]" adds'


def _packages(names: tuple[str, ...]) -> dict[str, str]:
    return {name: _version(name) or "not installed" for name in names}


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
