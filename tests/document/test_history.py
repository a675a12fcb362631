"""Undo over any order of verbs, and what it costs."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from unseg_studio.data import Category, Image, Mosaic, Scribbles
from unseg_studio.document import Document
from unseg_studio.document.history import History
from unseg_studio.document.state import State, fresh_state
from unseg_studio.segmenters import DiffCluster

from .conftest import snapshot_of

SHAPE = (9, 11)
CHOICES = st.integers(0, 11)
CLUSTERS = st.sampled_from([1001, 1002, 1003])
POINTS = st.lists(st.tuples(st.integers(-2, 10), st.integers(-2, 12)), min_size=1, max_size=4)
RADII = st.integers(0, 3)


def _image() -> Image:
    return Image.of(np.arange(99, dtype=np.uint8).reshape(SHAPE))


def _table() -> tuple[Category, ...]:
    return Category(1, "a", "#e69f00"), Category(2, "b", "#56b4e9", "stuff")


class AnyOrderOfVerbs(RuleBasedStateMachine):
    """Compares the document with a plain list of everything that it ever was."""

    def __init__(self) -> None:
        super().__init__()
        self.document = Document(_image(), _table())
        rows, cols = np.indices(SHAPE)
        self.document.show((1001 + rows // 5 + 2 * (cols // 6)).astype(np.int32))
        self.start = self.now = snapshot_of(self.document)
        self.past: list[dict[str, Any]] = []
        self.future: list[dict[str, Any]] = []
        self.events = 0
        self.document.events.history_changed.connect(self._on_history_changed)

    def _on_history_changed(self) -> None:
        self.events += 1

    def id_of(self, choice: int) -> int:
        """One of the ids on the screen, of the table, or, rarely, one that does not exist."""
        shown = np.unique(self.document.labels).tolist()
        ids = [*shown, *(c.id for c in self.document.categories), 7, 1077]
        return int(ids[choice % len(ids)])

    def act(self, verb: Any, *args: Any, **more: Any) -> None:
        """Do something that may be refused, and note the step if there was one."""
        before, events = snapshot_of(self.document), self.events
        held = {id_: self.document.labels == id_ for id_ in self.document.locks}
        try:
            verb(*args, **more)
        except ValueError as error:
            assert str(error).endswith("."), error
            assert snapshot_of(self.document) == before
            assert self.events == events
        for id_, mask in held.items():
            np.testing.assert_array_equal(self.document.labels == id_, mask)
        assert self.events - events in (0, 1)
        if self.events > events:
            self.past.append(before)
            self.future.clear()
        else:
            assert snapshot_of(self.document) == before

    @rule(points=POINTS, radius=RADII)
    def paint(self, points: Any, radius: int) -> None:
        self.act(self.document.paint, points, radius=radius)

    @rule(points=POINTS, radius=RADII)
    def erase(self, points: Any, radius: int) -> None:
        self.act(self.document.erase, points, radius=radius)

    @rule(points=POINTS, radius=RADII, choice=st.none() | CHOICES)
    def brush(self, points: Any, radius: int, choice: int | None) -> None:
        id_ = None if choice is None else self.id_of(choice)
        self.act(self.document.brush, points, radius=radius, id_=id_)

    @rule(points=POINTS)
    def polygon(self, points: Any) -> None:
        self.act(self.document.polygon, points)

    @rule(points=POINTS, radius=RADII)
    def uncorrect(self, points: Any, radius: int) -> None:
        self.act(self.document.uncorrect, points, radius=radius)

    @rule(row=st.integers(-1, 9), col=st.integers(0, 10))
    def fill_region(self, row: int, col: int) -> None:
        self.act(self.document.fill_region, (row, col))

    @rule(choice=CHOICES, which=st.sampled_from(["holes", "small", "smooth"]))
    def tidy(self, choice: int, which: str) -> None:
        id_ = self.id_of(choice)
        verbs = {
            "holes": lambda: self.document.fill_holes(id_),
            "small": lambda: self.document.remove_small(id_, min_area=4),
            "smooth": lambda: self.document.smooth(id_, radius=1.5),
        }
        self.act(verbs[which])

    @rule(which=st.sampled_from(["clear_edits", "clear_scribbles", "name_all_clusters", "run"]))
    def whole_image(self, which: str) -> None:
        self.act(getattr(self.document, which))

    @rule(choice=CHOICES)
    def name(self, choice: int) -> None:
        self.act(self.document.name_cluster, self.id_of(choice))

    @rule(source=CHOICES, into=CHOICES)
    def merge(self, source: int, into: int) -> None:
        self.act(self.document.merge, self.id_of(source), self.id_of(into))

    @rule(choice=CHOICES, rows=st.integers(1, 8))
    def split(self, choice: int, rows: int) -> None:
        parts = 1 + (np.indices(SHAPE)[0] >= rows).astype(np.int32)
        self.act(self.document.split, self.id_of(choice), parts)

    @precondition(lambda self: len(self.document.categories) < 5)
    @rule()
    def add_category(self) -> None:
        self.act(self.document.add_category)

    @rule(choice=CHOICES)
    def remove_category(self, choice: int) -> None:
        self.act(self.document.remove_category, self.id_of(choice))

    @rule(id_=st.integers(1, 3), color=st.sampled_from(["#000000", "#ffffff"]))
    def recolor(self, id_: int, color: str) -> None:
        self.act(lambda: self.document.change_category(Category(id_, f"category {id_}", color)))

    @rule(choice=CHOICES)
    def toggle_lock(self, choice: int) -> None:
        self.act(self.document.toggle_lock, self.id_of(choice))

    @rule(id_=st.integers(1, 4))
    def set_active(self, id_: int) -> None:
        self.act(self.document.set_active, id_)

    @rule(fill=st.booleans(), seed=st.integers(0, 1))
    def set_parameters(self, fill: bool, seed: int) -> None:
        self.act(self.document.set_fill, fill)
        self.act(self.document.set_segmenter, DiffCluster(seed=seed))

    @rule(cut=st.integers(0, 11), ids=st.tuples(CLUSTERS, CLUSTERS))
    def frame(self, cut: int, ids: tuple[int, int]) -> None:
        """What the engine shows belongs to the step before it, or to none at the start."""
        free = {c.id for c in self.document.categories} - self.document.locks
        first, second = (max(free, default=ids[0]), ids[1]) if cut % 2 else ids
        live = np.where(np.indices(SHAPE)[1] < cut, first, second).astype(np.int32)
        held = np.isin(self.document.labels, list(self.document.locks))
        before, events = snapshot_of(self.document), self.events
        self.document.show(np.where(held, self.document.labels, live).astype(np.int32))
        if self.events > events:
            self.past.append(before)
            self.future.clear()
        elif not self.past and not self.future:
            self.start = snapshot_of(self.document)

    @rule()
    def undo(self) -> None:
        now = snapshot_of(self.document)
        self.document.undo()
        if self.past:
            self.future.append(now)
            assert snapshot_of(self.document) == self.past.pop()

    @rule()
    def redo(self) -> None:
        now = snapshot_of(self.document)
        self.document.redo()
        if self.future:
            self.past.append(now)
            assert snapshot_of(self.document) == self.future.pop()

    @invariant()
    def menus_tell_the_truth(self) -> None:
        assert (self.document.undo_text is None) == (not self.past)
        assert (self.document.redo_text is None) == (not self.future)

    @invariant()
    def ids_have_a_meaning(self) -> None:
        known = {c.id for c in self.document.categories}
        small = {int(i) for i in np.unique(self.document.labels) if 0 < i <= 1000}
        assert small <= known
        assert set(self.document.scribbles.categories) <= known
        assert self.document.active in known
        assert self.document.locks <= known

    def teardown(self) -> None:
        """Undo everything to the start, redo everything to the end."""
        while self.future:
            self.redo()
        end = snapshot_of(self.document)
        while self.past:
            self.undo()
        assert snapshot_of(self.document) == self.start
        while self.future:
            self.redo()
        assert snapshot_of(self.document) == end


AnyOrderOfVerbs.TestCase.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, print_blob=True
)
TestAnyOrderOfVerbs = AnyOrderOfVerbs.TestCase


def _photograph_state() -> State:
    pixels = np.random.default_rng(0).integers(0, 255, (321, 481, 3), np.uint8)
    return fresh_state(Image.of(pixels), _table(), DiffCluster())


def test_a_thousand_strokes_on_a_photograph_take_little_memory() -> None:
    random, history, state = np.random.default_rng(5), History(), _photograph_state()
    for _ in range(1000):
        history.begin("stroke", state)
        path = random.uniform((0, 0), (321, 481), (4, 2))
        category = int(random.integers(1, 3))
        state = state.changed(scribbles=state.scribbles.painted(path, category, radius=4))
    history.begin("end", state)
    plane = state.scribbles.ids.nbytes
    assert history.n_bytes < 10 * plane  # a thousand copies would be two thousand planes
    for _ in range(1001):
        state = history.undo(state) or state
    assert state.scribbles.is_empty


def test_labels_that_follow_a_stroke_cost_what_changed_in_them() -> None:
    history, state = History(), _photograph_state()
    cuts = np.indices(state.live.shape)[1] * 16 // 481 + 1001
    state = state.changed(proposal=Mosaic.of(cuts.astype(np.int32)))
    for step in range(100):
        history.begin("stroke", state)
        rolled = np.roll(state.live, step % 3 - 1, axis=1)
        state = state.changed(proposal=Mosaic.of(rolled))
    history.begin("end", state)
    assert history.n_bytes < 2 * state.live.nbytes


def test_a_step_holds_only_what_is_different() -> None:
    history, state = History(), _photograph_state()
    history.begin("same", state)
    history.begin("end", state.changed(scribbles=Scribbles.empty(state.live.shape)))
    assert history.n_bytes == 0


def test_steps_are_known_by_their_text() -> None:
    history, state = History(), _photograph_state()
    assert (history.undo_text, history.redo_text) == (None, None)
    history.begin("first", state)
    history.begin("second", state.changed(fill=False))
    assert history.undo_text == "second"
    history.undo(state.changed(fill=False, locks=frozenset({1})))
    assert (history.undo_text, history.redo_text) == ("first", "second")


def test_tiles_with_more_ids_than_a_byte_counts_come_back() -> None:
    history, state = History(), _photograph_state()
    few, many = (np.arange(321 * 481).reshape(321, 481) % n for n in (200, 700))
    planes = [np.asarray(plane, np.int32) for plane in (few, many, few + 3, many // 2)]
    for plane in planes:
        history.begin("frame", state)
        state = state.changed(proposal=Mosaic.of(plane))
    history.begin("end", state)
    history.undo(state)
    for plane in planes[-2::-1]:
        state = history.undo(state) or state
        np.testing.assert_array_equal(state.live, plane)
    for plane in planes[1:]:
        state = history.redo(state) or state
        np.testing.assert_array_equal(state.live, plane)
