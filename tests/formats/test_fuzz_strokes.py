"""The reader of strokes against damaged files: one sentence, soon, or strokes that can be drawn."""

from __future__ import annotations

import math
import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.formats.test_fuzz_labels import LONGEST, damaged
from tests.fuzzing import fuzzed, said_seed  # noqa: F401
from unseg_studio.data import Category
from unseg_studio.formats.strokes import Recording, Stroke, read_strokes, write_strokes

CATEGORIES = (Category(1, "cat", "#e69f00"), Category(2, "ground", "#56b4e9", "stuff"))

RECORDING = Recording(
    (24, 32),
    CATEGORIES,
    (
        Stroke("cat", ((3.0, 4.0), (9.5, 12.0)), 2.0),
        Stroke("ground", ((20.0, 1.0),), 0.5),
        Stroke(None, ((5.0, 5.0), (6.0, 6.0)), 1.0),
    ),
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("strokes") / "valid.json"
    write_strokes(RECORDING, path)
    return path.read_bytes()


def test_damaged_files_are_one_sentence_or_strokes(whole, bounded_memory, tmp_path):
    path = tmp_path / "in.json"

    @fuzzed
    @given(st.integers(0, 2**64 - 1))
    def fuzz(number):
        path.write_bytes(damaged(whole, random.Random(number)))
        start = time.process_time()
        read(path)
        assert time.process_time() - start < LONGEST
        assert [*tmp_path.iterdir()] == [path]

    fuzz()


def read(path):
    """Read a file of which only strokes, or an error with a sentence about it, may come."""
    try:
        found = read_strokes(path)
    except (ValueError, OSError) as error:
        sentence = str(error)
        assert type(error) is not UnicodeDecodeError, sentence
        assert str(path) in sentence, sentence
        assert "\n" not in sentence, sentence
        assert len(sentence) < 1500, sentence[:2000]
    else:
        assert all(1 <= side <= 1e6 for side in found.shape)
        names = {category.name for category in found.categories}
        for stroke in found.strokes:
            assert stroke.category is None or stroke.category in names
            assert stroke.points
            assert all(math.isfinite(at) for point in stroke.points for at in point)
        if found.shape == RECORDING.shape:
            drawn = found.scribbles()
            assert set(drawn.categories) <= {category.id for category in found.categories}
