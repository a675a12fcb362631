"""A training as a person sees it: choose, foresee, watch, pause, cancel, go on."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import Qt

from unseg_studio.data import Image
from unseg_studio.project.trained import BrokenOff
from unseg_studio.segmenters import make_segmenter
from unseg_studio.segmenters.training import parameters_of
from unseg_studio.widgets.loss_curve import LossCurve
from unseg_studio.widgets.stream import Stream
from unseg_studio.widgets.training_source import Proposed, painted, small
from unseg_studio.widgets.training_view import TrainingView

LEFT = Qt.MouseButton.LeftButton
ENGINE_MS = 60_000


def brief(**more):
    return make_segmenter(
        "diffcluster", iterations=more.pop("iterations", 20), size=32, max_clusters=6, **more
    )


def photo(seed, shape=(36, 48)):
    pixels = np.random.default_rng(seed).integers(0, 60, (*shape, 3)).astype(np.uint8)
    pixels[:, 20 + seed :] += 150
    return Image.of(pixels)


class Album:
    """Images in memory, and what is needed to go on; the second one of `broken` cannot be read."""

    def __init__(self, n=3, broken=()):
        self._broken = broken
        self._photos = [photo(i) for i in range(n)]
        self.kept = {}
        self.n_started = 0

    def __len__(self):
        return len(self._photos)

    def __getitem__(self, index):
        if index in self._broken:
            raise OSError(f"photo {index} cannot be read; choose another file.")
        return self._photos[index]

    @property
    def names(self):
        return [f"photo {i}" for i in range(len(self))]

    def images(self):
        return self

    def left(self):
        return tuple(
            BrokenOff(m.method, m.parameters, m.facts["n_steps"]) for m in self.kept.values()
        )

    def forget(self, method):
        self.kept.pop(method, None)

    def train(self, segmenter):
        self.n_started += 1
        kept = self.kept.get(segmenter.name)
        start = kept if kept and kept.parameters == parameters_of(segmenter) else None
        for step in segmenter.train(self, "cpu", start=start):
            if step.model is not None:
                self.kept[segmenter.name] = step.model
            if step.is_last:
                self.forget(segmenter.name)
            yield step

    def propose(self, segmenter):
        return (Proposed(n, 2, "photo 1 is odd." if n == 1 else "") for n in range(3))


@pytest.fixture
def make_view(qtbot):
    views = []

    def make(source=None, segmenter=None, **more):
        view = TrainingView(source or Album(), device="cpu", **more)
        qtbot.addWidget(view)
        view.show()
        views.append(view)
        qtbot.waitUntil(view.start_button.isEnabled, timeout=ENGINE_MS)
        if segmenter is not None:
            view.choose(segmenter)
        return view

    yield make
    for view in views:
        view.stop()
        for stream in view.streams:
            stream.close()


def press(qtbot, button):
    assert button.isVisible() and button.isEnabled()
    qtbot.mouseClick(button, LEFT)


def reached(view, phase):
    return lambda: view.phase == phase


class TestChoosing:
    def test_only_methods_that_learn_from_many_images_are_offered(self, make_view):
        view = make_view()
        names = [view.method.itemData(i) for i in range(view.method.count())]
        assert {"diffcluster", "neural_eigen", "picie", "multilevel"} <= set(names)
        assert "Learns from 3 images." in [
            label.text() for label in view.findChildren(type(view._count))
        ]

    def test_another_method_brings_its_parameters(self, make_view):
        view = make_view()
        view.method.setCurrentIndex(view.method.findData("picie"))
        view.method.activated.emit(view.method.currentIndex())
        assert view.segmenter.name == "picie"
        assert "rounds" in view.form.values()
        assert "model" not in view.form.values()

    def test_time_and_memory_are_told_before_it_starts(self, qtbot, make_view):
        view = make_view(segmenter=brief())
        qtbot.waitUntil(lambda: "Measuring" not in view.told, timeout=ENGINE_MS)
        assert "60 steps will take" in view.told and "GB of memory" in view.told

    def test_a_parameter_in_the_form_is_measured_and_used(self, qtbot, make_view):
        view = make_view(segmenter=brief())
        view.form.editor("max_clusters").setValue(4)
        assert view.segmenter.max_clusters == 4
        assert "Measuring" in view.told

    def test_without_images_it_cannot_start_and_says_so(self, qtbot):
        view = TrainingView(Album(0), device="cpu")
        qtbot.addWidget(view)
        qtbot.waitUntil(lambda: "no image" in view.told, timeout=ENGINE_MS)
        assert not view.start_button.isEnabled()


class TestTraining:
    def test_curve_and_previews_follow_to_the_end(self, qtbot, make_view):
        view = make_view(segmenter=brief())
        with qtbot.waitSignal(view.trained, timeout=ENGINE_MS) as told:
            press(qtbot, view.start_button)
            assert view.phase == "training"
        assert told.args[0].model
        assert view.phase == "done"
        steps = [step for step, _ in view.curve.losses]
        assert steps == sorted(set(steps)) and steps[0] == 1
        assert view.curve.scores and 0 <= view.curve.scores[-1][1] <= 1
        shown = [p for p in view._pictures if not p.pixmap().isNull()]
        assert [p.toolTip() for p in shown] == ["photo 0", "photo 1", "photo 2"]
        assert view.propose_button.isVisible() and not view.gallery_button.isVisible()

    def test_pause_takes_no_step_until_the_person_goes_on(self, qtbot, make_view):
        view = make_view(segmenter=brief(iterations=1000))
        press(qtbot, view.start_button)
        qtbot.waitUntil(lambda: len(view.curve.losses) > 2, timeout=ENGINE_MS)
        press(qtbot, view.pause_button)
        assert view.is_paused and view.pause_button.text() == "Go on"
        qtbot.waitUntil(lambda: view.is_resting, timeout=ENGINE_MS)
        view._pull()
        before = len(view.curve.losses)
        view._pull()
        assert len(view.curve.losses) == before
        press(qtbot, view.pause_button)
        qtbot.waitUntil(lambda: len(view.curve.losses) > before, timeout=ENGINE_MS)

    def test_what_was_cancelled_can_be_gone_on_with_or_forgotten(self, qtbot, make_view):
        source = Album()
        view = make_view(source, brief(iterations=200))
        press(qtbot, view.start_button)
        qtbot.waitUntil(lambda: bool(source.kept), timeout=ENGINE_MS)
        press(qtbot, view.cancel_button)
        assert view.phase == "ending" and not view.cancel_button.isEnabled()
        qtbot.waitUntil(reached(view, "choosing"), timeout=ENGINE_MS)
        qtbot.waitUntil(lambda: view.left is not None, timeout=ENGINE_MS)
        n = view.left.n_steps
        assert view.start_button.text() == f"Go on from step {n:,}"
        assert "is kept" in view.told
        press(qtbot, view.start_button)
        qtbot.waitUntil(lambda: view.curve.losses[-1][0] > n, timeout=ENGINE_MS)
        press(qtbot, view.cancel_button)
        qtbot.waitUntil(lambda: view.left is not None and view.anew_button.isVisible(),
                        timeout=ENGINE_MS)  # fmt: skip
        press(qtbot, view.anew_button)
        qtbot.waitUntil(reached(view, "training"), timeout=ENGINE_MS)
        qtbot.waitUntil(lambda: bool(view.curve.losses), timeout=ENGINE_MS)
        assert view.curve.losses[0][0] == 1

    def test_a_view_that_was_closed_is_gone_on_with_in_another(self, qtbot, make_view):
        source = Album()
        first = make_view(source, brief(iterations=200))
        press(qtbot, first.start_button)
        qtbot.waitUntil(lambda: bool(source.kept), timeout=ENGINE_MS)
        first.stop()
        for stream in first.streams:
            stream.close()
        second = make_view(source)
        assert second.segmenter == brief(iterations=200)
        assert "Go on from step" in second.start_button.text()

    def test_an_image_that_cannot_be_read_is_told_and_left_out(self, qtbot, make_view):
        view = make_view(Album(4, broken={1}), brief())
        with qtbot.waitSignal(view.trained, timeout=ENGINE_MS):
            press(qtbot, view.start_button)
        told = view._skipped.text()
        assert "1 image was left out" in told and "photo 1 cannot be read" in told

    def test_one_image_is_enough(self, qtbot, make_view):
        view = make_view(Album(1), brief())
        with qtbot.waitSignal(view.trained, timeout=ENGINE_MS):
            press(qtbot, view.start_button)

    def test_a_failure_is_told_and_another_try_is_possible(self, qtbot, make_view):
        view = make_view(Album(2, broken={0, 1}), brief())
        press(qtbot, view.start_button)
        qtbot.waitUntil(lambda: "can be read" in view.told, timeout=ENGINE_MS)
        assert view.phase == "choosing" and view.start_button.isEnabled()

    def test_all_images_get_labels_with_it_and_the_gallery_is_asked_for(self, qtbot, make_view):
        view = make_view(segmenter=brief())
        view.offer_gallery()
        with qtbot.waitSignal(view.trained, timeout=ENGINE_MS) as trained:
            press(qtbot, view.start_button)
        with qtbot.waitSignal(view.gallery_requested) as asked:
            press(qtbot, view.gallery_button)
        assert asked.args == trained.args
        with qtbot.waitSignal(view.proposed, timeout=ENGINE_MS):
            press(qtbot, view.propose_button)
        assert "2 of 2" in view._course.text() and "photo 1 is odd." in view._skipped.text()
        assert view.phase == "done"


class TestStream:
    def test_others_go_first_for_a_while_and_then_it_goes_on_all_the_same(self, qtbot):
        asked = []

        def wait():
            asked.append(1)
            return len(asked) < 4

        stream = Stream(lambda: iter_of(3), wait)
        qtbot.waitUntil(lambda: stream.is_over, timeout=ENGINE_MS)
        assert len(asked) > 4 and stream.take() == [0, 1, 2] and stream.error is None

    def test_what_is_cancelled_is_closed_in_its_own_thread(self, qtbot):
        closed = []

        def endless():
            try:
                while True:
                    yield 1
            finally:
                closed.append(True)

        stream = Stream(endless)
        qtbot.waitUntil(lambda: bool(stream.take()), timeout=ENGINE_MS)
        stream.pause()
        stream.close()
        assert closed and stream.is_over

    def test_an_exception_is_kept_for_who_asks(self, qtbot):
        def odd():
            yield 1
            raise ValueError("no more")

        stream = Stream(odd)
        qtbot.waitUntil(lambda: stream.is_over, timeout=ENGINE_MS)
        assert stream.take() == [1] and str(stream.error) == "no more"


def iter_of(n):
    yield from range(n)


class TestPictures:
    def test_clusters_are_laid_over_the_image_in_their_colours(self):
        rgb = np.full((20, 30, 3), 90, np.uint8)
        labels = np.array([[1000, 1001]], np.int32)
        picture = painted(rgb, labels)
        assert picture.shape == rgb.shape
        assert (picture[:, :15] == picture[0, 0]).all() and (
            picture[:, 15:] == picture[0, 29]
        ).all()
        assert (picture[0, 0] != picture[0, 29]).any()

    def test_a_small_image_stays_and_a_large_one_shrinks(self):
        assert small(np.zeros((9, 12, 3), np.uint8)).shape == (9, 12, 3)
        assert small(np.zeros((900, 600, 3), np.uint8)).shape == (150, 100, 3)


class TestCurve:
    @pytest.mark.parametrize("n", [0, 1, 5000])
    def test_lines_are_painted_for_any_number_of_steps(self, qtbot, n):
        curve = LossCurve()
        qtbot.addWidget(curve)
        curve.resize(400, 200)
        empty = curve.grab().toImage()
        for step in range(1, n + 1):
            curve.add(step, n, 1 / step, float("nan") if step % 9 else step / n)
        assert (curve.grab().toImage() != empty) == bool(n)
        assert len(curve.losses) == n

    def test_steps_without_a_loss_are_told(self, qtbot):
        curve = LossCurve()
        qtbot.addWidget(curve)
        curve.add(1, 3, float("nan"), float("nan"))
        curve.resize(400, 200)
        assert not curve.losses and not curve.scores
        assert not curve.grab().isNull()
