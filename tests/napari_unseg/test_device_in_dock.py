"""The dock says where the engine computes, and goes on where a card fails."""

from __future__ import annotations

import pytest
from qtpy.QtWidgets import QLabel

from tests.faulty_device import ALWAYS, FULL, H200, FaultyDriver
from tests.napari_unseg.test_dock import button, wait_until_done
from unseg_studio.features.devices import standing_in
from unseg_studio.widgets import RunBar

CARD = "NVIDIA H200, 139 GiB"


def labels(dock):
    (bar,) = dock.findChildren(RunBar)
    return bar.findChildren(QLabel)


@pytest.fixture
def driver():
    faulty = FaultyDriver(H200)
    with standing_in(faulty):
        yield faulty


def test_the_dock_names_the_card_and_why(driver, dock, image, qtbot):
    button(dock).click()
    wait_until_done(qtbot, dock)
    found = next(label for label in labels(dock) if label.text().endswith(" on CUDA"))
    assert found.toolTip() == f"The engine computes on {CARD}. It is the GPU that works here."


def test_a_full_card_leaves_one_sentence_in_the_dock(driver, dock, image, qtbot):
    driver.fail("refine", FULL, times=ALWAYS)
    button(dock).click()
    wait_until_done(qtbot, dock)
    said = [label.text() for label in labels(dock) if CARD in label.text()]
    assert said == [dock.session.document.status.message]
    assert said[0].startswith(f"{CARD} ran out of memory while ")
    assert any(label.text().endswith(" on CPU") for label in labels(dock))
