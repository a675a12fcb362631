"""The commands about projects: make one, train, propose, import, export."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from unseg_studio.cli.commands import (
    BAD_INPUT,
    Backbone,
    Deterministic,
    Device,
    K,
    KLess,
    Method,
    Preset,
    Sensitivity,
    Settings,
    Weights,
    commands,
)
from unseg_studio.cli.console import complaint, result

projects = typer.Typer(
    help="Make a project of many images, and look into it.", no_args_is_help=True
)
commands.add_typer(projects, name="project")

ProjectFile = Annotated[
    Path, typer.Option("--project", "-p", metavar="FILE", help="The project (.unseg).")
]
NewProject = Annotated[Path, typer.Argument(metavar="PROJECT", help="The file (.unseg).")]
Folders = Annotated[
    list[Path], typer.Argument(metavar="FOLDER...", help="Folders with images, or image files.")
]

LISTED = 5
"""So many sentences of one kind are printed; of the others, how many there are."""


@projects.callback()
def _common() -> None:
    """Without a command, nothing happens."""


@projects.command()
def create(project: NewProject, images: Folders) -> None:
    """Make a project of all images in folders, and in the folders in them."""
    from unseg_studio.cli.project_files import create_project

    n, problems = create_project(project, images)
    _listed(problems)
    result(f"{project}: {n} images")


@projects.command()
def add(project: NewProject, images: Folders) -> None:
    """Add images to a project; those that are there already stay as they are."""
    from unseg_studio.cli.project_files import add_to_project

    n, problems = add_to_project(project, images)
    _listed(problems)
    result(f"{project}: {n} new images")


@projects.command("info")
def project_info(project: NewProject) -> None:
    """Say what a project holds."""
    from unseg_studio.cli.project_files import print_project

    print_project(project)


@projects.command()
def relink(
    project: NewProject,
    folder: Annotated[Path, typer.Argument(help="Where the images are now.")],
) -> None:
    """Find images again after their folder was moved or renamed."""
    from unseg_studio.cli.project_files import relink_project

    report, still = relink_project(project, folder)
    result(
        f"{len(report.found)} found by content, {len(report.by_name)} by name, {len(still)} still "
        "missing"
    )
    _listed([f"{file} is still missing." for file in still])
    if still:
        raise typer.Exit(BAD_INPUT)


@commands.command()
def apply(
    project: ProjectFile,
    method: Method = None,
    preset: Preset = None,
    k: K = None,
    k_less: KLess = False,
    sensitivity: Sensitivity = None,
    backbone: Backbone = None,
    weights: Weights = None,
    settings: Settings = None,
    model: Annotated[
        str | None, typer.Option(help="A model that was trained on this project, or its file.")
    ] = None,
    only: Annotated[
        str | None,
        typer.Option(
            metavar="new",
            help="new: leave out all images that have a proposal. Otherwise those only that have "
            "one of exactly this method.",
        ),
    ] = None,
    processes: Annotated[
        int | None, typer.Option(help="How many images at a time; one a core if not given.", min=1)
    ] = None,
    cluster: Annotated[
        str,
        typer.Option(metavar="ADDRESS", help="Of a Dask scheduler whose workers do the work."),
    ] = "",
    device: Device = "auto",
    deterministic: Deterministic = False,
) -> None:
    """Propose labels for all images of a project that no person has worked on.

    Every proposal is kept at once: after Ctrl+C or a crash, the same command goes on with the rest.
    """
    from unseg_studio.cli.apply import run_apply, segmenter_of_model
    from unseg_studio.cli.settings import Asked, chosen_segmenter

    del deterministic  # is so already
    if only not in (None, "new"):
        raise ValueError(f"--only was given {only!r}; accepted is new. Leave it out for all.")
    if cluster and processes is not None:
        raise ValueError(
            "--processes was given with --cluster, whose workers are as many as they are. Leave "
            "one of them out."
        )
    asked = Asked(k, k_less, sensitivity, backbone, weights)
    if model is None:
        segmenter = chosen_segmenter(method, preset, asked=asked, settings=settings or ())
    elif method or preset or settings or asked != Asked():
        raise ValueError(
            "--model was given with a method or parameters; a model has its own. Leave them out."
        )
    else:
        segmenter = segmenter_of_model(project, model)
    tally = run_apply(
        project,
        segmenter,
        only_new=only == "new",
        device=device,
        n_processes=processes,
        cluster=cluster,
    )
    result(
        f"{project}: {tally.n_kept} proposals made, {tally.n_failed} images failed, "
        f"{tally.n_left} left as they were"
    )
    if tally.n_failed:
        raise typer.Exit(BAD_INPUT)


@commands.command()
def train(
    project: ProjectFile,
    method: Annotated[str, typer.Option(help="One that learns from many images.")],
    preset: Preset = None,
    k: K = None,
    backbone: Backbone = None,
    weights: Weights = None,
    settings: Settings = None,
    name: Annotated[str, typer.Option(help="Of the model; the method and a number if not.")] = "",
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="A file for the model, besides the project.")
    ] = None,
    device: Device = "auto",
    deterministic: Deterministic = False,
) -> None:
    """Learn one set of clusters from all images of a project that are not rejected.

    After Ctrl+C or a crash, the same command goes on where it stopped. `apply --model` then labels
    all images.
    """
    from unseg_studio.cli.settings import Asked, chosen_segmenter
    from unseg_studio.cli.training import run_helping, run_training
    from unseg_studio.segmenters.peers import joined, peers_here

    del deterministic  # is so already
    asked = Asked(k, backbone=backbone, weights=weights)
    segmenter = chosen_segmenter(method, preset, asked=asked, settings=settings or ())
    with joined(device) as own:
        if not peers_here().is_first:
            run_helping(project, segmenter, device=own)
            return
        trained, skipped = run_training(project, segmenter, name=name, out=out, device=own)
    _listed(skipped)
    score = trained.facts.get("score")
    told = f", views agree by {score:.3f}" if isinstance(score, float) else ""
    result(f"{project}: model {trained.name!r} from {trained.facts['n_images']} images{told}")


@commands.command(
    "export", context_settings={"allow_extra_args": True, "ignore_unknown_options": True}
)
def export_project(
    context: typer.Context,
    project: ProjectFile,
    out: Annotated[Path, typer.Option("--out", "-o", help="File, or folder for some formats.")],
    format: Annotated[str, typer.Option(help="One that `info` lists.")] = "coco",
    status: Annotated[
        list[str] | None, typer.Option(help="Which images; can be repeated. done if not given.")
    ] = None,
    val: Annotated[
        float | None, typer.Option(help="Share of a part to validate with, such as 0.2.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Another one gives another split.")] = 0,
    target: Annotated[
        str | None, typer.Option(help="Tool that will read it, such as cvat or ultralytics.")
    ] = None,
    min_area: Annotated[int, typer.Option(help="Smaller parts are left out.", min=1)] = 1,
    check: Annotated[
        bool, typer.Option("--check", help="Read it again and compare with the masks.")
    ] = False,
) -> None:
    """Write the masks of a project in any format; what that will lose is said first.

    Options of the format are given like others, such as --segmentation polygon or --copy-images;
    a wrong one lists them.
    """
    from unseg_studio.cli.exporting import Wish, run_export

    wish = Wish(
        format, out, tuple(context.args), tuple(status or ["done"]), val, seed, min_area, target,
        check,
    )  # fmt: skip
    written, agreement = run_export(project, wish)
    for path in written:
        result(str(path))
    if agreement is not None:
        for name, iou in agreement.by_category.items():
            result(f"{name}: IoU {iou:.4f}")
        result(f"all: IoU {agreement.overall:.4f}")
    elif check:
        complaint(f"{format} can be written, but not read here, so nothing could be compared.")


@commands.command("import")
def import_labels(
    project: ProjectFile,
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Files, or folders of some formats.")
    ],
    format: Annotated[
        str | None, typer.Option(help="One that `info` lists; the content tells if not given.")
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="On images that a person has worked on, too.")
    ] = False,
) -> None:
    """Begin the images that a file names with its labels; undo takes them back."""
    from unseg_studio.cli.importing import run_import

    is_bad = False
    for found in run_import(project, files, format=format, replace=replace):
        result(f"{found.file}: labels of {len(found.images)} images")
        _listed(found.notes)
        _listed(found.problems)
        if not found.images and not found.problems:
            complaint(f"{found.file} names no image of the project. Check the names.")
        is_bad = is_bad or bool(found.problems) or not found.images
    if is_bad:
        raise typer.Exit(BAD_INPUT)


def _listed(sentences: list[str] | tuple[str, ...]) -> None:
    for sentence in sentences[:LISTED]:
        complaint(sentence)
    if sentences[LISTED:]:
        complaint(f"... and {len(sentences) - LISTED} more of the kind.")
