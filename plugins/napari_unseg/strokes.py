"""What was painted in the layers, as strokes and corrections of a document."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from unseg_studio.data import NOTHING, UNEDITED, UNMARKED, Box, Patch
from unseg_studio.data.labels import is_cluster
from unseg_studio.document import Document

Ids = NDArray[np.int32]

NOTHING_HERE = 30_000
"""In the corrections layer: corrected to nothing. There, 0 is where nothing was corrected.

No id comes near."""


def scribble(document: Document, drawn: Ids, box: Box) -> None:
    """Scribble on a document what the array holds in a rectangle, `(h, w)`.

    Raises
    ------
    ValueError
        In a sentence, where that is not possible.
    """
    mask = drawn != document.scribbles.mosaic.window(box)
    if mask.any():
        if (drawn[mask] == NOTHING_HERE).any():
            raise ValueError("'Nothing here' is a correction; paint it in that layer.")
        known = _with_categories(document, drawn, mask)
        document.mark(Patch(*box, mask), known)


def correct(document: Document, drawn: Ids, box: Box) -> None:
    """Correct a document by what the array holds in a rectangle, `(h, w)`; errors as above."""
    after, before = edits_of(drawn), document.edits.mosaic.window(box)
    mask = after != before
    after = _with_categories(document, after, mask)
    for id_ in np.unique(after[mask]).tolist():
        text = "take back correction" if id_ == UNEDITED else "brush"
        document.correct(text, Patch(*box, mask & (after == id_)), id_)


def _with_categories(document: Document, drawn: Ids, mask: NDArray[np.bool_]) -> Ids:
    """A label that is neither a category nor a cluster here becomes the next category."""
    for label in np.unique(drawn[mask]).tolist():
        known = label <= NOTHING or any(c.id == label for c in document.categories)
        if not known and not (is_cluster(label) and document.shown.holds(label)):
            drawn[drawn == label] = document.add_category().id
    return drawn


def edits_of(corrections: Ids) -> Ids:
    """What the corrections layer holds, as ids of `Edits`."""
    edits = np.where(corrections == UNMARKED, np.int32(UNEDITED), corrections)
    return np.where(corrections == NOTHING_HERE, np.int32(NOTHING), edits)


def corrections_of(edits: Ids) -> Ids:
    """Ids of `Edits` as the corrections layer holds them."""
    ids = np.where(edits == NOTHING, np.int32(NOTHING_HERE), edits)
    return np.where(edits == UNEDITED, np.int32(UNMARKED), ids)
