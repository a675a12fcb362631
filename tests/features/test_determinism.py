"""Determinism is turned on for a while, or for good by the environment, and leaves no trace."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from tests.faulty_device import H200, FaultyDriver
from unseg_studio.data import Image
from unseg_studio.document.scripting import segment
from unseg_studio.features import determinism
from unseg_studio.features.determinism import VARIABLE, WORKSPACE, deterministic
from unseg_studio.features.devices import place_of, standing_in


def settings() -> tuple[object, ...]:
    return (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        torch.backends.cudnn.benchmark,
        torch.backends.cudnn.deterministic,
        os.environ.get(VARIABLE),
        os.environ.get(WORKSPACE),
    )


@pytest.fixture(autouse=True)
def nothing_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.delenv(WORKSPACE, raising=False)


def test_everything_is_as_it_was_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", True)
    before = settings()
    with pytest.raises(ZeroDivisionError), deterministic():
        with deterministic():
            assert settings() == (True, True, False, True, "1", ":4096:8")
        assert settings() == (True, True, False, True, "1", ":4096:8")
        raise ZeroDivisionError
    assert settings() == before


@pytest.mark.parametrize(
    ("value", "wanted"), [("1", True), ("yes", True), ("", False), ("0", False), ("False", False)]
)
def test_the_environment_is_asked(
    value: str, wanted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, value)
    assert determinism.is_wanted() == wanted


def test_what_the_environment_wants_holds_from_the_first_device_on() -> None:
    code = (
        "import torch; from unseg_studio.features.devices import place_of; place_of('cpu');"
        "print(torch.are_deterministic_algorithms_enabled())"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), VARIABLE: "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, env=environment
    )
    assert done.stdout == "True\n"


def test_where_nobody_asks_nothing_changes() -> None:
    before = settings()
    with standing_in(FaultyDriver(H200)):
        place_of("auto")
    assert settings() == before


@pytest.mark.parametrize("name", ["diffcluster", "deepcut"])
def test_the_same_seed_gives_the_same_labels_and_no_warning(name: str) -> None:
    pixels = np.random.default_rng(3).integers(0, 90, (40, 56, 3)).astype(np.uint8)
    pixels[:, 28:] += 120
    with deterministic():
        one, other = (segment(Image.of(pixels), name, iterations=8) for _ in range(2))
    np.testing.assert_array_equal(one, other)
