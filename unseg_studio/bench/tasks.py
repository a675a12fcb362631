"""What the embedding is fitted on: pieces of images, a few strokes, and what the rest should be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from unseg_studio.bench.robot import categories_in, first_strokes
from unseg_studio.bench.sets import Case, Labels
from unseg_studio.data import Image, Scribbles
from unseg_studio.features.lazy_torch import torch
from unseg_studio.refinement.embedding import resampled
from unseg_studio.refinement.guide import Guide

Pixels = NDArray[np.uint8]

RARE = 0.004
"""Share of a piece below which a category is not scored."""

MORE_STROKES, MORE_ROUNDS = 2, 2
"""Strokes at random places that each further state of the scribbles has, for two categories; for
more of them twice as many."""

MOST_DRAWN, N_SCORED = 360, 700
"""Pixels of a task: under strokes, and where the answer is compared with the truth."""


@dataclass(frozen=True, eq=False)
class Task:
    """N pixels of a piece of an image.

    Parameters
    ----------
    set : str
        Where it comes from.
    levels : tuple of Tensor, (C_l, N) float16
        Deep features, less their mean over the piece.
    hand : Tensor, (F, N) float16
        Hand-made features.
    place : Tensor, (2, N) float32
        Row and column.
    seeds : tuple of Tensor, (N,) int64
        States of the scribbles: index of the label that is drawn at a pixel, -1 where none is.
    truth : Tensor, (N,) int64
        Index of the label that belongs there, -1 where nobody knows.
    scored : Tensor, (M,) int64
        Pixels whose truth is known.
    n_labels : int
        How many there are, at least 2.
    """

    set: str
    levels: tuple[torch.Tensor, ...]
    hand: torch.Tensor
    place: torch.Tensor
    seeds: tuple[torch.Tensor, ...]
    truth: torch.Tensor
    scored: torch.Tensor
    n_labels: int


def tasks_of(
    case: Case, n_pieces: int, rng: np.random.Generator, *, turns: bool = False
) -> Iterator[Task]:
    """Pieces of an image, mirrored, shrunk and coloured at random; `turns`: by right angles, too.

    A piece that is left with a single category is passed over.
    """
    for _ in range(n_pieces):
        rgb, truth = _piece(case.image.rgb, case.truth, rng, turns=turns)
        if len(categories_in(truth)) > 1 and (task := _task(case.set, rgb, truth, rng)):
            yield task


def plain(rng: np.random.Generator) -> Case:
    """A picture of flat areas, each category of one colour, with a little blur and noise."""
    height, width = (int(n) for n in rng.integers(60, 220, 2))
    n_labels, n_areas = int(rng.integers(2, 5)), int(rng.integers(2, 9))
    centres = rng.uniform(0, (height, width), (n_areas, 2))
    rows, cols = np.mgrid[:height, :width]
    distances = [(rows - row) ** 2 + (cols - col) ** 2 for row, col in centres]
    truth = (np.argmin(distances, axis=0) % n_labels + 1).astype(np.int32)
    values = rng.uniform(20, 235, (n_labels + 1, 3))[truth].astype(np.float32)
    values = cv2.GaussianBlur(values, (0, 0), rng.uniform(0.3, 1.5))
    values += rng.normal(0, rng.uniform(0, 8), values.shape)
    return Case("plain", "", Image.of(values.clip(0, 255).astype(np.uint8)), truth)


def _piece(
    rgb: Pixels, truth: Labels, rng: np.random.Generator, *, turns: bool
) -> tuple[Pixels, Labels]:
    if rng.random() < 0.5:
        rgb, truth = rgb[:, ::-1], truth[:, ::-1]
    if turns:
        quarter = int(rng.integers(4))
        rgb, truth = np.rot90(rgb, quarter), np.rot90(truth, quarter)
    share = rng.uniform(0.55, 1) * rng.uniform(0.9, 1.1, 2)
    size = [max(2, int(n * min(1, part))) for n, part in zip(truth.shape, share, strict=True)]
    top, left = (int(rng.integers(n - kept + 1)) for n, kept in zip(truth.shape, size, strict=True))
    window = slice(top, top + size[0]), slice(left, left + size[1])
    rgb, truth = rgb[window], np.ascontiguousarray(truth[window])
    if rng.random() < 0.5:
        smaller = [max(2, round(n * rng.uniform(0.5, 0.9))) for n in reversed(truth.shape)]
        rgb = cv2.resize(rgb, smaller, interpolation=cv2.INTER_AREA)
        truth = cv2.resize(truth, smaller, interpolation=cv2.INTER_NEAREST)
    ids, counts = np.unique(truth, return_counts=True)
    truth = np.where(np.isin(truth, ids[counts < RARE * truth.size]), np.int32(0), truth)
    return _coloured(rgb, rng), truth


def _coloured(rgb: Pixels, rng: np.random.Generator) -> Pixels:
    """Other light, other contrast, and now and then noise."""
    values = (rgb.astype(np.float32) / 255) ** rng.uniform(0.7, 1.4) * rng.uniform(0.85, 1.15, 3)
    mean = values.mean(axis=(0, 1))
    values = (values - mean) * rng.uniform(0.7, 1.2) + mean
    if rng.random() < 0.3:
        values = values + rng.normal(0, rng.uniform(0.01, 0.04), values.shape)
    return np.asarray(values.clip(0, 1) * 255, np.uint8)


def _task(name: str, rgb: Pixels, truth: Labels, rng: np.random.Generator) -> Task | None:
    guide, ids = Guide(rgb), categories_in(truth)
    height, width = guide.shape
    small = cv2.resize(truth, (width, height), interpolation=cv2.INTER_NEAREST)
    labels, seeds = (
        _indices(plane, ids)
        for plane in (small, Scribbles(first_strokes(truth)).resized(guide.shape).ids)
    )
    if len(np.unique(seeds[seeds >= 0])) < len(ids):
        return None
    states = [seeds]
    for _ in range(MORE_ROUNDS):
        states.append(_drawn_at_random(states[-1], labels, len(ids), rng))
    known, drawn, first = (np.flatnonzero(p >= 0) for p in (labels, states[-1], seeds))
    scored = _some(known, N_SCORED, rng)
    kept = np.unique(
        np.concatenate([scored, _some(drawn, MOST_DRAWN, rng), _some(first, MOST_DRAWN // 2, rng)])
    )
    pixels = torch.from_numpy(kept)
    return Task(
        name,
        tuple(resampled(level, guide.shape).flatten(1)[:, pixels].half() for level in guide.levels),
        torch.from_numpy(guide.filters).flatten(1)[:, pixels].half(),
        guide.place.flatten(1)[:, pixels],
        tuple(torch.from_numpy(state.ravel()[kept].astype(np.int64)) for state in states),
        torch.from_numpy(labels.ravel()[kept].astype(np.int64)),
        torch.from_numpy(np.searchsorted(kept, scored)),
        len(ids),
    )


def _indices(plane: Labels, ids: list[int]) -> Labels:
    """Index of each category, -1 where there is none."""
    found = np.full(plane.shape, -1, np.int32)
    for index, id_ in enumerate(ids):
        found[plane == id_] = index
    return found


def _drawn_at_random(
    seeds: Labels, truth: Labels, n_labels: int, rng: np.random.Generator
) -> Labels:
    """Short straight strokes at places of random categories, cut where the category ends."""
    drawn = seeds.copy()
    for _ in range(MORE_STROKES * (1 if n_labels == 2 else 2)):
        label = int(rng.integers(n_labels))
        places = np.argwhere(truth == label)
        if not len(places):
            continue
        heading, half = rng.uniform(0, np.pi), int(rng.integers(5, 25)) // 2
        along = np.arange(-half, half + 1)[:, None] * [np.sin(heading), np.cos(heading)]
        line = np.rint(places[rng.integers(len(places))] + along).astype(int)
        inside = ((line >= 0) & (line < truth.shape)).all(axis=1)
        rows, cols = line[inside].T
        own = truth[rows, cols] == label
        drawn[rows[own], cols[own]] = label
    return drawn


def _some(pixels: NDArray[np.intp], most: int, rng: np.random.Generator) -> NDArray[np.intp]:
    return pixels if len(pixels) <= most else rng.choice(pixels, most, replace=False)
