"""The command line through its real entry point."""

from __future__ import annotations

import io
import json
import os
import signal
import struct
import subprocess
import sys
import zlib
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import PIL.Image
import pycocotools.coco
import pytest
import tifffile

import unseg_studio
from unseg_studio.__main__ import main
from unseg_studio.cli.batch import with_named_clusters
from unseg_studio.cli.demo import bundled_strokes
from unseg_studio.data import Category, Mosaic
from unseg_studio.data.samples import sample_path

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
"""pycocotools speaks to numpy as it was before version 2."""

QUICK = [f"--set={word}" for word in ("iterations=3", "size=48", "width=8")]
OLD = b"what a person made yesterday"
SHAPE = (40, 60)


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Threads of several test runs on one machine wait for each other more than they compute."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def pixels(seed=0, shape=SHAPE):
    """Three areas that differ, with noise."""
    rng = np.random.default_rng(seed)
    plane = rng.integers(0, 20, (*shape, 3))
    plane[:, : shape[1] // 2] += (150, 40, 0)
    plane[shape[0] // 2 :, shape[1] // 2 :] += (0, 60, 200)
    return plane.astype(np.uint8)


def save(path, array):
    PIL.Image.fromarray(array).save(path)
    return path


@pytest.fixture
def image(tmp_path):
    return save(tmp_path / "a.png", pixels())


@pytest.fixture
def run(capsys):
    """Run a command line in this process: (exit code, stdout, stderr)."""

    def run(*arguments):
        code = main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


@pytest.fixture
def segment(run, tmp_path):
    """Segment quickly into `out`."""

    def segment(*arguments):
        return run("segment", "--out", tmp_path / "out", *QUICK, *arguments)

    return segment


def opened(path):
    """The COCO file as pycocotools reads it, without its remarks."""
    with redirect_stdout(io.StringIO()):
        return pycocotools.coco.COCO(str(path).strip())


def python(*arguments, **options):
    command = [sys.executable, *map(str, arguments)]
    options.setdefault("env", os.environ | {"OMP_NUM_THREADS": "1"})
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


# What works


def test_segmenting_writes_a_coco_file_that_pycocotools_reads(segment, image, tmp_path):
    code, out, err = segment(image, "--k", 4)
    assert (code, err) == (0, "")
    assert out.split() == [str(tmp_path / "out" / "annotations.json")]
    coco = opened(out)
    assert [entry["file_name"] for entry in coco.imgs.values()] == ["a.png"]
    masks = [coco.annToMask(entry) for entry in coco.anns.values()]
    assert (np.sum(masks, axis=0) == 1).all()  # every pixel is in one cluster
    assert 1 <= len(coco.cats) <= 4
    assert {cat["name"] for cat in coco.cats.values()} >= {"cluster 1"}


def test_without_a_folder_the_results_are_beside_the_person(run, image, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, _, _ = run("segment", image, *QUICK)
    assert code == 0
    assert (tmp_path / "masks" / "annotations.json").is_file()


def test_the_same_command_gives_the_same_masks(segment, image, tmp_path):
    masks = []
    for _ in range(2):
        segment(image, "--format", "png")
        masks.append((tmp_path / "out" / "a.png").read_bytes())
    assert masks[0] == masks[1]


def test_several_images_share_one_coco_file_and_one_category_table(segment, tmp_path):
    paths = []
    for n in range(3):
        folder = tmp_path / f"day {n}"
        folder.mkdir()
        paths.append(save(folder / "cell.png", pixels(n, (30 + 4 * n, 40))))
    code, out, err = segment(*paths, paths[0])
    assert code == 0
    assert "cell.png (1 of 3)" in err.splitlines() or "cell.png (1 of 4)" in err.splitlines()
    coco = opened(out)
    names = [entry["file_name"] for entry in coco.imgs.values()]
    assert names == ["day 0/cell.png", "day 1/cell.png", "day 2/cell.png"]


def test_png_gives_a_mask_for_each_image(segment, tmp_path):
    paths = [save(tmp_path / f"{name}.png", pixels(n)) for n, name in enumerate("ab")]
    code, out, _ = segment(*paths, "--format", "png")
    assert code == 0
    assert out.split() == [str(tmp_path / "out" / f"{name}.png") for name in "ab"]
    labels = np.array(PIL.Image.open(tmp_path / "out" / "b.png"))
    assert labels.shape == SHAPE
    assert labels.min() == 1


def test_scribbles_of_a_png_keep_their_categories_and_255_is_unmarked(segment, tmp_path, image):
    ids = np.zeros(SHAPE, np.uint8)
    ids[5:8, 3:20] = 3
    ids[25:28, 40:50] = 7
    ids[15, :] = 255
    scribbles = save(tmp_path / "scribbles.png", ids)
    code, _, err = segment(image, "--scribbles", scribbles, "--format", "png")
    assert (code, err) == (0, "")
    labels = np.array(PIL.Image.open(tmp_path / "out" / "a.png"))
    assert (labels[ids == 3] == 3).all()
    assert (labels[ids == 7] == 7).all()
    assert set(np.unique(labels)) == {3, 7}  # two categories share the image


def test_scribbles_of_a_stroke_file_have_their_names(segment, tmp_path):
    code, out, _ = segment(sample_path("cat"), "--scribbles", bundled_strokes())
    assert code == 0
    coco = json.loads(Path(out.strip()).read_text())
    assert [cat["name"] for cat in coco["categories"]] == ["cat", "background"]
    made = coco["info"]["unseg_studio"]["provenance"]["1"]
    assert made["scribbled_pixels"] > 1000
    assert made["corrected_pixels"] == 0
    assert made["parameters"]["iterations"] == 3


def test_masks_to_start_from_are_kept(segment, tmp_path, image):
    mask = np.zeros(SHAPE, np.uint8)
    mask[10:20, 10:50] = 1
    start = save(tmp_path / "mask.png", mask)
    (tmp_path / "mask.categories.csv").write_text("id,name,color,kind\n1,nerve,#112233,thing\n")
    _, out, _ = segment(image, "--start", start)
    coco = opened(out)
    (nerve,) = coco.getCatIds(catNms=["nerve"])
    (annotation,) = coco.loadAnns(coco.getAnnIds(catIds=[nerve]))
    assert (coco.annToMask(annotation) == mask).all()
    before = [coco.annToMask(entry) for entry in coco.anns.values()]
    code, again, _ = segment(image, "--start", out.strip())  # and so are those of a COCO file
    after = [opened(again).annToMask(entry) for entry in opened(again).anns.values()]
    assert code == 0
    assert np.array_equal(before, after)


def test_a_plane_of_a_stack_is_chosen(segment, run, tmp_path):
    stack = np.stack([pixels(n) for n in range(3)])
    tifffile.imwrite(tmp_path / "stack.tif", stack, photometric="rgb")
    code, out, _ = segment(tmp_path / "stack.tif", "--plane", 2)
    assert code == 0
    (entry,) = json.loads(Path(out.strip()).read_text())["images"]
    assert (entry["file_name"], entry["plane"]) == ("stack_z0002.tif", 2)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--k", "3"], {"n_clusters": 3, "k_less": False}),
        (["--k-less"], {"k_less": True, "sensitivity": 0.5}),
        (["--k-less", "--sensitivity", "0.8"], {"k_less": True, "sensitivity": 0.8}),
        (["--backbone", "efficientnet_lite0"], {"backbone": "efficientnet_lite0", "weights": ""}),
    ],
)
def test_the_number_of_clusters_is_given_or_left_to_the_image(
    run, tmp_path, image, arguments, expected
):
    deepcut = ("--method", "deepcut", "--set", "iterations=3")
    code, out, err = run("segment", image, "--out", tmp_path / "out", *deepcut, *arguments)
    assert (code, err) == (0, "")
    info = json.loads(Path(out.strip()).read_text())["info"]["unseg_studio"]
    made = info["provenance"]["1"]["parameters"]
    assert {name: made[name] for name in expected} == expected


def test_small_parts_are_left_out(segment, image):
    _, out, _ = segment(image, "--min-area", 10_000)
    assert json.loads(Path(out.strip()).read_text())["annotations"] == []


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--k", "2"], {"max_clusters": 2, "min_clusters": 2}),
        (["--k", "9"], {"max_clusters": 9, "min_clusters": 3}),
        (["--preset", "paper"], {"max_clusters": 100, "iterations": 3}),
        (["--set", "mu=2.5"], {"mu": 2.5}),
        (["--method", "diffcluster", "--set", "seed=4"], {"seed": 4}),
    ],
)
def test_parameters_reach_the_method(segment, image, arguments, expected):
    code, out, _ = segment(image, *arguments)
    assert code == 0
    info = json.loads(Path(out.strip()).read_text())["info"]["unseg_studio"]
    made = info["provenance"]["1"]["parameters"]
    assert {name: made[name] for name in expected} == expected


def test_clusters_become_categories_the_largest_first():
    labels = np.array([[1005, 1005, 1001], [1005, 4, 1003], [1003, 0, 0]], np.int32)
    named, table = with_named_clusters(Mosaic.of(labels), (Category(4, "cell", "#112233"),))
    assert named.array.tolist() == [[1, 1, 3], [1, 4, 2], [2, 0, 0]]
    assert {c.id: c.name for c in table} == {
        4: "cell",
        1: "cluster 1",
        2: "cluster 2",
        3: "cluster 3",
    }


def test_the_demo_finds_the_cat(run, tmp_path):
    code, out, err = run("demo", "--out", tmp_path / "deep" / "demo")
    assert (code, err) == (0, "")
    names = ("labels.png", "overlay.png", "annotations.json")
    paths = [tmp_path / "deep" / "demo" / name for name in names]
    assert out.split("\n")[-4:-1] == [str(path) for path in paths]
    assert "proposal of " in out
    assert "stroke 2, background: first labels after" in out
    labels = np.array(PIL.Image.open(paths[0]))
    assert set(np.unique(labels)) == {1, 2}
    assert labels[240, 265] == 1  # its nose
    assert labels[100, 430] == 2
    assert 0.5 < (labels == 1).mean() < 0.9
    assert np.array(PIL.Image.open(paths[1])).shape == (300, 451, 3)
    assert [c["name"] for c in opened(paths[2]).cats.values()] == ["cat", "background"]


def test_info_says_what_is_installed_without_importing_it():
    code = (
        "import sys; from unseg_studio.__main__ import main; main(['info']); "
        "print(sorted({'timm', 'torchvision', 'qtpy', 'napari'} & set(sys.modules)))"
    )
    done = python("-c", code)
    for word in (
        unseg_studio.__version__,
        "torch",
        "processor",
        "why",
        "diffcluster",
        "coco",
        "PySide6",
    ):
        assert word in done.stdout
    assert done.stdout.endswith("[]\n")


def test_the_benchmark_is_a_command(run, tmp_path):
    save(tmp_path / "a.png", pixels())
    file = tmp_path / "times.csv"
    arguments = ("--image", tmp_path / "a.png", "--strokes", 2, "--documents", 1, "--csv", file)
    code, out, err = run("bench", "latency", *arguments)
    assert (code, err) == (0, "")
    assert "stroke to first updated frame" in out
    assert "scribble, one mouse move" in out
    runs = [row.split(",")[0] for row in file.read_text().splitlines()]
    assert runs.count("stroke") == runs.count("stroke among clusters") == 2


def test_the_module_is_the_program():
    done = python("-m", "unseg_studio", "--version")
    assert (done.returncode, done.stdout) == (0, f"unseg-studio {unseg_studio.__version__}\n")


def test_help_lists_the_commands(run):
    code, out, _ = run("--help")
    assert code == 0
    for command in ("segment", "demo", "info", "open", "bench"):
        assert command in out


def test_ctrl_c_ends_with_130_and_writes_nothing(image, tmp_path):
    second = save(tmp_path / "b.png", pixels(1))
    command = ["-m", "unseg_studio", "segment", image, second, "--out", tmp_path / "out"]
    endless = ["--set", "iterations=10000", "--set", "patience=0", "--set", "min_clusters=1"]
    with subprocess.Popen(
        [sys.executable, *map(str, command), *endless],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:
        assert process.stderr.readline() == "a.png (1 of 2)\n"
        process.send_signal(signal.SIGINT)
        assert process.stderr.read() == "Stopped; files that were there before are as they were.\n"
    assert process.returncode == 130
    assert list((tmp_path / "out").iterdir()) == []


# Bad input: one sentence, exit code 2, and what was there stays


def huge_header():
    """A PNG that claims to be 100000 x 100000 px."""
    whole = sample_path("cat").read_bytes()
    body = b"IHDR" + struct.pack(">II", 100_000, 100_000) + whole[24:29]
    return whole[:12] + body + struct.pack(">I", zlib.crc32(body)) + whole[33:]


def bad_image(name, folder):
    path = folder / "bad.png"
    if name == "missing":
        return path
    if name == "nan":
        array = np.random.default_rng(0).random(SHAPE, np.float32)
        array[3, 4] = np.nan
        tifffile.imwrite(path, array)
    elif name == "constant":
        save(path, np.full(SHAPE, 7, np.uint8))
    elif name == "one pixel":
        save(path, np.full((1, 1), 7, np.uint8))
    else:
        content = {
            "truncated": sample_path("cat").read_bytes()[:20_000],
            "text": b"no image at all",
            "empty": b"",
            "huge": huge_header(),
        }
        path.write_bytes(content[name])
    return path


@pytest.fixture
def old(tmp_path):
    """A result of yesterday in the output folder."""
    path = tmp_path / "out" / "annotations.json"
    path.parent.mkdir()
    path.write_bytes(OLD)
    return path


def assert_refused(said, sentence, old):
    code, out, err = said
    assert (code, out) == (2, "")
    assert sentence in err
    assert len(err.splitlines()) == 1
    assert err.rstrip().endswith((".", "--help"))
    assert old.read_bytes() == OLD
    assert [path.name for path in old.parent.iterdir()] == ["annotations.json"]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("missing", "There is no file"),
        ("truncated", "is a damaged or incomplete PNG file"),
        ("text", "is no image that can be read here"),
        ("empty", "is empty (0 bytes)"),
        ("huge", "claims to be 100000 x 100000 px"),
        ("nan", "holds 1 values that are NaN or infinite"),
        ("constant", "has the same value (7) in every pixel"),
        ("one pixel", "is 1 x 1 px; accepted are images of at least 2 x 2 px"),
    ],
)
def test_an_image_that_cannot_be_used(segment, tmp_path, old, name, sentence):
    assert_refused(segment(bad_image(name, tmp_path)), sentence, old)


def test_a_bad_image_does_not_cost_the_good_ones(segment, tmp_path, image):
    code, out, err = segment(bad_image("empty", tmp_path), image)
    assert code == 2
    assert "is empty (0 bytes)" in err
    names = [entry["file_name"] for entry in opened(out).imgs.values()]
    assert names == ["a.png"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--method", "deepcat"], "Unknown method 'deepcat'; accepted are deepcut, diffcluster, "),
        (["--preset", "slow"], "no preset 'slow'; accepted are live, paper."),
        (["--set", "colour=3"], "no parameter 'colour'; accepted are max_clusters, "),
        (["--set", "seed"], "--set was given 'seed'; accepted is name=value"),
        (["--set", "seed=1.5"], "seed is '1.5'; accepted is a whole number."),
        (["--set", "mu=soft"], "mu is 'soft'; accepted is a number."),
        (["--set", "mu=nan"], "mu is nan; accepted is 0 to 50."),
        (["--k", "1"], "max_clusters is 1; accepted is 2 to 256."),
        (["--k", "many"], "Invalid value for '--k': "),
        (["--format", "bmp"], "Unknown format 'bmp'; accepted are coco, coco-panoptic,"),
        (["--device", "tpu"], "Unknown device 'tpu'; accepted are auto, cpu"),
        (["--device", "cuda:99"], "is not on this machine"),
        (["--plane", "3"], "has no plane 3; it has only plane 0."),
        (["--min-area", "0"], "Invalid value for '--min-area': "),
        (["--colour"], "No such option: --colour"),
    ],
)
def test_a_word_that_is_not_accepted(segment, image, old, arguments, sentence):
    assert_refused(segment(image, *arguments), sentence, old)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--k", "3", "--k-less"], "--k and --k-less were both given; accepted is one of them."),
        (["--sensitivity", "0.8"], "--sensitivity was given without --k-less; add it"),
        (["--k-less", "--sensitivity", "2"], "Invalid value for '--sensitivity': "),
        (["--backbone", "resnet"], "backbone is 'resnet'; accepted are efficientnet_lite0, "),
        (["--backbone", "dino_vits8"], "The weights of DINO ViT-S/8 are not on this machine"),
        (["--backbone", "dino_vits8", "--weights", "w.pth"], "There is no weights file 'w.pth'"),
        (["--weights", "w.pth"], "brings its weights, but the file 'w.pth' was given"),
    ],
)
def test_features_and_clusters_that_cannot_be_had(run, image, tmp_path, old, arguments, sentence):
    out = ("--out", tmp_path / "out")
    outcome = run("segment", image, *out, "--method", "deepcut", *arguments)
    assert_refused(outcome, sentence, old)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--k-less"], "DiffCluster always needs a number of clusters; choose DeepCut"),
        (["--backbone", "dino_vits8"], "diffcluster uses no backbone; accepted are max_clusters, "),
        (["--weights", "w.pth"], "diffcluster uses no weights; accepted are max_clusters, "),
    ],
)
def test_a_method_that_has_no_such_thing(segment, image, old, arguments, sentence):
    assert_refused(segment(image, "--method", "diffcluster", *arguments), sentence, old)


def test_no_image_at_all(segment, old):
    assert_refused(segment(), "Missing argument 'IMAGE...'", old)


def test_an_unknown_command(run, old):
    assert_refused(run("segmnt"), "No such command 'segmnt'", old)


def scribble_file(name, folder):
    path = folder / "scribbles"
    if name == "missing":
        return path
    if name == "strokes of another size":
        return bundled_strokes()
    if name == "png of another size":
        PIL.Image.fromarray(np.ones((9, 7), np.uint8)).save(path, "PNG")
    elif name == "photograph":
        PIL.Image.fromarray(pixels()).save(path, "PNG")
    else:
        path.write_text("1 2 3")
    return path


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("missing", "cannot be read: No such file"),
        ("strokes of another size", "image of 451 x 300 px, the image is 60 x 40 px"),
        ("png of another size", "is 7 x 9 px, the open image is 60 x 40 px"),
        ("photograph", "holds colours (RGB) instead of ids"),
        ("text", "is no JSON and therefore no stroke file"),
    ],
)
def test_scribbles_that_cannot_be_used(segment, tmp_path, image, old, name, sentence):
    assert_refused(segment(image, "--scribbles", scribble_file(name, tmp_path)), sentence, old)


def coco_file(**changes):
    return {
        "images": [{"id": 1, "file_name": "a.png", "width": 60, "height": 40}],
        "categories": [{"id": 1, "name": "cell"}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "segmentation": [[1, 1, 9, 1, 9, 9]]}
        ],
    } | changes


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("{no json", "JSON"),
        (coco_file(categories=[]), "categor"),
        (
            coco_file(
                annotations=[
                    {"id": 1, "image_id": 1, "category_id": 1, "segmentation": [[1, 1, 5, 5]]}
                ]
            ),
            "polygon",
        ),
    ],
    ids=["no JSON", "absent category", "polygon of four numbers"],
)
def test_a_coco_file_that_cannot_be_used(segment, tmp_path, image, old, content, sentence):
    start = tmp_path / "start.json"
    start.write_text(content if isinstance(content, str) else json.dumps(content))
    said = segment(image, "--start", start)
    assert "start.json" in said[2]
    assert_refused(said, sentence, old)


def test_a_result_never_takes_the_place_of_an_image(run, image, tmp_path):
    before = image.read_bytes()
    code, _, err = run("segment", image, "--out", tmp_path, "--format", "png", *QUICK)
    assert code == 2
    assert "would take the place of an image" in err
    assert image.read_bytes() == before


def test_results_of_one_name_do_not_replace_each_other(segment, tmp_path, image):
    other = tmp_path / "b"
    other.mkdir()
    code, _, err = segment(image, save(other / "a.png", pixels(1)), "--format", "png")
    assert code == 2
    assert "Several images are called 'a'" in err


@pytest.mark.skipif(sys.platform == "win32", reason="folders have other permissions there")
@pytest.mark.parametrize("command", ["segment", "demo"])
def test_a_read_only_output_folder(run, command):
    with TemporaryDirectory() as name:  # tmp_path lies in a folder that only its owner may enter
        folder = Path(name)
        image = save(folder / "a.png", pixels())
        old = folder / "out" / "annotations.json"
        old.parent.mkdir()
        old.write_bytes(OLD)
        folder.chmod(0o755)
        old.parent.chmod(0o555)
        given = [image, *QUICK] if command == "segment" else []
        try:
            with ordinary_user():
                said = run(command, *given, "--out", old.parent)
            assert_refused(said, f"Results cannot be written into {old.parent}", old)
        finally:
            old.parent.chmod(0o755)


@contextmanager
def ordinary_user():
    """Nothing is read-only for root, so be somebody else meanwhile."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


def test_a_file_in_place_of_the_output_folder(run, image, tmp_path):
    (tmp_path / "file").write_bytes(OLD)
    code, out, err = run("segment", image, "--out", tmp_path / "file", *QUICK)
    assert (code, out) == (2, "")
    assert f"Results cannot be written into {tmp_path / 'file'}" in err
    assert (tmp_path / "file").read_bytes() == OLD


def test_a_full_disk_keeps_what_was_there(segment, image, old):
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        said = segment(image)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert_refused(said, "was not written: the disk is full", old)


# The window


def test_without_a_display_the_window_says_so():
    hidden = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    env = {name: value for name, value in os.environ.items() if name not in hidden}
    for arguments in ([], ["open"], ["open", "a.png"]):
        done = python("-m", "unseg_studio", *arguments, env=env)
        assert done.returncode == 2
        assert done.stderr.startswith("There is no display here")
        assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("missing", ["PySide6", "qtpy", "superqt"])
def test_without_qt_the_window_says_what_to_install(run, monkeypatch, missing):
    monkeypatch.setitem(sys.modules, missing, None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == missing else name)
    for arguments in ([], ["open"]):
        code, out, err = run(*arguments)
        assert (code, out) == (2, "")
        assert f"The window needs {missing}" in err
        assert 'pip install "unseg-studio[app]"' in err


def test_a_command_computes_alike_each_time_and_leaves_no_trace(run, tmp_path):
    import torch

    save(tmp_path / "a.png", pixels())
    code, _, err = run("segment", tmp_path / "a.png", "--deterministic", "--out", tmp_path / "out")
    assert (code, err) == (0, "")
    assert not torch.are_deterministic_algorithms_enabled()
