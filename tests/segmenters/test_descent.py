from __future__ import annotations

import subprocess
import sys

import torch

from unseg_studio.segmenters.descent import AdamW

RATE = 0.01


def small_network() -> torch.nn.Module:
    torch.manual_seed(5)
    return torch.nn.Sequential(torch.nn.Linear(4, 6), torch.nn.Tanh(), torch.nn.Linear(6, 3))


def loss_of(net: torch.nn.Module) -> torch.Tensor:
    inputs = torch.linspace(-1, 1, 40).reshape(10, 4)
    return torch.nn.functional.cross_entropy(net(inputs), torch.arange(10) % 3)


def weights_of(net: torch.nn.Module) -> list[torch.Tensor]:
    return [parameter.detach().clone() for parameter in net.parameters()]


def test_steps_are_those_of_the_class_in_torch() -> None:
    net, other = small_network(), small_network()
    descent = AdamW(net.parameters(), RATE)
    reference = torch.optim.AdamW(other.parameters(), lr=RATE)
    for _ in range(20):
        descent.step(loss_of(net))
        reference.zero_grad()
        loss_of(other).backward()
        reference.step()
    assert all(map(torch.equal, weights_of(net), weights_of(other)))


def test_a_descent_goes_on_from_what_it_recalls_as_often_as_it_is_asked() -> None:
    net = small_network()
    descent = AdamW(net.parameters(), RATE)
    for _ in range(3):
        descent.step(loss_of(net))
    weights = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    momentum, ends = descent.momentum(), []
    for _ in range(2):
        net.load_state_dict(weights)
        descent.recall(momentum)
        for _ in range(4):
            descent.step(loss_of(net))
        ends.append(weights_of(net))
    assert all(map(torch.equal, *ends))


def test_a_step_loads_no_compiler() -> None:
    code = (
        "import sys, torch\n"
        "from unseg_studio.segmenters.descent import AdamW\n"
        "weight = torch.nn.Parameter(torch.ones(3))\n"
        "AdamW([weight], 0.1).step((weight**2).sum())\n"
        "sys.exit('sympy' in sys.modules or 'torch._dynamo' in sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_steps_that_can_be_recorded_are_the_same_up_to_rounding() -> None:
    net, other = small_network(), small_network()
    still = AdamW(net.parameters(), RATE, is_still=True)
    descent = AdamW(other.parameters(), RATE)
    for _ in range(20):
        still.step(loss_of(net))
        descent.step(loss_of(other))
    for one, two in zip(weights_of(net), weights_of(other), strict=True):
        torch.testing.assert_close(one, two, atol=1e-6, rtol=1e-5)
    places = [tensor.data_ptr() for tensor in still.state()]
    still.recall(descent.momentum())
    assert places == [tensor.data_ptr() for tensor in still.state()]  # a recording finds them there
