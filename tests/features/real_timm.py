"""timm for tests, also where torchvision was built for another torch; skipped without it."""

from __future__ import annotations

import sys
import types
from typing import Any

import pytest


def real_timm() -> Any:
    # torchvision registers operators that a torch of another build may lack; timm needs none.
    name = "torchvision._meta_registrations"
    if "torchvision" not in sys.modules:
        sys.modules.setdefault(name, types.ModuleType(name))
    try:
        import timm
    except Exception as error:
        pytest.skip(f"timm cannot be imported: {error}")
    return timm
