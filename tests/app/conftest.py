"""A real window on a small image, with its own memory and an engine that waits to be asked."""

from __future__ import annotations

import os
from pathlib import Path

os.environ.setdefault(
    "OMP_NUM_THREADS", "1"
)  # small images: threads would only wait for each other

import numpy as np
import pytest
from qtpy.QtCore import QSettings

from unseg_studio.data import FIRST_CLUSTER, Image
from unseg_studio.data.image import Source

SHAPE = (48, 64)


@pytest.fixture
def small_image(tmp_path):
    """Dark on the left, bright on the right, as if read from a file."""
    pixels = np.random.default_rng(5).integers(0, 60, (*SHAPE, 3)).astype(np.uint8)
    pixels[:, 32:] += 150
    return Image.of(pixels, Source(tmp_path / "small.png"))


@pytest.fixture
def settings(tmp_path):
    settings = QSettings(str(tmp_path / "settings.ini"), QSettings.Format.IniFormat)
    settings.setValue("folders/export", str(tmp_path))
    settings.setValue("folders/unsaved", str(tmp_path / "unsaved"))
    return settings


@pytest.fixture
def make_window(qtbot, settings, small_image):
    """Makes a window on the screen; `idle`: with labels that no engine made."""
    from unseg_studio.app.window import MainWindow
    from unseg_studio.document import RunStatus

    def make(image=None, *, idle=True, **more):
        window = MainWindow(image or small_image, settings, **more)
        qtbot.addWidget(window, before_close_func=MainWindow.leave)
        if idle:
            labels = np.full(window.document.image.shape, FIRST_CLUSTER, np.int32)
            labels[:, labels.shape[1] // 2 :] = FIRST_CLUSTER + 1
            window.document.show(labels)
            window.document.report(RunStatus("done", step=9, total=9, loss=0.5, n_labels=2))
        window.show()
        window.activateWindow()
        qtbot.waitUntil(window.isActiveWindow)
        return window

    return make


@pytest.fixture
def window(make_window):
    return make_window()


@pytest.fixture
def bad_files(tmp_path) -> dict[str, Path]:
    """One file for each way in which an image can be bad."""
    import tifffile

    paths = {name: tmp_path / name for name in ("zero.png", "text.png", "nan.tif", "flat.tif")}
    paths["zero.png"].touch()
    paths["text.png"].write_text("no image")
    tifffile.imwrite(paths["nan.tif"], np.full((9, 9), np.nan, np.float32))
    tifffile.imwrite(paths["flat.tif"], np.full((9, 9), 7, np.uint8))
    paths["missing.png"] = tmp_path / "missing.png"
    paths["truncated.png"], paths["bomb.png"] = _truncated(tmp_path), _bomb(tmp_path)
    return paths


def _truncated(folder: Path) -> Path:
    from PIL import Image as Pil

    whole = folder / "whole.png"
    Pil.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8)).save(whole)
    path = folder / "truncated.png"
    path.write_bytes(whole.read_bytes()[:1500])
    return path


def _bomb(folder: Path) -> Path:
    """A valid header that claims 100,000 x 100,000 pixels."""
    import struct
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    path = folder / "bomb.png"
    head = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    data = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + data)
    return path
