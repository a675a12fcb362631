"""The export of every plane that has labels: one file, or one for each plane."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from unseg_studio.data import Annotation
from unseg_studio.document import LabelledPlane
from unseg_studio.formats import FORMATS, export
from unseg_studio.formats.base import image_name
from unseg_studio.widgets import ExportWish


@dataclass(frozen=True, eq=False)
class StackExport:
    """A wish and the planes as they were when it was made: safe to hand to a thread.

    Parameters
    ----------
    planes : sequence of LabelledPlane
        What to write.
    wish : ExportWish
        Format, options, smallest part.
    device : str
        Where the labels were made.
    """

    planes: Sequence[LabelledPlane]
    wish: ExportWish
    device: str

    def write(self, path: Path) -> str:
        """Write to this file or, where a file holds one image, to files named after the planes.

        Returns
        -------
        str
            What was done, in a sentence.

        Raises
        ------
        ValueError, OSError
            In a sentence, where that is not possible.
        """
        annotations = [self._annotation(plane) for plane in self.planes]
        if not annotations:
            raise ValueError("No plane has labels yet; segment one first.")
        count = f"{len(annotations)} plane{'s' * (len(annotations) != 1)}"
        if FORMATS[self.wish.format].holds_many:
            export(annotations, path, format=self.wish.format, options=self.wish.options)
            return f"Exported {count} to {path}."
        for annotation in annotations:
            one = path.with_name(f"{path.stem}_{self._tail(annotation)}{path.suffix}")
            export(annotation, one, format=self.wish.format, options=self.wish.options)
        return f"Exported {count} to {path.parent}, one file for each."

    def _annotation(self, plane: LabelledPlane) -> Annotation:
        return plane.annotation(min_area=self.wish.min_area, device=self.device)

    def _tail(self, annotation: Annotation) -> str:
        """What tells the planes of one stack apart, the same at every export."""
        return Path(image_name(annotation.source)).stem.rpartition("_")[-1]
