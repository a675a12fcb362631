"""torch, loaded on first use: the window opens, and forms are built, before it is there.

Its threads are told to sleep while they wait for each other. By default they spin, which on a
machine that does anything else meanwhile (a browser, the window itself) made a run eight times
slower: the thread that is waited for cannot get a core from those that wait.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import lazy_loader

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

if TYPE_CHECKING:
    import torch as torch
else:
    torch = lazy_loader.load("torch")
