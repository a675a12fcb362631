"""Views that follow a document for as long as they exist."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import MethodType
from weakref import WeakMethod

from psygnal import SignalInstance
from qtpy.QtCore import QObject

Slot = Callable[..., object]


_endings: set[Callable[[], None]] = set()
"""What is still to be called. Held here, and not by the objects alone: where Python collects one of
these as garbage, PyQt would call what was collected with it."""


def follow(owner: QObject, signal: SignalInstance, slot: Slot) -> None:
    """Call `slot`, a method, at every `signal` until Qt deletes `owner`.

    A document may outlive a view, and a deleted view must not be called.
    """
    signal.connect(slot)
    when_gone(owner, partial(_part, signal, _weak(slot)))


def when_gone(owner: QObject, act: Callable[[], object]) -> None:
    """Call `act` when Qt deletes `owner`, to which it must hold no reference."""

    def end() -> None:
        _endings.discard(end)
        act()

    _endings.add(end)
    owner.destroyed.connect(end)


def _part(signal: SignalInstance, ref: Callable[[], Slot | None]) -> None:
    if (slot := ref()) is not None:
        signal.disconnect(slot)


def _weak(slot: Slot) -> Callable[[], Slot | None]:
    return WeakMethod(slot) if isinstance(slot, MethodType) else lambda: slot
