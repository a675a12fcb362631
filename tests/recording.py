"""A stand-in for what records steps on a graphics processor: it notes operations and repeats them.

Like a CUDA graph it runs no Python when it replays, and gives results in the tensors of the
recording; and it refuses every operation for which a device would have to wait.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

WAITS = {
    "aten::_local_scalar_dense", "aten::item", "aten::nonzero", "aten::_unique2",
    "aten::unique_dim", "aten::bincount", "aten::masked_select", "aten::equal", "aten::is_nonzero",
    "aten::scalar_tensor", "aten::lift_fresh",  # values that travel to the device
}  # fmt: skip


class WaitsError(RuntimeError):
    """An operation for which a device would have to wait."""


class NoWaits(TorchDispatchMode):
    """Fails at operations whose result the host must know."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func._schema.name
        by_mask = name in ("aten::index", "aten::index_put_") and any(
            index is not None and index.dtype in (torch.bool, torch.uint8) for index in args[1]
        )
        if name in WAITS or by_mask:
            raise WaitsError(f"{name} waits for the device")
        return self.took(func, args, kwargs or {}, func(*args, **(kwargs or {})))

    def took(self, _func: Any, _args: Any, _kwargs: Any, result: Any) -> Any:
        return result


class _Notes(NoWaits):
    def __init__(self) -> None:
        super().__init__()
        self.taken: list[tuple[Any, Any, Any, Any]] = []

    def took(self, func: Any, args: Any, kwargs: Any, result: Any) -> Any:
        self.taken.append((func, args, kwargs, result))
        return result


class Tape:
    """A `Recorder` on the processor.

    Parameters
    ----------
    fails : str
        What recording ends with; empty: it does not fail.
    """

    def __init__(self, fails: str = "") -> None:
        self.fails = fails
        self.n_recorded = self.n_replayed = 0

    def warmed_up(self, step: Callable[[], None]) -> None:
        for _ in range(3):
            step()

    def recorded(self, step: Callable[[], None]) -> Callable[[], None]:
        if self.fails:
            raise RuntimeError(self.fails)
        notes = _Notes()
        with notes:
            step()
        self.n_recorded += 1

        def replay() -> None:
            self.n_replayed += 1
            with torch.no_grad():
                for func, args, kwargs, result in notes.taken:
                    _put(func(*args, **kwargs), result)

        return replay


def _put(fresh: Any, into: Any) -> None:
    for new, old in zip(tree_flatten(fresh)[0], tree_flatten(into)[0], strict=True):
        if isinstance(new, torch.Tensor) and new.data_ptr() != old.data_ptr():
            old.copy_(new)
