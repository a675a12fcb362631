"""Does the `paper` preset compute what the authors' code computes?

    python -m tests.parity.diffcluster                           against the stored numbers
    python -m tests.parity.diffcluster --official DIR            against their code, now
    python -m tests.parity.diffcluster --official DIR --write    and store its numbers
    python -m tests.parity.diffcluster --official DIR --image F  on a whole photograph (minutes)

DIR is a copy of the authors' repository (kanezaki/pytorch-unsupervised-segmentation-tip). Their
`demo.py` runs unchanged in a process of its own, seeded before it makes its network, so that both
sides start from the same weights; only names that left numpy and torchvision since are put back.
The stored numbers are its printed losses and label counts, nothing else.

After a few iterations the last digit of a float decides which label a pixel takes, so both sides
run on one thread and with the same vector instructions (`ARITHMETIC`), whatever the machine has.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np

from unseg_studio.data import Image, Scribbles, read_image
from unseg_studio.data.samples import sample_path
from unseg_studio.segmenters import DiffCluster, make_segmenter

REFERENCE = Path(__file__).with_name("diffcluster_reference.json")
ARITHMETIC = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "OMP_NUM_THREADS": "1"}
ITERATIONS = 50
TOLERANCE = 1e-4

_OFFICIAL = """
import runpy, sys, types
import numpy as np, torch
np.int = int
for name in ("torchvision", "torchvision.datasets", "torchvision.transforms"):
    sys.modules[name] = types.ModuleType(name)
sys.modules["torchvision"].datasets = sys.modules["torchvision.datasets"]
sys.modules["torchvision"].transforms = sys.modules["torchvision.transforms"]
torch.manual_seed({seed})
sys.argv = {argv!r}
runpy.run_path({script!r}, run_name="__main__")
"""

_LINE = re.compile(r"label num : (\d+)  \| loss : ([\d.eE+-]+)")


@dataclass(frozen=True)
class Case:
    """One comparison: a crop of a bundled sample, the network's depth, scribbles or none."""

    name: str
    n_conv: int
    scribbled: bool
    rows: tuple[int, int] = (90, 150)
    cols: tuple[int, int] = (120, 200)
    seed: int = 7
    path: Path | None = None

    def image(self) -> Image:
        """The crop, or the whole image at `path`."""
        if self.path:
            return read_image(self.path)
        pixels = read_image(sample_path("cat")).pixels
        return Image.of(np.ascontiguousarray(pixels[slice(*self.rows), slice(*self.cols)]))

    def scribbles(self) -> Scribbles:
        """Three strokes of three categories, or none."""
        empty = Scribbles.empty(self.image().shape)
        if not self.scribbled:
            return empty
        return (
            empty.painted([(10, 10), (10, 60)], 1, radius=2)
            .painted([(30, 40), (45, 70)], 2, radius=2)
            .painted([(50, 5), (40, 30)], 3, radius=2)
        )

    def segmenter(self) -> DiffCluster:
        """The preset under test."""
        made = make_segmenter(
            "diffcluster", "paper", n_conv=self.n_conv, iterations=ITERATIONS, seed=self.seed
        )
        assert isinstance(made, DiffCluster)
        return made


CASES = (
    Case("M=2", n_conv=2, scribbled=False),
    Case("M=3", n_conv=3, scribbled=False),
    Case("M=2 with scribbles", n_conv=2, scribbled=True),
)


@dataclass(frozen=True)
class Trace:
    """Loss and number of labels of every iteration."""

    losses: tuple[float, ...]
    n_labels: tuple[int, ...]

    def differs_from(self, other: Trace) -> str:
        """The first difference in words, empty where there is none within `TOLERANCE`."""
        if len(self.losses) != len(other.losses):
            return f"{len(self.losses)} iterations against {len(other.losses)}"
        for i, (ours, theirs) in enumerate(zip(self.losses, other.losses, strict=True)):
            if abs(ours - theirs) > TOLERANCE:
                return f"iteration {i}: loss {ours:.6f} against {theirs:.6f}"
            if self.n_labels[i] != other.n_labels[i]:
                return f"iteration {i}: {self.n_labels[i]} labels against {other.n_labels[i]}"
        return ""


def our_trace(case: Case, iterations: int = ITERATIONS) -> Trace:
    """Run our preset; its image goes in as BGR, as the authors read it."""
    image = case.image()
    bgr = Image.of(np.ascontiguousarray(image.pixels[..., ::-1]))
    run = case.segmenter().fit(bgr, "cpu").refine(case.scribbles())
    losses, counts = [], []
    for estimate in run:
        if estimate.is_last or len(losses) == iterations:
            break
        losses.append(estimate.loss)
        counts.append(estimate.n_labels)
    return Trace(tuple(losses), tuple(counts))


def official_trace(case: Case, official: Path) -> Trace:
    """Run the authors' script on the same pixels and read what it prints."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "image.png"
        cv2.imwrite(str(path), case.image().pixels[..., ::-1])
        if case.scribbled:
            ids = case.scribbles().ids
            mask = np.where(ids > 0, ids - 1, 255).astype(np.uint8)
            cv2.imwrite(str(path.with_name("image_scribble.png")), mask)
        printed = _run_official(case, path, official)
    rows = _LINE.findall(printed)
    return Trace(tuple(float(loss) for _, loss in rows), tuple(int(n) for n, _ in rows))


def _run_official(case: Case, image: Path, official: Path) -> str:
    script = str((official / "demo.py").resolve())
    argv = [script, "--input", str(image), "--visualize", "0", "--nConv", str(case.n_conv)]
    argv += ["--maxIter", str(ITERATIONS)] + (["--scribble"] if case.scribbled else [])
    code = _OFFICIAL.format(seed=case.seed, argv=argv, script=script)
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        cwd=image.parent, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return result.stdout


def stored_traces() -> dict[str, Trace]:
    """The reference numbers by case."""
    stored = json.loads(REFERENCE.read_text("utf-8"))["traces"]
    return {name: Trace(tuple(t["losses"]), tuple(t["n_labels"])) for name, t in stored.items()}


def store(traces: dict[str, Trace]) -> None:
    """Write the reference numbers with their origin."""
    origin = (
        "Printed by demo.py of kanezaki/pytorch-unsupervised-segmentation-tip (commit 181318a) on "
        "CPU in float32: torch.manual_seed(7), crop rows 90:150, columns 120:200 of the bundled "
        f"sample cat, 100 channels; arithmetic {ARITHMETIC}."
    )
    content = {"origin": origin, "traces": {name: asdict(t) for name, t in traces.items()}}
    REFERENCE.write_text(json.dumps(content, indent=1) + "\n", "utf-8")


def main() -> int:
    """Compare every case and say so; 1 where one differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--official", type=Path, help="the authors' repository")
    parser.add_argument("--write", action="store_true", help="store the reference numbers")
    parser.add_argument("--image", type=Path, help="a photograph instead of the crops")
    args = parser.parse_args()
    cases = CASES
    if args.image:
        cases = (Case(args.image.name, n_conv=2, scribbled=False, path=args.image),)
    if args.official:
        traces = {case.name: official_trace(case, args.official) for case in cases}
    else:
        traces = stored_traces()
    if args.official and args.write and not args.image:
        store(traces)
    failures = 0
    for case in cases:
        difference = our_trace(case).differs_from(traces[case.name])
        failures += bool(difference)
        print(f"{case.name}: {difference or f'agrees for {ITERATIONS} iterations'}")
    return int(failures > 0)


if __name__ == "__main__":
    if any(os.environ.get(name) != value for name, value in ARITHMETIC.items()):
        os.environ.update(ARITHMETIC)
        os.execv(sys.executable, [sys.executable, "-m", "tests.parity.diffcluster", *sys.argv[1:]])
    sys.exit(main())
