"""The dock and torch: it is there before torch is, and says so where torch cannot come."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

OPEN = """
import json, sys
import numpy as np
from napari.components import ViewerModel
from qtpy.QtCore import QEventLoop, QTimer
from qtpy.QtWidgets import QApplication, QLabel
from napari_unseg.dock import Dock

def wait_for(something):
    for _ in range(3000):
        if something():
            return
        loop = QEventLoop()
        QTimer.singleShot(10, loop.quit)
        loop.exec()
    raise TimeoutError

app = QApplication([])
viewer = ViewerModel()
viewer.add_image(np.random.default_rng(3).integers(0, 255, (30, 40)).astype(np.uint8))
dock = Dock(viewer)
dock.show()
told = {"at first": "torch" in sys.modules}
"""

FAIL = """
welcome = dock.message
wait_for(lambda: dock.message != welcome)
told["dock"] = dock.message
dock.begin()
wait_for(lambda: not dock.session.document.status.is_busy)
told["run"] = dock.session.document.status.message
dock.end()
print(json.dumps(told))
"""

LOAD = """
from unseg_studio.features.lazy_torch import is_torch_loaded
dock.begin()
loading = "Loading the engine …".replace(" ", "\N{NO-BREAK SPACE}")
wait_for(lambda: loading in [label.text() for label in dock.findChildren(QLabel)])
wait_for(is_torch_loaded)
wait_for(lambda: not dock.session.document.status.is_busy)
told["phase"] = dock.session.document.status.phase
dock.end()
print(json.dumps(told))
"""


@pytest.fixture
def opened(tmp_path):
    """Opens a dock in a program of its own, in which what lies in `tmp_path` goes first."""

    def run(code):
        paths = os.pathsep.join([str(tmp_path), *sys.path])
        done = subprocess.run(
            [sys.executable, "-c", OPEN + code], check=False, capture_output=True, text=True,
            env={**os.environ, "PYTHONPATH": paths},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    return run


def test_the_dock_opens_without_torch_and_brings_it_at_once(opened):
    told = opened(LOAD)
    assert told["at first"] is False
    assert told["phase"] == "done"


def test_a_torch_that_cannot_be_loaded_is_explained_in_the_dock(opened, tmp_path):
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "__init__.py").write_text(
        "import threading\n"
        "raise OSError(f'[WinError 1114] c10.dll, {threading.current_thread().name}')\n",
        "utf-8",
    )
    told = opened(FAIL)
    assert told["at first"] is False
    assert "[WinError 1114] c10.dll, unseg-background" in told["dock"]  # the GUI thread went on
    assert "pip install" in told["dock"]
    assert told["run"] == told["dock"]
