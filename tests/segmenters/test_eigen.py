from __future__ import annotations

import numpy as np
import pytest
import torch

from unseg_studio.segmenters.descent import AdamW
from unseg_studio.segmenters.eigen import (
    columns_bounded,
    feature_kernel,
    normalised,
    objective,
    place_kernel,
    repulsion_of,
)

N_POINTS, N_BLOCKS = 64, 4
SCALE, PLACE_WEIGHT = 0.01, 0.3


def points(n: int = 40, seed: int = 0) -> torch.Tensor:
    random = np.random.default_rng(seed)
    return torch.from_numpy(random.standard_normal((n, 6)).astype(np.float32))


def photo(shape: tuple[int, int] = (6, 7), seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).random((3, *shape), np.float32))


def evenly(kernel: np.ndarray) -> np.ndarray:
    scale = 1 / np.sqrt(kernel.sum(axis=1))
    return np.asarray(scale[:, None] * kernel * scale)


def sparse(dense: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(dense.astype(np.float32)).to_sparse().coalesce()


def both_kernels(n_images: int = 3) -> torch.Tensor:
    images = [photo(seed=i) for i in range(n_images)]
    features = points(sum(image[0].numel() for image in images))
    return (feature_kernel(features, 8) + PLACE_WEIGHT * place_kernel(images)).coalesce()


# The kernels -------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_nearest", [1, 5, 39])
def test_looks_alike_as_computed_densely(n_nearest: int) -> None:
    unit = points().numpy().astype(np.float64)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    cosines = unit @ unit.T
    np.fill_diagonal(cosines, -np.inf)
    dense = np.zeros_like(cosines)
    for row, own in zip(dense, cosines, strict=True):
        most = np.argsort(own)[-n_nearest:]
        row[most] = np.maximum(own[most], 0)
    expected = evenly((dense + dense.T) / 2 + 1e-12)
    found = feature_kernel(points(), n_nearest).to_dense().numpy()
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_rows_beyond_a_portion_are_compared_with_all(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = feature_kernel(points(), 5).to_dense()
    monkeypatch.setattr("unseg_studio.segmenters.eigen.ROWS", 7)
    torch.testing.assert_close(feature_kernel(points(), 5).to_dense(), whole)


def test_what_lies_together_as_computed_densely() -> None:
    height, width = 6, 7
    image = photo((height, width)).numpy().astype(np.float64)
    rows, columns = np.indices((height, width))
    places = np.stack([rows.ravel() / (height - 1), columns.ravel() / (width - 1)], axis=1)
    linked = np.zeros((height * width, height * width))
    for n, weight in ((10, 2.0), (5, 0.1)):
        spot = np.concatenate([image.reshape(3, -1).T, weight * places], axis=1)
        apart = np.linalg.norm(spot[:, None] - spot, axis=2)
        np.fill_diagonal(apart, np.inf)
        for row, own in zip(linked, apart, strict=True):
            row[np.argsort(own)[:n]] = 1
    expected = evenly(np.maximum(linked, linked.T))
    np.testing.assert_allclose(place_kernel([photo()]).to_dense().numpy(), expected, atol=1e-6)


def test_images_of_any_size_do_not_lie_together() -> None:
    images = [photo(), photo((3, 5), 1), photo((1, 1), 2)]
    kernel = place_kernel(images).to_dense()
    n_before = 0
    for image in images:
        n = image[0].numel()
        own = kernel[n_before : n_before + n]
        alone = place_kernel([image]).to_dense()
        torch.testing.assert_close(own[:, n_before : n_before + n], alone)
        assert int((own != 0).sum()) == int((alone != 0).sum())
        n_before += n
    assert kernel.diagonal().abs().max() == 0


@pytest.mark.parametrize("n", [1, 2])
def test_hardly_any_places_have_a_kernel_of_finite_numbers(n: int) -> None:
    kernel = feature_kernel(points(n), 8).to_dense()
    assert kernel.shape == (n, n) and torch.isfinite(kernel).all()


def test_kernels_are_symmetric_and_their_largest_eigenvalue_is_the_sum_of_their_weights() -> None:
    kernel = both_kernels().to_dense()
    torch.testing.assert_close(kernel, kernel.T)
    largest = np.linalg.eigvalsh(kernel.numpy().astype(np.float64))[-1]
    assert 1 < largest <= 1 + PLACE_WEIGHT + 1e-5


# The objective -----------------------------------------------------------------------------------


def test_the_objective_as_computed_densely() -> None:
    kernel = both_kernels()
    functions = points(len(kernel), seed=3)
    dense = kernel.to_dense().double()
    seen = functions.double().T @ dense @ functions.double()
    beta = 2.5 / 6
    pairs = sum(float(seen[i, j] ** 2) for j in range(6) for i in range(j))
    expected = -float(seen.trace()) / 6 + beta / 6 * pairs
    assert float(objective(functions, kernel, 2.5)) == pytest.approx(expected, rel=1e-4)


def repelled(functions: torch.Tensor, kernel: torch.Tensor) -> torch.Tensor:
    """The gradient of the repulsion alone."""
    functions = functions.clone().requires_grad_()
    loss = repulsion_of(functions, torch.sparse.mm(kernel, functions))
    return torch.autograd.grad(loss, functions)[0]


def test_a_function_is_not_pushed_by_those_after_it() -> None:
    kernel = both_kernels()
    functions, others = points(len(kernel), seed=3), points(len(kernel), seed=4)
    whole = repelled(functions, kernel)
    assert whole[:, 0].abs().max() == 0
    for column in range(1, 6):
        assert whole[:, column].abs().max() > 0
        changed = functions.clone()
        changed[:, column + 1 :] = others[:, column + 1 :]
        torch.testing.assert_close(repelled(changed, kernel)[:, column], whole[:, column])
        changed = functions.clone()
        changed[:, column - 1] = others[:, column - 1]
        assert not torch.allclose(repelled(changed, kernel)[:, column], whole[:, column])


def test_a_function_is_pushed_as_if_those_before_it_stood_still() -> None:
    kernel = both_kernels()
    functions = points(len(kernel), seed=3)
    seen = kernel.to_dense() @ functions
    for column in range(6):
        cross = functions[:, :column].T @ seen[:, column]
        expected = 2 * seen[:, :column] @ cross
        torch.testing.assert_close(
            repelled(functions, kernel)[:, column], expected, rtol=1e-3, atol=1e-4
        )


@pytest.mark.parametrize("seed", range(5))
def test_no_function_gains_more_than_the_bound(seed: int) -> None:
    kernel = both_kernels()
    functions = (3 * points(len(kernel), seed)).softmax(dim=1)
    towards_the_top = torch.linalg.matrix_power(kernel.to_dense() + torch.eye(len(kernel)), 30)
    for some in (functions, functions / 100, towards_the_top @ functions):
        bounded = columns_bounded(some, SCALE)
        gains = (bounded * torch.sparse.mm(kernel, bounded)).sum(dim=0)
        assert gains.max() <= SCALE * (1 + PLACE_WEIGHT) * (1 + 1e-5)
        assert objective(bounded, kernel, 0.0) >= -SCALE * (1 + PLACE_WEIGHT) * (1 + 1e-5)


def test_functions_that_are_short_stay_so() -> None:
    functions = torch.tensor([[0.3, 3.0], [0.4, 4.0]])
    expected = torch.tensor([[0.3, 0.6], [0.4, 0.8]])
    torch.testing.assert_close(columns_bounded(functions, 4.0), 2 * expected)


# The toy -----------------------------------------------------------------------------------------


def block_graph() -> np.ndarray:
    """Four groups of 16 points, tied closely within and, more or less, from group to group."""
    random = np.random.default_rng(7)
    block = np.arange(N_POINTS) // (N_POINTS // N_BLOCKS)
    between = np.array([[9, 3, 1, 1], [3, 8, 1, 1], [1, 1, 9, 2], [1, 1, 2, 7]]) / 10
    ties = between[block[:, None], block] * random.uniform(0.8, 1.2, (N_POINTS, N_POINTS))
    np.fill_diagonal(ties, 0)
    return np.asarray(ties + ties.T)


def test_functions_of_a_block_graph_span_what_its_first_eigenvectors_do() -> None:
    kernel = normalised(sparse(block_graph()))
    functions = points(N_POINTS)[:, :N_BLOCKS].clone().requires_grad_()
    descent = AdamW([functions], 0.05, decay=0.0)
    n_steps = 1500
    for number in range(n_steps):
        unit = columns_bounded(100 * functions, 1.0)
        rate = 0.05 * (1 + np.cos(np.pi * number / n_steps)) / 2
        descent.step(objective(unit, kernel, 4 * N_BLOCKS**2), rate)
    _, vectors = np.linalg.eigh(kernel.to_dense().double().numpy())
    found = np.linalg.qr(functions.detach().double().numpy())[0]
    cosines = np.linalg.svd(found.T @ vectors[:, -N_BLOCKS:])[1]
    assert np.arccos(cosines.clip(-1, 1)).max() < 1e-2
    each = np.abs(np.sum(vectors[:, -N_BLOCKS:][:, ::-1] * found, axis=0))
    assert each.min() > 0.99  # one by one, the first first
