from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import torch

from unseg_studio.features import halves
from unseg_studio.features.halves import halved
from unseg_studio.features.lazy_torch import leave_a_core


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("n", [1, 2, 5, 8])
def test_the_halves_are_put_together_in_order(n: int) -> None:
    numbers = torch.arange(3 * n).reshape(3, n)
    assert torch.equal(halved(lambda some: numbers[:, some], n, dim=1), numbers)


def test_two_threads_are_at_work_at_once() -> None:
    met = threading.Barrier(2, timeout=60)  # a single thread would wait for itself here

    def work(some: slice) -> torch.Tensor:
        met.wait()
        return torch.arange(10)[some]

    assert torch.equal(halved(work, 10), torch.arange(10))


def test_who_finds_the_helper_at_work_does_the_same_halves_alone() -> None:
    seen = []

    def inner(some: slice) -> torch.Tensor:
        seen.append((threading.current_thread().name, some))
        return torch.arange(6)[some]

    def outer(some: slice) -> torch.Tensor:
        return halved(inner, 6) if some.start == 0 else torch.arange(0)

    assert torch.equal(halved(outer, 2), torch.arange(6))
    here = threading.current_thread().name
    assert seen == [(here, slice(0, 3)), (here, slice(3, 6))]


@pytest.mark.parametrize("of", [0, 3])
def test_what_fails_in_either_half_is_told_and_the_next_call_works(of: int) -> None:
    def work(some: slice) -> torch.Tensor:
        if some.start == of:
            raise ValueError("This half cannot be.")
        return torch.zeros(some.stop - some.start)

    with pytest.raises(ValueError, match="This half cannot be"):
        halved(work, 6)
    assert halved(lambda some: torch.zeros(some.stop - some.start), 6).shape == (6,)
    assert not halves._only.locked()


def test_where_torch_has_threads_of_its_own_or_nobody_shares_there_is_no_second_one() -> None:
    def names(some: slice) -> torch.Tensor:
        return torch.tensor([threading.get_ident()] * (some.stop - some.start))

    torch.set_num_threads(2)
    assert len(halved(names, 4).unique()) == 1
    torch.set_num_threads(1)
    assert len(halved(names, 4, is_shared=False).unique()) == 1
    assert len(halved(names, 4).unique()) == 2


def test_the_helper_leaves_a_core_too() -> None:
    def threads(some: slice) -> torch.Tensor:
        return torch.tensor([torch.get_num_threads()] * (some.stop - some.start))

    _, there = halved(threads, 2).tolist()
    leave_a_core()
    assert there == torch.get_num_threads()
