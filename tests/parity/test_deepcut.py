"""What DeepCut stands on against numbers of the authors' code; see `tests/parity/deepcut.py`."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
import torch

from tests.parity import deepcut
from unseg_studio.segmenters.cuts import network, normalised

NAMES = [case.name for case in deepcut.CASES]
QUIET = deepcut.Case(k_less=True, n_clusters=2, quiet=True)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Matrices this small take longer when they are shared."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def test_the_stored_numbers_have_ten_losses_of_every_case():
    stored = deepcut.stored_numbers()
    assert set(stored) == set(NAMES)
    assert {len(numbers["curve"]) for numbers in stored.values()} == {deepcut.STEPS}


@pytest.mark.parametrize("case", deepcut.CASES, ids=NAMES)
def test_affinity_network_losses_and_ten_steps_agree_with_the_published_code(case):
    stored = deepcut.stored_numbers()[case.name]
    assert deepcut.difference(deepcut.our_numbers(case), stored) == ""


@pytest.mark.parametrize("k_less", [False, True])
def test_quiet_nodes_have_no_edges_and_the_unlike_one_only_its_own(k_less):
    edges = deepcut.our_side(deepcut.Case(k_less, 2, quiet=True)).affinity > 0
    alone = {deepcut.EMPTY, *deepcut.WEAK} if k_less else {deepcut.EMPTY}
    assert set((~edges.any(dim=1)).nonzero().flatten().tolist()) == alone
    assert edges[deepcut.UNLIKE].nonzero().flatten().tolist() == [deepcut.UNLIKE]


@pytest.mark.parametrize(
    "own", [0.0, 2.0], ids=["no weight to itself", "twice the published weight to itself"]
)
def test_the_weight_that_lonely_nodes_get_to_themselves_is_told_from_others(own, monkeypatch):
    def otherwise(weights: torch.Tensor) -> torch.Tensor:
        alone = weights.diagonal() <= 0
        return normalised(weights) * torch.where(alone, own, 1.0)

    monkeypatch.setattr(deepcut, "normalised", otherwise)
    stored = deepcut.stored_numbers()[QUIET.name]
    assert "convolved features" in deepcut.difference(deepcut.our_numbers(QUIET), stored)


@pytest.mark.parametrize("name", deepcut.stored_numbers()[NAMES[0]])
@pytest.mark.parametrize("index", [0, -1])
def test_a_difference_beyond_the_tolerance_is_named(name, index):
    stored = deepcut.stored_numbers()[NAMES[0]]
    allowed = deepcut.CURVE_TOLERANCE if name == "curve" else deepcut.TOLERANCE
    values = list(stored[name])
    values[index] += 2 * allowed * max(map(abs, values))
    assert deepcut.difference({**stored, name: values}, stored).startswith(name)
    values[index] = math.nan
    assert deepcut.difference({**stored, name: values}, stored).startswith(name)


def test_a_missing_number_is_named():
    stored = deepcut.stored_numbers()[NAMES[0]]
    shorter = {**stored, "curve": stored["curve"][:-1]}
    assert deepcut.difference(shorter, stored) == "curve: 9 numbers against 10"
    del shorter["curve"]
    assert deepcut.difference(shorter, stored).startswith("groups")


def test_the_network_has_the_published_size_and_dropout():
    made = network(deepcut.N_FEATURES, 2)
    assert sum(parameter.numel() for parameter in made.parameters()) == 26_786
    assert [module.p for module in made if isinstance(module, torch.nn.Dropout)] == [0.25]
