"""Several processes that train one network together, as `torchrun` starts them.

All draw the same images by the same seed and hold the same network. Each makes its share of what is
dear: features of images, and what the network makes of them; the rest is told. So each has the
objective of the joint batch, with a path to the network from its own share only, and the sum of all
gradients is that of the joint batch.

    peers.shared(n, make)    share by share: made here, or told by whoever has made it
    peers.summed(gradients)  of all of them

A process that is alone is its own and only peer; nothing is told then.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from unseg_studio.features.devices import place_of, select
from unseg_studio.features.lazy_torch import torch

N_PEERS, PLACE, DEVICE = "WORLD_SIZE", "RANK", "LOCAL_RANK"
"""Environment variables of `torchrun`: how many there are, which this is, and its device."""


class PeerGoneError(OSError):
    """Another process of a training has ended."""


@dataclass(frozen=True)
class Peers:
    """Those who train together.

    Parameters
    ----------
    rank : int
        Which of them this process is, from 0.
    n : int
        How many there are.
    """

    rank: int = 0
    n: int = 1

    @property
    def is_first(self) -> bool:
        """The one that writes."""
        return self.rank == 0

    def has(self, item: int) -> bool:
        """Whether an item of several is this one's."""
        return item % self.n == self.rank

    def shared(self, n_items: int, make: Callable[[int], torch.Tensor]) -> list[torch.Tensor]:
        """All items, each made by one of the peers; gradients reach those that were made here.

        Raises
        ------
        PeerGoneError
            If another one has ended.
        """
        own = {item: make(item) for item in range(n_items) if self.has(item)}
        if self.n == 1:
            return list(own.values())
        with _loss_told():
            kinds: list[Any] = [None] * self.n
            described = {item: (t.shape, t.dtype, t.device.type) for item, t in own.items()}
            torch.distributed.all_gather_object(kinds, described)
            return [
                self._told(item, own.get(item), kinds[item % self.n][item])
                for item in range(n_items)
            ]

    def _told(self, item: int, own: torch.Tensor | None, kind: tuple[Any, ...]) -> torch.Tensor:
        shape, dtype, device = kind
        if own is None:
            value = torch.empty(shape, dtype=dtype, device=device)
        else:
            value = own.detach().clone().contiguous()
        torch.distributed.broadcast(value, item % self.n)
        return value if own is None else own

    def summed(self, tensors: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """The sums over all peers, tensor by tensor.

        Raises
        ------
        PeerGoneError
            If another one has ended.
        """
        if self.n == 1:
            return [*tensors]
        joint = torch.cat([tensor.flatten() for tensor in tensors])  # told at once
        with _loss_told():
            torch.distributed.all_reduce(joint)
        parts = torch.split(joint, [tensor.numel() for tensor in tensors])
        return [
            torch.empty_like(tensor).copy_(part.view(tensor.shape))  # with the strides that it had
            for tensor, part in zip(tensors, parts, strict=True)
        ]

    def agreed(self, value: Callable[[], float]) -> float:
        """What the first one finds, for all, so that all go on or stop.

        Raises
        ------
        PeerGoneError
            If another one has ended.
        """
        told = [value() if self.is_first else 0.0]
        if self.n > 1:
            with _loss_told():
                torch.distributed.broadcast_object_list(told, 0)
        return told[0]

    def meet(self) -> None:
        """Wait until all are here.

        Raises
        ------
        PeerGoneError
            If another one has ended.
        """
        self.agreed(lambda: 0.0)


ALONE = Peers()


@runtime_checkable
class Joining(Protocol):
    """A learner that can share its steps."""

    def join(self, peers: Peers) -> None:
        """Take steps together from now on.

        Raises
        ------
        ValueError
            If it cannot as it is set; in a sentence.
        """
        ...


def peers_here() -> Peers:
    """Those that this process has joined; alone if none."""
    group = torch.distributed
    if not (group.is_available() and group.is_initialized()):
        return ALONE
    return Peers(group.get_rank(), group.get_world_size())


@contextmanager
def joined(device: str) -> Iterator[str]:
    """Join those that `torchrun` has started, if it has started this process, and part at the end.

    Yields
    ------
    str
        The device of this process: of several of a kind, each has its own.

    Raises
    ------
    PeerGoneError
        If they do not find each other.
    """
    group = torch.distributed
    if int(os.environ.get(N_PEERS, "1")) < 2 or group.is_initialized():
        yield device
        return
    kind = place_of(device).kind
    own = f"{kind}:{os.environ.get(DEVICE, '0')}" if kind == "cuda" else kind
    with _loss_told():
        select(own)
        group.init_process_group("nccl" if kind == "cuda" else "gloo")
    try:
        yield own
    finally:
        group.destroy_process_group()


@contextmanager
def _loss_told() -> Iterator[None]:
    """What torch raises when a peer is lost, in a sentence."""
    try:
        yield
    except RuntimeError as error:
        raise PeerGoneError(
            "Another process of this training has ended, or cannot be reached "
            f"({next(iter(str(error).splitlines()), '')[:200]}). The same command goes on from "
            "where the score was looked at last."
        ) from error
