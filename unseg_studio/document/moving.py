"""The memory of a fit, taken from one device to another."""

from __future__ import annotations

import copy
from dataclasses import fields, is_dataclass
from typing import Any

from unseg_studio.features.lazy_torch import torch


def moved(memory: Any, device: torch.device) -> Any:
    """What a fit remembers, with all tensors on a device; the same object if they are there.

    Looks into lists, tuples, dicts and dataclasses, which is what memories are made of. Nothing
    that is given changes.

    Raises
    ------
    RuntimeError
        If a tensor lies on a device that cannot be read any more.
    """
    if isinstance(memory, torch.Tensor):
        return memory.to(device)
    if isinstance(memory, dict):
        named = {key: moved(value, device) for key, value in memory.items()}
        return memory if _are_same(named.values(), memory.values()) else type(memory)(named)
    if isinstance(memory, (list, tuple)):
        parts = [moved(part, device) for part in memory]
        if _are_same(parts, memory):
            return memory
        return type(memory)(*parts) if hasattr(memory, "_fields") else type(memory)(parts)
    if is_dataclass(memory) and not isinstance(memory, type):
        return _moved_fields(memory, device)
    return memory


def _moved_fields(memory: Any, device: torch.device) -> Any:
    found = {f.name: getattr(memory, f.name) for f in fields(memory)}
    there = {name: moved(value, device) for name, value in found.items()}
    if _are_same(there.values(), found.values()):
        return memory
    other = copy.copy(memory)
    for name, value in there.items():
        object.__setattr__(other, name, value)
    return other


def _are_same(ones: Any, others: Any) -> bool:
    return all(one is other for one, other in zip(ones, others, strict=True))
