"""Where files lie that can be had again: downloaded weights and computed features."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

VARIABLE = "UNSEG_CACHE"
"""An environment variable that names another folder."""


def cache_folder() -> Path:
    """The folder that `UNSEG_CACHE` names, else one in the user's own cache; made on first use."""
    if chosen := os.environ.get(VARIABLE):
        return Path(chosen).expanduser()
    return platformdirs.user_cache_path("unseg-studio", appauthor=False)
