"""`unseg-studio bench ...`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

bench = typer.Typer(help="Measure this machine.", no_args_is_help=True)

RESULTS = Path("out/bench")
"""Where tables and pictures go, if nothing else is said."""

Data = Annotated[
    Path, typer.Option(help="Folder of image sets: each with images, masks and a MANIFEST.json.")
]
Out = Annotated[Path, typer.Option("--out", "-o", help="Folder for what is written.")]
Sets = Annotated[str | None, typer.Option(metavar="A,B", help="Only these sets.")]
Methods = Annotated[str | None, typer.Option(metavar="A,B", help="Only these methods.")]
OfEachSet = Annotated[int | None, typer.Option(help="Of each set at most.", min=1)]
Seed = Annotated[int, typer.Option(help="Of all random numbers.", min=0)]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")]
Proposer = Annotated[
    str | None, typer.Option(help="What proposes; the window's first one if not given.")
]
Quick = Annotated[bool, typer.Option("--quick", help="A little of it, to see it work.")]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on where a run into this folder was stopped.")
]


@bench.callback()
def _common() -> None:
    """Measure how the program does on this machine."""


@bench.command()
def latency(
    image: Annotated[Path | None, typer.Option(help="Instead of the bundled photograph.")] = None,
    strokes: Annotated[int, typer.Option(help="How many to draw.", min=1)] = 30,
    documents: Annotated[int, typer.Option(help="How many to open cold.", min=1)] = 5,
    csv: Annotated[Path | None, typer.Option(help="Write every single time there.")] = None,
    size: Annotated[
        int | None, typer.Option(help="On so many pixels in height and width.", min=64, max=20_000)
    ] = None,
    device: Device = "auto",
    method: Proposer = None,
    k_less: Annotated[bool, typer.Option("--k-less", help="Without a number of clusters.")] = False,
) -> None:
    """How soon labels follow a random hand, and how long each verb holds the window."""
    from unseg_studio.bench.latency import Plan, run_latency
    from unseg_studio.document import dial
    from unseg_studio.document.scripting import segmenter

    chosen = segmenter(method)
    if k_less:
        chosen = dial.with_k(chosen, None)
    plan = Plan(image, strokes, documents, size=size, device=device, segmenter=chosen)
    run_latency(plan, csv=csv)


@bench.command()
def gpu(
    official: Annotated[
        Path | None, typer.Option(help="A copy of DiffCluster's published code.")
    ] = None,
    device: Device = "auto",
    csv: Annotated[Path | None, typer.Option(help="Write the table there, too.")] = None,
    quick: Quick = False,
) -> None:
    """How fast the engine is: beside the published code, step by step, and beside the chip."""
    from unseg_studio.bench.gpu import GpuPlan, run_gpu

    run_gpu(GpuPlan(official, device, quick), csv=csv)


@bench.command()
def large(
    image: Annotated[Path | None, typer.Option(help="Instead of one that is made up.")] = None,
    size: Annotated[
        int, typer.Option(help="So many pixels in height and width.", min=1000, max=40_000)
    ] = 10_000,
    strokes: Annotated[int, typer.Option(help="How many to draw.", min=2)] = 20,
) -> None:
    """How soon a large image is there, how soon strokes on it answer, and what memory it takes."""
    from unseg_studio.bench.large import run_large

    run_large(image, side=size, strokes=strokes)


@bench.command()
def cluster(
    images: Annotated[int, typer.Option(help="How many.", min=2, max=1000)] = 12,
    repeats: Annotated[int, typer.Option(help="How often, in turn.", min=1, max=100)] = 5,
    method: Proposer = None,
) -> None:
    """How much sooner two workers of a Dask cluster on this machine are done than one."""
    from unseg_studio.bench.cluster import run_cluster
    from unseg_studio.document.scripting import segmenter

    run_cluster(segmenter(method), n_images=images, repeats=repeats)


@bench.command()
def export(
    format: Annotated[
        list[str] | None, typer.Option(help="Can be repeated; all that hold many if not given.")
    ] = None,
    images: Annotated[int, typer.Option(help="How many.", min=1, max=100_000)] = 1000,
    size: Annotated[
        int, typer.Option(help="So many pixels in height and width.", min=64, max=10_000)
    ] = 2048,
    seed: Annotated[int, typer.Option(help="Of the labels.", min=0)] = 0,
) -> None:
    """How long a project of many images takes to export: to look, to write and to check."""
    from unseg_studio.bench.exporting import run_exporting

    run_exporting(format or (), n_images=images, side=size, seed=seed)


@bench.command()
def scribbles(
    data: Data,
    out: Out = RESULTS,
    sets: Sets = None,
    methods: Methods = None,
    images: OfEachSet = None,
    rounds: Annotated[int | None, typer.Option(help="7 where not given.", min=1)] = None,
    seed: Seed = 0,
    device: Device = "auto",
    quick: Quick = False,
    resume: Resume = False,
) -> None:
    """How good the scribbles are: a robot that draws, other methods beside ours."""
    from unseg_studio.bench.plan import Plan
    from unseg_studio.bench.scribbles import run_scribbles

    plan = Plan(data, out, _names(sets), _names(methods), images, rounds, seed, device)
    run_scribbles(replace(plan, quick=quick, goes_on=resume))


@bench.command()
def unsupervised(
    data: Data,
    out: Out = RESULTS,
    sets: Sets = None,
    methods: Methods = None,
    images: OfEachSet = None,
    seeds: Annotated[
        int | None, typer.Option(help="Of random numbers; 3 where not given.", min=1)
    ] = None,
    slow_images: Annotated[
        int, typer.Option(help="Of each set at most, for slow methods.", min=1)
    ] = 1,
    device: Device = "auto",
    quick: Quick = False,
    resume: Resume = False,
) -> None:
    """How good proposals are without a single label: other methods beside ours."""
    from unseg_studio.bench.unsupervised import run_unsupervised
    from unseg_studio.bench.unsupervised_plan import UnsupervisedPlan

    plan = UnsupervisedPlan(data, out, _names(sets), _names(methods), images, seeds)
    plan = replace(plan, slow_images=slow_images, device=device)
    run_unsupervised(replace(plan, quick=quick, goes_on=resume))


@bench.command()
def project(
    data: Data,
    out: Out = RESULTS,
    sets: Sets = None,
    method: Annotated[
        list[str] | None,
        typer.Option(help="Can be repeated; with parameters: multilevel:levels=image,strict=yes."),
    ] = None,
    images: OfEachSet = None,
    seeds: Annotated[int, typer.Option(help="Of each method.", min=1)] = 3,
    device: Device = "auto",
    quick: Quick = False,
    resume: Resume = False,
) -> None:
    """How good one set of clusters for many images is, and what learning it costs."""
    from unseg_studio.bench.projects import ProjectPlan, run_projects

    plan = ProjectPlan(data, out, _names(sets), tuple(method or ()), images, seeds)
    run_projects(replace(plan, device=device, quick=quick, goes_on=resume))


@bench.command()
def carry(
    data: Annotated[
        Path, typer.Option(help="Folder of sets that are sequences, each with images and masks.")
    ],
    out: Out = RESULTS,
    sets: Sets = None,
    methods: Methods = None,
    seed: Seed = 0,
    device: Device = "auto",
    quick: Quick = False,
) -> None:
    """How good labels are that are carried from one plane of a sequence to the others."""
    from unseg_studio.bench.carrying import CarryPlan, run_carry

    run_carry(CarryPlan(data, out, _names(sets), _names(methods), seed, device, quick))


@bench.command()
def fit(
    data: Data,
    out: Annotated[Path, typer.Option("--out", "-o", help="The file to write.")] = Path(
        "out/bench/embedding.npz"
    ),
    seed: Seed = 0,
    steps: Annotated[int, typer.Option(help="How many.", min=0)] = 2000,
) -> None:
    """Fit the embedding of features again, on the half of each set that is never played."""
    from unseg_studio.bench.fitting import run_fit

    run_fit(data, out, seed=seed, steps=steps)


def _names(given: str | None) -> tuple[str, ...]:
    """What stands between the commas."""
    return tuple(name for part in (given or "").split(",") if (name := part.strip()))
