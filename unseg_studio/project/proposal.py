"""The labels of one image for a batch: made by whoever has time, told in few bytes."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, Protocol

from unseg_studio.data import Mosaic, open_image
from unseg_studio.document.packing import mosaic_bytes
from unseg_studio.document.solve import Fits, Frame, first_run
from unseg_studio.document.state import fresh_state
from unseg_studio.project.entries import ImageEntry
from unseg_studio.project.findings import doubts_of
from unseg_studio.segmenters import Segmenter


class Labels(NamedTuple):
    """What a process sends: small, since most of it is compressed."""

    shape: tuple[int, int]
    packed: bytes
    uncertainty: float | None
    seconds: float
    doubts: dict[int, float] | None = None
    pixel_size: tuple[float, float] | None = None


class Answer(NamedTuple):
    """What became of an image: labels, or a sentence why there are none."""

    image: ImageEntry
    labels: Labels | None
    problem: str = ""


class Crew(Protocol):
    """Those who share the images of a batch among them."""

    def answers(self, images: Iterable[ImageEntry], /) -> Generator[Answer, None, None]:
        """Have all images segmented; one answer each, as they are ready.

        Raises
        ------
        OSError
            If nobody is left who could; in a sentence.
        """
        ...

    def close(self) -> None:
        """End all that is in progress."""
        ...


class UnwantedError(ValueError):
    """Nobody waits for these labels any more."""


def always() -> bool:
    """Somebody waits until the end."""
    return True


def labels_of(
    file: Path,
    plane: int | None,
    segmenter: Segmenter,
    device: str,
    is_wanted: Callable[[], bool] = always,
) -> Labels:
    """Read one image and segment it to the end.

    Raises
    ------
    ValueError, OSError
        If that cannot be; in a sentence.
    UnwantedError
        As soon as `is_wanted` says so, which is asked in every iteration.
    """
    began = time.perf_counter()
    image = open_image(file, plane)
    run = first_run(image, fresh_state(image, (), segmenter), device=device)
    frames = _while_wanted(run.results(Fits(), lambda _: False), is_wanted)
    *_, last = (frame for frame in frames if frame is not None)
    mosaic = last.mosaic or Mosaic.of(last.labels)
    doubt = None if last.uncertainty is None else float(last.uncertainty.plane.mean())
    seconds = time.perf_counter() - began
    doubts = doubts_of(mosaic, last.uncertainty)
    size = image.source.pixel_size
    return Labels(image.shape, mosaic_bytes(mosaic), doubt, seconds, doubts, size)


def _while_wanted(
    frames: Iterator[Frame | None], is_wanted: Callable[[], bool]
) -> Iterator[Frame | None]:
    for frame in frames:
        if not is_wanted():
            raise UnwantedError("Nobody waits for these labels any more.")
        yield frame


def about(entry: ImageEntry, sentence: str) -> str:
    """The sentence, with the name of the image where it says none."""
    return sentence if entry.file.name in sentence else f"{entry.file}: {sentence}"
