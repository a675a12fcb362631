"""How good one set of clusters for many images is, and what learning it costs.

Every method is trained on the images of a set, without their masks, in a process of its own, and
labels all of them. As many clusters as the set has categories are compared in three ways: each
category has one cluster (Hungarian method), each cluster its best category, or a person has named
clusters by strokes on five images. k-means on the same features is what they have to beat. Of
films, the first image of each is the reference, and the foreground of the others is scored.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from unseg_studio.bench import naming
from unseg_studio.bench.films import ALONE, is_film, of_films
from unseg_studio.bench.game import NoAnswerError
from unseg_studio.bench.own_process import OwnProcess, forget_peak, peak_mib
from unseg_studio.bench.plan import known_names
from unseg_studio.bench.project_table import Line, table
from unseg_studio.bench.records import LineFile
from unseg_studio.bench.screen import circumstances, progress, wide_console
from unseg_studio.bench.sets import Annotated, annotated_of, sets_in
from unseg_studio.bench.trained import BASELINE, learned, learning, made
from unseg_studio.data import Image
from unseg_studio.segmenters import resolve_device

CSV, QUICK_CSV = "project.csv", "project_quick.csv"
WIDTH = 110

SETS = (
    "camvid", "voc_fgbg", "davis2016", "em_isbi2012", "em_vnc_sstem",
    "dsb2018_brightfield", "dsb2018_fluo", "dsb2018_histology",
)  # fmt: skip
"""Where the same category is in many images."""

N_SEEDS = 3
LIMIT = 3600.0
"""Seconds that a training may take."""

QUICK_IMAGES, QUICK_SIDE = 3, 96


@dataclass(frozen=True)
class ProjectPlan:
    """What to train and score.

    Parameters
    ----------
    data, out : Path
        The folder of sets, and the folder for the file.
    sets, methods : tuple of str
        Names; empty: all. A method may carry parameters: "multilevel:levels=image".
    images : int or None
        Of each set at most.
    seeds : int
        How many of each method.
    device : str
        See `resolve_device`.
    quick, goes_on : bool
        To see that it works; keep what an interrupted run has written.
    """

    data: Path
    out: Path
    sets: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    images: int | None = None
    seeds: int = N_SEEDS
    device: str = "auto"
    quick: bool = False
    goes_on: bool = False


def run_projects(plan: ProjectPlan) -> None:
    """Train, score, print the table, write the file.

    Raises
    ------
    OSError, ValueError
        If a set or method is unknown, or the file cannot be written; in a sentence.
    """
    resolve_device(plan.device)
    sets = _sets(plan)
    for method in plan.methods:
        if method != ALONE:
            made(method, n_clusters=2, seed=0)
    console = wide_console(WIDTH)
    plan = replace(plan, seeds=1) if plan.quick else plan
    jobs = [(s, m, seed) for s in sets for m in _methods(plan, s) for seed in range(plan.seeds)]
    path = plan.out / (QUICK_CSV if plan.quick else CSV)
    with LineFile(path, Line, goes_on=plan.goes_on) as file, progress() as bar:
        task = bar.add_task("", total=len(jobs))
        done = {(line.set, line.method, line.seed) for line in file.lines}
        for job in jobs:
            bar.update(task, description=f"{job[0]}, {job[1]}, seed {job[2]}")
            if job not in done:
                file.add([in_own_process(plan, *job)])
            bar.advance(task)
    for name in sets:
        console.print(table(name, [line for line in file.lines if line.set == name]))
    for sentence in circumstances():
        console.print(sentence)
    console.print(f"Every training: {path}")


def _methods(plan: ProjectPlan, name: str) -> tuple[str, ...]:
    is_of_films = is_film(sets_in(plan.data)[name])
    wanted = plan.methods or (BASELINE, *learning(), ALONE)
    return tuple(method for method in wanted if is_of_films or method != ALONE)


def _sets(plan: ProjectPlan) -> tuple[str, ...]:
    there = [name for name in SETS if name in sets_in(plan.data)]
    return known_names(plan.sets, there, "set") or tuple(there)


# One training, in a process of its own


def in_own_process(plan: ProjectPlan, name: str, method: str, seed: int) -> Line:
    """Train and score; what goes wrong becomes the line's problem."""
    process = OwnProcess(_nothing_to_make, limit=LIMIT)
    try:
        process.begin()
        answer = process.ask(plan, name, method, seed)
        assert isinstance(answer, Line)
        return answer
    except NoAnswerError as error:
        return Line(name, method, seed, 0, 0, problem=str(error))
    finally:
        process.close()


def _nothing_to_make() -> Callable[..., Line]:
    return scored


def scored(plan: ProjectPlan, name: str, method: str, seed: int) -> Line:
    """Train a method on a set and score it."""
    manifest = sets_in(plan.data)[name]
    cases = [*annotated_of(plan.data, manifest, most=plan.images)]
    if plan.quick:
        cases = [_cropped(case) for case in cases[:QUICK_IMAGES]]
    of = of_films if is_film(manifest) else of_set
    return of(cases, method, seed, device=plan.device)


def _cropped(case: Annotated) -> Annotated:
    image = Image.of(case.image.pixels[:QUICK_SIDE, :QUICK_SIDE], case.image.source)
    truth = tuple(plane[:QUICK_SIDE, :QUICK_SIDE] for plane in case.annotations)
    return replace(case, image=image, annotations=truth)


def of_set(cases: Sequence[Annotated], method: str, seed: int, *, device: str) -> Line:
    """Train on all images of a set and score all of them."""
    truths = [case.annotations[0] for case in cases]
    n_categories = int(max(truth.max() for truth in truths))
    n_used = len({int(c) for truth in truths for c in np.unique(truth)} - {0})
    segmenter = made(method, n_clusters=n_used, seed=seed)
    forget_peak()
    trained = learned(segmenter, [case.image for case in cases], device)
    began = time.perf_counter()
    clusters = [trained.clusters(case.image) for case in cases]
    apply_s = (time.perf_counter() - began) / len(cases)
    sizes = {"n_clusters": trained.n_clusters(cases[0].image), "n_categories": n_categories}
    pairs = [*zip(clusters, truths, strict=True)]
    counts = np.sum([naming.counted(c, t, **sizes) for c, t in pairs], axis=0)
    some = [pairs[i] for i in _spread(len(pairs), naming.N_SCRIBBLED)]
    one, many, strokes = (
        naming.right(counts, names)
        for names in (
            naming.one_to_one(counts),
            naming.many_to_one(counts),
            naming.by_strokes(some, **sizes),
        )
    )
    return Line(
        cases[0].set, method, seed, len(cases), sizes["n_clusters"],
        one.mean_iou, one.accuracy, many.mean_iou, many.accuracy, strokes.mean_iou,
        strokes.accuracy, trained.train_s, apply_s, peak_mib(),
    )  # fmt: skip


def _spread(n: int, most: int) -> list[int]:
    return sorted({round(i) for i in np.linspace(0, n - 1, min(n, most))})
