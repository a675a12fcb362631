"""Correlation clustering: against every partition of small graphs, and on planted ones."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unseg_studio.segmenters.correlation import (
    PATIENCE,
    best_clusters,
    contracted,
    energy,
    exchanged,
)

MAX_NODES = 7


def graph(n_nodes: int, *edges: tuple[int, int, float], rest: float = 0.0) -> np.ndarray:
    weights = np.full((n_nodes, n_nodes), rest)
    for i, j, weight in edges:
        weights[i, j] = weights[j, i] = weight
    return weights


def random_graph(n_nodes: int, seed: int) -> np.ndarray:
    weights = np.random.default_rng(seed).normal(size=(n_nodes, n_nodes))
    return weights + weights.T


def planted(truth: np.ndarray, *, flips: float = 0.0, seed: int = 0) -> np.ndarray:
    """+1 within, -1 between, a share of the pairs the other way round."""
    random = np.random.default_rng(seed)
    weights = np.where(truth[:, None] == truth[None, :], 1.0, -1.0)
    wrong = np.triu(random.random(weights.shape) < flips, 1)
    return np.where(wrong | wrong.T, -weights, weights)


def partitions(n_nodes: int) -> Iterator[list[int]]:
    """Every partition once, each cluster numbered by its first node."""
    if n_nodes == 0:
        yield []
        return
    for begin in partitions(n_nodes - 1):
        for label in range(max(begin, default=-1) + 2):
            yield [*begin, label]


@lru_cache
def togethers(n_nodes: int) -> np.ndarray:
    """(partitions, n_nodes * n_nodes): 1 for each pair i < j within one cluster."""
    labels = np.array(list(partitions(n_nodes)), int)
    pairs = np.triu(labels[:, :, None] == labels[:, None, :], 1)
    return pairs.reshape(len(labels), n_nodes * n_nodes).astype(float)


def lowest(weights: np.ndarray) -> float:
    return float((-togethers(len(weights)) @ weights.ravel()).min())


def by_pairs(weights: np.ndarray, labels: np.ndarray) -> float:
    n = len(labels)
    pairs = [(i, j) for i in range(n) for j in range(i + 1, n)]
    return -sum(float(weights[i, j]) for i, j in pairs if labels[i] == labels[j])


@st.composite
def small_graphs(draw: st.DrawFn) -> np.ndarray:
    """Up to MAX_NODES nodes; whole numbers among the weights, so that ties occur."""
    n = draw(st.integers(0, MAX_NODES))
    weight = st.one_of(st.integers(-2, 2).map(float), st.floats(-3, 3, width=32))
    upper = draw(st.lists(weight, min_size=n * n, max_size=n * n))
    half = np.triu(np.array(upper, float).reshape(n, n), 1)
    return half + half.T


@st.composite
def graphs_with_starts(draw: st.DrawFn) -> tuple[np.ndarray, list[np.ndarray]]:
    weights = draw(small_graphs())
    n = len(weights)
    start = st.lists(st.integers(-1, 5), min_size=n, max_size=n).map(lambda s: np.array(s, int))
    return weights, draw(st.lists(start, min_size=1, max_size=3))


# --- energy


def test_energy_counts_each_pair_of_a_cluster_once():
    weights = graph(4, (0, 1, 2.0), (0, 2, 3.0), (1, 2, -1.0), (2, 3, 10.0))
    assert energy(weights, np.array([0, 0, 0, 1])) == -4.0
    assert energy(weights, np.array([0, 1, 2, 3])) == 0.0
    assert energy(weights, np.array([5, 5, 5, 5])) == -14.0


def test_energy_ignores_the_diagonal():
    weights = graph(2, (0, 1, 1.0)) + 100 * np.eye(2)
    assert energy(weights, np.array([0, 0])) == -1.0
    assert energy(weights, np.array([0, 1])) == 0.0


@given(graphs_with_starts())
@settings(print_blob=True, deadline=None)
def test_energy_is_what_adding_up_pairs_gives(case):
    weights, starts = case
    for start in starts:
        assert energy(weights, start) == pytest.approx(by_pairs(weights, start), abs=1e-9)


def test_energy_does_not_depend_on_names():
    weights = random_graph(50, seed=1)
    labels = np.random.default_rng(2).integers(0, 9, 50)
    assert energy(weights, labels) == energy(weights, (7 - labels) * 1000)


# --- every method


METHODS = {
    "contracted": lambda weights: contracted(weights),
    "contracted from one": lambda weights: contracted(weights, np.zeros(len(weights), int)),
    "exchanged": lambda weights: exchanged(weights, np.zeros(len(weights), int)),
    "best": lambda weights: best_clusters(weights),
    "best of starts": lambda weights: best_clusters(weights, np.zeros(len(weights), int)),
}
every_method = pytest.mark.parametrize("method", METHODS.values(), ids=METHODS.keys())


@every_method
@pytest.mark.parametrize("n_nodes", [0, 1])
def test_no_node_and_one_node(method, n_nodes):
    labels = method(np.ones((n_nodes, n_nodes)))
    assert labels.dtype == np.int32
    assert labels.tolist() == [0] * n_nodes


@every_method
@given(weights=small_graphs())
@settings(print_blob=True, max_examples=50, deadline=None)
def test_labels_are_numbered_by_size_and_first_node_and_not_below_the_optimum(method, weights):
    labels = method(weights)
    assert labels.dtype == np.int32
    ids, first, sizes = np.unique(labels, return_index=True, return_counts=True)
    assert ids.tolist() == list(range(len(ids)))
    order = list(zip(-sizes, first, strict=True))
    assert order == sorted(order)
    assert energy(weights, labels) >= lowest(weights) - 1e-9


@every_method
def test_the_given_arrays_stay_as_they_are(method):
    weights = random_graph(30, seed=0)
    before = weights.copy()
    method(weights)
    np.testing.assert_array_equal(weights, before)


@every_method
def test_a_second_run_gives_the_same(method):
    weights = np.round(random_graph(60, seed=3))  # many ties
    np.testing.assert_array_equal(method(weights), method(weights.copy()))


@every_method
def test_float32_is_taken_for_what_it_is(method):
    points = np.random.default_rng(0).normal(size=(90, 12)).astype(np.float32)
    weights = points @ points.T - np.float32(2)
    weights[3, 5] = np.nextafter(weights[3, 5], np.float32(1e9))  # a product off by one bit
    labels = method(weights)
    whole = weights.astype(float)
    assert energy(weights, labels) == energy((whole + whole.T) / 2, labels)


# --- contraction


def test_all_positive_becomes_one_cluster():
    assert contracted(graph(9, rest=0.5)).tolist() == [0] * 9
    assert best_clusters(graph(9, rest=0.5), np.arange(9)).tolist() == [0] * 9


def test_all_negative_and_all_zero_stay_alone():
    for rest in (-0.5, 0.0):
        assert contracted(graph(9, rest=rest)).tolist() == list(range(9))
    assert best_clusters(graph(9, rest=-0.5), np.zeros(9, int)).tolist() == list(range(9))


def test_all_negative_falls_apart_into_more_clusters_than_there_was_room_for():
    assert exchanged(graph(70, rest=-1.0), np.zeros(70, int)).tolist() == list(range(70))


def test_the_strongest_edge_is_contracted_first():
    # 1-2 first; then 0 is pulled by 2 and pushed by 1
    weights = graph(4, (0, 1, 4.0), (1, 2, 5.0), (0, 2, -6.0), (2, 3, 1.0))
    assert contracted(weights).tolist() == [1, 0, 0, 0]


def test_a_weakened_partner_is_looked_at_again():
    # After 0-1, node 2 is pushed away from 1, its best partner until then, and goes to 3.
    weights = graph(4, (0, 1, 9.0), (1, 2, 5.0), (0, 2, -7.0), (2, 3, 1.0))
    assert contracted(weights).tolist() == [0, 0, 1, 1]


def test_ties_are_decided_by_the_order_of_the_nodes():
    # A path of equal edges whose ends repel: the first edge wins.
    weights = graph(3, (0, 1, 1.0), (1, 2, 1.0), (0, 2, -5.0))
    assert contracted(weights).tolist() == [0, 0, 1]
    assert best_clusters(weights).tolist() == [0, 0, 1]


def test_contraction_keeps_given_clusters_together():
    weights = graph(4, (0, 1, -1.0), (2, 3, 3.0), (1, 2, 0.5))
    assert contracted(weights, np.array([8, 8, 2, 5])).tolist() == [0, 0, 0, 0]
    assert contracted(weights).tolist() == [1, 0, 0, 0]


@given(small_graphs())
@settings(print_blob=True, deadline=None)
def test_contraction_merges_as_a_plain_double_loop_does(weights):
    clusters = [[i] for i in range(len(weights))]
    while True:
        sums = {
            (a, b): float(weights[np.ix_(clusters[a], clusters[b])].sum())
            for a in range(len(clusters))
            for b in range(a + 1, len(clusters))
        }
        ranked = sorted(sums.values(), reverse=True)
        if len(ranked) > 1 and ranked[0] > 0 and ranked[0] - ranked[1] < 1e-9:
            return  # a tie may be decided either way
        if not ranked or ranked[0] <= 1e-9:
            break
        a, b = max(sums, key=lambda pair: sums[pair])
        clusters[a] += clusters.pop(b)
    labels = np.zeros(len(weights), int)
    for label, nodes in enumerate(clusters):
        labels[nodes] = label
    if ranked and ranked[0] > 0:
        return  # rounding decides whether the last pair attracts itself
    assert energy(weights, contracted(weights)) == pytest.approx(energy(weights, labels), abs=1e-9)


# --- exchanges


def test_a_node_on_the_wrong_side_moves():
    truth = np.repeat([0, 1], 5)
    wrong = truth.copy()
    wrong[2] = 1
    assert exchanged(planted(truth), wrong).tolist() == truth.tolist()


def test_a_node_that_fits_nowhere_founds_a_cluster():
    assert exchanged(planted(np.array([0, 0, 0, 1])), np.zeros(4, int)).tolist() == [0, 0, 0, 1]


def test_clusters_are_joined_where_no_sequence_of_moves_would_get_there():
    halves = np.repeat([0, 1], 2 * PATIENCE)
    weights = np.where(halves[:, None] == halves[None, :], 1.0, 0.01)
    assert exchanged(weights, halves).tolist() == [0] * len(halves)


def test_nodes_that_are_alone_do_not_use_up_the_patience():
    # Renaming a lone node costs nothing, but is no move; the block of ten must still leave.
    truth = np.repeat([0, 1], 10)
    weights = graph(20 + 2 * PATIENCE, rest=-9.0)
    weights[:20, :20] = np.where(truth[:, None] == truth[None, :], 1.0, -0.5)
    start = np.maximum(np.arange(len(weights)) - 19, 0)
    assert exchanged(weights, start)[:20].tolist() == truth.tolist()


def changes(labels: np.ndarray, node: int, target: int) -> bool:
    """Whether the move is one: not to where the node is, nor from alone to alone."""
    alone = (labels == labels[node]).sum() == 1
    return target != labels[node] and not (alone and not (labels == target).any())


def best_beginning(weights: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """One sequence of moves of fewer than PATIENCE nodes, everything recomputed at each step."""
    nodes, labels, free = np.arange(len(labels)), labels.copy(), set(range(len(labels)))
    best, kept = energy(weights, labels), labels.copy()
    while free:
        moves = [
            (energy(weights, np.where(nodes == node, target, labels)), node, target)
            for node in free
            for target in range(labels.max() + 2)
            if changes(labels, node, target)
        ]
        if not moves:
            break
        lowest_energy, node, target = min(moves)
        labels[node] = target
        free.remove(node)
        if lowest_energy < best:
            best, kept = lowest_energy, labels.copy()
    return kept


def test_a_block_leaves_through_moves_that_lose_at_first():
    # Every node loses by leaving alone, two blocks of ten gain by parting.
    truth = np.repeat([0, 1], 10)
    weights = np.where(truth[:, None] == truth[None, :], 1.0, -0.5)
    alone = np.zeros(20, int)
    alone[0] = 1
    assert energy(weights, alone) > energy(weights, np.zeros(20, int))
    assert exchanged(weights, np.zeros(20, int)).tolist() == truth.tolist()


@pytest.mark.parametrize("seed", range(24))
def test_a_round_is_the_joins_and_then_the_best_beginning_of_a_sequence(seed):
    n_nodes, n_clusters = [(6, 2), (9, 3), (12, 6), (14, 1)][seed % 4]
    weights = random_graph(n_nodes, seed) - seed % 3  # down to mostly repulsive: nodes alone
    start = np.arange(n_nodes) % n_clusters
    plain = best_beginning(weights, contracted(weights, start).astype(int))
    found = exchanged(weights, start, rounds=1)
    assert energy(weights, found) == pytest.approx(energy(weights, plain), abs=1e-9)


def test_no_rounds_leave_the_clusters_but_for_their_names():
    start = np.array([4, 4, -2, 4, -2])
    assert exchanged(planted(np.arange(5)), start, rounds=0).tolist() == [0, 0, 1, 0, 1]


def test_more_rounds_are_never_worse():
    weights = random_graph(80, seed=5)
    start = np.random.default_rng(6).integers(0, 4, 80)
    energies = [energy(weights, exchanged(weights, start, rounds=n)) for n in range(6)]
    assert energies == sorted(energies, reverse=True)
    assert energies[1] < energies[0]


@given(graphs_with_starts())
@settings(print_blob=True, max_examples=50, deadline=None)
def test_exchanges_never_raise_the_energy(case):
    weights, starts = case
    for start in starts:
        for rounds in (1, 20):
            found = exchanged(weights, start, rounds=rounds)
            assert energy(weights, found) <= energy(weights, start)


@pytest.mark.parametrize(("n_nodes", "seed"), [(7, 0), (20, 1), (60, 2), (2 * PATIENCE + 20, 3)])
def test_no_single_move_and_no_join_lowers_the_energy_further(n_nodes, seed):
    weights = random_graph(n_nodes, seed)
    start = np.random.default_rng(seed).integers(0, 5, n_nodes)
    labels = exchanged(weights, start, rounds=100)
    np.fill_diagonal(weights, 0)
    member = np.eye(labels.max() + 2)[labels]  # the last cluster is a new one
    binds = weights @ member
    own = binds[np.arange(n_nodes), labels]
    assert (own >= binds.max(axis=1) - 1e-9).all()
    between = member.T @ binds
    np.fill_diagonal(between, -1)
    assert between.max() <= 1e-9


# --- the best of all


@given(graphs_with_starts())
@settings(print_blob=True, max_examples=50, deadline=None)
def test_best_is_never_above_greedy_with_exchanges_nor_above_any_start(case):
    weights, starts = case
    best = energy(weights, best_clusters(weights, *starts))
    greedy = contracted(weights)
    assert best <= energy(weights, greedy)
    assert best <= energy(weights, exchanged(weights, greedy))
    for start in starts:
        assert best <= energy(weights, start)
        assert best <= energy(weights, exchanged(weights, start))


def test_best_takes_the_optimum_when_it_is_a_start():
    for seed in range(20):
        weights = random_graph(6, seed)
        optimum = min(partitions(6), key=lambda labels: energy(weights, np.array(labels)))
        found = best_clusters(weights, np.array(optimum))
        assert energy(weights, found) == energy(weights, np.array(optimum))


def test_best_takes_a_start_that_leads_lower_than_single_nodes_do():
    weights = random_graph(80, seed=0)
    start = np.arange(80) % 8
    alone = energy(weights, best_clusters(weights))
    assert energy(weights, exchanged(weights, start)) < alone
    assert energy(weights, best_clusters(weights, start)) < alone


def test_best_finds_the_optimum_of_nearly_all_small_random_graphs():
    graphs = [random_graph(6, seed) for seed in range(60)]
    hits = [energy(w, best_clusters(w)) <= lowest(w) + 1e-9 for w in graphs]
    assert sum(hits) >= 57


@pytest.mark.parametrize("flips", [0.0, 0.15])
def test_planted_clusters_are_found_exactly(flips):
    truth = np.random.default_rng(4).permutation(np.repeat([0, 1, 2, 3], [60, 50, 40, 30]))
    weights = planted(truth, flips=flips, seed=5)
    np.testing.assert_array_equal(best_clusters(weights), truth)
    np.testing.assert_array_equal(best_clusters(weights, np.zeros(180, int)), truth)


def test_equal_energies_take_the_result_from_single_nodes():
    weights = graph(3, (0, 1, 1.0), (1, 2, 1.0), (0, 2, -5.0))
    assert best_clusters(weights, np.array([1, 0, 0])).tolist() == [0, 0, 1]


# --- what is refused


CALLS = {
    "energy": lambda weights: energy(weights, np.zeros(len(weights), int)),
    "contracted": contracted,
    "exchanged": lambda weights: exchanged(weights, np.zeros(len(weights), int)),
    "best": best_clusters,
}
every_call = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())


@every_call
@pytest.mark.parametrize("shape", [(2, 3), (4,), (2, 2, 2)])
def test_weights_that_are_not_square_are_refused(call, shape):
    with pytest.raises(ValueError, match="must be square"):
        call(np.zeros(shape))


@every_call
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e308])
def test_weights_that_cannot_be_added_up_are_refused(call, bad):
    with pytest.raises(ValueError, match="give finite weights"):
        call(graph(3, (0, 1, bad)))


@every_call
def test_asymmetric_weights_are_refused(call):
    weights = graph(3, (0, 1, 1.0))
    weights[1, 2] = 0.25
    with pytest.raises(ValueError, match=r"differ by up to 0\.25"):
        call(weights)


@pytest.mark.parametrize("bad", [np.zeros(2, int), np.zeros(3), np.zeros((3, 1), int)])
def test_clusters_that_do_not_fit_the_weights_are_refused(bad):
    weights = graph(3)
    for call in (energy, contracted, exchanged, best_clusters):
        with pytest.raises(ValueError, match=r"integers of the shape \(3,\)"):
            call(weights, bad)


def test_negative_rounds_are_refused():
    with pytest.raises(ValueError, match="rounds is -1"):
        exchanged(graph(2), np.zeros(2, int), rounds=-1)


def test_the_diagonal_may_hold_anything():
    weights = graph(3, (0, 1, 1.0), rest=-1.0)
    np.fill_diagonal(weights, np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert best_clusters(weights).tolist() == [0, 0, 1]
