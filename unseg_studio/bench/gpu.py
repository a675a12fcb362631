"""How fast the engine is: beside the published code, step by step, and beside the chip.

    published code     a process of its own for each run
    ours eager         a process: the same step as recorded, every operation ordered by Python
    ours recorded      a process: CUDA graphs; nowhere else, so there it is not measured

They take turns on one image and start from the same weights. What nobody could measure is said to
be not measured.
"""

from __future__ import annotations

import csv as csv_module
import io
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from statistics import median

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from unseg_studio.bench.game import NoAnswerError
from unseg_studio.bench.latency import timed
from unseg_studio.bench.official import Trace, official_trace
from unseg_studio.bench.own_process import OwnProcess, forget_peak, peak_mib
from unseg_studio.bench.verbs import random_stroke
from unseg_studio.bench.work import finish, iteration_work, measured_ceilings
from unseg_studio.data import Image, Scribbles, new_category, read_image
from unseg_studio.data.samples import sample_path
from unseg_studio.document import Document, Live
from unseg_studio.document.machine import core_count, processor
from unseg_studio.features.capture import Step
from unseg_studio.features.devices import place_of
from unseg_studio.features.lazy_timm import timm
from unseg_studio.features.lazy_torch import torch
from unseg_studio.formats.atomic import write_bytes
from unseg_studio.segmenters import DiffCluster, Segmenter, make_segmenter
from unseg_studio.segmenters.base import seeded
from unseg_studio.segmenters.diffcluster import DiffClusterFit
from unseg_studio.segmenters.iterations import DELAY, Pace
from unseg_studio.version import versions

PHOTOGRAPH = (321, 481)
SIDES = (512, 1024, 2048)
OFFICIAL, EAGER, RECORDED = "published code", "ours eager", "ours recorded"
ROUNDED = "ours recorded TF32"
METHODS = (OFFICIAL, EAGER, RECORDED, ROUNDED)
SEED = 0
PARITY = 50
"""Iterations whose losses are compared."""

ROUNDS = 3
FEW, MANY = 6, 200
"""Iterations of a timed run on a processor and on a graphics processor."""

LARGEST_ON_PROCESSOR = 512 * 512
"""Pixels; larger ones take tens of gigabytes and minutes for an iteration."""

FASTER, SAME, FULL_RUN = 6.0, 1e-3, 1.0
"""What is wanted on a graphics processor: times the published code, difference of losses, seconds
of a thousand iterations."""

SETTLED = {512: 0.016, 2048: 0.050}
DEEPCUT, FRAMES = 0.060, 60.0
"""Seconds from a stroke to settled labels; of features and a hundred steps; frames per second."""

N_STROKES = 30
LONGEST = 20.0
"""Seconds."""

WIDTH = 126
"""Columns of text that the tables need."""

NOT_MEASURED = "not measured"

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class GpuPlan:
    """What to measure.

    Parameters
    ----------
    official : Path or None
        A copy of the published code; None: it is not measured.
    device : str
        See `resolve_device`.
    quick : bool
        A little of it, on tiny images, to see it work.
    """

    official: Path | None = None
    device: str = "auto"
    quick: bool = False

    @property
    def shapes(self) -> tuple[tuple[int, int], ...]:
        """(H, W) of the images."""
        if self.quick:
            return ((32, 48),)
        return PHOTOGRAPH, *((side, side) for side in SIDES)

    @property
    def parity(self) -> int:
        """How many losses are compared."""
        return 10 if self.quick else PARITY

    @property
    def rounds(self) -> int:
        """How often the methods take turns."""
        return 1 if self.quick else ROUNDS

    def is_possible(self, shape: tuple[int, int], *, on_cuda: bool) -> bool:
        """Whether the preset `paper` can be run on an image of this size."""
        return on_cuda or shape[0] * shape[1] <= LARGEST_ON_PROCESSOR

    def timed(self, *, on_cuda: bool) -> int:
        """Iterations of a timed run."""
        if on_cuda:
            return 24 if self.quick else MANY
        return 5 if self.quick else FEW


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Parameters
    ----------
    what, method : str
        What was measured, of what.
    shape : tuple of int
        (H, W) of the image; empty where there is none.
    value : float or None
        None: nobody could measure it.
    unit : str
        Behind the value.
    limit : float or None
        What is wanted of a graphics processor.
    is_most : bool
        The limit is the most that is allowed, else the least.
    """

    what: str
    method: str
    shape: tuple[int, ...]
    value: float | None
    unit: str = ""
    limit: float | None = None
    is_most: bool = True

    @property
    def is_met(self) -> bool | None:
        """Whether the limit is kept; None where there is none or nothing was measured."""
        if self.limit is None or self.value is None:
            return None
        return self.value <= self.limit if self.is_most else self.value >= self.limit


def run_gpu(plan: GpuPlan, *, csv: Path | None = None) -> None:
    """Measure and print the table.

    Raises
    ------
    OSError, ValueError
        If the device is not there, the published code fails or the file cannot be written.
    """
    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
    rows = list(measured(plan))
    console.width = max(console.width, WIDTH)
    console.print(methods_table(rows, title=title_of(plan)))
    console.print(table(rows, title="all that a person waits for"))
    for sentence in circumstances(plan, rows):
        console.print(sentence)
    if csv is not None:
        write_bytes(csv, csv_of(rows))
        console.print(str(csv))


def measured(plan: GpuPlan) -> Iterator[Row]:
    """All lines, one after the other."""
    device = place_of(plan.device).torch_device
    for shape in plan.shapes:
        yield from _iterations(plan, shape, device)
    yield from _strokes(plan, device)
    yield _deepcut(plan, device)
    yield _frames(plan, device)


class Server:
    """Runs our own iterations; lives in a process of its own, so that its memory is its own.

    Parameters
    ----------
    device : str
        Where.
    records : bool
        Steps are recorded where the device can.
    """

    def __init__(self, device: str, *, records: bool) -> None:
        self._device, self._records = place_of(device).torch_device, records

    def __call__(self, rgb: Pixels, iterations: int, stride: int, precision: str) -> Trace:
        """Optimise from the seed's weights; show every `stride`, 0: as the window does."""
        segmenter = make_segmenter(
            "diffcluster", "paper", iterations=iterations, min_clusters=1, precision=precision,
            seed=SEED,
        )  # fmt: skip
        if not isinstance(segmenter, DiffCluster):
            raise TypeError("The preset is none of DiffCluster.")
        # The published code reads its images as BGR.
        image, device = Image.of(np.ascontiguousarray(rgb[..., ::-1])), self._device
        is_apart = device.type == "cuda"
        forget_peak()
        if is_apart:
            torch.cuda.reset_peak_memory_stats(device)
        pace = Pace() if not self._records else Pace(DELAY, stride) if stride else None
        recorder = None if self._records else OneByOne()
        fit = DiffClusterFit(segmenter, image, device, pace=pace, recorder=recorder)
        finish(device)
        began = time.perf_counter()
        numbers: list[int] = []
        losses: list[float] = []
        moments: list[float] = []
        for estimate in fit.refine(Scribbles.empty(image.shape)):
            if estimate.is_last:
                break
            numbers.append(estimate.step - 1)
            losses.append(estimate.loss)
            moments.append(time.perf_counter())
        memory = int(peak_mib() * 2**20)
        if is_apart:
            memory = torch.cuda.max_memory_allocated(device)
            del fit, estimate
            torch.cuda.empty_cache()
        return Trace(tuple(numbers), tuple(losses), tuple(moments), began, memory)


class OneByOne:
    """A recorder that records nothing."""

    def warmed_up(self, step: Step) -> None:
        """See `Recorder`."""

    def recorded(self, step: Step) -> Step:
        """See `Recorder`."""
        return step


def _iterations(plan: GpuPlan, shape: tuple[int, int], device: torch.device) -> Iterator[Row]:
    """The preset `paper` on one size: rates, time to an objective, memory, share of the chip."""
    on_cuda = device.type == "cuda"
    if not plan.is_possible(shape, on_cuda=on_cuda):
        for method in METHODS:
            yield Row("iterations per second", method, shape, None)
        return
    with _runners(plan, device) as runners:
        rgb = picture(shape)
        n = plan.timed(on_cuda=on_cuda)
        traces: dict[str, list[Trace]] = {method: [] for method in runners}
        for _ in range(plan.rounds):
            for method, run in runners.items():
                traces[method].append(run(rgb, n, 0))
        yield from _rates(traces, shape)
        yield from _until(traces, shape)
        for method in METHODS:
            memory = [trace.memory / 2**20 for trace in traces.get(method, [])]
            yield Row("memory", method, shape, max(memory, default=None), "MiB")
        rates = {method: median(t.rate for t in found) for method, found in traces.items()}
        yield from _shares(plan, rates, shape, device)
        if shape == plan.shapes[0]:
            yield from _parity(runners, rgb, plan.parity, shape)
            yield from _full_run(plan, runners, rgb, shape)


Runner = Callable[[Pixels, int, int], Trace]
"""Takes an image, a number of iterations, and every how many of them is shown."""


@contextmanager
def _runners(plan: GpuPlan, device: torch.device) -> Iterator[dict[str, Runner]]:
    """All methods that this machine has, each in a process of its own."""
    found: dict[str, Runner] = {}
    with ExitStack() as stack:
        if plan.official is not None:
            # In float32 throughout, as our own exact steps; torch would let it round on CUDA.
            official, word = plan.official, str(device)
            found[OFFICIAL] = lambda rgb, n, _: official_trace(
                official, rgb, iterations=n, seed=SEED, device=word
            )
        recorded = ((RECORDED, True, "exact"), (ROUNDED, True, "fast"))
        for method, records, precision in (
            (EAGER, False, "exact"),
            *(recorded if device.type == "cuda" else ()),
        ):
            process = OwnProcess(partial(Server, str(device), records=records), limit=1800)
            stack.callback(process.close)
            process.begin()
            found[method] = partial(_asked, process, precision)
        yield found


def _asked(process: OwnProcess, precision: str, rgb: Pixels, n: int, stride: int) -> Trace:
    try:
        trace: Trace = process.ask(rgb, n, stride, precision)
    except NoAnswerError as error:
        raise OSError(f"Our own iterations could not be measured: {error}.") from error
    return trace


def _rates(traces: dict[str, list[Trace]], shape: tuple[int, int]) -> Iterator[Row]:
    rates = {method: median(t.rate for t in found) for method, found in traces.items()}
    for method in METHODS:
        yield Row("iterations per second", method, shape, rates.get(method))
    for other in (OFFICIAL, EAGER):
        wanted = FASTER if other == OFFICIAL and shape == PHOTOGRAPH else None
        ratio = rates[RECORDED] / rates[other] if RECORDED in rates and other in rates else None
        what = f"times as quick as {other}"
        yield Row(what, RECORDED, shape, ratio, "", wanted, is_most=False)


def _until(traces: dict[str, list[Trace]], shape: tuple[int, int]) -> Iterator[Row]:
    """Until all of them have come to the objective that the last one of them ends with."""
    goal = max(min(t.losses) for found in traces.values() for t in found)
    for method in METHODS:
        reached = [t.seconds_until(goal) for t in traces.get(method, [])]
        seconds = [s for s in reached if s is not None]
        what = f"time to an objective of {goal:.4g}"
        yield Row(what, method, shape, median(seconds) if seconds else None, "s")


def _shares(
    plan: GpuPlan, rates: dict[str, float], shape: tuple[int, int], device: torch.device
) -> Iterator[Row]:
    """Of the ceilings that were measured on the device; see `bench.work`."""
    small = plan.quick or device.type == "cpu"
    for method in (EAGER, RECORDED, ROUNDED):
        for what in ("share of the memory's bandwidth", "share of the arithmetic peak"):
            if method not in rates:
                yield Row(what, method, shape, None)
        if method not in rates:
            continue
        is_rounded = method == ROUNDED
        ceilings = measured_ceilings(
            device, megabytes=64 if small else 2048, side=512 if small else 8192,
            is_rounded=is_rounded,
        )  # fmt: skip
        paper = DiffCluster.presets["paper"]
        work = iteration_work(
            shape,
            width=paper["width"],
            n_conv=DiffCluster.n_conv,
            n_clusters=paper["max_clusters"],
            on_cuda=device.type == "cuda",
        )
        rate = rates[method]
        yield Row(
            "share of the memory's bandwidth", method, shape, rate * work.bytes / ceilings.bytes
        )
        yield Row(
            "share of the arithmetic peak",
            method,
            shape,
            rate * work.operations / ceilings.operations,
        )


def _parity(
    runners: dict[str, Runner], rgb: Pixels, n: int, shape: tuple[int, int]
) -> Iterator[Row]:
    """How far the losses are from those of the published code, iteration by iteration."""
    what = f"largest difference of {n} losses"
    theirs = runners[OFFICIAL](rgb, n, 1) if OFFICIAL in runners else None
    for method in (EAGER, RECORDED):
        value = None
        if theirs is not None and method in runners:
            ours = runners[method](rgb, n, 1)
            known = dict(zip(theirs.numbers, theirs.losses, strict=True))
            pairs = zip(ours.numbers, ours.losses, strict=True)
            value = max(abs(loss - known[number]) for number, loss in pairs)
        yield Row(what, method, shape, value, "", SAME)


def _full_run(
    plan: GpuPlan, runners: dict[str, Runner], rgb: Pixels, shape: tuple[int, int]
) -> Iterator[Row]:
    """As many iterations as were published."""
    n = 20 if plan.quick else DiffCluster.presets["paper"]["iterations"]
    for method in (RECORDED, ROUNDED):
        value = None
        if method in runners:
            trace = runners[method](rgb, n, 0)
            value = trace.moments[-1] - trace.began
        yield Row(f"{n} iterations", method, shape, value, "s", FULL_RUN)


def _strokes(plan: GpuPlan, device: torch.device) -> Iterator[Row]:
    """The preset `live`: strokes of one category, so that the segmenter goes on with them."""
    for side in (48,) if plan.quick else (512, 2048):
        shape = side, side
        with _opened(shape, device, DiffCluster()) as live:
            timed(live, live.start)
            samples = []
            rng = np.random.default_rng(SEED)
            for _ in range(1 if plan.quick else N_STROKES):
                points = random_stroke(shape, rng)
                draw = partial(live.document.paint, points, radius=side / 120)
                samples.append(timed(live, draw))
        first, settled = (
            median(getattr(sample, name) for sample in samples) for name in ("first", "settled")
        )
        yield Row("stroke to first labels, p50", "live", shape, first, "s")
        limit = SETTLED.get(side)
        yield Row("stroke to settled labels, p50", "live", shape, settled, "s", limit)


@contextmanager
def _opened(shape: tuple[int, int], device: torch.device, segmenter: DiffCluster) -> Iterator[Live]:
    document = Document(Image.of(picture(shape)), (new_category(()),), segmenter=segmenter)
    live = Live(document, device=str(device))
    try:
        yield live
    finally:
        live.close()


def _deepcut(plan: GpuPlan, device: torch.device) -> Row:
    """Features and a hundred steps of the published preset, by random weights."""
    shape = (280, 280)
    seconds = None if plan.quick else _cuts(shape, device)
    return Row(
        "features and 100 steps", "DeepCut, DINO ViT-S/8", shape, seconds, "s", limit=DEEPCUT
    )


def _cuts(shape: tuple[int, int], device: torch.device) -> float | None:
    """Seconds of a cut; None without what makes the network."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            weights = random_weights(Path(folder))
        except OSError:
            return None
        segmenter = make_segmenter(
            "deepcut", "paper", backbone="dino_vits8", weights=str(weights), iterations=100,
            patience=0,
        )  # fmt: skip
        seconds = [_cut(segmenter, shape, number, device) for number in range(ROUNDS + 1)]
    return median(seconds[1:])


def _cut(segmenter: Segmenter, shape: tuple[int, int], number: int, device: torch.device) -> float:
    """On an image that was never seen, since features are remembered."""
    image = Image.of(np.roll(picture(shape), number, axis=1))
    finish(device)
    began = time.perf_counter()
    for estimate in segmenter.fit(image, str(device)).refine(Scribbles.empty(image.shape)):
        if estimate.is_last:
            finish(device)
    return time.perf_counter() - began


def random_weights(folder: Path) -> Path:
    """A file with random weights of the network, which serve for its time.

    Raises
    ------
    OSError
        If timm is missing or broken.
    """
    from safetensors.torch import save_file

    with seeded(SEED):
        net = timm().create_model("vit_small_patch8_224", pretrained=False, num_classes=0)
    path = folder / "random.safetensors"
    save_file({name: tensor.contiguous() for name, tensor in net.state_dict().items()}, path)
    return path


def _frames(plan: GpuPlan, device: torch.device) -> Row:
    """Labels that arrive in a second while the preset `live` optimises, asked for at once."""
    shape = (40, 40) if plan.quick else (1024, 1024)
    endless = DiffCluster(iterations=24 if plan.quick else 2000, patience=0, min_clusters=1)
    with _opened(shape, device, endless) as live:
        live.start()
        began = last = time.perf_counter()
        arrived = 0
        while live.document.status.is_busy and time.perf_counter() - began < LONGEST:
            time.sleep(0.002)
            if live.pull():
                arrived, last = arrived + 1, time.perf_counter()
                began = began if arrived > 1 else last  # loading is none of it
    rate = (arrived - 1) / (last - began) if arrived > 1 else None
    what = "frames per second while optimising"
    return Row(what, "live", shape, rate, "", FRAMES, is_most=False)


def picture(shape: tuple[int, int]) -> Pixels:
    """The bundled photograph at a size, (H, W, 3) uint8."""
    rgb = read_image(sample_path("cat")).rgb
    how = cv2.INTER_AREA if shape[0] < rgb.shape[0] else cv2.INTER_CUBIC
    return np.ascontiguousarray(cv2.resize(rgb, shape[::-1], interpolation=how), np.uint8)


def title_of(plan: GpuPlan) -> str:
    """What was measured, where and when."""
    place = place_of(plan.device)
    day = datetime.now(UTC).date().isoformat()
    return f"{place.name}, {day}{', a little of it' if plan.quick else ''}"


def methods_table(rows: Sequence[Row], *, title: str) -> Table:
    """The preset `paper`, a column for each method."""
    shown = Table(title=title, title_justify="left")
    for column in ("what", "px"):
        shown.add_column(column)
    for column in (*METHODS, "wanted"):
        shown.add_column(column, justify="right")
    shown.add_column("met")
    lines: dict[tuple[str, tuple[int, ...]], dict[str, Row]] = {}
    for row in rows:
        if row.method in METHODS:
            lines.setdefault((row.what, row.shape), {})[row.method] = row
    for (what, shape), line in lines.items():
        cells = [_text(line[m].value, line[m].unit) if m in line else "" for m in METHODS]
        last = line.get(RECORDED) or line[EAGER]
        shown.add_row(what, _size(shape), *cells, _wanted(last), _met(last))
    return shown


def table(rows: Sequence[Row], *, title: str) -> Table:
    """All that is not of one of the methods alone."""
    shown = Table(title=title, title_justify="left")
    for column in ("what", "of", "px"):
        shown.add_column(column)
    for column in ("measured", "wanted"):
        shown.add_column(column, justify="right")
    shown.add_column("met")
    for row in rows:
        if row.method not in METHODS:
            value = _text(row.value, row.unit)
            shown.add_row(row.what, row.method, _size(row.shape), value, _wanted(row), _met(row))
    return shown


def _size(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape[::-1]))


def _wanted(row: Row) -> str:
    if row.limit is None:
        return ""
    return f"{'<=' if row.is_most else '>='} {_text(row.limit, row.unit)}"


def _met(row: Row) -> str:
    return {True: "yes", False: "NO", None: ""}[row.is_met]


def _text(value: float | None, unit: str) -> str:
    if value is None:
        return NOT_MEASURED
    if unit == "s" and value < 1:
        return f"{value * 1000:.3g} ms"
    return f"{value:.3g} {unit}".strip() if abs(value) < 1000 else f"{value:.0f} {unit}".strip()


def circumstances(plan: GpuPlan, rows: Sequence[Row]) -> Iterator[str]:
    """What the figures depend on, and which are missing."""
    place = place_of(plan.device)
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    yield (
        f"{processor()}, {core_count()} cores{load}; torch on {place.label} with "
        f"{torch.get_num_threads()} threads. Medians of {plan.rounds} in turn. What is wanted is "
        "wanted of one H200."
    )
    missing = sum(row.value is None for row in rows)
    if missing:
        reasons = "" if place.kind == "cuda" else " Recorded steps need CUDA."
        reasons += "" if plan.official else " The published code needs --official DIR."
        yield f"{missing} figures were not measured.{reasons}"
    yield ", ".join(f"{name} {version}" for name, version in versions().items())


def csv_of(rows: Sequence[Row]) -> bytes:
    """Every line of the table; times in seconds."""
    text = io.StringIO(newline="")
    lines = csv_module.writer(text, lineterminator="\n")
    lines.writerow(("what", "of", "height", "width", "value", "unit", "wanted", "met"))
    for row in rows:
        value = NOT_MEASURED if row.value is None else f"{row.value:.6g}"
        wanted = "" if row.limit is None else f"{row.limit:g}"
        lines.writerow((row.what, row.method, *row.shape, value, row.unit, wanted, _met(row)))
    return text.getvalue().encode()
