"""What a device says when it fails, told apart and put into sentences.

torch has hardly any types for it, so it is told by the words. They are those of torch 2.6 to 2.13
and of CUDA 11 to 13: an unknown error is nobody's trouble, and is raised as it is.
"""

from __future__ import annotations

import re
from typing import Literal

from unseg_studio.features.lazy_torch import is_torch_loaded, torch

Trouble = Literal["full", "lost", "unable"]
"""No memory left; gone for the rest of the process; it cannot do what was asked."""

_UNABLE = (
    "no kernel image is available",
    "is not currently implemented for the mps device",
    "mps device does not support",
    "mps framework doesn't support",
    "not implemented for 'mps'",
)
_FULL = (
    "out of memory",
    "can't allocate memory",
    "cublas_status_alloc_failed",
    "cudnn_status_alloc_failed",
    "cudnn_status_internal_error_device_allocation_failed",
)
_LOST = (
    "cuda error:",
    "hip error:",
    "device-side assert",
    "unspecified launch failure",
    "illegal memory access",
    "has fallen off the bus",
    "cuda driver error",
    "cublas_status_",
    "cudnn_status_",
    "cusolver_status_",
    "no cuda gpus are available",
)


def trouble_of(error: BaseException) -> Trouble | None:
    """What kind of trouble with its device an error tells of; None: it is about something else."""
    if isinstance(error, MemoryError):
        return "full"
    if is_torch_loaded() and isinstance(error, torch.OutOfMemoryError):
        return "full"
    if not isinstance(error, (RuntimeError, NotImplementedError)):
        return None
    said = str(error).lower()
    kinds: tuple[tuple[Trouble, tuple[str, ...]], ...] = (
        ("unable", _UNABLE), ("full", _FULL), ("lost", _LOST)
    )  # fmt: skip
    return next((kind for kind, words in kinds if any(word in said for word in words)), None)


def why_no_card(error: BaseException, wheel: str) -> str:
    """Why there is no CUDA card to be used, as the end of a sentence, from what torch says.

    Parameters
    ----------
    error : BaseException
        From torch when it looked for one.
    wheel : str
        Version of CUDA that torch was built for.
    """
    said = str(error)
    if found := re.search(r"driver on your system is too old \(found version (\d+)\)", said):
        known = int(found[1])
        return (
            f"the NVIDIA driver is too old for this torch: it knows CUDA {known // 1000}."
            f"{known % 1000 // 10}, and torch needs {wheel}; update the driver, or install a "
            "torch for that version"
        )
    if "no NVIDIA driver" in said:
        return "no NVIDIA driver is installed"
    if "No CUDA GPUs" in said or "no CUDA-capable device" in said:
        return "no GPU is to be seen here (CUDA_VISIBLE_DEVICES may hide it)"
    return f"CUDA does not start: {first_line(error)}"


def first_line(error: BaseException) -> str:
    """The beginning of what an error says, for the middle of a sentence."""
    line = next(iter(str(error).strip().splitlines()), "") or type(error).__name__
    return line[:160].rstrip(". ")
