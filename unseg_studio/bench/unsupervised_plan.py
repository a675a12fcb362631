"""What to run without labels, and whether it can be run here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import cv2

from unseg_studio.bench.methods import PAPER
from unseg_studio.bench.outcomes import MEASURES
from unseg_studio.bench.plan import known_names
from unseg_studio.bench.sets import (
    Annotated,
    Manifest,
    annotated_names,
    annotated_of,
    kind_of,
    sets_in,
)
from unseg_studio.bench.unsupervised_methods import Proposer, proposers
from unseg_studio.data import Image

SEEDS, SLOW_IMAGES = 3, 1
"""Where nothing else is asked for."""

QUICK_IMAGES, QUICK_SEEDS, QUICK_SIDE = 1, 1, 192
"""What a quick run makes do with; the longer side is in pixels."""

CSV, QUICK_CSV = "unsupervised.csv", "unsupervised_quick.csv"


@dataclass(frozen=True)
class UnsupervisedPlan:
    """What to run.

    Parameters
    ----------
    data, out : Path
        The folder of sets, and the folder for the file.
    sets, methods : tuple of str
        Names; empty: all of them, in a quick run one set of each kind and no method that is too
        slow for it.
    images : int or None
        Of each set at most; None: all, in a quick run `QUICK_IMAGES`. Nothing was fitted without
        labels, so images that scribbles were fitted on take part.
    seeds : int or None
        Of methods that draw random numbers; None: `SEEDS`, in a quick run `QUICK_SEEDS`.
    slow_images : int
        Of each set at most, for slow methods.
    device : str
        Where the program's own methods compute, see `resolve_device`.
    quick : bool
        To see that it works, in less than a minute.
    goes_on : bool
        Keep what an interrupted run in the same folder has done.
    """

    data: Path
    out: Path
    sets: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    images: int | None = None
    seeds: int | None = None
    slow_images: int = SLOW_IMAGES
    device: str = "auto"
    quick: bool = False
    goes_on: bool = False

    @property
    def csv(self) -> Path:
        """The file."""
        return self.out / (QUICK_CSV if self.quick else CSV)

    @property
    def most_images(self) -> int | None:
        """How many images of a set are run."""
        return self.images or (QUICK_IMAGES if self.quick else None)

    @property
    def side(self) -> int | None:
        """Pixels to which the longer side of an image is brought down; None: images stay."""
        return QUICK_SIDE if self.quick else None

    def seeds_of(self, proposer: Proposer) -> range:
        """One where nothing is drawn."""
        most = self.seeds or (QUICK_SEEDS if self.quick else SEEDS)
        return range(most if proposer.draws else 1)

    def chosen_sets(self) -> dict[str, Manifest]:
        """Name -> manifest of the sets to run.

        Raises
        ------
        OSError, ValueError
            If the folder holds none that can be scored, or not one that was asked for.
        """
        known = {
            name: manifest
            for name, manifest in sets_in(self.data).items()
            if kind_of(manifest) in MEASURES
        }
        if not known:
            raise FileNotFoundError(
                f"{self.data} holds no set that can be scored without labels; accepted are sets "
                f"whose MANIFEST.json says one of these as its `kind`: {', '.join(MEASURES)}."
            )
        names = self.sets or tuple(_one_of_each_kind(known) if self.quick else known)
        return {name: known[name] for name in known_names(names, known, "set")}

    def chosen_methods(self) -> dict[str, Proposer]:
        """Name -> method to run.

        Raises
        ------
        ValueError
            If there is no method of a name.
        """
        known = proposers(self.device)
        names = self.methods or tuple(n for n in known if not (self.quick and n == PAPER))
        return {name: known[name] for name in known_names(names, known, "method")}

    def matches(self) -> Iterator[tuple[Annotated, str, Proposer, int]]:
        """Every image with the kind of its set, every method that runs on it, and every seed.

        Raises
        ------
        OSError, ValueError
            If an image or a mask cannot be read.
        """
        chosen = self.chosen_methods().values()
        for manifest in self.chosen_sets().values():
            cases = annotated_of(self.data, manifest, most=self.most_images)
            for number, case in enumerate(_shrunk(case, self.side) for case in cases):
                for proposer in chosen:
                    if not proposer.is_slow or number < self.slow_images:
                        for seed in self.seeds_of(proposer):
                            yield case, kind_of(manifest), proposer, seed

    def count_matches(self) -> int:
        """How many matches there are, without reading the images."""
        count = 0
        for manifest in self.chosen_sets().values():
            n_images = len(annotated_names(self.data, manifest, most=self.most_images))
            for proposer in self.chosen_methods().values():
                most = min(n_images, self.slow_images) if proposer.is_slow else n_images
                count += most * len(self.seeds_of(proposer))
        return count


def _one_of_each_kind(sets: dict[str, Manifest]) -> list[str]:
    kinds = [kind_of(manifest) for manifest in sets.values()]
    return [name for i, name in enumerate(sets) if kinds[i] not in kinds[:i]]


def _shrunk(case: Annotated, side: int | None) -> Annotated:
    """The image and its annotations with no side longer than that."""
    scale = 1.0 if side is None else side / max(case.image.shape)
    if scale >= 1:
        return case
    height, width = (max(2, round(extent * scale)) for extent in case.image.shape)
    pixels = cv2.resize(case.image.rgb, (width, height), interpolation=cv2.INTER_AREA)
    annotations = (
        cv2.resize(plane, (width, height), interpolation=cv2.INTER_NEAREST)
        for plane in case.annotations
    )
    return replace(case, image=Image.of(pixels), annotations=tuple(annotations))
