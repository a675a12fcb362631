"""What methods call the number of clusters, and what may be done with it."""

from __future__ import annotations

import pytest

from tests.made_up_segmenter import MadeUp
from unseg_studio.document import dial
from unseg_studio.segmenters import SEGMENTERS, DiffCluster


def test_one_number_is_set_and_ends_k_less() -> None:
    assert dial.with_k(MadeUp(k_less=True, sensitivity=0.9), 3) == MadeUp(
        n_clusters=3, sensitivity=0.9
    )


def test_k_less_leaves_the_number_for_later() -> None:
    assert dial.with_k(MadeUp(n_clusters=3), None) == MadeUp(n_clusters=3, k_less=True)


@pytest.mark.parametrize("k", [2, 8])
def test_two_limits_leave_room_for_clusters_to_die_out(k: int) -> None:
    asked = dial.with_k(DiffCluster(min_clusters=7, mu=4.0), k)
    assert asked == DiffCluster(min_clusters=k, max_clusters=2 * k, mu=4.0)


def test_a_method_that_needs_k_says_which_one_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SEGMENTERS, MadeUp.name, MadeUp)
    with pytest.raises(ValueError, match=r"DiffCluster always needs a number.*Made up"):
        dial.with_k(DiffCluster(), None)
    assert dial.why_no_k_less(MadeUp()) == ""
