"""Hand-made features answer to what they are named after, on whatever plane they are asked for."""

from __future__ import annotations

import importlib

import cv2
import numpy as np
import pytest

from unseg_studio.features.filters import (
    COARSE_SIDE,
    COLOUR_SIGMAS,
    EDGE_SIGMAS,
    FINE_SIDE,
    N_FILTERS,
    TEXTURE_SIGMAS,
    filters,
)

module = importlib.import_module("unseg_studio.features.filters")

BLURS = 3
EDGES = BLURS + 3 * len(COLOUR_SIGMAS)
TEXTURES = EDGES + 5 * len(EDGE_SIGMAS)
SLOPE, LARGER, SMALLER, ALONG, ACROSS = range(5)


def scene(light: np.ndarray) -> np.ndarray:
    """Lab of a grey image."""
    return np.dstack([light, np.zeros_like(light), np.zeros_like(light)]).astype(np.float32)


def noise(height: int, width: int) -> np.ndarray:
    rough = np.random.default_rng(2).standard_normal((height, width, 3)).astype(np.float32)
    return cv2.GaussianBlur(rough, (0, 0), 2)


@pytest.mark.parametrize("size", [(60, 90), (321, 481), (700, 100), (1400, 60), (1, 1), (1, 70)])
def test_planes_are_standardised(size: tuple[int, int]) -> None:
    shape = (max(1, size[0] // 3), max(1, size[1] // 3))
    planes = filters(noise(*size), shape)
    assert planes.shape == (N_FILTERS, *shape)
    assert planes.dtype == np.float32
    np.testing.assert_allclose(planes.mean(axis=(1, 2)), 0, atol=1e-4)
    if min(size) > 50:
        np.testing.assert_allclose(planes.std(axis=(1, 2)), 1, atol=1e-2)


def test_colours_come_first_then_blurred_ever_more() -> None:
    lab = noise(80, 120)
    planes = filters(lab, (40, 60))
    small = cv2.resize(lab, (60, 40), interpolation=cv2.INTER_AREA)
    for channel in range(3):
        wanted = (small[..., channel] - small[..., channel].mean()) / small[..., channel].std()
        np.testing.assert_allclose(planes[channel], wanted, atol=1e-4)
    for number, sigma in enumerate(COLOUR_SIGMAS):
        blurred = cv2.resize(
            cv2.GaussianBlur(lab, (0, 0), sigma), (60, 40), 0, 0, 0, cv2.INTER_AREA
        )
        wanted = (blurred - blurred.mean(axis=(0, 1))) / blurred.std(axis=(0, 1))
        found = planes[BLURS + 3 * number :][:3]
        np.testing.assert_allclose(found, np.moveaxis(wanted, -1, 0), atol=1e-3)


@pytest.mark.parametrize("scale", range(len(EDGE_SIGMAS)))
def test_slopes_and_contrast_are_strongest_at_a_step(scale: int) -> None:
    light = np.where(np.arange(120) < 60, 0.0, 1.0) * np.ones((80, 1))
    planes = filters(scene(light), (40, 60))[EDGES + 5 * scale :]
    for kind in (SLOPE, ALONG):
        assert set(planes[kind].argmax(axis=1)) <= {29, 30}


@pytest.mark.parametrize("scale", range(len(EDGE_SIGMAS)))
def test_curvatures_tell_bright_lines_from_dark_ones(scale: int) -> None:
    light = np.zeros((96, 160))
    light[:, 40], light[:, 120] = 1, -1
    planes = filters(scene(light), (48, 80))[EDGES + 5 * scale :]
    assert set(planes[SMALLER].argmin(axis=1)) == {20}
    assert set(planes[LARGER].argmax(axis=1)) == {60}


def test_contrast_in_both_directions_marks_corners() -> None:
    light = np.zeros((96, 96))
    light[48:, 48:] = 1
    across = filters(scene(light), (48, 48))[EDGES + ACROSS]
    row, column = np.unravel_index(across.argmax(), across.shape)
    assert abs(row - 24) <= 1
    assert abs(column - 24) <= 1


@pytest.mark.parametrize("scale", range(len(TEXTURE_SIGMAS)))
def test_deviation_is_larger_in_a_texture_of_the_same_lightness(scale: int) -> None:
    board = np.indices((160, 160)).sum(axis=0) % 2 - 0.5
    board[:, :80] = 0
    plane = filters(scene(board), (80, 80))[TEXTURES + scale]
    assert plane[:, 50:].min() > plane[:, :30].max() + 1


def test_a_line_of_one_pixel_is_seen_on_a_plane_eight_times_smaller() -> None:
    light = 0.1 * np.random.default_rng(4).standard_normal((320, 480))
    light[:, 204] += 1
    plane = filters(scene(light), (40, 60))[EDGES + SLOPE]
    assert set(plane.argmax(axis=1)) == {25}
    assert plane[:, 25].min() > 3


@pytest.mark.parametrize("size", [(203, 97), (1300, 70), (70, 1300)])
def test_strips_leave_no_seam(monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]) -> None:
    lab, shape = noise(*size), (size[0] // 4, size[1] // 4)
    monkeypatch.setattr(module, "STRIP", 10**9)
    whole = filters(lab, shape)
    monkeypatch.setattr(module, "STRIP", 700)
    np.testing.assert_allclose(filters(lab, shape), whole, atol=1e-4)


@pytest.mark.parametrize("size", [COARSE_SIDE, FINE_SIDE, 2000])
def test_turning_an_image_turns_its_features(size: int) -> None:
    lab = noise(60, size)
    turned = np.ascontiguousarray(np.rot90(lab))
    planes, others = filters(lab, (15, size // 8)), filters(turned, (size // 8, 15))
    np.testing.assert_allclose(np.rot90(planes, axes=(1, 2)), others, atol=2e-3)


def test_a_bounded_plane_sees_about_the_same() -> None:
    lab = cv2.GaussianBlur(noise(COARSE_SIDE, COARSE_SIDE + 360), (0, 0), 3)
    shape = (64, 100)
    bounded = filters(lab, shape)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "COARSE_SIDE", 5000)
        exact = filters(lab, shape)
    alike = (bounded * exact).mean(axis=(1, 2))
    assert alike.min() > 0.99, alike


@pytest.mark.parametrize("value", [0.0, 0.1, 3.7, 100.0])
def test_an_image_of_one_colour_has_no_features(value: float) -> None:
    planes = filters(np.full((70, 90, 3), value, np.float32), (35, 45))
    np.testing.assert_allclose(planes, 0, atol=1e-3)


def test_any_layout_in_memory_gives_the_same_features() -> None:
    lab = noise(50, 60)
    other = np.asfortranarray(lab)
    other.flags.writeable = False
    np.testing.assert_array_equal(filters(lab, (25, 30)), filters(other, (25, 30)))


def test_the_image_is_left_as_it_was() -> None:
    lab = noise(50, 60)
    before = lab.copy()
    filters(lab, (50, 60))
    np.testing.assert_array_equal(lab, before)


@pytest.mark.parametrize(
    ("size", "shape"),
    [((9, 9), (3, 3)), ((9, 9, 4), (3, 3)), ((0, 9, 3), (1, 1)), ((9, 9, 3), (0, 3))],
)
def test_other_arrays_are_refused(size: tuple[int, ...], shape: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="give Lab colours of shape"):
        filters(np.zeros(size, np.float32), shape)
