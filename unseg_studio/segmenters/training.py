"""Learning from many images: one protocol, and the loop that every method shares.

    for step in segmenter.train(images):    # close the iterator to cancel
        step.loss, step.score, step.previews
    trained = step.segmenter                # fit(image) is one forward pass now

A method says how to take one step (`Learner`) and how to judge an image by what it has learned
(`Scorer`). The loop reads images when they are needed and leaves out those that cannot be read,
looks at the score without labels, keeps the best, stops when it rests, and makes models to go on
from.
"""

from __future__ import annotations

import hashlib
import logging
from collections import OrderedDict
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, fields, replace
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from unseg_studio.data import FIRST_CLUSTER, Image
from unseg_studio.features.augment import Photometry, Rgb
from unseg_studio.features.devices import (
    DeviceError,
    Place,
    cpu,
    is_part,
    make_room,
    place_of,
    working,
)
from unseg_studio.features.lazy_torch import torch
from unseg_studio.features.turns import turn
from unseg_studio.segmenters.base import Segmenter
from unseg_studio.segmenters.models import Model, keep
from unseg_studio.segmenters.peers import Joining, Peers, peers_here
from unseg_studio.version import versions

log = logging.getLogger(__name__)

N_LOOKS, LEAST_APART = 20, 4
"""How often a training looks at its score, at most, and so many steps from look to look at least:
on few images a look takes longer than a step."""

N_SCORED, N_PREVIEWS = 8, 6
"""Images that the score is taken of, and that are shown."""

ENOUGH, REST = 1e-3, 6
"""A score that rises by less than this for so many looks rests."""

KEPT_BYTES = 128 * 2**20
"""Of images in memory."""

BEST = "best."
"""Before the names of the tensors of the best moment in a model to go on from."""

TRAINING = "training."
"""Before the names of tensors that only matter for going on."""

Tensors = Mapping[str, "torch.Tensor"]


class Scorer(Protocol):
    """Judges an image by what was learned."""

    def __call__(self, rgb: Rgb) -> torch.Tensor:
        """Unnormalised log-probabilities of the clusters of an (H, W, 3) image, (K, h, w)."""
        ...


class Learner(Protocol):
    """One method at work on an album; what it draws by chance depends on seed and step alone."""

    total: int
    """Steps that it wants to take."""

    def step(self, number: int) -> float:
        """Take a step, the first of which is 0; its loss, NaN where there is none."""
        ...

    def tensors(self) -> Tensors:
        """All that it has learned; what only matters for going on begins with `TRAINING`."""
        ...

    def recall(self, tensors: Tensors) -> None:
        """Go back to what `tensors` gave.

        Raises
        ------
        KeyError, RuntimeError
            If they are those of another network.
        """
        ...

    def scorer(self) -> Scorer:
        """Judges by what is known now."""
        ...


@dataclass(frozen=True, eq=False)
class Preview:
    """What a model in training makes of one image.

    Parameters
    ----------
    index : int
        Which image.
    labels : ndarray, (h, w) int32
        Cluster ids from `FIRST_CLUSTER` up, coarse.
    """

    index: int
    labels: NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class TrainingStep:
    """How far a training has come.

    Parameters
    ----------
    step, total : int
        Steps taken, and the most that there will be.
    loss : float
        Value of the objective, NaN where there is none.
    score : float
        Agreement of two views of the same images, 0 to 1, when it was last looked at; see
        `agreement`. NaN before.
    previews : tuple of Preview
        New ones, empty where there are none.
    model : Model or None
        Something to go on from, now and then.
    skipped : tuple of str
        What is wrong with images that could not be read, so far.
    segmenter : Segmenter or None
        The trained one, with the last step.
    note : str
        What the person should know of how it goes on, in a sentence; mostly empty.
    """

    step: int
    total: int
    loss: float
    score: float = float("nan")
    previews: tuple[Preview, ...] = ()
    model: Model | None = None
    skipped: tuple[str, ...] = ()
    segmenter: Segmenter | None = None
    note: str = ""

    @property
    def is_last(self) -> bool:
        """Nothing follows."""
        return self.segmenter is not None


@runtime_checkable
class Trainable(Segmenter, Protocol):
    """A segmenter that learns from many images."""

    @property
    def model(self) -> str:
        """Digest of what it has learned; empty: nothing yet, so `fit` learns from one image."""
        ...

    @property
    def seed(self) -> int:
        """Of everything that is drawn by chance."""
        ...

    def train(
        self, images: Sequence[Image], device: str = "auto", *, start: Model | None = None
    ) -> Iterator[TrainingStep]:
        """Learn from images; a closed iterator is a cancelled training.

        Parameters
        ----------
        images : sequence of Image
            Asked for one by one, so they may be read on the way; one that raises ValueError or
            OSError is left out.
        device : str
            See `resolve_device`.
        start : Model or None
            Of an earlier step, to go on from.

        Yields
        ------
        TrainingStep

        Raises
        ------
        ValueError
            If no image can be read, or `start` belongs to another method.
        """
        ...

    def scorer(self, model: Model, device: torch.device) -> Scorer:
        """Judges images by a model.

        Raises
        ------
        ValueError
            If the model is of another method or damaged.
        """
        ...


class Album:
    """Images that are read when they are needed; those that cannot be read are left out.

    Parameters
    ----------
    images : sequence of Image
        See `Trainable.train`.
    """

    def __init__(self, images: Sequence[Image]) -> None:
        self._images = images
        self._kept: OrderedDict[int, Rgb] = OrderedDict()
        self._n_bytes = 0
        self._digests: dict[int, bytes] = {}
        self.skipped: dict[int, str] = {}
        if not len(images):
            raise ValueError("There is no image to learn from; add some.")

    def __len__(self) -> int:
        """How many there are, with those that cannot be read."""
        return len(self._images)

    @property
    def digest(self) -> str:
        """Tells these images from others, as far as they were read."""
        told = hashlib.sha256()
        for index in sorted(self._digests):
            told.update(self._digests[index])
        return told.hexdigest()

    def rgb(self, index: int) -> Rgb | None:
        """An image as people see it, (H, W, 3); None where it cannot be read."""
        if index in self.skipped:
            return None
        if index in self._kept:
            self._kept.move_to_end(index)
            return self._kept[index]
        try:
            rgb = self._images[index].rgb
        except (ValueError, OSError) as error:
            self.skipped[index] = str(error)
            return None
        self._digests.setdefault(index, hashlib.sha256(rgb.tobytes()).digest())
        self._remember(index, rgb)
        return rgb

    def _remember(self, index: int, rgb: Rgb) -> None:
        self._kept[index] = rgb
        self._n_bytes += rgb.nbytes
        while self._n_bytes > KEPT_BYTES and len(self._kept) > 1:
            self._n_bytes -= self._kept.popitem(last=False)[1].nbytes

    def drawn(self, n: int, random: np.random.Generator) -> list[tuple[int, Rgb]]:
        """Images by chance with their places, each at most once; fewer where there are not so many.

        Raises
        ------
        ValueError
            If none can be read.
        """
        return self._first_of(random.permutation(len(self)).tolist(), n)

    def spread(self, n: int) -> list[tuple[int, Rgb]]:
        """So many from the first to the last, as `drawn`."""
        places = np.linspace(0, len(self) - 1, min(n, len(self))).round().astype(int).tolist()
        rest = [place for place in range(len(self)) if place not in set(places)]
        return sorted(self._first_of([*places, *rest], n), key=lambda found: found[0])

    def _first_of(self, places: Sequence[int], n: int) -> list[tuple[int, Rgb]]:
        found = ((place, self.rgb(place)) for place in places)
        read: list[tuple[int, Rgb]] = []
        for place, rgb in found:
            if rgb is not None:
                read.append((place, rgb))
            if len(read) == n:
                break
        if not read:
            first = next(iter(self.skipped.values()))
            raise ValueError(f"None of the {len(self)} images can be read. The first: {first}")
        return read


def agreement(one: torch.Tensor, other: torch.Tensor) -> float:
    """How much two views of the same places say of each other, without any labels.

    Mutual information of the clusters of a place in both views, as a share of the most that there
    can be (X. Ji, J. F. Henriques, A. Vedaldi, "Invariant Information Clustering for Unsupervised
    Image Classification and Segmentation", ICCV 2019, eq. 3). One cluster for everything says
    nothing, and so do clusters that change with the light.

    Parameters
    ----------
    one, other : Tensor, (N, K) float32
        Probabilities of the clusters of N places in each of the views.

    Returns
    -------
    float
        0 to 1.
    """
    joint = one.double().T @ other.double() / len(one)
    joint = (joint + joint.T) / 2
    apart = joint.sum(dim=1, keepdim=True) * joint.sum(dim=0, keepdim=True)
    told = joint > 0
    information = (joint[told] * (joint[told] / apart[told]).log()).sum()
    return float(information / np.log(max(2, one.shape[1])))


@dataclass(frozen=True, eq=False)
class Watch:
    """The images by which a training is followed.

    Parameters
    ----------
    views : tuple of (ndarray, ndarray)
        Two looks of the same images, (H, W, 3) each.
    shown : tuple of (int, ndarray)
        Images for previews with their places.
    """

    views: tuple[tuple[Rgb, Rgb], ...]
    shown: tuple[tuple[int, Rgb], ...]

    @classmethod
    def over(cls, album: Album, seed: int) -> Self:
        """Over some of an album."""
        random = np.random.default_rng(seed)
        views = tuple(
            (Photometry.drawn(random).of(rgb), Photometry.drawn(random).of(rgb))
            for _, rgb in album.spread(N_SCORED)
        )
        return cls(views, tuple(album.spread(N_PREVIEWS)))

    def score(self, scorer: Scorer) -> float:
        """See `agreement`; of what wins, for no method has the same idea of how sure it is."""
        pairs = [(_winners(scorer(one)), _winners(scorer(other))) for one, other in self.views]
        ones, others = (torch.cat(winners) for winners in zip(*pairs, strict=True))
        return agreement(ones, others)

    def previews(self, scorer: Scorer) -> tuple[Preview, ...]:
        """What the scorer makes of the images that are shown."""
        return tuple(Preview(place, _labels(scorer(rgb))) for place, rgb in self.shown)


def _winners(scores: torch.Tensor) -> torch.Tensor:
    n_clusters = scores.shape[0]
    winners = scores.flatten(1).argmax(dim=0)
    return torch.nn.functional.one_hot(winners, n_clusters).float().cpu()


def _labels(scores: torch.Tensor) -> NDArray[np.int32]:
    return (scores.argmax(dim=0).cpu().numpy() + FIRST_CLUSTER).astype(np.int32)


Make = Callable[[Album, "torch.device"], Learner]
"""Makes the learner of a method."""


def train(
    segmenter: Trainable,
    make: Make,
    images: Sequence[Image],
    device: str,
    *,
    start: Model | None = None,
) -> Iterator[TrainingStep]:
    """The loop that every method shares, and all `Peers` of a training; see `Trainable.train`.

    Where its device fails, a training goes on from its last model: at first there, with less in
    memory, and then on the CPU. Half the resolution would be another training. Several processes
    end instead, since each of them waits for the others; so does a training that is a part of a run
    on one image, which goes on as runs do.
    """
    peers = peers_here()
    peers.meet()  # all have read `start`, wherever it is from, before anything is written
    album, place = Album(images), place_of(device)
    if start is not None:
        require_method(segmenter, start)
    note, newest, made_room = "", start, False
    while True:
        course = _course(segmenter, make, album, place, newest)
        try:
            while (step := _next(course, place)) is not None:
                newest = step.model or newest
                yield replace(step, note=note) if note else step
        except DeviceError as error:
            if peers.n > 1 or is_part():
                raise
            course.close()
            make_room(place)
            stays = error.trouble == "full" and not made_room
            made_room = True
            place = place if stays else cpu(str(error))
            note = f"{error} It goes on from its last model {'there' if stays else 'on the CPU'}."
            log.warning(note)
        else:
            return


def _next(course: Iterator[TrainingStep], place: Place) -> TrainingStep | None:
    alone = peers_here().n == 1  # whoever waits for another one's step must not hold the turn
    with turn(place) if alone else nullcontext(), working("training", place):
        return next(course, None)


def _course(
    segmenter: Trainable, make: Make, album: Album, place: Place, start: Model | None
) -> Generator[TrainingStep, None, None]:
    """A training on one place, from a model on."""
    peers, learner = peers_here(), make(album, place.torch_device)
    _join(learner, peers, segmenter.title)
    course = _Course(segmenter, album, learner, peers)
    if start is not None:
        course.go_on(start)
    yield from course.steps()


def _join(learner: Learner, peers: Peers, title: str) -> None:
    if peers.n > 1 and not isinstance(learner, Joining):
        raise ValueError(f"{title} learns in one process. Start it without torchrun.")
    if peers.n > 1 and isinstance(learner, Joining):
        learner.join(peers)


def require_method(segmenter: Segmenter, model: Model) -> None:
    """Raise ValueError, in a sentence, where a model belongs to another method."""
    if model.method != segmenter.name:
        raise ValueError(
            f"This model was learned by {model.method}, and {segmenter.name} cannot use it. "
            f"Choose {model.method}, or another model."
        )


class _Course:
    """One training from its first step to its last."""

    def __init__(self, segmenter: Trainable, album: Album, learner: Learner, peers: Peers) -> None:
        self._segmenter, self._album, self._learner = segmenter, album, learner
        self._peers = peers
        self._watch = Watch.over(album, segmenter.seed)
        self._n_done, self._n_quiet = 0, 0
        self._score = self._best_score = float("nan")
        self._best: Tensors = {}
        self._looked_at: Tensors = {}
        self._loss = float("nan")

    def go_on(self, start: Model) -> None:
        """Take up what an earlier training left."""
        best = _only(start.tensors, BEST)
        if not best and len(_trained(start.tensors)) == len(start.tensors):
            raise ValueError("The training of this model has ended; begin a new one.")
        try:
            self._learner.recall(_without(start.tensors, BEST))
            self._n_done, self._n_quiet = (int(start.facts[key]) for key in ("n_steps", "n_quiet"))
            self._score = self._best_score = float(start.facts["score"])
        except (KeyError, RuntimeError, TypeError, ValueError) as error:
            raise ValueError(
                f"{self._segmenter.title} cannot go on from this model, for it was learned with "
                "other parameters. Take those, or begin a new training."
            ) from error
        self._best = best

    def steps(self) -> Iterator[TrainingStep]:
        """Step by step, the last of which has the trained segmenter."""
        total = self._learner.total
        interval = steps_apart(total)
        while self._n_done < total and self._n_quiet < REST:
            self._loss = self._learner.step(self._n_done)
            self._n_done += 1
            if self._n_done % interval and self._n_done < total:
                yield self._step()
                continue
            scorer = self._learner.scorer()
            self._look(scorer)
            yield self._step(previews=self._watch.previews(scorer), model=self._model())
        model = self._model(is_last=True)
        keep(model)
        yield self._step(model=model, segmenter=replace(self._segmenter, model=model.digest))

    def _look(self, scorer: Scorer) -> None:
        learned = {n: t.clone() for n, t in _trained(self._learner.tensors()).items()}
        if _are_equal(learned, self._looked_at):  # it was busy with something else
            return
        self._looked_at = learned
        self._score = self._peers.agreed(lambda: self._watch.score(scorer))
        is_better = not self._best or self._score > self._best_score
        rises = not self._best or self._score > self._best_score + ENOUGH
        self._n_quiet = 0 if rises else self._n_quiet + 1
        if is_better:
            self._best_score = self._score
            self._best = learned

    def _step(self, **more: Any) -> TrainingStep:
        skipped = tuple(self._album.skipped.values())
        done, total = self._n_done, max(self._n_done, self._learner.total)
        return TrainingStep(done, total, self._loss, self._score, skipped=skipped, **more)

    def _model(self, *, is_last: bool = False) -> Model:
        """The best, and before the end also what is needed to go on."""
        tensors: dict[str, torch.Tensor] = dict(self._best)
        if not is_last:
            tensors = {f"{BEST}{name}": tensor for name, tensor in self._best.items()}
            tensors |= {name: t.clone() for name, t in self._learner.tensors().items()}
        return Model(
            self._segmenter.name,
            parameters_of(self._segmenter),
            {name: tensor.detach().cpu() for name, tensor in tensors.items()},
            {
                "seed": self._segmenter.seed,
                "data": self._album.digest,
                "n_images": len(self._album) - len(self._album.skipped),
                "n_steps": self._n_done,
                "n_quiet": self._n_quiet,
                "score": self._best_score,
                "loss": self._loss if np.isfinite(self._loss) else None,
                "versions": versions(),
            },
        )


def parameters_of(segmenter: Segmenter) -> dict[str, Any]:
    """Parameters of a segmenter but for what it has learned, as plain values."""
    return {f.name: getattr(segmenter, f.name) for f in fields(segmenter) if f.name != "model"}


def steps_apart(total: int) -> int:
    """Steps from one look at the score to the next, in a training of so many."""
    return max(LEAST_APART, total // N_LOOKS)


def _trained(tensors: Tensors) -> Tensors:
    return {name: tensor for name, tensor in tensors.items() if not name.startswith(TRAINING)}


def _are_equal(one: Tensors, other: Tensors) -> bool:
    return one.keys() == other.keys() and all(torch.equal(t, other[n]) for n, t in one.items())


def _only(tensors: Tensors, prefix: str) -> Tensors:
    return {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}


def _without(tensors: Tensors, prefix: str) -> Tensors:
    return {name: tensor for name, tensor in tensors.items() if not name.startswith(prefix)}
