"""From exceptions to messages, and the last net under every slot."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from types import TracebackType

from psygnal import EmitLoopError

from unseg_studio.app.message_bar import Message

Hook = Callable[[type[BaseException], BaseException, TracebackType | None], object]


def message_of(error: BaseException) -> Message:
    """What the person is told about an exception.

    ValueError and OSError carry a sentence that was written for the person; anything else is a
    fault of the program.
    """
    error = _cause_of(error)
    details = "".join(traceback.format_exception(error))
    if isinstance(error, (ValueError, OSError)):
        return Message(str(error), details)
    if isinstance(error, MemoryError):
        return Message("There is not enough memory for this. Close other programs or use a smaller "
                       "image; nothing that was open is lost.", details)  # fmt: skip
    return Message(
        f"Something went wrong inside the program ({type(error).__name__}: {error}). Your work is "
        "still here: export it, start again, and report the details.",
        details,
    )


def catch_faults(tell: Callable[[Message], None]) -> Hook:
    """Hand exceptions that nobody caught to `tell`; returns the hook that was there before."""
    before = sys.excepthook

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if isinstance(error, Exception):
            tell(message_of(error))
        before(kind, error, trace)

    sys.excepthook = hook
    return before


def _cause_of(error: BaseException) -> BaseException:
    """An exception in a view reaches the verb that called it wrapped; the cause is what counts."""
    while isinstance(error, EmitLoopError) and error.__cause__ is not None:
        error = error.__cause__
    return error
