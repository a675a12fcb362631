"""A Dask cluster by its address: whether it is there, said soon and in sentences.

`dask.distributed` is loaded where somebody asks for a cluster, and nowhere else.
"""

from __future__ import annotations

import logging
import os
import re
import socket
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from distributed import Client

SCHEMES = ("tcp", "tls")

PATIENCE_S = 5.0
"""For a scheduler to answer, at first and after it was lost."""

FIRST_WORKER_S = 20.0
"""For the first worker of a cluster that has none, which may be starting."""


class ClusterError(OSError):
    """A cluster cannot be used; says in a sentence why, and what to do."""


ENGINE = "UNSEG_ENGINE"
"""An environment variable: the address of a cluster where windows compute."""

MOST_SENT = 2**29
"""Bytes of an image that travels to a worker."""


def chosen_engine() -> str:
    """The address that the environment names, else "auto": where windows compute.

    Raises
    ------
    ValueError
        If it names no address; in a sentence.
    """
    return address_of(os.environ[ENGINE]) if os.environ.get(ENGINE) else "auto"


def local_device(device: str) -> str:
    """What computes here, for what is too small to travel."""
    return "auto" if is_address(device) else device


def large_messages() -> Any:
    """A context in which images travel with a question: scattered, they die with a worker."""
    import dask

    limit = f"{2 * MOST_SENT}B"
    return dask.config.set({"distributed.admin.large-graph-warning-threshold": limit})


def is_address(device: str) -> bool:
    """Say whether a device is the address of a cluster, such as tcp://HOST:PORT."""
    return device.partition("://")[0] in SCHEMES and "://" in device


def address_of(given: str) -> str:
    """An address as Dask writes it; HOST:PORT is enough.

    Raises
    ------
    ValueError
        If it is none; in a sentence.
    """
    found = re.fullmatch(
        r"(?:(tcp|tls)://)?([^\s/:]+|\[[0-9a-fA-F:]+\]):(\d{1,5})/?", given.strip()
    )
    if found is None or not 0 < int(found[3]) < 2**16:
        raise ValueError(
            f"{given!r} is no address of a Dask cluster; accepted is tcp://HOST:PORT, as the "
            "scheduler says when it starts, such as tcp://localhost:8786."
        )
    return f"{found[1] or 'tcp'}://{found[2]}:{found[3]}"


def connected(address: str, *, n_workers: int = 1) -> Client:
    """A client of the cluster at an address, which has so many workers at least.

    Raises
    ------
    ValueError
        If it is no address.
    ClusterError
        If the package is missing, nobody answers there, or it has no workers.
    """
    address, client_type = address_of(address), require_package().Client
    _require_listener(address)
    try:
        client = client_type(address, timeout=PATIENCE_S, set_as_default=False, name="unseg-studio")
    except (OSError, TimeoutError, RuntimeError, ValueError) as error:
        raise ClusterError(
            f"What answers at {address} is no Dask scheduler of a version that is known here "
            f"({_first_line(error)}). Check the address, and that both sides have the same "
            "version of dask.distributed."
        ) from error
    try:
        client.wait_for_workers(n_workers, timeout=FIRST_WORKER_S)
    except TimeoutError as error:
        client.close()
        raise ClusterError(
            f"The cluster at {address} has no workers. Start one with `dask worker {address}`."
        ) from error
    return client


def require_package() -> Any:
    """The package `distributed`.

    Raises
    ------
    ClusterError
        If it cannot be imported; says what to do.
    """
    try:
        import distributed
    except ImportError as error:
        raise ClusterError(
            f"A cluster needs the package dask.distributed, which cannot be imported ({error}); "
            'run: pip install "unseg-studio[cluster]"'
        ) from error
    # What it logs of lost connections is said in sentences of our own.
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    return distributed


def _require_listener(address: str) -> None:
    """Raise ClusterError where nobody listens: Dask would try again and again until the end."""
    host, _, port = address.partition("://")[2].rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=PATIENCE_S):
            return
    except OSError as error:
        raise ClusterError(
            f"Nobody answers at {address} ({error.strerror or error}). Check the address, and "
            "whether the scheduler runs there: `dask scheduler` says its address."
        ) from error


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)[:200]
