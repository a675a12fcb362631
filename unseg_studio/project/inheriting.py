"""Names of clusters go on to another model of the project: to those that overlap most.

    both models judge a sample of images -> overlap of every pair of clusters
    -> pairs, so that the total overlap is largest -> names of those that overlap enough

Nothing is proposed anew for this, so it works as soon as a model is trained, and for any two.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass

import cv2
import numpy as np
import scipy  # its parts are loaded where they are used, which no window waits for
from numpy.typing import NDArray

from unseg_studio.data import FIRST_CLUSTER, Image, is_large, open_image
from unseg_studio.data.image import shown
from unseg_studio.features.lazy_torch import torch
from unseg_studio.project.cutting import LOOK, features_of, lead_of
from unseg_studio.project.gallery import Progress, spread
from unseg_studio.project.naming import Naming
from unseg_studio.project.project import Project
from unseg_studio.project.proposal import about
from unseg_studio.project.trained import TrainedModel
from unseg_studio.segmenters import resolve_device
from unseg_studio.segmenters.training import Trainable

SAMPLE = 24
"""Images that both models judge."""

LEAST = 0.25
"""Overlap (intersection over union) from which on a name goes on.

Two clusters of one size have it when they share two fifths of their pixels. A wrong name costs
more than none: it is in all images, and a cluster without one stands out in the gallery. Measured
with three trainings of multilevel clustering on 16 street images, by the class that most pixels of
a cluster have: of 10 pairs above this, 8 had the same class, of 2 below it, 1."""

Ids = NDArray[np.int32]


@dataclass(frozen=True)
class Inherited:
    """What became of the names of a model.

    Parameters
    ----------
    names : mapping of int to int
        Cluster of the new model -> category, or `IGNORED`.
    overlaps : mapping of int to float
        The same clusters -> how much they overlap the one that had the name, 0 to 1.
    gone : tuple of int
        Clusters of the old model that had a name and have nobody who takes it.
    """

    names: Mapping[int, int]
    overlaps: Mapping[int, float]
    gone: tuple[int, ...]


def heirs(
    project: Project, old: TrainedModel, new: TrainedModel, *, device: str = "auto"
) -> Generator[Progress, None, Inherited]:
    """Which clusters of a model get the names of another one's.

    Parameters
    ----------
    project : Project
        Both belong to it.
    old, new : TrainedModel
        Whose names, and for whom.
    device : str
        See `resolve_device`.

    Yields
    ------
    Progress
        After each image of the sample, with what is wrong with it.

    Raises
    ------
    ValueError
        If a model is damaged, or no image can be read.
    """
    naming = project.trained.naming(old.digest)
    judges = _judge(project, old, device), _judge(project, new, device)
    entries = [entry for entry in project.images() if entry.status != "rejected"]
    sample = spread(entries, SAMPLE)
    shares: dict[tuple[int, int], float] = {}
    for number, entry in enumerate(sample):
        problem = ""
        try:
            image = open_image(entry.file, entry.plane)
            one, other = (judge(image) for judge in judges)
            _add(shares, _rooted(one, image, naming), other)
        except (ValueError, OSError) as error:
            problem = about(entry, str(error))
        yield Progress(number + 1, len(sample), problem)
    if not shares:
        raise ValueError(
            f"None of {len(sample)} images can be read, so the names of {old.name!r} cannot go on. "
            "File > Find missing images looks for them elsewhere."
        )
    return paired(shares, naming.names)


def paired(shares: Mapping[tuple[int, int], float], names: Mapping[int, int]) -> Inherited:
    """Give names to those that overlap most (Hungarian method), where that is enough.

    Clusters without a name take part: what is theirs is not given to the second best.

    Parameters
    ----------
    shares : mapping of (int, int) to float
        Old and new cluster -> what they share, in any unit.
    names : mapping of int to int
        Of old clusters.
    """
    old, new = (sorted({pair[side] for pair in shares}) for side in (0, 1))
    joint = np.array([[shares.get((i, j), 0.0) for j in new] for i in old])
    overlap = joint / (joint.sum(axis=1)[:, None] + joint.sum(axis=0) - joint)
    rows, cols = scipy.optimize.linear_sum_assignment(overlap, maximize=True)
    pairs = [(old[i], new[j], float(overlap[i, j])) for i, j in zip(rows, cols, strict=True)]
    kept = [pair for pair in pairs if pair[0] in names and pair[2] >= LEAST]
    return Inherited(
        {heir: names[id_] for id_, heir, _ in kept},
        {heir: round(shared, 3) for _, heir, shared in kept},
        tuple(sorted(names.keys() - {id_ for id_, _, _ in kept})),
    )


def _judge(project: Project, trained: TrainedModel, device: str) -> Callable[[Image], Ids]:
    """Labels of an image by a model, (h, w), coarse, ids from `FIRST_CLUSTER` up."""
    segmenter = trained.segmenter
    if not isinstance(segmenter, Trainable):
        raise ValueError(f"{segmenter.title} learns nothing from images, so it has no clusters.")
    scorer = segmenter.scorer(project.trained.model(trained.digest), resolve_device(device))

    def judged(image: Image) -> Ids:
        with torch.no_grad():
            winners = scorer(_rgb(image)).argmax(dim=0).cpu().numpy()
        return np.asarray(winners + FIRST_CLUSTER, np.int32)

    return judged


def _rgb(image: Image) -> NDArray[np.uint8]:
    if not is_large(image.shape):
        return image.rgb
    whole = slice(0, image.shape[0]), slice(0, image.shape[1])
    return shown(image.shrunk(whole, -(-max(image.shape) // LOOK)), image.value_range)


def _rooted(ids: Ids, image: Image, naming: Naming) -> Ids:
    """Clusters as the gallery has them: cut where they were cut, merged where they are one."""
    for cut in naming.cuts:
        if not np.isin(ids, list(cut.parts)).any():
            continue
        lead = lead_of(features_of(image, cut.backbone), cut)
        second = cv2.resize(lead, ids.shape[::-1], interpolation=cv2.INTER_LINEAR) > 0
        pieces = np.vectorize(lambda id_, parts=cut.parts: parts.get(id_, id_), otypes=[np.int32])
        ids = np.where(second, pieces(ids), ids)
    known, places = np.unique(ids, return_inverse=True)
    roots = np.array([naming.root(id_) for id_ in known.tolist()], np.int32)
    return np.asarray(roots[places].reshape(ids.shape))


def _add(shares: dict[tuple[int, int], float], one: Ids, other: Ids) -> None:
    """Count what two label maps of an image share; each image counts alike."""
    shape = max(one.shape, other.shape)
    pair = [cv2.resize(ids, shape[::-1], interpolation=cv2.INTER_NEAREST) for ids in (one, other)]
    both, counts = np.unique(np.stack(pair).reshape(2, -1), axis=1, return_counts=True)
    for old, new, pixels in zip(*both.tolist(), counts.tolist(), strict=True):
        shares[old, new] = shares.get((old, new), 0.0) + pixels / pair[0].size


def inherit(
    project: Project, old: TrainedModel, new: TrainedModel, *, device: str = "auto"
) -> Generator[Progress, None, Inherited]:
    """Give the names of a model to the clusters of another one that have none yet; one step.

    Parameters and errors as for `heirs`.
    """
    inherited = yield from heirs(project, old, new, device=device)
    naming = project.trained.naming(new.digest)
    names = {id_: name for id_, name in inherited.names.items() if naming.root(id_) == id_}
    fresh = {id_: name for id_, name in names.items() if id_ not in naming.names}
    if fresh:
        known = Naming({**naming.names, **fresh}, naming.merged, naming.cuts)
        project.trained.keep_naming(new.digest, known, f"take names of {old.name}")
    return inherited


def ancestor(project: Project, new: TrainedModel) -> TrainedModel | None:
    """The newest other model whose clusters have names, of the same method where there is one."""
    others = [m for m in project.trained.all() if m.digest != new.digest]
    named = [model for model in others if project.trained.naming(model.digest).names]
    own = [model for model in named if model.method == new.method]
    return next(reversed(own or named), None)
