"""The export form, for one image and for many: what is chosen, checked, written and told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from qtpy.QtWidgets import QFileDialog, QLabel

from unseg_studio.data import Annotation, Source, new_category, regions_from_labels
from unseg_studio.formats import FORMATS, TARGETS, are_labels, export
from unseg_studio.widgets import (
    ExportForm,
    ExportJob,
    ExportWish,
    SetJob,
    SetSource,
    document_form,
    renamed,
    target_dialog,
)
from unseg_studio.widgets.export_job import MOST_READ_BACK, StoppedError

SHAPE = (24, 30)
TABLE = (new_category(()),)


def annotation(n, *, empty=False):
    labels = np.zeros(SHAPE, np.int32)
    if not empty:
        labels[2:12, 3 : 8 + n % 10] = 1
        labels[20, 20] = 1
    source = Source(Path(f"/images/{n:03d}.jpg"))
    return Annotation(SHAPE, source, TABLE, regions_from_labels(labels, TABLE))


def images(n):
    return [annotation(i, empty=i == 0) for i in range(n)]


@pytest.fixture
def form(qtbot, document, live):
    form = document_form(document, live)
    qtbot.addWidget(form)
    form.show()
    return form


@pytest.fixture
def set_form(qtbot):
    form = ExportForm(SetSource(images(10), 10))
    qtbot.addWidget(form)
    form.show()
    return form


def choose(box, value):
    """As a person does: the signal comes with it."""
    box.setCurrentIndex(box.findData(value))
    box.activated.emit(box.currentIndex())


def findings(form):
    rows = [form._findings.itemAt(i).layout() for i in range(form._findings.count())]
    labels = [row.itemAt(i).widget() for row in rows for i in range(row.count())]
    return " ".join(label.text() for label in labels if isinstance(label, QLabel))


class TestOneImage:
    def test_every_format_says_what_it_is_for(self, form):
        assert all(format_.purpose.endswith(".") for format_ in FORMATS.values())
        for name in FORMATS:
            choose(form._format, name)
            assert form._purpose.text() == FORMATS[name].purpose
            assert form.wish.options == FORMATS[name].options()

    @pytest.mark.parametrize("name", TARGETS)
    def test_a_tool_brings_the_format_and_the_options_that_it_reads_best(self, form, name):
        choose(form._target, name)
        best = TARGETS[name].formats[0]
        assert (form.wish.target, form.wish.format) == (name, best)
        assert form.wish.options == TARGETS[name].options.get(best, FORMATS[best].options())

    def test_a_tool_changes_what_is_said(self, qtbot, form):
        choose(form._target, "cvat")
        choose(form._format, "qupath")
        qtbot.waitUntil(lambda: "CVAT does not read this format" in findings(form))
        choose(form._target, "")
        qtbot.waitUntil(lambda: "CVAT" not in findings(form))

    def test_there_is_nothing_to_split(self, form):
        assert not form._split.isVisible()
        form.show_wish(ExportWish(val=0.3))
        assert form.wish.val == 0

    def test_it_fits_into_a_dock_of_300_px(self, qtbot, form):
        form.resize(284, 700)
        for name in FORMATS:
            choose(form._format, name)
            assert form.minimumSizeHint().width() <= 284

    @pytest.mark.parametrize("name", FORMATS)
    def test_a_job_writes_and_says_how_far_the_masks_agree(self, document, live, tmp_path, name):
        target = tmp_path / FORMATS[name].named("out")
        written = ExportJob.of(document, live, ExportWish(name)).write(target)
        assert target.exists()
        assert written.sentence.startswith(f"Exported to {target}. ")
        if FORMATS[name].read:
            assert "IoU 1.000." in written.sentence
        else:
            assert "not compared" in written.sentence


class TestManyImages:
    def test_formats_for_one_image_are_left_out(self, set_form):
        assert set_form._format.findData("png") == -1
        assert set_form._format.findData("png-folder") >= 0

    def test_the_split_and_what_has_no_labels_are_told(self, qtbot, set_form):
        set_form.show_wish(ExportWish(val=0.4, seed=7))
        assert (set_form.wish.val, set_form.wish.seed) == (0.4, 7)
        with qtbot.waitSignal(set_form.checked, check_params_cb=lambda c: c.told.parts) as said:
            pass
        assert sum(said.args[0].told.parts.values()) == 10
        assert set(said.args[0].told.parts) == {"train", "val"}
        assert "Without labels: 000.jpg." in set_form._details.text()
        assert set_form._summary.text().endswith("1 category, 10 images will be written.")

    def test_small_parts_are_left_out(self, qtbot, set_form):
        set_form.show_wish(ExportWish(min_area=2))
        qtbot.waitUntil(lambda: set_form._summary.text().startswith("9 regions in 1 category"))

    def test_a_job_writes_both_parts_and_reads_some_back(self, tmp_path):
        n = 2 * MOST_READ_BACK + 1
        job = SetJob(images(n), n, ExportWish("coco", val=0.3))
        written = job.write(tmp_path / "all.json")
        assert {p.name for p in tmp_path.iterdir()} == {"all_train.json", "all_val.json"}
        assert written.agreement.overall == 1
        assert written.sentence.startswith(f"Exported {n} images to ")
        assert f"Read back, {written.n_read} of them" in written.sentence
        assert written.n_read <= MOST_READ_BACK

    def test_a_job_that_is_stopped_writes_nothing(self, tmp_path):
        job = SetJob(images(5), 5, ExportWish("yolo"))
        job.course.stop()
        with pytest.raises(StoppedError):
            job.write(tmp_path / "set")
        assert not any(tmp_path.iterdir())

    def test_a_file_that_goes_before_it_is_read_back_is_told(self, tmp_path, monkeypatch):
        path = tmp_path / "a.json"
        monkeypatch.setattr("unseg_studio.widgets.export_job.export", lambda *_, **__: None)
        written = SetJob(images(2), 2, ExportWish()).write(path)
        assert "could not be read back: " in written.sentence

    def test_an_iou_is_never_rounded_up_to_one(self, tmp_path):
        labels = np.ones((100, 100), np.int32)
        labels[50, 50] = 0
        made = Annotation(
            (100, 100), Source(Path("a.png")), TABLE, regions_from_labels(labels, TABLE)
        )
        options = FORMATS["coco"].options(segmentation="polygon", holes="fill")
        written = SetJob([made], 1, ExportWish("coco", options)).write(tmp_path / "a.json")
        assert "IoU 0.999 (category 1 0.999)." in written.sentence


@pytest.mark.parametrize(
    ("before", "name", "many", "after"),
    [
        ("cat.json", "png", False, "cat.png"),
        ("cat.ome.tif", "ome-zarr", False, "cat.ome.zarr"),
        ("cat.ome.zarr", "ome-zarr", True, "cat_ome-zarr"),
        ("cat_coco-panoptic", "qupath", False, "cat.geojson"),
        ("cat.v1_yolo", "coco", True, "cat.v1.json"),
        (".json", "yolo", True, ".json_yolo"),
    ],
)
def test_a_name_follows_the_format(before, name, many, after):
    assert renamed(Path("/x") / before, FORMATS[name], many=many) == Path("/x") / after


@pytest.mark.parametrize("many", [False, True])
@pytest.mark.parametrize("name", FORMATS)
def test_a_dialog_asks_for_what_the_format_writes(qtbot, form, tmp_path, name, many):
    format_ = FORMATS[name]
    dialog = target_dialog(form, tmp_path / "out", format_, many=many)
    is_folder = format_.is_folder and (many or not format_.single)
    assert (dialog.fileMode() == QFileDialog.FileMode.Directory) == is_folder
    if not is_folder:
        assert dialog.defaultSuffix() == (format_.suffix or format_.single)[1:]
    dialog.close()


@pytest.mark.parametrize("name", [name for name, format_ in FORMATS.items() if format_.read])
def test_what_was_exported_is_dropped_as_labels(tmp_path, name):
    path = tmp_path / FORMATS[name].named("out")
    export(annotation(1), path, format=name)
    assert are_labels(path) == (name != "ome-tiff")


def test_images_are_dropped_as_images(tmp_path):
    for name in ("a.png", "a.tif", "labels/a.png", "a.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"any")
        assert not are_labels(tmp_path / name)
    assert not are_labels(tmp_path)
