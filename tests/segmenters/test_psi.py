from __future__ import annotations

import numpy as np
import pytest
import torch

from unseg_studio.segmenters import psi

N_INPUTS, WIDTH, N_PLACES = 20, 128, 30


def network(width: int = WIDTH, n_functions: int = 7, seed: int = 0) -> dict[str, torch.Tensor]:
    return psi.drawn(N_INPUTS, width, n_functions, np.random.default_rng(seed))


def places(n: int = N_PLACES) -> torch.Tensor:
    random = np.random.default_rng(1)
    return torch.from_numpy(random.standard_normal((n, N_INPUTS)).astype(np.float32))


@pytest.mark.parametrize("shape", [(3, 8), (8, 8), (9, 4), (1, 5)])
def test_a_free_matrix_becomes_orthogonal_and_stays_what_it_is_if_it_was(
    shape: tuple[int, int],
) -> None:
    random = np.random.default_rng(2)
    free = torch.from_numpy(random.standard_normal(shape).astype(np.float32))
    found = psi.orthogonal(free)
    few = found if shape[0] <= shape[1] else found.T
    torch.testing.assert_close(few @ few.T, torch.eye(min(shape)), atol=1e-5, rtol=0)
    torch.testing.assert_close(psi.orthogonal(found), found, atol=1e-5, rtol=0)


@pytest.mark.parametrize("width", [N_INPUTS, 64, WIDTH])
def test_each_place_has_a_value_of_each_function(width: int) -> None:
    weights = network(width)
    seen = psi.hidden(weights, places())
    assert seen.shape == (N_PLACES, width)
    assert psi.functions(weights, seen).shape == (N_PLACES, 7)
    assert ("stem.weight" in weights) == (width != N_INPUTS)


def test_the_order_of_places_changes_nothing_but_their_order() -> None:
    weights, order = network(), torch.from_numpy(np.random.default_rng(3).permutation(N_PLACES))
    whole = psi.hidden(weights, places())
    torch.testing.assert_close(psi.hidden(weights, places()[order]), whole[order])


def test_a_place_is_judged_by_all_places_of_its_image() -> None:
    alone = psi.hidden(network(), places()[:10])
    among = psi.hidden(network(), places())[:10]
    assert not torch.allclose(alone, among, atol=1e-3)


def test_every_weight_takes_part() -> None:
    weights = {name: tensor.requires_grad_() for name, tensor in network().items()}
    noise = torch.from_numpy(np.random.default_rng(4).standard_normal((N_PLACES, 7)))
    loss = (psi.functions(weights, psi.hidden(weights, places())) * noise).sum()
    for gradient in torch.autograd.grad(loss, list(weights.values())):
        assert gradient.abs().max() > 0


def test_the_same_seed_draws_the_same_network() -> None:
    one, other, third = network(), network(), network(seed=1)
    assert all(torch.equal(tensor, other[name]) for name, tensor in one.items())
    assert not torch.equal(one["functions.weight"], third["functions.weight"])


def test_the_published_network_has_eighteen_heads() -> None:
    assert psi.heads(1152) == 18
