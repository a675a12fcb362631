"""Weights come from a server, whole or not at all, and only the right ones are taken."""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import torch
from safetensors.torch import save, save_file

from tests.features.real_timm import real_timm
from unseg_studio.features import weights
from unseg_studio.features.catalogue import BACKBONES, BUNDLED, Backbone
from unseg_studio.features.folders import cache_folder

NAME = "dino_vits16"
BODY = os.urandom(700_000)
SHA256 = hashlib.sha256(BODY).hexdigest()


@dataclass
class Behaviour:
    """What the server does, and what it was asked."""

    knows_ranges: bool = True
    breaks_after: int | None = None
    status: int = 200
    announced: dict[str, str] = field(default_factory=dict)
    asked: list[str | None] = field(default_factory=list)
    url: str = ""


class Handler(BaseHTTPRequestHandler):
    behaviour: Behaviour

    def do_GET(self) -> None:
        if self.path == "/hub":
            self._answer(302, {"Location": "/file", **self.behaviour.announced})
            return
        self.behaviour.asked.append(self.headers["Range"])
        if self.behaviour.status != 200:
            self._answer(self.behaviour.status, {"Content-Length": "0"})
            return
        self._send(int((self.headers["Range"] or "bytes=0-")[6:-1]))

    def _send(self, start: int) -> None:
        if start and not self.behaviour.knows_ranges:
            start = 0
        if start >= len(BODY):
            self._answer(416, {"Content-Range": f"bytes */{len(BODY)}"})
            return
        said = {"Content-Length": str(len(BODY) - start)}
        if start:
            said["Content-Range"] = f"bytes {start}-{len(BODY) - 1}/{len(BODY)}"
        self._answer(206 if start else 200, said)
        self.wfile.write(BODY[start:][: self.behaviour.breaks_after])

    def _answer(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Behaviour]:
    behaviour = Behaviour()
    kind = type("OneHandler", (Handler,), {"behaviour": behaviour})
    with ThreadingHTTPServer(("127.0.0.1", 0), kind) as running:
        thread = Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        behaviour.url = f"http://127.0.0.1:{running.server_port}/hub"
        monkeypatch.setenv("UNSEG_CACHE", str(tmp_path))
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        monkeypatch.setattr(weights, "source", lambda _: behaviour.url)
        yield behaviour
        running.shutdown()
        thread.join()


def never() -> bool:
    return False


def download(seen: list[tuple[int, int]] | None = None) -> bool:
    def progress(done: int, total: int) -> None:
        if seen is not None:
            seen.append((done, total))

    return weights.download(NAME, progress, cancelled=never)


def part() -> Path:
    return Path(f"{weights.weights_file(NAME)}.part")


def break_off(server: Behaviour, after: int = 300_000) -> None:
    server.breaks_after = after
    with pytest.raises(OSError, match=f"the line broke after {after} of {len(BODY)} bytes"):
        download()
    server.breaks_after = None


def test_a_download_is_whole_and_tells_its_progress(server: Behaviour) -> None:
    assert not weights.available(NAME)
    seen: list[tuple[int, int]] = []
    assert download(seen)
    assert weights.available(NAME)
    assert weights.weights_file(NAME).read_bytes() == BODY
    assert not part().exists()
    assert seen[0] == (0, len(BODY))
    assert seen[-1] == (len(BODY), len(BODY))
    assert len(seen) > 3
    assert seen == sorted(seen)


def test_a_line_that_breaks_leaves_a_part_and_no_weights(server: Behaviour) -> None:
    break_off(server)
    assert not weights.available(NAME)
    assert part().read_bytes() == BODY[:300_000]


def test_the_next_try_asks_only_for_the_rest(server: Behaviour) -> None:
    break_off(server)
    seen: list[tuple[int, int]] = []
    assert download(seen)
    assert server.asked == [None, "bytes=300000-"]
    assert seen[0] == (300_000, len(BODY))
    assert weights.weights_file(NAME).read_bytes() == BODY


def test_a_server_without_ranges_sends_it_all_again(server: Behaviour) -> None:
    break_off(server)
    server.knows_ranges = False
    assert download()
    assert weights.weights_file(NAME).read_bytes() == BODY


def test_a_part_that_is_whole_or_too_long_is_begun_anew(server: Behaviour) -> None:
    part().parent.mkdir(parents=True)
    part().write_bytes(BODY + b"more")
    assert download()
    assert weights.weights_file(NAME).read_bytes() == BODY


def test_a_cancelled_download_goes_on_later(server: Behaviour) -> None:
    calls = iter([False, False, True])
    assert not weights.download(NAME, lambda *_: None, cancelled=lambda: next(calls))
    assert not weights.available(NAME)
    come = part().stat().st_size
    assert 0 < come < len(BODY)
    assert download()
    assert server.asked[-1] == f"bytes={come}-"
    assert weights.weights_file(NAME).read_bytes() == BODY


def test_cancelled_at_once_asks_no_server(server: Behaviour) -> None:
    assert not weights.download(NAME, lambda *_: None, cancelled=lambda: True)
    assert not server.asked


def test_size_and_digest_that_the_hub_announces_are_checked(server: Behaviour) -> None:
    server.announced = {"X-Linked-Size": str(len(BODY)), "X-Linked-Etag": f'"{SHA256}"'}
    assert download()


def test_another_file_than_announced_is_removed(server: Behaviour) -> None:
    server.announced = {"X-Linked-Etag": f'"{SHA256[::-1]}"'}
    with pytest.raises(OSError, match="not what the server announced, and was removed"):
        download()
    assert not part().exists()
    assert not weights.available(NAME)


def test_a_damaged_part_is_noticed_when_the_rest_has_come(server: Behaviour) -> None:
    server.announced = {"X-Linked-Etag": f'"{SHA256}"'}
    break_off(server)
    part().write_bytes(b"\0" + BODY[1:300_000])
    with pytest.raises(OSError, match="not what the server announced"):
        download()
    assert download()
    assert weights.weights_file(NAME).read_bytes() == BODY


@pytest.mark.parametrize(("announced", "match"), [(600_000, "and was removed"), (800_000, "broke")])
def test_a_file_of_another_size_than_announced_is_no_weights(
    server: Behaviour, announced: int, match: str
) -> None:
    server.announced = {"X-Linked-Size": str(announced)}
    with pytest.raises(OSError, match=match):
        download()
    assert not weights.available(NAME)


@pytest.mark.parametrize("status", [401, 403, 404, 503])
def test_a_server_that_refuses_is_one_sentence(server: Behaviour, status: int) -> None:
    server.status = status
    with pytest.raises(
        OSError, match=rf"DINO ViT-S/16 were not downloaded: the server answered {status}"
    ) as caught:
        download()
    assert "The bundled backbone needs no download." in str(caught.value)


def test_no_network_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNSEG_CACHE", str(tmp_path))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as gone:
        port = gone.server_port
    monkeypatch.setattr(weights, "source", lambda _: f"http://127.0.0.1:{port}/hub")
    with pytest.raises(OSError, match=r"the server cannot be reached \(.*--weights FILE"):
        download()
    assert not weights.available(NAME)


def test_a_folder_that_cannot_be_made_is_one_sentence(
    server: Behaviour, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "taken").write_text("no folder")
    monkeypatch.setenv("UNSEG_CACHE", str(tmp_path / "taken"))
    with pytest.raises(OSError, match="were not downloaded"):
        download()


def test_the_bundled_weights_are_always_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "source", None)
    assert weights.available(BUNDLED)
    assert weights.download(BUNDLED, lambda *_: None, cancelled=never)
    assert re.fullmatch("[0-9a-f]{64}", weights.fingerprint(BUNDLED))


def test_timm_knows_where_the_weights_are() -> None:
    real_timm()
    for entry in BACKBONES.values():
        if not entry.is_bundled:
            assert weights.source(entry.name).endswith(
                f"{entry.timm_name}/resolve/main/model.safetensors"
            )


def test_timm_that_cannot_be_imported_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    monkeypatch.setitem(sys.modules, "timm.models", None)
    with pytest.raises(OSError, match=r"timm, which cannot be imported .*the bundled backbone"):
        weights.download(NAME, lambda *_: None, cancelled=never)


def test_the_cache_folder_is_the_users_or_the_one_in_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNSEG_CACHE", str(tmp_path / "here"))
    assert cache_folder() == tmp_path / "here"
    monkeypatch.setenv("UNSEG_CACHE", "")
    assert cache_folder().name == "unseg-studio"


# Loading ----------------------------------------------------------------------------------------


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, torch.Tensor]:
    """A backbone so small that a test may make it; its weights."""
    entry = Backbone(
        *("tiny", "Tiny ViT", "vit", "test_vit.r160_in1k"),
        megabytes=1,
        licence="none",
        seconds=0,
        side=64,
        patch=16,
        depth=6,
    )
    monkeypatch.setitem(BACKBONES, "tiny", entry)
    monkeypatch.setenv("UNSEG_CACHE", str(tmp_path / "cache"))
    return dict(real_timm().create_model("test_vit").state_dict())


@pytest.mark.parametrize("suffix", ["safetensors", "pth", "bin"])
def test_a_file_is_taken_as_published(
    tiny: dict[str, torch.Tensor], tmp_path: Path, suffix: str
) -> None:
    file = tmp_path / f"w.{suffix}"
    save_file(tiny, file) if suffix == "safetensors" else torch.save({"model": tiny}, file)
    network = weights.load("tiny", file)
    assert not network.training
    assert not any(parameter.requires_grad for parameter in network.parameters())
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, tiny[name])
    assert weights.load("tiny", file) is network


def authors_names_of_dinov3(name: str) -> str:
    name = name.replace("reg_token", "storage_tokens")
    return name.replace("gamma_1", "ls1.gamma").replace("gamma_2", "ls2.gamma")


@pytest.mark.parametrize("backbone", ["dinov2_vits14", "dinov3_vits16"])
def test_a_file_is_taken_as_the_authors_name_its_tensors(tmp_path: Path, backbone: str) -> None:
    with torch.device("meta"):
        shapes = real_timm().create_model(BACKBONES[backbone].timm_name).state_dict()
    state = {name: torch.full(tensor.shape, 0.5) for name, tensor in shapes.items()}
    named = {"mask_token": torch.zeros(1, 384)}
    if backbone == "dinov3_vits16":
        named |= {f"blocks.{block}.attn.qkv.bias": torch.zeros(3 * 384) for block in range(12)}
        named |= {"rope_embed.periods": torch.zeros(16)}
        state = {authors_names_of_dinov3(name): tensor for name, tensor in state.items()}
    torch.save({**state, **named}, tmp_path / "w.pth")
    network = weights.load(backbone, tmp_path / "w.pth")
    assert all((parameter == 0.5).all() for parameter in network.parameters())


def test_a_file_that_was_replaced_is_read_again(
    tiny: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    file = tmp_path / "w.safetensors"
    save_file(tiny, file)
    first, mark = weights.load("tiny", file), weights.fingerprint("tiny", file)
    save_file({**tiny, "cls_token": tiny["cls_token"] + 1}, file)
    os.utime(file, ns=(1, 1))
    assert weights.load("tiny", file) is not first
    assert weights.fingerprint("tiny", file) != mark


def other_patches(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {**state, "patch_embed.proj.weight": torch.zeros(64, 3, 8, 8)}


def wider(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {**state, "blocks.2.mlp.fc1.weight": torch.zeros(7, 64)}


def fewer_blocks(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: tensor for name, tensor in state.items() if not name.startswith("blocks.5")}


def more(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {**state, "blocks.6.norm1.weight": torch.zeros(64)}


def another(_: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {"conv1.weight": torch.zeros(8, 3, 7, 7)}


@pytest.mark.parametrize("change", [other_patches, wider, fewer_blocks, more, another])
def test_weights_of_another_network_are_one_sentence(
    tiny: dict[str, torch.Tensor], tmp_path: Path, change: Any
) -> None:
    file = tmp_path / "w.safetensors"
    save_file(change(tiny), file)
    with pytest.raises(
        ValueError, match=r"w\.safetensors' was not made for Tiny ViT; .* bundled backbone"
    ):
        weights.load("tiny", file)
    assert file.exists()


@pytest.mark.parametrize("suffix", ["safetensors", "pth"])
@pytest.mark.parametrize("kept", [0, 4, 1000, 0.5, 0.99])
def test_half_a_file_is_one_sentence(
    tiny: dict[str, torch.Tensor], tmp_path: Path, suffix: str, kept: float
) -> None:
    file = tmp_path / f"w.{suffix}"
    save_file(tiny, file) if suffix == "safetensors" else torch.save(tiny, file)
    whole = file.read_bytes()
    file.write_bytes(whole[: int(kept * len(whole)) if kept < 1 else int(kept)])
    with pytest.raises(OSError, match=r"is not whole, or no weights file; .* bundled backbone"):
        weights.load("tiny", file)
    assert file.exists()


class Code:
    """A pickle that would run code."""

    def __reduce__(self) -> Any:
        return (os.system, ("exit 3",))


def test_a_file_with_code_is_refused(tiny: dict[str, torch.Tensor], tmp_path: Path) -> None:
    file = tmp_path / "w.pth"
    torch.save({**tiny, "cls_token": Code()}, file)
    with pytest.raises(OSError, match="no weights file"):
        weights.load("tiny", file)


def test_a_broken_download_is_removed_so_that_it_can_be_had_again(
    tiny: dict[str, torch.Tensor],
) -> None:
    file = weights.weights_file("tiny")
    file.parent.mkdir(parents=True)
    file.write_bytes(save(tiny)[:5000])
    assert weights.available("tiny")
    with pytest.raises(OSError, match="download it again"):
        weights.load("tiny")
    assert not weights.available("tiny")


def test_missing_weights_are_one_sentence(tiny: dict[str, torch.Tensor], tmp_path: Path) -> None:
    missing = (
        r"Tiny ViT are not on this machine; download them in the window \(1 MB\), or, without a "
        r"network, .* --weights FILE\. The bundled backbone needs no download\."
    )
    for ask in (weights.load, weights.fingerprint):
        with pytest.raises(FileNotFoundError, match=missing):
            ask("tiny")
        with pytest.raises(FileNotFoundError, match=r"no weights file '.*none\.pth'"):
            ask("tiny", tmp_path / "none.pth")


def test_a_file_for_the_bundled_backbone_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="choose the backbone that the file belongs to"):
        weights.fingerprint(BUNDLED, tmp_path / "w.pth")
