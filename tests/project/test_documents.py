"""What a document is comes back with its project: labels, parameters, undo and redo."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unseg_studio.data import FIRST_CLUSTER
from unseg_studio.document import Document, History, RunStatus
from unseg_studio.project import Project, ProjectError
from unseg_studio.segmenters import DiffCluster
from unseg_studio.segmenters.deepcut import DeepCut

from .conftest import made_up, reopened, snapshot, stripes


def both_ways(one: Document, other: Document) -> None:
    """Redo to the end, undo to the beginning, and compare at every step."""
    assert snapshot(one) == snapshot(other)
    for verb in ["redo"] * (len(one.record.steps) + 1) + ["undo"] * (len(one.record.steps) + 1):
        getattr(one, verb)()
        getattr(other, verb)()
        assert snapshot(one) == snapshot(other)


def test_a_document_comes_back_with_undo_and_redo(project: Project, worked: Document) -> None:
    with reopened(project) as again:
        found = again.open_document(1)
        assert found.redo_text is not None
        both_ways(worked, found)
        assert found.scribbles.is_empty
        assert found.undo_text is None


def test_work_goes_on_where_it_ended(project: Project, worked: Document) -> None:
    with reopened(project) as again:
        document = again.open_document(1)
        with again.journal(document, 1):
            document.undo()
            document.set_active(2)
            document.paint([(100, 100), (110, 150)], radius=2)
            document.show(stripes(33))
        worked.undo()
        worked.set_active(2)
        worked.paint([(100, 100), (110, 150)], radius=2)
        worked.show(stripes(33))
        with reopened(again) as last:
            both_ways(worked, last.open_document(1))


def test_method_and_parameters_come_back(project: Project) -> None:
    document = project.open_document(1)
    with project.journal(document, 1):
        document.set_segmenter(DeepCut(n_clusters=7))
        document.set_segmenter(DiffCluster(seed=3))
        document.set_fill(False)
    with reopened(project) as again:
        found = again.open_document(1)
        assert found.segmenter == DiffCluster(seed=3)
        assert not found.state.fill
        found.undo()
        found.undo()
        assert found.segmenter == DeepCut(n_clusters=7)


ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(
            ["paint", "erase", "brush", "name", "show", "fill", "undo", "undo", "redo", "category"]
        ),
        st.integers(0, 250),
        st.integers(0, 250),
    ),
    max_size=14,
)


@settings(max_examples=25, deadline=None, print_blob=True)
@given(ACTIONS, ACTIONS)
def test_any_work_comes_back_even_in_two_sittings(
    first: list[tuple[str, int, int]], second: list[tuple[str, int, int]]
) -> None:
    with TemporaryDirectory() as folder:
        twin = Document(made_up())
        project = Project.create(Path(folder) / "a.unseg")
        project.add_images(["a.png"])
        twin = begun_alike(project, twin)
        for actions in (first, second):
            document = project.open_document(1, made_up())
            twin.set_active(document.active)
            with project.journal(document, 1):
                for action in actions:
                    do(document, action)
                    do(twin, action)
            assert snapshot(document) == snapshot(twin)
            project, twin = reopened(project), put_down(twin)
        both_ways(project.open_document(1, made_up()), twin)
        project.close()


def begun_alike(project: Project, document: Document) -> Document:
    """A document that begins as those of the project do."""
    begin = project.open_document(1, made_up()).state
    return Document(document.image, state=begin)


def put_down(document: Document) -> Document:
    """As a document is after a break: what the engine shows then is a step of its own."""
    record = document.record
    history = History(record.steps, record.n_done)
    return Document(document.image, state=record.state, history=history)


def do(document: Document, action: tuple[str, int, int]) -> None:
    name, row, col = action
    points = [(row, col), (col, row)]
    match name:
        case "paint":
            document.paint(points, radius=6)
        case "erase":
            document.erase(points, radius=9)
        case "brush":
            document.brush(points, radius=3, id_=row % 2)
        case "show":
            document.show(stripes(20 + col % 60))
        case "fill":
            document.set_fill(not document.state.fill)
        case "category" if len(document.categories) < 4:
            document.add_category()
        case "name" if document.shown.holds(FIRST_CLUSTER + 1):
            document.name_cluster(FIRST_CLUSTER + 1)
        case "undo" | "redo":
            getattr(document, name)()


# The journal


def n_rows_written(project: Project) -> int:
    project.flush()
    return project._database._writer.total_changes


def test_every_stroke_is_written_before_the_next(project: Project) -> None:
    document = project.open_document(1)
    with project.journal(document, 1):
        for number in range(5):
            document.paint([(10 + 9 * number, 50)], radius=2)
            with Project.open(project.path) as reader:  # as a killed process would leave it
                kept = reader.open_document(1).record.n_done
                assert number <= kept <= number + 1


def test_frames_of_a_run_are_written_when_it_has_settled(project: Project) -> None:
    document = project.open_document(1)
    with project.journal(document, 1) as journal:
        document.paint([(10, 50)], radius=2)
        document.report(RunStatus("running"))
        journal.flush()
        before = n_rows_written(project)
        for width in range(20, 60):
            document.show(stripes(width))
        assert n_rows_written(project) <= before + 20  # a dozen for each frame that is
        document.report(RunStatus("done"))
        project.flush()
        with Project.open(project.path) as reader:
            assert snapshot(reader.open_document(1)) == snapshot(document)


def test_a_moment_within_undo_is_never_written(project: Project) -> None:
    """Undo stops the engine, which says so before the labels are back."""
    document = project.open_document(1)
    with project.journal(document, 1):
        document.paint([(10, 50)], radius=2)
        document.report(RunStatus("running"))
        document.events.travelled.connect(lambda: document.report(RunStatus("stopped")))
        seen: list[tuple[int, bool]] = []
        document.events.status_changed.connect(
            lambda _status: seen.append((document.record.n_done, document.scribbles.is_empty))
        )
        document.undo()
        assert seen == [(1, False)]


def test_a_stroke_puts_an_image_in_work_and_a_proposal_does_not(project: Project) -> None:
    document = project.open_document(1)
    with project.journal(document, 1):
        document.show(stripes(30))
        assert project.image(1).status == "new"
        document.paint([(10, 50)], radius=2)
        assert project.image(1).status == "in work"
    with reopened(project) as again:
        assert again.image(1).status == "in work"


def test_a_closed_journal_hears_nothing(project: Project) -> None:
    document = project.open_document(1)
    with project.journal(document, 1):
        document.paint([(10, 50)], radius=2)
    document.paint([(90, 50)], radius=2)
    project.flush()
    assert project.open_document(1).record.n_done == 1


def test_a_project_that_is_closed_first_has_kept_everything(project: Project) -> None:
    document = project.open_document(1)
    journal = project.journal(document, 1)
    document.paint([(10, 50)], radius=2)
    with reopened(project) as again:
        journal.close()
        document.paint([(90, 50)], radius=2)
        assert again.open_document(1).record.n_done == 1
    with pytest.raises(ProjectError, match=r"is closed.*open it again\.$"):
        project.set_status(1, "done")


def test_a_stroke_on_a_large_image_takes_little_of_the_file(tmp_path: Path) -> None:
    shape = (2048, 2048)
    with Project.create(tmp_path / "large.unseg") as project:
        project.add_images(["a.png"])
        document = project.open_document(1, made_up(shape=shape))
        with project.journal(document, 1) as journal:
            document.show(stripes(200, shape))
            document.paint([(5, 5)], radius=2)
            journal.flush()
            before = n_bytes(project)
            for number in range(6):
                document.paint([(300 * number, 100), (300 * number + 90, 1900)], radius=8)
                document.show(stripes(190 - 9 * number, shape))
            journal.flush()
            assert (n_bytes(project) - before) / 6 < 50_000


def n_bytes(project: Project) -> int:
    with project._database.reading() as connection:
        return int(connection.execute("PRAGMA page_count").fetchone()[0]) * 4096


# What was kept is not what is known


def change(project: Project, sql: str, *values: object) -> Project:
    project.close()
    with sqlite3.connect(project.path) as connection:
        connection.execute(sql, values)
    connection.close()
    return Project.open(project.path)


@pytest.mark.parametrize(
    ("kept", "expected", "words"),
    [
        ({"name": "oracle", "parameters": {}}, None, "'oracle' of this image is not known here"),
        (
            {"name": "diffcluster", "parameters": {"seed": 5, "warmth": 3}},
            DiffCluster(seed=5),
            "does not know or accept what this image says of warmth",
        ),
        (
            {"name": "deepcut", "parameters": {"n_clusters": 10**9, "seed": 2}},
            DeepCut(seed=2),
            "n_clusters",
        ),
        ([1, 2], None, "not known here"),
    ],
)
def test_parameters_of_another_version_become_the_usual_ones(
    project: Project, worked: Document, kept: object, expected: object, words: str
) -> None:
    with change(project, "UPDATE documents SET segmenter = ?", json.dumps(kept)) as again:
        told: list[str] = []
        again.events.trouble.connect(told.append)
        document = again.open_document(1)
        assert document.segmenter == (expected or DiffCluster())
        assert words in told[0]
        assert told[0].endswith(".")
        assert document.labels.tobytes() == worked.labels.tobytes()


def test_an_image_of_another_size_is_refused(project: Project, worked: Document) -> None:
    with pytest.raises(ValueError, match=r"280 x 300 px; accepted is an image of the same size"):
        project.open_document(1, made_up(shape=(20, 30)))


def test_a_damaged_step_is_refused_and_everything_else_stays(
    project: Project, worked: Document
) -> None:
    with change(project, "UPDATE steps SET data = x'00010203' WHERE position = 2") as again:
        document = again.open_document(1)
        document.undo()
        before = snapshot(document)
        with pytest.raises(ValueError, match="damaged"):
            document.undo()
        assert snapshot(document) == before
