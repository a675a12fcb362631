"""Lines of the file add up to the figures of the tables."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.bench.made_up import disc, picture
from unseg_studio.bench.dividing import Proposal
from unseg_studio.bench.outcomes import MEASURES, Outcome, Result, results_of, scored
from unseg_studio.bench.partition_scores import bsds_scores, pooled
from unseg_studio.bench.records import LineFile, read_lines
from unseg_studio.bench.sets import Annotated
from unseg_studio.data import Image

DISC = disc().astype(np.int32) + 1
ALL = MEASURES["region"][0]


def case(*annotations):
    return Annotated("s", "x", Image.of(picture(disc())), annotations or (DISC,))


def proposal(labels=DISC):
    return Proposal(labels, labels == 2)


def line(kind, labels=DISC, *annotations):
    return scored(Outcome("s", "x", "m", 0), case(*annotations), kind, proposal=proposal(labels))


def test_each_kind_of_set_has_its_own_scores():
    for kind, measures in MEASURES.items():
        made = line(kind)
        for other, theirs in MEASURES.items():
            for measure in theirs:
                assert math.isnan(getattr(made, measure.name)) is (other != kind)
        best = [0.0 if measure.less_is_better else 1.0 for measure in measures]
        assert [getattr(made, measure.name) for measure in measures] == pytest.approx(best)
        assert (made.n_labels, made.n_parts) == (2, 2)


def test_a_wrong_object_has_no_score():
    made = scored(Outcome("s", "x", "m", 0), case(), "fg-bg", proposal=Proposal(DISC, DISC == 1))
    assert (made.foreground_iou, made.localised) == (0, 0)


def test_lines_pool_to_what_the_scores_pool_to():
    annotations = [(DISC, np.arange(DISC.size, dtype=np.int32).reshape(DISC.shape)), (DISC,)]
    lines = [line("region", np.zeros_like(DISC), *each) for each in annotations]
    (result,) = results_of(lines)
    wanted = pooled(bsds_scores(np.zeros_like(DISC), each) for each in annotations)
    for measure in MEASURES["region"]:
        assert result.value(measure).mean == pytest.approx(wanted[measure.name])


def outcomes(values, **more):
    return [
        Outcome("s", f"i{i}", "m", seed, all=value, n_all=n, **more)
        for seed, row in enumerate(values)
        for i, (value, n) in enumerate(row)
    ]


def test_means_and_deviations_are_those_of_the_seeds_values():
    result = Result("s", "m", tuple(outcomes([[(0.2, 1), (0.6, 3)], [(0.4, 1), (0.8, 3)]])))
    found = result.value(ALL)
    assert found.mean == pytest.approx(0.6)
    assert found.deviation == pytest.approx(np.std([0.5, 0.7], ddof=1))
    one_seed = Result("s", "m", tuple(outcomes([[(0.2, 1), (0.6, 3)]])))
    assert math.isnan(one_seed.value(ALL).deviation)


def test_runs_without_an_answer_do_not_count():
    failed = Outcome("s", "i1", "m", 0, note="hangs")
    result = Result("s", "m", (*outcomes([[(0.2, 1)]]), failed))
    assert result.value(ALL).mean == 0.2
    assert (result.n_images, result.n_answered, result.notes) == (2, 1, {"hangs": 1})
    nothing = Result("s", "m", (failed,))
    assert math.isnan(nothing.value(ALL).mean)
    assert math.isnan(nothing.mean("n_labels"))


def test_it_is_told_whether_the_number_of_labels_follows_that_of_segments():
    def follows(numbers):
        made = [
            Outcome("s", str(i), "m", 0, n_labels=n, n_all=2 * i, n_annotations=2)
            for i, n in enumerate(numbers)
        ]
        return Result("s", "m", tuple(made)).follows

    assert follows([1, 4, 7, 90]) == pytest.approx(1)
    assert follows([4, 3, 2, 1]) == pytest.approx(-1)
    assert math.isnan(follows([5, 5, 5, 5]))


def test_lines_come_back_from_the_file_as_they_were(tmp_path):
    made = [line("fg-bg"), Outcome("s", "y, z", "m", 2, note='"no"')]
    with LineFile(tmp_path / "a.csv", Outcome) as file:
        file.add(made)
    assert repr(read_lines(tmp_path / "a.csv", Outcome)) == repr(made)
