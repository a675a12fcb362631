"""Films: what is learned from the first image is applied to the others."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from unseg_studio.bench import naming
from unseg_studio.bench.own_process import forget_peak, peak_mib
from unseg_studio.bench.project_table import Line
from unseg_studio.bench.sets import Annotated, Manifest
from unseg_studio.bench.trained import Labels, learned, made
from unseg_studio.data import FIRST_CLUSTER
from unseg_studio.document import dial
from unseg_studio.segmenters import DiffCluster


def is_film(manifest: Manifest) -> bool:
    """Say whether a set is of films whose foreground is masked."""
    return str(manifest.get("kind", "")) == "fg-bg video"


def of_films(cases: Sequence[Annotated], method: str, seed: int, *, device: str) -> Line:
    """Foreground of all images but the first of each film, a mean over films of the mean IoU.

    Clusters are named by the mask of the first image; with as many of them as a film's images call
    for, each by most of its pixels.
    """
    forget_peak()
    ratios: list[float] = []
    apply_s: list[float] = []
    train_s, n_clusters = 0.0, 0
    for film in films(cases):
        labels = (
            alone(film, seed, device=device)
            if method == ALONE
            else by_reference(film, method, seed, device=device)
        )
        began = time.perf_counter()
        first = next(labels)
        train_s += time.perf_counter() - began
        names = naming.many_to_one(first)
        n_clusters = len(first)
        ratios.append(fmean(_of_foreground(c, names) for c in _timed(labels, apply_s)))
    value = fmean(ratios)
    return Line(
        cases[0].set, method, seed, len(cases), n_clusters, many_to_one=value, by_strokes=value,
        train_s=train_s / len(ratios), apply_s=fmean(apply_s), peak_mib=peak_mib(),
    )  # fmt: skip


ALONE = "diffcluster-alone"
"""Each image by itself, clusters matched to those of the image before by their overlap."""

FILM_CLUSTERS = 8


def films(cases: Sequence[Annotated]) -> Iterator[list[Annotated]]:
    """The images of each film, in order."""
    groups: dict[str, list[Annotated]] = {}
    for case in cases:
        groups.setdefault(case.name.rpartition("_")[0], []).append(case)
    yield from (group for group in groups.values() if len(group) > 1)


def by_reference(
    film: Sequence[Annotated], method: str, seed: int, *, device: str
) -> Iterator[naming.Counts]:
    """Pixels of each cluster in background and foreground of each image, by what the first said."""
    segmenter = made(method, n_clusters=FILM_CLUSTERS, seed=seed)
    trained = learned(segmenter, [film[0].image], device)
    n_clusters = trained.n_clusters(film[0].image)
    for case in film:
        clusters = trained.clusters(case.image)
        yield naming.counted(clusters, case.annotations[0], n_clusters=n_clusters, n_categories=2)


def alone(film: Sequence[Annotated], seed: int, *, device: str) -> Iterator[naming.Counts]:
    """The same by DiffCluster on each image, with the ids of the image before by their overlap."""
    from unseg_studio.document.scripting import segment

    k = dial.values_of(DiffCluster(), FILM_CLUSTERS)
    before: Labels | None = None
    for case in film:
        found = segment(case.image, DiffCluster.name, device=device, seed=seed, **k)
        clusters = np.asarray(found, np.int32) - FIRST_CLUSTER
        clusters = clusters if before is None else _matched(clusters, before)
        before = clusters
        yield naming.counted(
            clusters, case.annotations[0], n_clusters=_MOST_MATCHED, n_categories=2
        )


_MOST_MATCHED = 256


def _matched(clusters: Labels, before: Labels) -> Labels:
    """The ids of the clusters before that overlap most, each once; others get new ones."""
    shared = naming.counted(
        clusters, before + 1, n_clusters=_MOST_MATCHED, n_categories=_MOST_MATCHED
    )
    names = naming.one_to_one(shared)
    return np.asarray(names[clusters], np.int32)


def _of_foreground(counts: naming.Counts, names: NDArray[np.int64]) -> float:
    """Intersection over union of what is called foreground with the foreground."""
    is_object = names == 1
    common = counts[is_object, 1].sum()
    either = counts[is_object].sum() + counts[~is_object, 1].sum()
    return float(common / either) if either else 1.0


def _timed(items: Iterator[naming.Counts], seconds: list[float]) -> Iterator[naming.Counts]:
    while True:
        began = time.perf_counter()
        item = next(items, None)
        if item is None:
            return
        seconds.append(time.perf_counter() - began)
        yield item
