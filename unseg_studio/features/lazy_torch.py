"""torch, loaded on first use: the window opens, and forms are built, before it is there.

Its threads wait for each other many times in an iteration. Left alone they spin while they wait,
and where another program wants a core, too, the thread that is waited for does not get one: a run
of one second took half a minute. Put to sleep at once, they wake too slowly. A short spin, then
sleep, is as quick as spinning on an idle machine and stays quick on a busy one.
"""

from __future__ import annotations

import importlib
import linecache
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING, Any

os.environ.setdefault("GOMP_SPINCOUNT", "5000")


class TorchMissingError(OSError):
    """torch cannot be loaded; says in a sentence why, and what to do."""


class _Torch(ModuleType):
    """Stands for torch, and fills itself with what torch holds when the first thing is asked for.

    Any thread may be the first one. Nothing of it lies in `sys.modules` until then, where other
    programs look in order to find out whether torch is in use.
    """

    def __getattr__(self, name: str) -> Any:
        return getattr(load_torch(), name)


if TYPE_CHECKING:
    import torch as torch
else:
    torch = _Torch("torch")

_loading = threading.Lock()
_outcome: ModuleType | TorchMissingError | None = None


def load_torch() -> ModuleType:
    """Give torch itself; the first call takes a second or more, and others wait for it.

    Raises
    ------
    TorchMissingError
        If it cannot be loaded. The first reason is the one that is told each time: once a part of
        torch is there, it fails for others.
    """
    global _outcome
    with _loading:
        if _outcome is None:
            _outcome = _loaded()
    if isinstance(_outcome, TorchMissingError):
        raise TorchMissingError(str(_outcome)) from _outcome.__cause__
    return _outcome


def is_torch_loaded() -> bool:
    """Say whether torch is there to be used at once."""
    return isinstance(_outcome, ModuleType)


def leave_a_core() -> None:
    """Let torch use every core but one in this thread, so that the window has the last.

    With as many threads as cores, whatever the window does stops all of them at the next barrier.
    """
    torch.set_num_threads(max(1, (os.cpu_count() or 1) - 1))


def why_missing(error: Exception, *, platform: str = sys.platform) -> str:
    """What kept torch from being loaded, and what to do about it, for people."""
    reason = next(iter(str(error).strip().splitlines()), type(error).__name__).rstrip(".")
    return f"The engine needs torch, which cannot be loaded ({reason}). {_advice(error, platform)}"


def _loaded() -> ModuleType | TorchMissingError:
    try:
        with sources_forgotten():
            module = importlib.import_module("torch")
    except Exception as error:  # what is half installed fails in many ways
        missing = TorchMissingError(why_missing(error))
        missing.__cause__ = error
        return missing
    vars(torch).update(vars(module))
    return module


class _NewestOnly(dict[Any, Any]):
    """Remembers what was put into it last."""

    def __setitem__(self, key: Any, value: Any) -> None:
        self.clear()
        super().__setitem__(key, value)


@contextmanager
def sources_forgotten() -> Iterator[None]:
    """Let Python keep no source text meanwhile.

    PySide6 looks for its name in the source of every module that is imported after it, by a way
    that keeps them all: those of torch take 40 MB.
    """
    kept, linecache.cache = linecache.cache, _NewestOnly()
    try:
        yield
    finally:
        linecache.cache = kept


def _advice(error: Exception, platform: str) -> str:
    if isinstance(error, ModuleNotFoundError) and error.name == "torch":
        return "Install it with `pip install torch`, and start again."
    if platform == "win32" and isinstance(error, OSError):
        return (
            "On Windows torch 2.9 and later do not load after Qt. Start napari with "
            '`python -c "import torch; from napari.__main__ import main; main()"`, or install '
            'an earlier one with `pip install "torch<2.9"`.'
        )
    return "Install it again with `pip install --force-reinstall torch`, and start again."
