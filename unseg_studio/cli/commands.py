"""The commands that need no window, and the exit codes of all of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

import unseg_studio
from unseg_studio.cli.console import StoppedError, complaint, reporting, result

BAD_INPUT = 2
INTERRUPTED = 130

commands = typer.Typer(
    name="unseg-studio",
    help="Turn images into masks: live unsupervised segmentation, steered by scribbles.",
    add_completion=False,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
)

_UsageError: Any = typer.BadParameter.__mro__[1]  # typer does not name it


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command line.

    Parameters
    ----------
    arguments : sequence of str or None
        Without the program's name; None: those of this process.

    Returns
    -------
    int
        0 when all went well, 2 when something that was given cannot be used (said in one sentence
        on stderr), 130 after Ctrl-C.
    """
    command = typer.main.get_command(commands)
    given = None if arguments is None else list(arguments)
    try:
        code = command.main(given, prog_name="unseg-studio", standalone_mode=False)
    except _UsageError as error:
        hint = f"; see {error.ctx.command_path} --help" if error.ctx else ""
        complaint(f"{error.format_message().rstrip('.')}{hint}")
        return BAD_INPUT
    except (ValueError, OSError) as error:
        complaint(str(error))
        return BAD_INPUT
    except StoppedError as stopped:
        complaint(str(stopped))
        return INTERRUPTED
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    if code == INTERRUPTED:
        complaint("Stopped; files that were there before are as they were.")
    return code if isinstance(code, int) else 0


def _print_version(wanted: bool) -> None:
    if wanted:
        result(f"unseg-studio {unseg_studio.__version__}")
        raise typer.Exit


@commands.callback()
def _common(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Say which."),
    ] = False,
) -> None:
    """Without a command, the window opens."""


Out = Annotated[Path, typer.Option("--out", "-o", help="Folder for the results; made if missing.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")]


def _compute_alike(context: typer.Context, wanted: bool) -> None:
    if wanted:
        from unseg_studio.features.determinism import deterministic

        context.with_resource(deterministic())


Deterministic = Annotated[
    bool,
    typer.Option(
        "--deterministic",
        callback=_compute_alike,
        help="The same device gives the same labels each time; slower on a GPU.",
    ),
]
Method = Annotated[str | None, typer.Option(help="One that `info` lists.")]
Preset = Annotated[str | None, typer.Option(help="Of the method, such as live.")]
K = Annotated[int | None, typer.Option("--k", help="Most clusters.")]
KLess = Annotated[
    bool, typer.Option("--k-less", help="The image decides how many clusters there are.")
]
Sensitivity = Annotated[
    float | None,
    typer.Option(help="With --k-less: more of it gives more clusters.", min=0.0, max=1.0),
]
Backbone = Annotated[str | None, typer.Option(help="Network whose features are clustered.")]
Weights = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Its weights, for machines without a network.")
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="Any parameter of the method."),
]


@commands.command()
def segment(
    images: Annotated[
        list[Path], typer.Argument(metavar="IMAGE...", help="PNG, JPEG, BMP, WebP or TIFF files.")
    ],
    out: Out = Path("masks"),
    method: Method = None,
    preset: Preset = None,
    k: K = None,
    k_less: KLess = False,
    sensitivity: Sensitivity = None,
    backbone: Backbone = None,
    weights: Weights = None,
    scribbles: Annotated[
        Path | None,
        typer.Option(
            help="Stroke file, or PNG of the image's size: 0 and 255 are unmarked, any other "
            "value is a category."
        ),
    ] = None,
    start: Annotated[
        Path | None,
        typer.Option(help="Masks to keep: a COCO file or an indexed PNG of an earlier export."),
    ] = None,
    format: Annotated[str, typer.Option(help="coco: one file; png: one per image.")] = "coco",
    settings: Settings = None,
    device: Device = "auto",
    deterministic: Deterministic = False,
    plane: Annotated[int | None, typer.Option(help="Plane of a stack, from 0.")] = None,
    min_area: Annotated[int, typer.Option(help="Smaller parts are left out.", min=1)] = 1,
) -> None:
    """Segment images without a window; every cluster becomes a category."""
    from unseg_studio.cli.batch import Batch, run_batch
    from unseg_studio.cli.guidance import Guidance
    from unseg_studio.cli.settings import Asked, chosen_segmenter

    del deterministic  # is so already
    asked = Asked(k, k_less, sensitivity, backbone, weights)
    segmenter = chosen_segmenter(method, preset, asked=asked, settings=settings or ())
    guidance = Guidance.read(scribbles, start)
    batch = Batch(segmenter, guidance, out, format, device, plane, min_area)
    with reporting(len(images)) as reporter:
        outcome = run_batch(images, batch, reporter)
    for path in outcome.written:
        result(str(path))
    if outcome.n_failed:
        raise typer.Exit(BAD_INPUT)


@commands.command()
def demo(
    out: Out = Path("unseg-demo"), device: Device = "auto", deterministic: Deterministic = False
) -> None:
    """Segment a bundled photograph with recorded strokes, as the window would."""
    del deterministic  # is so already
    from unseg_studio.cli.demo import run_demo

    run_demo(out, device=device)


@commands.command()
def info() -> None:
    """Say what is installed here and what computes."""
    from unseg_studio.cli.info import print_info

    print_info()
