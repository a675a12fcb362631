"""Keys on the whole window: Alt with a letter or a digit, which napari itself leaves alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from napari.components import ViewerModel

from unseg_studio.widgets.keys import Keys as Words

Action = Callable[[], object]

KEYS = Words(
    run="Alt+R", stop="Alt+S", more="", fewer="", k_less="", export="", lock="",
    category="Alt and the number",
)  # fmt: skip
"""What the shared widgets say about the keys that the dock binds."""


class Keys:
    """Binds keys of a viewer, and lets go of them again.

    Parameters
    ----------
    viewer : ViewerModel
        Whose keys; layers have none of these, so they work whatever layer is selected.
    actions : mapping of str to callable
        Key as napari writes it, such as "Alt-N", and what it does. One that something else has
        already stays with that.
    """

    def __init__(self, viewer: ViewerModel, actions: Mapping[str, Action]) -> None:
        self._viewer = viewer
        self._bound = [key for key, action in actions.items() if self._bind(key, action)]

    def close(self) -> None:
        """Let go."""
        for key in self._bound:
            self._viewer.bind_key(key, None)
        self._bound = []

    def _bind(self, key: str, action: Action) -> bool:
        def pressed(_viewer: Any) -> None:
            action()

        try:
            self._viewer.bind_key(key, pressed)
        except ValueError:  # taken, by the person or by another plugin
            return False
        return True
