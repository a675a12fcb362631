"""The doubt of a frame: decoded with the labels, kept by the document, brought back by undo."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from unseg_studio.data import Category, Edits, Image, Patch, Scribbles
from unseg_studio.document import Context, Document, Fits, Live, Run, decode, decoded, solve
from unseg_studio.refinement import Uncertainty
from unseg_studio.segmenters import Estimate

from .conftest import LEFT, RIGHT, SECONDS, Script, Stepwise, halves
from .test_live import STROKE

SHAPE = (60, 90)
THIRD = np.indices(SHAPE)[1] // 30


def thirds(*greys: int) -> Image:
    return Image.of(np.array(greys, np.uint8)[THIRD])


def plain() -> Image:
    """Grey with next to no grain: nowhere anything to tell sides apart by."""
    return Image.of(np.random.default_rng(2).integers(120, 123, SHAPE).astype(np.uint8))


def scored(*shares: tuple[float, ...], ids: tuple[int, ...]) -> Estimate:
    """For each third of the image, the probability of each id."""
    table = torch.tensor(shares).clamp_min(1e-6).log()
    scores = table[torch.from_numpy(THIRD)].movedim(-1, 0)
    return Estimate(scores, ids, 1, 1, 0.0, is_last=True)


def sides() -> Scribbles:
    """Category 1 on the left, category 2 on the right."""
    scribbles = Scribbles.empty(SHAPE).painted([(10, 10), (50, 10)], 1, radius=3)
    return scribbles.painted([(10, 80), (50, 80)], 2, radius=3)


def made(columns: slice, ids: tuple[int, int] = (LEFT, RIGHT)) -> Uncertainty:
    """Full doubt in some columns of the small image."""
    first = np.ones((12, 16), np.float32)
    first[:, columns] = 0.5
    planes = np.stack([first, 1 - first])
    return Uncertainty.of(planes, ids, settled=np.zeros((12, 16), bool), shape=(12, 16))


# Decoded


def test_doubt_lies_between_the_two_labels_that_are_nearly_equal() -> None:
    even = scored((1.0, 0.0), (0.5, 0.5), (0.0, 1.0), ids=(LEFT, RIGHT))
    found = decoded(even, thirds(30, 120, 210), Scribbles.empty(SHAPE)).uncertainty
    assert found.plane.dtype == np.float32
    assert (found.plane[:, 32:58] > 0.9).all()
    assert (found.plane[:, :28] < 0.1).all() and (found.plane[:, 62:] < 0.1).all()
    assert found.hint is not None
    assert 30 <= found.hint.col < 60 and set(found.hint.between) == {LEFT, RIGHT}


def test_doubt_stays_between_two_scribbled_regions_that_look_alike() -> None:
    flat = scored((0.5, 0.5), (0.5, 0.5), (0.5, 0.5), ids=(1, 2))
    found = decoded(flat, plain(), sides()).uncertainty
    middle = found.plane[:, 40:50]
    assert middle.mean() > 0.5
    assert middle.mean() > 2 * found.plane[:, :8].mean()
    assert found.hint is not None
    assert 20 < found.hint.col < 70 and set(found.hint.between) == {1, 2}


def test_what_is_scribbled_is_certain() -> None:
    flat = scored((0.5, 0.5), (0.5, 0.5), (0.5, 0.5), ids=(1, 2))
    scribbles = sides()
    found = decoded(flat, plain(), scribbles).uncertainty
    assert found.shape == SHAPE
    assert not found.plane[scribbles.ids > 0].any()


def test_what_is_locked_or_corrected_is_certain() -> None:
    even = scored((0.5, 0.5), (0.5, 0.5), (0.5, 0.5), ids=(LEFT, RIGHT))
    locked = np.where(THIRD == 0, 1, 0).astype(np.int32)
    patch = Patch(slice(0, 60), slice(30, 60), np.ones((60, 30), bool))
    nothing = Context.empty(SHAPE)
    context = Context(
        nothing.previous, nothing.named, locked, corrected=Edits.none(SHAPE).put(patch, 2)
    )
    found = decoded(even, thirds(1, 2, 3), Scribbles.empty(SHAPE), context=context).uncertainty
    assert not found.plane[:, :60].any()
    assert found.plane[:, 60:].all()
    assert found.hint is not None and found.hint.col >= 60


def test_a_hint_is_in_pixels_of_a_large_image() -> None:
    image = Image.of(np.array([30, 120, 210], np.uint8)[np.indices((400, 900))[1] // 300])
    even = scored((1.0, 0.0), (0.5, 0.5), (0.0, 1.0), ids=(LEFT, RIGHT))
    found = decoded(even, image, Scribbles.empty((400, 900))).uncertainty
    assert found.image_shape == (400, 900)
    assert max(found.shape) < 900
    assert found.hint is not None
    assert 300 <= found.hint.col < 600 and found.hint.radius > 50


def test_decode_gives_the_labels_of_decoded() -> None:
    even = scored((1.0, 0.0), (0.4, 0.6), (0.0, 1.0), ids=(1, 2))
    image, scribbles = thirds(30, 120, 210), sides()
    both = decoded(even, image, scribbles)
    np.testing.assert_array_equal(decode(even, image, scribbles), both.labels)


def test_every_frame_of_a_run_carries_its_doubt(script: Script) -> None:
    image = halves()
    nothing = Scribbles.empty(image.shape)
    run = Run(image, Stepwise(script=script), nothing, Context.empty(image.shape), "cpu")
    frames = [frame for frame in solve(run, Fits(), lambda _: True) if frame]
    assert len(frames) == script.n_steps
    assert all(frame.uncertainty and frame.uncertainty.shape == (12, 16) for frame in frames)


# Kept by the document


def test_before_the_first_frame_nothing_is_known(document: Document) -> None:
    assert document.uncertainty is None and document.hint is None


def test_it_changes_with_frames_and_says_so(steered: Document, live: Live) -> None:
    heard: list[Uncertainty | None] = []
    steered.events.uncertainty_changed.connect(heard.append)
    live.start()
    live.wait(SECONDS)
    assert heard and heard[-1] is steered.uncertainty
    first = steered.uncertainty
    steered.paint(STROKE, radius=1)
    live.wait(SECONDS)
    assert steered.uncertainty is not first
    assert heard[-1] is steered.uncertainty is not None


def test_undo_brings_back_the_doubt_of_then(steered: Document, live: Live) -> None:
    live.start()
    live.wait(SECONDS)
    before = steered.uncertainty
    steered.paint(STROKE, radius=1)
    live.wait(SECONDS)
    after = steered.uncertainty
    heard: list[Uncertainty | None] = []
    steered.events.uncertainty_changed.connect(heard.append)
    steered.undo()
    assert steered.uncertainty is before
    steered.redo()
    assert steered.uncertainty is after
    assert heard == [before, after]


def test_looking_back_shows_the_doubt_of_that_moment(steered: Document, live: Live) -> None:
    live.start()
    live.wait(SECONDS)
    moments = live.moments
    live.look_back(0)
    assert steered.uncertainty is moments[0].uncertainty is not None


def test_doubt_alone_is_no_undo_step(document: Document) -> None:
    document.show(document.state.live, made(slice(4, 12)))
    assert document.undo_text is None
    assert document.uncertainty is not None


def test_two_clusters_of_one_name_are_in_no_doubt(document: Document) -> None:
    document.show(document.state.live, made(slice(4, 12)))
    assert document.hint is not None
    document.name_cluster(LEFT, 1)
    assert document.hint is not None and set(document.hint.between) == {1, RIGHT}
    document.name_cluster(RIGHT, 1)
    assert document.hint is None
    assert document.uncertainty is not None and not document.uncertainty.plane.any()
    document.undo()
    assert document.hint is not None and set(document.hint.between) == {1, RIGHT}


def test_merged_clusters_are_in_no_doubt(document: Document) -> None:
    document.show(document.state.live, made(slice(4, 12)))
    document.merge(LEFT, RIGHT)
    assert document.hint is None


def test_where_the_person_has_corrected_since_there_is_no_hint(document: Document) -> None:
    document.show(document.state.live, made(slice(4, 12)))
    hint = document.hint
    assert hint is not None
    document.brush([(hint.row, hint.col)], radius=1)
    assert document.hint is None
    document.undo()
    assert document.hint == hint


@pytest.mark.parametrize("verb", ["clear_scribbles", "clear_edits", "toggle_lock"])
def test_other_verbs_leave_the_doubt_alone(
    verb: str, document: Document, table: tuple[Category, ...]
) -> None:
    uncertainty = made(slice(4, 12))
    document.show(document.state.live, uncertainty)
    arguments: tuple[Any, ...] = (table[0].id,) if verb == "toggle_lock" else ()
    getattr(document, verb)(*arguments)
    assert document.uncertainty is uncertainty
