"""Fit the embedding: so that what a few strokes teach is right on the rest of the image.

Every step plays a task (`bench.tasks`): classifiers are taught by the drawn pixels in closed form,
answer for other pixels, and the mistakes are led back through the answer into the embedding's
numbers (L. Bertinetto et al., *Meta-learning with differentiable closed-form solvers*, ICLR 2019).
It starts from the directions that tell categories from each other (linear discriminants).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from random import Random

import numpy as np
from rich.console import Console
from rich.progress import track

from unseg_studio.bench.sets import FITTED, FITTED_SETS, cases_of, sets_in
from unseg_studio.bench.tasks import Task, plain, tasks_of
from unseg_studio.features.lazy_torch import torch
from unseg_studio.formats.atomic import write_bytes
from unseg_studio.refinement.appearance import LEAST, RIDGE
from unseg_studio.refinement.embedding import Network
from unseg_studio.refinement.guide import WAVE_HEIGHT

MOST_IMAGES, PIECES = 24, 12
"""Of each set at most, and how often each of them is cut."""

DIMENSIONS = (16, 24, 24, 32, 32)
"""Directions that are kept of each level."""

N_HIDDEN, N_OUTPUT = 128, 48

SHRINKAGE = 0.3
"""Share of the mean variance that is added within categories, before directions are sought."""

N_STEPS, BATCH, RATE = 2000, 4, 3e-3

ENOUGH = 8 * PIECES
"""Tasks of a set; more of them are not played more often, fewer not so much less often."""

DROPOUT = 0.1
"""Share of the hidden units that a task does without."""

PULL = 0.2
"""How strongly projections and the mix of hand-made features are held where they began."""

MOST_TAUGHT, MOST_ASKED = 160, 400
"""Pixels of a task that are drawn and asked for in one step."""

UPRIGHT = ("bsds500_test", "camvid", "davis2016", "grabcut", "voc_fgbg")
"""Photographs; elsewhere there is no up and down."""

N_MADE_UP = 40
"""Pictures of plain areas, since people annotate drawings and charts as well."""


@dataclass(frozen=True, eq=False)
class Raw:
    """What is moved by the fit; sizes as logarithms, so that they stay positive."""

    projections: tuple[torch.Tensor, ...]
    hand: torch.Tensor
    hidden: torch.Tensor
    hidden_bias: torch.Tensor
    output: torch.Tensor
    output_bias: torch.Tensor
    powers: torch.Tensor
    gains: torch.Tensor
    scales: torch.Tensor
    hand_scale: torch.Tensor
    warmth: torch.Tensor

    def numbers(self) -> list[torch.Tensor]:
        """Every tensor."""
        return [*self.projections, *(v for k, v in vars(self).items() if k != "projections")]

    def network(self) -> Network:
        """The embedding that they make."""
        return Network(
            self.projections,
            self.powers,
            self.gains.exp(),
            self.hidden,
            self.hidden_bias,
            self.output,
            self.output_bias,
            self.hand_scale.exp() * self.hand,
            self.scales.exp(),
        )


def run_fit(data: Path, out: Path, *, seed: int = 0, steps: int = N_STEPS) -> None:
    """Fit on half of the images of the sets and write the numbers.

    Parameters
    ----------
    data : Path
        The folder of sets.
    out : Path
        The file to write, .npz.
    seed : int
        Of every random number.
    steps : int
        How many; 0 writes where the fit begins.

    Raises
    ------
    OSError, ValueError
        If the sets are not there or the file cannot be written, in a sentence.
    """
    tasks = _gathered(data, np.random.default_rng(seed))
    console = Console()
    console.print(f"{len(tasks)} tasks of {len({task.set for task in tasks})} sets")
    raw = fitted(beginning(tasks, seed=seed), tasks, steps=steps, seed=seed, console=console)
    write(raw.network(), out)
    console.print(str(out))


def _gathered(data: Path, rng: np.random.Generator) -> list[Task]:
    known = {name: manifest for name, manifest in sets_in(data).items() if name in FITTED_SETS}
    if not known:
        raise ValueError(f"{data} holds none of the sets to fit on: {', '.join(FITTED_SETS)}.")
    cases = [
        case
        for manifest in known.values()
        for case in cases_of(data, manifest, most=MOST_IMAGES, among=FITTED)
    ]
    cut = [
        task
        for case in track(cases, "Looking at images", transient=True)
        for task in tasks_of(case, PIECES, rng, turns=case.set not in UPRIGHT)
    ]
    return cut + [task for _ in range(N_MADE_UP) for task in tasks_of(plain(rng), 1, rng)]


def beginning(tasks: Sequence[Task], *, seed: int = 0) -> Raw:
    """Linear discriminants of every level, a hidden layer at random, hand-made features unmixed."""
    generator = torch.Generator().manual_seed(seed)
    projections = tuple(
        _discriminants([(task.levels[i].float(), task.truth) for task in tasks], width)
        for i, width in enumerate(DIMENSIONS)
    )
    n_deep, n_hand = sum(map(len, projections)), len(tasks[0].hand)
    hidden = _uniform((N_HIDDEN, n_deep + n_hand), generator)
    hidden[:, n_deep:] *= 0.4
    raw = Raw(
        projections=projections,
        hand=torch.eye(n_hand),
        hidden=hidden,
        hidden_bias=torch.zeros(N_HIDDEN),
        output=_uniform((N_OUTPUT, N_HIDDEN), generator),
        output_bias=torch.zeros(N_OUTPUT),
        powers=torch.full((len(projections),), 0.9),
        gains=torch.tensor([0.0] * len(projections) + [-0.7]),
        scales=torch.tensor([4.0 * n_deep**-0.5, 0.3, 0.5]).log(),
        hand_scale=torch.tensor(1.5 * n_hand**-0.5).log(),
        warmth=torch.full((3,), 2.0),
    )
    for numbers in raw.numbers():
        numbers.requires_grad_()
    return raw


def _uniform(shape: tuple[int, int], generator: torch.Generator) -> torch.Tensor:
    side = shape[1] ** -0.5
    return torch.empty(shape).uniform_(-side, side, generator=generator)


def _discriminants(samples: Sequence[tuple[torch.Tensor, torch.Tensor]], n: int) -> torch.Tensor:
    """Directions with much scatter between categories and little within, (n, C), of norm 3."""
    within = between = torch.zeros(())
    for values, truth in samples:
        parts = [values[:, truth == label] for label in range(int(truth.max()) + 1)]
        parts = [part for part in parts if part.shape[1] > 1]
        size = values.var(dim=1).sum() + 1e-9
        means = torch.stack([part.mean(dim=1) for part in parts], dim=1)
        means = means - means.mean(dim=1, keepdim=True)
        between = between + means @ means.T / size
        within = within + sum(torch.cov(part) for part in parts) / len(parts) / size
    n_channels = len(within)
    within = within + SHRINKAGE * within.trace() / n_channels * torch.eye(n_channels)
    values, axes = torch.linalg.eigh(within)
    whitening = (axes * values**-0.5) @ axes.T
    strength, axes = torch.linalg.eigh(whitening @ between @ whitening)
    found = (axes * strength.clamp_min(0) ** 0.25).T @ whitening
    found = found.flip(0)[:n]
    scaled: torch.Tensor = found * (3 / found.norm())
    return scaled


def fitted(
    raw: Raw, tasks: Sequence[Task], *, steps: int, seed: int = 0, console: Console | None = None
) -> Raw:
    """Move the numbers, in place, and give them back."""
    random, generator = Random(seed), torch.Generator().manual_seed(seed)
    by_set: dict[str, list[Task]] = {}
    for task in tasks:
        by_set.setdefault(task.set, []).append(task)
    weights = [min(len(own), ENOUGH) ** 0.6 for own in by_set.values()]
    begun = [numbers.detach().clone() for numbers in (*raw.projections, raw.hand)]
    optimiser = torch.optim.Adam(raw.numbers(), RATE)
    for step in track(range(steps), "Fitting", console=console, disable=console is None):
        optimiser.param_groups[0]["lr"] = RATE * (1 - step / steps)
        chosen = random.choices(list(by_set.values()), weights, k=BATCH)
        losses = [_loss(raw, random.choice(own), random, generator) for own in chosen]
        drifts = [
            (now - before).square().sum() / before.square().sum()
            for now, before in zip((*raw.projections, raw.hand), begun, strict=True)
        ]
        loss = torch.stack(losses).mean() + PULL * torch.stack(drifts).sum()
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(raw.numbers(), 1.0)
        optimiser.step()
    return raw


def _loss(raw: Raw, task: Task, random: Random, generator: torch.Generator) -> torch.Tensor:
    """Of a task with scribbles of a random state: cross-entropy and overlap, categories alike."""
    network = raw.network()
    units = torch.rand(N_HIDDEN, generator=generator) >= DROPOUT
    network = network._replace(output=network.output * (units / (1 - DROPOUT)))
    seeds = random.choice(task.seeds)
    drawn = _sample(torch.nonzero(seeds >= 0)[:, 0], MOST_TAUGHT, generator)
    asked = _sample(task.scored, MOST_ASKED, generator)
    answer = answers(network, raw.warmth.exp(), task, drawn, seeds[drawn], asked)
    return mistakes(answer, task.truth[asked], task.n_labels)


def _sample(pixels: torch.Tensor, most: int, generator: torch.Generator) -> torch.Tensor:
    return pixels[torch.randperm(len(pixels), generator=generator)[:most]]


def answers(
    network: Network,
    warmth: torch.Tensor,
    task: Task,
    drawn: torch.Tensor,
    labels: torch.Tensor,
    asked: torch.Tensor,
) -> torch.Tensor:
    """Log-probabilities of the labels at the asked pixels, (M, K), taught by the drawn ones."""
    near = torch.cat(network.projected([level.float() for level in task.levels]))
    found = network.coordinates(near, task.hand.float(), task.place)
    wanted = torch.nn.functional.one_hot(labels, task.n_labels).float()
    weights = (1 / wanted.sum(dim=0).clamp_min(1))[labels] ** ((2 / task.n_labels) ** 2)
    cost = torch.diag(2 * RIDGE * weights.sum() / weights)
    total = torch.zeros(())
    for coordinates, similarity, warm in zip(
        found, (_gaussian, _gaussian, _inner), warmth, strict=True
    ):
        taught, others = coordinates[:, drawn].T, coordinates[:, asked].T
        learned = torch.linalg.solve(similarity(taught, taught) + cost, wanted - 1 / task.n_labels)
        scores = warm * similarity(others, taught) @ learned
        total = total + torch.log_softmax(scores, dim=1).clamp_min(LEAST)
    return torch.log_softmax(total / len(found), dim=1)


def _gaussian(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    return WAVE_HEIGHT**2 * torch.exp(-0.5 * torch.cdist(one, other) ** 2) + 1


def _inner(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    return one @ other.T + 1


def mistakes(answer: torch.Tensor, truth: torch.Tensor, n_labels: int) -> torch.Tensor:
    """Cross-entropy, and one minus the mean overlap of the probabilities with the truth."""
    wanted = torch.nn.functional.one_hot(truth, n_labels).float()
    counts = wanted.sum(dim=0)
    share = (1 / counts.clamp_min(1))[truth]
    surprise = -(share * answer.gather(1, truth[:, None])[:, 0]).sum() / share.sum()
    given = answer.exp()
    common = (given * wanted).sum(dim=0)
    overlap = common / ((given + wanted).sum(dim=0) - common).clamp_min(1e-3)
    return surprise + 1 - overlap[counts > 0].mean()


def write(network: Network, out: Path) -> None:
    """As float16: the file that `embedding.stored` reads."""
    named = network._asdict()
    projections = named.pop("projections")
    named |= {f"projection_{i}": axes for i, axes in enumerate(projections)}
    out.parent.mkdir(parents=True, exist_ok=True)
    file = BytesIO()
    np.savez_compressed(
        file, **{name: v.detach().numpy().astype(np.float16) for name, v in named.items()}
    )
    write_bytes(out, file.getvalue())
