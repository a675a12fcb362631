"""Accepted labels, proposals of a batch, and annotations for export."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from unseg_studio.data import Category
from unseg_studio.document import Document
from unseg_studio.formats import export
from unseg_studio.project import Project
from unseg_studio.segmenters import DiffCluster

from .conftest import SHAPE, made_up, reopened, stripes


def halves() -> np.ndarray:
    return np.where(np.indices(SHAPE)[1] < 100, 1, 0).astype(np.int32)


def accepted(project: Project, image_id: int = 1) -> Document:
    document = project.open_document(image_id, made_up(image_id))
    document.show(halves())
    project.accept(image_id, document, device="cuda", seconds=12.5)
    return document


def test_an_accepted_image_is_done_and_its_labels_are_exported(project: Project) -> None:
    document = accepted(project)
    assert project.image(1).status == "done"
    assert project.image(1).seconds == 12.5
    with reopened(project) as again:
        annotation = again.annotation(1)
        np.testing.assert_array_equal(annotation.labels(), halves())
        assert annotation.source.path == again.image(1).file
        made = annotation.provenance
        assert made["method"] == document.segmenter.name
        assert made["device"] == "cuda"
        assert made["seconds"] == 12.5
        assert {"parameters", "versions"} <= made.keys()
        assert "torch" in str(made["versions"])


def test_accepting_keeps_the_document_though_nobody_kept_a_journal(project: Project) -> None:
    document = accepted(project)
    with reopened(project) as again:
        assert again.open_document(1).labels.tobytes() == document.labels.tobytes()


def test_labels_stay_as_they_were_accepted(project: Project) -> None:
    document = accepted(project)
    with project.journal(document, 1):
        document.brush([(100, 250)], radius=9)
        assert project.image(1).status == "in work"
    project.set_status(1, "done")
    np.testing.assert_array_equal(project.annotation(1).labels(), halves())


def test_small_parts_are_left_out_when_asked(project: Project) -> None:
    document = project.open_document(1)
    document.brush([(10, 10)], radius=2)
    document.brush([(200, 100)], radius=30)
    project.accept(1, document)
    assert len(project.annotation(1).regions) == 2
    assert len(project.annotation(1, min_area=100).regions) == 1


def test_annotations_can_be_gone_through_twice_and_need_no_image_files(project: Project) -> None:
    for image_id in (1, 3):
        accepted(project, image_id)
    for entry in project.images():
        entry.file.unlink()
    annotations = project.annotations()
    assert len(annotations) == 2
    for _ in range(2):
        names = [annotation.source.name for annotation in annotations]
        assert names == ["image 0.png", "image 2.png"]
    assert len(project.annotations(("rejected",))) == 0


def test_a_project_is_exported_as_one_data_set(project: Project, tmp_path: Path) -> None:
    for image_id in (1, 3):
        accepted(project, image_id)
    export(tuple(project.annotations()), tmp_path / "out.json")
    written = json.loads((tmp_path / "out.json").read_text())
    assert len(written["images"]) == len(written["annotations"]) == 2


def test_an_image_that_nobody_touched_has_nothing_to_export(project: Project) -> None:
    with pytest.raises(ValueError, match=r"Nothing was made of image 1\.png yet"):
        project.annotation(2)


def test_what_is_not_accepted_yet_is_exported_as_it_is_shown(project: Project) -> None:
    project.set_categories([Category(4, "cell", "#e69f00")])
    document = project.open_document(1)
    with project.journal(document, 1):
        document.show(stripes(40))
        document.brush([(100, 100)], radius=9)
        np.testing.assert_array_equal(
            project.annotation(1).labels(), np.where(document.labels == 4, 4, 0)
        )


def test_a_proposal_is_what_the_document_begins_with(project: Project) -> None:
    assert project.proposed(
        1, stripes(50), segmenter=DiffCluster(seed=4), uncertainty=0.5, seconds=2.0
    )
    entry = project.image(1)
    assert (entry.status, entry.uncertainty, entry.size) == ("proposed", 0.5, SHAPE)
    with reopened(project) as again:
        document = again.open_document(1)
        np.testing.assert_array_equal(document.labels, stripes(50))
        assert document.segmenter == DiffCluster(seed=4)
        assert document.undo_text is None


def test_a_newer_proposal_takes_the_place_of_the_one_before(project: Project) -> None:
    project.proposed(1, stripes(50))
    assert project.proposed(1, stripes(60))
    np.testing.assert_array_equal(project.open_document(1).labels, stripes(60))


def test_a_proposal_never_touches_what_a_person_did(project: Project, worked: Document) -> None:
    assert not project.proposed(1, stripes(50))
    accepted(project, 2)
    assert not project.proposed(2, stripes(50))
    project.set_status(3, "rejected")
    assert not project.proposed(3, stripes(50))
    assert project.open_document(1).labels.tobytes() == worked.labels.tobytes()
