"""The files that networks' weights come in: downloaded, or brought by hand."""

from __future__ import annotations

import hashlib
import importlib
import pickle
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from threading import Lock

from unseg_studio.features import efficientnet, transfer
from unseg_studio.features.catalogue import Backbone, backbone
from unseg_studio.features.devices import frees
from unseg_studio.features.folders import cache_folder
from unseg_studio.features.lazy_timm import timm
from unseg_studio.features.lazy_torch import torch

State = dict[str, "torch.Tensor"]

HUB_FILE = "model.safetensors"
"""How hubs name the file with the weights."""


def weights_file(name: str) -> Path:
    """Where the weights of a backbone lie, or will lie once they are downloaded."""
    if backbone(name).is_bundled:
        return efficientnet.bundled_file()
    return cache_folder() / "weights" / f"{name}.safetensors"


def available(name: str) -> bool:
    """Whether the weights of a backbone are on this machine."""
    return backbone(name).is_bundled or weights_file(name).is_file()


def source(name: str) -> str:
    """The address that timm knows for the weights of a backbone.

    Raises
    ------
    OSError
        If timm cannot be imported.
    """
    known = timm().models.get_pretrained_cfg(backbone(name).timm_name)
    from huggingface_hub import hf_hub_url  # a part of timm's installation

    return str(hf_hub_url(known.hf_hub_id, HUB_FILE))


def download(
    name: str, progress: Callable[[int, int], None], *, cancelled: Callable[[], bool]
) -> bool:
    """Bring the weights of a backbone, going on where an earlier try ended.

    Parameters
    ----------
    name : str
        Of the catalogue; nothing is done for the bundled one.
    progress : callable
        Told, in this thread, how many bytes there are, and how many there will be (0: unknown).
    cancelled : callable
        Asked often; the download ends where it answers True, and may be gone on with later.

    Returns
    -------
    bool
        Whether the weights are there now; False if it was cancelled.

    Raises
    ------
    OSError
        If they did not come; the sentence says why, and what to do.
    """
    chosen = backbone(name)
    if chosen.is_bundled:
        return True
    target = weights_file(name)
    try:
        return transfer.fetch(source(name), target, progress=progress, cancelled=cancelled)
    except OSError as error:
        raise OSError(
            f"The weights of {chosen.title} were not downloaded: {error}. Download them again, "
            f"which goes on where it stopped; {_OTHERWISE}"
        ) from error


_OTHERWISE = (
    "without a network, bring their file: choose it in the window, or name it with "
    "--weights FILE. "
    "The bundled backbone needs no download."
)


def fingerprint(name: str, file: Path | None = None) -> str:
    """What tells weights from others: a digest of their file.

    Raises
    ------
    OSError
        If there is no such file; the sentence says what to do.
    """
    path = _existing(name, file)
    facts = path.stat()
    return _digest(path, facts.st_mtime_ns, facts.st_size)


def load(
    name: str, file: Path | None = None, *, device: str | torch.device = "cpu"
) -> torch.nn.Module:
    """A network of the catalogue's larger ones with its weights; the last two stay in memory.

    Parameters
    ----------
    name : str
    file : Path, optional
        safetensors, or a state dict of torch, as timm or the network's authors publish it;
        by default what was downloaded.
    device : str or torch.device

    Raises
    ------
    OSError
        If there is no such file, it cannot be read, or timm cannot be imported.
    ValueError
        If the file holds the weights of another network.
    """
    path = _existing(name, file)
    facts = path.stat()
    with _LOADING:  # the cache alone would let two threads load one network
        return _loaded(name, path, facts.st_mtime_ns, torch.device(device))


_LOADING = Lock()


def _existing(name: str, file: Path | None) -> Path:
    chosen = backbone(name)
    if file is not None and chosen.is_bundled:
        raise ValueError(
            f"{chosen.title} brings its weights, but the file {str(file)!r} was given; "
            "choose the backbone that the file belongs to, or give no file."
        )
    path = file or weights_file(name)
    if path.is_file():
        return path
    if file is not None:
        raise FileNotFoundError(f"There is no weights file {str(file)!r}; give one that exists.")
    raise FileNotFoundError(
        f"The weights of {chosen.title} are not on this machine; download them in the window "
        f"({chosen.megabytes} MB), or, {_OTHERWISE}"
    )


@lru_cache(maxsize=32)
def _digest(path: Path, _changed: int, _size: int) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


@lru_cache(maxsize=2)
def _loaded(name: str, path: Path, _changed: int, device: torch.device) -> torch.nn.Module:
    chosen = backbone(name)
    of_any_size = {"dynamic_img_size": True} if chosen.kind == "vit" else {}
    network: torch.nn.Module = timm().create_model(
        chosen.timm_name, pretrained=False, **of_any_size
    )
    _fill(network, _state(path, chosen), chosen, path=path)
    return network.requires_grad_(False).eval().to(device)


frees(_loaded.cache_clear)


_BROKEN = (
    *(EOFError, RuntimeError, pickle.UnpicklingError),
    *(ValueError, TypeError, LookupError, AttributeError),
)
"""What torch raises for damaged files, by where the damage is."""


def _state(path: Path, chosen: Backbone) -> State:
    """The tensors of a file; never code, for `weights_only` refuses it."""
    from safetensors import SafetensorError

    try:
        return dict(timm().models.load_state_dict(str(path), weights_only=True))
    except (*_BROKEN, SafetensorError) as error:
        if path == weights_file(chosen.name):
            path.unlink(missing_ok=True)
        raise OSError(
            f"The weights file {str(path)!r} is not whole, or no weights file; download it again. "
            "The bundled backbone needs no download."
        ) from error


def _fill(network: torch.nn.Module, state: State, chosen: Backbone, *, path: Path) -> None:
    try:
        if chosen.kind == "vit":
            _check_patches(network, state)
        network.load_state_dict(_renamed(network, state))
    except _BROKEN as error:
        raise ValueError(
            f"The weights file {str(path)!r} was not made for {chosen.title}; choose the backbone "
            "that it belongs to, or another file. The bundled backbone needs none."
        ) from error


def _check_patches(network: torch.nn.Module, state: State) -> None:
    """Since timm would stretch patches of another size and so take another network."""
    name = "patch_embed.proj.weight"
    if state[name].shape != network.state_dict()[name].shape:
        raise ValueError(name)


def _renamed(network: torch.nn.Module, state: State) -> State:
    """As timm names them; authors have names of their own, and biases that are all 0."""
    wanted = network.state_dict()
    state = {
        name: tensor
        for name, tensor in state.items()
        if name in wanted or not name.endswith("qkv.bias")
    }
    family = importlib.import_module(type(network).__module__)
    rename = getattr(family, "checkpoint_filter_fn", None)
    return state if rename is None else dict(rename(state, network))
