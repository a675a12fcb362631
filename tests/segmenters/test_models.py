"""Models in files: written whole, read with care."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from unseg_studio.segmenters import models
from unseg_studio.segmenters.models import Model, keep, kept, load


def model(value: float = 1.0, **facts: object) -> Model:
    return Model(
        "picie", {"seed": 3}, {"network.a": torch.full((2, 3), value)}, {"score": 0.5, **facts}
    )


def test_a_model_comes_back_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "a model.safetensors"
    model().save(path)
    read = load(path)
    assert read == model()
    assert (read.method, read.parameters, read.facts) == ("picie", {"seed": 3}, {"score": 0.5})
    assert torch.equal(read.tensors["network.a"], torch.ones(2, 3))


def test_models_that_differ_in_anything_have_other_digests() -> None:
    digests = {m.digest for m in (model(), model(2.0), model(n_images=3))}
    assert len(digests) == 3


def test_a_changed_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    model().save(path)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(ValueError, match="was changed after it was written"):
        load(path)


def test_a_file_of_a_later_version_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "m.safetensors"
    with monkeypatch.context() as patch:
        patch.setattr(models, "VERSION", models.VERSION + 1)
        model().save(path)
    with pytest.raises(ValueError, match=r"later version of the program .*Update the program\."):
        load(path)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no model",
        b"\xff" * 100,
        (2**62).to_bytes(8, "little") + b"{}",
        (2).to_bytes(8, "little") + b"{}",
        (4).to_bytes(8, "little") + b"null",
    ],
)
def test_what_is_no_model_is_refused_in_a_sentence(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "m.safetensors"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"is no model of this program\. Choose another"):
        load(path)


def test_odd_facts_are_refused(tmp_path: Path) -> None:
    from safetensors.torch import save

    for told in ({"version": "1"}, {"version": 1, "digest": 3, "model": "{}"}, []):
        path = tmp_path / "m.safetensors"
        path.write_bytes(save({"a": torch.ones(1)}, metadata={"unseg_studio": json.dumps(told)}))
        with pytest.raises(ValueError, match="is no model of this program"):
            load(path)


def test_a_missing_or_huge_file_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FileNotFoundError, match="cannot be read"):
        load(tmp_path / "none.safetensors")
    path = tmp_path / "m.safetensors"
    model().save(path)
    monkeypatch.setattr(models, "MOST_BYTES", 10)
    with pytest.raises(ValueError, match="larger than any model"):
        load(path)


def test_a_kept_model_is_found_by_its_digest() -> None:
    digest = keep(model(7.0))
    assert keep(model(7.0)) == digest
    assert kept(digest) == model(7.0)


def test_an_absent_model_is_said_and_no_path_is_a_digest() -> None:
    with pytest.raises(ValueError, match="is not on this machine"):
        kept("0" * 64)
    with pytest.raises(ValueError, match="names no model"):
        kept("../" * 20 + "abcd")
