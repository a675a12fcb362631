"""How the place of an image is kept."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from unseg_studio.project.entries import file_of, kept_path

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="other roots")


@pytest.mark.parametrize(
    ("file", "kept"),
    [
        ("/data/photos/cell 1.png", "cell 1.png"),
        ("/data/photos/deep/er/ä.png", "deep/er/ä.png"),
        ("/data/images/a.png", "../images/a.png"),
        ("/data/b.png", "../b.png"),
        ("/other/c.png", "/other/c.png"),
        ("/d.png", "/d.png"),
    ],
)
def test_a_path_is_kept_relative_where_both_are_in_one_folder_and_leads_back(file, kept):
    assert kept_path(file, Path("/data/photos")) == kept
    assert file_of(kept, "/data/photos") == Path(file)
