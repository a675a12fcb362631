"""The published code of DiffCluster, from a copy of it, in a process of its own.

`demo.py` of kanezaki/pytorch-unsupervised-segmentation-tip runs unchanged. It is seeded before it
makes its network, so that it starts from the weights that our own preset `paper` starts from; only
names that left numpy and torchvision since are put back, and the moment of each line that it prints
is written before it.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

SCRIPT = "demo.py"

_RUN = """
import builtins, runpy, sys, time, types
import numpy as np, torch
np.int = int
for name in ("torchvision", "torchvision.datasets", "torchvision.transforms"):
    sys.modules[name] = types.ModuleType(name)
sys.modules["torchvision"].datasets = sys.modules["torchvision.datasets"]
sys.modules["torchvision"].transforms = sys.modules["torchvision.transforms"]
torch.backends.cudnn.allow_tf32 = {rounded!r}
torch.manual_seed({seed})
sys.argv = {argv!r}
said = builtins.print
builtins.print = lambda *words: said(time.perf_counter(), *words)
runpy.run_path({script!r}, run_name="__main__")
builtins.print = said
if torch.cuda.is_available():
    print("memory :", torch.cuda.max_memory_allocated())
else:
    from unseg_studio.bench.own_process import peak_mib
    print("memory :", int(peak_mib() * 2**20))
"""

_LINE = re.compile(r"^([\d.]+) \d+ / \d+ \|  label num : (\d+)  \| loss : (\S+)", re.MULTILINE)
_MEMORY = re.compile(r"^memory : (\d+)", re.MULTILINE)


@dataclass(frozen=True)
class Trace:
    """Some iterations, one after the other.

    Parameters
    ----------
    numbers : tuple of int
        Which iterations these are, from 0.
    losses : tuple of float
        Of each.
    moments : tuple of float
        When each was known, in seconds since the run began or another moment.
    began : float
        When the run began, on the same clock; the moment of the first iteration where only that is
        known.
    memory : int
        The most that the run took, in bytes: of the graphics processor, else of the process.
    """

    numbers: tuple[int, ...]
    losses: tuple[float, ...]
    moments: tuple[float, ...]
    began: float
    memory: int

    @property
    def rate(self) -> float:
        """Iterations per second behind the first ones, which make everything ready."""
        if len(self.moments) < 2:
            return (self.numbers[-1] + 1) / (self.moments[-1] - self.began)
        first = min(len(self.moments) - 2, max(0, len(self.moments) // 5))
        n_between = self.numbers[-1] - self.numbers[first]
        return n_between / (self.moments[-1] - self.moments[first])

    def seconds_until(self, loss: float) -> float | None:
        """Until the objective was this small for the first time; None: it never was."""
        reached = (m for m, own in zip(self.moments, self.losses, strict=True) if own <= loss)
        moment = next(reached, None)
        return None if moment is None else moment - self.began


def official_trace(
    official: Path,
    rgb: NDArray[np.uint8],
    *,
    iterations: int,
    seed: int = 0,
    device: str = "cpu",
    is_rounded: bool = False,
) -> Trace:
    """Run the published code on an image.

    Parameters
    ----------
    official : Path
        Folder with `demo.py`.
    rgb : ndarray, (H, W, 3) uint8
        The image.
    iterations : int
        How many.
    seed : int
        Of its weights.
    device : str
        "cpu", "cuda" or "cuda:N".
    is_rounded : bool
        Convolutions may round on CUDA, which is what torch does if nobody says otherwise.

    Raises
    ------
    OSError
        If it is not there or fails; with the last line that it said.
    """
    script = official / SCRIPT
    if not script.is_file():
        raise FileNotFoundError(
            f"There is no {SCRIPT} in {str(official)!r}; give the folder of a copy of "
            "kanezaki/pytorch-unsupervised-segmentation-tip."
        )
    with tempfile.TemporaryDirectory() as folder:
        image = Path(folder) / "image.png"
        image.write_bytes(cv2.imencode(".png", np.ascontiguousarray(rgb[..., ::-1]))[1].tobytes())
        argv = [SCRIPT, "--input", str(image), "--visualize", "0", "--minLabels", "0"]
        argv += ["--maxIter", str(iterations)]
        code = _RUN.format(rounded=is_rounded, seed=seed, argv=argv, script=str(script.resolve()))
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", code],
            cwd=folder, env=_environment(device), capture_output=True, text=True, check=False,
        )  # fmt: skip
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["nothing"])[-1]
        raise OSError(f"The published code has failed; it said: {said}")
    return parsed(done.stdout)


def parsed(printed: str) -> Trace:
    """What it printed, with the moments before its lines.

    Raises
    ------
    OSError
        If these are not the lines of an optimisation.
    """
    rows, memory = _LINE.findall(printed), _MEMORY.search(printed)
    if len(rows) < 2 or memory is None:
        raise OSError("The published code has not said what its iterations gave.")
    moments = tuple(float(moment) for moment, _, _ in rows)
    losses = tuple(float(loss) for _, _, loss in rows)
    # Loading and the first iteration are not told apart; it took about as long as the second.
    began = moments[0] - (moments[1] - moments[0])
    return Trace(tuple(range(len(rows))), losses, moments, began, int(memory.group(1)))


def _environment(device: str) -> dict[str, str]:
    """That of this process, with the one device that the code shall find."""
    visible = visible_card(device, os.environ.get("CUDA_VISIBLE_DEVICES"))
    # Relative places on the path of Python are none of the folder where this runs.
    path = os.pathsep.join(str(Path(place or ".").resolve()) for place in sys.path)
    return {**os.environ, "CUDA_VISIBLE_DEVICES": visible, "PYTHONPATH": path}


def visible_card(device: str, visible: str | None) -> str:
    """What a process must see that shall find this device alone, where this one sees these."""
    kind, _, index = device.partition(":")
    if kind != "cuda":
        return ""
    cards = (visible or "").split(",")
    return cards[int(index or 0)] if visible and int(index or 0) < len(cards) else index or "0"
