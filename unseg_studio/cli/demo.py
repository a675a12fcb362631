"""The main job without a window: the same document, worker and segmenter, and recorded strokes."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
from numpy.typing import NDArray

from unseg_studio.cli.console import result
from unseg_studio.cli.folder import ready_folder
from unseg_studio.data import Category, Image, read_image
from unseg_studio.data.samples import bundled, sample_path
from unseg_studio.document import Document, Live, RunStatus
from unseg_studio.formats import export
from unseg_studio.formats.atomic import write_bytes
from unseg_studio.formats.strokes import Recording, Stroke, read_strokes
from unseg_studio.segmenters import resolve_device

SAMPLE = "cat"
OPACITY = 0.45


class RunFailedError(RuntimeError):
    """The engine gave up; the message is a sentence."""


@dataclass(frozen=True)
class Times:
    """How long a run took, in seconds since it was asked for.

    Parameters
    ----------
    first : float
        Until the first labels were there.
    settled : float
        Until the last ones were.
    n_labels : int
        Clusters and categories at the end.
    """

    first: float
    settled: float
    n_labels: int

    def __str__(self) -> str:
        return f"first labels after {self.first:.2f} s, settled after {self.settled:.2f} s"


def run_demo(out: Path, *, device: str = "auto") -> None:
    """Segment the sample, steer it stroke after stroke, and write what came out.

    Raises
    ------
    OSError
        If the folder cannot be written to, in a sentence.
    RunFailedError
        If the engine gives up.
    """
    ready_folder(out)
    image = read_image(sample_path(SAMPLE))
    recording = read_strokes(bundled_strokes())
    began = time.perf_counter()
    where = resolve_device(device)
    result(f"torch on {where}, loaded in {time.perf_counter() - began:.1f} s")
    document = Document(image, recording.categories)
    live = Live(document, device=device)
    try:
        _play(document, live, recording)
    finally:
        live.close()
    for path in write_results(document, out, device=str(where)):
        result(str(path))


def bundled_strokes() -> Path:
    """Where the recorded strokes on the sample lie."""
    package = Path(__file__).resolve().parents[1]
    return bundled(package, "samples", f"{SAMPLE}.strokes.json")


def _play(document: Document, live: Live, recording: Recording) -> None:
    """Do what a person would: wait for the proposal, then draw."""
    times = _timed(document, live, live.start)
    result(f"proposal of {times.n_labels} clusters: {times}")
    for number, stroke in enumerate(recording.strokes, 1):
        draw = partial(_draw, document, recording, stroke)
        result(f"stroke {number}, {stroke.category or 'eraser'}: {_timed(document, live, draw)}")


def _draw(document: Document, recording: Recording, stroke: Stroke) -> None:
    if stroke.category is None:
        document.erase(stroke.points, radius=stroke.radius)
    else:
        document.set_active(recording.id_of(stroke))
        document.paint(stroke.points, radius=stroke.radius)


def _timed(document: Document, live: Live, ask: Callable[[], None]) -> Times:
    """Ask for a run, wait until it has ended, and say how long it took."""
    arrivals: list[float] = []

    def on_status_changed(status: RunStatus) -> None:
        if status.phase in ("running", "done"):
            arrivals.append(status.seconds)

    document.events.status_changed.connect(on_status_changed)
    try:
        ask()
        status = live.wait()
    finally:
        document.events.status_changed.disconnect(on_status_changed)
    if status.phase != "done":
        raise RunFailedError(status.message)
    return Times(arrivals[0], arrivals[-1], status.n_labels)


def write_results(document: Document, out: Path, *, device: str) -> tuple[Path, ...]:
    """Write labels.png, overlay.png and annotations.json."""
    labels, overlay, coco = (out / n for n in ("labels.png", "overlay.png", "annotations.json"))
    annotation = document.annotation(device=device)
    export(annotation, labels, format="png")
    write_bytes(overlay, _png(overlaid(document.image, document.labels, document.categories)))
    export(annotation, coco)
    return labels, overlay, coco


def overlaid(
    image: Image, labels: NDArray[np.int32], categories: tuple[Category, ...]
) -> NDArray[np.uint8]:
    """The image under the colours of its categories, with white outlines: (H, W, 3) uint8."""
    shown = image.rgb.astype(np.float32)
    for category in categories:
        mask = labels == category.id
        shown[mask] += OPACITY * (np.array(category.rgb, np.float32) - shown[mask])
    shown[_outlines(labels)] = 255
    return np.rint(shown).astype(np.uint8)


def _outlines(labels: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Pixels whose right or lower neighbour has another id."""
    planes = labels.astype(np.float32)
    near = cv2.erode(planes, np.ones((2, 2), np.uint8), anchor=(0, 0))
    far = cv2.dilate(planes, np.ones((2, 2), np.uint8), anchor=(0, 0))
    return np.asarray(near != far)


def _png(pixels: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    PIL.Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()
