"""The files that come with the program are found, in a checkout and in an installation."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from unseg_studio.data import read_image
from unseg_studio.data.samples import SAMPLES, bundled, icon_path, sample_path

ASSETS = Path(__file__).parents[2] / "assets"


@pytest.mark.parametrize("name", SAMPLES)
def test_every_sample_opens(name):
    image = read_image(sample_path(name))
    assert min(image.shape) >= 256
    assert image.n_channels in (1, 3)


def test_every_sample_is_small_and_its_licence_is_written_down():
    words = (ASSETS / "samples" / "LICENCES.md").read_text("utf-8")
    files = [path for path in (ASSETS / "samples").iterdir() if path.suffix == ".png"]
    assert {path.stem for path in files} == set(SAMPLES)
    for path in files:
        assert re.search(rf"^\| `{re.escape(path.name)}` \|.*\| CC0", words, re.MULTILINE)
    assert sum(path.stat().st_size for path in files) < 1_000_000


def test_an_unknown_sample_is_refused_with_those_that_exist():
    with pytest.raises(ValueError, match="no sample 'dog'; accepted are cat, nuclei, tissue"):
        sample_path("dog")


def test_the_icon_is_a_square_drawing():
    root = ElementTree.parse(icon_path()).getroot()
    assert root.tag.endswith("svg")
    assert root.get("width") == root.get("height")


def laid_out(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "cat.png").touch()
    return folder / "cat.png"


def test_an_installed_package_holds_its_own_files(tmp_path):
    package = tmp_path / "site-packages" / "unseg_studio"
    inside = laid_out(package / "samples")
    assert bundled(package, "samples", "cat.png") == inside


def test_a_checkout_holds_them_beside_the_package(tmp_path):
    beside = laid_out(tmp_path / "assets" / "samples")
    assert bundled(tmp_path / "unseg_studio", "samples", "cat.png") == beside


def test_the_package_comes_first(tmp_path):
    laid_out(tmp_path / "assets" / "samples")
    inside = laid_out(tmp_path / "unseg_studio" / "samples")
    assert bundled(tmp_path / "unseg_studio", "samples", "cat.png") == inside


def test_an_incomplete_installation_says_what_to_do(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"cat\.png is missing .* Install unseg-studio"):
        bundled(tmp_path / "unseg_studio", "samples", "cat.png")
