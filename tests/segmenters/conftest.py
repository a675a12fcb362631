from __future__ import annotations

from tests.features.small_backbone import small_features
from tests.features.tiny_vit import tiny, tiny_weights
from tests.threads import one_thread

__all__ = ["one_thread", "small_features", "tiny", "tiny_weights"]
