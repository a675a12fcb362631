"""Recorded strokes, and files that only look like them."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unseg_studio.data import Category
from unseg_studio.formats.strokes import Recording, Stroke, read_strokes, write_strokes

TABLE = (Category(1, "Zelle", "#112233"), Category(2, "海", "#445566", "stuff"))
GOOD = {
    "format": "unseg-studio strokes",
    "version": 1,
    "width": 60,
    "height": 40,
    "categories": [{"name": "cell"}, {"name": "rest", "color": "#0072b2", "kind": "stuff"}],
    "strokes": [
        {"category": "cell", "radius": 3, "points": [[10, 10], [10, 40]]},
        {"category": "rest", "radius": 0, "points": [[30, 5.5]]},
        {"category": None, "radius": 2, "points": [[10, 10]]},
    ],
}
number = st.floats(-1e6, 1e6)
strokes = st.builds(
    Stroke,
    st.sampled_from(["Zelle", "海", None]),
    st.lists(st.tuples(number, number), min_size=1, max_size=5).map(tuple),
    st.floats(0, 1000),
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "strokes.json"


@settings(print_blob=True, deadline=None, max_examples=50)
@given(drawn=st.lists(strokes, max_size=4).map(tuple))
def test_what_is_written_is_read_back(tmp_path_factory, drawn):
    path = tmp_path_factory.mktemp("strokes") / "a.json"
    recording = Recording((40, 60), TABLE, drawn)
    write_strokes(recording, path)
    assert read_strokes(path) == recording


def test_strokes_are_painted_in_their_order_and_the_eraser_erases(path):
    path.write_text(json.dumps(GOOD))
    recording = read_strokes(path)
    ids = recording.scribbles().ids
    assert ids.shape == (40, 60)
    assert ids[10, 25] == 1
    assert ids[30, 6] == 2
    assert ids[10, 10] == 0
    assert [(c.id, c.name, c.kind) for c in recording.categories] == [
        (1, "cell", "thing"),
        (2, "rest", "stuff"),
    ]


def test_strokes_of_another_size_are_refused(path):
    path.write_text(json.dumps(GOOD))
    with pytest.raises(ValueError, match="image of 60 x 40 px, the image is 7 x 9 px"):
        read_strokes(path).require_shape((9, 7), path)


def broken(**changes):
    return GOOD | changes


def stroke(**changes):
    return broken(strokes=[GOOD["strokes"][0] | changes])


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ([], 'does not say "format"'),
        ({"images": [], "annotations": []}, 'does not say "format"'),
        (broken(version=2), "is of version 2, known is 1"),
        (broken(width=None), "width is None instead of a number"),
        (broken(width=0), "width is 0, accepted is 1 to 1e"),
        (broken(height=1e9), "height is"),
        (broken(strokes=None), 'no list "strokes"'),
        (broken(strokes=[3]), 'no list "points"'),
        (broken(strokes=[{}] * 10_001), "10001 strokes, the most are 10000"),
        (broken(categories=[{"name": "a"}, {"name": "a"}]), "the same name"),
        (broken(categories=["a"]), "category 1 has no name"),
        (broken(categories=[{"name": " "}]), "a category is broken"),
        (broken(categories=[{"name": "a", "color": 3}]), "a category is broken"),
        (broken(categories=[{"name": "a", "color": "red"}]), "a category is broken"),
        (stroke(category="dog"), "stroke 1 is of the category 'dog', which is not in its table"),
        (stroke(category=["cell"]), "which is not in its table"),
        (stroke(points=[]), "the points of stroke 1 are no list"),
        (stroke(points=[[1, 2, 3]]), "the points of stroke 1 are no list"),
        (stroke(points=[[1, "2"]]), "a column of stroke 1 is '2' instead of a number"),
        (stroke(points=[[True, 2]]), "a row of stroke 1 is True instead of a number"),
        (stroke(points=[[1e300, 2]]), "a row of stroke 1 is 1e\\+300"),
        (stroke(points=[[10**400, 2]]), "a row of stroke 1 is 1000"),
        (stroke(radius=-1), "the radius of stroke 1 is -1, accepted is 0 to 1000"),
        (stroke(radius=None), "the radius of stroke 1 is None"),
    ],
)
def test_broken_files_are_refused_with_what_is_wrong(path, content, sentence):
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=sentence) as caught:
        read_strokes(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    "text", ["no json", "{", "[" * 100_000, "\x00", '{"a": ' + "9" * 5000 + "}", b"\xff\xfe\xfd"]
)
def test_what_is_no_json_is_said_to_be_none(path, text):
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ValueError, match="is no JSON and therefore no stroke file"):
        read_strokes(path)


def test_nan_is_no_coordinate(path):
    path.write_text(json.dumps(stroke(points=[[np.nan, 1.0]])))
    with pytest.raises(ValueError, match="it holds NaN, which is no number"):
        read_strokes(path)


def test_an_empty_and_a_missing_file_are_named(path):
    with pytest.raises(FileNotFoundError, match=r"strokes\.json cannot be read"):
        read_strokes(path)
    path.touch()
    with pytest.raises(ValueError, match=r"strokes\.json is empty"):
        read_strokes(path)


def test_what_a_damaged_file_quotes_does_not_fill_the_screen(tmp_path):
    path = tmp_path / "long.json"
    write_strokes(Recording((9, 9), (Category(1, "cat", "#e69f00"),), ()), path)
    content = json.loads(path.read_text())
    content["categories"][0]["kind"] = "x" * 5000
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match="a category is broken") as caught:
        read_strokes(path)
    assert len(str(caught.value)) < 1000
    assert "accepted are" in str(caught.value)
