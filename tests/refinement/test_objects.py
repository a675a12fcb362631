from __future__ import annotations

import cv2
import numpy as np
import pytest

from unseg_studio.data import Image, read_image
from unseg_studio.data.samples import sample_path
from unseg_studio.refinement.objects import LEAST_BACKGROUND, LEAST_OBJECT, object_in, seeds_of


def test_the_face_of_the_cat_is_the_object() -> None:
    image = read_image(sample_path("cat"))
    found = object_in(image)
    height, width = image.shape
    assert found.shape == image.shape and found.dtype == bool
    assert found[height // 3 : height // 2, width // 3 : width // 2].mean() > 0.95
    assert not found[: height // 4, -width // 6 :].any()
    assert 0.1 < found.mean() < 0.8


def test_the_same_image_has_the_same_object_twice() -> None:
    rgb = cv2.resize(read_image(sample_path("cat")).rgb, (150, 100))
    first, second = (object_in(Image.of(rgb.copy())) for _ in range(2))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("odds", [-9.0, 9.0])
def test_the_likeliest_places_are_object_and_the_unlikeliest_are_not(odds: float) -> None:
    plane = (odds + np.linspace(0, 0.5, 1000, dtype=np.float32)).reshape(20, 50)
    seeds = seeds_of(plane).ravel()
    assert (seeds[1 - round(1000 * LEAST_OBJECT) :] == 1).all()
    assert (seeds[: round(1000 * LEAST_BACKGROUND) - 1] == 0).all()


def test_what_is_neither_sure_nor_ruled_out_is_left_open() -> None:
    plane = np.linspace(-6, 6, 1000, dtype=np.float32).reshape(20, 50)
    assert (seeds_of(plane)[(plane > -2.4) & (plane < 1.4)] == -1).all()


def test_nothing_is_sure_to_be_object_where_every_place_is_alike() -> None:
    assert (seeds_of(np.full((4, 5), 3, np.float32)) == -1).all()


@pytest.mark.parametrize("shape", [(2, 3), (30, 900), (900, 30)])
def test_an_image_of_any_size_has_an_answer(shape: tuple[int, int]) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (*shape, 3)).astype(np.uint8)
    assert object_in(Image.of(pixels)).shape == shape
