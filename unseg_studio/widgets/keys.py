"""Which keys tooltips name: the window and napari have bound different ones."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Keys:
    """Keys of the face that shows the widgets, as people read them; empty where there is none."""

    run: str = "R"
    stop: str = "Esc"
    more: str = "K"
    fewer: str = "Shift+K"
    k_less: str = "Ctrl+K"
    export: str = "Ctrl+E"
    lock: str = "X"
    category: str = "Number key"


WINDOW = Keys()
"""Those of the standalone window."""


def with_key(tip: str, key: str) -> str:
    """A tooltip that names its key in brackets, before the full stop if there is one."""
    if not key:
        return tip
    stop = "." * tip.endswith(".")
    return f"{tip.removesuffix('.')} ({key}){stop}"
