"""What to play with scribbles, and whether it can be played here."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypedDict

from unseg_studio.bench.game import ROUNDS
from unseg_studio.bench.methods import PAPER, Method, methods
from unseg_studio.bench.sets import (
    ALL,
    FITTED_SETS,
    HELD_OUT,
    LARGEST_SIDE,
    Case,
    Manifest,
    cases_of,
    names_of,
    sets_in,
)
from unseg_studio.bench.verdict import MARGINS

OUT = Path("out/bench")

QUICK_IMAGES, QUICK_ROUNDS, QUICK_SIDE = 1, 2, 192
QUICK_LIMIT = 5.0
"""Seconds after which a baseline counts as one that does not return, in a quick run."""


@dataclass(frozen=True)
class Plan:
    """What to play.

    Parameters
    ----------
    data : Path
        The folder of sets.
    out : Path
        Folder for the files.
    sets, methods : tuple of str
        Names; empty: all of them, in a quick run the sets that have a margin and no method that
        is too slow for it.
    images : int or None
        Of each set at most; None: all, in a quick run `QUICK_IMAGES`.
    rounds : int or None
        None: `ROUNDS`, in a quick run `QUICK_ROUNDS`.
    seed : int
        Of every method that draws random numbers.
    device : str
        Where the program's own methods compute, see `resolve_device`.
    quick : bool
        To see that it works, in less than two minutes.
    goes_on : bool
        Keep what an interrupted run in the same folder has played.
    """

    data: Path
    out: Path = OUT
    sets: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    images: int | None = None
    rounds: int | None = None
    seed: int = 0
    device: str = "auto"
    quick: bool = False
    goes_on: bool = False

    @property
    def n_rounds(self) -> int:
        """How many rounds are played."""
        return self.rounds or (QUICK_ROUNDS if self.quick else ROUNDS)

    @property
    def most_images(self) -> int | None:
        """How many images of a set are played."""
        return self.images or (QUICK_IMAGES if self.quick else None)

    @property
    def side(self) -> int:
        """Rows and columns that are kept of an image."""
        return QUICK_SIDE if self.quick else LARGEST_SIDE

    def chosen_sets(self) -> dict[str, Manifest]:
        """Name -> manifest of the sets to play.

        Raises
        ------
        OSError, ValueError
            If the folder holds none, or not one that was asked for.
        """
        known = sets_in(self.data)
        names = self.sets or tuple(known)
        if self.quick and not self.sets:
            names = tuple(name for name in known if name in MARGINS) or names
        return {name: known[name] for name in known_names(names, known, "set")}

    def chosen_methods(self) -> dict[str, Method]:
        """Name -> method to play.

        Raises
        ------
        ValueError
            If there is no method of a name.
        """
        known = methods(seed=self.seed, device=self.device)
        names = self.methods or tuple(known)
        if self.quick and not self.methods:
            names = tuple(name for name in known if name != PAPER)
        chosen = {name: known[name] for name in known_names(names, known, "method")}
        if not self.quick:
            return chosen
        return {name: _hurried(method) for name, method in chosen.items()}

    def matches(self) -> Iterator[tuple[Case, Method]]:
        """Every image with every method that plays it, image by image.

        Raises
        ------
        OSError, ValueError
            If an image or a mask cannot be read.
        """
        chosen = self.chosen_methods().values()
        for manifest in self.chosen_sets().values():
            cases = cases_of(self.data, manifest, **self._which(manifest))
            for number, case in enumerate(cases):
                for method in chosen:
                    if method.most_images is None or number < method.most_images:
                        yield case, method

    def count_matches(self) -> int:
        """How many matches there are, without reading the images."""
        count = 0
        for manifest in self.chosen_sets().values():
            names = names_of(self.data, manifest, **self._which(manifest))
            for method in self.chosen_methods().values():
                count += min(len(names), method.most_images or len(names))
        return count

    def _which(self, manifest: Manifest) -> _Which:
        """Images that nothing was fitted on, and how much of them."""
        among = HELD_OUT if manifest["set"] in FITTED_SETS else ALL
        return {"most": self.most_images, "side": self.side, "among": among}


class _Which(TypedDict):
    """What `cases_of` and `names_of` are told."""

    most: int | None
    side: int
    among: slice


def _hurried(method: Method) -> Method:
    return method if method.is_ours else replace(method, limit=min(method.limit, QUICK_LIMIT))


def known_names(names: tuple[str, ...], known: Iterable[str], kind: str) -> tuple[str, ...]:
    """The names, or a ValueError that lists what is known."""
    for name in names:
        if name not in known:
            raise ValueError(f"Unknown {kind} {name!r}; accepted are {', '.join(known)}.")
    return names


def require_extra(chosen: Iterable[str]) -> None:
    """Say what is missing before anything is played.

    Raises
    ------
    ValueError
        If the plot or a method needs a library that is not installed.
    """
    needed = {"matplotlib": "matplotlib"}
    if "random_forest" in chosen:
        needed["sklearn"] = "scikit-learn"
    missing = [name for module, name in needed.items() if importlib.util.find_spec(module) is None]
    if missing:
        raise ValueError(
            f"The benchmark needs {' and '.join(missing)}, which is not installed; "
            'run: pip install "unseg-studio[bench]"'
        )
