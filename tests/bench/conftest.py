"""Small made-up image sets."""

from __future__ import annotations

import json

import PIL.Image
import pytest

from tests.bench.made_up import picture


@pytest.fixture
def make_set(tmp_path):
    """Write a set: its name, image name -> mask values, more of the manifest, other folders."""

    def make(name, masks, *, images=None, folders=None, **manifest):
        folder = tmp_path / "data" / name
        (folder / "images").mkdir(parents=True)
        said = {"set": name, "kind": "fg-bg", "mask": "0 background, 1 object", **manifest}
        (folder / "MANIFEST.json").write_text(json.dumps(said))
        for file, values in (images or {n: picture(v) for n, v in masks.items()}).items():
            PIL.Image.fromarray(values).save(folder / "images" / f"{file}.png")
        for kind, files in {"masks": masks, **(folders or {})}.items():
            (folder / kind).mkdir()
            for file, values in files.items():
                PIL.Image.fromarray(values).save(folder / kind / f"{file}.png")
        return tmp_path / "data"

    return make
