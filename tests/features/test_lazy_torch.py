"""torch comes on first use, in whole, and where it cannot come it is said why."""

from __future__ import annotations

import linecache
import os
import subprocess
import sys
from pathlib import Path

import pytest

from unseg_studio.features.lazy_torch import sources_forgotten, why_missing

BROKEN = """
import sys
if "before" in sys.argv:
    raise AttributeError("partially initialized")
sys.argv.append("before")
raise OSError("[WinError 1114] A DLL initialization routine failed.\\nError loading c10.dll")
"""


def run(code: str, *, first: Path | None = None) -> str:
    """What a program of its own says; `first` goes before everything that is installed."""
    paths = [str(first)] if first else []
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([*paths, *sys.path])}
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, env=environment
    )
    return done.stdout.strip()


@pytest.fixture
def broken(tmp_path):
    """A folder with a torch that fails for one reason at first, and for another one ever after."""
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "__init__.py").write_text(BROKEN, "utf-8")
    return tmp_path


def test_other_programs_do_not_find_torch_before_its_first_use():
    code = (
        "import sys, unseg_studio.document; before = 'torch' in sys.modules\n"
        "from unseg_studio.features.lazy_torch import is_torch_loaded, torch\n"
        "torch.zeros(1); print(before, 'torch' in sys.modules, is_torch_loaded())"
    )
    assert run(code) == "False True True"


def test_every_thread_that_asks_first_has_all_of_torch():
    code = (
        "import threading\n"
        "from unseg_studio.features.lazy_torch import torch\n"
        "sums, go = [], threading.Barrier(8)\n"
        "def ask():\n"
        "    go.wait()\n"
        "    sums.append(float(torch.nn.functional.relu(torch.ones(3)).sum()))\n"
        "threads = [threading.Thread(target=ask) for _ in range(8)]\n"
        "for thread in threads: thread.start()\n"
        "for thread in threads: thread.join()\n"
        "print(sums == [3.0] * 8)"
    )
    assert run(code) == "True"


def test_the_first_reason_is_told_each_time(broken):
    code = (
        "from unseg_studio.features.lazy_torch import TorchMissingError, is_torch_loaded, torch\n"
        "for _ in range(2):\n"
        "    try: torch.zeros(1)\n"
        "    except TorchMissingError as error: print(error)\n"
        "print(is_torch_loaded())"
    )
    first, second, loaded = run(code, first=broken).splitlines()
    assert "[WinError 1114] A DLL initialization routine failed" in first
    assert "pip install" in first
    assert first == second
    assert loaded == "False"


def test_a_run_without_torch_fails_in_a_sentence(broken):
    code = (
        "import numpy as np\n"
        "from unseg_studio.data import Image\n"
        "from unseg_studio.document import Document, Live\n"
        "image = np.random.default_rng(0).integers(0, 255, (20, 30, 3)).astype(np.uint8)\n"
        "live = Live(Document(Image.of(image)))\n"
        "live.start(); print(live.wait().message); live.close()"
    )
    assert run(code, first=broken).startswith("The engine needs torch, which cannot be loaded ([")


@pytest.mark.parametrize(
    ("error", "platform", "advice"),
    [
        (ModuleNotFoundError("No module named 'torch'", name="torch"), "linux", "Install it with"),
        (ModuleNotFoundError("No module named 'sympy'", name="sympy"), "linux", "Install it again"),
        (OSError("[WinError 1114] c10.dll"), "win32", "On Windows torch 2.9"),
        (OSError("libgomp.so.1: cannot open"), "linux", "Install it again"),
        (RuntimeError(), "darwin", "(RuntimeError). Install it again"),
    ],
)
def test_what_to_do_depends_on_what_went_wrong(error, platform, advice):
    assert advice in why_missing(error, platform=platform)


def test_sources_that_are_read_while_torch_is_loaded_are_not_kept(tmp_path: Path) -> None:
    before = dict(linecache.cache)
    with sources_forgotten():
        for name in "abc":
            file = tmp_path / f"{name}.py"
            file.write_text(f"{name} = 1\n")
            assert linecache.getlines(str(file)) == [f"{name} = 1\n"]
        assert len(linecache.cache) == 1
    assert linecache.cache == before
