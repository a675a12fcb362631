"""Whether the person did something that no file holds yet."""

from __future__ import annotations

from typing import Any

from unseg_studio.document import Document, State

_PLANES = ("scribbles", "named", "edits")


class Work:
    """Compares a document with what was true when it was opened or written last.

    What the engine makes of it by itself is no work: it can be had again.
    """

    def __init__(self, document: Document) -> None:
        self._document = document
        self._clean = document.state

    @property
    def is_dirty(self) -> bool:
        """There is work that no file holds."""
        now, then = self._document.state, self._clean
        if now.categories != then.categories:
            return True
        return any(_differ(getattr(now, name), getattr(then, name)) for name in _PLANES)

    @property
    def may_be_dirty(self) -> bool:
        """Quick guess, without looking at pixels."""
        now, then = self._document.state, self._clean
        return now.categories != then.categories or any(
            getattr(now, name) is not getattr(then, name) for name in _PLANES
        )

    def written(self, state: State) -> None:
        """A file holds this state."""
        self._clean = state


def _differ(plane: Any, other: Any) -> bool:
    return plane is not other and not plane.mosaic.equals(other.mosaic)
