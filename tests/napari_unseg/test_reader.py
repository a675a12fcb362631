"""COCO files as layers, opened by the viewer itself."""

from __future__ import annotations

import json

import numpy as np
import PIL.Image
import pytest
import tifffile
from napari.components import ViewerModel
from napari.layers import Image, Labels
from napari.utils.notifications import notification_manager
from napari_unseg import groups
from napari_unseg.pictures import image_path
from napari_unseg.reader import get_reader
from napari_unseg.tables import KEY, categories_in
from npe2 import PluginManifest

from unseg_studio.data import Annotation, Category, Source, regions_from_labels
from unseg_studio.formats import FORMATS, export, write_coco

from .conftest import MANIFEST

TABLE = (Category(1, "nucleus", "#e69f00"), Category(2, "wall", "#56b4e9", "stuff"))
SHAPE = (12, 17)


@pytest.fixture
def model(npe2pm):
    npe2pm.register(PluginManifest.from_file(MANIFEST))
    return ViewerModel()


@pytest.fixture(autouse=True)
def nothing_said():
    notification_manager.records.clear()


def said():
    return [notification.message for notification in notification_manager.records]


def masks(seed=3, shape=SHAPE):
    return np.random.default_rng(seed).choice([0, 0, 1, 2], shape).astype(np.int32)


def annotation(source, labels, table=TABLE):
    return Annotation(labels.shape, source, table, regions_from_labels(labels, table))


def coco_file(path, *sources, shape=SHAPE):
    """A file that knows these sources, the masks of each made of its number."""
    found = [annotation(source, masks(n, shape)) for n, source in enumerate(sources)]
    write_coco(found, path)
    return path


def opened(model, path):
    return model.open(str(path), plugin="unseg-studio")


def grey(shape=SHAPE, seed=0):
    return np.random.default_rng(seed).integers(0, 255, shape, np.uint8)


def save(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.fromarray(pixels).save(path)
    return path


def test_masks_become_labels_in_the_colours_and_names_of_their_categories(model, tmp_path):
    (layer,) = opened(model, coco_file(tmp_path / "a.json", Source(tmp_path / "cell.png")))
    np.testing.assert_array_equal(layer.data, masks(0))
    assert isinstance(layer, Labels)
    assert layer.name == "cell masks"
    assert categories_in(layer.metadata) == TABLE
    assert layer.metadata[KEY]["categories"][1] == {
        "id": 2, "name": "wall", "color": "#56b4e9", "kind": "stuff",
    }  # fmt: skip
    assert list(layer.features["category"]) == ["nucleus", "wall"]
    for category in TABLE:
        wanted = np.array(category.rgb) / 255
        np.testing.assert_allclose(layer.get_color(category.id)[:3], wanted, atol=0.01)


def test_the_status_bar_names_the_category_under_the_mouse(model, tmp_path):
    (layer,) = opened(model, coco_file(tmp_path / "a.json", Source(tmp_path / "cell.png")))
    row, column = np.argwhere(layer.data == 2)[0]
    assert "wall" in layer.get_status((row, column))["coordinates"]


def test_the_layer_can_be_painted(model, tmp_path):
    (layer,) = opened(model, coco_file(tmp_path / "a.json", Source(tmp_path / "cell.png")))
    layer.paint((5, 5), 2)
    assert layer.data[5, 5] == 2


def test_the_plugin_is_found_by_the_name_of_the_file(model, tmp_path):
    path = coco_file(tmp_path / "a.json", Source(tmp_path / "cell.png"))
    (layer,) = model.open(str(path), plugin=None)
    assert isinstance(layer, Labels)


@pytest.mark.parametrize(
    ("pixels", "shape"), [(grey(), SHAPE), (grey((*SHAPE, 3)), (*SHAPE, 3))], ids=["grey", "rgb"]
)
def test_an_image_beside_the_file_is_opened_beneath_its_masks(model, tmp_path, pixels, shape):
    path = save(tmp_path / "images" / "cell.png", pixels)
    image, labels = opened(model, coco_file(tmp_path / "a.json", Source(path)))
    assert isinstance(image, Image)
    assert (image.name, labels.name) == ("cell", "cell masks")
    assert image.data.shape == shape
    np.testing.assert_array_equal(image.data, pixels)
    assert list(model.layers) == [image, labels]


def test_channels_get_an_axis_of_their_own(model, tmp_path):
    pixels = np.stack([grey(seed=n) for n in range(5)])
    tifffile.imwrite(tmp_path / "cell.tif", pixels, metadata={"axes": "CYX"})
    image, labels = opened(model, coco_file(tmp_path / "a.json", Source(tmp_path / "cell.tif")))
    np.testing.assert_array_equal(image.data, pixels)
    assert labels.data.shape == SHAPE


def test_few_images_are_layers_of_their_own(model, tmp_path):
    sources = [Source(tmp_path / name) for name in ("a.png", "b.png", "c.png")]
    layers = opened(model, coco_file(tmp_path / "a.json", *sources))
    assert [layer.name for layer in layers] == ["a masks", "b masks", "c masks"]
    for n, layer in enumerate(layers):
        np.testing.assert_array_equal(layer.data, masks(n))


def test_many_images_of_one_size_are_a_stack(model, tmp_path):
    paths = [save(tmp_path / f"{n:02d}.png", grey(seed=n)) for n in range(14)]
    paths[5].unlink()
    file = coco_file(tmp_path / "a.json", *(Source(path) for path in paths))
    image, labels = opened(model, file)
    assert labels.data.shape == image.data.shape == (14, *SHAPE)
    for n in range(14):
        np.testing.assert_array_equal(labels.data[n], masks(n))
        np.testing.assert_array_equal(image.data[n], grey(seed=n) if n != 5 else 0)
    assert labels.metadata[KEY]["file_names"][3] == "03.png"
    assert labels.name == "00 and 13 more masks"


def test_colours_and_greys_go_into_one_stack(model, tmp_path):
    paths = [save(tmp_path / f"{n:02d}.png", grey((*SHAPE, 3))) for n in range(11)]
    save(paths[1], grey())
    image, _ = opened(model, coco_file(tmp_path / "a.json", *(Source(path) for path in paths)))
    assert image.rgb
    np.testing.assert_array_equal(np.asarray(image.data[1])[..., 2], grey())


def test_file_names_of_a_stack_stay_when_it_is_written_again(model, tmp_path):
    sources = [Source(tmp_path / "images" / f"{n:02d}.png") for n in range(14)]
    file = coco_file(tmp_path / "a.json", *sources)
    (layer,) = opened(model, file)
    layer.save(str(tmp_path / "b.json"), plugin="unseg-studio")
    before, after = (json.loads((tmp_path / name).read_text()) for name in ("a.json", "b.json"))
    assert after["images"] == before["images"]
    assert after["categories"] == before["categories"]
    assert [e["segmentation"] for e in after["annotations"]] == [
        e["segmentation"] for e in before["annotations"]
    ]


def test_planes_of_a_stack_are_one_layer_over_their_image(model, tmp_path):
    pixels = np.stack([grey(seed=n) for n in range(5)]).astype(np.uint16) * 200
    pixels[0] = 0  # blank, as ends of stacks are
    tifffile.imwrite(tmp_path / "cells.tif", pixels, metadata={"axes": "ZYX"})
    sources = [Source(tmp_path / "cells.tif", plane, 5) for plane in (1, 3)]
    image, labels = opened(model, coco_file(tmp_path / "a.json", *sources))
    assert labels.data.shape == (4, *SHAPE)
    for plane, wanted in enumerate([0, masks(0), 0, masks(1)]):
        np.testing.assert_array_equal(labels.data[plane], np.broadcast_to(wanted, SHAPE))
        np.testing.assert_array_equal(image.data[plane], pixels[plane])
    assert image.data.dtype == np.uint16
    assert labels.metadata[KEY]["file_name"] == "cells.tif"


def test_a_stack_comes_back_in_its_place_and_over_its_image(model, tmp_path):
    pixels = np.stack([grey(seed=n) for n in range(6)]).reshape(2, 3, *SHAPE)
    axes = {"axes": "TZYX"}
    tifffile.imwrite(tmp_path / "cells.tif", pixels, photometric="minisblack", metadata=axes)
    metadata = {KEY: {"file_name": "cells.tif"}}
    layer = model.add_labels(
        masks(shape=pixels.shape), name="my masks", scale=(1, 2, 0.5, 0.5), metadata=metadata,
        axis_labels=("t", "z", "y", "x"),
    )  # fmt: skip
    layer.save(str(tmp_path / "a.json"), plugin="unseg-studio")
    model.layers.clear()
    image, labels = opened(model, tmp_path / "a.json")
    np.testing.assert_array_equal(labels.data, layer.data)
    np.testing.assert_array_equal(image.data, pixels)
    assert labels.name == "my masks"
    for made in (image, labels):
        np.testing.assert_array_equal(made.scale, layer.scale)
        assert tuple(made.axis_labels) == ("t", "z", "y", "x")


def test_a_damaged_plane_is_black_and_said(model, tmp_path):
    paths = [save(tmp_path / f"{n:02d}.png", grey(seed=n)) for n in range(11)]
    file = coco_file(tmp_path / "a.json", *(Source(path) for path in paths))
    image, _ = opened(model, file)
    paths[4].write_bytes(paths[4].read_bytes()[:60])
    notification_manager.records.clear()
    assert not np.asarray(image.data[4]).any()
    assert "04.png" in said()[0]


def test_an_image_of_another_size_is_not_opened_and_said(model, tmp_path):
    save(tmp_path / "cell.png", grey((5, 6)))
    (layer,) = opened(model, coco_file(tmp_path / "a.json", Source(tmp_path / "cell.png")))
    assert isinstance(layer, Labels)
    assert "Only the masks of cell are opened: cell.png is 6 x 5 px" in said()[0]


def test_of_very_many_images_the_first_are_opened_and_it_is_said(model, tmp_path, monkeypatch):
    monkeypatch.setattr(groups, "MOST_IMAGES", 20)
    sources = [Source(tmp_path / f"{n:02d}.png") for n in range(30)]
    (layer,) = opened(model, coco_file(tmp_path / "many.json", *sources))
    assert layer.data.shape == (20, *SHAPE)
    assert any("many.json knows 30 images; 20 of them are opened, in 1 layer." in s for s in said())


def test_of_very_many_sizes_the_most_frequent_are_opened(model, tmp_path):
    shapes = [(4 + n, 5) for n in range(12)] + [SHAPE] * 3
    found = [annotation(Source(tmp_path / f"{n}.png"), masks(n, s)) for n, s in enumerate(shapes)]
    write_coco(found, tmp_path / "a.json")
    layers = opened(model, tmp_path / "a.json")
    assert len(layers) == groups.MOST_LAYERS
    assert layers[0].data.shape == (3, *SHAPE)
    assert any("knows 15 images; 12 of them are opened, in 10 layers" in s for s in said())


def bare(images, annotations=(), **tables):
    return {
        "images": images,
        "categories": [{"id": 1, "name": "cell"}],
        "annotations": list(annotations),
    } | tables


def written(path, content):
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def entry(**changes):
    return {"id": 1, "file_name": "cell.png", "width": 17, "height": 12} | changes


def test_what_does_not_fit_into_the_memory_is_refused_with_a_sentence(model, tmp_path):
    path = written(tmp_path / "a.json", bare([entry(width=10**6, height=10**6)]))
    with pytest.raises(ValueError, match=r"megapixels in one layer; accepted are up to 512"):
        opened(model, path)


def test_a_plane_far_away_takes_no_memory(model, tmp_path):
    path = written(tmp_path / "a.json", bare([entry(), entry(id=2, stack="s", plane=10**9)]))
    (layer,) = opened(model, path)
    assert layer.data.shape == SHAPE


@pytest.mark.parametrize(
    "text",
    ['{"type": "FeatureCollection", "features": []}', "[1, 2, 3]", "7", "{", "hello"],
)
def test_other_json_is_left_to_other_plugins(tmp_path, text):
    assert get_reader(str(written(tmp_path / "a.json", text))) is None


def test_several_files_are_read_together_or_not_at_all(tmp_path):
    one = coco_file(tmp_path / "a.json", Source(tmp_path / "a.png"))
    two = coco_file(tmp_path / "b.json", Source(tmp_path / "b.png"))
    paths = [str(one), str(two)]
    assert len(get_reader(paths)(paths)) == 2
    assert get_reader([str(one), str(written(tmp_path / "c.json", "{}"))]) is None


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (bare([]), "knows no images"),
        (bare([entry(width=None)]), "accepted are a width and a height"),
        (bare([entry()], [{"id": 4, "image_id": 9, "category_id": 1}]), "refers to the image 9"),
        (
            bare([entry()], [{"id": 4, "image_id": 1, "category_id": 1, "segmentation": [[1, 2]]}]),
            "annotation 4 is damaged",
        ),
        (bare([entry(stack="s", plane=1), entry(id=2, stack="s", plane=1)]), "two planes of 's'"),
        (json.dumps(bare([entry()]))[:-9], "is not JSON"),
    ],
)
def test_a_damaged_coco_file_is_refused_with_a_sentence(model, tmp_path, content, sentence):
    path = written(tmp_path / "a.json", content)
    with pytest.raises(ValueError, match=sentence) as caught:
        opened(model, path)
    assert "a.json" in str(caught.value)
    assert not model.layers


@pytest.mark.parametrize(
    "told",
    [
        7, {"lengths": [0]}, {"lengths": "ab"}, {"lengths": [2.5]},
        {"lengths": [], "scale": [0, 1]}, {"lengths": [], "scale": [1]}, {"lengths": [], "name": 7},
        {"lengths": [], "scale": [float("inf"), 1]}, {"lengths": [], "units": ["no unit", "um"]},
        {"lengths": [], "axis_labels": ["y", "y"]}, {"lengths": [], "translate": ["a", None]},
    ],
)  # fmt: skip
@pytest.mark.parametrize("image", [entry(), entry(stack="s", plane=0)])
def test_what_cannot_be_about_a_place_is_passed_over(model, tmp_path, told, image):
    info = {"unseg_studio": {"provenance": {"1": {"layer": told}}}}
    (layer,) = opened(model, written(tmp_path / "a.json", bare([image], info=info)))
    assert layer.data.shape[-2:] == SHAPE
    np.testing.assert_array_equal(layer.scale, 1)


@pytest.mark.parametrize(
    "name",
    [
        "../secret.png", "images/../../secret.png", "..\\secret.png", "{outside}", "link.png",
        "linked/secret.png", "a\0b.png", "x" * 5000, "", ".", "..", "loop",
    ],
)  # fmt: skip
def test_no_name_leads_out_of_the_folder_of_the_file(model, tmp_path, name):
    folder = tmp_path / "folder"
    (folder / "images").mkdir(parents=True)
    secret = save(tmp_path / "secret.png", grey())
    (folder / "link.png").symlink_to(secret)
    (folder / "linked").symlink_to(tmp_path)
    (folder / "loop").symlink_to(folder / "loop")
    name = name.replace("{outside}", str(secret))
    assert image_path(folder, name) is None
    (layer,) = opened(model, written(folder / "a.json", bare([entry(file_name=name)])))
    assert isinstance(layer, Labels)


@pytest.mark.parametrize("name", ["../secret.tif", "/etc/secret.tif", "..\\secret.tif"])
def test_no_stack_leads_out_of_the_folder_of_the_file(model, tmp_path, name):
    folder = tmp_path / "folder"
    folder.mkdir()
    tifffile.imwrite(tmp_path / "secret.tif", np.stack([grey(), grey(seed=1)]))
    image = entry(file_name=f"../{name}", stack=name, plane=1)
    (layer,) = opened(model, written(folder / "a.json", bare([image])))
    assert isinstance(layer, Labels)


def test_notes_about_the_file_are_said_once(model, tmp_path):
    images = [entry(id=n, file_name=f"{n}.png") for n in range(3)]
    content = bare(images, categories=[{"id": 0, "name": "cell"}])
    opened(model, written(tmp_path / "a.json", content))
    assert len([s for s in said() if "got new ids" in s]) == 1


@pytest.mark.parametrize("name", ["labelme", "qupath"])
def test_files_of_outlines_are_opened_as_labels(model, tmp_path, name):
    labels = masks()
    path = tmp_path / FORMATS[name].named("cells")
    export(annotation(Source(tmp_path / "cells.tif"), labels), path, format=name)
    (layer,) = opened(model, path)
    np.testing.assert_array_equal(layer.data, labels)
    assert categories_in(layer.metadata) == TABLE


def test_foreign_areas_make_a_layer_as_large_as_they_reach(model, tmp_path):
    ring = [[2, 1], [9, 1], [9, 4.5], [2, 4.5], [2, 1]]
    feature = {
        "type": "Feature",
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": {"classification": {"name": "tumour"}},
    }
    path = written(tmp_path / "areas.geojson", json.dumps(feature))
    (layer,) = opened(model, path)
    assert layer.data.shape == (5, 9)
    assert categories_in(layer.metadata)[0].name == "tumour"


def test_a_size_that_is_no_image_is_refused(tmp_path):
    content = {"shapes": [], "imageHeight": 10**9, "imageWidth": 10**9}
    with pytest.raises(ValueError, match="accepted are up to"):
        get_reader(str(written(tmp_path / "huge.json", json.dumps(content))))
