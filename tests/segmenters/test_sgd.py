"""Our own descent against torch's, step by step."""

from __future__ import annotations

import subprocess
import sys

import torch

from unseg_studio.segmenters.sgd import SGD


def net() -> torch.nn.Sequential:
    torch.manual_seed(3)
    layers = torch.nn.Conv2d(2, 5, 3), torch.nn.ReLU(), torch.nn.BatchNorm2d(5)
    return torch.nn.Sequential(*layers).to(memory_format=torch.channels_last)


def loss_of(net: torch.nn.Sequential, number: int) -> torch.Tensor:
    planes = torch.randn(1, 2, 8, 8, generator=torch.Generator().manual_seed(number))
    return net(planes).pow(3).mean()


def test_every_step_is_that_of_torch_bit_for_bit() -> None:
    ours, theirs = net(), net()
    own = SGD(ours.parameters(), 0.1)
    official = torch.optim.SGD(theirs.parameters(), lr=0.1, momentum=0.9)
    for number in range(12):
        own.step(loss_of(ours, number))
        official.zero_grad()
        loss_of(theirs, number).backward()
        official.step()
        for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
            assert torch.equal(a, b)


def test_what_is_recalled_goes_on_as_it_would_have() -> None:
    ours = net()
    own = SGD(ours.parameters(), 0.1)
    own.step(loss_of(ours, 0))
    weights, momentum = {n: t.clone() for n, t in ours.state_dict().items()}, own.momentum()
    places = [p.data_ptr() for p in (*own.parameters, *own.momenta)]
    own.step(loss_of(ours, 1))
    first = [p.clone() for p in ours.parameters()]
    ours.load_state_dict(weights)
    own.recall(momentum)
    own.step(loss_of(ours, 1))
    assert all(torch.equal(a, b) for a, b in zip(first, ours.parameters(), strict=True))
    assert places == [p.data_ptr() for p in (*own.parameters, *own.momenta)]


def test_what_is_forgotten_counts_no_more() -> None:
    once, twice = net(), net()
    own, other = SGD(once.parameters(), 0.1), SGD(twice.parameters(), 0.1)
    other.apply([torch.ones_like(p) for p in other.parameters])
    twice.load_state_dict(once.state_dict())
    other.forget()
    own.step(loss_of(once, 0))
    other.step(loss_of(twice, 0))
    assert all(torch.equal(a, b) for a, b in zip(own.parameters, other.parameters, strict=True))


def test_a_step_loads_no_compiler() -> None:
    code = (
        "import sys, torch; from unseg_studio.segmenters.sgd import SGD;"
        "p = torch.nn.Parameter(torch.ones(2)); SGD([p], 0.1).step(p.sum());"
        "assert p.tolist() == [0.9, 0.9] or abs(p[0].item() - 0.9) < 1e-6;"
        "assert 'torch._dynamo' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
