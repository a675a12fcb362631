"""What a project calls the clusters of a model: names, clusters that are one, clusters cut in two.

    id of the model -> part of it, by the cuts -> the cluster that it is merged into -> its category

A naming never looks at an image. What it says of labels is kept beside them (`findings`), so that
images follow a naming later, one by one, whatever ends the program between two of them.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unseg_studio.data import FIRST_CLUSTER, NOTHING, UNEDITED, Edits, Mosaic, Tile
from unseg_studio.data.category import MAX_CATEGORY
from unseg_studio.data.labels import is_cluster
from unseg_studio.document import State

IGNORED = NOTHING
"""In place of a category: the cluster is nothing."""

FIRST_PART = FIRST_CLUSTER + 10_000
"""Ids of parts that were cut off for a whole project begin here, beyond those of any method."""


@dataclass(frozen=True, eq=False)
class Cut:
    """How clusters are divided wherever they occur.

    Parameters
    ----------
    parts : mapping of int to int
        Cluster -> what its second part becomes. Clusters that are one are cut alike.
    centroids : ndarray, (2, D) float32
        Of the deep features: a place belongs to the part whose centroid is closer.
    backbone : str
        Whose features.
    """

    parts: Mapping[int, int]
    centroids: NDArray[np.float32]
    backbone: str


@dataclass(frozen=True, eq=False)
class Naming:
    """What a project calls the clusters of one model.

    Parameters
    ----------
    names : mapping of int to int
        Cluster -> category, or `IGNORED`.
    merged : mapping of int to int
        Cluster -> the one that it is a part of from now on.
    cuts : tuple of Cut
        In the order in which they were made.
    """

    names: Mapping[int, int] = field(default_factory=dict)
    merged: Mapping[int, int] = field(default_factory=dict)
    cuts: tuple[Cut, ...] = ()

    @property
    def parts(self) -> dict[int, int]:
        """Part -> the cluster that it was cut off."""
        return {part: whole for cut in self.cuts for whole, part in cut.parts.items()}

    def whole(self, id_: int, parts: Mapping[int, int]) -> int:
        """The cluster itself, where it is a part by a cut that was taken back.

        Parameters
        ----------
        id_ : int
            A cluster in the labels of an image.
        parts : mapping of int to int
            What was cut off in that image, as `Naming.parts`.
        """
        own = self.parts
        while id_ in parts and id_ not in own:
            id_ = parts[id_]
        return id_

    def root(self, id_: int) -> int:
        """The cluster that this one is merged into, or itself."""
        seen = {id_}
        while (above := self.merged.get(id_, id_)) not in seen:  # a file may say anything
            seen.add(above)
            id_ = above
        return id_

    def shown(self, id_: int, parts: Mapping[int, int] | None = None) -> int:
        """The id under which a cluster is shown; `parts` as for `whole`."""
        root = self.root(self.whole(id_, parts or {}))
        return self.names.get(root, root)

    def members(self, root: int) -> tuple[int, ...]:
        """All clusters that are this one now, itself first."""
        return (root, *sorted(id_ for id_ in self.merged if self.root(id_) == root != id_))

    # Other namings

    def named(self, clusters: tuple[int, ...], category: int | None) -> Naming:
        """Clusters with a category, `IGNORED`, or None: without a name."""
        roots = {self.root(id_) for id_ in clusters}
        names = {id_: name for id_, name in self.names.items() if id_ not in roots}
        if category is not None:
            names |= dict.fromkeys(sorted(roots), category)
        return replace(self, names=names)

    def joined(self, clusters: tuple[int, ...]) -> Naming:
        """Clusters that are the first of them from now on; it takes the name that one of them has.

        Raises
        ------
        ValueError
            If fewer than two are given, or they have different names.
        """
        roots = tuple(dict.fromkeys(self.root(id_) for id_ in clusters))
        if len(roots) < 2:
            raise ValueError("Merging takes two clusters; select another one as well.")
        names = {self.names[root] for root in roots if root in self.names}
        if len(names) > 1:
            raise ValueError(
                "These clusters have different names, so it is not clear what the merged one is. "
                "Give them the same name instead."
            )
        merged = {**self.merged, **dict.fromkeys(roots[1:], roots[0])}
        kept = {id_: name for id_, name in self.names.items() if id_ not in roots}
        return replace(self, merged=merged, names={**kept, **dict(zip(roots, names, strict=False))})

    def divided(self, cut: Cut) -> Naming:
        """A cluster in two: its second part is a new cluster without a name."""
        first, *others = cut.parts.values()
        merged = {**self.merged, **dict.fromkeys(others, first)}
        return replace(self, merged=merged, cuts=(*self.cuts, cut))

    # As text

    def to_text(self) -> str:
        """As JSON."""
        cuts = [
            {
                "parts": _plain(cut.parts),
                "centroids": base64.b64encode(cut.centroids.astype("<f4").tobytes()).decode(),
                "backbone": cut.backbone,
            }
            for cut in self.cuts
        ]
        plain = {"names": _plain(self.names), "merged": _plain(self.merged), "cuts": cuts}
        return json.dumps(plain)

    @classmethod
    def of_text(cls, text: str) -> Naming:
        """The naming again; what a damaged file says beyond that is left out."""
        try:
            plain = json.loads(text)
            cuts = tuple(_cut(cut) for cut in plain["cuts"])
            names = {id_: n for id_, n in _ids(plain["names"]).items() if n <= MAX_CATEGORY}
            return cls(names, _ids(plain["merged"]), cuts)
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
            return cls()


def _plain(ids: Mapping[int, int]) -> dict[str, int]:
    return {str(id_): other for id_, other in ids.items()}


def _ids(plain: Mapping[str, Any]) -> dict[int, int]:
    return {int(id_): max(0, int(other)) for id_, other in plain.items()}


def _cut(plain: Mapping[str, Any]) -> Cut:
    centroids = np.frombuffer(base64.b64decode(plain["centroids"]), "<f4").reshape(2, -1)
    return Cut(_ids(plain["parts"]), centroids.astype(np.float32), str(plain["backbone"]))


# Labels that follow


def following(
    state: State, clusters: Mosaic, before: Mapping[int, int], after: Mapping[int, int]
) -> State:
    """The state of an image once clusters are shown under other ids.

    Only labels of the engine change, and only where they still are what they were: scribbles,
    corrections, categories that are locked, and categories that were scribbled in this image stay.

    Parameters
    ----------
    state : State
        Of the image.
    clusters : Mosaic
        Which cluster of the model each pixel was proposed as.
    before, after : mapping of int to int
        Cluster -> the id under which it was shown, and is to be shown.
    """
    kept = state.locks | set(state.scribbles.categories)
    moves = {
        id_: (before[id_], new)
        for id_, new in after.items()
        if before[id_] != new and not kept & {before[id_], new}
    }
    if not moves:
        return state

    def proposed(live: Tile, found: Tile) -> Tile | None:
        made = live
        for id_, (old, new) in moves.items():
            if found.holds(id_) and live.holds(old):
                made = made.marked(found.mask_of(id_) & live.mask_of(old), new)
        return None if made is live else made

    def named(names: Tile, live: Tile, found: Tile) -> Tile | None:
        made = names
        for id_, (old, new) in moves.items():
            if not found.holds(id_):
                continue
            place = found.mask_of(id_) & (live.mask_of(old) | names.mask_of(old))
            made = made.marked(place, UNEDITED if new == id_ or is_part(new) else new)
        return None if made is names else made

    return state.changed(
        proposal=state.proposal.mapped(proposed, clusters),
        named=Edits(state.named.mosaic.mapped(named, state.proposal, clusters)),
        uncertainty=_doubt(state, set(moves.values())),
    )


def is_part(id_: int) -> bool:
    """Say whether a cluster was cut off another one for a whole project."""
    return id_ >= FIRST_PART


def _doubt(state: State, moves: set[tuple[int, int]]) -> Any:
    """Between clusters that are one now, nothing is in doubt."""
    doubt = state.uncertainty
    for old, new in sorted(moves):
        if doubt is not None and is_cluster(old):
            doubt = doubt.renamed(old, new)
    return doubt
