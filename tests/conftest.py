"""What all tests share: a display without hardware, a cache of their own, no window left behind."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator

import pytest

from tests.memory import bounded_memory

__all__ = ["bounded_memory"]

os.environ.setdefault("LIBGL_ALWAYS_SOFTWARE", "1")
if sys.platform == "linux" and not (
    os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
):  # make test provides a virtual display; without one, windows are drawn into memory
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

_BINDINGS = ("PySide6", "PyQt6")
_QTS_OWN = {"QTipLabel", "QComboBoxPrivateContainer"}


def _windows() -> dict[int, str]:
    """Top-level widgets without an owner, by identity; none where Qt is not running."""
    binding = next((name for name in _BINDINGS if f"{name}.QtWidgets" in sys.modules), None)
    if binding is None:
        return {}
    widgets, core = (sys.modules[f"{binding}.{part}"] for part in ("QtWidgets", "QtCore"))
    if widgets.QApplication.instance() is None:
        return {}
    core.QCoreApplication.sendPostedEvents(None, core.QEvent.Type.DeferredDelete)
    return {
        id(window): repr(window)
        for window in widgets.QApplication.topLevelWidgets()
        if window.parent() is None and window.metaObject().className() not in _QTS_OWN
    }


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What the person at this machine has downloaded or computed is neither used nor added to."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UNSEG_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(autouse=True)
def no_window_stays() -> Iterator[None]:
    """Fail a test that leaves a top-level widget behind: later tests would stumble over it."""
    before = _windows()
    yield
    if _leaked(before):
        gc.collect()  # only now, for it is slow: a window in a reference cycle is no leak
    if leaked := _leaked(before):
        pytest.fail(f"The test left these windows open: {', '.join(leaked)}", pytrace=False)


def _leaked(before: dict[int, str]) -> list[str]:
    return [name for key, name in _windows().items() if before.get(key) != name]
