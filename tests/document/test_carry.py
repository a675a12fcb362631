"""Labels carried from the planes that a person made to other planes of a stack."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from weakref import WeakSet

import numpy as np
import pytest

from unseg_studio.data import FIRST_CLUSTER, Category, Image, Mosaic, Scribbles
from unseg_studio.document import (
    Carried,
    CarriedPlane,
    Carry,
    Document,
    Failure,
    Fits,
    Origin,
    PlaneIndex,
    Worker,
)
from unseg_studio.document.carry import ways_of

SECONDS = 60.0
SHAPE = (64, 80)
CELL, GROUND = 1, 2
TABLE = (Category(CELL, "cell", "#e69f00"), Category(GROUND, "ground", "#56b4e9", "stuff"))


def truth_of(number: int) -> np.ndarray:
    """A disc that moves to the right and down by a pixel from plane to plane."""
    rows, cols = np.ogrid[: SHAPE[0], : SHAPE[1]]
    inside = (rows - 26 - number) ** 2 + (cols - 30 - number) ** 2 <= 14**2
    return np.where(inside, CELL, GROUND).astype(np.int32)


def plane(index: PlaneIndex) -> Image:
    number = sum(index)
    noise = np.random.default_rng(number).integers(-10, 11, (*SHAPE, 3))
    colours = np.where((truth_of(number) == CELL)[..., None], (190, 120, 60), (50, 80, 110))
    return Image.of((colours + noise).astype(np.uint8))


def drawn(number: int) -> Scribbles:
    scribbles = Scribbles.empty(SHAPE)
    at = [26 + number, 30 + number]
    scribbles = scribbles.painted([at, [at[0] + 6, at[1]]], CELL, radius=1)
    return scribbles.painted([[4, 4], [4, 70]], GROUND, radius=1)


def origin(index: PlaneIndex = (0,), labels: np.ndarray | None = None) -> Origin:
    """A plane whose labels are right, with strokes."""
    document = Document(plane(index), TABLE)
    document.show(truth_of(sum(index)) if labels is None else labels)
    scribbles = drawn(sum(index)) if labels is None else document.scribbles
    return Origin(document.image, document.state.changed(scribbles=scribbles))


def answers(carry: Carry) -> Iterator[Carried]:
    return (answer for answer in carry.results(Fits(), lambda _: True) if answer is not None)


def last(carry: Carry) -> dict[PlaneIndex, CarriedPlane]:
    *_, answer = answers(carry)
    assert answer.is_last
    return {plane.index: plane for plane in answer.planes}


def iou(one: np.ndarray, other: np.ndarray, id_: int) -> float:
    mine, theirs = one == id_, other == id_
    return float((mine & theirs).sum() / (mine | theirs).sum())


def carry(
    targets: Iterable[PlaneIndex], origins: Iterable[PlaneIndex] = ((0,),), **more: object
) -> Carry:
    made = {index: origin(index) for index in origins}
    return Carry(made, tuple(targets), more.get("read", plane), "cpu")  # type: ignore[arg-type]


def test_an_object_that_moves_is_found_on_the_planes_after_it() -> None:
    found = last(carry([(n,) for n in range(1, 6)]))
    for number in range(1, 6):
        mosaic = found[(number,)].mosaic
        assert mosaic is not None
        assert iou(mosaic.array, truth_of(number), CELL) > 0.85
        assert set(mosaic.areas) == {CELL, GROUND}


def test_every_answer_holds_all_planes_so_far_and_the_nearest_come_first() -> None:
    seen = [
        [plane.index for plane in answer.planes] for answer in answers(carry([(3,), (1,), (2,)]))
    ]
    assert seen == [[(1,)], [(1,), (2,)], [(1,), (2,), (3,)]]


def test_labels_of_earlier_answers_are_shared() -> None:
    first, second = answers(carry([(1,), (2,)]))
    assert second.planes[0] is first.planes[0]
    assert (first.total, first.is_last, second.is_last) == (2, False, True)


def test_planes_that_a_person_made_are_not_carried_to() -> None:
    found = last(carry([(0,), (1,), (2,)], origins=[(0,), (2,)]))
    assert [*found] == [(1,)]


def test_without_targets_there_is_one_answer_that_is_the_last() -> None:
    (answer,) = answers(carry([(0,)]))
    assert (answer.planes, answer.total, answer.is_last) == ((), 0, True)


def test_a_target_is_read_once_and_when_its_turn_has_come() -> None:
    read: list[PlaneIndex] = []

    def reading(index: PlaneIndex) -> Image:
        read.append(index)
        return plane(index)

    seen = answers(carry([(1,), (2,), (3,)], read=reading))
    next(seen)
    assert read == [(1,)]
    assert len([*seen]) == 2
    assert read == [(1,), (2,), (3,)]


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (ValueError("Plane 2 is damaged."), "Plane 2 is damaged."),
        (OSError("The disk is gone."), "The disk is gone."),
        (KeyError("chunk"), "This plane could not be read or segmented: KeyError: 'chunk'."),
        (MemoryError(), "There is not enough memory for this plane."),
    ],
)
def test_a_plane_that_cannot_be_read_is_told_of_and_the_others_go_on(
    error: Exception, sentence: str
) -> None:
    def reading(index: PlaneIndex) -> Image:
        if index == (2,):
            raise error
        return plane(index)

    found = last(carry([(1,), (2,), (3,)], read=reading))
    assert found[(2,)].failure.startswith(sentence)
    assert found[(2,)].mosaic is None
    assert [found[(n,)].failure for n in (1, 3)] == ["", ""]
    assert found[(3,)].mosaic is not None


def test_a_plane_of_another_size_is_refused_in_a_sentence() -> None:
    def reading(index: PlaneIndex) -> Image:
        return Image.of(np.eye(20, dtype=np.uint8))

    found = last(carry([(1,)], read=reading))
    assert "This plane is 20 x 20 px, the one to carry from is 80 x 64 px" in found[(1,)].failure


def test_indices_of_several_axes_take_the_nearest_origin() -> None:
    order = [*last(carry([(0, 3), (2, 0), (0, 1)], origins=[(0, 0), (2, 1)]))]
    assert order == [(0, 1), (2, 0), (0, 3)]


def test_clusters_without_a_name_keep_their_ids() -> None:
    labels = np.where(truth_of(0) == CELL, FIRST_CLUSTER + 6, FIRST_CLUSTER + 2).astype(np.int32)
    job = Carry({(0,): origin(labels=labels)}, ((1,), (2,)), plane, "cpu")
    for index, done in last(job).items():
        assert done.mosaic is not None
        wanted = truth_of(sum(index)) == CELL
        assert iou(done.mosaic.array, np.where(wanted, FIRST_CLUSTER + 6, 0), FIRST_CLUSTER + 6) > (
            0.8
        )


def test_the_same_job_gives_the_same_labels_again() -> None:
    one, other = (last(carry([(1,), (2,)])) for _ in range(2))
    for index in one:
        assert np.array_equal(one[index].mosaic.array, other[index].mosaic.array)  # type: ignore[union-attr]


def test_the_job_ends_where_it_is_closed() -> None:
    read: list[PlaneIndex] = []

    def reading(index: PlaneIndex) -> Image:
        read.append(index)
        return plane(index)

    job = carry([(n,) for n in range(1, 9)], read=reading)
    with closing(job.results(Fits(), lambda _: True)) as results:
        while next(results) is None:
            pass
    assert read == [(1,)]


def test_the_worker_runs_the_job() -> None:
    worker = Worker()
    try:
        worker.submit(carry([(1,), (2,), (3,)]))
        while True:
            assert worker.wait(SECONDS)
            answer = worker.take()
            assert not isinstance(answer, Failure)
            if isinstance(answer, Carried) and answer.is_last:
                break
        assert [plane.index for plane in answer.planes] == [(1,), (2,), (3,)]
    finally:
        worker.close()


def test_a_plane_between_two_origins_learns_from_both() -> None:
    """The second origin has a category that the first one does not know."""
    dirt, place = 3, (slice(4, 16), slice(56, 72))

    def with_dirt(index: PlaneIndex) -> Image:
        if sum(index) < 2:
            return plane(index)
        pixels = np.array(plane(index).pixels)
        pixels[place] = (90, 200, 90)
        return Image.of(pixels)

    labels = truth_of(4)
    labels[place] = dirt
    state = origin((4,)).state
    beyond = Origin(with_dirt((4,)), state.changed(proposal=Mosaic.of(labels)))
    found = last(Carry({(0,): origin(), (4,): beyond}, ((1,), (2,), (3,)), with_dirt, "cpu"))
    nearest_the_first = found[(2,)].mosaic
    assert nearest_the_first is not None
    wanted = np.zeros(SHAPE, bool)
    wanted[place] = True
    assert iou(nearest_the_first.array, np.where(wanted, dirt, 0), dirt) > 0.8


def test_ways_lead_over_the_planes_beside() -> None:
    made = {(0,): origin(), (6,): origin((6,))}
    ways = {way.target: way for way in ways_of(made, tuple((n,) for n in range(9)))}
    assert {target: (way.origin, way.via) for target, way in ways.items()} == {
        (1,): ((0,), (0,)),
        (2,): ((0,), (1,)),
        (3,): ((0,), (2,)),
        (4,): ((6,), (5,)),
        (5,): ((6,), (6,)),
        (7,): ((6,), (6,)),
        (8,): ((6,), (7,)),
    }
    assert {target for target, way in ways.items() if way.beyond} == {(n,) for n in range(1, 6)}


def test_without_a_plane_beside_the_way_leads_from_the_origin() -> None:
    (way,) = ways_of({(0, 0): origin()}, ((3, 2),))
    assert (way.via, way.beyond) == ((0, 0), None)


def test_clusters_of_another_origin_do_not_teach() -> None:
    labels = np.where(truth_of(4) == CELL, FIRST_CLUSTER, FIRST_CLUSTER + 1).astype(np.int32)
    job = Carry({(0,): origin(), (4,): origin((4,), labels)}, ((1,), (3,)), plane, "cpu")
    found = last(job)
    assert set(found[(1,)].mosaic.areas) == {CELL, GROUND}  # type: ignore[union-attr]
    assert set(found[(3,)].mosaic.areas) == {FIRST_CLUSTER, FIRST_CLUSTER + 1}  # type: ignore[union-attr]


def test_an_origin_that_shows_nothing_teaches_nothing() -> None:
    blank = origin(labels=np.zeros(SHAPE, np.int32))
    (answer,) = answers(Carry({(0,): blank}, ((1,),), plane, "cpu"))
    assert (answer.planes, answer.is_last) == ((), True)
    found = last(Carry({(0,): blank, (3,): origin((3,))}, ((0,), (1,), (2,)), plane, "cpu"))
    assert [*found] == [(2,), (1,)]


def test_what_is_shown_teaches_corrections_too() -> None:
    """Nothing but a correction says where the cell is."""
    ground = np.full(SHAPE, GROUND, np.int32)
    document = Document(plane((0,)), TABLE)
    document.show(ground)
    document.set_active(CELL)
    document.brush([[26, 30]], radius=14)
    job = Carry({(0,): Origin(document.image, document.state)}, ((1,),), plane, "cpu")
    mosaic = last(job)[(1,)].mosaic
    assert mosaic is not None
    assert iou(mosaic.array, truth_of(1), CELL) > 0.8


def test_doubt_comes_with_the_labels() -> None:
    done = last(carry([(1,)]))[(1,)]
    assert done.uncertainty is not None
    doubt = done.uncertainty.plane
    assert doubt[0, 0] < 0.5 and doubt.max() > 0
    assert done.uncertainty.image_shape == SHAPE


def test_images_that_are_done_are_let_go() -> None:
    held: WeakSet[Image] = WeakSet()
    most = 0

    def reading(index: PlaneIndex) -> Image:
        nonlocal most
        image = plane(index)
        held.add(image)
        most = max(most, len(held))
        return image

    last(carry([(n,) for n in range(1, 7)], read=reading))
    assert most <= 2


def test_a_plane_that_fails_does_not_cut_off_those_beyond_it() -> None:
    def reading(index: PlaneIndex) -> Image:
        if index in ((2,), (3,)):
            raise OSError("gone")
        return plane(index)

    found = last(carry([(n,) for n in range(1, 6)], read=reading))
    assert [index for index, done in found.items() if done.failure] == [(2,), (3,)]
    assert iou(found[(5,)].mosaic.array, truth_of(5), CELL) > 0.85  # type: ignore[union-attr]
