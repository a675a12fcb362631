"""The live loop without Qt: what the person does, and what the engine makes of it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from unseg_studio.document import PULL_MS, SCREEN_MS, SOON_MS, Document, Live, RunStatus, pull_ms
from unseg_studio.features.devices import Place, cpu
from unseg_studio.segmenters import DiffCluster

from .conftest import LEFT, RIGHT, SECONDS, Script, halves

STROKE = [(2, 2), (5, 5)]


def pulled(live: Live, script: Script, n_steps: int = 1) -> None:
    """Let steps through until one more frame is shown."""
    script.let(n_steps)
    assert live._worker.wait(SECONDS)
    assert live.pull()


def phases_of(document: Document) -> list[str]:
    phases: list[str] = []
    document.events.status_changed.connect(lambda status: phases.append(status.phase))
    return phases


def test_a_first_proposal_follows_by_itself(steered: Document, live: Live) -> None:
    phases = phases_of(steered)
    live.start()
    status = live.wait(SECONDS)
    assert (phases[0], phases[-1]) == ("preparing", "done")
    assert set(phases[1:-1]) <= {"running"}
    assert (status.step, status.total, status.n_labels, status.loss) == (5, 5, 2, 0.2)
    assert (steered.labels[:, :8] == LEFT).all()
    assert (steered.labels[:, 8:] == RIGHT).all()


def test_frames_show_up_while_the_run_goes_on(
    steered: Document, live: Live, script: Script
) -> None:
    script.is_open = False
    live.start()
    assert not live.pull()
    for step in (1, 2, 3):
        pulled(live, script)
        assert (steered.status.phase, steered.status.step) == ("running", step)
    script.let(2)
    assert live.wait(SECONDS).phase == "done"


def test_nothing_computes_in_the_asking_thread(
    steered: Document, live: Live, script: Script
) -> None:
    live.start()
    live.wait(SECONDS)
    steered.paint(STROKE, radius=1)
    steered.run()
    live.wait(SECONDS)
    (thread,) = script.threads
    assert thread is not threading.current_thread()


def test_a_stroke_starts_warm_and_a_run_starts_cold(
    steered: Document, live: Live, script: Script
) -> None:
    verbs: list[Callable[[], Any]] = [
        live.start,
        lambda: steered.paint(STROKE, radius=1),
        lambda: steered.set_fill(False),
        steered.clear_scribbles,
        steered.run,
        lambda: steered.paint(STROKE, radius=1),
        lambda: steered.set_segmenter(replace(steered.segmenter, sharpness=5)),  # type: ignore[type-var]
        lambda: steered.erase(STROKE, radius=1),
    ]
    for verb in verbs:
        verb()
        assert live.wait(SECONDS).phase == "done"
    assert script.fits_of_runs == [1, 1, 1, 1, 2, 2, 3, 3]


def test_the_next_stroke_supersedes_the_run(steered: Document, live: Live, script: Script) -> None:
    script.is_open = False
    live.start()
    pulled(live, script)
    steered.paint(STROKE, radius=1)
    assert steered.status.phase == "preparing"
    assert not live.pull()
    script.is_open = True
    script.let(1)
    assert live.wait(SECONDS).phase == "done"
    assert (steered.labels[2, 2], len(script.fits_of_runs)) == (1, 2)


def test_stop_keeps_the_labels_and_drops_what_comes_later(
    steered: Document, live: Live, script: Script
) -> None:
    script.is_open = False
    live.start()
    pulled(live, script)
    labels = steered.labels
    live.stop()
    script.let(1)
    assert script.ended.wait(SECONDS)
    assert steered.status.phase == "stopped"
    assert not live.pull()
    assert steered.labels is labels


def test_stop_without_a_run_says_nothing(steered: Document, live: Live) -> None:
    phases = phases_of(steered)
    live.stop()
    assert not phases


def test_undo_stops_the_run(
    steered: Document,
    live: Live,
    script: Script,
    snapshot: Callable[[Document], dict[str, Any]],
) -> None:
    live.start()
    live.wait(SECONDS)
    before = snapshot(steered)
    script.is_open = False
    steered.paint(STROKE, radius=1)
    pulled(live, script)
    steered.undo()
    script.let(1)
    assert script.ended.wait(SECONDS)
    assert not live.pull()
    assert steered.status.phase == "stopped"
    assert snapshot(steered) == before
    script.is_open = True
    steered.paint(STROKE, radius=1)
    assert live.wait(SECONDS).phase == "done"


@pytest.mark.parametrize("place", ["fit", "refine"])
def test_an_exception_reaches_the_status_and_leaves_the_document_intact(
    place: str,
    steered: Document,
    live: Live,
    script: Script,
    snapshot: Callable[[Document], dict[str, Any]],
) -> None:
    live.start()
    live.wait(SECONDS)
    script.fails_in = place
    steered.run()
    before = snapshot(steered)
    status = live.wait(SECONDS)
    assert status.phase == "failed"
    assert status.n_labels == 2
    assert status.message == (
        "The run failed: RuntimeError: the network burst. The document is unchanged; run again."
    )
    assert snapshot(steered) == before
    script.fails_in = ""
    steered.paint(STROKE, radius=1)
    assert live.wait(SECONDS).phase == "done"
    assert script.fits_of_runs[-1] == script.n_fits > 1  # a fit that failed is not used again


SENTENCES = [
    (ValueError("Raise the most clusters."), "Raise the most clusters."),
    (MemoryError(), "There is not enough memory for this run. Choose a smaller working size."),
    (
        RuntimeError("DefaultCPUAllocator: can't allocate memory"),
        "There is not enough memory for this run. Choose a smaller working size.",
    ),
    (OSError("The disk is full."), "The disk is full."),
]


@pytest.mark.parametrize(("error", "sentence"), SENTENCES)
def test_failures_are_sentences(
    error: Exception, sentence: str, steered: Document, live: Live, script: Script
) -> None:
    script.fails_in, script.error = "refine", error
    live.start()
    assert live.wait(SECONDS) == replace(
        RunStatus("failed", message=sentence), seconds=steered.status.seconds
    )


def test_waiting_too_long_stops_the_run(steered: Document, live: Live, script: Script) -> None:
    script.is_open = False
    live.start()
    with pytest.raises(TimeoutError, match=r"within 0 s, so it was stopped"):
        live.wait(0.0)
    assert steered.status.phase == "stopped"


def test_a_name_given_during_a_run_survives_it(
    steered: Document, live: Live, script: Script
) -> None:
    script.is_open = False
    live.start()
    pulled(live, script)
    steered.name_cluster(LEFT, 2)
    script.is_open = True
    script.let(1)
    assert live.wait(SECONDS).phase == "done"
    assert (steered.labels[:, :8] == 2).all()


def test_a_lock_set_during_a_run_holds_in_its_next_frames(
    steered: Document, live: Live, script: Script
) -> None:
    script.is_open = False
    live.start()
    pulled(live, script)
    steered.brush([(6, 12)], radius=2, id_=3)
    steered.clear_edits()
    steered.brush([(6, 12)], radius=2, id_=3)
    mask = steered.labels == 3
    steered.toggle_lock(3)
    script.is_open = True
    script.let(1)
    live.wait(SECONDS)
    np.testing.assert_array_equal(steered.labels == 3, mask)
    np.testing.assert_array_equal(steered.state.live == 3, mask)


def test_corrections_survive_every_run(steered: Document, live: Live) -> None:
    live.start()
    live.wait(SECONDS)
    steered.brush([(6, 12)], radius=2, id_=3)
    mask = steered.labels == 3
    steered.run()
    live.wait(SECONDS)
    np.testing.assert_array_equal(steered.labels == 3, mask)


def test_close_ends_a_run_and_lets_go_of_the_document(steered: Document, script: Script) -> None:
    live = Live(steered)
    script.n_steps = 10**9
    live.start()
    assert script.began.wait(SECONDS)
    live.close()
    (thread,) = script.threads
    assert not thread.is_alive()
    assert steered.status.phase == "stopped"
    phases = phases_of(steered)
    steered.run()
    steered.undo()
    assert not phases
    live.close()


def test_two_documents_do_not_hear_of_each_other(steered: Document, live: Live) -> None:
    other = Document(steered.image, segmenter=DiffCluster())
    live.start()
    live.wait(SECONDS)
    assert other.status == RunStatus()


def test_the_method_that_the_window_starts_with_goes_through_the_loop() -> None:
    document = Document(halves((24, 32)))
    live = Live(document, device="cpu")
    live.start()
    assert live.wait(SECONDS).phase == "done"
    assert document.labels.min() > 1000
    document.paint([(4, 4), (20, 6)], radius=1)
    document.add_category()
    document.paint([(4, 28), (20, 26)], radius=1)
    assert live.wait(SECONDS).phase == "done"
    expected = np.where(np.indices((24, 32))[1] < 16, 1, 2)
    assert (document.labels == expected).mean() > 0.95
    live.close()


def test_a_stroke_right_after_run_again_still_starts_cold(
    steered: Document, live: Live, script: Script
) -> None:
    live.start()
    live.wait(SECONDS)
    script.is_open = False
    script.began.clear()
    steered.paint(STROKE, radius=1)
    assert script.began.wait(SECONDS)
    steered.run()
    steered.paint([(9, 2), (9, 5)], radius=1)
    script.is_open = True
    script.let(1)
    live.wait(SECONDS)
    assert script.fits_of_runs[-1] == script.fits_of_runs[0] + 1


@pytest.mark.parametrize(
    ("status", "milliseconds"),
    [
        (RunStatus("preparing"), SOON_MS),
        (RunStatus("running", step=1, total=2), SOON_MS),
        (RunStatus("running", step=4, total=60), PULL_MS),
        (RunStatus("running", step=4, total=60, place=cpu()), PULL_MS),
        (RunStatus("running", step=4, total=60, place=Place("cuda:0", "a card", "")), SCREEN_MS),
    ],
)
def test_views_pull_soon_for_the_first_and_for_the_last_frame(
    status: RunStatus, milliseconds: int
) -> None:
    assert pull_ms(status) == milliseconds
