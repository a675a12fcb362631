from __future__ import annotations

import math

import pytest
import torch

from unseg_studio.segmenters import cuts


def two_pairs() -> torch.Tensor:
    """Nodes 0 and 1, 2 and 3 belong together; one weak tie between the pairs."""
    weights = torch.eye(4)
    for one, other, weight in ((0, 1, 1.0), (2, 3, 1.0), (1, 2, 0.5)):
        weights[one, other] = weights[other, one] = weight
    return weights


def sure(*clusters: int) -> torch.Tensor:
    return torch.eye(max(clusters) + 1)[list(clusters)]


def test_the_normalised_cut_is_what_one_computes_by_hand() -> None:
    # Degrees 2, 2.5, 2.5, 2; of 9 in all, 8 stay within the pairs; both pairs are of one size.
    assert cuts.ncut_loss(two_pairs(), sure(0, 0, 1, 1)).item() == pytest.approx(-8 / 9)


def test_uneven_clusters_cost_more() -> None:
    lopsided = torch.tensor([3.0, 1.0])
    uneven = math.sqrt(((lopsided / lopsided.norm() - 1 / math.sqrt(2)) ** 2).sum())
    within = 2.0 + 2.5 + 1.5 + 1.0
    loss = cuts.ncut_loss(two_pairs(), sure(0, 0, 0, 1))
    assert loss.item() == pytest.approx(uneven - within / 9, abs=1e-5)


def test_a_node_that_stands_for_many_counts_as_many() -> None:
    weights, sizes = two_pairs(), torch.tensor([1.0, 1.0, 1.0, 3.0])
    plain, counted = (cuts.ncut_loss(weights, sure(0, 0, 0, 1), s) for s in (None, sizes))
    assert counted.item() == pytest.approx(-7 / 9, abs=1e-5)
    assert counted < plain


def test_the_pairs_are_the_cut_of_least_loss() -> None:
    losses = {
        split: cuts.ncut_loss(two_pairs(), sure(*split)).item()
        for split in ((0, 0, 1, 1), (0, 1, 0, 1), (0, 1, 1, 0), (0, 0, 0, 1))
    }
    assert min(losses, key=lambda split: losses[split]) == (0, 0, 1, 1)


def test_correlation_counts_the_weights_within_clusters() -> None:
    signed = two_pairs() - 0.75
    together, apart = (
        cuts.correlation_loss(signed, sure(*c)) for c in ((0, 0, 0, 0), (0, 0, 1, 1))
    )
    assert together.item() == pytest.approx(-signed.sum().item())
    assert apart.item() == pytest.approx(-2.0)
    assert apart < together


def test_published_weights_for_the_cut_are_inner_products_without_the_negative() -> None:
    features = torch.tensor([[2.0, 0.0], [1.0, 1.0], [-1.0, 0.0]])
    weights = cuts.published_affinity(features, k_less=False)
    expected = torch.tensor([[4.0, 2.0, 0.0], [2.0, 2.0, 0.0], [0.0, 0.0, 1.0]]) / 4
    torch.testing.assert_close(weights, expected)


def test_published_weights_without_k_are_signed() -> None:
    features = torch.tensor([[3.0, 0.0], [0.0, 1.0]])
    weights = cuts.published_affinity(features, k_less=True, alpha=3.0)
    torch.testing.assert_close(weights, torch.tensor([[6.0, -3.0], [-3.0, -2.0]]))


def test_features_of_nothing_have_finite_weights() -> None:
    nothing = torch.zeros(3, 2)
    for k_less in (False, True):
        assert torch.isfinite(cuts.published_affinity(nothing, k_less=k_less)).all()
    assert torch.isfinite(cuts.cosine_affinity(nothing)).all()
    assert torch.isfinite(cuts.normalised(torch.zeros(3, 3))).all()


def test_no_node_is_louder_than_others_among_cosines() -> None:
    features = torch.tensor([[1.0, 0.0], [100.0, 0.0], [0.0, 5.0]])
    expected = torch.tensor([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    torch.testing.assert_close(cuts.cosine_affinity(features), expected)


def test_a_graph_convolution_averages_by_degree() -> None:
    weights = torch.tensor([[1.0, 1.0, 0.0], [1.0, 1.0, 2.0], [0.0, 2.0, 0.0]])
    found = cuts.normalised(weights)
    degrees = torch.tensor([2.0, 4.0, 3.0])  # the last has no weight to itself and gets 1
    assert found[0, 1].item() == pytest.approx(1 / math.sqrt(8))
    assert found[2, 2].item() == pytest.approx(1 / degrees[2].item())
    torch.testing.assert_close(found, found.T)


def test_the_network_has_the_published_number_of_weights() -> None:
    assert sum(p.numel() for p in cuts.network(384, 2).parameters()) == 26_786


def test_the_association_is_what_one_computes_by_hand() -> None:
    # Of the ties of each pair, 4.5, there stay 4 within it.
    assert cuts.association_loss(two_pairs(), sure(0, 0, 1, 1)).item() == pytest.approx(-8 / 9)
    empty = torch.cat([sure(0, 0, 1, 1), torch.zeros(4, 1)], dim=1)
    assert cuts.association_loss(two_pairs(), empty).item() == pytest.approx(-16 / 27)


def test_the_association_does_not_mind_clusters_of_other_sizes() -> None:
    weights = torch.block_diag(torch.ones(5, 5), torch.ones(1, 1))
    assert cuts.association_loss(weights, sure(0, 0, 0, 0, 0, 1)).item() == pytest.approx(-1)
    assert cuts.ncut_loss(weights, sure(0, 0, 0, 0, 0, 1)).item() > -0.5
