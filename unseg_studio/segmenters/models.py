"""What was learned from many images: tensors and how they came about, in one file that is checked.

A model is named by a digest of all that is in it. Segmenters carry that name as a parameter, so
that what used a model can be written down, sent to other processes and compared like any other.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from unseg_studio.features.folders import cache_folder
from unseg_studio.features.lazy_torch import torch
from unseg_studio.formats.atomic import write_bytes

VERSION = 1
"""Of the files; to be raised when older programs would misread newer ones."""

SUFFIX = ".safetensors"

MOST_BYTES = 2**30
"""Of a file that is read at all."""

MOST_HEADER = 2**24
"""Bytes of a header that is read without the rest."""

_OURS = "unseg_studio"
"""Under which the facts stand among the metadata of a file."""

_LENGTH = 8
"""Bytes that say how long the header of a safetensors file is."""

_BETTER = "Choose another file, or train again."


@dataclass(frozen=True, eq=False)
class Model:
    """What a method has learned; equal to another that holds the same.

    Parameters
    ----------
    method : str
        A key of `SEGMENTERS`.
    parameters : mapping
        Those of the segmenter that learned it; plain values.
    tensors : mapping of str to Tensor
        On the CPU.
    facts : mapping
        How it came about: `seed`, `data` (digest of the images), `n_images`, `n_steps`, `loss`,
        `score`, `versions`; plain values.
    """

    method: str
    parameters: Mapping[str, Any]
    tensors: Mapping[str, torch.Tensor]
    facts: Mapping[str, Any]

    @cached_property
    def digest(self) -> str:
        """SHA-256 of everything that it holds, as 64 hexadecimal digits."""
        told = hashlib.sha256(_text(self).encode())
        for name in sorted(self.tensors):
            tensor = self.tensors[name].detach().cpu().contiguous()
            told.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
            told.update(tensor.numpy().tobytes())
        return told.hexdigest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Model) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def to_bytes(self) -> bytes:
        """As `save` writes it."""
        from safetensors.torch import save

        tensors = {
            name: tensor.detach().cpu().contiguous() for name, tensor in self.tensors.items()
        }
        facts = {"version": VERSION, "digest": self.digest, "model": _text(self)}
        return bytes(save(tensors, metadata={_OURS: json.dumps(facts)}))

    def save(self, path: str | Path) -> None:
        """Write it into one file, entirely or not at all.

        Raises
        ------
        OSError
            If that is not possible; in a sentence.
        """
        write_bytes(path, self.to_bytes())


def load(path: str | Path) -> Model:
    """Read a model that `Model.save` wrote.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it holds no model, one of a later version, or one that was changed; in a sentence.
    """
    path = Path(path)
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ValueError(f"{path} is larger than any model ({MOST_BYTES >> 20} MB). {_BETTER}")
        return of_bytes(path.read_bytes(), str(path))
    except OSError as error:
        raise type(error)(
            f"The model {path} cannot be read ({error.strerror}); give a file that exists."
        ) from error


def of_bytes(data: bytes, name: str) -> Model:
    """The model that `Model.to_bytes` has put down.

    Parameters
    ----------
    data : bytes
        All of it.
    name : str
        How messages call it.

    Raises
    ------
    ValueError
        As `load`.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load as load_tensors

    facts = _facts_of(data, name)
    if facts["version"] > VERSION:
        raise ValueError(
            f"{name} was made by a later version of the program (model version "
            f"{facts['version']}, accepted are versions up to {VERSION}). Update the program."
        )
    try:
        model = Model(**json.loads(facts["model"]), tensors=load_tensors(data))
    except (SafetensorError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise ValueError(f"{name} is damaged and holds no model. {_BETTER}") from error
    if model.digest != facts["digest"]:
        raise ValueError(f"{name} was changed after it was written. {_BETTER}")
    return model


def told_in(data: bytes, name: str) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """Method, parameters and facts of a model, from its header alone: without torch, unchecked.

    Parameters
    ----------
    data : bytes
        The file, or its beginning.
    name : str
        How messages call it.

    Raises
    ------
    ValueError
        If there is none.
    """
    try:
        plain = json.loads(_facts_of(data, name)["model"])
        return str(plain["method"]), dict(plain["parameters"]), dict(plain["facts"])
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise ValueError(f"{name} is no model of this program. {_BETTER}") from error


def _text(model: Model) -> str:
    plain = {
        "method": model.method,
        "parameters": dict(model.parameters),
        "facts": dict(model.facts),
    }
    return json.dumps(plain, sort_keys=True)


def _facts_of(data: bytes, name: str) -> dict[str, Any]:
    """What stands in the header beside the tensors."""
    length = int.from_bytes(data[:_LENGTH], "little")
    try:
        header = json.loads(data[_LENGTH : _LENGTH + length])
        told = json.loads(header["__metadata__"][_OURS])
        version, digest, model = (told[key] for key in ("version", "digest", "model"))
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise ValueError(f"{name} is no model of this program. {_BETTER}") from error
    if not (isinstance(version, int) and isinstance(digest, str) and isinstance(model, str)):
        raise ValueError(f"{name} is no model of this program. {_BETTER}")
    return {"version": version, "digest": digest, "model": model}


# Models on this machine, by their digest


def digest_in(segmenter: object) -> str:
    """The digest of the model that a segmenter uses; empty where it learns from each image."""
    return str(getattr(segmenter, "model", ""))


def keep(model: Model) -> str:
    """Put a model where every process of this machine finds it, and say its digest.

    Raises
    ------
    OSError
        If the folder cannot be written to.
    """
    file = _file_of(model.digest)
    if not file.is_file():
        file.parent.mkdir(parents=True, exist_ok=True)
        model.save(file)
    return model.digest


@lru_cache(maxsize=4)
def kept(digest: str) -> Model:
    """The model of this digest.

    Raises
    ------
    ValueError
        If there is none on this machine, in a sentence.
    """
    file = _file_of(digest)
    if not file.is_file():
        raise ValueError(
            f"The model {digest[:12]} is not on this machine. Open the project that it was "
            "trained in, load its file, or train again."
        )
    return load(file)


@dataclass(frozen=True)
class KeptModel:
    """One model of this machine, as lists show it.

    Parameters
    ----------
    digest : str
        See `Model.digest`.
    method, parameters, facts
        As in `Model`.
    """

    digest: str
    method: str
    parameters: Mapping[str, Any]
    facts: Mapping[str, Any]


def all_kept() -> tuple[KeptModel, ...]:
    """The models on this machine, the newest first; files that hold none are left out."""
    files = sorted((cache_folder() / "models").glob(f"*{SUFFIX}"), key=_age)
    found: list[KeptModel] = []
    for file in files:
        try:
            with file.open("rb") as opened:
                length = opened.read(_LENGTH)
                data = length + opened.read(int.from_bytes(length, "little") % MOST_HEADER)
            found.append(KeptModel(file.stem, *told_in(data, file.name)))
        except (OSError, ValueError):
            continue
    return tuple(found)


def _age(file: Path) -> float:
    try:
        return -file.stat().st_mtime
    except OSError:  # another process has removed it
        return 0.0


def _file_of(digest: str) -> Path:
    if not re.fullmatch("[0-9a-f]{64}", digest):
        raise ValueError(
            f"{digest[:80]!r} names no model; accepted are the 64 digits that name a trained "
            "one. Load its file, or train again."
        )
    return cache_folder() / "models" / f"{digest}{SUFFIX}"
