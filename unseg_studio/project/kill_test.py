"""Kills a program at work again and again, and looks at what is left of its project.

A child process paints, undoes, accepts, comments, exports and saves copies, and says in a log what
it begins and what it has ended. It is killed at random moments (SIGKILL: nothing can be tidied).
After each kill the project must open, be whole, hold all but at most the newest stroke, undo back
to its beginning and redo to its end; exported files must be whole or absent.

    python -m unseg_studio.project.kill_test --kills 200
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import os
import random
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from unseg_studio.data import FIRST_CLUSTER, Image, Mosaic
from unseg_studio.document import Document
from unseg_studio.formats import export
from unseg_studio.project.project import Project

SHAPE = (300, 280)
N_IMAGES = 3
LONGEST_S = 0.7
"""A child lives so long at most, its start included."""

FRESH_EVERY = 25
"""After so many kills another project is begun, since looking takes longer with every stroke."""

Entry = dict[str, Any]


def _image(number: int) -> Image:
    """An image without a file: a project needs none to keep what is drawn on it."""
    rows, cols = np.indices(SHAPE)
    return Image.of(((rows * (number + 1) + cols) % 256).astype(np.uint8))


def hand_of(document: Document) -> str:
    """A short name for all that a person did to a document, and for how it can be undone."""
    record = document.record
    planes = (record.state.scribbles.ids, record.state.named.ids, record.state.edits.ids)
    text = "".join(_short(plane.tobytes()) for plane in planes)
    return _short(f"{record.n_done} {sorted(record.state.locks)} {text}".encode())


def live_of(document: Document) -> str:
    """A short name for what the engine made of a document."""
    return _short(document.state.live.tobytes())


def _short(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=8).hexdigest()


# The child


class _Log:
    """Lines that are there for others as soon as they are written."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def say(self, what: str, **more: object) -> None:
        os.write(self._file, (json.dumps({"what": what, **more}) + "\n").encode())


def work(folder: Path, seed: int) -> None:
    """Work on the project in a folder until killed."""
    draw, log = random.Random(seed), _Log(folder / "log")
    log.say("opening")
    with Project.open(folder / "kill.unseg") as project:
        while True:
            id_ = draw.randint(1, N_IMAGES)
            document = project.open_document(id_, _image(id_))
            log.say("open", image=id_, hand=hand_of(document), live=live_of(document))
            with project.journal(document, id_):
                for _ in range(draw.randint(1, 12)):
                    _stroke(document, draw, log)
            _around(project, id_, document, draw, log)


def _stroke(document: Document, draw: random.Random, log: _Log) -> None:
    name, verb = draw.choice(_verbs(document, draw))
    log.say("begin", verb=name)
    verb()
    log.say("end", hand=hand_of(document), live=live_of(document))
    if draw.random() < 0.5:
        log.say("begin", verb="show")
        document.show(_answer(draw))
        log.say("end", hand=hand_of(document), live=live_of(document))


def _verbs(document: Document, draw: random.Random) -> list[tuple[str, Callable[[], None]]]:
    points = [(draw.randrange(SHAPE[0]), draw.randrange(SHAPE[1])) for _ in range(3)]
    radius = draw.randint(1, 12)
    return [
        ("paint", lambda: document.paint(points, radius=radius)),
        ("paint", lambda: document.paint(points, radius=radius)),
        ("erase", lambda: document.erase(points, radius=radius)),
        ("brush", lambda: document.brush(points, radius=radius)),
        ("fill", lambda: document.set_fill(not document.state.fill)),
        ("undo", document.undo),
        ("redo", document.redo),
    ]


def _answer(draw: random.Random) -> Mosaic:
    width = draw.randint(20, 90)
    return Mosaic.of((np.indices(SHAPE)[1] // width + FIRST_CLUSTER).astype(np.int32))


def _around(project: Project, id_: int, document: Document, draw: random.Random, log: _Log) -> None:
    """What happens between two images."""
    folder = project.folder
    project.set_comment(id_, f"seen {draw.random()}")
    match draw.choice(["accept", "accept", "export", "copy", "thumbnail"]):
        case "accept":
            log.say("accepting", image=id_)
            project.accept(id_, document, seconds=1.0)
            project.flush()
            log.say("accepted", image=id_)
        case "export" if any(entry.status == "done" for entry in project.images()):
            export(tuple(project.annotations()), folder / "out.json")
            log.say("exported")
        case "copy":
            project.save_copy(folder / "copy.unseg")
            log.say("copied")
        case "thumbnail":
            project.set_thumbnail(id_, draw.randbytes(3000))


# The one who kills and looks


@dataclass
class Report:
    """What a run found out.

    Parameters
    ----------
    seed : int
        To run it again.
    kills : int
        So many children were killed.
    during : Counter
        What they were doing.
    missing : Counter
        How many strokes that had ended were missing afterwards.
    problems : list of str
        What must not be.
    """

    seed: int
    kills: int = 0
    during: Counter[str] = field(default_factory=Counter)
    missing: Counter[int] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        during = ", ".join(f"{name} {n}" for name, n in self.during.most_common())
        missing = ", ".join(f"{n} missing: {times}" for n, times in sorted(self.missing.items()))
        lines = [
            f"kills: {self.kills} (seed {self.seed})",
            f"killed during: {during}",
            f"strokes that had ended: {missing}",
            f"problems: {len(self.problems)}",
            *self.problems,
        ]
        return "\n".join(lines)


def run(folder: Path, kills: int, *, seed: int) -> Report:
    """Kill so many children that work in a folder, which is empty before."""
    draw, report = random.Random(seed), Report(seed)
    context = _context()
    for number in range(kills):
        place = folder / f"from {number // FRESH_EVERY * FRESH_EVERY}"
        if number % FRESH_EVERY == 0:
            _begin(place)
        (place / "log").unlink(missing_ok=True)
        child = context.Process(target=work, args=(place, draw.randrange(2**32)))
        child.start()
        child.join(draw.uniform(0, LONGEST_S))
        if child.exitcode is not None:
            report.problems.append(f"kill {number}: the child ended by itself ({child.exitcode})")
        child.kill()
        child.join()
        _look(place, report, f"kill {number}")
    return report


def _begin(folder: Path) -> None:
    folder.mkdir()
    with Project.create(folder / "kill.unseg") as project:
        project.add_images([f"{number}.png" for number in range(1, N_IMAGES + 1)])


def _context() -> Any:
    """Children of a process that has loaded everything but has no threads, where there are such."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["unseg_studio.project", "unseg_studio.formats"])
    return context


def _look(folder: Path, report: Report, name: str) -> None:
    report.kills += 1
    entries = _log_entries(folder / "log")
    report.during[_doing(entries)] += 1
    try:
        _require_whole(folder / "kill.unseg")
        with Project.open(folder / "kill.unseg") as project:
            if project.read_only:
                raise AssertionError(f"read-only: {project.notice}")
            _look_at_strokes(project, entries, report)
            for id_ in range(1, N_IMAGES + 1):
                _look_at_undo(project, id_)
            _look_at_accepted(project, entries)
        _look_at_files(folder)
    except Exception as error:  # every kind of failure belongs in the report
        report.problems.append(f"{name}: {type(error).__name__}: {error}")


def _log_entries(path: Path) -> list[Entry]:
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines() if line.endswith("}")]


def _doing(entries: list[Entry]) -> str:
    if not entries:
        return "start"
    last = entries[-1]
    return {
        "begin": "a stroke",
        "end": "between strokes",
        "open": "between strokes",
        "opening": "opening",
        "accepting": "accepting",
    }.get(last["what"], "saving or exporting")


def _require_whole(path: Path) -> None:
    connection = sqlite3.connect(path)
    try:
        found = connection.execute("PRAGMA integrity_check").fetchall()
        strays = connection.execute("PRAGMA foreign_key_check").fetchall()
    finally:
        connection.close()
    if found != [("ok",)] or strays:
        raise AssertionError(f"not whole: {found[:3]} {strays[:3]}")


def _look_at_strokes(project: Project, entries: list[Entry], report: Report) -> None:
    """Compare the document that was at work with what the child said of it."""
    begins = [n for n, entry in enumerate(entries) if entry["what"] == "open"]
    if not begins:
        return
    opened = entries[begins[-1]]
    told = [e for e in entries[begins[-1] :] if e["what"] in ("open", "end")]
    hands = list(dict.fromkeys(entry["hand"] for entry in reversed(told)))
    if entries[-1]["what"] == "begin" and _is_ahead(project, opened, entries[-1], hands[0]):
        report.missing[0] += 1
        return
    document = project.open_document(opened["image"], _image(opened["image"]))
    hand = hand_of(document)
    missing = hands.index(hand) if hand in hands else len(hands)
    report.missing[missing] += 1
    if missing > 1:
        raise AssertionError(f"{missing} strokes are missing")
    # A stroke that changes nothing, such as undo at the beginning, writes nothing and waits for
    # nothing, so it does not count.
    changes = list(dict.fromkeys((entry["hand"], entry["live"]) for entry in reversed(told)))
    if live_of(document) not in {live for _, live in changes[:3]}:
        raise AssertionError("the labels are more than one answer old")


def _is_ahead(project: Project, opened: Entry, begun: Entry, newest: str) -> bool:
    """Say whether what was in progress is in the project already, on top of all that had ended."""
    document = project.open_document(opened["image"], _image(opened["image"]))
    if begun["verb"] == "show" and hand_of(document) == newest:
        return True
    (document.redo if begun["verb"] == "undo" else document.undo)()
    return hand_of(document) == newest


def _look_at_undo(project: Project, id_: int) -> None:
    document = project.open_document(id_, _image(id_))
    before = document.record
    while document.redo_text is not None:
        document.redo()
    end = hand_of(document), live_of(document)
    while document.undo_text is not None:
        document.undo()
    if not (document.scribbles.is_empty and document.edits.is_empty):
        raise AssertionError(f"undo of image {id_} does not lead back to its beginning")
    for _ in before.steps:
        document.redo()
    if end != (hand_of(document), live_of(document)):
        raise AssertionError(f"redo of image {id_} does not lead back to its end")
    if len(document.record.steps) != len(before.steps):
        raise AssertionError(f"steps of image {id_} went missing")


def _look_at_accepted(project: Project, entries: list[Entry]) -> None:
    for entry in project.images():
        if entry.status == "done":
            project.annotation(entry.id)
    last: Entry = entries[-1] if entries else {"what": ""}
    if last["what"] == "accepted" and project.image(last["image"]).status != "done":
        raise AssertionError("accepted labels are missing")


def _look_at_files(folder: Path) -> None:
    if (folder / "out.json").exists():
        json.loads((folder / "out.json").read_text())
    if (folder / "copy.unseg").exists():
        _require_whole(folder / "copy.unseg")
        Project.open(folder / "copy.unseg", read_only=True).close()


def main() -> None:
    """Run from the command line; ends with 1 where something must not be."""
    parser = argparse.ArgumentParser(description="Kill a program at work, and look at its project.")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    chosen = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="unseg-kill-") as folder:
        report = run(Path(folder), chosen.kills, seed=chosen.seed)
    sys.stdout.write(f"{report}\n{time.monotonic() - began:.0f} s\n")
    sys.exit(1 if report.problems else 0)


if __name__ == "__main__":
    main()
