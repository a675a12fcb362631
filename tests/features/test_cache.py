"""Features are computed once, whoever asks; what is damaged is computed again."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
import torch

from unseg_studio.features.cache import FeatureCache, default_cache

KILOBYTE = 256
"""Numbers of four bytes."""


class Computation:
    def __init__(self, *shapes: tuple[int, ...]) -> None:
        self.runs = 0
        generator = torch.Generator().manual_seed(6)
        self.features = tuple(torch.randn(shape, generator=generator) for shape in shapes)

    def __call__(self) -> tuple[torch.Tensor, ...]:
        self.runs += 1
        return tuple(tensor.clone() for tensor in self.features)


def one_kilobyte() -> Computation:
    return Computation((4, 8, 8))


def same(features: tuple[torch.Tensor, ...], wanted: Computation) -> bool:
    return len(features) == len(wanted.features) and all(
        torch.equal(one, other) for one, other in zip(features, wanted.features, strict=True)
    )


def test_the_second_request_is_not_computed(tmp_path: Path) -> None:
    cache, compute = FeatureCache(tmp_path), Computation((3, 4, 5), (6, 2, 2))
    assert same(cache.get("a", compute), compute)
    assert cache.get("a", compute)[0] is cache.get("a", compute)[0]
    assert compute.runs == 1


def test_another_session_reads_what_was_written(tmp_path: Path) -> None:
    compute = Computation((3, 4, 5), (6, 2, 2))
    FeatureCache(tmp_path).get("a", compute)
    assert same(FeatureCache(tmp_path).get("a", compute), compute)
    assert compute.runs == 1


def test_other_keys_are_other_features(tmp_path: Path) -> None:
    cache, one, other = FeatureCache(tmp_path), Computation((1, 2, 3)), Computation((4, 5, 6))
    cache.get("a", one)
    assert same(cache.get("b", other), other)
    assert same(cache.get("a", one), one)


def test_memory_keeps_what_was_used_last(tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path, memory_bytes=2 * 4 * KILOBYTE, disk_bytes=0)
    computations = {key: one_kilobyte() for key in "abc"}
    for key in "abaca":  # b was not used since a was
        cache.get(key, computations[key])
    assert computations["a"].runs == 1
    cache.get("b", computations["b"])
    assert [computations[key].runs for key in "abc"] == [1, 2, 1]


def test_what_is_larger_than_the_memory_is_given_all_the_same(tmp_path: Path) -> None:
    cache, compute = FeatureCache(tmp_path, memory_bytes=100, disk_bytes=0), one_kilobyte()
    for _ in range(2):
        assert same(cache.get("a", compute), compute)
    assert compute.runs == 2


def test_the_disk_keeps_what_was_used_last_within_its_budget(tmp_path: Path) -> None:
    def cache() -> FeatureCache:
        return FeatureCache(tmp_path, memory_bytes=0, disk_bytes=3000)

    for age, key in enumerate("ba"):
        cache().get(key, one_kilobyte())
        os.utime(tmp_path / f"{key}.safetensors", (1000 - age, 1000 - age))
    unused = one_kilobyte()
    cache().get("a", unused)  # the older file, but used now
    cache().get("c", one_kilobyte())
    assert unused.runs == 0
    assert {path.stem for path in tmp_path.iterdir()} == {"a", "c"}
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 3000


def test_what_is_larger_than_the_disk_may_be_is_not_written(tmp_path: Path) -> None:
    FeatureCache(tmp_path, disk_bytes=100).get("a", one_kilobyte())
    assert not list(tmp_path.iterdir())


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def flipped(content: bytes) -> bytes:
    return content[:-9] + bytes([content[-9] ^ 1]) + content[-8:]


def header_lost(content: bytes) -> bytes:
    return b"\xff" * 8 + content[8:]


@pytest.mark.parametrize(
    "damage", [cut, flipped, header_lost, lambda _: b"", lambda _: b"<html>", lambda c: c + b"0"]
)
def test_a_damaged_entry_is_computed_again_and_mended(
    tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    compute = Computation((3, 4, 5), (6, 2, 2))
    FeatureCache(tmp_path).get("a", compute)
    path = tmp_path / "a.safetensors"
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    assert same(FeatureCache(tmp_path).get("a", compute), compute)
    assert compute.runs == 2
    assert path.read_bytes() == whole


def test_an_entry_of_another_program_is_computed_again(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    save_file({"weight": torch.zeros(3)}, tmp_path / "a.safetensors")
    compute = one_kilobyte()
    assert same(FeatureCache(tmp_path).get("a", compute), compute)


def test_nothing_half_written_is_left(tmp_path: Path) -> None:
    FeatureCache(tmp_path).get("a", one_kilobyte())
    assert [path.name for path in tmp_path.iterdir()] == ["a.safetensors"]


def test_a_folder_that_cannot_be_written_costs_only_time(tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.write_text("no folder")
    cache, compute = FeatureCache(taken), one_kilobyte()
    assert same(cache.get("a", compute), compute)
    assert cache.get("a", compute) and compute.runs == 1


def test_threads_that_ask_at_once_share_one_computation(tmp_path: Path) -> None:
    cache, compute, together = FeatureCache(tmp_path), one_kilobyte(), Barrier(4)

    def ask(_: int) -> torch.Tensor:
        together.wait(timeout=30)
        return cache.get("a", compute)[0]

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(ask, range(4)))
    assert compute.runs == 1
    assert all(one is found[0] for one in found)


def test_many_threads_within_a_small_budget_get_what_they_asked_for(tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path, memory_bytes=2500, disk_bytes=5000)
    computations = [Computation((4, 8, 8 + number)) for number in range(6)]

    def ask(turn: int) -> bool:
        wanted = computations[turn * 5 % 6]
        return same(cache.get(f"k{turn * 5 % 6}", wanted), wanted)

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(ask, range(120)))


def test_a_failure_is_raised_and_not_kept(tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path)

    def failing() -> tuple[torch.Tensor, ...]:
        raise OSError("no weights")

    for _ in range(2):
        with pytest.raises(OSError, match="no weights"):
            cache.get("a", failing)
    compute = one_kilobyte()
    assert same(cache.get("a", compute), compute)


def test_the_default_cache_is_shared_and_lies_where_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNSEG_CACHE", str(tmp_path))
    assert default_cache() is default_cache()
    default_cache().get("a", one_kilobyte())
    assert (tmp_path / "features" / "a.safetensors").is_file()
