"""Whether our methods reach what they must without labels, in sentences."""

from __future__ import annotations

from unseg_studio.bench.outcomes import Outcome, results_of
from unseg_studio.bench.unsupervised_verdict import blank_check, demands, verdict


def regions(method, *, n=60, **scores):
    return [
        Outcome("bsds500_test", str(i), method, 0, n_all=1, n_fine=1, n_coarse=1, **scores)
        for i in range(n)
    ]


def objects(method, iou, set_="grabcut"):
    return [Outcome(set_, "x", method, 0, foreground_iou=iou)]


def test_the_blank_row_shows_whether_the_measures_are_right():
    right = results_of(regions("blank", all=0.0471, fine=0.0246, coarse=0.1101))
    assert [*blank_check(right)] == [
        "A blank prediction has 0.0471 / 0.0246 / 0.1101 on bsds500_test, as it must."
    ]
    wrong = results_of(regions("blank", all=0.1019, fine=0.0246, coarse=0.1101))
    (sentence,) = blank_check(wrong)
    assert sentence.endswith("the measures are not right.")


def test_the_blank_row_of_some_images_is_not_judged():
    some = results_of(regions("blank", n=10, all=0.05, fine=0.02, coarse=0.1))
    (sentence,) = blank_check(some)
    assert "on these 10 images" in sentence
    assert not [*blank_check([])]


def test_regions_must_exceed_what_was_published_and_what_divides_without_features():
    scores = {"all": 0.37, "fine": 0.35, "coarse": 0.43, "covering": 0.5, "adjusted_rand": 0.4}
    rival = {**scores, "covering": 0.45, "adjusted_rand": 0.45}
    found = results_of(regions("mine", **scores) + regions("kmeans-5", **rival))
    kept = {demand.what: demand.is_kept for demand in demands(found, "mine")}
    assert kept == {
        "bsds500_test all": True,
        "bsds500_test fine": False,
        "bsds500_test coarse": True,
        "bsds500_test covering beside kmeans-5": True,
        "bsds500_test ARI beside kmeans-5": False,
    }


def test_objects_must_exceed_grabcut_in_a_frame_by_a_tenth():
    found = results_of(
        objects("mine", 0.58) + objects("grabcut-frame", 0.5) + objects("spectral-5", 0.55)
    )
    assert [*verdict(found, {"mine"})] == [
        "mine keeps: grabcut object IoU beside spectral-5 0.580 (above 0.550).",
        "mine does not keep: grabcut object IoU beside grabcut-frame + 0.10 0.580 (above 0.600).",
    ]
