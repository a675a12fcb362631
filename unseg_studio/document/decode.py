"""From scores in flight to the label map on the screen; the same for every segmenter."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import cv2
import numpy as np
import scipy  # its parts are loaded where they are used, which no window waits for
from numpy.typing import NDArray

from unseg_studio.data import (
    FIRST_CLUSTER,
    NOTHING,
    UNEDITED,
    Edits,
    Image,
    Scribbles,
    cluster_ids,
    present_ids,
)
from unseg_studio.data.labels import is_cluster
from unseg_studio.features.lazy_torch import torch
from unseg_studio.refinement import (
    Guide,
    Uncertainty,
    enlarged,
    guide_of,
    limited,
    on_device,
    propagate_among,
    sharpened,
    steered,
)
from unseg_studio.segmenters import Estimate

Labels = NDArray[np.int32]
Planes = NDArray[np.float32]

N_ANSWERS = 2
"""What `steered` gives: one soon, one settled."""

SOON_SIDE = 640
"""Longer side of the plane on which a first answer finds its outlines, in pixels."""


@dataclass(frozen=True, eq=False)
class Context:
    """What new labels must respect.

    Parameters
    ----------
    previous : ndarray, (H, W) int32
        The labels before: a cluster keeps the id of the cluster that it overlaps most.
    named : Edits
        Where clusters were named or merged by hand: a cluster takes the id that most of its
        pixels have here.
    locked : ndarray, (H, W) int32
        Ids of locked categories where they are, 0 elsewhere: kept, and put nowhere else.
    fill : bool
        Once two categories have scribbles, clusters without a name end.
    corrected : Edits or None
        What was corrected by hand: no doubt is left there.
    is_learned : bool
        Clusters are those of a trained model: they are called the same in every image, whatever
        was there before.
    earlier : ndarray, (h, w) int32, or None
        The labels that were shown before the newest strokes, on a plane of any size, where the
        same categories were scribbled then: they teach. None: nobody knows.
    """

    previous: Labels
    named: Edits
    locked: Labels
    fill: bool = True
    corrected: Edits | None = None
    is_learned: bool = False
    earlier: Labels | None = None

    @classmethod
    def empty(cls, shape: tuple[int, int]) -> Context:
        """Nothing was shown, named or locked before."""
        nothing = np.zeros(shape, np.int32)
        return cls(nothing, Edits.none(shape), nothing)

    @cached_property
    def is_locked(self) -> bool:
        """Whether anything is."""
        return bool(self.locked.any())

    def followed_by(self, labels: Labels) -> Context:
        """The context of the frame after `labels`."""
        return replace(self, previous=labels)


@dataclass(frozen=True, eq=False)
class Decoded:
    """What `decoded` makes of one estimate.

    Parameters
    ----------
    labels : ndarray, (H, W) int32
        See `decode`.
    uncertainty : Uncertainty
        Of the posterior that the labels were read from, on the working plane; what is scribbled,
        locked or corrected is certain.
    step, total : int
        Steps done and at most to do: those of the estimate, or, where scribbles decide alone, the
        answers that they have given.
    is_last : bool
        Nothing better follows for these scribbles.
    is_soon : bool
        Something better follows from the same estimate.
    """

    labels: Labels
    uncertainty: Uncertainty
    step: int
    total: int
    is_last: bool
    is_soon: bool = False


def decode(
    estimate: Estimate, image: Image, scribbles: Scribbles, *, context: Context | None = None
) -> Labels:
    """Make full-resolution labels of scores in flight.

    Channels get ids that stay the same from frame to frame and from run to run, scribbles are
    carried along image edges, outlines are moved to where the image's colours change, and
    scribbled and locked pixels keep their category.

    Parameters
    ----------
    estimate : Estimate
        Scores of any resolution.
    image : Image
        The plane.
    scribbles : Scribbles
        What the person drew, of the image's size.
    context : Context or None
        What the labels must respect; None: nothing.

    Returns
    -------
    ndarray, (H, W) int32
        Category ids where something is scribbled or named, cluster ids elsewhere.
    """
    return decoded(estimate, image, scribbles, context=context).labels


def decoded(
    estimate: Estimate, image: Image, scribbles: Scribbles, *, context: Context | None = None
) -> Decoded:
    """Make labels of scores in flight, and say how sure they are; see `decode`."""
    answers = answers_of(estimate, image, scribbles, context=context)
    return next(shown for shown in answers if shown.is_last or not estimate.is_last)


def answers_of(
    estimate: Estimate, image: Image, scribbles: Scribbles, *, context: Context | None = None
) -> Iterator[Decoded]:
    """Make labels of scores in flight, soon, and better ones after that where there are.

    Where every label that competes is scribbled, the strokes alone decide, and they do so twice;
    see `answers_of_strokes`. Everywhere else the scores of the segmenter take part.

    Yields
    ------
    Decoded
        The last one of a settled estimate, or of scribbles that decide alone, has `is_last`.
    """
    scribbles.require_shape(image.shape)
    context = context or Context.empty(image.shape)
    guide = guide_of(image)
    outlined = estimate.is_outlined and scribbles.is_empty
    shape = (estimate.scores.shape[1], estimate.scores.shape[2]) if outlined else guide.shape
    posterior, ids = _competitors(estimate, scribbles, context, shape=shape)
    if len(ids) > 1 and set(ids) <= set(scribbles.categories):
        yield from _answered(image, scribbles, ids, context=context)
        return
    where = device_of(estimate)
    planes = posterior
    if not scribbles.is_empty:
        planes = _carried(posterior, ids, scribbles, guide=guide, where=where)
    # Where outlines are there; or, while the first clusters form, a coarse answer in time beats
    # a fine one too late.
    is_coarse = outlined or (scribbles.is_empty and not estimate.is_last)
    if where is not None and not is_coarse and on_device.fits(guide):
        labels = on_device.sharpened_ids(torch.from_numpy(planes).to(where), guide, ids)
    else:
        labels = np.asarray(ids, np.int32)[(enlarged if is_coarse else sharpened)(planes, guide)]
    yield Decoded(
        _pinned(labels, scribbles, context),
        _uncertainty(planes, ids, scribbles, context=context),
        step=estimate.step,
        total=estimate.total,
        is_last=estimate.is_last,
    )


def strokes_decide(scribbles: Scribbles, context: Context) -> bool:
    """Say whether the labels of an image depend on nothing but the strokes on it.

    So it is where two categories or more are scribbled and may have the whole image: then no
    segmenter need be asked.
    """
    is_free = context.named.is_empty and not context.is_locked
    return context.fill and is_free and len(scribbles.categories) > 1


def answers_of_strokes(
    image: Image, scribbles: Scribbles, *, context: Context | None = None
) -> Iterator[Decoded]:
    """Make labels of strokes that decide alone: coarsely at once, then in full.

    Parameters
    ----------
    image : Image
        The plane.
    scribbles : Scribbles
        Of two categories at least, and of the image's size; see `strokes_decide`.
    context : Context or None
        What the labels must respect; None: nothing.

    Yields
    ------
    Decoded
        One with `is_soon`, one with `is_last`.
    """
    scribbles.require_shape(image.shape)
    context = context or Context.empty(image.shape)
    return _answered(image, scribbles, scribbles.categories, context=context)


def _answered(
    image: Image, scribbles: Scribbles, ids: tuple[int, ...], *, context: Context
) -> Iterator[Decoded]:
    guide, ids = guide_of(image), tuple(sorted(ids))
    answers = steered(
        lambda shape: _seeds(scribbles, ids, shape),
        len(ids),
        guide,
        earlier=_earlier(context, ids),
    )
    for number, answer in enumerate(answers, 1):
        planes, is_soon = answer.numpy(), number < N_ANSWERS
        if is_soon:
            labels = _moved(planes, ids, guide, context.previous)
        else:
            labels = np.asarray(ids, np.int32)[sharpened(planes, guide)]
        yield Decoded(
            _pinned(labels, scribbles, context),
            _uncertainty(planes, ids, scribbles, context=context),
            step=number,
            total=N_ANSWERS,
            is_last=not is_soon,
            is_soon=is_soon,
        )


def device_of(estimate: Estimate) -> torch.device | None:
    """Where the labels of an estimate are found: on its own device if that is CUDA, else here.

    The planes that are worked on are small; large ones, scores and labels, are changed there.
    """
    return estimate.scores.device if estimate.scores.is_cuda else None


def _carried(
    posterior: Planes,
    ids: tuple[int, ...],
    scribbles: Scribbles,
    *,
    guide: Guide,
    where: torch.device | None,
) -> Planes:
    """Probabilities with the scribbles carried along the edges of the image."""
    seeds, grid, prior = (
        _seeds(scribbles, ids, guide.shape),
        guide.grid,
        torch.from_numpy(posterior),
    )
    if where is not None:
        prior, grid = prior.to(where), grid.to(where)
    carried: Planes = propagate_among(prior, seeds, grid).cpu().numpy()
    return carried


def _uncertainty(
    planes: Planes, ids: tuple[int, ...], scribbles: Scribbles, *, context: Context
) -> Uncertainty:
    """Doubt about each pixel that nobody has decided."""
    shape = (planes.shape[1], planes.shape[2])
    settled = (_seeds(scribbles, ids, shape) >= 0) | _decided(context, shape)
    return Uncertainty.of(planes, ids, settled=settled, shape=scribbles.mosaic.shape)


def _moved(planes: Planes, ids: tuple[int, ...], guide: Guide, before: Labels) -> Labels:
    """The labels before, and new ones only where a first, coarse answer differs from them.

    So a stroke costs what it changes, and outlines far from it do not tremble.
    """
    known = np.array([*ids, NOTHING], np.int32)
    small = known[planes.argmax(axis=0)]
    differs = (small != _shrunk(before, (small.shape[0], small.shape[1]))).astype(np.uint8)
    within = cv2.dilate(differs, np.ones((3, 3), np.uint8)) > 0
    shape = limited((before.shape[0], before.shape[1]), SOON_SIDE)
    labels = known[sharpened(planes, guide, shape=shape, within=within)]
    size = before.shape[1], before.shape[0]
    new = cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST)
    return np.where(new == NOTHING, before, new)


def _competitors(
    estimate: Estimate, scribbles: Scribbles, context: Context, *, shape: tuple[int, int]
) -> tuple[Planes, tuple[int, ...]]:
    """What the segmenter says of each label that may win, (K, h, w), and the labels' ids."""
    posterior, ids = _posterior(estimate, shape)
    full = context.fill and len(scribbles.categories) > 1
    ids = (_category_ids if full else stable_ids)(posterior.argmax(axis=0), ids, context)
    posterior, ids = _with_every(scribbles.categories, *_grouped(posterior, ids))
    return _competing(posterior, ids, context, full=full)


def _posterior(estimate: Estimate, shape: tuple[int, int]) -> tuple[Planes, tuple[int, ...]]:
    """Probabilities of the channels on a plane of this (h, w), and their ids."""
    scores = estimate.scores.softmax(dim=0)
    if device_of(estimate) is not None:
        return np.asarray(on_device.resized(scores, shape).cpu().numpy()), estimate.ids
    probabilities = scores.cpu().numpy()
    shrinks = probabilities.shape[1] > shape[0]
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    planes = [cv2.resize(plane, shape[::-1], interpolation=how) for plane in probabilities]
    return np.stack(planes), estimate.ids


def _grouped(posterior: Planes, ids: tuple[int, ...]) -> tuple[Planes, tuple[int, ...]]:
    """Add up the channels that share an id."""
    kept = tuple(dict.fromkeys(ids))
    if len(kept) == len(ids):
        return posterior, ids
    own = np.array(ids)
    return np.stack([posterior[own == id_].sum(axis=0) for id_ in kept]), kept


def _with_every(
    categories: tuple[int, ...], posterior: Planes, ids: tuple[int, ...]
) -> tuple[Planes, tuple[int, ...]]:
    """Add an empty plane for each scribbled category that the segmenter has no channel for."""
    missing = tuple(category for category in categories if category not in ids)
    if not missing:
        return posterior, ids
    planes = np.zeros((len(missing), *posterior.shape[1:]), np.float32)
    return np.concatenate([posterior, planes]), ids + missing


def _competing(
    posterior: Planes, ids: tuple[int, ...], context: Context, *, full: bool
) -> tuple[Planes, tuple[int, ...]]:
    """Leave out what may not win: locked categories, and clusters where categories fill all."""
    locked = set(present_ids(context.locked)) if context.is_locked else set()
    keep = [i for i, id_ in enumerate(ids) if id_ not in locked and not (full and is_cluster(id_))]
    if not keep:
        return np.ones((1, *posterior.shape[1:]), np.float32), (NOTHING,)
    rest = posterior[keep] + np.float32(1e-6)
    return rest / rest.sum(axis=0), tuple(ids[i] for i in keep)


def _seeds(scribbles: Scribbles, ids: tuple[int, ...], shape: tuple[int, int]) -> Labels:
    """Index into `ids` of what is scribbled at each pixel of a (h, w) plane, -1 elsewhere."""
    return _indices(scribbles.resized(shape).ids, ids)


def _earlier(context: Context, ids: tuple[int, ...]) -> Callable[[tuple[int, int]], Labels] | None:
    """The same of what was shown before, on a plane of any size; None where nobody knows."""
    labels = context.earlier
    if labels is None:
        return None
    if context.corrected is not None and not context.corrected.is_empty:
        edits = _shrunk(context.corrected.ids, (labels.shape[0], labels.shape[1]))
        labels = np.where(edits == UNEDITED, labels, edits)
    known = _indices(labels, ids)
    return lambda shape: _shrunk(known, shape)


def _indices(plane: Labels, ids: tuple[int, ...]) -> Labels:
    """Index into `ids` of each pixel's id, -1 where it has none of them."""
    index = np.full(int(plane.max()) + 1, -1, np.int32)
    for number, id_ in enumerate(ids):
        if NOTHING < id_ < len(index):
            index[id_] = number
    return index[plane]


def _decided(context: Context, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Where a (h, w) plane is locked or corrected by hand."""
    decided = _shrunk(context.locked, shape) > 0
    if context.corrected is not None:
        decided |= _shrunk(context.corrected.ids, shape) != UNEDITED
    return np.asarray(decided)


def _shrunk(plane: Labels, shape: tuple[int, int]) -> Labels:
    return np.asarray(cv2.resize(plane, shape[::-1], interpolation=cv2.INTER_NEAREST))


def _pinned(labels: Labels, scribbles: Scribbles, context: Context) -> Labels:
    """Scribbled pixels have their category, and locked ones theirs above all."""
    for drawn, box in scribbles.parts():
        np.copyto(labels[box], drawn, where=drawn > 0)
    if not context.is_locked:
        return labels
    return np.where(context.locked > 0, context.locked, labels)


def stable_ids(clusters: Labels, ids: tuple[int, ...], context: Context) -> tuple[int, ...]:
    """Ids that people know for the channels that win in `clusters`.

    Parameters
    ----------
    clusters : ndarray, (h, w) int
        Index of the winning channel; may be smaller than the image.
    ids : tuple of int
        What the segmenter calls each channel. Category ids stay as they are.
    context : Context
        Where clusters were named, and the labels before.

    Returns
    -------
    tuple of int
        A cluster that lies mostly where something was named takes that id. The others are matched
        to the clusters before them so that the total overlap is largest (Hungarian method); what
        finds no partner keeps its id where that is free. Those of a trained model keep theirs.
    """
    named = _named_ids(clusters, ids, context)
    if context.is_learned:
        return tuple(named.get(i, id_) for i, id_ in enumerate(ids))
    open_ = [i for i, id_ in enumerate(ids) if is_cluster(id_) and i not in named]
    known = {**named, **_matched(clusters, open_, context.previous)}
    taken = set(known.values()) | set(cluster_ids(context.previous))
    for i in open_:
        if i not in known:
            known[i] = ids[i] if ids[i] not in taken else _next_free(taken)
            taken.add(known[i])
    return tuple(known.get(i, id_) for i, id_ in enumerate(ids))


def _category_ids(clusters: Labels, ids: tuple[int, ...], context: Context) -> tuple[int, ...]:
    """The same where clusters without a name end, so that nobody asks for theirs."""
    named = _named_ids(clusters, ids, context)
    return tuple(named.get(i, id_) for i, id_ in enumerate(ids))


def _named_ids(clusters: Labels, ids: tuple[int, ...], context: Context) -> dict[int, int]:
    if context.named.is_empty:
        return {}
    values, counts = _overlap(clusters, len(ids), context.named.ids)
    sizes = np.maximum(counts.sum(axis=1), 1)
    most = counts.argmax(axis=1)
    return {
        i: int(values[most[i]])
        for i, id_ in enumerate(ids)
        if is_cluster(id_) and values[most[i]] != UNEDITED and 2 * counts[i, most[i]] > sizes[i]
    }


def _matched(clusters: Labels, open_: list[int], previous: Labels) -> dict[int, int]:
    values, counts = _overlap(clusters, int(clusters.max()) + 1, previous)
    before = [j for j, id_ in enumerate(values) if is_cluster(int(id_))]
    rows = [i for i in open_ if i < len(counts)]
    overlap = counts[np.ix_(rows, before)]
    pairs = zip(*scipy.optimize.linear_sum_assignment(overlap, maximize=True), strict=True)
    return {rows[i]: int(values[before[j]]) for i, j in pairs if overlap[i, j] > 0}


def _overlap(clusters: Labels, n: int, plane: Labels) -> tuple[Labels, NDArray[np.int64]]:
    """Values of a plane, and how many pixels each of n clusters shares with each: (n, values)."""
    small = _shrunk(plane, (clusters.shape[0], clusters.shape[1])) - UNEDITED
    n_values = int(small.max()) + 1
    joint = clusters.ravel() * n_values + small.ravel()
    counts = np.bincount(joint, minlength=n * n_values).reshape(n, n_values)
    present = np.flatnonzero(counts.any(axis=0))
    return (present + UNEDITED).astype(np.int32), counts[:, present]


def _next_free(taken: set[int]) -> int:
    return next(i for i in itertools.count(FIRST_CLUSTER) if i not in taken)
