"""Views that follow a document for as long as they exist."""

from __future__ import annotations

from collections.abc import Callable

from psygnal import SignalInstance
from qtpy.QtCore import QObject


def follow(owner: QObject, signal: SignalInstance, slot: Callable[..., object]) -> None:
    """Call `slot` at every `signal` until Qt deletes `owner`.

    A document may outlive a view, and a deleted view must not be called.
    """
    signal.connect(slot)
    owner.destroyed.connect(lambda: signal.disconnect(slot, missing_ok=True))
