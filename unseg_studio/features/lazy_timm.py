"""timm, loaded where a larger backbone is used: its import takes over two seconds, or fails."""

from __future__ import annotations

from typing import Any


def timm() -> Any:
    """The module.

    Raises
    ------
    OSError
        If it cannot be imported; the sentence says what to do.
    """
    try:
        import timm.models
    except (ImportError, RuntimeError, AttributeError, OSError) as error:
        # a torchvision made for another torch fails as a RuntimeError
        raise OSError(
            f"Larger backbones need the package timm, which cannot be imported ({error}); "
            "install it again with `pip install --force-reinstall torch torchvision timm`, "
            "or choose the bundled backbone."
        ) from error
    return timm
