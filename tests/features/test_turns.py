"""Windows that share a card take turns: all of them go on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.faulty_device import H200, FaultyDriver
from unseg_studio.features import turns
from unseg_studio.features.devices import Place, standing_in
from unseg_studio.features.folders import VARIABLE
from unseg_studio.features.turns import Turns, turn

CARD = Place("cuda:0", "NVIDIA H200", "It was asked for.")
CPU = Place("cpu", "CPU", "It was asked for.")

STEPS = """
import os, sys, time
from pathlib import Path
from unseg_studio.features import turns
turns.PATIENCE_S = 20.0
own = turns.Turns(Path(sys.argv[1]))
log = os.open(sys.argv[2], os.O_APPEND | os.O_WRONLY | os.O_CREAT)
print("ready", flush=True)
for _ in range(100):
    assert own.take()
    end = time.perf_counter() + 0.001  # a step
    while time.perf_counter() < end:
        pass
    os.write(log, sys.argv[3].encode())
    own.leave()
"""

HANGS = """
import sys
from pathlib import Path
from unseg_studio.features.turns import Turns
own = Turns(Path(sys.argv[1]))
assert own.take()
print("ready", flush=True)
sys.stdin.read()
"""


def process(code: str, *arguments: object) -> subprocess.Popen[str]:
    paths = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    words = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=paths
    )


def wait_until_ready(started: subprocess.Popen[str]) -> None:
    assert started.stdout is not None
    assert started.stdout.readline() == "ready\n"


def test_two_processes_both_make_progress(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "PATIENCE_S", 20.0)
    path, log = tmp_path / "cuda-0", tmp_path / "log"
    start = Turns(path)
    assert start.take()  # both begin when this is left
    both = [process(STEPS, path, log, name) for name in "ab"]
    for each in both:
        wait_until_ready(each)
    start.leave()
    for each in both:
        with each:
            each.wait(timeout=20)
        assert each.returncode == 0
    taken = log.read_text()
    assert sorted(taken) == ["a"] * 100 + ["b"] * 100
    assert min(taken[:100].count("a"), taken[:100].count("b")) >= 20


def test_whoever_waits_comes_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "PATIENCE_S", 20.0)
    first, second = Turns(tmp_path / "cuda-0"), Turns(tmp_path / "cuda-0")
    order: list[str] = []
    assert first.take()
    assert not first.is_wanted()

    def wait() -> None:
        assert second.take()
        order.append("second")
        second.leave()

    waiting = threading.Thread(target=wait)
    waiting.start()
    while not first.is_wanted():
        pass
    first.leave()
    assert first.take()  # asks at once again, and is not the next one for all that
    order.append("first")
    first.leave()
    waiting.join()
    assert order == ["second", "first"]


@pytest.mark.skipif(sys.platform == "win32", reason="processes cannot be stopped there")
def test_nobody_waits_for_long_for_a_process_that_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "PATIENCE_S", 0.05)
    own = Turns(tmp_path / "cuda-0")
    with process(HANGS, tmp_path / "cuda-0") as other:
        wait_until_ready(other)
        other.send_signal(signal.SIGSTOP)
        assert not own.take()
        monkeypatch.setattr(turns, "PATIENCE_S", 1000.0)
        assert not own.take()  # not asked again for a while
        other.kill()
    again = Turns(tmp_path / "cuda-0")
    assert again.take()  # the system has freed what the other one held
    again.leave()


def test_the_card_has_done_its_step_before_the_next_window_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    monkeypatch.setattr(turns, "_own", threading.local())
    finished: list[str] = []

    class Watched(FaultyDriver):
        def finish(self, word: str) -> None:
            finished.append(word)

    with standing_in(Watched(H200)):
        with turn(CARD), turn(CARD):  # a turn within a turn is the same one
            pass
        assert finished == []  # nobody else is there, so nobody waits for the card
        other = Turns(tmp_path / "turns" / "cuda-0")
        waiting = threading.Thread(target=lambda: other.take() and other.leave())
        with turn(CARD):
            waiting.start()
            watch = Turns(tmp_path / "turns" / "cuda-0")
            while not watch.is_wanted():
                pass
        waiting.join()
        assert finished == ["cuda:0"]


def test_the_cpu_needs_no_turn_and_no_folder_is_no_trouble(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv(VARIABLE, str(tmp_path / "file"))
    monkeypatch.setattr(turns, "_own", threading.local())
    with turn(CPU), turn(CARD):
        pass
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]
