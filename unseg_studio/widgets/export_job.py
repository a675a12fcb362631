"""An export as values: what was chosen, what is exported, what would come of it and what came.

ExportWish + ExportSource -> job -> checked() -> ExportCheck, before
                                 -> write(path) -> Written, after
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, TypeVar

from unseg_studio.data import (
    Annotation,
    Image,
    Source,
    is_large,
    regions_from_labels,
    regions_from_mosaic,
)
from unseg_studio.data.labels import is_cluster
from unseg_studio.document import Document, Live, State
from unseg_studio.document.provenance import provenance
from unseg_studio.formats import (
    FORMATS,
    Agreement,
    Finding,
    Format,
    Preflight,
    decoded_iou,
    export,
    preflight_all,
    split,
)

MOST_READ_BACK = 25
"""Images of many that are read back after writing; a file of all is read anew for each."""

_MOST_NAMED = 3

T = TypeVar("T")


@dataclass(frozen=True)
class ExportWish:
    """What the person chose.

    Parameters
    ----------
    format : str
        A key of `FORMATS`.
    options : object
        An instance of that format's options.
    min_area : int
        Parts with fewer pixels are left out.
    target : str or None
        A key of `TARGETS`: the tool that will read it.
    val : float
        Share of the images to validate with, below 1; 0 for no split.
    seed : int
        Another one gives another split.
    """

    format: str = "coco"
    options: Any = None
    min_area: int = 1
    target: str | None = None
    val: float = 0.0
    seed: int = 0


class StoppedError(Exception):
    """The person stopped a job."""


class Course:
    """How far a job is: its thread counts, the window looks on and may stop it."""

    def __init__(self, total: int = 0) -> None:
        self.stage, self.done, self.total = "", 0, total
        self._stopped = threading.Event()

    def begin(self, stage: str, total: int) -> None:
        """Start to count anew."""
        self.stage, self.done, self.total = stage, 0, total

    def along(self, items: Iterable[T]) -> Iterator[T]:
        """Give the items and count them; raise StoppedError once the job was stopped."""
        for item in items:
            if self._stopped.is_set():
                raise StoppedError
            yield item
            self.done += 1

    def stop(self) -> None:
        """End the job at its next image."""
        self._stopped.set()


@dataclass(frozen=True, eq=False)
class ExportCheck:
    """What a file would hold, and what is to be said about it.

    Parameters
    ----------
    told : Preflight
        Counts and findings.
    annotation : Annotation or None
        The content, where it is one image.
    """

    told: Preflight
    annotation: Annotation | None = None

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Gravest first."""
        return self.told.findings

    @property
    def refused(self) -> bool:
        """Writing would not work."""
        return self.told.refused

    def summary(self) -> str:
        """Regions, categories and images in one line."""
        counts = [n for n in self.told.regions.values() if n]
        what = f"{_counted(sum(counts), 'region')} in {_counted(len(counts), 'category')}"
        if self.told.n_images == 1:
            return what
        return f"{what}, {_counted(self.told.n_images, 'image')}"

    def details(self) -> str:
        """What is to be known of many images beside the findings; empty where there is nothing."""
        told = self.told
        lines = []
        if told.parts:
            lines.append(" and ".join(f"{n:,} to {part}" for part, n in told.parts.items()) + ".")
        if told.n_images > 1 and told.without_labels:
            lines.append(f"Without labels: {_listed(told.without_labels)}.")
        if told.n_with_holes:
            lines.append(f"{_counted(told.n_with_holes, 'region')} with holes.")
        return " ".join(lines)


@dataclass(frozen=True, eq=False)
class Written:
    """What came of an export.

    Parameters
    ----------
    path : Path
        The file or folder.
    n_images, n_read : int
        How many were written, and how many of those were read back.
    agreement : Agreement or None
        How far what was read back is what was meant; None where the format is not read here.
    trouble : str
        Why it could not be read back, in a sentence; empty where it could.
    """

    path: Path
    n_images: int = 1
    n_read: int = 1
    agreement: Agreement | None = None
    trouble: str = ""

    @property
    def sentence(self) -> str:
        """All of it in one line."""
        many = f"{_counted(self.n_images, 'image')} " if self.n_images > 1 else ""
        return f"Exported {many}to {self.path}. {self._about_masks()}"

    def _about_masks(self) -> str:
        if self.trouble:
            return f"It could not be read back: {self.trouble}"
        if self.agreement is None:
            return "This format is not read here, so the masks in it were not compared."
        what = f"{self.n_read} of them" if self.n_read < self.n_images else "the file"
        return f"Read back, {what} gives the masks with IoU {_ratio(self.agreement.overall)}" + (
            f" ({worst})." if (worst := _worst(self.agreement)) else "."
        )


def _worst(agreement: Agreement) -> str:
    ratios = sorted((ratio, name) for name, ratio in agreement.by_category.items() if ratio < 1)
    return ", ".join(f"{name} {_ratio(ratio)}" for ratio, name in ratios[:_MOST_NAMED])


def _ratio(value: float) -> str:
    """Never rounded up to 1."""
    return f"{math.floor(value * 1000) / 1000:.3f}"


class Job(Protocol):
    """An export that a thread can check and carry out."""

    @property
    def course(self) -> Course:
        """How far it is."""
        ...

    @property
    def state(self) -> State | None:
        """Of the document when the job was made; None where it is about many images."""
        ...

    def checked(self) -> ExportCheck:
        """What would be written."""
        ...

    def write(self, path: Path) -> Written:
        """Write it, each file entirely or not at all, and read it back.

        Raise OSError or ValueError, in a sentence, where that is not possible.
        """
        ...


@dataclass(frozen=True, eq=False)
class ExportJob:
    """A wish and the document as it was when it was made: safe to hand to a thread."""

    image: Image
    state: State
    wish: ExportWish
    device: str
    course: Course = field(default_factory=Course)

    @classmethod
    def of(cls, document: Document, live: Live, wish: ExportWish) -> ExportJob:
        """What would be written now."""
        return cls(document.image, document.state, wish, live.computed_on)

    def annotation(self) -> Annotation:
        """Everything that has a category, cut into regions."""
        table, least = self.state.categories, self.wish.min_area
        if is_large(self.image.shape):  # without a plane of all its labels
            regions = regions_from_mosaic(self.state.shown, table, min_area=least)
        else:
            regions = regions_from_labels(self.state.labels, table, min_area=least)
        made = provenance(self.state, device=self.device)
        image = self.image
        return Annotation(
            image.shape, image.source, table, regions, made,
            unnamed=self.state.shown.areas_of(is_cluster),
        )  # fmt: skip

    def checked(self) -> ExportCheck:
        """What the file would hold, and what is to be said about it."""
        annotation, wish = self.annotation(), self.wish
        told = preflight_all((annotation,), wish.format, wish.options, target=wish.target)
        return ExportCheck(told, annotation)

    def write(self, path: Path) -> Written:
        """Write the file, entirely or not at all, and read it back."""
        annotation = self.annotation()
        export(annotation, path, format=self.wish.format, options=self.wish.options)
        return _read_back((annotation,), Written(path), self.wish)


@dataclass(frozen=True, eq=False)
class SetJob:
    """A wish and many annotations.

    Parameters
    ----------
    annotations : iterable of Annotation
        Gone over several times, one by one, in a thread; none is kept.
    n_images : int
        How many there are.
    wish : ExportWish
        What was chosen.
    sources : iterable of Source or None
        Of all images, where they are had for less than the annotations.
    """

    annotations: Iterable[Annotation]
    n_images: int
    wish: ExportWish
    sources: Iterable[Source] | None = None
    course: Course = field(default_factory=Course)

    @property
    def state(self) -> State | None:
        """There is no single document."""
        return None

    def checked(self) -> ExportCheck:
        """What the files would hold, and what is to be said about it."""
        self.course.begin("Checking", self.n_images)
        wish = self.wish
        told = preflight_all(self._prepared(), wish.format, wish.options, target=wish.target)
        return ExportCheck(told)

    def write(self, path: Path) -> Written:
        """Write them, each file entirely or not at all, and read some back."""
        self.course.begin("Writing", self.n_images)
        export(self._prepared(), path, format=self.wish.format, options=self.wish.options)
        step = -(-self.n_images // MOST_READ_BACK)
        n_read = -(-self.n_images // step)
        self.course.begin("Reading back", self.n_images)
        some = _Anew(lambda: islice(self._prepared(), 0, None, step))
        return _read_back(some, Written(path, self.n_images, n_read), self.wish)

    def _prepared(self) -> Iterable[Annotation]:
        """With their parts, without small regions; anew each time."""
        large = _Anew(lambda: self._large_only())
        if not self.wish.val:
            return large
        return split(large, val=self.wish.val, seed=self.wish.seed, sources=self.sources)

    def _large_only(self) -> Iterator[Annotation]:
        least = self.wish.min_area
        for annotation in self.course.along(self.annotations):
            kept = tuple(region for region in annotation.regions if region.area >= least)
            yield replace(annotation, regions=kept)


class _Anew:
    """What gives its annotations again each time that it is gone over."""

    def __init__(self, make: Callable[[], Iterable[Annotation]]) -> None:
        self._make = make

    def __iter__(self) -> Iterator[Annotation]:
        return iter(self._make())


def _read_back(annotations: Iterable[Annotation], written: Written, wish: ExportWish) -> Written:
    """Add the agreement; what was written stays written, whatever comes of reading."""
    try:
        return replace(written, agreement=decoded_iou(annotations, written.path, wish.format))
    except (OSError, ValueError) as error:
        return replace(written, trouble=str(error))


# What is exported


class ExportSource(Protocol):
    """Where the annotations of an export come from."""

    @property
    def many(self) -> bool:
        """Several images, which can be split."""
        ...

    @property
    def image(self) -> Image | None:
        """The only one."""
        ...

    @property
    def is_busy(self) -> bool:
        """What would be checked is changing this moment."""
        ...

    def job(self, wish: ExportWish) -> Job:
        """What would be exported now."""
        ...


@dataclass(frozen=True, eq=False)
class DocumentSource:
    """One image under work."""

    document: Document
    live: Live

    @property
    def many(self) -> bool:
        """It is one."""
        return False

    @property
    def image(self) -> Image:
        """That of the document."""
        return self.document.image

    @property
    def is_busy(self) -> bool:
        """The cores belong to the engine while it runs."""
        return self.document.status.is_busy

    def job(self, wish: ExportWish) -> Job:
        """The document as it is now."""
        return ExportJob.of(self.document, self.live, wish)


@dataclass(frozen=True, eq=False)
class SetSource:
    """Many images; parameters as those of `SetJob`."""

    annotations: Iterable[Annotation]
    n_images: int
    sources: Iterable[Source] | None = None

    @property
    def many(self) -> bool:
        """Whatever their number."""
        return True

    @property
    def image(self) -> Image | None:
        """There is no single one."""
        return None

    @property
    def is_busy(self) -> bool:
        """They lie still."""
        return False

    def job(self, wish: ExportWish) -> Job:
        """All of them."""
        return SetJob(self.annotations, self.n_images, wish, self.sources)


# Names of files


def renamed(path: Path, format_: Format, *, many: bool = False) -> Path:
    """The same place with the name that the format gives, whichever format gave the one before."""
    return path.with_name(format_.named(_stem(path.name), many=many)) if path.name else path


def _stem(name: str) -> str:
    endings = {
        ending
        for format_ in FORMATS.values()
        for ending in (format_.suffix, format_.single, f"_{format_.name}" * format_.is_folder)
        if ending
    }
    longest = max((e for e in endings if name.lower().endswith(e)), key=len, default="")
    return name[: len(name) - len(longest)] or name


def _counted(n: int, what: str) -> str:
    if n == 1:
        return f"1 {what}"
    return f"{n:,} {what[:-1]}ies" if what.endswith("y") else f"{n:,} {what}s"


def _listed(names: tuple[str, ...]) -> str:
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more:,} more" if more > 0 else "")
