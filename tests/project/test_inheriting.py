"""Names of clusters go on to the next model, to those that overlap most, or to nobody."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.project.test_batch import photographs
from unseg_studio.data import FIRST_CLUSTER, Category, read_image
from unseg_studio.document import Fits, first_run
from unseg_studio.document.state import fresh_state
from unseg_studio.project import Project, batch
from unseg_studio.project.batch import Outcome
from unseg_studio.project.gallery import Gallery, Progress
from unseg_studio.project.inheriting import LEAST, Inherited, ancestor, heirs, inherit, paired
from unseg_studio.project.naming import IGNORED
from unseg_studio.project.proposal import Answer, labels_of
from unseg_studio.project.train import train_on
from unseg_studio.project.trained import TrainedModel
from unseg_studio.segmenters import DiffCluster
from unseg_studio.segmenters.models import Model

A, B, C = FIRST_CLUSTER, FIRST_CLUSTER + 1, FIRST_CLUSTER + 2
DARK, BRIGHT = 1, 2


def segmenter(seed: int) -> DiffCluster:
    return DiffCluster(iterations=10, size=32, width=8, max_clusters=4, seed=seed)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[Model, Model]:
    """Two that were learned from the same images and number their clusters in different ways."""
    images = [read_image(path) for path in photographs(tmp_path_factory.mktemp("learned"))]
    found = [list(segmenter(seed).train(images, "cpu"))[-1].model for seed in (0, 3)]
    assert found[0] is not None and found[1] is not None
    return found[0], found[1]


@pytest.fixture
def photos(tmp_path: Path, models: tuple[Model, Model]) -> Iterator[Project]:
    with Project.create(tmp_path / "photos.unseg") as project:
        project.add_images(photographs(tmp_path / "images"))
        project.set_categories(
            [Category(DARK, "dark", "#112233"), Category(BRIGHT, "bright", "#ffeedd")]
        )
        project.trained.add(models[0], "first")
        yield project


def propose(project: Project, model: TrainedModel, *images: int) -> None:
    """As a batch does, but here."""
    project.trained.provide(model.segmenter)
    for id_ in images:
        image = read_image(project.image(id_).file)
        run = first_run(image, fresh_state(image, (), model.segmenter), device="cpu")
        *_, last = (frame for frame in run.results(Fits(), lambda _: False) if frame is not None)
        project.proposed(id_, last.labels, segmenter=model.segmenter)


def shown(project: Project, image: int) -> np.ndarray:
    return project.open_document(image).labels


def batched(project: Project, model: TrainedModel, id_: int) -> Outcome:
    """What a batch does with an image, without another process."""
    entry = project.image(id_)
    labels = labels_of(entry.file, None, model.segmenter, "cpu")
    return batch._kept(project, model.segmenter, Answer(entry, labels))


def name_both(project: Project, model: TrainedModel) -> None:
    propose(project, model, 1)
    ids = shown(project, 1)
    gallery = Gallery(project, model)
    gallery.name([int(ids[20, 5])], DARK)
    gallery.name([int(ids[20, 42])], BRIGHT)
    list(gallery.follow())


class TestPairing:
    def test_the_total_overlap_counts_and_not_the_first_that_comes(self) -> None:
        shares = {(A, B): 0.5, (A, C): 0.4, (B, B): 0.5}
        assert paired(shares, {A: 1, B: 2}).names == {C: 1, B: 2}

    def test_what_overlaps_too_little_stays_without_a_name(self) -> None:
        few = {(A, A): 1.0, (A, B): 3.4, (B, B): 9.0}
        found = paired(few, {A: 1, B: 2})
        assert found.names == {B: 2} and found.gone == (A,)
        assert 1 / 4.4 < LEAST <= found.overlaps[B]

    def test_a_cluster_that_goes_away_is_told(self) -> None:
        found = paired({(A, A): 1.0, (B, A): 0.2}, {A: 1, B: IGNORED, C: 2})
        assert found.names == {A: 1} and found.gone == (B, C)

    def test_one_without_a_name_keeps_what_is_its_own(self) -> None:
        found = paired({(A, B): 1.0, (B, B): 5.0}, {A: 1})
        assert found.names == {} and found.gone == (A,)


class TestRetraining:
    def test_names_survive_another_training(self, photos: Project) -> None:
        name_both(photos, photos.trained.named("first"))
        for _ in train_on(photos, segmenter(3), device="cpu", name="second"):
            pass
        model = photos.trained.named("second")
        propose(photos, model, 2, 3)
        for image in (2, 3):
            ids = shown(photos, image)
            assert (ids[20, 5], ids[20, 42]) == (DARK, BRIGHT)
        gallery = Gallery(photos, model)
        assert gallery.undo_text == "take names of first"
        gallery.undo()
        assert gallery.naming.names == {}

    def test_a_cluster_that_goes_away_leaves_its_name_behind(
        self, photos: Project, models: tuple[Model, Model]
    ) -> None:
        old = photos.trained.named("first")
        name_both(photos, old)
        gone = FIRST_CLUSTER + 77  # nobody finds it any more
        gallery = Gallery(photos, old)
        gallery.name([gone], IGNORED)
        (nowhere,) = (row for row in gallery.clusters() if row.id == gone)
        assert nowhere.share == 0 and nowhere.images == () and nowhere.name == IGNORED
        new = photos.trained.add(models[1], "second")
        found = last_of(inherit(photos, old, new, device="cpu"))
        assert found.gone == (gone,)
        assert sorted(photos.trained.naming(new.digest).names.values()) == [DARK, BRIGHT]

    def test_what_has_a_name_already_keeps_it(
        self, photos: Project, models: tuple[Model, Model]
    ) -> None:
        old = photos.trained.named("first")
        new = photos.trained.add(models[1], "second")
        name_both(photos, old)
        assert ancestor(photos, new) == old and ancestor(photos, old) is None
        propose(photos, new, 2)
        dark = int(shown(photos, 2)[20, 5])
        Gallery(photos, new).name([dark], BRIGHT)
        last_of(inherit(photos, old, new, device="cpu"))
        assert photos.trained.naming(new.digest).names[dark] == BRIGHT

    def test_split_and_merged_clusters_are_matched_as_the_gallery_has_them(
        self, photos: Project, models: tuple[Model, Model]
    ) -> None:
        old = photos.trained.named("first")
        propose(photos, old, 1, 2)
        dark, bright = (int(shown(photos, 1)[20, col]) for col in (5, 42))
        gallery = Gallery(photos, old)
        gallery.merge([dark, bright])
        list(gallery.split(dark))
        list(gallery.follow())
        left, right = (int(shown(photos, 1)[20, col]) for col in (5, 42))
        assert left != right
        gallery.name([left], DARK)
        gallery.name([right], BRIGHT)
        new = photos.trained.add(models[1], "second")
        last_of(inherit(photos, old, new, device="cpu"))
        propose(photos, new, 3)
        ids = shown(photos, 3)
        assert (ids[20, 5], ids[20, 42]) == (DARK, BRIGHT)

    def test_a_batch_cuts_what_it_proposes_and_says_how_sure_it_was(self, photos: Project) -> None:
        old = photos.trained.named("first")
        propose(photos, old, 1, 2)
        dark, bright = (int(shown(photos, 1)[20, col]) for col in (5, 42))
        gallery = Gallery(photos, old)
        assert batched(photos, old, 4).is_kept
        assert all(row.doubt is not None and 0 <= row.doubt < 1 for row in gallery.clusters()[:2])
        gallery.merge([dark, bright])
        list(gallery.split(dark))
        list(gallery.follow())
        assert batched(photos, old, 3).is_kept and gallery.waiting() == ()
        one, other = shown(photos, 1), shown(photos, 3)
        assert one[20, 5] == other[20, 5] != one[20, 42] == other[20, 42]

    def test_an_unreadable_image_is_told_and_without_any_there_is_a_sentence(
        self, photos: Project, models: tuple[Model, Model]
    ) -> None:
        old = photos.trained.named("first")
        new = photos.trained.add(models[1], "second")
        photos.image(2).file.write_bytes(b"no image")
        problems = [p.problem for p in heirs(photos, old, new, device="cpu") if p.problem]
        assert len(problems) == 1 and "photo 1.png" in problems[0]
        for image in photos.images():
            image.file.write_bytes(b"no image")
        with pytest.raises(ValueError, match="None of 4 images can be read"):
            list(heirs(photos, old, new, device="cpu"))


def last_of(course: Generator[Progress, None, Inherited]) -> Inherited:
    """What it comes to."""
    while True:
        try:
            next(course)
        except StopIteration as ended:
            found: Inherited = ended.value
            return found
