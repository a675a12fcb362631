"""The `paper` preset against numbers of the authors' code; see `tests/parity/diffcluster.py`."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest

from tests.parity import diffcluster


def test_the_stored_numbers_have_fifty_iterations_of_every_case():
    stored = diffcluster.stored_traces()
    assert set(stored) == {case.name for case in diffcluster.CASES}
    assert {len(trace.losses) for trace in stored.values()} == {diffcluster.ITERATIONS}


def test_losses_and_label_counts_agree_with_the_published_code_for_fifty_iterations():
    run = subprocess.run(
        [sys.executable, "-m", "tests.parity.diffcluster"], capture_output=True, text=True
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.count("agrees for 50 iterations") == len(diffcluster.CASES)


@pytest.mark.parametrize("index", [0, 49])
def test_a_difference_beyond_the_tolerance_is_named(index):
    trace = diffcluster.stored_traces()["M=2"]
    losses = list(trace.losses)
    losses[index] += 2 * diffcluster.TOLERANCE
    assert f"iteration {index}" in replace(trace, losses=tuple(losses)).differs_from(trace)
