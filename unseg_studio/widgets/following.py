"""Views that follow a document for as long as they exist."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import MethodType
from weakref import WeakMethod, finalize

from psygnal import SignalInstance
from qtpy.QtCore import QObject

Slot = Callable[..., object]


def follow(owner: QObject, signal: SignalInstance, slot: Slot) -> None:
    """Call `slot`, a method, at every `signal` until Qt deletes `owner`.

    A document may outlive a view, and a deleted view must not be called.
    """
    signal.connect(slot)
    when_gone(owner, partial(_part, signal, _weak(slot)))


def when_gone(owner: QObject, act: Callable[[], object]) -> None:
    """Call `act` once `owner` is gone, to which it must hold no reference.

    Qt may delete it, or Python may collect it; then PyQt forgets what was connected, or calls what
    was collected with it. A finalizer is neither forgotten nor collected.
    """
    gone = finalize(owner, act)
    gone.atexit = False
    owner.destroyed.connect(gone)


def _part(signal: SignalInstance, ref: Callable[[], Slot | None]) -> None:
    if (slot := ref()) is not None:
        signal.disconnect(slot)


def _weak(slot: Slot) -> Callable[[], Slot | None]:
    return WeakMethod(slot) if isinstance(slot, MethodType) else lambda: slot
