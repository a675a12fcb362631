"""Outlines move from the coarse grid to where the image's colours change."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from unseg_studio.refinement import Guide, sharpened

SHAPE, COARSE = (48, 80), (12, 20)


def guide(light: np.ndarray) -> Guide:
    """Of a mask: light inside, dark outside, small plane four times coarser."""
    colour = np.repeat(light.astype(np.float32)[..., None] * 4, 3, axis=2)
    return Guide(colour, cv2.resize(colour, COARSE[::-1], interpolation=cv2.INTER_AREA))


def coarse(light: np.ndarray) -> np.ndarray:
    share = cv2.resize(light.astype(np.float32), COARSE[::-1], interpolation=cv2.INTER_AREA)
    return np.stack([1 - share, share])


@pytest.mark.parametrize("column", [21, 22, 23, 41, 55])
def test_an_outline_follows_an_edge_off_the_coarse_grid(column: int) -> None:
    light = np.broadcast_to(np.arange(SHAPE[1]) >= column, SHAPE)
    labels = sharpened(coarse(light), guide(light))
    np.testing.assert_array_equal(labels, light)


def test_a_disc_is_rounder_than_its_coarse_plane() -> None:
    rows, cols = np.indices(SHAPE)
    light = (rows - 22) ** 2 + (cols - 37) ** 2 < 15**2
    blocky = cv2.resize(
        coarse(light).argmax(axis=0).astype(np.uint8), SHAPE[::-1], interpolation=cv2.INTER_NEAREST
    )
    wrong = (sharpened(coarse(light), guide(light)) != light).sum()
    assert wrong < 0.3 * (blocky != light).sum()


def test_far_from_an_outline_the_coarse_label_is_kept() -> None:
    light = np.broadcast_to(np.arange(SHAPE[1]) >= 41, SHAPE)
    planes = np.zeros((3, *COARSE), np.float32)
    planes[2] = 1
    np.testing.assert_array_equal(sharpened(planes, guide(light)), np.full(SHAPE, 2))


def test_where_sizes_agree_the_most_probable_label_is_taken() -> None:
    planes = np.random.default_rng(0).random((4, *COARSE), np.float32)
    colour = np.random.default_rng(1).random((*COARSE, 3), np.float32)
    labels = sharpened(planes, Guide(colour, colour))
    assert labels.dtype == np.int32
    np.testing.assert_array_equal(labels, planes.argmax(axis=0))
