"""The masks of a project in the format of another tool: said before, written, and checked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, get_args, get_type_hints

from unseg_studio.cli.console import complaint, passing
from unseg_studio.data import Annotation
from unseg_studio.formats import (
    Agreement,
    Format,
    Preflight,
    decoded_iou,
    export,
    format_named,
    preflight_all,
    split,
)
from unseg_studio.formats.remembered import Remembered
from unseg_studio.formats.table import part_path
from unseg_studio.project import STATUSES, Project, Status
from unseg_studio.project.entries import require_status

_WORDS = {"yes": True, "true": True, "on": True, "no": False, "false": False, "off": False}


@dataclass(frozen=True)
class Wish:
    """What to export.

    Parameters
    ----------
    format : str
        A key of `FORMATS`.
    out : Path
        File or folder.
    options : sequence of str
        Options of the format, as words of the command line.
    statuses : sequence of str
        Which images.
    val : float or None
        Share of a part to validate with.
    seed : int
        Of that split.
    min_area : int
        Smaller parts are left out.
    target : str or None
        A key of `TARGETS`.
    check : bool
        Read the file again afterwards, and compare.
    """

    format: str
    out: Path
    options: Sequence[str] = ()
    statuses: Sequence[str] = ("done",)
    val: float | None = None
    seed: int = 0
    min_area: int = 1
    target: str | None = None
    check: bool = False


def run_export(path: Path, wish: Wish) -> tuple[tuple[Path, ...], Agreement | None]:
    """Say on stderr what will be written, write it, and read it again if that is wished.

    Returns
    -------
    tuple of Path
        Files or folders that were written.
    Agreement or None
        How far they agree with the masks; None: not looked at.

    Raises
    ------
    OSError, ValueError
        If the project cannot be read or the masks cannot be written; in a sentence.
    """
    chosen = format_named(wish.format)
    options = format_options(chosen, wish.options)
    with Project.open(path, read_only=True) as project:
        annotations, n = _annotations(project, wish)
        subsets = _told_before(_Shown(annotations, "Looking", n), wish, options)
        export(_Shown(annotations, "Writing", n), wish.out, format=wish.format, options=options)
        written = _written(wish.out, chosen, subsets)
        if not wish.check:
            return written, None
        return written, decoded_iou(_Shown(annotations, "Reading", n), wish.out, wish.format)


def _annotations(project: Project, wish: Wish) -> tuple[Iterable[Annotation], int]:
    """What is to be written, one in memory at a time, and how many there are."""
    statuses = _statuses(wish)
    annotations = project.annotations(statuses, min_area=wish.min_area)
    n = len(annotations)
    if not n:
        counts = Counter(entry.status for entry in project.images())
        there = ", ".join(f"{n} {status}" for status, n in counts.items()) or "no images"
        raise ValueError(
            f"{project.path.name} has no image that is {' or '.join(statuses)}; it has "
            f"{there}. Choose with --status."
        )
    if wish.val is None:
        return Remembered(annotations), n
    entries = [entry for entry in project.images() if entry.status in statuses]
    sources = [entry.source for entry in entries]
    return split(Remembered(annotations), val=wish.val, seed=wish.seed, sources=sources), n


def _statuses(wish: Wish) -> tuple[Status, ...]:
    for status in wish.statuses:
        require_status(status)
    return tuple(status for status in STATUSES if status in wish.statuses)


class _Shown:
    """Annotations with a bar about each time that they are gone over."""

    def __init__(self, annotations: Iterable[Annotation], doing: str, n: int) -> None:
        self._annotations = annotations
        self._doing = doing
        self._n = n

    def __iter__(self) -> Iterator[Annotation]:
        return passing(self._annotations, self._doing, self._n)


def _told_before(annotations: Iterable[Annotation], wish: Wish, options: Any) -> Counter[str]:
    """Print the preflight, and refuse what would be refused in the middle of writing."""
    subsets: Counter[str] = Counter()

    def counted() -> Iterator[Annotation]:
        for annotation in annotations:
            subsets[annotation.subset] += 1
            yield annotation

    found = preflight_all(counted(), wish.format, options, target=wish.target)
    for line in lines_of(found, subsets):
        complaint(line)
    errors = [finding.sentence for finding in found.findings if finding.severity == "error"]
    if errors:
        raise ValueError(f"Nothing was written. {errors[0]}")
    return subsets


def lines_of(found: Preflight, subsets: Counter[str]) -> Iterator[str]:
    """A preflight in lines, the gravest findings last, where they are seen."""
    parts = ", ".join(f"{n} {subset}" for subset, n in subsets.items() if subset)
    yield f"{found.n_images} images{f' ({parts})' if parts else ''}"
    for name, n in found.regions.items():
        yield f"  {name}: {n} regions in {found.images[name]} images"
    if found.without_labels:
        listed = ", ".join(found.without_labels[:3]) + (", ..." if found.without_labels[3:] else "")
        yield f"  without a region: {len(found.without_labels)} images ({listed})"
    if found.n_tiny or found.n_with_holes:
        yield f"  tiny regions: {found.n_tiny}, with holes: {found.n_with_holes}"
    for finding in reversed(found.findings):
        yield f"{finding.severity}: {finding.sentence}"


def _written(out: Path, format_: Format, subsets: Iterable[str]) -> tuple[Path, ...]:
    if format_.splits or format_.is_folder:
        return (out,)
    return tuple(part_path(out, format_, subset) for subset in subsets)


# Options of a format: --holes fill, --copy-images, --no-locked


def format_options(format_: Format, words: Sequence[str]) -> Any:
    """An instance of the format's options.

    Raises
    ------
    ValueError
        If a word is no option of the format, or its value not accepted; lists what is.
    """
    hints = get_type_hints(format_.options)
    given: dict[str, Any] = {}
    rest = list(words)
    while rest:
        name, value, rest = _next(format_, hints, rest)
        given[name] = value
    return format_.options(**given)


def _next(format_: Format, hints: dict[str, Any], words: list[str]) -> tuple[str, Any, list[str]]:
    """The first option with its value, and the words after it."""
    word, equals, text = words[0].partition("=")
    rest = words[1:]
    name = word.removeprefix("--").replace("-", "_")
    if not word.startswith("--") or name.removeprefix("no_") not in hints:
        raise ValueError(
            f"{format_.title} has no option {word!r}; accepted are {options_of(format_) or 'none'}."
        )
    if hints.get(name.removeprefix("no_")) is bool and name not in hints:
        return name.removeprefix("no_"), False, rest
    if hints.get(name) is bool and not equals:
        return name, True, rest
    if not equals and not rest:
        raise ValueError(f"{word} was given without a value. Write {word}=value.")
    text, rest = (text, rest) if equals else (rest[0], rest[1:])
    return name, _value(word, hints[name], text), rest


def _value(word: str, hint: Any, text: str) -> Any:
    if hint is bool:
        if text.lower() not in _WORDS:
            raise ValueError(f"{word} is {text!r}; accepted is yes or no.")
        return _WORDS[text.lower()]
    if Path in get_args(hint) or hint is Path:
        return Path(text)
    if hint in (int, float):
        try:
            return hint(text)
        except ValueError as error:
            raise ValueError(f"{word} is {text!r}; accepted is a number.") from error
    return text


def options_of(format_: Format) -> str:
    """Every option of a format with its choices, for help and messages."""
    told = []
    for field in fields(format_.options):
        choices = field.metadata.get("choices")
        value = f" {'|'.join(choices)}" if choices else ""
        told.append(f"--{field.name.replace('_', '-')}{value}")
    return ", ".join(told)
