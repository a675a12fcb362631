"""Projects through the real entry point: make, propose, import, export, relink."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from tests.project.test_batch import disk_that_takes_no_file_above
from tests.threads import one_thread  # noqa: F401 - for all tests here
from unseg_studio.__main__ import main
from unseg_studio.cli.exporting import format_options
from unseg_studio.data import Category
from unseg_studio.formats import FORMATS
from unseg_studio.formats.remembered import Remembered
from unseg_studio.project import Project

QUICK = ["--method=diffcluster", *(f"--set={w}" for w in ("iterations=2", "size=32", "width=8"))]
SHAPE = (40, 60)
TABLE = (Category(1, "cell", "#e69f00"), Category(2, "ground", "#56b4e9", "stuff"))


def photographs(folder, n=4):
    folder.mkdir(parents=True)
    for number in range(n):
        rng = np.random.default_rng(number)
        pixels = rng.integers(0, 20, (*SHAPE, 3))
        pixels[:, 30:] += (150, 40, 0)
        PIL.Image.fromarray(pixels.astype(np.uint8)).save(folder / f"photo {number}.png")
    return sorted(folder.glob("*.png"))


def masks(number=0):
    labels = np.full(SHAPE, 2, np.int32)
    labels[5:15, 4 : 20 + number] = 1
    labels[20:30, 30:50] = 1
    labels[24:26, 36:40] = 0
    return labels


@pytest.fixture
def run(capsys):
    """Run a command line in this process: (exit code, stdout, stderr)."""

    def run(*arguments):
        code = main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


@pytest.fixture
def new(tmp_path):
    """A project of four photographs on a path that is long and not plain."""
    folder = tmp_path / "Übung mit Zellen" / ("sehr lang " * 20).strip()
    path = folder / "zellen.unseg"
    files = photographs(folder / "Bilder")
    with Project.create(path) as project:
        project.add_images(files)
    return path


@pytest.fixture
def done(new):
    """The same with masks that somebody has accepted."""
    with Project.open(new) as project:
        project.set_categories(TABLE)
        for entry in project.images():
            document = project.open_document(entry.id)
            document.show(masks(entry.id))
            project.accept(entry.id, document)
    return new


def statuses(path):
    with Project.open(path) as project:
        return Counter(entry.status for entry in project.images())


def test_a_project_is_made_of_folders(run, tmp_path):
    photographs(tmp_path / "days" / "monday", 2)
    photographs(tmp_path / "days" / "tuesday", 1)
    (tmp_path / "days" / "broken.png").write_bytes(b"nothing")
    (tmp_path / "days" / "notes.txt").write_text("not asked for")
    path = tmp_path / "p.unseg"
    code, out, err = run("project", "create", path, tmp_path / "days")
    assert (code, out) == (0, f"{path}: 3 images\n")
    assert "broken.png" in err
    assert "notes" not in err
    code, out, _ = run("project", "add", path, tmp_path / "days")
    assert (code, out) == (0, f"{path}: 0 new images\n")
    code, out, _ = run("project", "info", path)
    assert code == 0
    assert out.split()[:4] == ["images", "3", "new", "3"]


def test_a_project_is_not_made_over_another_file_or_of_nothing(run, tmp_path, new):
    code, _, err = run("project", "create", new, new.parent)
    assert (code, "already" in err) == (2, True)
    code, _, err = run("project", "create", tmp_path / "x.unseg", tmp_path / "nowhere")
    assert (code, err) == (
        2,
        f"There is no file or folder {tmp_path / 'nowhere'}. Check the name.\n",
    )
    (tmp_path / "empty").mkdir()
    code, _, err = run("project", "create", tmp_path / "x.unseg", tmp_path / "empty")
    assert (code, "There is no image in" in err) == (2, True)
    code, _, err = run("project", "create", tmp_path / "x.png", new.parent)
    assert (code, ".unseg" in err) == (2, True)
    assert not (tmp_path / "x.unseg").exists()


def test_images_that_moved_are_found_again(run, done, tmp_path):
    with Project.open(done) as project:
        project.wait_for_fingerprints()
    (done.parent / "Bilder").rename(tmp_path / "elsewhere")
    code, out, _ = run("project", "relink", done, tmp_path / "elsewhere")
    assert (code, out) == (0, "4 found by content, 0 by name, 0 still missing\n")
    (tmp_path / "elsewhere" / "photo 2.png").unlink()
    code, out, err = run("project", "relink", done, tmp_path / "elsewhere")
    assert (code, out) == (2, "0 found by content, 0 by name, 1 still missing\n")
    assert "photo 2.png is still missing" in err


def test_apply_proposes_once_and_says_what_failed(run, new):
    (new.parent / "Bilder" / "photo 1.png").write_bytes(b"broken")
    code, out, err = run("apply", "--project", new, *QUICK, "--processes", 1)
    assert code == 2
    assert out == f"{new}: 3 proposals made, 1 images failed, 0 left as they were\n"
    assert "photo 1.png" in err
    assert "(4 of 4)" in err
    assert "(1 of 4, about " in err
    assert statuses(new) == {"proposed": 3, "new": 1}
    (new.parent / "Bilder" / "photo 1.png").unlink()
    code, out, _ = run("apply", "--project", new, *QUICK, "--processes", 1, "--only", "new")
    assert out == f"{new}: 0 proposals made, 1 images failed, 3 left as they were\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--only", "old"], "accepted is new"),
        (["--method", "magic"], "diffcluster"),
        (["--k", "3", "--k-less"], "accepted is one of them"),
        (["--device", "abacus"], "abacus"),
        (["--processes", "0"], "processes"),
    ],
)
def test_what_apply_does_not_take_is_said_before_it_starts(run, new, arguments, said):
    code, out, err = run("apply", "--project", new, *arguments)
    assert (code, out) == (2, "")
    assert said in err


def test_a_project_that_is_open_elsewhere_can_be_exported_but_not_written(run, done, tmp_path):
    with Project.open(done):
        for command in (
            ("apply", "--project", done, *QUICK),
            ("import", "--project", done, done.parent / "Bilder"),
            ("project", "add", done, done.parent / "Bilder"),
            ("project", "relink", done, done.parent),
        ):
            code, _, err = run(*command)
            assert (code, "open in another window or program already" in err) == (2, True), err
        code, _, _ = run("export", "--project", done, "--out", tmp_path / "out.json")
        assert code == 0


def test_a_project_that_may_not_be_written_to_is_read_only_for_all_that_writes(run, new, tmp_path):
    new.with_name("zellen.unseg-lock").mkdir()  # as in a folder that is read-only
    for command in (("apply", "-p", new, *QUICK), ("import", "-p", new, new.parent / "Bilder")):
        code, out, err = run(*command)
        assert (code, out) == (2, "")
        assert "cannot be written to" in err
    code, out, _ = run("project", "info", new)
    assert (code, out.split()[:2]) == (0, ["images", "4"])


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_ctrl_c_keeps_what_was_made(new):
    command = [sys.executable, "-m", "unseg_studio", "apply", "--project", str(new), *QUICK]
    with subprocess.Popen(
        [*command, "--processes=1"],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:
        assert process.stderr is not None
        assert "(1 of 4, about " in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
    if process.returncode == 0:
        pytest.skip("it was quicker than the signal")
    assert process.returncode == 130
    n = statuses(new)["proposed"]
    assert rest.splitlines()[-1] == (
        f"Stopped; {n} proposals are kept. The same command goes on with the rest."
    )


# Export


def test_coco_is_written_after_a_preflight_and_compared(run, done, tmp_path):
    code, out, err = run("export", "-p", done, "-o", tmp_path / "out.json", "--check")
    assert code == 0
    assert out.splitlines() == [
        str(tmp_path / "out.json"),
        "cell: IoU 1.0000",
        "ground: IoU 1.0000",
        "all: IoU 1.0000",
    ]
    assert err.splitlines()[:3] == [
        "4 images",
        "  cell: 8 regions in 4 images",
        "  ground: 4 regions in 4 images",
    ]
    content = json.loads((tmp_path / "out.json").read_text())
    assert len(content["images"]) == 4
    assert len(content["annotations"]) == 12


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_written(run, done, tmp_path, name):
    format_ = FORMATS[name]
    out = tmp_path / f"out{format_.suffix}"
    status = [] if format_.holds_many else ["--status", "in work"]
    if status:
        with Project.open(done) as project:
            project.set_status(1, "in work")
    code, said, err = run("export", "-p", done, "--format", name, "-o", out, "--check", *status)
    assert code == 0, err
    assert said.splitlines()[0] == str(out)
    assert out.exists()
    assert ("IoU" in said) == (format_.read is not None)


def test_a_split_is_the_same_each_time_and_said(run, done, tmp_path):
    told = []
    for name in "ab":
        arguments = ("--val", 0.3, "--seed", 5, "--out", tmp_path / f"{name}.json")
        code, out, err = run("export", "-p", done, *arguments)
        assert code == 0
        told.append(err)
        assert len(out.splitlines()) == 2
    for part in ("train", "val"):
        one, two = (json.loads((tmp_path / f"{n}_{part}.json").read_text()) for n in "ab")
        assert [i["file_name"] for i in one["images"]] == [i["file_name"] for i in two["images"]]
    assert told[0] == told[1]
    assert told[0].splitlines()[0] in ("4 images (1 val, 3 train)", "4 images (3 train, 1 val)")


def test_options_of_the_format_are_options(run, done, tmp_path):
    out = tmp_path / "out.json"
    polygons = ("--segmentation", "polygon", "--holes=fill")
    code, _, _ = run("export", "-p", done, "-o", out, *polygons, "--target", "label-studio")
    assert code == 0
    shapes = [a["segmentation"] for a in json.loads(out.read_text())["annotations"]]
    assert all(isinstance(shape, list) for shape in shapes)
    code, _, err = run("export", "-p", done, "-o", out, "--holes", "dig")
    assert (code, "accepted are rle, fill" in err) == (2, True)
    code, _, err = run("export", "-p", done, "-o", out, "--deep")
    assert (code, "--segmentation rle|polygon|polygon-cv2" in err) == (2, True)
    code, _, err = run("export", "-p", done, "-o", out, "--holes")
    assert (code, "without a value" in err) == (2, True)


def test_words_become_values_of_options():
    assert format_options(FORMATS["yolo"], ["--copy-images"]).copy_images
    assert not format_options(FORMATS["yolo"], ["--no-copy-images"]).copy_images
    assert not format_options(FORMATS["yolo"], ["--copy-images=no"]).copy_images
    root = format_options(FORMATS["coco"], ["--images-root", "a b"]).images_root
    assert root == Path("a b")
    with pytest.raises(ValueError, match="accepted is yes or no"):
        format_options(FORMATS["yolo"], ["--copy-images=perhaps"])


def test_what_cannot_be_exported_is_said_and_nothing_written(run, done, new, tmp_path):
    out = tmp_path / "out.json"
    code, _, err = run("export", "-p", done, "-o", out, "--status", "rejected")
    assert (code, "it has 4 done" in err) == (2, True)
    code, _, err = run("export", "-p", done, "-o", out, "--status", "finished")
    assert (code, "Unknown status 'finished'" in err) == (2, True)
    code, _, err = run("export", "-p", done, "-o", out, "--format", "paper")
    assert (code, "Unknown format" in err) == (2, True)
    code, _, err = run("export", "-p", done, "-o", tmp_path / "nowhere" / "out.json")
    assert (code, "nowhere" in err) == (2, True)
    assert not out.exists()


def test_on_a_full_disk_the_file_from_before_stays(run, done, tmp_path):
    out = tmp_path / "out.json"
    out.write_text("from before")
    with disk_that_takes_no_file_above(500):
        code, _, err = run("export", "-p", done, "-o", out)
    assert code == 2
    assert err.splitlines()[-1].endswith(".")
    assert out.read_text() == "from before"
    assert {path.name for path in tmp_path.iterdir() if path.is_file()} == {"out.json"}


def test_annotations_are_made_once_unless_they_are_too_large(done):
    with Project.open(done) as project:
        made = project.annotations()
        for most, times in ((2**20, 1), (0, 3)):
            asked = []

            class Asked:
                def __iter__(self, asked=asked):
                    asked.append(1)
                    return iter(made)

            remembered = Remembered(Asked(), most_bytes=most)
            for _ in range(3):
                for one, other in zip(remembered, made, strict=True):
                    assert np.array_equal(one.labels(), other.labels())
                    assert one.source == other.source
            assert len(asked) == times


# Import


@pytest.mark.parametrize(
    "name", [name for name, f in FORMATS.items() if f.read is not None and f.holds_many]
)
def test_labels_come_in_as_they_went_out(run, done, tmp_path, name):
    out = tmp_path / f"out{FORMATS[name].suffix}"
    code, _, err = run("export", "-p", done, "--format", name, "-o", out)
    assert code == 0, err
    path = done.with_name("again.unseg")
    with Project.create(path) as project:
        project.add_images(sorted((done.parent / "Bilder").glob("*.png")))
    code, said, err = run("import", "-p", path, out)
    assert (code, said) == (0, f"{out}: labels of 4 images\n"), err
    with Project.open(path) as project, Project.open(done) as before:
        ids = {category.name: category.id for category in project.categories}
        for entry in project.images():
            assert entry.status == "in work"
            labels = project.annotation(entry.id).labels()
            wanted = before.annotation(entry.id).labels()
            for category in before.categories:
                assert np.array_equal(labels == ids[category.name], wanted == category.id)
            document = project.open_document(entry.id)
            document.undo()
            assert not document.labels.any()


def test_a_file_about_one_image_goes_to_the_image_of_its_name(run, new, tmp_path):
    PIL.Image.fromarray(masks().astype(np.uint8)).save(tmp_path / "photo 3.png")
    PIL.Image.fromarray(masks().astype(np.uint8)).save(tmp_path / "stranger.png")
    code, out, err = run("import", "-p", new, tmp_path / "photo 3.png", tmp_path / "stranger.png")
    assert code == 2
    assert out.splitlines()[0].endswith("photo 3.png: labels of 1 images")
    assert "stranger.png names no image of the project" in err
    assert statuses(new) == {"in work": 1, "new": 3}


def test_work_of_a_person_is_replaced_only_when_asked(run, done, tmp_path):
    PIL.Image.fromarray(masks(9).astype(np.uint8)).save(tmp_path / "photo 0.png")
    code, _, err = run("import", "-p", done, tmp_path / "photo 0.png")
    assert (code, "photo 0.png is done, so it stays as it is" in err) == (2, True)
    assert statuses(done) == {"done": 4}
    code, _, _ = run("import", "-p", done, tmp_path / "photo 0.png", "--replace")
    assert code == 0
    assert statuses(done) == {"done": 3, "in work": 1}


def test_a_file_that_is_missing_or_nothing_is_said(run, new, tmp_path):
    (tmp_path / "a.json").write_text("{}")
    for file in (tmp_path / "nowhere.json", tmp_path / "a.json", Path(__file__)):
        code, _, err = run("import", "-p", new, file)
        assert (code, file.name in err) == (2, True)
    assert statuses(new) == {"new": 4}
