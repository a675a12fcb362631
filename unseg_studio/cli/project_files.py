"""Project files: made of folders, looked into, and linked again with images that moved."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from rich.console import Console
from rich.table import Table

from unseg_studio.data import describe_image
from unseg_studio.data.accepted import IMAGE_SUFFIXES
from unseg_studio.project import SUFFIX, Project, ReadOnlyError, RelinkReport


def create_project(path: Path, sources: Sequence[Path]) -> tuple[int, tuple[str, ...]]:
    """Make a project of image files and of all images in folders.

    Returns
    -------
    int
        How many images it has.
    tuple of str
        Sentences about files that were left out.

    Raises
    ------
    OSError, ValueError
        If it cannot be written, or there is no image; in a sentence.
    """
    if path.suffix != SUFFIX:
        raise ValueError(f"{path} is the name of something else; accepted are names on {SUFFIX}.")
    found, problems = _images_in(sources)
    with Project.create(path) as project:
        return _added(project, found), problems


def add_to_project(path: Path, sources: Sequence[Path]) -> tuple[int, tuple[str, ...]]:
    """Add images to a project; see `create_project`."""
    found, problems = _images_in(sources)
    with Project.open(path) as project:
        _require_writable(project)
        return _added(project, found), problems


def _added(project: Project, found: dict[Path, int]) -> int:
    before = len(project.images())
    project.add_images(list(found), planes=list(found.values()))
    project.wait_for_fingerprints()
    _require_kept(project)
    return len(project.images()) - before


def _images_in(sources: Sequence[Path]) -> tuple[dict[Path, int], tuple[str, ...]]:
    """Image files with their numbers of planes, and sentences about those that are none."""
    found: dict[Path, int] = {}
    problems: list[str] = []
    for file in (file for source in sources for file in _files_of(source)):
        try:
            found[file] = describe_image(file).n_planes
        except (ValueError, OSError) as error:
            problems.append(str(error))
    if not found:
        listed = ", ".join(map(str, sources))
        raise ValueError(
            f"There is no image in {listed}; accepted are {', '.join(IMAGE_SUFFIXES)} and OME-Zarr "
            f"folders. {' '.join(problems[:1])}".rstrip()
        )
    return found, tuple(problems)


def _files_of(source: Path) -> Iterator[Path]:
    """A file itself; of a folder, the images in it, by name."""
    if not source.exists():
        raise FileNotFoundError(f"There is no file or folder {source}. Check the name.")
    if source.is_file() or _is_zarr(source):
        yield source
        return
    for entry in sorted(source.iterdir()):
        if entry.is_dir():
            yield from _files_of(entry)
        elif entry.suffix.lower() in IMAGE_SUFFIXES:
            yield entry


def _is_zarr(folder: Path) -> bool:
    return folder.suffix.lower() == ".zarr"


def print_project(path: Path) -> None:
    """Print what a project holds, and what is missing."""
    with Project.open(path, read_only=True) as project:
        rows = dict(_rows(project))
    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
    table = Table(box=None, show_header=False)
    table.add_column(min_width=16)
    table.add_column()
    for name, value in rows.items():
        table.add_row(name, value)
    console.print(table)


def _rows(project: Project) -> Iterator[tuple[str, str]]:
    entries = project.images()
    yield "images", str(len(entries))
    counts = Counter(entry.status for entry in entries)
    yield from ((f"  {status}", str(n)) for status, n in counts.items())
    yield "missing files", str(len(project.missing()))
    yield "categories", ", ".join(category.name for category in project.categories)
    yield "time spent", f"{sum(entry.seconds for entry in entries) / 60:.0f} min"
    with suppress(OSError):
        yield "size", f"{project.path.stat().st_size / 1e6:.1f} MB"


def relink_project(path: Path, folder: Path) -> tuple[RelinkReport, tuple[Path, ...]]:
    """Look for missing images in a folder; the report, and the files that are still missing."""
    if not folder.is_dir():
        raise ValueError(f"{folder} is no folder; give the one in which the images are now.")
    with Project.open(path) as project:
        _require_writable(project)
        report = project.relink(folder)
        _require_kept(project)
        return report, tuple(dict.fromkeys(entry.file for entry in project.missing()))


def _require_writable(project: Project) -> None:
    if project.read_only:
        raise ReadOnlyError(project.notice)


def _require_kept(project: Project) -> None:
    """Raise OSError where the file does not follow: what is only in memory ends with this."""
    project.flush()
    if project.dirty_reason:
        raise OSError(project.dirty_reason)
