"""Several things at work at a time, and their results in order."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from unseg_studio.data.ordered import MOST_THREADS, in_order


def test_results_come_in_the_order_of_the_items() -> None:
    first_may_end = threading.Event()

    def late(number: int) -> int:
        if number == 0:
            first_may_end.wait(10)
        else:
            first_may_end.set()
        return -number

    assert list(in_order(late, range(20))) == [-number for number in range(20)]


def test_items_are_asked_for_a_few_at_a_time() -> None:
    asked: list[int] = []

    def items() -> Iterator[int]:
        for number in range(100):
            asked.append(number)
            yield number

    results = in_order(str, items())
    assert next(results) == "0"
    assert len(asked) <= MOST_THREADS + 1
    results.close()  # type: ignore[attr-defined]
    assert len(asked) <= MOST_THREADS + 1


def test_a_failure_is_told_in_its_place_and_nothing_more_begins() -> None:
    begun: list[int] = []

    def work(number: int) -> int:
        begun.append(number)
        if number == 3:
            raise ValueError("three")
        return number

    results = in_order(work, range(1000))
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="three"):
        next(results)
    assert len(begun) < 20


def test_nothing_gives_nothing() -> None:
    assert list(in_order(str, ())) == []
