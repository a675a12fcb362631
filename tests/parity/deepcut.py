"""Do the affinity, the objectives and the network compute what the authors' code computes?

    python -m tests.parity.deepcut                           against the stored numbers
    python -m tests.parity.deepcut --official DIR            against their code, now
    python -m tests.parity.deepcut --official DIR --write    and store its numbers

DIR is a copy of the authors' repository (SAMPL-Weizmann/DeepCut); running it needs torch_geometric,
the stored numbers do not. Features and weights of both sides come from formulas, so that neither
a library's random numbers nor a file is needed to repeat them. The authors' functions run
unchanged, but for dropout, which is 0 on both sides.

Half of the cases have quiet nodes: two whose features are weak, so that correlation clustering
leaves them no weight to themselves, one that is unlike every other and one without features.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
import types
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch

from unseg_studio.segmenters.cuts import (
    correlation_loss,
    ncut_loss,
    network,
    normalised,
    published_affinity,
)

REFERENCE = Path(__file__).with_name("deepcut_reference.json")
N_NODES, N_FEATURES, WIDTH, HIDDEN = 36, 384, 64, 32
ALPHA = 3.0
STEPS, LEARNING_RATE = 10, 1e-3
WEAK, UNLIKE, EMPTY = (5, 17), 23, 29
PROBES = [0, 5, 12, 23, 29, 35]
"""Nodes whose numbers are stored one by one."""

TOLERANCE, CURVE_TOLERANCE = 1e-5, 1e-4

_ABSENT: dict[str, dict[str, Any]] = {
    "torchvision": {"transforms": None},
    "numba": {"njit": lambda: lambda function: function},
}
"""What the authors' modules import and nothing here calls."""

Numbers = dict[str, list[float]]
"""Groups of numbers of one scale, by name."""


@dataclass(frozen=True)
class Case:
    """One comparison: the objective, the number of clusters, quiet nodes or none."""

    k_less: bool
    n_clusters: int
    quiet: bool

    @property
    def name(self) -> str:
        """What the case is called in the file and in reports."""
        objective = "correlation" if self.k_less else "N-cut"
        return f"{objective} K={self.n_clusters}{' with quiet nodes' if self.quiet else ''}"

    def features(self) -> np.ndarray:
        """(N_NODES, N_FEATURES) float32: three kinds of nodes, each node a little different."""
        node, channel = np.arange(N_NODES)[:, None], np.arange(1, N_FEATURES + 1)[None]
        kind = np.sin(0.37 * (node % 3 + 1) * channel)
        loudness = 1 + 0.1 * np.sin(node)
        values = loudness * (kind + 0.4 * np.sin(0.113 * (node + 1) * channel))
        if self.quiet:
            values[list(WEAK)] *= 0.3
            values[UNLIKE] = -2 * values.mean(axis=0)
            values[EMPTY] = 0
        return np.asarray(values, np.float32)

    def parameters(self) -> list[torch.Tensor]:
        """Weights and biases of the three layers, in the order of the network."""
        sizes = (N_FEATURES, WIDTH, HIDDEN, self.n_clusters)
        found = []
        for layer, (n_in, n_out) in enumerate(pairwise(sizes)):
            row, col = np.arange(n_out)[:, None], np.arange(n_in)[None]
            weight = np.sin(2 + layer + 0.731 * row + 1.237 * row * col + 0.311 * col)
            bias = 0.1 * np.cos(1 + layer + np.arange(n_out))
            found += [weight * (8 / n_in) ** 0.5, bias]  # large, or all nodes start in between
        return [torch.from_numpy(values.astype(np.float32)) for values in found]


CASES = tuple(
    Case(k_less, n_clusters, quiet)
    for k_less in (False, True)
    for n_clusters in (2, 4)
    for quiet in (False, True)
)


@dataclass(frozen=True)
class Side:
    """What one side makes of a case, before and while it learns."""

    affinity: torch.Tensor
    other_affinity: torch.Tensor
    convolved: torch.Tensor
    assign: Callable[[], torch.Tensor]
    losses: tuple[Callable[..., torch.Tensor], Callable[..., torch.Tensor]]
    parameters: list[torch.nn.Parameter]

    def numbers(self, case: Case) -> Numbers:
        """What is stored and compared."""
        assignment = self.assign().detach()
        weights = (self.affinity, self.other_affinity)
        cut, correlation = weights[::-1] if case.k_less else weights
        return {
            "affinity": _listed(self.affinity[PROBES][:, PROBES]),
            "norm of the affinity": _listed(torch.linalg.norm(self.affinity)),
            "convolved features": _listed(self.convolved[PROBES, :4]),
            "norm of the convolved features": _listed(torch.linalg.norm(self.convolved)),
            "assignment": _listed(assignment[PROBES]),
            "overlap of the clusters": _listed(assignment.T @ assignment),
            "N-cut loss": _listed(self.losses[0](cut, assignment)),
            "correlation loss": _listed(self.losses[1](correlation, assignment)),
            "curve": self._curve(self.losses[case.k_less]),
        }

    def _curve(self, loss: Callable[..., torch.Tensor]) -> list[float]:
        optimiser = torch.optim.AdamW(self.parameters, lr=LEARNING_RATE)
        found = []
        for _ in range(STEPS):
            optimiser.zero_grad()
            value = loss(self.affinity, self.assign())
            value.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            found += _listed(value)
        return found


def our_side(case: Case) -> Side:
    """The functions of `segmenters.cuts`."""
    features = torch.from_numpy(case.features())
    affinity = published_affinity(features, k_less=case.k_less, alpha=ALPHA)
    propagated = normalised(affinity) @ features
    made = network(N_FEATURES, case.n_clusters, width=WIDTH, dropout=0)
    _set(made, case)
    return Side(
        affinity=affinity,
        other_affinity=published_affinity(features, k_less=not case.k_less, alpha=ALPHA),
        convolved=made[0](propagated).detach(),
        assign=lambda: made(propagated).softmax(dim=1),
        losses=(ncut_loss, correlation_loss),
        parameters=list(made.parameters()),
    )


def official_side(case: Case, official: Path) -> Side:
    """The authors' functions, in this process."""
    util, cut, correlation = _official_modules(official)
    data = importlib.import_module("torch_geometric.data")
    features = case.features()
    affinity = util.create_adj(features, int(case.k_less), ALPHA)
    graph = data.Data(*util.load_data(affinity, features))
    models = [
        module.GNNpool(N_FEATURES, WIDTH, HIDDEN, case.n_clusters, "cpu")
        for module in (cut, correlation)
    ]
    made = models[case.k_less]
    _set(made, case)
    made.mlp[2].p = 0.0
    weights = torch.from_numpy(affinity)
    return Side(
        affinity=weights,
        other_affinity=torch.from_numpy(util.create_adj(features, int(not case.k_less), ALPHA)),
        convolved=made.convs(graph.x, graph.edge_index, graph.edge_attr).detach(),
        assign=lambda: made(graph, weights)[1],
        losses=(models[0].loss, models[1].loss),
        parameters=list(made.parameters()),
    )


def our_numbers(case: Case) -> Numbers:
    """What our functions compute."""
    return our_side(case).numbers(case)


def difference(ours: Numbers, theirs: Numbers) -> str:
    """The first difference in words, empty where there is none.

    Numbers may differ by `TOLERANCE` of the largest of their group, losses of a curve by
    `CURVE_TOLERANCE`.
    """
    if set(ours) != set(theirs):
        return f"groups {sorted(ours)} against {sorted(theirs)}"
    for name, expected in theirs.items():
        found = np.array(ours[name])
        if len(found) != len(expected):
            return f"{name}: {len(found)} numbers against {len(expected)}"
        allowed = CURVE_TOLERANCE if name == "curve" else TOLERANCE
        away = np.abs(found - expected) / np.abs(expected).max()
        worst = int(np.argmax(away))
        if not away[worst] <= allowed:
            return f"{name}, number {worst}: {found[worst]:.8g} against {expected[worst]:.8g}"
    return ""


def stored_numbers() -> dict[str, Numbers]:
    """The reference numbers by case."""
    cases: dict[str, Numbers] = json.loads(REFERENCE.read_text("utf-8"))["cases"]
    return cases


def store(numbers: dict[str, Numbers]) -> None:
    """Write the reference numbers with their origin, one group a line."""
    versions = ", ".join(
        f"{name} {importlib.import_module(name).__version__}"
        for name in ("torch", "torch_geometric", "numpy")
    )
    origin = (
        "Computed by create_adj, load_data and both GNNpool (forward, loss) of "
        f"SAMPL-Weizmann/DeepCut (commit f09c691) on CPU in float32 with {versions}: {N_NODES} "
        f"nodes, {N_FEATURES} features and all weights by the formulas of deepcut.py, alpha "
        f"{ALPHA:g}, dropout 0, {STEPS} steps of AdamW with learning rate {LEARNING_RATE:g}. "
        f"Entries are those of nodes {', '.join(map(str, PROBES))}."
    )
    cases = ",\n".join(
        f"  {json.dumps(case)}: {{\n"
        + ",\n".join(f"   {json.dumps(name)}: {json.dumps(values)}" for name, values in of.items())
        + "\n  }"
        for case, of in numbers.items()
    )
    text = f'{{\n "origin": {json.dumps(origin)},\n "cases": {{\n{cases}\n }}\n}}\n'
    REFERENCE.write_text(text, "utf-8")


def _listed(values: torch.Tensor) -> list[float]:
    """As Python's floats, with the nine digits that tell one float32 from another."""
    return [float(f"{value + 0.0:.9g}") for value in values.detach().flatten().tolist()]


def _set(module: torch.nn.Module, case: Case) -> None:
    """Fill in the weights, layer by layer; a bias comes before or after its weight."""
    given = case.parameters()
    with torch.no_grad():
        for layer, at in zip(_layers(module), range(0, len(given), 2), strict=True):
            for parameter in layer:
                parameter.copy_(given[at] if parameter.ndim == 2 else given[at + 1])


def _layers(module: torch.nn.Module) -> list[list[torch.nn.Parameter]]:
    found = list(module.parameters())
    return [found[i : i + 2] for i in range(0, len(found), 2)]


def _official_modules(official: Path) -> tuple[Any, Any, Any]:
    """`util`, `gnn_pool` and `gnn_pool_cc`; what they import in vain is not needed."""
    if str(official.resolve()) not in sys.path:
        sys.path.insert(0, str(official.resolve()))
        for name, holds in _ABSENT.items():
            sys.modules[name] = types.ModuleType(name)
            vars(sys.modules[name]).update(holds)
    util, cut, correlation = map(importlib.import_module, ("util", "gnn_pool", "gnn_pool_cc"))
    return util, cut, correlation


def main() -> int:
    """Compare every case and say so; 1 where one differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--official", type=Path, help="the authors' repository")
    parser.add_argument("--write", action="store_true", help="store the reference numbers")
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.official:
        warnings.simplefilter("ignore")
        theirs = {case.name: official_side(case, args.official).numbers(case) for case in CASES}
    else:
        theirs = stored_numbers()
    if args.official and args.write:
        store(theirs)
    failures = 0
    for case in CASES:
        found = difference(our_numbers(case), theirs[case.name])
        failures += bool(found)
        print(f"{case.name}: {found or 'agrees'}")
    return int(failures > 0)


if __name__ == "__main__":
    os.environ.setdefault("MPLBACKEND", "Agg")
    sys.exit(main())
