"""GeoJSON for QuPath, as the standard's own library reads it."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import shapely

from unseg_studio.data import Category, Source
from unseg_studio.formats import export, load, preflight
from unseg_studio.formats.qupath import QupathOptions, write_qupath


def content_of(folder, stem="cell"):
    return json.loads((folder / f"{stem}.geojson").read_text())


def drawn_by_shapely(content, shape, ids):
    """Labels of the pixels whose centres lie inside."""
    rows, cols = np.mgrid[: shape[0], : shape[1]]
    labels = np.zeros(shape, np.int32)
    for feature in content["features"]:
        area = shapely.geometry.shape(feature["geometry"])
        assert area.is_valid, shapely.is_valid_reason(area)
        inside = shapely.contains_xy(area, cols + 0.5, rows + 0.5)
        labels[inside] = ids[feature["properties"]["classification"]["name"]]
    return labels


def test_areas_are_valid_and_hold_exactly_the_masks(annotate, labels, tmp_path):
    annotation = annotate(labels)
    export(annotation, tmp_path / "out", format="qupath")
    ids = {category.name: category.id for category in annotation.categories}
    content = content_of(tmp_path / "out")
    np.testing.assert_array_equal(drawn_by_shapely(content, labels.shape, ids), labels)


def test_objects_say_what_qupath_asks_for(annotate, blobs, tmp_path):
    write_qupath(annotate(blobs), tmp_path / "out", options=QupathOptions("detection", locked=True))
    content = content_of(tmp_path / "out")
    assert content["type"] == "FeatureCollection"
    for feature in content["features"]:
        assert feature["type"] == "Feature"
        assert feature["properties"]["objectType"] == "detection"
        assert feature["properties"]["isLocked"] is True
    first = content["features"][0]
    assert first["properties"]["classification"] == {"name": "Zelle", "color": [230, 159, 0]}
    assert "plane" not in first["geometry"]


def test_planes_of_a_stack_are_told(annotate, blobs, tmp_path):
    stack = replace(annotate(blobs), source=Source(Path("a.tif"), plane=2, n_planes=5))
    export(stack, tmp_path / "out", format="qupath")
    first = content_of(tmp_path / "out", "a_z0002")["features"][0]
    assert first["geometry"]["plane"] == {"c": -1, "z": 2, "t": 0}


def feature(*rings, kind="Polygon", **properties):
    return {
        "type": "Feature",
        "geometry": {"type": kind, "coordinates": list(rings)},
        "properties": properties,
    }


def ring(x, y, size):
    return [[x, y], [x + size, y], [x + size, y + size], [x, y + size], [x, y]]


def foreign(tmp_path, content):
    path = tmp_path / "a.geojson"
    path.write_text(json.dumps(content))
    return path


def test_what_qupath_writes_is_read(tmp_path):
    features = [
        feature(ring(0, 0, 8), ring(2, 2, 3), classification={"name": "Tumor", "colorRGB": -65536}),
        feature([ring(10, 0, 2)], [ring(14, 0, 2)], kind="MultiPolygon",
                classification={"names": ["A", "B"], "color": [0, 0, 255]}),
        feature(ring(0, 12, 2)),
        {"type": "Feature", "geometry": {"type": "Point", "coordinates": [1, 2]}},
    ]  # fmt: skip
    found = load(foreign(tmp_path, {"type": "FeatureCollection", "features": features}),
                 shape=(20, 30))  # fmt: skip
    assert [(c.id, c.name, c.color) for c in found.categories[:2]] == [
        (1, "Tumor", "#ff0000"), (2, "A: B", "#0000ff")
    ]  # fmt: skip
    assert found.categories[2].name == "unclassified"
    assert [int((found.labels == id_).sum()) for id_ in (1, 2, 3)] == [64 - 9, 8, 4]
    assert found.notes == ("1 Point is left out, since only polygons have an area.",)


@pytest.mark.parametrize("wrap", [lambda f: [f], lambda f: f])
def test_bare_features_are_read(wrap, tmp_path):
    found = load(foreign(tmp_path, wrap(feature(ring(1, 1, 3)))), shape=(20, 30))
    assert (found.labels > 0).sum() == 9


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (3, "no list of features"),
        ({"type": "FeatureCollection"}, "no list of features"),
        ({"type": "FeatureCollection", "features": [7]}, "something else"),
        ([feature(3)], "a ring of feature 1 is no list of 4 points"),
        ([feature([[1, 2], [3, 4]])], "no list of 4 points"),
        ([feature([[1, 2], [3, 4], [5], [1, 2]])], "something else than points"),
        ([feature([[1, 2], [3, 4], [5, float("inf")], [1, 2]])], "not finite"),
        ([feature([[1, 2], [3, 4], [5, 1e200], [1, 2]])], "out of all proportion"),
        ([feature(7, kind="MultiPolygon")], "coordinates of feature 1 are 7"),
    ],
)
def test_damaged_files_are_one_sentence(content, said, tmp_path):
    with pytest.raises(ValueError, match=rf"a\.geojson cannot be used: .*{said}"):
        load(foreign(tmp_path, content), shape=(20, 30))


def test_a_million_points_end_soon(tmp_path):
    points = np.random.default_rng(1).integers(0, 2048, (500_000, 2)).tolist()
    path = foreign(tmp_path, [feature(points)])
    start = time.process_time()
    with pytest.raises(ValueError, match="far more than fit an image"):
        load(path, shape=(2048, 2048))
    assert time.process_time() - start < 5


def test_objects_of_several_planes_are_said(tmp_path):
    there, here = feature(ring(1, 1, 3)), feature(ring(9, 9, 3))
    there["geometry"]["plane"] = {"c": -1, "z": 1, "t": 0}
    here["geometry"]["plane"] = {"c": -1, "z": 2, "t": 0}
    found = load(foreign(tmp_path, [there, here]), shape=(20, 30))
    assert found.notes == ("Objects of 2 planes of a stack are laid over each other.",)


def test_preflight_tells_of_names_that_qupath_takes_apart(annotate):
    labels = np.ones((20, 20))
    annotation = annotate(labels, categories=(Category(1, "a: b", "#ff0000"),))
    (finding,) = preflight(annotation, "qupath")
    assert "class within a class" in finding.sentence
