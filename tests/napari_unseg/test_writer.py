"""Labels layers as files, read back by pycocotools and by the plugin's own reader."""

from __future__ import annotations

import inspect
import json
import tracemalloc

import dask.array as da
import numpy as np
import PIL.Image
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from napari.components import ViewerModel
from napari.layers import Labels
from napari.utils.colormaps import DirectLabelColormap
from napari.utils.notifications import notification_manager
from napari_unseg import writer
from napari_unseg.reader import get_reader
from napari_unseg.tables import KEY, categories_in, stored
from napari_unseg.writer import plane_of, write_coco, write_objects, write_png
from npe2 import PluginManager, PluginManifest
from pycocotools.coco import COCO

from unseg_studio.data import Category
from unseg_studio.formats import FORMATS, load, read_png

from .conftest import MANIFEST

# pycocotools 2.0.11 and numpy 2 disagree about a keyword, harmlessly.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

TABLE = (
    Category(1, "nucleus", "#e69f00"),
    Category(2, "fond océan, 海", "#56b4e9", "stuff"),
    Category(9, "never drawn", "#009e73"),
)
MASKS = hnp.arrays(
    np.uint16,
    st.one_of(
        st.tuples(st.integers(1, 9), st.integers(1, 9)),
        st.tuples(st.integers(1, 3), st.integers(1, 7), st.integers(1, 7)),
        st.tuples(st.integers(1, 2), st.integers(1, 3), st.integers(1, 5), st.integers(1, 5)),
    ),
    elements=st.sampled_from([0, 0, 1, 2, 9, 700, 1000]),
)


@pytest.fixture
def model(npe2pm):
    npe2pm.register(PluginManifest.from_file(MANIFEST))
    return ViewerModel()


def blobs(*lengths):
    return np.random.default_rng(7).choice([0, 0, 1, 2], (*lengths, 12, 17)).astype(np.int32)


def labels_layer(data, name="cells", **attributes):
    return Labels(data, name=name, **attributes)


def tuples(*layers):
    return [layer.as_layer_data_tuple() for layer in layers]


def masks_in(path):
    """The labels of each image, as the reference reader gets them, by file name."""
    coco = COCO(str(path))
    found = {}
    for image in coco.loadImgs(coco.getImgIds()):
        plane = np.zeros((image["height"], image["width"]), np.int32)
        for entry in coco.loadAnns(coco.getAnnIds(imgIds=[image["id"]])):
            plane[coco.annToMask(entry).astype(bool)] = entry["category_id"]
        found[image["file_name"]] = plane
    return found


def content_of(path):
    return json.loads(path.read_text("utf-8"))


def warnings_said():
    return [n.message for n in notification_manager.records if str(n.severity) == "warning"]


@pytest.fixture(autouse=True)
def nothing_said():
    notification_manager.records.clear()


def test_napari_saves_a_layer(model, tmp_path):
    layer = model.add_labels(blobs(), name="cells")
    path = tmp_path / "out.json"
    assert layer.save(str(path), plugin="unseg-studio") == [str(path)]
    np.testing.assert_array_equal(masks_in(path)["cells"], blobs())


def test_napari_saves_several_layers(model, tmp_path):
    for name in ("cells", "cells", "a/b"):
        model.add_labels(blobs(), name=name)
    path = tmp_path / "out.json"
    assert model.layers.save(str(path), plugin="unseg-studio") == [str(path)]
    assert set(masks_in(path)) == {"cells", "cells [1]", "a_b"}


def test_a_stack_is_one_image_per_plane_with_names_that_stay(tmp_path):
    data = blobs(2, 3)
    path = tmp_path / "out.json"
    for _ in range(2):
        write_coco(str(path), tuples(labels_layer(data)))
        found = masks_in(path)
        assert list(found) == [f"cells_z{number:04d}" for number in range(6)]
        np.testing.assert_array_equal(np.stack([*found.values()]), data.reshape(6, 12, 17))


def test_layers_of_one_name_get_different_file_names(tmp_path):
    path = tmp_path / "out.json"
    write_coco(str(path), tuples(labels_layer(blobs()), labels_layer(blobs(2))))
    assert set(masks_in(path)) == {"cells", "cells (2)_z0000", "cells (2)_z0001"}


def test_the_table_in_the_metadata_is_written(tmp_path):
    path = tmp_path / "out.json"
    write_coco(str(path), tuples(labels_layer(blobs(), metadata=stored(TABLE))))
    content = content_of(path)
    assert [(c["id"], c["name"]) for c in content["categories"]] == [
        (1, "nucleus"), (2, "fond océan, 海"), (9, "never drawn"),
    ]  # fmt: skip
    looks = content["info"]["unseg_studio"]["categories"]
    assert [(look["color"], look["kind"]) for look in looks] == [
        ("#e69f00", "thing"), ("#56b4e9", "stuff"), ("#009e73", "thing"),
    ]  # fmt: skip
    assert sum(entry["category_id"] == 2 for entry in content["annotations"]) == 1


def test_a_label_that_is_no_category_yet_becomes_one_in_its_colour(tmp_path):
    data = blobs() * 3
    data[0, 0] = 1
    colors = {None: "white", 1: "#ff0000", 3: "#00ff00", 6: "#0000ff"}
    layer = labels_layer(
        data, metadata=stored(TABLE), colormap=DirectLabelColormap(color_dict=colors)
    )
    path = tmp_path / "out.json"
    write_coco(str(path), tuples(layer))
    names = {c["id"]: c["name"] for c in content_of(path)["categories"]}
    assert names == {
        1: "nucleus",
        2: "fond océan, 海",
        3: "label 3",
        6: "label 6",
        9: "never drawn",
    }
    looks = {look["id"]: look for look in content_of(path)["info"]["unseg_studio"]["categories"]}
    assert (looks[1]["color"], looks[3]["color"]) == ("#e69f00", "#00ff00")


def test_names_are_taken_from_features(tmp_path):
    features = {"index": [2, 1], "name": ["wall", "cell"]}
    path = tmp_path / "out.json"
    write_coco(str(path), tuples(labels_layer(blobs(), features=features)))
    assert {c["id"]: c["name"] for c in content_of(path)["categories"]} == {1: "cell", 2: "wall"}


def test_colours_are_those_of_the_layer(tmp_path):
    layer = labels_layer(blobs())
    path = tmp_path / "out.json"
    write_coco(str(path), tuples(layer))
    for look in content_of(path)["info"]["unseg_studio"]["categories"]:
        shown = np.rint(np.array(layer.get_color(look["id"])[:3]) * 255).astype(int)
        assert look["color"] == "#{:02x}{:02x}{:02x}".format(*shown)


def test_a_label_that_is_hidden_has_a_colour_all_the_same(tmp_path):
    layer = labels_layer(blobs())
    layer.show_selected_label = True
    path = tmp_path / "out.json"
    write_coco(str(path), tuples(layer))
    looks = content_of(path)["info"]["unseg_studio"]["categories"]
    assert len({look["color"] for look in looks}) == 2


def test_tables_of_several_layers_become_one(tmp_path):
    other = (Category(1, "membrane", "#000000"), Category(4, "nucleus", "#ffffff"))
    first = labels_layer(blobs(), "a", metadata=stored(TABLE))
    second = labels_layer(np.array([[1, 4]]), "b", metadata=stored(other))
    path = tmp_path / "out.json"
    write_coco(str(path), tuples(first, second))
    names = {c["id"]: c["name"] for c in content_of(path)["categories"]}
    assert sorted(names.values()) == ["fond océan, 海", "membrane", "never drawn", "nucleus"]
    assert [names[id_] for id_ in masks_in(path)["b"][0]] == ["membrane", "nucleus"]


def test_clusters_without_a_name_are_left_out_with_a_sentence(tmp_path):
    data = blobs()
    data[3, 3:6] = 1005
    path = tmp_path / "out.json"
    write_coco(str(path), tuples(labels_layer(data, metadata=stored(TABLE))))
    np.testing.assert_array_equal(masks_in(path)["cells"], np.where(data > 1000, 0, data))
    assert "1 label of 'cells' that is no category was left out" in warnings_said()[0]


def test_labels_of_any_number_get_ids_that_fit(tmp_path):
    data = np.array([[0, -4, 70000], [2, 2**40, 0]], np.int64)
    path = tmp_path / "out.json"
    write_coco(str(path), tuples(labels_layer(data)))
    names = {c["id"]: c["name"] for c in content_of(path)["categories"]}
    seen = masks_in(path)["cells"]
    assert names[seen[0, 1]] == "label -4"
    assert names[seen[0, 2]] == "label 70000"
    assert (seen[1, 0], names[seen[1, 1]]) == (2, f"label {2**40}")
    assert (seen == 0).sum() == 2
    assert "3 labels of 'cells' got ids" in warnings_said()[0]


def test_too_many_labels_are_refused_with_a_way_out(tmp_path):
    data = np.arange(1024).reshape(32, 32)
    path = tmp_path / "out.json"
    with pytest.raises(OSError, match=r"'cells' has 1023 labels; accepted are up to 1000"):
        write_coco(str(path), tuples(labels_layer(data)))
    assert not path.exists()
    write_objects(str(path), tuples(labels_layer(data)))
    assert len(content_of(path)["annotations"]) == 1023


def test_labels_can_be_objects_of_one_category(tmp_path):
    data = np.zeros((9, 9), np.uint32)
    data[0:3, 0:3] = 5
    data[0:3, 3:6] = 70000  # touches it, and is another object
    data[6, 0] = data[8, 8] = 7  # one object in two parts
    path = tmp_path / "out.json"
    write_objects(str(path), tuples(labels_layer(data)))
    content = content_of(path)
    assert [c["name"] for c in content["categories"]] == ["cells"]
    assert sorted(entry["area"] for entry in content["annotations"]) == [2, 9, 9]


@pytest.mark.parametrize("data", [np.zeros((0, 4, 5), int), np.zeros((4, 0), int), np.ones(5, int)])
@pytest.mark.parametrize("write", [write_coco, write_objects, write_png])
def test_layers_without_a_plane_are_refused_with_a_sentence(tmp_path, data, write):
    with pytest.raises(OSError, match=r"'cells' has the shape .* accepted are planes"):
        write(str(tmp_path / "out.png"), [(data, {"name": "cells"}, "labels")])
    assert not any(tmp_path.iterdir())


def test_napari_shows_the_sentence_of_a_writer_that_refuses(model, tmp_path):
    layer = model.add_labels(np.arange(1024).reshape(32, 32), name="cells")
    with pytest.raises(OSError, match="1023 labels"):
        layer.save(str(tmp_path / "out.json"), plugin="unseg-studio")


def test_other_layers_are_refused_with_a_sentence(tmp_path):
    with pytest.raises(OSError, match="'a' is a layer of image; accepted are Labels layers"):
        write_coco(str(tmp_path / "out.json"), [(np.eye(3), {"name": "a"}, "image")])


def test_a_folder_that_is_absent_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="absent does not exist"):
        write_coco(str(tmp_path / "absent" / "out.json"), tuples(labels_layer(blobs())))


def test_a_failure_in_the_middle_leaves_the_file_that_was_there(tmp_path):
    path = tmp_path / "out.json"
    path.write_text("before")

    asked = []

    def damaged(block_info=None):
        asked.append(block_info[None]["chunk-location"][0])
        if asked.count(1) == 2:  # the labels are looked up first, then written
            raise OSError("this plane cannot be read")
        return np.ones((1, 5, 6), np.int32)

    lazy = da.map_blocks(damaged, chunks=((1,) * 3, (5,), (6,)), dtype=np.int32)
    with pytest.raises(OSError, match="cannot be read"):
        write_coco(str(path), [(lazy, {"name": "cells"}, "labels")])
    assert asked == [0, 1, 2, 0, 1]
    assert path.read_text() == "before"
    assert [file.name for file in tmp_path.iterdir()] == ["out.json"]


def test_a_stack_is_read_plane_by_plane(tmp_path):
    planes, side = 24, 256
    lazy = da.map_blocks(
        lambda block_info=None: np.full((1, side, side), 1 + block_info[None]["chunk-location"][0]),
        chunks=((1,) * planes, (side,), (side,)), dtype=np.int64,
    )  # fmt: skip
    write_coco(str(tmp_path / "first.json"), [(lazy[:1], {"name": "cells"}, "labels")])  # imports
    tracemalloc.start()
    try:
        write_coco(str(tmp_path / "out.json"), [(lazy, {"name": "cells"}, "labels")])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < lazy.nbytes / 2
    assert len(content_of(tmp_path / "out.json")["annotations"]) == planes


def test_of_a_pyramid_the_largest_scale_is_written(tmp_path):
    layer = labels_layer([blobs(), blobs()[::2, ::2]], multiscale=True)
    path = tmp_path / "out.json"
    write_coco(str(path), tuples(layer))
    np.testing.assert_array_equal(masks_in(path)["cells"], blobs())


@settings(max_examples=40, deadline=None, print_blob=True)
@given(data=MASKS, with_table=st.booleans())
def test_layer_to_coco_to_layer_is_exact(tmp_path_factory, data, with_table):
    path = tmp_path_factory.mktemp("round") / "out.json"
    place = {"scale": np.arange(1, data.ndim + 1) / 2, "translate": -np.arange(float(data.ndim))}
    metadata = stored(TABLE) if with_table else {}
    layer = labels_layer(data, metadata=metadata, units=("um",) * data.ndim, **place)
    write_coco(str(path), tuples(layer))
    ((ids, attributes, kind),) = get_reader(str(path))(str(path))
    again = Labels(ids, **attributes)
    assert kind == "labels"
    np.testing.assert_array_equal(again.data, data)
    np.testing.assert_array_equal(again.scale, layer.scale)
    np.testing.assert_array_equal(again.translate, layer.translate)
    assert (again.units, again.axis_labels, again.name) == (
        layer.units, layer.axis_labels, layer.name,
    )  # fmt: skip
    if with_table:
        assert set(TABLE) <= set(categories_in(again.metadata))


@settings(max_examples=40, deadline=None, print_blob=True)
@given(data=MASKS)
def test_pycocotools_sees_the_same_masks(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("masks") / "out.json"
    write_coco(str(path), tuples(labels_layer(data)))
    planes = [plane_of(data, index) for index in np.ndindex(data.shape[:-2])]
    np.testing.assert_array_equal([*masks_in(path).values()], planes)


def test_a_plane_is_an_indexed_png_in_the_colours_of_its_categories(tmp_path):
    path = tmp_path / "out.png"
    written = write_png(str(path), tuples(labels_layer(blobs(), metadata=stored(TABLE))))
    assert written == [str(path)]
    read = read_png(path, shape=(12, 17))
    np.testing.assert_array_equal(read.labels, blobs())
    assert read.categories == TABLE
    with PIL.Image.open(path) as image:
        assert image.getpalette("RGB")[3:6] == [0xE6, 0x9F, 0x00]


def test_planes_and_layers_are_png_files_of_their_own(tmp_path):
    layers = tuples(labels_layer(blobs(2)), labels_layer(blobs(), "other"))
    write_png(str(tmp_path / "out.png"), layers)
    assert sorted(path.name for path in tmp_path.glob("*.png")) == [
        "out cells_z0000.png", "out cells_z0001.png", "out other.png",
    ]  # fmt: skip


def test_png_files_never_take_the_place_of_each_other(tmp_path):
    images = {KEY: {"file_names": ["x/a.png", "y/a.png"]}}
    layers = tuples(
        labels_layer(blobs(2), metadata=images),
        labels_layer(blobs(), metadata={KEY: {"file_name": "b.png"}}),
        labels_layer(blobs(), metadata={KEY: {"file_name": "b.tif"}}),
    )
    written = write_png(str(tmp_path / "out.png"), layers)
    assert len(set(written)) == len([*tmp_path.glob("*.png")]) == 4


def test_labels_that_no_png_has_room_for_are_refused_before_anything_is_written(tmp_path):
    layers = tuples(labels_layer(blobs()), labels_layer(blobs() * 200, "far"))
    with pytest.raises(OSError, match=r"far has labels up to 400; .* up to 255"):
        write_png(str(tmp_path / "out.png"), layers)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    "words",
    [
        None, 3, [], {"categories": 5}, {"categories": [7, {"id": 1}]},
        {"categories": [{"id": 0, "name": "a", "color": "red", "kind": "x"}]},
        {"categories": [{"id": "1", "name": 4, "color": None, "kind": "thing"}]},
        {"file_name": 4, "file_names": ["a", 3]},
    ],
)  # fmt: skip
def test_metadata_of_another_kind_is_passed_over(tmp_path, words):
    path = tmp_path / "out.json"
    write_coco(str(path), tuples(labels_layer(blobs(), metadata={KEY: words})))
    np.testing.assert_array_equal(masks_in(path)["cells"], blobs())
    assert [c["name"] for c in content_of(path)["categories"]] == ["label 1", "label 2"]


ONE_BY_ONE = ("labelme", "qupath", "ome_tiff", "ome_zarr")


@pytest.mark.parametrize("name", ONE_BY_ONE)
def test_a_stack_is_written_plane_by_plane_and_read_back(tmp_path, name):
    data = blobs(2)
    format_ = FORMATS[name.replace("_", "-")]
    layer = labels_layer(data, metadata=stored(TABLE))
    path = tmp_path / f"out.v1{format_.single}"
    written = getattr(writer, f"write_{name}")(str(path), [layer.as_layer_data_tuple()])
    assert written == [str(tmp_path / f"out.v1_z000{n}{format_.single}") for n in range(2)]
    for plane, target in zip(data, written, strict=True):
        read = load(target, shape=plane.shape)
        np.testing.assert_array_equal(read.labels, plane)
        assert {c.name for c in read.categories} >= {"nucleus", "fond océan, 海"}


@pytest.mark.parametrize("name", ["coco_stuff", "cvat"])
def test_layers_are_written_to_one_file(tmp_path, name):
    layers = [labels_layer(blobs(), name=n).as_layer_data_tuple() for n in ("a", "b")]
    path = tmp_path / f"out{FORMATS[name.replace('_', '-')].suffix}"
    assert getattr(writer, f"write_{name}")(str(path), layers) == [str(path)]
    assert '"a"' in path.read_text()
    assert '"b"' in path.read_text()


@pytest.mark.parametrize("ending", [".geojson", ".ome.tif", ".ome.zarr"])
def test_the_viewer_finds_the_writer_by_the_ending(model, tmp_path, ending):
    if not has_compound_endings() and ending.count(".") > 1:
        pytest.skip("this npe2 looks at the last ending only")
    layer = model.add_layer(labels_layer(blobs()))
    assert layer.save(str(tmp_path / f"out{ending}"), plugin="unseg-studio")
    assert (tmp_path / f"out{ending}").exists()


def has_compound_endings():
    return "longest" in inspect.getsource(PluginManager.get_writer)
