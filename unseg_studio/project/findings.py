"""Which cluster of a model each pixel of an image was proposed as, kept beside its document.

Names change what is shown, and two clusters may have one name. What was found stays: so names can
be changed and taken back, and what a cluster covers is known without looking at a pixel.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from unseg_studio.data import NOTHING, Mosaic, Tile
from unseg_studio.data.labels import is_cluster
from unseg_studio.document.packing import mosaic_bytes, mosaic_of
from unseg_studio.project.shelf import required_shape
from unseg_studio.refinement import Uncertainty


@dataclass(frozen=True, eq=False)
class Finding:
    """What is known of the clusters in one image without its pixels.

    Parameters
    ----------
    image : int
        Which image.
    shape : (int, int)
        Its height and width.
    areas : mapping of int to int
        Cluster -> pixels.
    doubts : mapping of int to float
        Cluster -> mean doubt of its pixels, 0 to 1, as far as known.
    parts : mapping of int to int
        Part -> the cluster that it was cut off in these labels.
    shown : mapping of int to int
        Cluster -> the id under which the image followed last.
    """

    image: int
    shape: tuple[int, int]
    areas: Mapping[int, int]
    doubts: Mapping[int, float] = field(default_factory=dict)
    parts: Mapping[int, int] = field(default_factory=dict)
    shown: Mapping[int, int] = field(default_factory=dict)

    @property
    def n_pixels(self) -> int:
        """Of the image."""
        return self.shape[0] * self.shape[1]

    @property
    def text(self) -> str:
        """All but image and shape, as JSON."""
        kinds = {"areas": self.areas, "doubts": self.doubts, "parts": self.parts,
                 "shown": self.shown}  # fmt: skip
        return json.dumps({kind: {str(k): v for k, v in d.items()} for kind, d in kinds.items()})


def clusters_of(proposal: Mosaic) -> Mosaic:
    """The clusters of a proposal that nobody has named yet; `NOTHING` elsewhere."""

    def alone(tile: Tile) -> Tile | None:
        if all(map(is_cluster, tile.palette)):
            return None
        palette = tuple(id_ if is_cluster(id_) else NOTHING for id_ in tile.palette)
        return Tile(palette, tile.pattern)

    return proposal.mapped(alone)


def areas_of(clusters: Mosaic) -> dict[int, int]:
    """Cluster -> pixels."""
    return {id_: pixels for id_, pixels in sorted(clusters.areas.items()) if is_cluster(id_)}


def doubts_of(clusters: Mosaic, uncertainty: Uncertainty | None) -> dict[int, float]:
    """Mean doubt of the pixels of each cluster, 0 to 1; empty where nothing is known.

    Parameters
    ----------
    clusters : Mosaic
        Labels of the whole image.
    uncertainty : Uncertainty or None
        Of the same labels, perhaps of a part of them only.
    """
    if uncertainty is None:
        return {}
    plane = uncertainty.plane
    box = uncertainty.box or (slice(0, clusters.shape[0]), slice(0, clusters.shape[1]))
    rows, cols = (
        (axis.start + (np.arange(n) + 0.5) * (axis.stop - axis.start) / n).astype(np.intp)
        for axis, n in zip(box, plane.shape, strict=True)
    )
    ids, places = np.unique(clusters.sampled(rows, cols), return_inverse=True)
    means = np.bincount(places.ravel(), plane.ravel()) / np.bincount(places.ravel())
    pairs = zip(ids.tolist(), means.tolist(), strict=True)
    return {id_: round(mean, 4) for id_, mean in pairs if is_cluster(id_)}


def put(connection: sqlite3.Connection, model: str, finding: Finding, clusters: Mosaic) -> None:
    """Keep what a model found in an image, in place of what was found there before."""
    connection.execute(
        "INSERT OR REPLACE INTO findings VALUES (?, ?, ?, ?, ?, ?)",
        (finding.image, model, *finding.shape, mosaic_bytes(clusters), finding.text),
    )


def forget(connection: sqlite3.Connection, image: int) -> None:
    """What is proposed for an image now is of no model."""
    connection.execute("DELETE FROM findings WHERE image = ?", (image,))


def tell(connection: sqlite3.Connection, finding: Finding) -> None:
    """Bring what is told of an image up to date; its labels stay."""
    connection.execute(
        "UPDATE findings SET told = ? WHERE image = ?", (finding.text, finding.image)
    )


def all_of(connection: sqlite3.Connection, model: str) -> tuple[Finding, ...]:
    """What a model found in all images, without their labels; those that are damaged left out."""
    query = "SELECT image, height, width, told FROM findings WHERE model = ? ORDER BY image"
    found = (_finding(*row) for row in connection.execute(query, (model,)).fetchall())
    return tuple(finding for finding in found if finding is not None)


def one_of(connection: sqlite3.Connection, model: str, image: int) -> Finding | None:
    """What a model found in one image; None where there is nothing, or it is damaged."""
    query = "SELECT image, height, width, told FROM findings WHERE model = ? AND image = ?"
    row = connection.execute(query, (model, image)).fetchone()
    return None if row is None else _finding(*row)


def labels_of(connection: sqlite3.Connection, finding: Finding) -> Mosaic:
    """The labels themselves.

    Raises
    ------
    DamagedError
        If they cannot be read.
    """
    query = "SELECT labels FROM findings WHERE image = ?"
    (data,) = connection.execute(query, (finding.image,)).fetchone() or (b"",)
    return mosaic_of(bytes(data), finding.shape)


def _finding(image: int, height: object, width: object, told: object) -> Finding | None:
    try:
        shape = required_shape(height, width)
        plain = json.loads(str(told))
        areas, parts, shown = (_numbers(plain[kind], int) for kind in ("areas", "parts", "shown"))
        return Finding(image, shape, areas, _numbers(plain["doubts"], float), parts, shown)
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        return None


def _numbers(plain: Mapping[str, Any], kind: type[Any]) -> dict[int, Any]:
    return {int(id_): kind(value) for id_, value in plain.items()}
