"""The same seed on the same device gives the same labels, bit for bit; at the price of speed.

The CPU does so anyway, as long as it has as many threads. A card adds numbers in the order in which
its threads come to it, and libraries try several algorithms and keep the quickest one. What is
turned off here is described under "Reproducibility" in torch's manual. Where torch knows no other
algorithm on a device it warns, and goes on: then the labels may differ.

    UNSEG_DETERMINISTIC=1    an environment variable, for windows and scripts
    --deterministic          for commands, beside --device
    with deterministic():    in a program
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from unseg_studio.features.lazy_torch import torch

VARIABLE = "UNSEG_DETERMINISTIC"
"""An environment variable; anything but nothing, 0 and false turns it on."""

WORKSPACE, FIXED = "CUBLAS_WORKSPACE_CONFIG", ":4096:8"
"""What cuBLAS reads when it is first used, and buffers of a fixed size for it, 32 MB."""

_entering = threading.Lock()
_depth = 0
_restoring = ExitStack()
_for_good = ExitStack()


def is_wanted() -> bool:
    """What the environment asks for."""
    return os.environ.get(VARIABLE, "").strip().lower() not in ("", "0", "false")


@contextmanager
def deterministic() -> Iterator[None]:
    """Within, all threads of this process, and processes that it starts, compute alike each time.

    To be entered before anything is computed on a card, as cuBLAS reads its setting only then.
    Everything is as it was afterwards.
    """
    _enter()
    try:
        yield
    finally:
        _leave()


def begin_if_wanted() -> None:
    """Compute alike from now on, if the environment asks for it; called before devices are used."""
    if is_wanted() and _depth == 0:
        _for_good.enter_context(deterministic())


def _enter() -> None:
    global _depth
    with _entering:
        _depth += 1
        if _depth > 1:
            return
        for name, value in ((VARIABLE, "1"), (WORKSPACE, FIXED)):
            _restoring.callback(_set_variable, name, os.environ.get(name))
            os.environ[name] = value
        modes = torch.are_deterministic_algorithms_enabled()
        warns = torch.is_deterministic_algorithms_warn_only_enabled()
        _restoring.callback(torch.use_deterministic_algorithms, modes, warn_only=warns)
        torch.use_deterministic_algorithms(True, warn_only=True)
        cudnn: Any = torch.backends.cudnn
        for name, is_on in (("benchmark", False), ("deterministic", True)):
            _restoring.callback(setattr, cudnn, name, getattr(cudnn, name))
            setattr(cudnn, name, is_on)


def _leave() -> None:
    global _depth
    with _entering:
        _depth -= 1
        if _depth == 0:
            _restoring.close()


def _set_variable(name: str, value: str | None) -> None:
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value
