"""Train on a project and apply what was learned, through the real entry point."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.test_cli_projects import photographs
from tests.threads import one_thread  # noqa: F401 - for all tests here
from unseg_studio.__main__ import main
from unseg_studio.project import Project

QUICK = ["--method=diffcluster", "--k=4", *(f"--set={w}" for w in ("iterations=10", "size=32"))]

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command line in this process: (exit code, stdout, stderr)."""

    def run(*arguments: object) -> tuple[int, str, str]:
        code = main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "photos.unseg"
    with Project.create(path) as project:
        project.add_images(photographs(tmp_path / "images"))
    return path


def test_a_project_is_trained_on_and_labelled_by_the_model(run: Run, path: Path) -> None:
    file = path.with_name("model.safetensors")
    code, said, told = run("train", "--project", path, *QUICK, "--name", "halves", "--out", file)
    assert (code, said[: said.index(" from 4 images")]) == (0, f"{path}: model 'halves'")
    assert "DiffCluster, 4 images: 40 steps will take" in told and "GB of memory." in told
    code, said, _ = run("apply", "--project", path, "--model", "halves", "--processes", 1)
    assert (code, said) == (
        0,
        f"{path}: 4 proposals made, 0 images failed, 0 left as they were\n",
    )
    code, said, _ = run("apply", "--project", path, "--model", file, "--processes", 1)
    assert code == 0 and "0 proposals made" in said  # the same model, so all are there


def test_what_cannot_be_trained_or_applied_is_said_in_a_sentence(run: Run, path: Path) -> None:
    code, _, told = run("apply", "--project", path, "--model", "none")
    assert code == 2 and "The project has no model 'none'; it has none yet." in told
    code, _, told = run("apply", "--project", path, "--model", "x", "--k", 3)
    assert code == 2 and "a model has its own" in told
    odd = path.with_name("odd.safetensors")
    odd.write_bytes(b"no model")
    code, _, told = run("apply", "--project", path, "--model", odd)
    assert code == 2 and "is no model of this program" in told
