"""The planes of a stack that have labels, as annotations to be exported together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from unseg_studio.data import Annotation, Source
from unseg_studio.document import LabelledPlane


@dataclass(frozen=True, eq=False)
class PlaneAnnotations:
    """Annotations of planes as they are now, each made when its turn comes; safe in a thread.

    Parameters
    ----------
    planes : sequence of LabelledPlane
        At least one.
    device : str
        Where the labels were made.
    """

    planes: Sequence[LabelledPlane]
    device: str

    def __len__(self) -> int:
        return len(self.planes)

    def __iter__(self) -> Iterator[Annotation]:
        return (plane.annotation(device=self.device) for plane in self.planes)

    @property
    def sources(self) -> tuple[Source, ...]:
        """Where the images of the planes came from."""
        return tuple(plane.source for plane in self.planes)

    @property
    def place(self) -> Path:
        """Where a file of them is proposed, without an ending."""
        path = self.sources[0].path
        return path.with_suffix("") if path else Path("planes")
