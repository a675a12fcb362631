"""Outlines move from the coarse grid to where the image's colours change."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from unseg_studio.refinement import Guide, enlarged, sharpened

SHAPE, COARSE = (48, 80), (12, 20)


def guide(light: np.ndarray) -> Guide:
    """Of a mask: light inside, dark outside, working plane four times coarser."""
    rgb = np.where(light[..., None], np.uint8(210), np.uint8(40)).repeat(3, axis=2)
    return Guide(rgb, working_size=COARSE[1])


def coarse(light: np.ndarray, shape: tuple[int, int] = COARSE) -> np.ndarray:
    share = cv2.resize(light.astype(np.float32), shape[::-1], interpolation=cv2.INTER_AREA)
    return np.stack([1 - share, share])


def right_of(column: int) -> np.ndarray:
    return np.broadcast_to(np.arange(SHAPE[1]) >= column, SHAPE)


def disc() -> np.ndarray:
    rows, cols = np.indices(SHAPE)
    return np.asarray((rows - 22) ** 2 + (cols - 37) ** 2 < 15**2)


@pytest.mark.parametrize("column", [21, 22, 23, 41, 55])
def test_an_outline_follows_an_edge_off_the_coarse_grid(column: int) -> None:
    light = right_of(column)
    labels = sharpened(coarse(light), guide(light))
    np.testing.assert_array_equal(labels, light)


def test_a_disc_is_rounder_than_its_coarse_plane() -> None:
    light = disc()
    blocky = enlarged(coarse(light), guide(light))
    wrong = (sharpened(coarse(light), guide(light)) != light).sum()
    assert wrong < 0.3 * (blocky != light).sum()


def test_a_plane_of_half_the_working_size_is_sharpened_too() -> None:
    light, small = disc(), (6, 10)
    blocky = enlarged(coarse(light, small), guide(light))
    labels = sharpened(coarse(light, small), guide(light))
    assert labels.shape == SHAPE
    assert (labels != light).sum() < 0.6 * (blocky != light).sum()


def test_far_from_an_outline_the_coarse_label_is_kept() -> None:
    planes = np.zeros((3, *COARSE), np.float32)
    planes[2] = 1
    np.testing.assert_array_equal(sharpened(planes, guide(right_of(41))), np.full(SHAPE, 2))


def test_small_pixels_are_enlarged_to_blocks() -> None:
    planes = np.random.default_rng(0).random((4, *COARSE), np.float32)
    blocks = np.kron(planes.argmax(axis=0), np.ones((4, 4), int))
    np.testing.assert_array_equal(enlarged(planes, guide(right_of(41))), blocks)


@pytest.mark.parametrize("enlarge", [enlarged, sharpened])
def test_where_sizes_agree_the_most_probable_label_is_taken(
    enlarge: Callable[..., np.ndarray],
) -> None:
    planes = np.random.default_rng(0).random((4, *COARSE), np.float32)
    rgb = np.random.default_rng(1).integers(0, 255, (*COARSE, 3), np.uint8)
    labels = enlarge(planes, Guide(rgb))
    assert labels.dtype == np.int32
    np.testing.assert_array_equal(labels, planes.argmax(axis=0))


def test_nothing_is_said_where_nobody_asks() -> None:
    light, within = disc(), np.zeros(COARSE, bool)
    within[:, 10:] = True
    whole = sharpened(coarse(light), guide(light))
    part = sharpened(coarse(light), guide(light), within=within)
    asked = np.kron(within, np.ones((4, 4), bool))
    np.testing.assert_array_equal(part, np.where(asked, whole, -1))
    none = sharpened(coarse(light), guide(light), within=np.zeros(COARSE, bool))
    assert (none == -1).all()


def test_an_answer_of_another_size_is_like_the_whole_one() -> None:
    light = disc()
    half = sharpened(coarse(light), guide(light), shape=(24, 40))
    assert half.shape == (24, 40)
    assert (half == light[::2, ::2]).mean() > 0.97
