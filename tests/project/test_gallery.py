"""Clusters of a whole project: looked at, named, merged, split, taken back; all images follow."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

from unseg_studio.data import FIRST_CLUSTER, Category
from unseg_studio.document.history import NAMES_OF_PROJECT
from unseg_studio.project import Project, ReadOnlyError
from unseg_studio.project.gallery import THUMBNAIL, Cluster, Gallery
from unseg_studio.project.naming import FIRST_PART, IGNORED, Naming
from unseg_studio.project.schema import MIGRATIONS, migrate
from unseg_studio.segmenters import DiffCluster
from unseg_studio.segmenters.models import Model
from unseg_studio.segmenters.training import parameters_of

A, B, C = FIRST_CLUSTER, FIRST_CLUSTER + 1, FIRST_CLUSTER + 2
SHAPE = (40, 48)
SKY, ROAD, CAR = 1, 2, 3


def labels(number: int) -> np.ndarray:
    """A above, B below, and C on the right, wider in each image."""
    ids = np.full(SHAPE, A, np.int32)
    ids[20:] = B
    ids[:, 40 - 4 * number :] = C
    return ids


def make(folder: Path, n: int = 4) -> Project:
    """A project with a model that has proposed labels for all of its images."""
    (folder / "images").mkdir()
    for number in range(n):
        noise = np.random.default_rng(number).integers(0, 30, (*SHAPE, 3))
        noise[labels(number) == B] += (150, 60, 0)
        Pillow.fromarray(noise.astype(np.uint8)).save(folder / "images" / f"photo {number}.png")
    project = Project.create(folder / "photos.unseg")
    project.add_images(sorted((folder / "images").glob("*.png")))
    project.set_categories(
        [Category(SKY, "sky", "#112233"), Category(ROAD, "road", "#445566"),
         Category(CAR, "car", "#ffeedd")]
    )  # fmt: skip
    segmenter = DiffCluster(iterations=2)
    model = Model("diffcluster", parameters_of(segmenter), {"w": torch.zeros(2)}, {"n_images": n})
    trained = project.trained.add(model)
    for number in range(n):
        assert project.proposed(
            number + 1, labels(number), segmenter=trained.segmenter, doubts={A: 0.1, B: 0.5}
        )
    return project


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    with make(tmp_path) as project:
        yield project


@pytest.fixture
def gallery(project: Project) -> Gallery:
    return Gallery(project, project.trained.all()[0])


def shown(project: Project, image: int) -> np.ndarray:
    return project.open_document(image).labels


def named_without_steps(project: Project, cluster: int, category: int) -> None:
    """As the second version of project files kept names."""
    row = project.trained.all()[0].digest, cluster, category
    project._writer.run(lambda c: c.execute("INSERT INTO names VALUES (?, ?, ?)", row))


def followed(gallery: Gallery, **options: bool) -> list[str]:
    """Have all images follow; what went wrong."""
    problems = [p.problem for p in gallery.follow(**options) if p.problem]
    gallery.follow_open(**options)
    gallery.project.flush()
    return problems


def row(gallery: Gallery, cluster: int) -> Cluster:
    return next(row for row in gallery.clusters() if row.id == cluster)


class TestLooking:
    def test_each_cluster_says_where_it_is_and_how_sure_the_model_was(
        self, gallery: Gallery
    ) -> None:
        sizes = {id_: np.mean([(labels(n) == id_).mean() for n in range(4)]) for id_ in (A, B, C)}
        for id_, doubt in ((A, 0.1), (B, 0.5), (C, None)):
            found = row(gallery, id_)
            assert found.share == pytest.approx(sizes[id_])
            assert found.doubt == (None if doubt is None else pytest.approx(doubt))
            assert (found.name, found.members) == (None, (id_,))
        assert row(gallery, A).images == (1, 2, 3, 4) and row(gallery, C).images == (4, 3, 2, 1)
        assert gallery.n_images == 4

    def test_thumbnails_show_the_cluster_bright_and_the_rest_dark(self, gallery: Gallery) -> None:
        found = list(gallery.thumbnails(gallery.clusters(), 2))
        assert len(found) == 6
        bright = [t.rgb for t in found if t.cluster == B]
        for rgb in bright:
            assert rgb is not None and rgb.shape == (THUMBNAIL, THUMBNAIL, 3)
            assert rgb[-5, 5, 0] > 120 > 40 > rgb[5, 5, 0]

    def test_an_unreadable_image_is_told_once_and_another_one_takes_its_place(
        self, project: Project, gallery: Gallery
    ) -> None:
        project.image(2).file.write_bytes(b"no image")
        found = list(gallery.thumbnails(gallery.clusters(), 3))
        problems = [thumbnail.problem for thumbnail in found if thumbnail.rgb is None]
        assert len(problems) == 1 and "photo 1.png" in problems[0]
        for id_ in (A, B, C):
            assert {t.image for t in found if t.cluster == id_ and t.rgb is not None} == {1, 3, 4}

    def test_rejected_images_do_not_count(self, project: Project, gallery: Gallery) -> None:
        project.set_status(4, "rejected")
        assert row(gallery, C).images == (3, 2, 1)


class TestNaming:
    def test_a_name_is_that_of_the_cluster_in_all_images_and_in_later_ones(
        self, project: Project, gallery: Gallery
    ) -> None:
        gallery.name([A], SKY)
        assert len(gallery.waiting()) == 4
        assert followed(gallery) == [] and gallery.waiting() == ()
        for number in range(4):
            expected = np.where(labels(number) == A, SKY, labels(number))
            np.testing.assert_array_equal(shown(project, number + 1), expected)
        project.proposed(1, labels(2), segmenter=gallery.model.segmenter)
        assert shown(project, 1)[0, 0] == SKY and gallery.waiting() == ()

    def test_two_clusters_of_one_name_can_get_different_ones_again(
        self, project: Project, gallery: Gallery
    ) -> None:
        gallery.name([A, B], ROAD)
        followed(gallery)
        assert set(np.unique(shown(project, 1))) == {ROAD, C}
        gallery.name([A], SKY)
        followed(gallery)
        np.testing.assert_array_equal(shown(project, 1) == SKY, labels(0) == A)
        np.testing.assert_array_equal(shown(project, 1) == ROAD, labels(0) == B)

    def test_names_can_be_swapped(self, project: Project, gallery: Gallery) -> None:
        gallery.name([A], SKY)
        gallery.name([B], ROAD)
        followed(gallery)
        gallery.name([A], ROAD)
        gallery.name([B], SKY)
        followed(gallery)
        np.testing.assert_array_equal(shown(project, 3) == SKY, labels(2) == B)
        np.testing.assert_array_equal(shown(project, 3) == ROAD, labels(2) == A)

    def test_what_is_ignored_is_nothing(self, project: Project, gallery: Gallery) -> None:
        gallery.name([C], IGNORED)
        followed(gallery)
        np.testing.assert_array_equal(shown(project, 4) == 0, labels(3) == C)
        assert row(gallery, C).name == IGNORED

    def test_merged_clusters_are_one_with_and_without_a_name(
        self, project: Project, gallery: Gallery
    ) -> None:
        gallery.merge([A, C])
        followed(gallery)
        assert set(np.unique(shown(project, 2))) == {A, B}
        both = row(gallery, A)
        assert both.members == (A, C) and len(gallery.clusters()) == 2
        gallery.name([A], SKY)
        followed(gallery)
        assert set(np.unique(shown(project, 2))) == {SKY, B}

    def test_merging_keeps_a_name_and_refuses_two(self, gallery: Gallery) -> None:
        gallery.name([B], ROAD)
        gallery.merge([A, B])
        assert row(gallery, A).name == ROAD
        gallery.name([C], CAR)
        with pytest.raises(ValueError, match="have different names"):
            gallery.merge([A, C])
        with pytest.raises(ValueError, match="takes two clusters"):
            gallery.merge([A, B])

    def test_every_step_can_be_taken_back(self, project: Project, gallery: Gallery) -> None:
        assert gallery.undo_text == ""
        gallery.name([A, B], ROAD)
        gallery.merge([A, C])
        followed(gallery)
        assert (np.unique(shown(project, 1)) == [ROAD]).all()
        assert gallery.undo_text == "merge clusters"
        gallery.undo()
        followed(gallery)
        assert set(np.unique(shown(project, 1))) == {ROAD, C}
        gallery.undo()
        followed(gallery)
        for number in range(4):
            document = project.open_document(number + 1)
            np.testing.assert_array_equal(document.labels, labels(number))
            assert document.state.named.is_empty
        assert gallery.undo_text == ""

    def test_names_from_elsewhere_stay_when_a_step_is_taken_back(
        self, project: Project, gallery: Gallery
    ) -> None:
        named_without_steps(project, C, CAR)
        gallery.name([A], SKY)
        gallery.undo()
        assert gallery.naming.names == {C: CAR}


class TestWorkOfPersons:
    def test_corrections_scribbles_and_locks_stay(self, project: Project, gallery: Gallery) -> None:
        document = project.open_document(1)
        with project.journal(document, 1):
            document.set_active(CAR)
            document.brush([(5, 5)], radius=3)
            document.paint([(30, 30)], radius=2)
            document.name_cluster(C, ROAD)
            document.toggle_lock(ROAD)
        before = document.state
        del document
        gallery.name([A], SKY)
        gallery.name([C], CAR)
        gallery.name([B], ROAD)
        followed(gallery)
        document = project.open_document(1)
        after = document.state
        assert after.edits.mosaic.equals(before.edits.mosaic)
        assert after.scribbles.mosaic.equals(before.scribbles.mosaic)
        assert after.locks == {ROAD}
        assert (after.labels[labels(0) == C] == ROAD).all()  # named by a person in this image
        assert after.labels[5, 5] == CAR and after.labels[15, 20] == SKY
        assert after.labels[30, 5] == B  # ROAD is locked here and gains nothing
        assert project.image(1).status == "in work"

    def test_an_image_in_work_gets_one_more_step_and_all_before_it_stay(
        self, project: Project, gallery: Gallery
    ) -> None:
        document = project.open_document(2)
        with project.journal(document, 2):
            document.brush([(5, 5)], radius=3, id_=CAR)
            document.brush([(25, 5)], radius=3, id_=CAR)
            document.undo()
        corrected = document.labels.copy()
        del document
        gallery.name([B], ROAD)
        followed(gallery)
        document = project.open_document(2)
        assert document.undo_text == NAMES_OF_PROJECT and document.redo_text is None
        document.undo()
        np.testing.assert_array_equal(document.labels, corrected)
        document.undo()
        np.testing.assert_array_equal(document.labels, labels(1))

    def test_the_open_image_follows_through_its_document(
        self, project: Project, gallery: Gallery
    ) -> None:
        document = project.open_document(3)
        with project.journal(document, 3):
            gallery.name([A], SKY)
            assert [p.problem for p in gallery.follow()] == [""] * 4
            np.testing.assert_array_equal(document.labels, labels(2))
            gallery.follow_open()
            assert document.labels[0, 0] == SKY and gallery.waiting() == ()
            assert project.image(3).status == "proposed"
            document.undo()
            np.testing.assert_array_equal(document.labels, labels(2))
            document.redo()
        del document
        assert shown(project, 3)[0, 0] == SKY

    def test_what_was_accepted_follows_only_when_that_is_asked(
        self, project: Project, gallery: Gallery
    ) -> None:
        document = project.open_document(4)
        project.accept(4, document)
        del document
        gallery.name([A], SKY)
        followed(gallery)
        assert {r.category for r in project.annotation(4).regions} == set()
        assert [finding.image for finding in gallery.waiting(accepted=True)] == [4]
        followed(gallery, accepted=True)
        assert {r.category for r in project.annotation(4).regions} == {SKY}
        assert project.image(4).status == "done"

    def test_an_image_that_another_method_has_segmented_since_is_left_alone(
        self, project: Project, gallery: Gallery
    ) -> None:
        document = project.open_document(1)
        with project.journal(document, 1):
            document.set_segmenter(DiffCluster(iterations=5))
        del document
        gallery.name([A], SKY)
        followed(gallery)
        np.testing.assert_array_equal(shown(project, 1), labels(0))
        assert gallery.waiting() == ()

    def test_a_batch_may_propose_anew_after_names_followed(
        self, project: Project, gallery: Gallery
    ) -> None:
        document = project.open_document(1)
        gallery.name([A], SKY)
        followed(gallery)
        del document
        assert project.proposed(1, labels(1), segmenter=gallery.model.segmenter)


class TestSplitting:
    def test_a_split_cluster_is_two_in_every_image_and_in_later_ones(
        self, project: Project, gallery: Gallery
    ) -> None:
        gallery.merge([A, B])  # dark above, bright below: what the split finds again
        gallery.name([A], SKY)
        followed(gallery)
        assert [p.problem for p in gallery.split(A)] == [""] * 4
        assert followed(gallery) == [] and gallery.waiting() == ()
        (part,) = (r.id for r in gallery.clusters() if r.id >= FIRST_PART)
        for image in range(1, 5):
            ids = shown(project, image)
            assert {SKY, part} <= set(np.unique(ids))
            upper, lower = ids[2:14, 2:20], ids[26:38, 2:20]
            assert len(np.unique(upper)) == len(np.unique(lower)) == 1
            assert upper[0, 0] != lower[0, 0]
        assert row(gallery, A).name == SKY and row(gallery, part).name is None
        gallery.name([part], ROAD)
        project.proposed(1, labels(3), segmenter=gallery.model.segmenter)
        gallery.follow_image(1)
        followed(gallery)
        assert set(np.unique(shown(project, 1))) == {SKY, ROAD, C}

    def test_a_split_is_taken_back_and_made_again(self, project: Project, gallery: Gallery) -> None:
        gallery.merge([A, B])
        followed(gallery)
        merged = shown(project, 2).copy()
        list(gallery.split(A))
        followed(gallery)
        gallery.undo()
        followed(gallery)
        np.testing.assert_array_equal(shown(project, 2), merged)
        assert len(gallery.clusters()) == 2
        list(gallery.split(A))
        followed(gallery)
        assert len(np.unique(shown(project, 2))) == 3
        assert sum(r.share for r in gallery.clusters()) == pytest.approx(1)

    def test_a_cancelled_split_changes_nothing(self, gallery: Gallery) -> None:
        steps = gallery.split(A)
        next(steps)
        steps.close()
        assert gallery.naming.cuts == () and gallery.undo_text == ""

    def test_an_unreadable_image_is_told_and_the_others_are_split(
        self, project: Project, gallery: Gallery
    ) -> None:
        gallery.merge([A, B])
        followed(gallery)
        file = project.image(2).file
        whole = file.read_bytes()
        file.write_bytes(b"no image")
        problems = [p.problem for p in gallery.split(A) if p.problem]
        assert len(problems) == 1 and "photo 1.png" in problems[0]
        (problem,) = followed(gallery)
        assert "photo 1.png" in problem
        assert len(np.unique(shown(project, 3))) == 3
        assert [finding.image for finding in gallery.waiting()] == [2]
        file.write_bytes(whole)
        assert followed(gallery) == [] and len(np.unique(shown(project, 2))) == 3

    def test_too_small_a_cluster_is_refused(self, project: Project, gallery: Gallery) -> None:
        for image in range(1, 5):
            ids = labels(image - 1)
            ids[0, 0] = C + 1
            project.proposed(image, ids, segmenter=gallery.model.segmenter)
        with pytest.raises(ValueError, match="too small to be split"):
            list(gallery.split(C + 1))


class TestTrouble:
    def test_a_project_that_is_only_read_can_be_looked_at(
        self, project: Project, gallery: Gallery
    ) -> None:
        with Project.open(project.path, read_only=True) as other:
            looking = Gallery(other, gallery.model)
            assert len(looking.clusters()) == 3
            assert len(list(looking.thumbnails(looking.clusters(), 1))) == 3
            with pytest.raises(ReadOnlyError, match="reading only"):
                looking.name([A], SKY)

    def test_a_damaged_image_is_told_and_the_others_follow(
        self, project: Project, gallery: Gallery
    ) -> None:
        project.close()
        with sqlite3.connect(project.path) as connection:
            connection.execute("UPDATE findings SET labels = x'00' WHERE image = 2")
            connection.execute("UPDATE findings SET told = '{]' WHERE image = 3")
        connection.close()
        with Project.open(project.path) as again:
            looking = Gallery(again, gallery.model)
            looking.name([A], SKY)
            (problem,) = followed(looking)
            assert "photo 1.png" in problem and "damaged" in problem
            assert shown(again, 1)[0, 0] == shown(again, 4)[0, 0] == SKY

    def test_a_damaged_naming_is_an_empty_one(self) -> None:
        for text in ("", "[]", "{]", '{"names": 3}', '{"names": {"1001": "x"}}'):
            assert Naming.of_text(text).to_text() == Naming().to_text()
        loop = Naming(merged={A: B, B: A})
        assert loop.root(A) in (A, B)

    def test_a_project_of_the_second_version_has_a_gallery(self, tmp_path: Path) -> None:
        project = make(tmp_path)
        named_without_steps(project, A, SKY)
        for image in range(1, 5):
            project.proposed(image, labels(image - 1), segmenter=project.trained.all()[0].segmenter)
        project.close()
        old = _as_second_version(project.path)
        with Project.open(old) as again:
            gallery = Gallery(again, again.trained.all()[0])
            assert gallery.n_images == 0
            assert [p.problem for p in gallery.adopt()] == [""] * 4
            assert {r.id for r in gallery.clusters()} == {A, B, C}
            assert row(gallery, A).name == SKY and gallery.waiting() == ()
            gallery.name([A], ROAD)
            followed(gallery)
            np.testing.assert_array_equal(shown(again, 2) == ROAD, labels(1) == A)
            assert list(gallery.adopt()) == []

    def test_killed_in_the_middle_the_others_follow_the_next_time(
        self, project: Project, gallery: Gallery, tmp_path: Path
    ) -> None:
        project.close()
        killed = subprocess.run(
            [sys.executable, "-c", _KILLED, str(project.path)], check=False, timeout=60
        )
        assert killed.returncode == -signal.SIGKILL
        with Project.open(project.path) as again:
            looking = Gallery(again, again.trained.all()[0])
            assert row(looking, A).name == SKY
            assert len(looking.waiting()) == 2
            followed(looking)
            assert all(shown(again, image)[0, 0] == SKY for image in range(1, 5))
            looking.undo()
            followed(looking)
            assert all(shown(again, image)[0, 0] == A for image in range(1, 5))


_KILLED = f"""
import os, signal, sys
from unseg_studio.project import Project
from unseg_studio.project.gallery import Gallery
project = Project.open(sys.argv[1])
gallery = Gallery(project, project.trained.all()[0])
gallery.name([{A}], {SKY})
following = gallery.follow()
next(following), next(following)
os.kill(os.getpid(), signal.SIGKILL)
"""


def _as_second_version(path: Path) -> Path:
    """The same project as the second version of the program would have written it."""
    old = path.with_name("old.unseg")
    connection = sqlite3.connect(old, isolation_level=None)
    migrate(connection, "old", migrations=MIGRATIONS[:2])
    connection.execute("ATTACH ? AS new", (str(path),))
    query = "SELECT name FROM main.sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    for (table,) in connection.execute(query).fetchall():
        connection.execute(f"INSERT INTO main.{table} SELECT * FROM new.{table}")
    connection.close()
    return old


def test_names_are_told_as_json(gallery: Gallery) -> None:
    list(gallery.split(B))
    gallery.name([A, B], ROAD)
    text = gallery.naming.to_text()
    again = Naming.of_text(text)
    assert json.loads(text)["names"] == {str(A): ROAD, str(B): ROAD}
    assert again.to_text() == text
    np.testing.assert_array_equal(again.cuts[0].centroids, gallery.naming.cuts[0].centroids)
