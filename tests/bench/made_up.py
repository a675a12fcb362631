"""Made-up masks with the pictures that belong to them, scores, and methods that misbehave."""

from __future__ import annotations

import math
import os

import numpy as np

from unseg_studio.bench.game import Turn
from unseg_studio.bench.methods import Method


def picture(truth, *, seed=0):
    """A noisy colour for every value of a mask: (H, W, 3) uint8."""
    colours = np.array([(30, 60, 160), (210, 150, 40), (60, 190, 70), (190, 40, 150)])
    noise = np.random.default_rng(seed).integers(-12, 13, (*truth.shape, 3))
    return np.clip(colours[truth % 4] + noise, 0, 255).astype(np.uint8)


def disc(shape=(40, 56), *, centre=(18, 24), radius=11):
    """Values 0 and 1: a disc on a background."""
    rows, cols = np.ogrid[: shape[0], : shape[1]]
    inside = (rows - centre[0]) ** 2 + (cols - centre[1]) ** 2 <= radius**2
    return inside.astype(np.uint8)


def turns(ious, *, image="x", method="m", set_="a", categories=2, **more):
    """A game with these scores; NaN has no answer."""
    return [
        Turn(set_, image, "robot", method, number, categories + number, iou, **more)
        for number, iou in enumerate(ious)
    ]


class Knows:
    """A method that knows the truth of one image, and shows it after some updates."""

    def __init__(self, truth, *, after=0, frame=math.nan):
        self._truth, self._left, self.first_frame = truth, after, frame

    def update(self, scribbles):
        self._left -= 1
        return self._truth if self._left < 0 else scribbles


def endless():
    """A method that never answers, except to the tiny image of the warm-up."""
    return Method("endless", lambda image, _: _Endless(image), limit=0.2)


def failing():
    """A method that fails on every image but the tiny one of the warm-up."""
    return Method("failing", lambda image, _: _Failing(image))


def dying():
    """A method whose process ends."""
    return Method("dying", lambda image, _: _Dying(image))


class _Endless:
    first_frame = math.nan

    def __init__(self, image):
        self._is_tiny = image.shape == (16, 16)

    def update(self, scribbles):
        while not self._is_tiny:
            pass
        return scribbles


class _Failing(_Endless):
    def update(self, scribbles):
        if not self._is_tiny:
            raise RuntimeError("no more ink")
        return scribbles


class _Dying(_Endless):
    def update(self, scribbles):
        if not self._is_tiny:
            os._exit(3)
        return scribbles
