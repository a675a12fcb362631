"""Keys, queries, values and tokens of vision transformers, for images of any shape."""

from __future__ import annotations

from typing import Literal, get_args

Facet = Literal["key", "query", "value", "token"]

FACETS: tuple[Facet, ...] = get_args(Facet)
