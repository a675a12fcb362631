"""Models of a project: trained on its images, kept in it, applied to all of them, named once."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.project.test_batch import photographs
from unseg_studio.data import FIRST_CLUSTER, Category
from unseg_studio.features.folders import cache_folder
from unseg_studio.project import Project
from unseg_studio.project.batch import propose, unproposed
from unseg_studio.project.gallery import Gallery
from unseg_studio.project.train import train_on
from unseg_studio.project.trained import TrainedModel
from unseg_studio.segmenters import DiffCluster
from unseg_studio.segmenters.models import Model

pytestmark = pytest.mark.usefixtures("quick_processes")

SEGMENTER = DiffCluster(iterations=10, size=32, width=8, max_clusters=4)


@pytest.fixture
def photos(tmp_path: Path) -> Iterator[Project]:
    with Project.create(tmp_path / "photos.unseg") as project:
        project.add_images(photographs(tmp_path / "images"))
        yield project


def trained(project: Project, **more: str) -> TrainedModel:
    for _ in train_on(project, SEGMENTER, device="cpu", **more):
        pass
    return project.trained.all()[-1]


def labels(project: Project, image: int) -> np.ndarray:
    return project.open_document(image).state.live


def test_what_was_learned_stays_in_the_project(photos: Project) -> None:
    model = trained(photos, name="halves")
    photos.close()
    with Project.open(photos.path) as again:
        (found,) = again.trained.all()
        assert found == model and found.name == "halves"
        assert again.trained.model(found.digest).digest == found.digest
        assert found.segmenter == replace(SEGMENTER, model=found.digest)
        assert found.facts["n_images"] == 4


def test_models_without_a_name_are_numbered_and_found_by_name_or_digest(photos: Project) -> None:
    first = trained(photos)
    model = photos.trained.model(first.digest)
    second = photos.trained.add(Model(model.method, {"seed": 3}, model.tensors, model.facts))
    assert [first.name, second.name] == ["diffcluster 1", "diffcluster 2"]
    assert photos.trained.named("diffcluster 2") == second
    assert photos.trained.named(first.digest[:8]) == first
    with pytest.raises(ValueError, match=r"no model 'x'; it has 'diffcluster 1', 'diffcluster 2'"):
        photos.trained.named("x")
    photos.trained.rename(first.digest, "x")
    assert photos.trained.named("x").digest == first.digest
    photos.trained.remove(first.digest)
    assert [known.name for known in photos.trained.all()] == ["diffcluster 2"]


def test_the_same_cluster_has_the_same_number_in_all_images(photos: Project) -> None:
    segmenter = trained(photos).segmenter
    list(propose(photos, segmenter, unproposed(photos, segmenter), device="cpu", n_processes=1))
    dark, bright = ({int(labels(photos, i)[20, col]) for i in (1, 2, 3, 4)} for col in (5, 42))
    assert len(dark) == len(bright) == 1 and dark != bright
    assert min(dark | bright) >= FIRST_CLUSTER


def test_a_name_given_once_is_that_of_the_cluster_in_every_image(photos: Project) -> None:
    photos.set_categories([Category(1, "dark", "#112233"), Category(2, "bright", "#ffeedd")])
    model = trained(photos)
    segmenter = model.segmenter
    list(propose(photos, segmenter, [1], device="cpu", n_processes=1))
    gallery = Gallery(photos, model)
    gallery.name([int(labels(photos, 1)[20, 5])], 1)
    gallery.name([int(labels(photos, 1)[20, 42])], 2)
    list(propose(photos, segmenter, [2, 3], device="cpu", n_processes=1))
    for image in (2, 3):
        found = labels(photos, image)
        assert (found[20, 5], found[20, 42]) == (1, 2)
    names = gallery.naming.names
    assert sorted(names.values()) == [1, 2]
    gallery.name([next(iter(names))], None)
    assert len(gallery.naming.names) == 1


def test_another_machine_has_the_model_as_soon_as_the_project_is_there(photos: Project) -> None:
    segmenter = trained(photos).segmenter
    list(propose(photos, segmenter, [1], device="cpu", n_processes=1))
    for file in (cache_folder() / "models").iterdir():
        file.unlink()
    document = photos.open_document(1)
    assert document.state.segmenter == segmenter
    assert (cache_folder() / "models" / f"{segmenter.model}.safetensors").is_file()


def test_a_damaged_model_is_said_and_the_labels_are_there(photos: Project) -> None:
    segmenter = trained(photos).segmenter
    list(propose(photos, segmenter, [1], device="cpu", n_processes=1))
    photos.close()
    with sqlite3.connect(photos.path) as connection:
        connection.execute("UPDATE models SET data = x'00'")
    connection.close()
    with Project.open(photos.path) as again:
        told: list[str] = []
        again.events.trouble.connect(told.append)
        assert (again.open_document(1).state.live >= FIRST_CLUSTER).all()
        assert told == [
            "The model 'diffcluster 1' is no model of this program. Choose another file, or "
            "train again."
        ]
        with pytest.raises(ValueError, match="is no model of this program"):
            list(propose(again, segmenter, [1], device="cpu", n_processes=1))


def test_a_cancelled_training_is_gone_on_with(photos: Project) -> None:
    whole = trained(photos)
    photos.trained.remove(whole.digest)
    steps = train_on(photos, SEGMENTER, device="cpu")
    seen = [next(steps)]
    while len([s for s in seen if s.model is not None]) < 3:
        seen.append(next(steps))
    steps.close()
    assert not photos.trained.all()
    again = list(train_on(photos, SEGMENTER, device="cpu"))
    assert again[0].step == seen[-1].step + 1
    tensors = photos.trained.model(photos.trained.all()[0].digest).tensors
    for name, tensor in again[-1].model.tensors.items() if again[-1].model else ():
        torch.testing.assert_close(tensors[name], tensor)
    assert photos.trained.unfinished(SEGMENTER) is None


def test_a_training_with_other_parameters_begins_anew(photos: Project) -> None:
    steps = train_on(photos, SEGMENTER, device="cpu")
    while next(steps).model is None:
        pass
    steps.close()
    assert photos.trained.unfinished(SEGMENTER) is not None
    assert photos.trained.unfinished(replace(SEGMENTER, width=12)) is None


def test_rejected_images_teach_nothing_and_unreadable_ones_are_told(photos: Project) -> None:
    photos.set_status(1, "rejected")
    photos.image(2).file.write_bytes(b"no image")
    *_, last = train_on(photos, SEGMENTER, device="cpu")
    assert last.model is not None and last.model.facts["n_images"] == 2
    assert len(last.skipped) == 1 and "photo 1.png" in last.skipped[0]


def test_a_project_of_the_first_version_takes_models(tmp_path: Path) -> None:
    from unseg_studio.project.schema import MIGRATIONS, migrate

    path = tmp_path / "old.unseg"
    connection = sqlite3.connect(path, isolation_level=None)
    migrate(connection, "old", migrations=MIGRATIONS[:1])
    connection.close()
    with Project.open(path) as project:
        assert project.trained.all() == ()
        project.add_images(photographs(tmp_path / "images"))
        assert trained(project).method == "diffcluster"
