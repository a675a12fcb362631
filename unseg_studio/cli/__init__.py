"""The command line; the window and the benchmarks are added to it by `unseg_studio.__main__`."""

from unseg_studio.cli.commands import BAD_INPUT, commands, run
from unseg_studio.cli.console import complaint
from unseg_studio.cli.projects import projects

__all__ = ["BAD_INPUT", "commands", "complaint", "projects", "run"]
