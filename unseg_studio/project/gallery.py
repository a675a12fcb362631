"""The clusters of a trained model over all images of a project: looked at, and named once.

    say what is so    name, merge, split, ignore, undo: one transaction, no image is touched
    all images follow one transaction each: follow (any thread), follow_open (that of the window)

What an image shows is kept beside its labels. So an image that has not followed yet is known as
such, whatever ended the program, and the next call of `follow` goes on there.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from unseg_studio.data import Image, Mosaic, open_image
from unseg_studio.data.boxes import Box, size_of
from unseg_studio.data.image import shown as as_seen
from unseg_studio.features.catalogue import BUNDLED
from unseg_studio.project.cutting import centroids_of, divided, features_of, lead_of, places_of
from unseg_studio.project.entries import ImageEntry
from unseg_studio.project.findings import Finding, areas_of
from unseg_studio.project.naming import Cut, Naming
from unseg_studio.project.project import Project
from unseg_studio.project.proposal import about
from unseg_studio.project.trained import IGNORED, TrainedModel

N_THUMBNAILS = 4
THUMBNAIL = 72
"""Pixels along the side."""

SAMPLE = 32
"""Images that a split is learned from."""

COARSE = 384
"""Longer side of what the place of a thumbnail is looked for on."""

SMALLEST = 48
"""Pixels of the image along the side of a thumbnail, at least."""

DIM = 0.3
"""How bright what is beside the cluster is."""

OUTLINE = 255, 214, 64
"""Colour around the cluster."""

Rgb = NDArray[np.uint8]
T = TypeVar("T")


@dataclass(frozen=True)
class Cluster:
    """One cluster as the gallery lists it.

    Parameters
    ----------
    id : int
        Of the cluster.
    members : tuple of int
        Clusters that are one with it, itself first.
    name : int or None
        Category, `IGNORED`, or None: not named yet.
    share : float
        Of all pixels of all images that the model proposed labels for, 0 to 1.
    images : tuple of int
        Where it is, those first where it covers most.
    doubt : float or None
        Mean doubt of its pixels, 0 to 1; None: not known.
    """

    id: int
    members: tuple[int, ...]
    name: int | None
    share: float
    images: tuple[int, ...]
    doubt: float | None


@dataclass(frozen=True)
class Progress:
    """How far something is.

    Parameters
    ----------
    done, total : int
        Images.
    problem : str
        What is wrong with one of them, in a sentence; empty where nothing is.
    """

    done: int
    total: int
    problem: str = ""


@dataclass(frozen=True, eq=False)
class Thumbnail:
    """A place where a cluster is.

    Parameters
    ----------
    cluster : int
        Its id.
    image : int
        Where.
    rgb : ndarray, (`THUMBNAIL`, `THUMBNAIL`, 3) uint8, or None
        Dark beside the cluster; None: the image cannot be read.
    problem : str
        Why not, in a sentence.
    """

    cluster: int
    image: int
    rgb: Rgb | None
    problem: str = ""


Course = Generator[Progress, None, None]


class Gallery:
    """The clusters of one model.

    Parameters
    ----------
    project : Project
        Where it belongs.
    model : TrainedModel
        Whose clusters.
    """

    def __init__(self, project: Project, model: TrainedModel) -> None:
        self.project, self.model = project, model

    # Look

    @property
    def naming(self) -> Naming:
        """What the clusters are called now."""
        return self.project.trained.naming(self.model.digest)

    def clusters(self) -> tuple[Cluster, ...]:
        """All clusters that occur or have a name, the largest first.

        No image and no label is read: what each image holds was counted when it was proposed.
        """
        naming, found = self.naming, self._found()
        total = max(1, sum(finding.n_pixels for finding in found))
        tallies: dict[int, _Tally] = {id_: _Tally() for id_ in naming.names}
        for finding in found:
            for id_, pixels in finding.areas.items():
                root = naming.root(naming.whole(id_, finding.parts))
                doubt = finding.doubts.get(id_)
                tallies.setdefault(root, _Tally()).count(finding, pixels, doubt)
        rows = [
            Cluster(id_, naming.members(id_), naming.names.get(id_), tally.pixels / total,
                    tally.images, tally.doubt)
            for id_, tally in tallies.items()
        ]  # fmt: skip
        return tuple(sorted(rows, key=lambda row: (-row.share, row.id)))

    @property
    def n_images(self) -> int:
        """Images that the model proposed labels for."""
        return len(self._found())

    def thumbnails(self, clusters: Sequence[Cluster], n: int = N_THUMBNAILS) -> Iterator[Thumbnail]:
        """So many of each cluster, from where it covers most; each image is read once.

        Where an image cannot be read, which is said once, the next one takes its place.
        """
        found = {finding.image: finding for finding in self._found()}
        coming = {row.id: iter(row.images) for row in clusters}
        wanted = {row.id: n for row in clusters}
        members = {row.id: set(row.members) for row in clusters}
        unreadable: set[int] = set()
        while True:
            places: dict[int, list[int]] = {}
            for id_, images in coming.items():
                for image in islice(images, wanted[id_]):
                    places.setdefault(image, []).append(id_)
            if not places:
                return
            wanted = dict.fromkeys(wanted, 0)
            for image, ids in places.items():
                for thumbnail in self._crops(found[image], ids, members):
                    wanted[thumbnail.cluster] += thumbnail.rgb is None
                    if thumbnail.rgb is not None or image not in unreadable:
                        yield thumbnail
                    if thumbnail.rgb is None:
                        unreadable.add(image)

    def _crops(
        self, finding: Finding, ids: Iterable[int], members: dict[int, set[int]]
    ) -> Iterator[Thumbnail]:
        entry, naming = self.project.image(finding.image), self.naming
        try:
            image = _read(entry, finding)
            labels = self.project.found.labels(finding)
        except (ValueError, OSError) as error:
            for id_ in ids:
                yield Thumbnail(id_, finding.image, None, about(entry, str(error)))
            return
        for id_ in ids:
            wanted = _ids_of(naming, finding, members[id_])
            yield Thumbnail(id_, finding.image, crop(image, labels, wanted))

    # Say what is so

    def name(self, clusters: Sequence[int], category: int | None, text: str = "") -> None:
        """Clusters are a category of the project, `IGNORED`, or (None) nothing that has a name."""
        self._keep(self.naming.named(tuple(clusters), category), text or _said(category))

    def merge(self, clusters: Sequence[int]) -> None:
        """Clusters are one from now on: the first of them.

        Raises
        ------
        ValueError
            As `Naming.joined`.
        """
        self._keep(self.naming.joined(tuple(clusters)), "merge clusters")

    def split(self, cluster: int) -> Course:
        """Cut a cluster in two by deep features; the smaller part is a new one without a name.

        Learned from a sample of images. A closed generator is a cancelled split.

        Yields
        ------
        Progress

        Raises
        ------
        ValueError
            If it is too small, or the same everywhere; in a sentence.
        """
        naming = self.naming
        root = naming.root(cluster)
        members = set(naming.members(root))
        held = [row for row in self.clusters() if row.id == root]
        images = spread(held[0].images if held else (), SAMPLE)
        found = {finding.image: finding for finding in self._found()}
        places = []
        for number, image in enumerate(images):
            finding, problem = found[image], ""
            entry = self.project.image(image)
            try:
                features = features_of(_read(entry, finding), BUNDLED)
                labels = self.project.found.labels(finding)
                wanted = _ids_of(naming, finding, members)
                places.append(places_of(features, labels, wanted, seed=number))
            except (ValueError, OSError) as error:
                problem = about(entry, str(error))
            yield Progress(number + 1, len(images), problem)
        centroids = centroids_of(places)
        parts = self.project.trained.new_parts(len(members))
        wholes = (root, *sorted(members - {root}))
        cut = Cut(dict(zip(wholes, parts, strict=True)), centroids, BUNDLED)
        self._keep(naming.divided(cut), "split cluster")

    @property
    def undo_text(self) -> str:
        """What `undo` would take back; empty where there is nothing."""
        return self.project.trained.undo_text(self.model.digest)

    def undo(self) -> None:
        """Take back what was said last; images follow as after everything else."""
        self.project.trained.undo_naming(self.model.digest)

    def _keep(self, naming: Naming, text: str) -> None:
        self.project.trained.keep_naming(self.model.digest, naming, text)

    # Images follow

    def waiting(self, *, accepted: bool = False) -> tuple[Finding, ...]:
        """Images that do not show yet what was said.

        Parameters
        ----------
        accepted : bool
            Whether those that a person has accepted are to follow as well.
        """
        naming = self.naming
        return tuple(
            finding
            for finding in self._found()
            if self._follows(finding, accepted=accepted)
            and (_shown(naming, finding) != _now(finding) or _uncut(naming, finding))
        )

    def _follows(self, finding: Finding, *, accepted: bool) -> bool:
        return accepted or self.project.image(finding.image).status != "done"

    def follow(self, *, accepted: bool = False) -> Course:
        """Bring every image that waits up to date, but for open ones: those `follow_open` brings.

        May run in any thread. A closed generator leaves the rest for the next time.

        Yields
        ------
        Progress
            After each image, with what is wrong with it.
        """
        waiting = self.waiting(accepted=accepted)
        for number, finding in enumerate(waiting):
            entry, problem = self.project.image(finding.image), ""
            try:
                self._follow(finding)
            except (ValueError, OSError) as error:
                if self.project.read_only:
                    raise
                problem = about(entry, str(error))
            yield Progress(number + 1, len(waiting), problem)

    def follow_open(self, *, accepted: bool = False) -> int:
        """Bring the images up to date whose documents are open, in the thread of those.

        Returns
        -------
        int
            How many there were.
        """
        naming, n_open = self.naming, 0
        for image in self.project.open_images:
            finding = self.project.found.one(self.model.digest, image)
            if finding is None or not self._follows(finding, accepted=accepted):
                continue
            shown = _shown(naming, finding)
            if shown != _now(finding):
                self.project.found.follow_open(self.model.digest, finding, shown)
                n_open += 1
        return n_open

    def follow_image(self, image: int) -> None:
        """Bring one image up to date, such as one that was proposed just now.

        Raises
        ------
        ValueError, OSError
            If it has to be cut and cannot be read.
        """
        finding = self.project.found.one(self.model.digest, image)
        if finding is not None:
            self._follow(finding)

    def _follow(self, finding: Finding) -> None:
        naming, digest = self.naming, self.model.digest
        shown = _shown(naming, finding)
        if shown != _now(finding):
            if not self.project.found.follow(digest, finding, shown):
                return
            finding = replace(finding, shown=shown)
        cuts = _uncut(naming, finding)
        if not cuts:
            return
        finding = self._cut(naming, finding, cuts)
        shown = _shown(naming, finding)
        if shown != _now(finding):
            self.project.found.follow(digest, finding, shown)

    def _cut(self, naming: Naming, finding: Finding, cuts: Sequence[Cut]) -> Finding:
        """Divide clusters of an image as others were; every part is shown as before."""
        image = _read(self.project.image(finding.image), finding)
        labels = self.project.found.labels(finding)
        for cut in cuts:
            lead = lead_of(features_of(image, cut.backbone), cut)
            wholes = {id_: naming.whole(id_, finding.parts) for id_ in finding.areas}
            pieces = {id_: cut.parts[whole] for id_, whole in wholes.items() if whole in cut.parts}
            labels = divided(labels, lead, pieces)
            now = _now(finding)
            finding = replace(
                finding,
                areas=areas_of(labels),
                doubts={id_: d for id_, d in finding.doubts.items() if id_ not in pieces},
                parts={**finding.parts, **{part: wholes[id_] for id_, part in pieces.items()}},
                shown={**now, **{part: now[id_] for id_, part in pieces.items()}},
            )
        self.project.found.keep(self.model.digest, finding, labels)
        return finding

    # What there is

    def adopt(self) -> Course:
        """Take up proposals of the model that an earlier version of the program has kept."""
        known = {finding.image for finding in self.project.found.all(self.model.digest)}
        images = sorted(self.project.made_by(self.model.segmenter) - known)
        for number, image in enumerate(images):
            problem = ""
            try:
                self.project.found.adopt(self.model.digest, image)
            except (ValueError, OSError) as error:
                problem = about(self.project.image(image), str(error))
            yield Progress(number + 1, len(images), problem)

    def _found(self) -> tuple[Finding, ...]:
        """What is known of every image that is not rejected."""
        found = self.project.found.all(self.model.digest)
        return tuple(f for f in found if self.project.image(f.image).status != "rejected")


class _Tally:
    """What one cluster has in all images together."""

    def __init__(self) -> None:
        self.pixels = 0
        self._by_image: dict[int, float] = {}
        self._known, self._doubt = 0, 0.0

    def count(self, finding: Finding, pixels: int, doubt: float | None) -> None:
        self.pixels += pixels
        share = pixels / finding.n_pixels
        self._by_image[finding.image] = self._by_image.get(finding.image, 0.0) + share
        if doubt is not None:
            self._known += pixels
            self._doubt += doubt * pixels

    @property
    def images(self) -> tuple[int, ...]:
        return tuple(sorted(self._by_image, key=lambda image: (-self._by_image[image], image)))

    @property
    def doubt(self) -> float | None:
        return self._doubt / self._known if self._known else None


def _said(category: int | None) -> str:
    if category is None:
        return "take names away"
    return "ignore clusters" if category == IGNORED else "name clusters"


def _ids_of(naming: Naming, finding: Finding, members: set[int]) -> set[int]:
    """Ids in the labels of an image that are one of these clusters."""
    return {id_ for id_ in finding.areas if naming.whole(id_, finding.parts) in members}


def _now(finding: Finding) -> dict[int, int]:
    """The id under which each cluster of an image is shown."""
    return {id_: finding.shown.get(id_, id_) for id_ in finding.areas}


def _shown(naming: Naming, finding: Finding) -> dict[int, int]:
    """The id under which each of them is to be shown."""
    return {id_: naming.shown(id_, finding.parts) for id_ in finding.areas}


def _uncut(naming: Naming, finding: Finding) -> tuple[Cut, ...]:
    """Cuts that the labels of an image still lack, in their order."""
    here = {naming.whole(id_, finding.parts) for id_ in finding.areas} | {*finding.parts.values()}
    lacking = []
    for cut in naming.cuts:
        for whole, part in cut.parts.items():
            if whole in here and part not in finding.parts:
                lacking.append(cut)
                here.add(part)
                break
    return tuple(lacking)


def spread(items: Sequence[T], n: int) -> list[T]:
    """So many, from the first to the last."""
    places = np.linspace(0, len(items) - 1, min(n, len(items))).round().astype(int)
    return [items[place] for place in places]


def _read(entry: ImageEntry, finding: Finding) -> Image:
    image = open_image(entry.file, entry.plane)
    if image.shape != finding.shape:
        raise ValueError(
            f"{entry.name} is {image.shape[1]} x {image.shape[0]} px, but its labels were made at "
            f"{finding.shape[1]} x {finding.shape[0]} px. Put the former file back."
        )
    return image


def crop(image: Image, clusters: Mosaic, wanted: set[int]) -> Rgb:
    """The largest place of some clusters in an image, with an outline, dark beside them.

    Returns
    -------
    ndarray, (`THUMBNAIL`, `THUMBNAIL`, 3) uint8
    """
    box = place_of(clusters, wanted)
    height, width = size_of(box)
    step = max(1, min(height, width) // (2 * THUMBNAIL))
    rgb = as_seen(np.ascontiguousarray(image.shrunk(box, step)), image.value_range)
    rgb = np.asarray(cv2.resize(rgb, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA))
    inside = np.isin(clusters.sampled(*_grid(box, (THUMBNAIL, THUMBNAIL))), list(wanted))
    soft = cv2.GaussianBlur(inside.astype(np.float32), (0, 0), 0.7)
    made = np.asarray(np.rint(rgb * (DIM + (1 - DIM) * soft[..., None])), np.uint8)
    around = cv2.dilate(inside.astype(np.uint8), np.ones((3, 3), np.uint8)) > inside
    made[around] = OUTLINE  # dark places of dark images would not stand out
    return made


def place_of(clusters: Mosaic, wanted: set[int]) -> Box:
    """A square around the largest connected place of some clusters, as far as the image goes."""
    shape = clusters.shape
    scale = min(1.0, COARSE / max(shape))
    small = max(1, round(shape[0] * scale)), max(1, round(shape[1] * scale))
    whole = slice(0, shape[0]), slice(0, shape[1])
    mask = np.isin(clusters.sampled(*_grid(whole, small)), list(wanted)).astype(np.uint8)
    _, parts, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=4)
    if len(stats) < 2:  # so small that the coarse look misses it
        return _square((shape[0] / 2, shape[1] / 2), min(shape), shape)
    largest = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
    depth = cv2.distanceTransform(
        np.pad((parts == largest).astype(np.uint8), 1), cv2.DIST_L2, 3
    )[1:-1, 1:-1]  # fmt: skip
    row, col = divmod(int(depth.argmax()), small[1])
    extent = max(stats[largest, cv2.CC_STAT_WIDTH], stats[largest, cv2.CC_STAT_HEIGHT])
    side = min(1.3 * extent, 6 * float(depth[row, col]) + 0.2 * extent) / scale
    return _square(((row + 0.5) / scale, (col + 0.5) / scale), max(SMALLEST, side), shape)


def _square(middle: tuple[float, float], side: float, shape: tuple[int, int]) -> Box:
    length = int(min(side, *shape))
    starts = (
        int(min(max(0, place - length / 2), n - length))
        for place, n in zip(middle, shape, strict=True)
    )
    rows, cols = (slice(start, start + length) for start in starts)
    return rows, cols


def _grid(box: Box, size: tuple[int, int]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows and columns in a rectangle, so many of each."""
    rows, cols = (
        (axis.start + (np.arange(n) + 0.5) * (axis.stop - axis.start) / n).astype(np.intp)
        for axis, n in zip(box, size, strict=True)
    )
    return rows, cols
