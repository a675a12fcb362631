from __future__ import annotations

from tests.features.tiny_cnn import tiny_cnn
from tests.features.tiny_vit import tiny, tiny_weights
from tests.threads import one_thread

__all__ = ["one_thread", "tiny", "tiny_cnn", "tiny_weights"]
