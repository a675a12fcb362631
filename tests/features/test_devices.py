"""Places are tried before they count, and say why they were chosen."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest
import torch

from tests.faulty_device import (
    A40,
    ALWAYS,
    FULL,
    GONE,
    H200,
    K80,
    MPS_FULL,
    NO_DRIVER,
    NO_KERNEL,
    NO_OPERATOR,
    OLD_DRIVER,
    FaultyDriver,
)
from unseg_studio.features import devices
from unseg_studio.features.devices import (
    DeviceFullError,
    DeviceLostError,
    DeviceUnableError,
    place_of,
    place_or_cpu,
    resolve_device,
    standing_in,
    working,
)
from unseg_studio.features.failing import trouble_of


def test_the_cpu_is_taken_where_torch_knows_no_other_device() -> None:
    place = place_of("auto")
    if place.is_cpu:  # as where tests run
        assert place.reason.startswith("There is no GPU that works here: ")
    assert place.name and place.label == place.device.upper().removesuffix(":0")
    assert resolve_device("cpu") == torch.device("cpu")


def test_looking_at_what_is_known_loads_no_torch() -> None:
    code = (
        "import sys; from unseg_studio.features import devices; devices.known_place('auto');"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_the_only_card_is_taken_and_named() -> None:
    with standing_in(FaultyDriver(H200)):
        place = place_of("auto")
    assert (place.device, place.label, place.name) == ("cuda:0", "CUDA", "NVIDIA H200, 139 GiB")
    assert place.reason == "It is the GPU that works here."


def test_of_two_kinds_the_card_with_more_free_memory_is_taken_and_says_so() -> None:
    with standing_in(FaultyDriver(A40, H200)):
        place = place_of("auto")
        assert place_of("cuda") == place
        assert place_of("cuda:0").name == "NVIDIA A40, 45 GiB"
    assert (place.device, place.label) == ("cuda:1", "CUDA:1")
    assert place.reason == ("It has the most free memory, 130 GiB, beside NVIDIA A40 with 40 GiB.")


def test_a_card_that_torch_was_not_built_for_is_passed_over() -> None:
    with standing_in(FaultyDriver(K80, A40)):
        place = place_of("auto")
    assert place.device == "cuda:1"
    assert "Tesla K80 is passed over" in place.reason


def test_code_that_later_cards_can_translate_serves_them() -> None:
    with standing_in(FaultyDriver(H200, built=("sm_50", "compute_70"))):
        assert place_of("auto").kind == "cuda"
    with standing_in(FaultyDriver(H200, built=("sm_50", "sm_80"))):
        assert place_of("auto").is_cpu


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (FULL, "NVIDIA H200, 139 GiB is full, other programs have its memory"),
        (NO_KERNEL, "is of a kind that this torch was not built for"),
        (RuntimeError("a riddle\nin lines"), "does not compute (a riddle)"),
    ],
)
def test_a_card_that_fails_the_trial_is_left_with_its_reason(error: Exception, words: str) -> None:
    driver = FaultyDriver(A40, H200)
    driver.fail("probe", error)
    with standing_in(driver):
        place = place_of("auto")
    assert place.device == "cuda:0"
    assert words in place.reason


def test_a_card_that_computes_wrong_numbers_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    class Wrong(FaultyDriver):
        def device(self, word: str) -> torch.device:
            return torch.device("meta") if word == "cuda:0" else torch.device("cpu")

    with standing_in(Wrong(H200)):
        place = place_of("auto")
    assert place.is_cpu
    assert "NVIDIA H200, 139 GiB does not compute" in place.reason
    monkeypatch.setattr(devices, "_computes_rightly", lambda _: False)
    with standing_in(FaultyDriver(H200)):
        assert "computes wrong numbers" in place_of("auto").reason


@pytest.mark.parametrize(
    ("driver", "words"),
    [
        (FaultyDriver(wheel=""), "this torch was installed for the CPU only"),
        (FaultyDriver(counting=NO_DRIVER), "no NVIDIA driver is installed"),
        (FaultyDriver(counting=OLD_DRIVER), "it knows CUDA 11.4, and torch needs 12.8"),
        (FaultyDriver(), "no GPU is to be seen here"),
        (FaultyDriver(counting=RuntimeError("No CUDA GPUs are available")), "may hide it"),
    ],
)
def test_without_a_card_the_cpu_says_why(driver: FaultyDriver, words: str) -> None:
    with standing_in(driver):
        place = place_of("auto")
        assert place.is_cpu
        assert place.reason.startswith("There is no GPU that works here: ")
        assert words in place.reason
        with pytest.raises(ValueError, match=r"What works is cpu\. Choose") as caught:
            place_of("cuda")
        assert words in str(caught.value)
        chosen = place_or_cpu("cuda")
        assert chosen.is_cpu
        assert words in chosen.reason


def test_what_was_asked_for_by_name_is_refused_in_a_sentence_that_says_what_works() -> None:
    with standing_in(FaultyDriver(H200)), pytest.raises(ValueError, match="'cuda:3'") as caught:
        place_of("cuda:3")
    assert "there is 1 of kind cuda" in str(caught.value)
    assert "What works is cpu, cuda:0." in str(caught.value)


@pytest.mark.parametrize("word", ["tpu", "cuda:x", "cuda:", "cpu:1", "mps:0", "auto:1", ""])
def test_unknown_words_are_refused_by_all(word: str) -> None:
    for ask in (place_of, place_or_cpu):
        with pytest.raises(ValueError, match="accepted are auto, cpu, cuda, cuda:N and mps"):
            ask(word)


def test_a_macs_gpu_is_taken_unless_it_lacks_an_operator() -> None:
    driver = FaultyDriver(mps=True, wheel="")
    with standing_in(driver):
        assert place_of("auto").label == "MPS"
    driver.fail("probe", NO_OPERATOR, on="mps")
    with standing_in(driver):
        place = place_of("auto")
    assert place.is_cpu
    assert "aten::made_up" in place.reason


def test_each_place_is_tried_once_by_any_number_of_threads() -> None:
    driver = FaultyDriver(H200)
    with standing_in(driver):
        threads = [threading.Thread(target=place_of, args=("auto",)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert driver.visits == [("cuda:0", "probe")]
        devices.forget_places()
        place_of("auto")
        assert len(driver.visits) == 2


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (FULL, DeviceFullError),
        (MPS_FULL, DeviceFullError),
        (RuntimeError("CUDA error: out of memory"), DeviceFullError),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling ..."), DeviceFullError),
        (GONE, DeviceLostError),
        (RuntimeError("CUDA error: device-side assert triggered"), DeviceLostError),
        (NO_KERNEL, DeviceUnableError),
        (NO_OPERATOR, DeviceUnableError),
    ],
)
def test_what_torch_raises_is_told_apart(raised: Exception, expected: type[Exception]) -> None:
    with standing_in(FaultyDriver(H200)):
        place = place_of("auto")
        with pytest.raises(expected) as caught, working("refine", place):
            raise raised
    assert str(caught.value).startswith("NVIDIA H200, 139 GiB ")
    assert "while the run was optimising" in str(caught.value)
    assert caught.value.__cause__ is raised


@pytest.mark.parametrize(
    "error", [ValueError("sizes do not match"), RuntimeError("shape mismatch"), KeyError("x")]
)
def test_what_is_nobodys_trouble_is_raised_as_it_is(error: Exception) -> None:
    assert trouble_of(error) is None
    with (
        standing_in(FaultyDriver(H200)),
        pytest.raises(type(error)) as caught,
        working("fit", place_of("auto")),
    ):
        raise error
    assert caught.value is error


def test_the_cpu_raises_what_it_raises() -> None:
    with pytest.raises(MemoryError), working("fit", place_of("cpu")):
        raise MemoryError


def test_a_card_that_is_lost_stays_so() -> None:
    driver = FaultyDriver(A40, H200)
    driver.fail("refine", GONE)
    with standing_in(driver):
        place = place_of("auto")
        with (
            pytest.raises(DeviceLostError, match="start the program again"),
            working("refine", place),
        ):
            pass
        assert devices.is_lost(place.device)
        again = place_of("auto")
        assert again.is_cpu  # the other card shares the broken context
        assert "NVIDIA H200, 139 GiB does not answer any more" in again.reason
        with pytest.raises(DeviceLostError), working("decode", place):
            raise AssertionError("nothing may be tried there")


def test_parts_of_some_work_run_where_it_runs() -> None:
    driver = FaultyDriver(H200)
    driver.fail("features", FULL, times=ALWAYS)
    with standing_in(driver):
        with working("features"):
            pass  # on the CPU
        with (
            pytest.raises(DeviceFullError, match="features were computed"),
            working("fit", place_of("auto")),
            working("features"),
        ):
            pass
        with working("features"):
            pass


def test_making_room_lets_go_of_what_can_be_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "_forgetters", [])
    forgotten: list[str] = []
    devices.frees(lambda: forgotten.append("networks"))
    driver = FaultyDriver(H200)
    with standing_in(driver):
        devices.make_room(place_of("auto"))
        devices.make_room(place_of("cpu"))
    assert forgotten == ["networks", "networks"]
    assert driver.n_given_back == 1
